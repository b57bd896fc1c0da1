"""Own translators: an application's pairs of functions between the messages of a channel and its records."""

from __future__ import annotations

import _thread
from collections.abc import Callable
from typing import Any

from . import _kca
from .errors import Rejected
from .message import Message

Translate = Callable[[Message, Message], Message | None]


class Translator:
    """The functions of one channel; the module in C calls `translate`."""

    __slots__ = ("__weakref__", "to_message", "to_record")

    def __init__(self, to_record: Translate | None, to_message: Translate | None) -> None:
        for function in (to_record, to_message):
            if function is not None and not callable(function):
                raise TypeError(f"a translator is made of functions, got {function!r}")
        if to_record is None and to_message is None:
            raise TypeError("a translator has a function to_record, or to_message, or both")
        self.to_record = to_record
        self.to_message = to_message

    def declare(self, system: Any, channel: str) -> None:
        """Declares it in a low-level system, which does not keep it alive."""
        _kca.set_translator(system, channel, self, self.to_record is not None, self.to_message is not None)

    def translate(self, to_record: bool, made: Any, of: Any) -> tuple[int, Any, str, str]:
        """Has the function make the handle `made` out of the handle `of`; gives the verdict, what was made, and why it
        was not.
        """
        function = self.to_record if to_record else self.to_message
        assert function is not None
        message = Message._of(made, to_record)
        try:
            result = function(message, Message._of(of, not to_record))
            if result is not None and not isinstance(result, Message):
                raise TypeError(f"a translator returns a Message or None, got {type(result).__name__}")
            return _kca.KCA_DONE, (result or message)._handle, "", ""
        except Rejected as e:
            return _kca.KCA_REJECTED, made, type(e).__name__, _text_of(e)
        except Exception as e:
            return _kca.KCA_FAILED, made, type(e).__name__, _text_of(e)
        except BaseException as e:
            if isinstance(e, KeyboardInterrupt):
                _thread.interrupt_main()  # the main thread raises it, once it is no longer in C
            return _kca.KCA_FAILED, made, type(e).__name__, _text_of(e)


def _text_of(e: BaseException) -> str:
    try:
        return str(e).encode(errors="backslashreplace").decode().replace("\0", "\\x00")
    except BaseException as odd:
        return f"its text cannot be read, {type(odd).__name__}"
