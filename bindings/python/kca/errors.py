"""Errors: one class for each kind of failure, all derived from `Error`."""

from __future__ import annotations

from . import _kca


class Error(Exception):
    """A failure that the library reports; its text is one line.

    Attributes:
        code: one of the `KCA_ERROR_...` numbers of kca_abi.h.
        name: the code's name for programs and logs, such as "unreachable".
        rdkafka_code: librdkafka's code when the failure came from librdkafka, else 0.
        retriable: calling again later may succeed.
        fatal: the object that raised it cannot be used any more.
    """

    code: int = 0
    name: str = ""
    rdkafka_code: int = 0
    retriable: bool = False
    fatal: bool = False


class ArgumentError(Error):
    """An argument or option is not allowed; the text says which values are allowed."""

    code = _kca.KCA_ERROR_ARGUMENT


class StateError(Error):
    """The call is not possible now, for instance because the system is not started."""

    code = _kca.KCA_ERROR_STATE
    name = "state"


class OutOfMemoryError(Error):
    """Out of memory."""

    code = _kca.KCA_ERROR_MEMORY


class ForkedError(Error):
    """The handle was made before fork; start a system in the child."""

    code = _kca.KCA_ERROR_FORKED


class TimedOutError(Error):
    """The timeout was over before the call was done."""

    code = _kca.KCA_ERROR_TIMEOUT


class UnreachableError(Error):
    """Nobody listens there, the name does not resolve, or nobody answers."""

    code = _kca.KCA_ERROR_UNREACHABLE


class TlsError(Error):
    """A certificate or key is wrong, or one side speaks TLS and the other does not."""

    code = _kca.KCA_ERROR_TLS


class AuthenticationError(Error):
    """The broker refused the user, the password or the mechanism."""

    code = _kca.KCA_ERROR_AUTHENTICATION


class AuthorizationError(Error):
    """The cluster's access rules forbid the operation."""

    code = _kca.KCA_ERROR_AUTHORIZATION


class BufferFullError(Error):
    """The publisher's buffer stayed full; try again later."""

    code = _kca.KCA_ERROR_BUFFER_FULL


class NotStoredError(Error):
    """The broker did not confirm the message; it may or may not be stored."""

    code = _kca.KCA_ERROR_NOT_STORED


class TooLargeError(Error):
    """The message is larger than the publisher or the broker takes."""

    code = _kca.KCA_ERROR_TOO_LARGE


class PayloadError(Error):
    """The payload is not JSON, or a value in it has another type."""

    code = _kca.KCA_ERROR_PAYLOAD


class NotFoundError(Error):
    """There is no channel, consumer, header or JSON value of this name."""

    code = _kca.KCA_ERROR_NOT_FOUND


class DuplicateError(Error):
    """The name is taken."""

    code = _kca.KCA_ERROR_DUPLICATE


class HandlerError(Error):
    """A handler failed, rejected or took too long."""

    code = _kca.KCA_ERROR_HANDLER


class StoppedError(Error):
    """The consumer or system has stopped."""

    code = _kca.KCA_ERROR_STOPPED
    name = "stopped"


class BrokerError(Error):
    """Any other error that the cluster or librdkafka reports."""

    code = _kca.KCA_ERROR_BROKER


class OffsetError(Error):
    """An offset is gone, is of another topic, or lies outside its partition; see `kca.Fault`."""

    code = _kca.KCA_ERROR_OFFSET


class HookError(Error):
    """A hook of a library in C refused the message, or failed after it was published; see `kca.hooks`."""

    code = _kca.KCA_ERROR_HOOK


class ReplyError(Error):
    """Who was asked answered with an error, whose text this is."""

    code = _kca.KCA_ERROR_REPLY


class TranslatorError(Error):
    """A translator of the application's failed."""

    code = _kca.KCA_ERROR_TRANSLATOR


class CancelledError(Error):
    """The application cancelled it."""

    code = _kca.KCA_ERROR_CANCELLED


class Rejected(Exception):
    """A handler raises it for a message that will never work; the class name is the error's name."""


_BY_CODE: dict[int, type[Error]] = {kind.code: kind for kind in Error.__subclasses__()}


def make(code: int, name: str, text: str, rdkafka_code: int, retriable: int, fatal: int) -> Error:
    """The exception for a `kca_error`; the module in C calls this."""
    kind = _BY_CODE.get(code, Error)
    error = kind(text)
    error.code = code
    error.name = name
    error.rdkafka_code = rdkafka_code
    error.retriable = bool(retriable)
    error.fatal = bool(fatal)
    return error
