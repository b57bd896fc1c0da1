"""Records that nobody should write, through every command: none ends with a traceback, obeys, or loses a byte."""

from __future__ import annotations

import json
import re
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kca
import pytest
from kca.cli.app import run
from kca.cli.consume import show
from test_command_line import Cluster
from test_copies import Record, read

OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufffd]")
WIRE: tuple[tuple[str, bytes | None], ...] = (
    ("messageId", b"id"),
    ("route", b"orderCreated"),
    ("messageType", b"Event"),
)
# For records larger than the publisher's own limit; compressed they are below a broker's.
LARGE = ["-X", "batch_bytes=20000000", "-z", "gzip"]
EVIL = "\x1b]0;owned\x07\x9b31m\u202e\r\n% ERROR: forged [link=file:///etc/passwd]x[/link] [bold]"

RECORDS: list[Record] = [
    (b"k", b'{"ok":1}', WIRE, 1),
    (b"k", b"{}", (*WIRE, *((f"h{n}", b"v") for n in range(1000))), 1),
    (b"k", b"{}", (*WIRE, ("big", b"x" * 65536)), 1),
    (b"k", b"{}", (*WIRE, ("", b"x"), ("", None), ("h" * 5000, b"")), 1),
    (b"K" * 100_000, b'{"big":"' + b"x" * 8_000_000 + b'"}', WIRE, 1),
    (b"k", b"[" * 100_000 + b"]" * 100_000, WIRE, 1),
    (b"k", b'{"a":' * 100_000, WIRE, 1),
    (b"\xff\x00", b"\xff\x00\xfe", (("route", b"caf\xe9"), ("x\udcff", b"\xc3\x28")), 2**63 - 1),
    (EVIL.encode(), f'["{EVIL}"]'.encode(), tuple((n, EVIL.encode()) for n in (EVIL, "route")), 1),
    (None, EVIL.encode(), (), 253402300800000),
    (b"", None, (("traceparent", b"00-zz"), ("timestamp", b"1700000000000"), ("route", None)), 1_700_000_000_000_000),
    (b"k", b'{"n":NaN}', WIRE, 1),
    (b"k", b"1" * 100_000, WIRE, 1),
    (b"k", b'"\\ud800"', WIRE, 1),
    (b"k", b"[]", (("kca-dead-letter-topic", EVIL.encode()), ("kca-dead-letter-error-name", EVIL.encode()),
                   ("kca-dead-letter-error-text", EVIL.encode() * 1000), ("kca-dead-letter-partition", b"9" * 99)), 1),
    (b"k", b"[]", (("kca-dead-letter-topic", b"\xff\x00../x"), ("kca-dead-letter-time", b"\xff")), 1),
    (b"k", b"[]", (("kafka_dlt-original-topic", b"\xff"), ("kafka_dlt-original-offset", b"x")), 1),
]  # fmt: skip


@pytest.fixture(scope="module")
def hostile() -> Iterator[Cluster]:
    made = Cluster("hostile", "copies")
    publisher = kca.PublisherBuilder("local", "hostile", required_acks=-1, batch_bytes=20_000_000, compression="gzip")
    with kca.System(kca.Connection("local", made.address), publisher) as system:
        bus = system.event_bus("hostile")
        for key, payload, headers, ms in RECORDS:
            bus.publish(
                kca.Message(None, payload, key=key, headers=list(headers), timestamp_ms=ms, partition=0, raw=True)
            )
        bus.flush(60000)
    yield made
    made.system.shutdown()


@pytest.fixture
def told(
    hostile: Cluster, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> Iterator[Callable[..., str]]:
    """Runs a command in this process, and gives its stdout."""
    monkeypatch.setenv("KCA_BROKERS", hostile.address)
    before = signal.getsignal(signal.SIGTERM)

    def run_it(*arguments: str, ends_with: int = 0) -> str:
        code = run(arguments)
        out, err = (each.decode("utf-8", "surrogateescape") for each in capsysbinary.readouterr())
        assert code == ends_with and "Traceback" not in err, (arguments, err[-2000:])
        assert OBEYED.search(err) is None
        return out

    yield run_it
    signal.signal(signal.SIGTERM, before)


def test_hostile_records_through_consume_and_publish(
    hostile: Cluster, told: Callable[..., str], tmp_path: Path
) -> None:
    lines = told("consume", "-t", "hostile", "-e", "--json")
    found: list[Any] = [json.loads(line, parse_int=float) for line in lines.split("\n")[:-1]]
    assert [line["offset"] for line in found] == list(range(len(RECORDS)))
    kept = tmp_path / "lines.jsonl"
    kept.write_text(lines)
    told("publish", "-t", "copies", "-l", str(kept), "-p", "0", *LARGE)
    assert Counter(read(hostile, "copies", len(RECORDS))) == Counter(RECORDS)
    assert told("consume", "-t", "hostile", "-e", "-J").count("\n") == len(RECORDS)
    told("consume", "-t", "hostile", "-e", "-f", "%k %s %h %T %n\\n", "--name", "orderCreated", "-k", "k")
    assert "forged" in told("consume", "-t", "hostile", "-e", "-K", ":")


def test_hostile_records_through_every_other_command(hostile: Cluster, told: Callable[..., str]) -> None:
    told("consume", "-G", "shop", "hostile", "-e")
    for arguments in (
        ["lag", "shop"], ["topics", "hostile"], ["doctor", "-t", "hostile"], ["dead-letters", "list", "hostile"],
        ["dead-letters", "redrive", "hostile", "--dry-run"],
    ):  # fmt: skip
        ends_with = int("redrive" in arguments)  # forged letters cannot go
        assert OBEYED.search(told(*arguments, ends_with=ends_with)) is None
        json.loads(told(*arguments, "--json", ends_with=ends_with))
    for offset in 4, 5, 8:
        told("dead-letters", "show", "hostile", f"0:{offset}", "--json")
    assert json.loads(told("bench", "-t", "copies", "-n", "10", "--json"))["messages"] == 10


def test_hostile_records_for_people(hostile: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    consumer = kca.ConsumerBuilder("local", "hostile", "reader", partition=kca.PARTITION_EVERY)
    with kca.System(kca.Connection("local", hostile.address), consumer) as system:
        queue = system.consumer("reader").queue()
        shown = 0
        while shown < len(RECORDS):
            for event in queue.next(1000, 10000):
                if isinstance(event, kca.Delivery):
                    show(event)
                    event.done()
                    shown += 1
    said = capsys.readouterr().out
    assert OBEYED.search(said) is None
    assert "\\x1b]0;owned\\x07\\u009b31m\\u202e\\r\\n% ERROR: forged [link=file:///etc/passwd]x[/link] [bold]" in said
