"""Publishing, handling and iterating in asyncio's loop and in uvloop's."""

from __future__ import annotations

import asyncio
import gc
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import kca
import kca.asyncio
import pytest
import uvloop
from kca import _kca
from support import DEADLINE_SECONDS, KEY, thread_count

Run = Callable[[Awaitable[Any]], Any]


@dataclass
class OrderCreated:
    id: int


class Odd(str):
    """A text that cannot be read: what reads it gets an exception that no future takes."""

    __slots__ = ()

    def __getattribute__(self, name: str) -> Any:
        raise StopIteration("no field")


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Runs a coroutine in a new loop, within the deadline."""
    loop = asyncio.new_event_loop() if request.param == "asyncio" else uvloop.new_event_loop()
    errors: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, what: errors.append(what))

    def run_it(work: Awaitable[Any]) -> Any:
        return loop.run_until_complete(asyncio.wait_for(work, DEADLINE_SECONDS))

    yield run_it
    gc.collect()
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    assert errors == []


def declared(**options: Any) -> kca.asyncio.System:
    options = {"required_acks": -1, "linger_ms": 0} | options
    consumer = {"partition": 0} | {n: options.pop(n) for n in ("failure_policy", "partition") if n in options}
    return kca.asyncio.System(
        kca.Connection("local", "embedded://"),
        kca.PublisherBuilder("local", "orders", **options),
        kca.ConsumerBuilder("local", "orders", "shop", **consumer),
    )


def without_consumer(**options: Any) -> kca.asyncio.System:
    return kca.asyncio.System(
        kca.Connection("local", "embedded://"),
        kca.PublisherBuilder("local", "orders", required_acks=-1, **options),
    )


def test_a_publish_gives_its_receipt(run: Run) -> None:
    async def work() -> None:
        async with without_consumer(linger_ms=0) as system:
            bus = system.event_bus("orders")
            receipt = await bus.publish(OrderCreated(1), key=KEY)
            assert (
                receipt.error,
                receipt.topic,
                receipt.partition,
                receipt.offset,
            ) == (None, "orders", 0, 0)
            receipts = await asyncio.gather(*[bus.publish("orderCreated", i, key=KEY) for i in range(500)])
            assert [r.offset for r in receipts] == list(range(1, 501))
            await bus.flush()
            assert system.description()["publishers"][0]["stored"] == 501

    run(work())


def test_what_is_wrong_or_fails_is_raised_when_awaited(run: Run) -> None:
    async def work() -> None:
        system = without_consumer(batch_bytes=1000)
        async with system:
            bus = system.event_bus("orders")
            wrong, large = bus.publish(5), bus.publish("a", b"x" * 2000)
            odd = bus.publish("a", Odd())
            with pytest.raises(TypeError, match="a name and a payload"):
                await wrong
            with pytest.raises(kca.TooLargeError):
                await large
            with pytest.raises(RuntimeError, match="StopIteration: no field"):
                await odd
        with pytest.raises(kca.StateError, match="not started in this loop"):
            await bus.publish("a")

    run(work())


@pytest.mark.parametrize("buffer", [1, 7])
def test_a_full_buffer_waits_in_the_loop_and_keeps_the_order(run: Run, buffer: int) -> None:
    async def work() -> None:
        async with without_consumer(buffer_messages=buffer, linger_ms=1) as system:
            bus = system.event_bus("orders")
            turns = 0

            async def tick() -> None:
                nonlocal turns
                while True:
                    turns += 1
                    await asyncio.sleep(0)

            ticking = asyncio.create_task(tick())
            futures = [asyncio.ensure_future(bus.publish("orderCreated", i, key=KEY)) for i in range(100)]
            assert max(1, system.description()["publishers"][0]["unanswered"]) <= buffer
            for future in futures[50:60]:
                future.cancel()
            receipts = await asyncio.gather(*futures[:50], *futures[60:])
            assert [r.offset for r in receipts] == sorted(r.offset for r in receipts)
            ticking.cancel()
            assert turns > 20

    run(work())


def test_room_that_does_not_come_is_an_error(run: Run) -> None:
    async def work() -> None:
        async with without_consumer(buffer_messages=1, buffer_timeout_ms=50, linger_ms=2000) as system:
            bus = system.event_bus("orders")
            first = bus.publish("a", key=KEY)
            with pytest.raises(kca.BufferFullError):
                await bus.publish("b", key=KEY)
            others = await asyncio.gather(*[bus.publish("c", key=KEY) for _ in range(3)], return_exceptions=True)
            assert [type(each) for each in others] == [kca.BufferFullError] * 3
            assert (await first).offset == 0

    run(work())


def test_others_may_make_the_room(run: Run) -> None:
    """Receipts that nobody of the loop waits for."""

    async def work() -> None:
        async with without_consumer(buffer_messages=1, linger_ms=0) as system:
            bus = system.event_bus("orders")
            bus._bus.publish("a", key=KEY)  # without a token: no receipt follows
            assert (await bus.publish("b", key=KEY)).offset == 1

    run(work())


def test_a_synchronous_publisher_does_not_block_the_loop(run: Run) -> None:
    async def work() -> None:
        builder = kca.PublisherBuilder("local", "orders", required_acks=-1, async_=False)
        async with kca.asyncio.System(kca.Connection("local", "embedded://"), builder) as system:
            [publisher] = system.description()["publishers"]
            assert publisher["async"]
            assert publisher["properties"]["queue.buffering.max.ms"] == "0"
            await system.event_bus("orders").publish("a")
        plain = kca.System(kca.Connection("local", "embedded://"), builder)  # the builder is as it was
        with plain:
            assert not plain.description()["publishers"][0]["async"]

    run(work())


@pytest.mark.parametrize("buffer", [1, 100])
def test_who_waits_for_room_does_not_try_again_and_again(run: Run, buffer: int) -> None:
    async def work() -> None:
        async with without_consumer(buffer_messages=buffer, linger_ms=1) as system:
            bus = system.event_bus("orders")
            put, tries = bus._put, 0

            def counted(*arguments: Any, **fields: Any) -> None:
                nonlocal tries
                tries += 1
                put(*arguments, **fields)

            bus._put = counted
            count = 20 * buffer + 100

            async def publish(number: int) -> None:
                for _ in range(2):
                    await bus.publish("orderCreated", number, key=KEY)

            await asyncio.gather(*[bus.publish("orderCreated", i, key=KEY) for i in range(count)])
            await asyncio.gather(*[publish(i) for i in range(count)])
            assert tries <= 3 * count * (1 + 1 / buffer) + 10 + count / 2
            assert system.description()["publishers"][0]["stored"] == 3 * count

    run(work())


def test_who_waits_for_room_keeps_its_trace(run: Run) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    async def work() -> None:
        system = declared(buffer_messages=1)
        seen: list[str] = []

        @system.handler("a")
        async def handle(message: kca.Delivery) -> None:
            await asyncio.gather(*[bus.publish("b", key=KEY) for _ in range(5)])

        @system.handler("b")
        async def follow(message: kca.Delivery) -> None:
            seen.append(message.trace_context[0].split("-")[1])
            if len(seen) == 5:
                consumer.stop()

        async with system:
            bus = system.event_bus("orders")
            await bus.publish("a", key=KEY, trace_context=(trace, None))
            consumer = system.consumer("shop")
            await consumer.run()
        assert seen == [trace.split("-")[1]] * 5

    run(work())


def test_a_publish_is_a_coroutine_for_whoever_takes_only_these(run: Run) -> None:
    async def work() -> None:
        async with without_consumer(buffer_messages=4, linger_ms=1) as system:
            bus = system.event_bus("orders")
            assert asyncio.iscoroutine(bus.publish("a", 0, key=KEY))
            tasks = [asyncio.create_task(bus.publish("a", i, key=KEY)) for i in range(1, 20)]
            receipts = [await task for task in tasks]
            receipts.append(await asyncio.wait_for(bus.publish("a", 20, key=KEY), DEADLINE_SECONDS))
            receipts += await asyncio.gather(bus.publish("a", 21, key=KEY), asyncio.sleep(0, tasks[0].result()))
            assert [r.offset for r in receipts] == [*range(1, 22), 1]
            with pytest.raises(TypeError, match="a name and a payload"):
                await asyncio.create_task(bus.publish(5))
            task = asyncio.create_task(bus.publish("a", 22, key=KEY))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            begun = asyncio.create_task(bus.publish("a", 23, key=KEY))
            await asyncio.sleep(0)
            begun.cancel()
            with pytest.raises(asyncio.CancelledError):
                await begun
            await bus.flush()
            assert system.description()["publishers"][0]["stored"] == 24

    run(work())


if sys.version_info >= (3, 11):  # which has TaskGroup and Runner

    def test_a_publish_works_in_a_task_group_and_in_a_runner() -> None:
        async def grouped(bus: kca.asyncio.Bus) -> list[int]:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(bus.publish("a", i, key=KEY)) for i in range(10)]
            return [task.result().offset for task in tasks]

        with asyncio.Runner() as runner:
            system = runner.run(without_consumer(linger_ms=0).start())
            bus = system.event_bus("orders")
            assert runner.run(grouped(bus)) == list(range(10))
            assert runner.run(bus.publish("a", key=KEY)).offset == 10  # called while no loop runs
            with pytest.raises(kca.StateError, match="started in another loop"):
                asyncio.run(bus.publish("a"))
            runner.run(system.shutdown())
            with pytest.raises(kca.StateError, match="not started in this loop"):
                asyncio.run(bus.publish("a"))


def test_publishing_from_another_loop_or_thread_is_refused_when_awaited(
    run: Run,
) -> None:
    async def work() -> None:
        async with without_consumer(linger_ms=0) as system:
            bus = system.event_bus("orders")

            async def elsewhere() -> None:
                with pytest.raises(kca.StateError, match="started in another loop"):
                    await bus.publish("a")

            await asyncio.to_thread(asyncio.run, elsewhere())
            loop = asyncio.get_running_loop()

            def from_a_thread() -> kca.Receipt:
                return asyncio.run_coroutine_threadsafe(bus.publish("a"), loop).result(DEADLINE_SECONDS)

            assert (await asyncio.to_thread(from_a_thread)).offset == 0
            assert system.description()["publishers"][0]["stored"] == 1

    run(work())


def test_what_waits_in_c_ends_soon_when_it_is_cancelled(run: Run) -> None:
    async def cancelled(work: Awaitable[Any]) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(work)
        await asyncio.sleep(0.05)
        begin = loop.time()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert loop.time() - begin < 2

    async def work() -> None:
        far = kca.asyncio.System(kca.Connection("far", "127.0.0.1:1"), kca.PublisherBuilder("far", "orders"))
        await cancelled(far.start(-1))
        assert not far.description()["started"]
        async with without_consumer() as broker:
            address = broker.description()["connections"][0]["embedded_at"]
            system = kca.asyncio.System(
                kca.Connection("gone", address),
                kca.PublisherBuilder("gone", "orders", required_acks=-1),
            )
            await system.start()
            assert [b["id"] for b in (await system.describe_cluster("gone"))["brokers"]] == [1]
        bus = system.event_bus("orders")
        future = bus.publish("a")
        with pytest.raises(kca.TimedOutError, match="1 messages are not answered"):
            await bus.flush(300)
        await cancelled(bus.flush())
        await cancelled(system.shutdown(-1))
        with pytest.raises(kca.NotStoredError):
            await future

    run(work())  # whose errors are looked at: none may be left that nobody asked for


def test_a_loop_over_deliveries_that_ends_early_leaves_without_holding_up_the_loop(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    freed: list[threading.Thread] = []
    free = _kca.kca_queue_free

    def watched(queue: Any) -> None:
        freed.append(threading.current_thread())
        free(queue)

    monkeypatch.setattr(_kca, "kca_queue_free", watched)

    async def work() -> None:
        async with declared() as system:
            bus = system.event_bus("orders")
            consumer = system.consumer("shop")
            for number in range(3):
                await bus.publish("a", number, key=KEY)
                async for delivery in consumer:
                    assert delivery.json() == number
                    delivery.done()
                    break
            gc.collect()
            while len(freed) < 3:
                await asyncio.sleep(0.01)
        assert threading.main_thread() not in freed

    run(work())


def test_a_cancelled_publish_leaves_nothing_behind(run: Run) -> None:
    async def work() -> None:
        async with without_consumer(linger_ms=0) as system:
            bus = system.event_bus("orders")
            future = asyncio.ensure_future(bus.publish("a", key=KEY))
            future.cancel()
            await bus.publish("b", key=KEY)
            await bus.flush()
            assert system._receipts
            assert system._receipts._futures == {}
            assert system.description()["publishers"][0]["stored"] == 2

    run(work())


def test_a_publish_waits_as_long_as_it_may(run: Run) -> None:
    async def work() -> None:
        async with without_consumer(linger_ms=60000, buffer_messages=2, buffer_timeout_ms=-1) as system:
            bus = system.event_bus("orders")
            with pytest.raises(kca.TimedOutError, match="no receipt came within 20 ms"):
                await bus.publish("a", key=KEY, timeout_ms=20)
            kept = bus.publish("b", key=KEY, timeout_ms=-1)
            with pytest.raises(kca.BufferFullError, match="within 20 ms"):
                await bus.publish("c", key=KEY, timeout_ms=20)
            with pytest.raises(kca.ArgumentError, match="timeout_ms must be -1 to 2147483647, got -2"):
                await bus.publish("d", key=KEY, timeout_ms=-2)
            cancelled = asyncio.create_task(bus.publish("e", key=KEY, timeout_ms=-1))
            await asyncio.sleep(0)
            cancelled.cancel()
            with pytest.raises(asyncio.CancelledError):
                await cancelled
            await bus.flush()
            assert (await kept).offset == 1
            last = asyncio.ensure_future(bus.publish("f", key=KEY, timeout_ms=1000 * DEADLINE_SECONDS))
            while system.description()["publishers"][0]["unanswered"] == 0:
                await asyncio.sleep(0.01)
            await bus.flush()
            assert (await last).offset == 2
            assert system.description()["publishers"][0]["stored"] == 3

    run(work())


def test_what_nobody_awaits_finds_room_before_the_shutdown(run: Run) -> None:
    async def work() -> None:
        async with without_consumer(buffer_messages=10) as system:
            bus = system.event_bus("orders")
            published = [bus.publish("a", i, key=KEY) for i in range(300)]
        assert [receipt.offset for receipt in await asyncio.gather(*published)] == list(range(300))

    run(work())


def test_what_is_not_answered_at_shutdown_fails(run: Run) -> None:
    async def work() -> None:
        system = await without_consumer(linger_ms=60000).start()
        future = system.event_bus("orders").publish("a")
        await system.shutdown(5000)
        assert (await future).offset == 0  # it was sent at the end
        assert not system.description()["started"]

    run(work())


def test_coroutines_handle_side_by_side_and_keys_in_order(run: Run) -> None:
    async def work() -> None:
        system = declared(partition=kca.PARTITION_EVERY)
        seen: list[int] = []
        at_once = most = 0

        @system.handler
        async def handle(order: OrderCreated, message: kca.Delivery) -> None:
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            await asyncio.sleep(0.002)
            at_once -= 1
            seen.append(order.id)
            if len(seen) == 40:
                consumer.stop()

        async with system:
            bus = system.event_bus("orders")
            for i in range(40):
                await bus.publish(OrderCreated(i), key=f"k{i % 8}")
            consumer = system.consumer("shop", amount_of_processors=3)
            await consumer.run()
            assert system.description()["consumers"][0]["handled"] == 40
        assert sorted(seen) == list(range(40))
        for lane in range(8):
            own = [i for i in seen if i % 8 == lane]
            assert own == sorted(own)
        assert most == 3

    run(work())


def test_plain_functions_run_in_the_executor(run: Run) -> None:
    async def work() -> None:
        system = declared(failure_policy="skip")
        threads: list[threading.Thread] = []

        @system.handler("a")
        def handle(order: dict[str, int]) -> None:
            threads.append(threading.current_thread())
            consumer.stop()

        async with system:
            bus = system.event_bus("orders")
            await bus.publish("a", [1], key=KEY)
            await bus.publish("a", {"n": 1}, key=KEY)
            consumer = system.consumer("shop")
            await consumer.run()
            [counts] = system.description()["consumers"]
            assert (counts["handled"], counts["rejected"]) == (1, 1)
        assert threads[0] is not threading.main_thread()

    run(work())


def test_a_failure_ends_run_with_the_error(run: Run) -> None:
    async def work() -> None:
        system = declared()

        @system.handler("a")
        async def handle(order: Any) -> None:
            raise ValueError("it failed")

        async with system:
            await system.event_bus("orders").publish("a", key=KEY)
            with pytest.raises(kca.HandlerError, match="ValueError: it failed"):
                await system.consumer("shop").run()

    run(work())


class Store:
    def __init__(self) -> None:
        self.ids: set[str] = set()

    async def seen(self, message_id: str) -> bool:
        await asyncio.sleep(0)
        return message_id in self.ids

    async def mark(self, message_id: str) -> None:
        await asyncio.sleep(0)
        self.ids.add(message_id)


def test_a_store_may_be_awaited(run: Run) -> None:
    async def work() -> None:
        system = declared()
        system.set_deduplication_store("shop", Store())
        seen: list[str] = []

        @system.handler("a")
        async def handle(message: kca.Delivery) -> None:
            seen.append(message.message_id)
            if message.message_id == "last":
                consumer.stop()

        async with system:
            bus = system.event_bus("orders")
            for message_id in "1", "1", "last":
                await bus.publish("a", key=KEY, message_id=message_id)
            consumer = system.consumer("shop")
            await consumer.run()
            assert system.description()["consumers"][0]["duplicates"] == 1
        assert seen == ["1", "last"]

    run(work())


def test_cancelled_it_finishes_what_it_is_at(run: Run) -> None:
    async def work() -> None:
        system = declared()
        began, go_on = asyncio.Event(), asyncio.Event()

        @system.handler("a")
        async def handle(order: Any) -> None:
            began.set()
            await go_on.wait()

        async with system:
            bus = system.event_bus("orders")
            for i in range(3):
                await bus.publish("a", i, key=KEY)
            running = asyncio.create_task(system.consumer("shop").run())
            await began.wait()
            running.cancel()
            await asyncio.sleep(0)
            go_on.set()
            with pytest.raises(asyncio.CancelledError):
                await running
            [counts] = system.description()["consumers"]
            assert (counts["handled"], counts["failed"], counts["form"]) == (
                1,
                0,
                "idle",
            )

    run(work())


def test_cancelled_twice_it_breaks_off_and_the_message_has_not_failed(run: Run) -> None:
    async def work() -> None:
        system = declared(failure_policy="skip")
        began = asyncio.Event()

        @system.handler("a")
        async def handle(order: Any) -> None:
            began.set()
            await asyncio.sleep(3600)

        async with system:
            await system.event_bus("orders").publish("a", key=KEY)
            running = asyncio.create_task(system.consumer("shop").run())
            await began.wait()
            running.cancel()
            await asyncio.sleep(0)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            [counts] = system.description()["consumers"]
            assert (counts["handled"], counts["failed"], counts["skipped"]) == (0, 0, 0)

    run(work())


@pytest.mark.skipif(sys.version_info < (3, 11), reason="does not tell who was cancelled")
def test_a_handler_whose_own_task_was_cancelled_has_failed(run: Run) -> None:
    async def work() -> None:
        system = declared(failure_policy="skip")
        seen: list[object] = []
        system.on(kca.Fault, lambda fault: seen.append(str(fault.error)))

        @system.handler("*")
        async def handle(order: int) -> None:
            if order == 0:
                waiting = asyncio.ensure_future(asyncio.sleep(DEADLINE_SECONDS))
                waiting.cancel()
                await waiting
            seen.append(order)
            consumer.stop()

        async with system:
            bus = system.event_bus("orders")
            await asyncio.gather(*[bus.publish("a", i, key=KEY) for i in range(2)])
            consumer = system.consumer("shop")
            await consumer.run()
        assert "CancelledError" in str(seen[0])
        assert seen[1:] == [1]

    run(work())


@pytest.mark.parametrize("policy", ["wait", "abandon"])
def test_a_handler_is_cancelled_when_its_time_is_over(run: Run, policy: str) -> None:
    async def work() -> None:
        system = kca.asyncio.System(
            kca.Connection("local", "embedded://"),
            kca.PublisherBuilder("local", "orders", required_acks=-1, linger_ms=0),
            kca.ConsumerBuilder(
                "local",
                "orders",
                "shop",
                partition=0,
                max_attempts=0,
                retry_backoff_ms=0,
            ).with_timeout_policy(policy),  # type: ignore[arg-type]
        )
        seen: list[str] = []
        again = asyncio.Event()

        @system.handler("a")
        async def handle(order: Any, message: kca.Delivery) -> None:
            if message.attempt > 1:
                seen.append("again")
                again.set()
                return consumer.stop()
            assert message.left_ms is not None and message.left_ms <= 200
            try:
                await asyncio.sleep(3600)
            finally:
                seen.append("cancelled")
                while system.description()["consumers"][0]["failed"] == 0:
                    await asyncio.sleep(0.01)
                if policy == "abandon":
                    await again.wait()
                seen.append("cleaned")

        async with system:
            await system.event_bus("orders").publish("a", key=KEY)
            consumer = system.consumer("shop", amount_of_processors=2, message_processing_timeout_ms=200)
            await consumer.run()
        if policy == "wait":
            assert seen[:3] == ["cancelled", "cleaned", "again"]
        else:  # the clean-up waits for the next attempt
            assert {"cancelled", "again"} <= set(seen[: seen.index("cleaned")])

    run(work())


def test_a_plain_function_is_not_cancelled_and_knows_its_deadline(run: Run) -> None:
    async def work() -> None:
        system = declared()
        left: list[Any] = []

        @system.handler("a")
        def handle(order: Any, message: kca.Delivery) -> None:
            left.extend([message.left_ms, message.deadline_ms])

        @system.handler("b")
        async def stop(order: Any, message: kca.Delivery) -> None:
            left.append(message.left_ms)
            consumer.stop()

        async with system:
            bus = system.event_bus("orders")
            before_ms = int(time.time() * 1000)
            for name in "ab":
                await bus.publish(name, key=KEY)
            consumer = system.consumer("shop", message_processing_timeout_ms=3600000)
            await consumer.run()
        assert 0 < left[0] <= 3600000
        assert 0 < left[2] <= 3600000
        assert before_ms < left[1] <= time.time() * 1000 + 3601000

    run(work())


def test_a_consumer_without_handlers_does_not_run(run: Run) -> None:
    async def work() -> None:
        async with declared() as system:
            with pytest.raises(kca.StateError, match="consumer shop has no handler"):
                await system.consumer("shop").run()

    run(work())


def test_an_idle_consumer_costs_no_thread_and_is_cancelled_at_once(run: Run) -> None:
    async def work() -> None:
        system = declared()
        system.handler("*", lambda order: None)
        async with system:
            async with system.consumer("shop").running() as consumer:
                assert consumer.name == "shop"
                await system.event_bus("orders").publish("a", key=KEY)
                while system.description()["consumers"][0]["handled"] < 1:
                    await asyncio.sleep(0.01)
            threads = thread_count()
            running = asyncio.create_task(system.consumer("shop").run())
            while system.description()["consumers"][0]["form"] == "idle":
                await asyncio.sleep(0.01)
            for _ in range(100):
                await system.event_bus("orders").publish("b", key=KEY)
            assert thread_count() <= threads + 12  # librdkafka's, and the executor's few
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running

    run(work())


def test_deliveries_are_iterated_over(run: Run) -> None:
    async def work() -> None:
        async with declared() as system:
            bus = system.event_bus("orders")
            consumer = system.consumer("shop")

            async def publish() -> None:
                for i in range(100):
                    await bus.publish("a", i, key=KEY)

            publishing = asyncio.create_task(publish())
            seen = []
            async for delivery in consumer:
                seen.append(delivery.json())
                delivery.done()
                if len(seen) == 60:
                    break
            async for delivery in consumer:
                seen.append(delivery.json())
                delivery.done()
                if len(seen) == 100:
                    consumer.stop()
            await publishing
        assert seen == list(range(100))

    run(work())


def test_a_handlers_publish_continues_the_trace(run: Run) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    async def work() -> None:
        system = declared()
        seen: dict[str, str] = {}

        @system.handler("*")
        async def handle(message: kca.Delivery) -> None:
            seen[message.name] = message.trace_context[0]
            if message.name == "a":
                await bus.publish("b", key=KEY)
            else:
                consumer.stop()

        async with system:
            bus = system.event_bus("orders")
            await bus.publish("a", key=KEY, trace_context=(trace, None))
            consumer = system.consumer("shop")
            await consumer.run()
            await bus.publish("c", key=KEY)
        assert seen["b"].split("-")[1] == trace.split("-")[1]

    run(work())


def test_faults_come_to_their_listener(run: Run) -> None:
    async def work() -> None:
        system = declared(failure_policy="skip")
        faults: list[kca.Fault] = []
        system.on(kca.Fault, faults.append)

        @system.handler("a")
        async def handle(order: Any) -> None:
            raise kca.Rejected("no")

        @system.handler("last")
        async def last(order: Any) -> None:
            consumer.stop()

        async with system:
            await system.event_bus("orders").publish("a", key=KEY)
            await system.event_bus("orders").publish("last", key=KEY)
            consumer = system.consumer("shop")
            await consumer.run()
        assert "Rejected: no" in str(faults[0].error)

    run(work())


class Called:
    async def __call__(self, order: Any) -> None: ...


async def coroutine(order: Any, more: int = 0) -> None: ...


async def yields(order: Any) -> Any:
    yield order


def yields_too(order: Any) -> Any:
    yield order


@pytest.mark.parametrize(
    "handler",
    [
        coroutine,
        partial(coroutine, more=1),
        Called(),
        partial(Called()),
        Called().__call__,
    ],
)
def test_a_plain_system_refuses_coroutines_when_they_are_added(handler: Any) -> None:
    with pytest.raises(
        TypeError,
        match=r"^handler a is a coroutine function: it needs a system of kca.asyncio$",
    ):
        kca.System().handler("a", handler)
    kca.asyncio.System().handler("a", handler)


@pytest.mark.parametrize("handler", [yields, yields_too, partial(yields), partial(yields_too)])
@pytest.mark.parametrize("system", [kca.System, kca.asyncio.System])
def test_a_handler_that_yields_is_refused(system: Any, handler: Any) -> None:
    with pytest.raises(
        TypeError,
        match=r"^handler .*yields.* yields: it would never run; a handler returns, or raises$",
    ):
        system().handler("a", handler)


def test_what_nobody_would_await_is_refused() -> None:
    with pytest.raises(TypeError, match="a listener to Fault must be a plain function"):
        kca.asyncio.System().on(kca.Fault, coroutine)
    with pytest.raises(
        TypeError,
        match="a store with coroutine functions needs a system of kca.asyncio",
    ):
        kca.System().set_deduplication_store("shop", Store())


def test_a_coroutine_that_a_plain_function_gives_has_failed(run: Run) -> None:
    async def work() -> None:
        system = declared(failure_policy="skip")
        faults: list[str] = []

        @system.on(kca.Fault)
        def tell(fault: kca.Fault) -> None:
            faults.append(str(fault.error))
            consumer.stop()

        system.handler("a", lambda order: coroutine(order))
        async with system:
            await system.event_bus("orders").publish("a", key=KEY)
            consumer = system.consumer("shop")
            await consumer.run()
        assert "gave a coroutine, which nobody runs: it must be a coroutine function" in faults[0]

    run(work())


def test_ctrl_c_in_asyncio_run_drains() -> None:
    script = """
import asyncio, kca, kca.asyncio
from test_asyncio import KEY, declared

async def main():
    system = declared()

    @system.handler("a")
    async def handle(order):
        print("handling", flush=True)
        await asyncio.sleep(0.3)
        print("handled", flush=True)

    async with system:
        await system.event_bus("orders").publish("a", key=KEY)
        try:
            await system.consumer("shop").run()
        finally:
            print(system.description()["consumers"][0]["handled"], flush=True)

try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        assert child.stdout.readline() == "handling\n"
        child.send_signal(signal.SIGINT)
        assert child.stdout.read() == "handled\n1\ninterrupted\n"
        assert child.wait(DEADLINE_SECONDS) == 0
