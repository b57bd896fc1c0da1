"""Records as nobody should write them, and anybody may; for every reader of every language.

hostile BROKERS TOPIC         publishes them, in order, to partition 0 of the topic, which it makes
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import kca

ROOT = Path(__file__).parents[2]
JUNK = [b"\xff\xfe\x00\x01", b"\xc3\x28", b"\xed\xa0\x80", b"a\0b", b"\x1b[2J\r\n", b"\xc2\x9b\xe2\x80\xae", b"", None]
WIRE = [
    "route", "messageId", "messageType", "timestamp", "origin", "version", "correlationId", "channelName", "replyTo",
    "traceparent", "tracestate", "Traceparent", "Tracestate", "baggage", "type", "replyChannel", "customHeaders",
]  # fmt: skip
TIMES = [b"1", b"-1", b"99999999999999999999", b"2026-13-45 99:99:99", b"0000-00-00 00:00:00", b"9" * 60000, b"now"]
DEEP = 100_000

Headers = list[tuple[str, bytes | None]]
Record = tuple[bytes | None, bytes | None, Headers, int | None]

# Of a topic that takes them all.
TOPIC = """
import sys
from confluent_kafka.admin import AdminClient, NewTopic
longest, any_time = str(20_000_000), str(2**63 - 1)
config = {"max.message.bytes": longest, "message.timestamp.after.max.ms": any_time, "retention.ms": "-1"}
admin = AdminClient({"bootstrap.servers": sys.argv[1]})
for made in admin.create_topics([NewTopic(sys.argv[2], 1, config=config)]).values():
    made.result()
"""


def own(**headers: bytes) -> Headers:
    """Headers of a message that a handler of "orderCreated" gets, and these."""
    return [("route", b"orderCreated"), *headers.items()]


def records() -> Iterator[Record]:
    """The records; the last one's name is "end"."""
    yield b"k", b'{"ok":1}', own(), None
    yield b"k", b'{"ok":2}', [*own(), *((f"h{i}", b"v") for i in range(1000))], None
    yield b"k", b'{"ok":3}', [*own(), *(("same", b"x" * 65536) for _ in range(3))], None
    yield b"k", b'{"ok":4}', [*own(), ("", b"empty name"), ("", b""), ("", None)], None
    yield (
        b"k",
        b'{"ok":5}',
        [*own(), ("caf\udce9", b"1"), ("a\nb\x1b[2J", b"2"), ("\u202e", b"3"), ("x" * 30000, b"4")],
        None,
    )
    for value in JUNK:
        yield b"k", b'{"junk":1}', [(name, value) for name in WIRE], None
        yield value, value, [("route", b"orderCreated"), ("x", value)], None
    for value in TIMES:
        yield b"k", b'{"time":1}', own(timestamp=value), None
    for ms in (1, 253402300800000, 1_700_000_000_000_000, 2**63 - 1):
        yield b"k", b'{"time":2}', own(), ms
    yield b"k", b"[" * DEEP + b"]" * DEEP, own(), None
    yield b"k", b'{"a":' * DEEP, own(), None
    yield b"k", b"{}", [("type", b"Event"), ("customHeaders", b'{"a":' * 10000)], None
    yield b"k", b"{}", [("type", b"Event"), ("customHeaders", b'{"route":"\\ud800\\u0000","a":1e999}')], None
    for payload in (
        b'{"a":1,"a":2}',
        b"NaN",
        b"[1e999,-0,123456789012345678901234567890]",
        b'"\\ud800"',
        b"\xef\xbb\xbf{}",
    ):
        yield b"k", payload, own(), None
    yield b"K" * 1_000_000, b'{"big":"' + b"x" * 8_000_000 + b'"}', own(), None
    yield None, None, [], None
    yield b"k", b"{}", [("route", b"end")], None


def digest(data: bytes | None) -> str:
    """Length and ends: what is cut or changed shows."""
    return "none" if data is None else f"{len(data)}:{data[:8].hex()}:{data[-8:].hex()}"


def line(offset: int, key: bytes | None, payload: bytes | None, headers: Headers) -> str:
    """What a reader prints of a record that it gets."""
    pairs = (f"{digest(name.encode('utf-8', 'surrogateescape'))}={digest(value)}" for name, value in headers)
    return "\t".join(["record", str(offset), digest(key), digest(payload), *pairs])


def lines() -> list[str]:
    """What a reader of all must print."""
    return [line(offset, key, payload, headers) for offset, (key, payload, headers, _) in enumerate(records())]


def publish(brokers: str, topic: str) -> None:
    """All of them; each is stored when this returns."""
    subprocess.run([ROOT / "tests/foreign/tools", "clients"], check=True)
    subprocess.run([ROOT / "build/foreign/python/bin/python", "-c", TOPIC, brokers, topic], check=True)
    builder = kca.PublisherBuilder("kafka", topic, required_acks=-1, batch_bytes=20_000_000, linger_ms=0)
    with kca.System(kca.Connection("kafka", brokers), builder) as system:
        bus = system.event_bus(topic)
        for key, payload, headers, ms in records():
            bus.publish(kca.Message(None, payload, key=key, headers=headers, timestamp_ms=ms, partition=0, raw=True))
        bus.flush(60000)


if __name__ == "__main__":
    publish(*sys.argv[1:])
