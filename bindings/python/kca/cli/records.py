"""Records as lines for programs: JSON with all that a record holds, kcat's envelope, and kcat's format strings."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import kca

from .. import _kca
from ..visible import visible
from .output import escaped, for_terminal
from .settings import is_terminal

_TYPES = {kca.TYPE_COMMAND: "command", kca.TYPE_QUERY: "query", kca.TYPE_EVENT: "event", kca.TYPE_DOCUMENT: "document"}
TYPES = {name: number for number, name in _TYPES.items()}

# 9999-12-31T23:59:59.999Z
_LAST_MS = 253402300799999
# Most arrays and objects inside one another: in a line as JSON, which every reader can take; and for the library.
_DEEPEST, _MOST_DEEP = 500, 1000

Line = Callable[[kca.Delivery], bytes]


def text(value: bytes | None) -> Any:
    """Bytes for JSON: a text, or an object with base64 when they are not UTF-8."""
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def name_text(name: str) -> Any:
    """A header's name for JSON, as `text` has it: its bytes need not be UTF-8."""
    return text(name.encode("utf-8", "surrogateescape"))


def time_of(ms: int) -> str | None:
    """A time in RFC 3339; None: not known, or beyond the year 9999."""
    if not 0 <= ms <= _LAST_MS:
        return None
    seconds, rest = divmod(ms, 1000)
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%dT%H:%M:%S}.{rest:03}Z"


def _dumps(value: Any) -> bytes:
    return escaped(json.dumps(value, ensure_ascii=False, separators=(",", ":"))).encode()


def check_json(payload: bytes, around: int = 0) -> None:
    """Checks that a payload is JSON by RFC 8259, and would be so inside this many arrays.

    Raises:
        PayloadError: it is not; the text says where it breaks.
    """
    within = payload if around == 0 else b"[" * around + payload + b"]" * around
    _kca.kca_message_check_json(kca.Message(None, within)._handle)


def _stands_in_a_line(payload: bytes) -> bool:
    """Whether a payload can stand in a line of JSON as it is, and be read there to the byte."""
    if payload != payload.strip(b" \t") or b"\n" in payload or b"\r" in payload:
        return False
    try:
        check_json(payload)
        if payload.count(b"[") + payload.count(b"{") > _DEEPEST:
            check_json(payload, _MOST_DEEP - _DEEPEST)
    except kca.PayloadError:
        return False
    return True


def _payload(payload: bytes | None) -> bytes:
    """The JSON line's member for the payload: JSON of one line stands there to the byte."""
    if payload is None:
        return b""
    if _stands_in_a_line(payload):
        return b',"payload":' + payload
    told = text(payload)
    if isinstance(told, str):
        return b',"payload_text":' + _dumps(told)
    return b',"payload_base64":' + _dumps(told["base64"])


def json_line(d: kca.Delivery) -> bytes:
    """The whole record as a line of JSON, which `kca publish` reads."""
    traceparent, tracestate = d.trace_context
    told = {
        "topic": d.topic,
        "partition": d.partition,
        "offset": d.offset,
        "timestamp": time_of(d.record_timestamp_ms),
        "timestamp_ms": d.record_timestamp_ms,
        "key": text(d.key),
        "name": d.name,
        "type": _TYPES.get(d.type),
        "message_id": d.message_id,
        "correlation_id": d.correlation_id,
        "origin": d.origin,
        "version": d.version,
        "reply_to": d.reply_to,
        "traceparent": traceparent,
        "tracestate": tracestate,
        "headers": {_readable(name): text(value) for name, value in d.header_list} or None,
        "record_headers": [[name_text(name), text(value)] for name, value in d.record_headers],
    }
    kept = {name: value for name, value in told.items() if value not in (None, "") or name == "key"}
    return line_of(kept, d.payload)


def line_of(told: dict[str, Any], payload: bytes | None) -> bytes:
    """A line of JSON with these members, of which there is at least one, and the payload."""
    return for_terminal(_dumps(told)[:-1] + _payload(payload) + b"}")


def _readable(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def envelope(d: kca.Delivery) -> bytes:
    """Kcat's -J: the record's headers, one after another; bytes that are not UTF-8 are an object with base64."""
    told = {
        "topic": d.topic,
        "partition": d.partition,
        "offset": d.offset,
        "tstype": "create",
        "ts": d.record_timestamp_ms,
        "broker": -1,
        "headers": [part for name, value in d.record_headers for part in (name_text(name), text(value))],
        "key": text(d.key),
        "payload": text(d.payload),
    }
    return _dumps(told)


_ESCAPES = {"\\n": "\n", "\\t": "\t", "\\r": "\r", "\\0": "\0", "\\\\": "\\"}


def unescaped(format: str) -> str:
    """The text, with its backslash escapes replaced by the characters that they stand for."""
    return re.sub(r"\\[ntr0\\]", lambda found: _ESCAPES[found[0]], format)


def formatted(format: str, null: bytes = b"") -> Line:
    """Kcat's -f: %s payload, %S its length, %k key, %K its length, %t topic, %p partition, %o offset, %T timestamp in
    milliseconds, %h headers, %n the message's name, %% a percent sign; `null` stands for a value that is not there.
    """
    pieces = re.split(r"(%[sSkKtpoThn%])", unescaped(format))

    def piece(token: str, d: kca.Delivery) -> bytes:
        payload, key = d.payload, d.key
        if token == "%s":
            return null if payload is None else payload
        if token == "%k":
            return null if key is None else key
        if token == "%h":
            pairs = [(name.encode("utf-8", "surrogateescape"), value) for name, value in d.header_list]
            return b",".join(name + b"=" + (null if value is None else value) for name, value in pairs)
        made = {"%S": -1 if payload is None else len(payload), "%K": -1 if key is None else len(key), "%t": d.topic,
                "%p": d.partition, "%o": d.offset, "%T": d.record_timestamp_ms, "%n": d.name, "%%": "%"}  # fmt: skip
        return str(made[token]).encode()

    def plain(value: bytes) -> bytes:
        return visible(value).encode() if is_terminal() else value

    def line(d: kca.Delivery) -> bytes:
        return b"".join(plain(piece(p, d)) if i % 2 else os.fsencode(p) for i, p in enumerate(pieces))

    return line
