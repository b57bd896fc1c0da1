"""Batch handlers, on threads and in asyncio's loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import kca
import kca.asyncio
import kca.testing
import pytest
from support import DEADLINE_SECONDS, declared
from waits import take_turns, wait_in_loop_for

MANY, KEYS, LIMIT_MS = 200, 5, 300


@dataclass
class Row:
    id: int


def publish(system: kca.System, payloads: list[Any]) -> None:
    bus = system.event_bus("orders")
    for i, payload in enumerate(payloads):
        bus.publish("row", payload, key=f"k{i % KEYS}")
    bus.flush(DEADLINE_SECONDS * 1000)


def everything(**options: Any) -> kca.System:
    return declared(partition=kca.PARTITION_EVERY, **options)


def run(system: kca.System, payloads: list[Any], is_over: Callable[[], bool]) -> dict[str, Any]:
    """Runs the consumer with three processors until it is over; gives its description."""
    with system:
        publish(system, payloads)
        consumer = system.consumer("shop", amount_of_processors=3)
        running = threading.Thread(target=consumer.run)
        running.start()
        until(is_over)
        consumer.stop()
        running.join()
        described: dict[str, Any] = system.description()["consumers"][0]
    return described


def until(is_over: Callable[[], bool]) -> None:
    from support import wait_for

    wait_for(is_over, "all to be handled", 2 * DEADLINE_SECONDS)


def numbered(count: int = MANY) -> list[Any]:
    return [{"id": i} for i in range(count)]


def test_a_batch_is_a_list_of_payloads() -> None:
    system, sizes, seen = everything(), list[int](), list[int]()

    @system.batch_handler(max=50, wait_ms=50)
    def row(rows: list[Row]) -> None:
        sizes.append(len(rows))
        seen.extend(each.id for each in rows)

    told = run(system, numbered(), lambda: len(seen) >= MANY)
    assert sorted(seen) == list(range(MANY))
    for key in range(KEYS):
        ids = [each for each in seen if each % KEYS == key]
        assert ids == sorted(ids)
    assert 1 < max(sizes) <= 50
    assert told["handled"] == MANY


def test_a_bad_message_takes_no_other_down() -> None:
    system, seen = everything(failure_policy="skip"), list[int]()
    faults: list[str] = []
    system.on(kca.Fault, lambda fault: faults.append(str(fault.error)))

    @system.batch_handler("row", max=50, wait_ms=50)
    def insert(rows: list[dict[str, Any]]) -> None:
        if any(each["id"] == 77 for each in rows):
            raise ValueError("a duplicate")
        seen.extend(each["id"] for each in rows)

    told = run(system, numbered(), lambda: len(seen) >= MANY - 1)
    assert sorted(seen) == [i for i in range(MANY) if i != 77]
    assert told["failed"] == told["skipped"] == 1


def test_each_may_be_settled_by_itself_and_what_does_not_fit_is_rejected() -> None:
    system, seen = everything(failure_policy="skip"), set[int]()

    @system.batch_handler("row", max=50, wait_ms=50)
    def insert(deliveries: list[kca.Delivery], rows: list[Row]) -> None:
        assert len(deliveries) == len(rows)
        for delivery, each in zip(deliveries, rows, strict=True):
            if each.id % 2 == 0:
                delivery.rejected("Even", "no even ones")
        seen.update(each.id for each in rows)

    payloads = numbered()
    payloads[10] = {"id": "ten"}
    told = run(system, payloads, lambda: len(seen) >= MANY - 1)
    assert told["rejected"] == MANY // 2
    assert told["handled"] == MANY // 2


def test_a_store_is_asked_for_each() -> None:
    system, seen = everything(), list[int]()
    marked: list[str] = []

    class Store:
        def seen(self, message_id: str) -> bool:
            return message_id.endswith("7")

        def mark(self, message_id: str) -> None:
            marked.append(message_id)

    system.set_deduplication_store("shop", Store())

    @system.batch_handler("row", max=50, wait_ms=50)
    def insert(rows: list[Row]) -> None:
        seen.extend(each.id for each in rows)

    with system:
        bus = system.event_bus("orders")
        for i in range(20):
            bus.publish("row", {"id": i}, message_id=f"m{i}")
        bus.flush(DEADLINE_SECONDS * 1000)
        consumer = system.consumer("shop")
        running = threading.Thread(target=consumer.run)
        running.start()
        until(lambda: len(marked) == 18)
        consumer.stop()
        running.join()
        assert system.description()["consumers"][0]["duplicates"] == 2
    assert sorted(seen) == [i for i in range(20) if i % 10 != 7]


def test_a_batch_may_be_pulled() -> None:
    system = everything()
    system.batch_handler("row", max=MANY, wait_ms=DEADLINE_SECONDS * 1000)(lambda rows: None)
    with system:
        publish(system, numbered())
        queue = system.consumer("shop").queue()
        batch = next(event for event in queue if isinstance(event, kca.Batch))
        assert len(batch.deliveries) == MANY
        batch.settle(kca.REJECTED)
        again = next(event for event in queue if isinstance(event, kca.Batch))
        assert [d.attempt for d in again.deliveries] == [1]
        again.settle(kca.DONE)
        assert system.description()["consumers"][0]["handled"] == 1
        del batch, again
        queue.close()


def test_the_loop_awaits_batches() -> None:
    async def main() -> None:
        system = kca.asyncio.System(
            kca.Connection("local", "embedded://"),
            kca.PublisherBuilder("local", "orders", required_acks=-1),
            kca.ConsumerBuilder("local", "orders", "shop", partition=kca.PARTITION_EVERY, failure_policy="skip"),
        )
        seen: list[int] = []
        over = asyncio.Event()

        @system.batch_handler("row", max=50, wait_ms=50)
        async def insert(rows: list[Row], deliveries: list[kca.Delivery]) -> None:
            await take_turns()
            if any(each.id == 77 for each in rows):
                raise ValueError("a duplicate")
            seen.extend(each.id for each in rows)
            if len(seen) == MANY - 1:
                over.set()

        async with system:
            bus = system.event_bus("orders")
            sent: list[Awaitable[Any]] = [bus.publish("row", each, key=f"k{each['id'] % KEYS}") for each in numbered()]
            await asyncio.gather(*sent)
            async with system.consumer("shop", amount_of_processors=4).running():
                await asyncio.wait_for(over.wait(), 2 * DEADLINE_SECONDS)
            told = system.description()["consumers"][0]
        assert sorted(seen) == [i for i in range(MANY) if i != 77]
        assert told["failed"] == 1

    asyncio.run(main())


def test_a_batch_in_a_loop_knows_its_time_and_is_cancelled_when_that_is_over() -> None:
    sizes: list[int] = []
    done: list[int] = []

    async def main() -> None:
        system = kca.asyncio.System(
            kca.Connection("local", "embedded://"),
            kca.PublisherBuilder("local", "orders", required_acks=-1),
            kca.ConsumerBuilder("local", "orders", "shop", partition=kca.PARTITION_EVERY, failure_policy="skip"),
        )
        over = asyncio.Event()

        @system.batch_handler("row", max=5, wait_ms=100)
        async def rows(rows: list[Row], deliveries: list[kca.Delivery]) -> None:
            sizes.append(len(rows))
            assert len({d.deadline_ms for d in deliveries}) == 1
            assert all(0 <= (d.left_ms or 0) <= LIMIT_MS for d in deliveries)
            if any(row.id == 3 for row in rows):
                await asyncio.Event().wait()  # for ever
            done.extend(row.id for row in rows)
            if len(done) == 4:
                over.set()

        async with system:
            bus = system.event_bus("orders")
            for id in range(5):
                await bus.publish("row", {"id": id}, key=f"k{id}", partition=0)
            consumer = system.consumer("shop", message_processing_timeout_ms=LIMIT_MS)
            async with consumer.running():
                await asyncio.wait_for(over.wait(), 2 * DEADLINE_SECONDS)
                await wait_in_loop_for(lambda: system.description()["consumers"][0]["skipped"] > 0, "the last try")
            assert system.description()["consumers"][0]["out"] == 0

    asyncio.run(main())
    assert sizes[0] > 1 and sizes.count(1) >= 5  # each came again by itself, also the one that takes too long
    assert sorted(done) == [0, 1, 2, 4]


def test_an_iteration_gives_each_of_a_batch() -> None:
    async def main() -> None:
        system = kca.asyncio.System(
            kca.Connection("local", "embedded://"),
            kca.PublisherBuilder("local", "orders", required_acks=-1),
            kca.ConsumerBuilder("local", "orders", "shop", partition=kca.PARTITION_EVERY),
        )
        system.batch_handler("row", max=10)(lambda rows: None)
        async with system:
            bus = system.event_bus("orders")
            await asyncio.gather(*[bus.publish("row", each) for each in numbered(20)])
            seen = []
            async for delivery in system.consumer("shop"):
                seen.append(delivery.json()["id"])
                delivery.done()
                if len(seen) == 20:
                    break
        assert sorted(seen) == list(range(20))

    asyncio.run(main())


def test_the_testing_helper_has_batches() -> None:
    system = declared(failure_policy="skip")
    seen: list[int] = []

    @system.batch_handler("row", max=10, wait_ms=1)
    def insert(rows: list[Row]) -> None:
        seen.extend(each.id for each in rows)

    with kca.testing.embedded(system) as tested:
        for each in numbered(15):
            tested.publish("orders", "row", each)
        tested.assert_handled("row", times=15)
    assert sorted(seen) == list(range(15))


def test_what_is_not_allowed_is_said() -> None:
    system = everything()
    with pytest.raises(kca.ArgumentError, match="batch_max must be 1 to 1000000, got 0"):
        system.batch_handler("row", max=0)(lambda rows: None)
    with pytest.raises(TypeError, match=r"annotate its parameters by list\[...\]"):

        @system.batch_handler("row")
        def one(row: Row) -> None: ...

    with pytest.raises(TypeError, match="coroutine function"):

        @system.batch_handler("row")
        async def wait(rows: list[Row]) -> None: ...
