"""Lines of JSON as messages to publish: those of `kca consume`, which hold whole records, and those made by hand."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

import kca

from .records import TYPES

Fields = dict[str, Any]

# The wire's names of what a message has beside its custom headers.
_WIRE = {"route": "name", "messageType": "type", "origin": "origin", "version": "version", "replyTo": "reply_to"}
# What a new message has of its own.
_RENEWED = ("messageId", "correlationId", "timestamp", "channelName", "traceparent", "tracestate", "Traceparent",
            "Tracestate")  # fmt: skip


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


# A number may have more digits than Python turns into an integer, and is not needed as one.
_decoder = json.JSONDecoder(
    parse_int=lambda digits: int(digits) if len(digits) < 20 else float(digits), parse_constant=_no_constant
)
_space = re.compile(r"[ \t\r\n]*")


def _members(line: str) -> Iterator[tuple[str, Any, str]]:
    """The members of a JSON object: name, value, and the value's own text."""

    def after(at: int) -> int:
        found = _space.match(line, at)
        return found.end() if found else at

    def expect(at: int, allowed: str) -> int:
        at = after(at)
        if line[at : at + 1] not in allowed or at >= len(line):
            raise ValueError(f"it is not a JSON object: {' or '.join(allowed)} is missing at character {at + 1}")
        return at

    at = after(expect(0, "{") + 1)
    if line[at : at + 1] == "}":
        return
    while True:
        name, at = _decoder.raw_decode(line, expect(at, '"'))
        begin = after(expect(at, ":") + 1)
        value, at = _decoder.raw_decode(line, begin)
        yield name, value, line[begin:at]
        at = expect(at, ",}")
        if line[at] == "}":
            if line[at + 1 :].strip():
                raise ValueError("something follows the JSON object")
            return
        at += 1


def members_of(line: bytes) -> tuple[Fields, dict[str, str]]:
    """The members of a line that is a JSON object, and the text of each.

    Raises:
        ValueError: it is none.
    """
    try:
        members = list(_members(line.decode()))
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    except RecursionError:
        raise ValueError("its arrays and objects stand too deep inside one another") from None
    return {name: value for name, value, _ in members}, {name: own for name, _, own in members}


def bytes_of(what: str, value: Any) -> bytes | None:
    """The bytes of a text, of an object with base64, or none of null."""
    if value is None:
        return None
    try:
        if isinstance(value, str):
            return value.encode()
        if isinstance(value, dict) and value.keys() == {"base64"}:
            return base64.b64decode(value["base64"], validate=True)
    except (ValueError, TypeError):
        pass
    raise ValueError(f'{what} must be a text of UTF-8, {{"base64": "..."}} or null')


def field(record: Fields, name: str) -> str | None:
    """A member that must be a text, if it is there."""
    value = record.get(name)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{name} must be a text, got {json.dumps(value)}")
    return value or None


def _pairs_of(record: Fields) -> list[tuple[str, bytes | None]] | None:
    """All headers of the record that the line holds; None: it holds no whole record."""
    pairs: Any = record.get("record_headers")
    if pairs is None and _is_envelope(record):
        flat = record.get("headers") or []
        if not isinstance(flat, list) or len(flat) % 2:
            raise ValueError("headers must be a list of names and values in turn")
        pairs = list(zip(flat[::2], flat[1::2], strict=True))
    if pairs is None:
        return None
    if not isinstance(pairs, list) or any(not isinstance(p, list | tuple) or len(p) != 2 for p in pairs):
        raise ValueError("record_headers must be a list of pairs of a name and a value")
    return [(_name_of(name), bytes_of("a header", value)) for name, value in pairs]


def _name_of(told: Any) -> str:
    return (bytes_of("a header's name", told) or b"").decode("utf-8", "surrogateescape")


def _is_envelope(record: Fields) -> bool:
    """Whether it is a line of kcat's -J, which has no headers when the record has none."""
    return isinstance(record.get("headers"), list) or "tstype" in record


def _payload_of(record: Fields, texts: dict[str, str]) -> bytes | None:
    """The payload of a line, JSON to the byte; None when no member of the line holds one."""
    if _is_envelope(record):
        return bytes_of("payload", record.get("payload"))
    encoded = field(record, "payload_base64")
    if encoded is not None:
        return bytes_of("payload_base64", {"base64": encoded})
    told = record.get("payload_text")
    if told is not None:
        field(record, "payload_text")
        return bytes_of("payload_text", told)
    return texts["payload"].encode() if "payload" in texts else None


def _number(record: Fields, name: str) -> int | None:
    value = record.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise ValueError(f"{name} must be an integer, got {json.dumps(value)}")
    return value


def message_of(
    line: bytes, default_name: str | None = None, new_ids: bool = False, partition: int | None = None
) -> Fields:
    """The arguments of `publish` for a line of `json_line` or of `envelope`, or one made by hand.

    A line that holds a whole record becomes a raw `Message`, that record; with `new_ids`, a new message like it.

    Raises:
        ValueError: the line is something else; the text says what is wrong.
    """
    record, texts = members_of(line)
    pairs, payload, key = _pairs_of(record), _payload_of(record, texts), bytes_of("key", record.get("key"))
    if pairs is not None and not new_ids:
        named = any(name == "route" for name, _ in pairs) or record.get("name")
        own: Any = pairs if named or not default_name else [*pairs, ("route", default_name)]
        when = _number(record, "ts" if _is_envelope(record) else "timestamp_ms")
        made = kca.Message(None, payload, key=key, headers=own, timestamp_ms=when, partition=partition, raw=True)
        return {"message": made}
    if pairs is not None:
        record = _renewed(record, pairs)
    return _fields_of(record, default_name, new_ids) | {"payload": payload, "key": key, "partition": partition}


def _renewed(record: Fields, pairs: list[tuple[str, bytes | None]]) -> Fields:
    """A whole record as a line made by hand, without ids, time and trace."""
    if not _is_envelope(record):
        own = record.get("headers") or {}
        kept = [(name, value) for name, value in pairs if name in own]
        inside = [(name, bytes_of("a header", value)) for name, value in own.items() if name not in dict(pairs)]
        return record | {"headers": kept + inside}
    wire: Fields = {}
    custom = []
    for name, value in pairs:
        if name in _WIRE and value == b"":  # it counts as missing
            continue
        told = (value or b"").decode(errors="replace")
        told = told.lower() if name == "messageType" else told
        if name in _WIRE and value and (name != "messageType" or told in TYPES):
            wire[_WIRE[name]] = told
        elif name not in _RENEWED:
            custom.append((name, value))
    return wire | {"headers": custom}


def _fields_of(record: Fields, default_name: str | None, new_ids: bool) -> Fields:
    name = field(record, "name") or default_name
    if not name:
        raise ValueError('it has no "name", which each line needs when neither NAME nor --name is given')
    kind = field(record, "type")
    if kind is not None and kind not in TYPES:
        raise ValueError(f"type must be {', '.join(TYPES)}, got {kind}")
    made: Fields = {"message": name, "type": TYPES[kind] if kind else None}
    made |= {same: field(record, same) for same in ("origin", "version", "reply_to")}
    if not new_ids:
        made |= {same: field(record, same) for same in ("message_id", "correlation_id")}
        made["timestamp_ms"] = _number(record, "timestamp_ms")
    if field(record, "traceparent") and not new_ids:
        made["trace_context"] = (record["traceparent"], field(record, "tracestate"))
    headers = record.get("headers")
    if isinstance(headers, dict):
        headers = [(name, bytes_of(f"header {name}", value)) for name, value in headers.items()]
    elif headers is not None and not isinstance(headers, list):
        raise ValueError("headers must be an object")
    return made | {"headers": headers or None}
