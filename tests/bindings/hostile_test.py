"""Hostile records through the consumer of every language: none ends it, nothing is cut, each is handled or told of."""

from __future__ import annotations

import os
import re
import uuid

import hostile
import pytest
from cross_test import run

READERS = {"c": "read", "python": "read", "asyncio": "read_async", "lua": "read", "luajit": "read"}
NAMED = [
    line
    for line, (_, _, headers, _) in zip(hostile.lines(), hostile.records(), strict=True)
    if dict(headers).get("route") in {b"orderCreated", b"end"}
]


@pytest.fixture(scope="module")
def topic() -> str:
    """One with the hostile records."""
    name = f"hostile.{uuid.uuid4().hex}"
    hostile.publish(os.environ["KCA_BROKER_PLAINTEXT"], name)
    return name


def read(reader: str, topic: str, form: str) -> tuple[list[str], list[int]]:
    """The records that a handler got; how many were handled, failed, rejected."""
    peer = "python" if reader == "asyncio" else reader
    process = run(peer, READERS[reader], os.environ["KCA_BROKER_PLAINTEXT"], topic, form)
    try:
        said, told = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 0, f"{reader} ends with {process.returncode}: {told}"
    counts = re.search(r"(\d+) handled, (\d+) failed, (\d+) rejected", said)
    assert counts, said
    return [line for line in said.splitlines() if line.startswith("record")], [int(count) for count in counts.groups()]


@pytest.mark.parametrize("reader", READERS)
def test_who_handles_all_gets_each_whole(reader: str, topic: str) -> None:
    got, counts = read(reader, topic, "all")
    assert got == hostile.lines()
    assert counts == [len(got), 0, 0]


@pytest.mark.parametrize("reader", READERS)
def test_what_no_handler_takes_is_told_and_the_rest_is_handled(reader: str, topic: str) -> None:
    got, (handled, failed, rejected) = read(reader, topic, "named")
    assert set(got) < set(NAMED) and len(got) >= 20 and got[-1] == NAMED[-1]
    assert handled == len(got) and handled + failed + rejected == len(hostile.lines())
