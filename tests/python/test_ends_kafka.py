"""How a run ends on a real Kafka: it waits for dead letters, and nothing that was settled before comes again."""

from __future__ import annotations

import asyncio
import os
import threading
import uuid
from typing import Any

import kca
import kca.asyncio
import pytest
from support import DEADLINE_SECONDS

BROKER = os.environ.get("KCA_BROKER_PLAINTEXT", "")
COUNT = 5  # messages, each of which ends its run


@pytest.fixture
def topic() -> str:
    return f"ends.{uuid.uuid4().hex[:12]}"


def declarations(topic: str) -> list[Any]:
    """Its dead letters are under way for a while."""
    assert BROKER, 'no broker: eval "$(tests/broker/kafka env)"'
    return [
        kca.Connection("kafka", BROKER),
        kca.PublisherBuilder("kafka", topic, required_acks=-1, linger_ms=0),
        kca.PublisherBuilder("kafka", f"{topic}.dead", required_acks=-1, linger_ms=300),
        kca.ConsumerBuilder("kafka", topic, "shop", group_id=topic, dead_letter_channel=f"{topic}.dead"),
    ]


def check(topic: str, count: int) -> None:
    """All is committed, and every message is a dead letter, once."""
    system = kca.System(*declarations(topic)[:1])
    with system:
        [told] = system.describe_cluster("kafka", topic, topic)["topics"]
        [used] = [p for p in told["partitions"] if p["end"]]
        assert (used["committed"], used["end"], used["lag"]) == (count, count, 0)
        [told] = system.describe_cluster("kafka", f"{topic}.dead")["topics"]
        assert sum(p["end"] for p in told["partitions"]) == count


def test_what_was_settled_before_a_stop_does_not_come_again(topic: str) -> None:
    seen: list[int] = []

    def handle_one(n: int) -> None:
        system = kca.System(*declarations(topic))

        @system.handler("a")
        def handle(order: int) -> None:
            seen.append(order)
            consumer.stop()
            raise kca.Rejected("no")

        with system:
            consumer = system.consumer("shop")
            system.event_bus(topic).publish("a", n, key="k")
            consumer.run()

    for n in range(COUNT):
        handle_one(n)
    assert seen == list(range(COUNT))
    check(topic, COUNT)


def test_a_shutdown_beside_a_run_waits_for_what_is_settled(topic: str) -> None:
    system = kca.System(*declarations(topic))
    handled = threading.Event()

    @system.handler("a")
    def handle(order: int) -> None:
        handled.set()
        raise kca.Rejected("no")

    system.start()
    system.event_bus(topic).publish("a", 1, key="k")
    runner = threading.Thread(target=system.consumer("shop").run)
    runner.start()
    assert handled.wait(DEADLINE_SECONDS)
    system.shutdown()
    runner.join(DEADLINE_SECONDS)
    check(topic, 1)


@pytest.mark.parametrize("form", ["run", "iterate"])
def test_what_was_settled_before_a_stop_does_not_come_again_in_a_loop(topic: str, form: str) -> None:
    seen: list[int] = []

    async def handle_one(n: int) -> None:
        system = kca.asyncio.System(*declarations(topic))

        @system.handler("a")
        async def handle(order: int) -> None:
            seen.append(order)
            consumer.stop()
            raise kca.Rejected("no")

        async with system:
            consumer = system.consumer("shop")
            await system.event_bus(topic).publish("a", n, key="k")
            if form == "run":
                return await consumer.run()
            async for delivery in consumer:
                seen.append(delivery.json())
                delivery.rejected("no", "no")
                consumer.stop()

    for n in range(COUNT):
        asyncio.run(handle_one(n))
    assert seen == list(range(COUNT))
    check(topic, COUNT)
