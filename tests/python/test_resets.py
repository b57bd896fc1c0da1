"""Reading that does not go on where it was is told, and a seek outside the partition is refused.

The embedded broker keeps 5 MB of a partition.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import kca
import kca.asyncio
import pytest
from support import DEADLINE_SECONDS, KEY, events

LARGE = b"x" * 900_000
COUNT = 8  # large ones: more than it keeps


def declarations() -> list[Any]:
    return [
        kca.Connection("local", "embedded://"),
        kca.PublisherBuilder("local", "orders", required_acks=-1, linger_ms=0),
        kca.ConsumerBuilder("local", "orders", "shop", partition=0),
    ]


def check(fault: kca.Fault, first: int) -> None:
    """The first record was handled; those up to `first` are gone."""
    assert isinstance(fault.error, kca.OffsetError)
    assert (fault.error.name, fault.error.retriable) == ("offset", False)
    assert f"offsets 1 to {first - 1} are gone, {first - 1} not read" in str(fault.error)
    assert (fault.topic, fault.partition, fault.offset) == ("orders", 0, first)
    assert (fault.reset_from, fault.reset_to, fault.reset_count) == (
        1,
        first,
        first - 1,
    )


def take(found: Iterator[kca.Event]) -> int:
    """Handles the next delivery, and gives its offset."""
    delivery = next(found)
    assert isinstance(delivery, kca.Delivery)
    delivery.done()
    return delivery.offset


def test_what_is_gone_is_told_with_from_to_and_how_many() -> None:
    system = kca.System(*declarations())
    system.handler("a", lambda order: None)
    with system:
        bus, consumer = system.event_bus("orders"), system.consumer("shop")
        bus.publish("a", key=KEY)
        assert take(events(consumer.queue())) == 0
        for _ in range(COUNT):
            bus.publish("a", LARGE, key=KEY)
        bus.flush(1000 * DEADLINE_SECONDS)
        found = events(consumer.queue())
        fault, first = next(found), take(found)
        assert isinstance(fault, kca.Fault)
        assert 1 < first < COUNT
        check(fault, first)


@pytest.mark.parametrize("form", ["threads", "loop"])
def test_a_listener_hears_what_is_gone(form: str) -> None:
    faults: list[kca.Fault] = []
    seen: list[int] = []
    consumer: Any

    def handle(order: kca.Delivery) -> None:
        seen.append(order.offset)
        if order.offset in (0, COUNT):
            consumer.stop()

    async def work() -> None:
        nonlocal consumer
        system = kca.asyncio.System(*declarations())
        system.handler("a", handle)
        system.on(kca.Fault, faults.append)
        async with system:
            bus, consumer = system.event_bus("orders"), system.consumer("shop")
            await bus.publish("a", key=KEY)
            await consumer.run()
            for _ in range(COUNT):
                await bus.publish("a", LARGE, key=KEY)
            await consumer.run()

    if form == "loop":
        asyncio.run(work())
    else:
        system = kca.System(*declarations())
        system.handler("a", handle)
        system.on(kca.Fault, faults.append)
        with system:
            bus, consumer = system.event_bus("orders"), system.consumer("shop")
            bus.publish("a", key=KEY)
            consumer.run()
            for _ in range(COUNT):
                bus.publish("a", LARGE, key=KEY)
            bus.flush(1000 * DEADLINE_SECONDS)
            consumer.run()
    [fault] = faults
    check(fault, seen[1])
    assert seen == [0, *range(seen[1], COUNT + 1)]


def test_another_fault_tells_no_reset() -> None:
    fault = kca.Fault(kca.BrokerError("away"), "orders", 0, 5)
    assert (fault.reset_from, fault.reset_to, fault.reset_count) == (None, None, None)


def test_a_seek_outside_the_partition_is_refused() -> None:
    system = kca.System(*declarations())
    system.handler("a", lambda order: None)
    with system:
        bus, consumer = system.event_bus("orders"), system.consumer("shop")
        for _ in range(3):
            bus.publish("a", key=KEY)
        bus.flush(1000 * DEADLINE_SECONDS)
        found = events(consumer.queue())
        assert take(found) == 0
        with pytest.raises(kca.OffsetError, match=r"orders\[0\]: the offset must be 0 to 3, got 4") as refused:
            consumer.seek("orders", 0, 4)
        assert (refused.value.name, refused.value.code) == (
            "offset",
            kca.OffsetError.code,
        )
        assert [take(found), take(found)] == [1, 2]
        consumer.seek("orders", 0, 2)
        assert take(found) == 2


def test_a_seek_outside_the_partition_is_refused_in_a_loop() -> None:
    async def work() -> None:
        system = kca.asyncio.System(*declarations())
        system.handler("a", lambda order: None)
        async with system:
            bus, consumer = system.event_bus("orders"), system.consumer("shop")
            for _ in range(3):
                await bus.publish("a", key=KEY)
            async for delivery in consumer:
                assert delivery.offset == 0
                with pytest.raises(kca.OffsetError, match=r"the offset must be 0 to 3, got 4"):
                    await consumer.seek("orders", 0, 4)
                delivery.done()
                break

    asyncio.run(work())
