"""Records as lines: JSON with all that kca knows, kcat's envelope, kcat's format strings, and for people."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import kca

_TYPES = {kca.TYPE_COMMAND: "command", kca.TYPE_QUERY: "query", kca.TYPE_EVENT: "event", kca.TYPE_DOCUMENT: "document"}
TYPES = {name: number for number, name in _TYPES.items()}

# The wire's names of what kca keeps apart from the custom headers.
_WIRE = {"route": "name", "messageId": "message_id", "correlationId": "correlation_id", "origin": "origin",
         "version": "version", "channelName": "channel", "replyTo": "reply_to"}  # fmt: skip

Line = Callable[[kca.Delivery], bytes]


def text(value: bytes | None) -> Any:
    """Bytes for JSON: a text, or an object with base64 when they are not UTF-8."""
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def bytes_of(value: Any) -> bytes | None:
    """The bytes that `text` made this value of."""
    if isinstance(value, dict) and value.keys() == {"base64"}:
        return base64.b64decode(value["base64"])
    return value.encode() if isinstance(value, str) else value


def time_of(ms: int) -> str | None:
    """A time in RFC 3339; None: not known."""
    if ms < 0:
        return None
    return datetime.fromtimestamp(ms / 1000, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _dumps(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _payload(d: kca.Delivery) -> bytes:
    """The JSON line's member for the payload. JSON is copied as it is, so that no number changes."""
    payload = d.payload
    if payload is None:
        return b""
    try:
        value = d.json()
    except (kca.PayloadError, ValueError, RecursionError):
        told = text(payload)
        name = "payload_text" if isinstance(told, str) else "payload_base64"
        return b',"%s":%s' % (name.encode(), _dumps(told if isinstance(told, str) else told["base64"]))
    return b',"payload":' + (_dumps(value) if b"\n" in payload or b"\r" in payload else payload)


def json_line(d: kca.Delivery) -> bytes:
    """The whole message as a line of JSON, which `kca publish` reads."""
    traceparent, tracestate = d.trace_context
    told = {
        "topic": d.topic,
        "partition": d.partition,
        "offset": d.offset,
        "timestamp": time_of(d.record_timestamp_ms),
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
        "headers": {name: text(value) for name, value in d.headers.items()} or None,
    }
    kept = {name: value for name, value in told.items() if value not in (None, "") or name == "key"}
    return _dumps(kept)[:-1] + _payload(d) + b"}"


def envelope(d: kca.Delivery) -> bytes:
    """Kcat's -J: the headers as they are on the wire, one after another; key and payload as texts."""
    headers: list[Any] = []
    for wire, ours in _WIRE.items():
        value = getattr(d, ours)
        headers += [wire, value] if value else []
    if d.type in _TYPES:
        headers += ["messageType", _TYPES[d.type].capitalize()]
    for header, value in zip(("traceparent", "tracestate"), d.trace_context, strict=True):
        headers += [header, value] if value else []
    for name, content in d.headers.items():
        headers += [name, content.decode(errors="replace")]
    told: dict[str, Any] = {"topic": d.topic, "partition": d.partition, "offset": d.offset, "tstype": "create",
                            "ts": d.record_timestamp_ms, "broker": -1}  # fmt: skip
    if headers:
        told["headers"] = headers
    told["key"] = None if d.key is None else d.key.decode(errors="replace")
    told["payload"] = None if d.payload is None else d.payload.decode(errors="replace")
    return _dumps(told)


_ESCAPES = {"\\n": "\n", "\\t": "\t", "\\r": "\r", "\\0": "\0", "\\\\": "\\"}


def unescaped(format: str) -> str:
    """The text, with its backslash escapes replaced by the characters that they stand for."""
    return re.sub(r"\\[ntr0\\]", lambda found: _ESCAPES[found[0]], format)


def formatted(format: str) -> Line:
    """Kcat's -f: %s payload, %S its length, %k key, %K its length, %t topic, %p partition, %o offset, %T timestamp in
    milliseconds, %h headers, %n the message's name, %% a percent sign.
    """
    pieces = re.split(r"(%[sSkKtpoThn%])", unescaped(format))

    def piece(token: str, d: kca.Delivery) -> bytes:
        payload, key = d.payload, d.key
        if token == "%s":
            return payload or b""
        if token == "%k":
            return key or b""
        if token == "%h":
            return b",".join(name.encode() + b"=" + value for name, value in d.headers.items())
        made = {"%S": -1 if payload is None else len(payload), "%K": -1 if key is None else len(key), "%t": d.topic,
                "%p": d.partition, "%o": d.offset, "%T": d.record_timestamp_ms, "%n": d.name, "%%": "%"}  # fmt: skip
        return str(made[token]).encode()

    def line(d: kca.Delivery) -> bytes:
        return b"".join(piece(p, d) if i % 2 else p.encode() for i, p in enumerate(pieces))

    return line


# ---- for publishing ----


def field(record: dict[str, Any], name: str) -> Any:
    """A field of a line of JSON that must be a text, if it is there."""
    value = record.get(name)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{name} must be a text, got {json.dumps(value)}")
    return value or None


def _from_wire(record: dict[str, Any]) -> dict[str, Any]:
    """A line of kcat's envelope in kca's words."""
    pairs = record.get("headers") or []
    headers = dict(zip(pairs[::2], pairs[1::2], strict=False))
    made = {ours: headers.pop(wire) for wire, ours in _WIRE.items() if wire in headers}
    kind = str(headers.pop("messageType", "")).lower()
    made |= {name: headers.pop(name) for name in ("traceparent", "tracestate") if name in headers}
    made.pop("channel", None)
    if kind in TYPES:
        made["type"] = kind
    for name in "timestamp", "Traceparent", "Tracestate":
        headers.pop(name, None)
    return made | {"key": record.get("key"), "headers": headers, "payload_text": record.get("payload")}


def message_of(line: bytes, default_name: str | None) -> dict[str, Any]:
    """The arguments of `publish` for a line in the form of `json_line` or of `envelope`."""
    record = json.loads(line)
    if not isinstance(record, dict):
        raise ValueError("it must be a JSON object with a name and a payload")
    if isinstance(record.get("headers"), list):
        record = _from_wire(record)
    name = field(record, "name") or default_name
    if not name:
        raise ValueError('it has no "name", which each line needs when NAME is not given')
    made: dict[str, Any] = {"message": name, "payload": payload_of(record)}
    made["key"] = bytes_of(record.get("key"))
    kind = field(record, "type")
    if kind is not None and kind not in TYPES:
        raise ValueError(f"type must be {', '.join(TYPES)}, got {kind}")
    made["type"] = TYPES[kind] if kind else None
    for same in "message_id", "correlation_id", "origin", "version", "reply_to":
        made[same] = field(record, same)
    if field(record, "traceparent"):
        made["trace_context"] = (record["traceparent"], field(record, "tracestate"))
    headers = record.get("headers")
    made["headers"] = {name: bytes_of(value) for name, value in headers.items()} if headers else None
    return made


def payload_of(record: dict[str, Any]) -> bytes | None:
    """The payload of a line; None when no member of the line holds one."""
    if field(record, "payload_base64") is not None:
        return base64.b64decode(record["payload_base64"])
    if record.get("payload_text") is not None:
        return str(record["payload_text"]).encode()
    return _dumps(record["payload"]) if "payload" in record else None
