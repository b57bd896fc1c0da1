"""Messages that are delivered at a time, by way of a relay: sync and asyncio, with hooks, and what is refused."""

from __future__ import annotations

import asyncio
import threading
from datetime import datetime, timedelta, timezone
from typing import Any

import kca
import kca.asyncio
import pytest
from support import DEADLINE_SECONDS

CLOCKS = timedelta(milliseconds=2)  # waits are by another clock
SOON = timedelta(milliseconds=150)


def now() -> datetime:
    return datetime.now(timezone.utc)


def declarations() -> list[Any]:
    every = kca.PARTITION_EVERY
    ladder = kca.PublisherBuilder(
        "local", "orders", required_acks=-1, linger_ms=0, delay_channel=["d1", "d2"], delay_channel_ms=[10, 100]
    )
    return [
        kca.Connection("local", "embedded://"),
        ladder,
        kca.PublisherBuilder("local", "d1", required_acks=-1),  # so that the topics are there
        kca.PublisherBuilder("local", "d2", required_acks=-1),
        kca.ConsumerBuilder("local", "d1", "relay", group_topic="d2", partition=every, relay=True),
        kca.ConsumerBuilder("local", "orders", "shop", partition=every),
    ]


def test_every_kind_of_message_comes_at_its_time() -> None:
    system = kca.System(*declarations())
    seen: list[Any] = []
    early: list[Any] = []

    @system.publish_hook
    def marks(p: kca.Publishing) -> None:
        p.message.set_header("hooked", "yes")

    @system.handler("orderCreated")
    def handle(order: Any, delivery: kca.Delivery) -> None:
        seen.append(order)
        assert delivery.headers == {"hooked": b"yes"}
        if now() < due - CLOCKS:
            early.append(order)
        if len(seen) == 3:
            system.consumer("shop").stop()
            system.consumer("relay").stop()

    with system:
        bus = system.event_bus("orders")
        due = now() + SOON
        bus.publish("orderCreated", 1, deliver_at=due)
        bus.publish("orderCreated", 2, deliver_at=int(due.timestamp() * 1000) + 1)
        bus.publish(kca.Message("orderCreated", 3, deliver_at=due))
        relay = threading.Thread(target=system.consumer("relay").run)
        relay.start()
        system.consumer("shop").run()
        relay.join(DEADLINE_SECONDS)
        counts = {c["name"]: c["relayed"] for c in system.description()["consumers"]}
    assert sorted(seen) == [1, 2, 3]
    assert early == []
    assert counts["relay"] >= 3
    assert counts["shop"] == 0


def test_in_a_loop_it_comes_at_its_time() -> None:
    async def work() -> None:
        system = kca.asyncio.System(*declarations())
        came: asyncio.Future[datetime] = asyncio.get_running_loop().create_future()

        @system.handler("orderCreated")
        async def handle(order: Any) -> None:
            came.set_result(now())

        async with system:
            due = now() + SOON
            runs = [asyncio.create_task(system.consumer(name).run()) for name in ("relay", "shop")]
            await system.event_bus("orders").publish("orderCreated", {"id": 1}, deliver_at=due)
            assert await came >= due - CLOCKS
            for name in "relay", "shop":
                system.consumer(name).stop()
            await asyncio.gather(*runs)

    asyncio.run(asyncio.wait_for(work(), DEADLINE_SECONDS))


def test_what_cannot_be_delivered_later_is_refused() -> None:
    with pytest.raises(ValueError, match="must have a time zone"):
        kca.Message("orderCreated", deliver_at=datetime(2030, 1, 1))
    with pytest.raises(kca.ArgumentError, match="deliver_at_ms must be 0 to"):
        kca.Message("orderCreated", deliver_at=-1)
    with kca.System(kca.Connection("local", "embedded://"), kca.PublisherBuilder("local", "orders")) as system:
        bus = system.event_bus("orders")
        with pytest.raises(kca.StateError, match="needs a delay_channel"):
            bus.publish("orderCreated", 1, deliver_at=now() + SOON)
    with pytest.raises(kca.ArgumentError, match="as many delay_channel_ms as delay_channel, 1, got 0"):
        kca.System(kca.PublisherBuilder("local", "orders", delay_channel="d1"))
