"""Messages, and deliveries: messages handed to the application."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextvars import ContextVar
from datetime import datetime, timedelta, timezone
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from . import _kca
from .payload import decoded, encoded, result_of
from .visible import visible

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .bus import Bus, Fields


class Verdict(IntEnum):
    """How a delivery is settled."""

    DONE = _kca.KCA_DONE
    FAILED = _kca.KCA_FAILED
    REJECTED = _kca.KCA_REJECTED
    DEFERRED = _kca.KCA_DEFERRED
    DUPLICATE = _kca.KCA_DUPLICATE


DONE, FAILED, REJECTED = Verdict.DONE, Verdict.FAILED, Verdict.REJECTED
DEFERRED, DUPLICATE = Verdict.DEFERRED, Verdict.DUPLICATE

# Custom headers to publish: by name, or one after another, where names may come again and a value may be None.
Headers = Mapping[str, bytes | str] | Sequence[tuple[str, bytes | str | None]]

# The delivery that this thread or task handles: messages published meanwhile continue its trace.
handled: ContextVar[Delivery | None] = ContextVar("handled", default=None)


_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def _ms_of(time: datetime | int) -> int:
    """Milliseconds since 1970: never before the time."""
    if not isinstance(time, datetime):
        return time
    if time.tzinfo is None:
        raise ValueError("deliver_at must have a time zone, as datetime.now(timezone.utc) has")
    return -((_EPOCH - time) // timedelta(milliseconds=1))


class Message:
    """A message: name, payload, ids and headers. A `payload` that is neither text nor bytes becomes JSON.

    With `raw` it is published as a record that is exactly this: the headers are those given, whatever their names; no
    id, name, time or trace is written; without a key the record has none; `timestamp_ms` is the record's own time. A
    copy of a delivery's record: `Message(None, d.payload, key=d.key, headers=d.record_headers,
    timestamp_ms=d.record_timestamp_ms, raw=True)`.

    With `deliver_at`, a time with a zone or milliseconds since 1970, it waits in the publisher's delay channels until
    then.

    A message without a name, which no handler but that of "*" takes, is published only if it is `raw` or `unnamed`.

    Raises:
        ArgumentError: a value is not allowed; the text says which values are.
    """

    __slots__ = ("__weakref__", "_handle", "_is_raw")
    _handle: Any
    _is_raw: bool

    def __init__(
        self,
        name: str | None,
        payload: Any = None,
        *,
        key: bytes | str | None = None,
        type: int | None = None,
        message_id: str | None = None,
        correlation_id: str | None = None,
        timestamp_ms: int | None = None,
        origin: str | None = None,
        version: str | None = None,
        reply_to: str | None = None,
        headers: Headers | None = None,
        trace_context: tuple[str, str | None] | None = None,
        partition: int | None = None,
        raw: bool = False,
        unnamed: bool = False,
        deliver_at: datetime | int | None = None,
    ) -> None:
        self._handle = m = _kca.kca_message_new(name)
        self._is_raw = bool(raw)
        _kca.kca_message_set_raw(m, int(raw))
        _kca.kca_message_set_unnamed(m, int(unnamed))
        _kca.kca_message_set_payload(m, encoded(payload))
        _kca.kca_message_set_key(m, key.encode() if isinstance(key, str) else key)
        if type is not None:
            _kca.kca_message_set_type(m, type)
        if timestamp_ms is not None:
            _kca.kca_message_set_timestamp_ms(m, timestamp_ms)
        if partition is not None:
            _kca.kca_message_set_partition(m, partition)
        if deliver_at is not None:
            _kca.kca_message_set_deliver_at_ms(m, _ms_of(deliver_at))
        for field, value in [
            (_kca.kca_message_set_message_id, message_id),
            (_kca.kca_message_set_correlation_id, correlation_id),
            (_kca.kca_message_set_origin, origin),
            (_kca.kca_message_set_version, version),
            (_kca.kca_message_set_reply_to, reply_to),
        ]:
            if value is not None:
                field(m, value)
        listed = not isinstance(headers, Mapping)
        for header, content in pairs_of(headers):
            if content is None and not listed:
                raise TypeError(f"header {header} must be a text or bytes, got None")
            _kca.kca_message_add_header(m, header, content.encode() if isinstance(content, str) else content)
        if trace_context:
            traceparent, tracestate = trace_context
            _kca.kca_message_set_trace_context(m, traceparent, tracestate)
        error = _kca.kca_message_error(m)
        if error is not None:
            raise error

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {visible(self.name) or 'without a name'}>"

    @property
    def name(self) -> str:
        """The name by which kca finds a handler; "" when the message has none."""
        return _kca.kca_message_name(self._handle)

    @property
    def type(self) -> int:
        """One of the `TYPE_...`."""
        return _kca.kca_message_type(self._handle)

    @property
    def message_id(self) -> str:
        """The message's id; "" when publishing is to make one."""
        return _kca.kca_message_message_id(self._handle)

    @property
    def correlation_id(self) -> str:
        """The id of the conversation that the message belongs to."""
        return _kca.kca_message_correlation_id(self._handle)

    @property
    def timestamp_ms(self) -> int:
        """Milliseconds since 1970."""
        return _kca.kca_message_timestamp_ms(self._handle)

    @property
    def origin(self) -> str:
        """The application that made the message."""
        return _kca.kca_message_origin(self._handle)

    @property
    def version(self) -> str:
        """The version of the payload's form."""
        return _kca.kca_message_version(self._handle)

    @property
    def channel(self) -> str:
        """The channel that the message was published through."""
        return _kca.kca_message_channel(self._handle)

    @property
    def reply_to(self) -> str:
        """The channel for replies."""
        return _kca.kca_message_reply_to(self._handle)

    @property
    def partition(self) -> int:
        """The partition to write to, or of a record that a translator reads, the one it is in; -1: the key chooses."""
        partition: int = _kca.kca_message_partition(self._handle)
        return partition

    @property
    def trace_context(self) -> tuple[str, str]:
        """W3C `traceparent` and `tracestate`."""
        return _kca.kca_message_traceparent(self._handle), _kca.kca_message_tracestate(self._handle)

    @property
    def payload(self) -> bytes | None:
        """The payload as it is on the wire; None: there is none."""
        return _kca.kca_message_payload(self._handle)

    @property
    def key(self) -> bytes | None:
        """The record's key."""
        return _kca.kca_message_key(self._handle)

    @property
    def headers(self) -> dict[str, bytes]:
        """The custom headers by name: of several with one name the last; one without a value is empty."""
        return {name: value or b"" for name, value in self.header_list}

    @property
    def header_list(self) -> list[tuple[str, bytes | None]]:
        """The custom headers in their order; names may come again, and a header without a value has None."""
        m = self._handle
        return [
            (_kca.kca_message_header_name(m, i), _kca.kca_message_header_value(m, i))
            for i in range(_kca.kca_message_header_count(m))
        ]

    def header(self, name: str) -> str | None:
        """The custom header of this name as text."""
        return _kca.kca_message_header(self._handle, name)

    @staticmethod
    def _of(handle: Any, is_raw: bool) -> Message:
        """The message of a handle."""
        message = Message.__new__(Message)
        message._handle = handle
        message._is_raw = is_raw
        return message

    def _copied(self) -> Message:
        """A message to publish that is as this one."""
        copy = Message.__new__(Message)
        copy._handle = _kca.kca_message_copy(self._handle)
        copy._is_raw = self._is_raw
        return copy

    def _is_set(self) -> None:
        """Raises what a setter refused."""
        error = _kca.kca_message_error(self._handle)
        if error is not None:
            raise error

    def set_name(self, name: str | None) -> None:
        """Sets the name; None: none."""
        _kca.kca_message_set_name(self._handle, name)
        self._is_set()

    def set_payload(self, payload: Any) -> None:
        """Sets the payload, given as to `Message`. Like the other `set_...` it changes messages to publish only."""
        _kca.kca_message_set_payload(self._handle, encoded(payload))
        self._is_set()

    def set_key(self, key: bytes | str | None) -> None:
        """Sets the key; None: the correlation id."""
        _kca.kca_message_set_key(self._handle, key.encode() if isinstance(key, str) else key)
        self._is_set()

    def set_header(self, name: str, value: bytes | str | None) -> None:
        """Sets the only custom header of this name; None takes all of the name away."""
        _kca.kca_message_set_binary_header(self._handle, name, value.encode() if isinstance(value, str) else value)
        self._is_set()

    def set_trace_context(self, traceparent: str | None, tracestate: str | None = None) -> None:
        """Sets W3C's trace context; None takes it away."""
        _kca.kca_message_set_trace_context(self._handle, traceparent, tracestate)
        self._is_set()

    def json(self) -> Any:
        """The payload as Python values.

        Raises:
            PayloadError: the payload is not JSON by RFC 8259; the text says where it breaks.
            ValueError, RecursionError: the payload is JSON that Python cannot hold.
        """
        return decoded(self.payload, self._handle)


class ReplyMessage(Message):
    """The message that came as the reply to one that was sent."""

    __slots__ = ("_event", "_payload")
    _is_raw = False
    _is_deferred: bool  # set when hooks have seen that its handler deferred it

    def __init__(self, event: Any) -> None:
        self._event = event  # which has the message
        self._handle = _kca.kca_event_reply(event)
        self._payload = _kca.kca_message_payload(self._handle)

    @property
    def payload(self) -> bytes | None:
        """The payload as it is on the wire; None: there is none."""
        return self._payload


def pairs_of(headers: Headers | None) -> Iterable[tuple[str, bytes | str | None]]:
    """The headers one after another."""
    return headers.items() if isinstance(headers, Mapping) else headers or ()


class Delivery(Message):
    """A message handed to the application, which must settle it.

    A handler settles its delivery by returning or raising; what it returns is its reply. When it returns `DEFERRED`,
    the application keeps the delivery and settles it later, on any thread. A delivery that is dropped without being
    settled counts as failed.
    """

    __slots__ = ("_is_deferred", "_message", "_name", "_owned", "_payload", "_raw", "_settled", "_traced")
    _is_raw = False
    _is_deferred: bool  # set when hooks have seen that its handler deferred it
    _settled: tuple[int, str, str]  # set by `settle`, for hooks around a batch

    def __init__(
        self, handle: Any, name: str, payload: bytes | None, raw: int | None = None, traced: bool = True
    ) -> None:
        self._owned = handle
        self._name = name
        self._payload = payload
        self._raw = raw  # the delivery's address, while `serve` is the one to free it
        self._traced = traced  # whether the message may have a trace context
        self._message: Any = None

    @property
    def _delivery(self) -> Any:
        """The handle, which frees the delivery."""
        if self._raw is not None:
            self._owned, self._raw = _kca.own(self._raw), None
        return self._owned

    @property
    def _handle(self) -> Any:
        """The message's handle, made when first asked for: many handlers want no more than the payload."""
        if self._message is None:
            self._message = _kca.kca_delivery_message(self._delivery)
        return self._message

    @property
    def name(self) -> str:
        """The name by which kca found its handler; "" when the message has none."""
        return self._name

    @property
    def payload(self) -> bytes | None:
        """The payload as it is on the wire; None: there is none."""
        return self._payload

    @property
    def record_timestamp_ms(self) -> int:
        """The record's own timestamp, which the broker or the publisher's client set."""
        return _kca.kca_delivery_timestamp_ms(self._delivery)

    @property
    def record_headers(self) -> list[tuple[str, bytes | None]]:
        """All headers of the record as they are, the wire's included; a header without a value has None."""
        d = self._delivery
        return [
            (_kca.kca_delivery_header_name(d, i), _kca.kca_delivery_header_value(d, i))
            for i in range(_kca.kca_delivery_header_count(d))
        ]

    @property
    def consumer(self) -> str:
        """The consumer's name."""
        return _kca.kca_delivery_consumer(self._delivery)

    @property
    def topic(self) -> str:
        """The record's topic."""
        return _kca.kca_delivery_topic(self._delivery)

    @property
    def partition(self) -> int:
        """The record's partition."""
        return _kca.kca_delivery_partition(self._delivery)

    @property
    def offset(self) -> int:
        """The record's offset."""
        return _kca.kca_delivery_offset(self._delivery)

    @property
    def attempt(self) -> int:
        """Number of this attempt: 1, 2, ..."""
        return _kca.kca_delivery_attempt(self._delivery)

    @property
    def left_ms(self) -> int | None:
        """How long the handler may still take, in milliseconds; 0: its time is over; None: there is no limit.

        The limit is the consumer's `message_processing_timeout_ms`. For the time limits of what the handler waits for.
        """
        left: int = _kca.kca_delivery_left_ms(self._delivery)
        return None if left < 0 else left

    @property
    def deadline_ms(self) -> int | None:
        """When the handler's time is over, in milliseconds since 1970; None: there is no limit."""
        deadline: int = _kca.kca_delivery_deadline_ms(self._delivery)
        return None if deadline < 0 else deadline

    @property
    def is_out(self) -> bool:
        """Whether it need be handled.

        False: it was settled, its time is over, its partition is gone, or one before it of its key in its batch has
        failed: dropped without being settled, it comes again after that.
        """
        return bool(_kca.kca_delivery_is_out(self._delivery))

    def publish(self, bus: Bus, message: Any, payload: Any = None, **fields: Unpack[Fields]) -> None:
        """Publishes a message in this delivery's transaction: the message is committed with the delivery's offset.

        For consumers with a `transactional_id`; arguments as for `Bus.publish`. The message continues the delivery's
        trace, unless it has a trace context of its own. It does not wait: in a system of `kca.asyncio` with a hook on
        publishing that is a coroutine function it raises `TypeError`.
        """
        bus._put(self, message, payload, **fields)

    @property
    def wants_reply(self) -> bool:
        """Whether somebody waits for the reply, and it will be sent: the consumer's `reply` is on, the message has a
        replyTo, and the system has a publisher of that channel.
        """
        return bool(_kca.kca_delivery_wants_reply(self._delivery))

    def reply(self, result: Any) -> None:
        """Keeps the reply, which is sent when the delivery is settled as done; another call replaces it.

        A handler's result does the same. It becomes JSON, a text too; bytes are JSON already. A `Message`, which may be
        `unnamed`, is sent with its own headers. Where nobody waits for it nothing happens.

        Raises:
            StateError: the delivery was settled, its time is over, or its partition is gone.
            ValueError, TypeError: JSON does not have it, or it is a delivery: that would be one more question.
        """
        if isinstance(result, Delivery):
            raise TypeError("a Delivery is no reply: return its payload, its json() or a Message of its own")
        if isinstance(result, Message):
            _kca.kca_delivery_reply_message(self._delivery, result._handle)
        else:
            _kca.kca_delivery_reply(self._delivery, result_of(result))

    def set_trace_context(self, traceparent: str | None, tracestate: str | None = None) -> None:
        """Sets the trace context that its reply, and what is published with `publish`, go on with.

        That of a span of the handling, in place of the message's.

        Raises:
            ArgumentError: it does not have the form of a trace context.
        """
        _kca.kca_delivery_set_trace_context(self._delivery, traceparent, tracestate)

    def settle(self, verdict: int, error_name: str = "", text: str = "") -> None:
        """Settles the delivery: `DONE`, `FAILED`, `REJECTED` or `DUPLICATE`; an error has a name and a line of text.

        Raises:
            StateError: the delivery was settled before, its time is over, one before it of its key in its batch has
                failed, or its partition is gone.
        """
        if error_name or text:
            self._explain(error_name, text)
        _kca.kca_delivery_settle(self._delivery, verdict)
        self._settled = verdict, error_name, text

    def _explain(self, error_name: str, text: str) -> None:
        told = text.encode(errors="backslashreplace").decode().replace("\0", "\\x00")
        _kca.kca_delivery_explain(self._delivery, error_name, told)

    def done(self) -> None:
        """Settles the delivery as handled."""
        self.settle(DONE)

    def failed(self, error_name: str, text: str) -> None:
        """Settles the delivery as failed: another attempt may work."""
        self.settle(FAILED, error_name, text)

    def rejected(self, error_name: str, text: str) -> None:
        """Settles the delivery as rejected: no attempt will ever work."""
        self.settle(REJECTED, error_name, text)
