"""Each way in which a handler can end settles its delivery: nothing hangs, and no place of the queue is lost."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from collections.abc import Callable, Coroutine, Generator, Iterator
from typing import Any

import kca
import kca.asyncio
import pytest
from support import DEADLINE_SECONDS, KEY

ROUNDS = 1000
ENDING_ROUNDS = 10  # of what ends the run: each takes part in a group anew
CAPACITY = 8


class Unreadable(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise SystemExit(5)


class Unusual(BaseException):
    pass


class NotEvenAClass:
    @property
    def __class__(self) -> Any:
        raise Unusual("asked for its class")

    @__class__.setter
    def __class__(self, kind: Any) -> None: ...


class Unloggable(Exception):
    """One that the log's filter does not bear."""


class Filter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], Unloggable):
            raise Unusual("in the log")
        return True


def raising(error: Callable[[], BaseException]) -> Callable[[Any], Any]:
    def handle(order: Any) -> None:
        raise error()

    return handle


def closed(order: Any) -> None:
    """A generator that is closed in the midst."""

    def steps() -> Generator[int, None, None]:
        try:
            yield 1
        finally:
            raise GeneratorExit

    made = steps()
    next(made)
    made.throw(GeneratorExit)


# By the error's name that the fault tells.
WAYS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "an exception": (raising(lambda: ValueError("x")), "ValueError"),
    "StopIteration": (raising(StopIteration), "StopIteration"),
    "next": (lambda order: next(iter([])), "StopIteration"),
    "StopAsyncIteration": (raising(StopAsyncIteration), "StopAsyncIteration"),
    "CancelledError": (raising(asyncio.CancelledError), "CancelledError"),
    "BaseException": (raising(lambda: Unusual("x")), "Unusual"),
    "GeneratorExit": (raising(GeneratorExit), "GeneratorExit"),
    "a closed generator": (closed, "GeneratorExit"),
    "no text": (raising(Unreadable), "Unreadable"),
    "an exit for a text": (raising(Unspeakable), "Unspeakable"),
    "NUL and half a character": (raising(lambda: ValueError("a\0b\udcff")), "ValueError"),
    "the log": (raising(Unloggable), "Unloggable"),
    "a generator as its result": (lambda order: (i for i in [1]), "TypeError"),
    "an odd result": (lambda order: NotEvenAClass(), "Unusual"),
}


async def cancel_itself(order: Any) -> None:
    task = asyncio.current_task()
    assert task
    task.cancel()
    await asyncio.sleep(3600)


async def cancel_what_it_awaits(order: Any) -> None:
    waiting = asyncio.ensure_future(asyncio.sleep(3600))
    waiting.cancel()
    await waiting


async def run_out_of_time(order: Any) -> None:
    await asyncio.wait_for(asyncio.sleep(3600), 0.0001)


def in_a_coroutine(handle: Callable[[Any], Any]) -> Callable[[Any], Coroutine[Any, Any, Any]]:
    async def handle_async(order: Any) -> Any:
        await asyncio.sleep(0)
        return handle(order)

    return handle_async


LOOP_WAYS: dict[str, tuple[Callable[[Any], Any], str]] = {
    **{f"{way} in a plain function": ended for way, ended in WAYS.items()},
    **{way: (in_a_coroutine(handle), name) for way, (handle, name) in WAYS.items() if "StopIteration" not in name},
    "StopIteration": (in_a_coroutine(raising(StopIteration)), "RuntimeError"),
    "its own cancellation": (cancel_itself, "CancelledError"),
    "a cancellation that it awaits": (cancel_what_it_awaits, "CancelledError"),
    "no time": (run_out_of_time, "TimeoutError"),
}
ENDINGS: dict[str, type[BaseException]] = {"SystemExit": SystemExit, "KeyboardInterrupt": KeyboardInterrupt}


@pytest.fixture(autouse=True)
def filtered() -> Iterator[None]:
    log, odd = logging.getLogger("kca.consumer"), Filter()
    level = log.level
    log.setLevel(logging.INFO)
    log.addFilter(odd)
    yield
    log.removeFilter(odd)
    log.setLevel(level)


def declarations(attempts: int) -> list[Any]:
    return [
        kca.Connection("local", "embedded://"),
        kca.PublisherBuilder("local", "orders", required_acks=-1, linger_ms=0, buffer_messages=4 * ROUNDS),
        kca.ConsumerBuilder(
            "local", "orders", "shop", partition=0, failure_policy="skip", max_attempts=attempts,
            retry_backoff_ms=1, queue_capacity=CAPACITY, order="none",
        ),
    ]  # fmt: skip


def check(system: kca.System | kca.asyncio.System, names: list[str], name: str) -> None:
    [counts] = system.description()["consumers"]
    assert (counts["failed"], counts["skipped"], counts["held"], counts["out"]) == (ROUNDS, ROUNDS, 0, 0)
    assert {each for each in names if name not in each} == set()


@pytest.mark.parametrize("processors", [1, 3])
@pytest.mark.parametrize("way", WAYS)
def test_in_threads(way: str, processors: int) -> None:
    handle, name = WAYS[way]
    app = kca.System(*declarations(1))
    app.handler("a", handle)
    faults: list[str] = []

    @app.on(kca.Fault)
    def tell(fault: kca.Fault) -> None:
        faults.append(str(fault.error))

    with app:
        bus, consumer = app.event_bus("orders"), app.consumer("shop", amount_of_processors=processors)
        for _ in range(ROUNDS):
            bus.publish("a", key=KEY)
        watch = threading.Thread(target=_stop_when_idle, args=(app, consumer))
        watch.start()
        consumer.run()
        watch.join(DEADLINE_SECONDS)
        queue = app.queue()
        while len(faults) < ROUNDS:
            assert queue.dispatch(100, 1000 * DEADLINE_SECONDS)
        check(app, faults, name)


def _stop_when_idle(system: kca.System, consumer: kca.Consumer) -> None:
    while system.description()["consumers"][0]["skipped"] < ROUNDS:
        threading.Event().wait(0.01)
    consumer.stop()


@pytest.mark.parametrize("way", LOOP_WAYS)
def test_in_a_loop(way: str) -> None:
    handle, name = LOOP_WAYS[way]

    async def work() -> None:
        system = kca.asyncio.System(*declarations(1))
        system.handler("a", handle)
        faults: list[str] = []

        @system.on(kca.Fault)
        def tell(fault: kca.Fault) -> None:
            faults.append(str(fault.error))
            if len(faults) == ROUNDS:
                consumer.stop()

        async with system:
            bus, consumer = system.event_bus("orders"), system.consumer("shop", amount_of_processors=4)
            await asyncio.gather(*[bus.publish("a", key=KEY) for _ in range(ROUNDS)])
            await asyncio.wait_for(consumer.run(), DEADLINE_SECONDS)
            check(system, faults, name)

    asyncio.run(work())


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_ends_the_process_taken_from_a_queue(ending: str) -> None:
    error = ENDINGS[ending]
    system = kca.System(*declarations(1))
    system.handler("a", raising(error))
    with system:
        bus, queue = system.event_bus("orders"), system.consumer("shop").queue()
        for _ in range(ROUNDS):
            bus.publish("a", key=KEY)
        ended = 0
        while ended < ROUNDS:
            try:
                assert queue.dispatch(1, 1000 * DEADLINE_SECONDS)
            except error:
                ended += 1
        check(system, [], "")


@pytest.mark.parametrize("processors", [1, 3])
@pytest.mark.parametrize("ending", ENDINGS)
def test_what_ends_the_process_ends_the_run_in_threads(ending: str, processors: int) -> None:
    error = ENDINGS[ending]
    system = kca.System(*declarations(2))
    system.handler("a", raising(error))
    with system:
        system.event_bus("orders").publish("a", key=KEY)
        for n in range(1, ENDING_ROUNDS + 1):
            with pytest.raises(error):
                system.consumer("shop", amount_of_processors=processors).run()
            [counts] = system.description()["consumers"]
            # It comes again, for not all of its attempts were used up.
            assert (counts["failed"], counts["skipped"], counts["retried"], counts["form"]) == (n, 0, 0, "idle")
        system._work.is_over()


@pytest.mark.parametrize("in_coroutine", [True, False])
@pytest.mark.parametrize("ending", ENDINGS)
def test_what_ends_the_process_ends_the_run_in_a_loop(ending: str, in_coroutine: bool) -> None:
    error = ENDINGS[ending]
    handle = raising(error)
    told: list[Any] = []

    async def work() -> None:
        system = kca.asyncio.System(*declarations(2))
        system.handler("a", in_a_coroutine(handle) if in_coroutine else handle)
        async with system:
            await system.event_bus("orders").publish("a", key=KEY)
            for n in range(1, ENDING_ROUNDS + 1):
                with pytest.raises(error):
                    await system.consumer("shop", amount_of_processors=3).run()
                [counts] = system.description()["consumers"]
                assert (counts["failed"], counts["skipped"], counts["retried"], counts["form"]) == (n, 0, 0, "idle")
            try:
                await system.consumer("shop").run()
            finally:
                told.append(system.description()["started"])

    with pytest.raises(error):
        asyncio.run(work())
    assert told == [True]


def test_a_loop_that_is_closed_settles_what_its_handlers_had() -> None:
    system = kca.asyncio.System(*declarations(1))

    async def handle(order: Any) -> None:
        await asyncio.get_running_loop().create_future()

    async def begin() -> None:
        await system.start()
        consumer = system.consumer("shop", amount_of_processors=4)
        bus = system.event_bus("orders")
        await asyncio.gather(*[bus.publish("a", key=KEY) for _ in range(4)])
        running.append(asyncio.ensure_future(consumer.run()))
        while system.description()["consumers"][0]["out"] < 4:
            await asyncio.sleep(0.01)

    running: list[Any] = []
    system.handler("a", handle)
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda _, what: None)
    loop.run_until_complete(begin())
    loop.close()
    running.clear()
    gc.collect()
    [counts] = system.description()["consumers"]
    assert (counts["failed"], counts["out"]) == (4, 0)


class Broken:
    """A store whose every answer is an exception."""

    def __init__(self, seen: bool) -> None:
        self._seen = seen

    def seen(self, message_id: str) -> bool:
        if self._seen:
            raise Unusual("seen")
        return False

    def mark(self, message_id: str) -> None:
        raise Unusual("mark")


@pytest.mark.parametrize("seen", [True, False])
@pytest.mark.parametrize("form", ["threads", "loop"])
def test_a_store_that_breaks(form: str, seen: bool) -> None:
    """Unless it says whether a message was handled, that fails; one that it cannot mark is done."""
    expected = (0, ROUNDS) if seen else (ROUNDS, 0)

    def counts(system: Any) -> tuple[int, int]:
        [consumer] = system.description()["consumers"]
        return consumer["handled"], consumer["failed"]

    async def work() -> None:
        system = kca.asyncio.System(*declarations(1)).set_deduplication_store("shop", Broken(seen))
        system.handler("a", in_a_coroutine(lambda order: None))
        async with system:
            bus = system.event_bus("orders")
            await asyncio.gather(*[bus.publish("a", key=KEY) for _ in range(ROUNDS)])
            async with system.consumer("shop", amount_of_processors=3).running():
                while counts(system) != expected:
                    await asyncio.sleep(0.01)

    if form == "loop":
        return asyncio.run(work())
    system = kca.System(*declarations(1)).set_deduplication_store("shop", Broken(seen))
    system.handler("a", lambda order: None)
    with system:
        bus, queue = system.event_bus("orders"), system.consumer("shop").queue()
        for _ in range(ROUNDS):
            bus.publish("a", key=KEY)
        while counts(system) != expected:
            assert queue.dispatch(1, 1000 * DEADLINE_SECONDS)


@pytest.mark.parametrize("place", ["handler", "before", "after"])
@pytest.mark.parametrize("form", ["threads", "loop"])
def test_what_fails_inside_hooks_gives_its_place_back_at_once(form: str, place: str) -> None:
    """The only place of the queue, without the collector of cycles."""
    options = {"partition": 0, "failure_policy": "skip", "max_attempts": 1, "queue_capacity": 1}
    publisher = kca.PublisherBuilder("local", "orders", required_acks=-1, linger_ms=0)
    consumer = kca.ConsumerBuilder("local", "orders", "shop", **options)  # type: ignore[arg-type]
    declared = kca.Connection("local", "embedded://"), publisher, consumer

    def fail(h: Any = None) -> None:
        if h is None or h.delivery.name == "a":
            raise ValueError("x")

    def declare(system: Any) -> None:
        system.handling_hook(after=lambda h: None)
        if place != "handler":
            system.handling_hook(**{place: fail})
        system.handler("a", lambda order: fail() if place == "handler" else None)
        system.handler("last", lambda order: system.consumer("shop").stop())

    async def work() -> None:
        system = kca.asyncio.System(*declared)
        declare(system)
        async with system:
            bus = system.event_bus("orders")
            for name in ("a", "a", "last"):
                await bus.publish(name, key=KEY)
            await asyncio.wait_for(system.consumer("shop").run(), DEADLINE_SECONDS)

    if form == "loop" or place != "handler":  # else the log's record of the exception keeps the delivery
        logging.getLogger("kca.consumer").setLevel(logging.ERROR)
    gc.disable()
    try:
        if form == "loop":
            return asyncio.run(work())
        system = kca.System(*declared)
        declare(system)
        with system:
            for name in ("a", "a", "last"):
                system.event_bus("orders").publish(name, key=KEY)
            runner = threading.Thread(target=system.consumer("shop").run, daemon=True)
            runner.start()
            runner.join(DEADLINE_SECONDS)
            assert not runner.is_alive()
    finally:
        gc.enable()


# ---- how a run ends: nothing that was settled comes again ----


def burying() -> list[Any]:
    """Its dead letters are under way for a while."""
    return [
        kca.Connection("local", "embedded://"),
        kca.PublisherBuilder("local", "orders", required_acks=-1, linger_ms=0),
        kca.PublisherBuilder("local", "dead", required_acks=-1, linger_ms=300),
        kca.ConsumerBuilder("local", "orders", "shop", partition=0, dead_letter_channel="dead", max_attempts=1),
    ]


@pytest.mark.parametrize("processors", [1, 3])
def test_what_was_settled_before_a_stop_does_not_come_again(processors: int) -> None:
    system = kca.System(*burying())
    seen: list[int] = []

    @system.handler("a")
    def handle(order: int) -> None:
        seen.append(order)
        consumer.stop()
        raise kca.Rejected("no")

    with system:
        bus, consumer = system.event_bus("orders"), system.consumer("shop", amount_of_processors=processors)
        for n in range(1, 6):
            bus.publish("a", n, key=KEY)
            consumer.run()
            assert seen == list(range(1, n + 1))
        assert system.description()["consumers"][0]["dead_lettered"] == 5


def test_a_shutdown_beside_a_run_waits_for_what_is_settled() -> None:
    system = kca.System(*burying())
    handled = threading.Event()

    @system.handler("a")
    def handle(order: int) -> None:
        handled.set()
        raise kca.Rejected("no")

    system.start()
    system.event_bus("orders").publish("a", 1, key=KEY)
    runner = threading.Thread(target=system.consumer("shop").run)
    runner.start()
    assert handled.wait(DEADLINE_SECONDS)
    system.shutdown()
    runner.join(DEADLINE_SECONDS)
    [counts] = system.description()["consumers"]
    assert (counts["rejected"], counts["dead_lettered"]) == (1, 1)


@pytest.mark.parametrize("form", ["run", "iterate"])
def test_what_was_settled_before_a_stop_does_not_come_again_in_a_loop(form: str) -> None:
    async def work() -> None:
        system = kca.asyncio.System(*burying())
        seen: list[int] = []

        @system.handler("a")
        async def handle(order: int) -> None:
            seen.append(order)
            consumer.stop()
            raise kca.Rejected("no")

        async with system:
            bus, consumer = system.event_bus("orders"), system.consumer("shop")
            for n in range(1, 6):
                await bus.publish("a", n, key=KEY)
                if form == "run":
                    await consumer.run()
                    continue
                async for delivery in consumer:
                    seen.append(delivery.json())
                    delivery.rejected("no", "no")
                    consumer.stop()
            assert seen == list(range(1, 6))
            assert system.description()["consumers"][0]["dead_lettered"] == 5

    asyncio.run(work())
