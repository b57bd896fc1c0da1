"""Payloads: JSON by orjson, msgspec or the standard library, the first that is there; all three give equal bytes.

The bytes are those of the standard library: compact, UTF-8, no needless escapes, `1e+16`, integers of
any size, no NaN. Where a faster library would write something else, the value is written by the standard library.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from importlib.util import find_spec
from typing import Any
from uuid import UUID

from . import _kca

# The bits of json_traits for numbers and nulls that the faster libraries write in another way (a null may be NaN).
_UNLIKE = 1 | 2


def _plain(value: Any) -> Any:
    """The JSON value for a value that JSON does not have."""
    if isinstance(value, Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, datetime | time):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, UUID | Decimal):
        return str(value)
    if isinstance(value, set | frozenset):
        return list(value)
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    if is_model(type(value)):
        return value.model_dump(mode="json", by_alias=True)
    if is_struct(type(value)):
        return sys.modules["msgspec"].to_builtins(value)
    raise TypeError(f"a {type(value).__name__} cannot be written as JSON")


_traits = _kca.json_traits
_write_surely = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain).encode


def _surely(value: Any) -> bytes:
    return _write_surely(value).encode()


def _checked(fast: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    """Uses an object's own way of writing, where it gives the bytes of the standard library."""

    def write(value: Any) -> bytes:
        try:
            text = fast(value)
        except (TypeError, ValueError, OverflowError):  # a large integer, or a key that is no text
            return _surely(value)
        return _surely(value) if _traits(text) & _UNLIKE else text

    return write


def _orjson() -> tuple[tuple[Any, ...], Callable[[bytes], Any]]:
    import orjson

    options = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS
    return (orjson.dumps, _plain, options), orjson.loads


def _msgspec() -> tuple[tuple[Any, ...], Callable[[bytes], Any]]:
    import msgspec

    return (msgspec.json.Encoder(enc_hook=_plain).encode,), msgspec.json.Decoder().decode


def use(library: str | None = None) -> str:
    """Chooses the library: "orjson", "msgspec" or "json"; None: the first of them that is installed. Gives its name."""
    chosen = library or next(name for name in ("orjson", "msgspec", "json") if find_spec(name))
    by = {"orjson": _orjson, "msgspec": _msgspec}.get(chosen)
    writer, read = by() if by else ((), None)  # the standard library takes more than RFC 8259 allows
    _kca.json_by(read, _surely, *writer)
    return chosen


_write: Callable[[Any], bytes] = _kca.json_write
read: Callable[[bytes], Any] = _kca.json_read
use()


def is_model(kind: Any) -> bool:
    """Whether a class is a pydantic model."""
    return isinstance(kind, type) and hasattr(kind, "__pydantic_validator__") and hasattr(kind, "model_validate_json")


def is_struct(kind: Any) -> bool:
    """Whether a class is a msgspec struct."""
    return isinstance(kind, type) and hasattr(kind, "__struct_config__")


def _of_model(value: Any) -> bytes:
    text: str = value.model_dump_json(by_alias=True)
    return text.encode()


def _of_struct(value: Any) -> bytes:
    text: bytes = sys.modules["msgspec"].json.encode(value)
    return text


_write_model, _write_struct = _checked(_of_model), _checked(_of_struct)


def encoded(value: Any) -> bytes | bytearray | memoryview | None:
    """Bytes as they are, a text as UTF-8, None as none, and anything else as JSON.

    JSON is also what a dataclass, a pydantic model and a msgspec struct become, by their own rules for names.

    Raises:
        ValueError, TypeError: JSON does not have it.
    """
    if type(value) is dict:
        return _write(value)
    if value is None or isinstance(value, bytes | bytearray | memoryview):
        return value
    if isinstance(value, str):
        return value.encode()
    if is_model(type(value)):
        return _write_model(value)
    if is_struct(type(value)):
        return _write_struct(value)
    return _write(value)


def result_of(value: Any) -> bytes:
    """A result as JSON, a text and None too; bytes are JSON already.

    Raises:
        ValueError, TypeError: JSON does not have it.
    """
    if isinstance(value, str) or value is None:
        return _write(value)
    found = encoded(value)
    return found if isinstance(found, bytes) else bytes(found or b"")


def exactly(payload: bytes | None, message: Any, fraction: Callable[[str], Any] = Decimal) -> Any:
    """The values of a payload, as `decoded` gives them, but with fractions made by `fraction` from their texts.

    Raises:
        PayloadError: the payload is not JSON by RFC 8259.
        ValueError, RecursionError: the payload is JSON that Python cannot hold.
    """
    if payload is None:
        return None
    _kca.kca_message_check_json(message)
    return json.loads(payload, parse_float=fraction)


def decoded(payload: bytes | None, message: Any) -> Any:
    """The values of a payload; `message`: its low-level handle, whose check says where the JSON breaks.

    Raises:
        PayloadError: the payload is not JSON by RFC 8259.
        ValueError, RecursionError: the payload is JSON that Python cannot hold.
    """
    if payload is None:
        return None
    with suppress(ValueError, RecursionError):
        return read(payload)
    # The strict check says where the JSON breaks; JSON that passes it may still be too much for the faster library.
    _kca.kca_message_check_json(message)
    return json.loads(payload)
