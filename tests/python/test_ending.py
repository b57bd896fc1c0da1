"""A system that goes without a shutdown, with its last name or with the process, sends what was published, or says what
it did not send."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
import uuid
import warnings

import kca
import pytest
from kca import ending
from support import DEADLINE_SECONDS

BROKER = os.environ.get("KCA_BROKER_PLAINTEXT", "")
COUNT = 500

# A system, or one of asyncio, that publishes and then goes in the way that the second argument names.
PROGRAM = f"""
import asyncio, gc, os, sys
import kca, kca.asyncio
topic, how = sys.argv[1:]
connection = kca.Connection("kafka", os.environ["KCA_BROKER_PLAINTEXT"])
publisher = kca.PublisherBuilder("kafka", topic, required_acks=-1, linger_ms=1000)

def publish():
    system = kca.System(connection, publisher).start()
    bus = system.event_bus(topic)
    for i in range({COUNT}):
        bus.publish("thing", {{"i": i}})
    return system, bus

async def publish_in_a_loop():
    system = await kca.asyncio.System(connection, publisher).start()
    bus = system.event_bus(topic)
    for i in range({COUNT}):
        bus.publish("thing", {{"i": i}})
    return system

if how == "exit":
    kept = publish()
elif how == "only the bus":
    kept = publish()[1]
elif how == "the last name":
    kept = publish()
    del kept
    os._exit(0)
elif how == "a cycle":
    kept = list(publish())
    kept.append(kept)
    del kept
    gc.collect()
    os._exit(0)
elif how == "an exception":
    kept = publish()
    raise SystemExit(0)
elif how == "a loop":
    kept = asyncio.run(publish_in_a_loop())
elif how == "a fork":
    kept = publish()
    if os.fork() == 0:
        sys.exit(0)
    os.wait()
"""


def records(topic: str) -> int:
    """How many records the topic has, as soon as they are all there."""
    system = kca.System(kca.Connection("kafka", BROKER))
    end = time.monotonic() + DEADLINE_SECONDS
    with system:
        while True:
            told = system.describe_cluster("kafka", topic)
            count = sum(each["end"] for each in told["topics"][0]["partitions"])
            if count >= COUNT or time.monotonic() > end:
                return int(count)


@pytest.mark.parametrize(
    "how", ["exit", "only the bus", "the last name", "a cycle", "an exception", "a loop", "a fork"]
)
def test_what_was_published_is_sent(how: str) -> None:
    assert BROKER, 'no broker: eval "$(tests/broker/kafka env)"'
    topic = f"ending.{uuid.uuid4().hex[:12]}"
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", PROGRAM, topic, how],
        capture_output=True, text=True, timeout=10 * DEADLINE_SECONDS, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert records(topic) == COUNT


def test_what_was_not_sent_is_told(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(ending, "FLUSH_MS", 0)
    system = kca.System(
        kca.Connection("local", "embedded://"), kca.PublisherBuilder("local", "orders", linger_ms=60000)
    ).start()
    bus = system.event_bus("orders")
    for _ in range(COUNT):
        bus.publish("orderCreated", {})
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        del system, bus
        gc.collect()
    assert [each.category for each in told] == [ResourceWarning]
    assert "published messages were not sent" in str(told[0].message)
    assert [each.getMessage() for each in caplog.records] == [str(told[0].message)]


def test_a_system_that_was_shut_down_goes_in_silence() -> None:
    with kca.System(kca.Connection("local", "embedded://"), kca.PublisherBuilder("local", "orders")) as system:
        system.event_bus("orders").publish("orderCreated", {})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del system
        gc.collect()
