"""Buses without a channel: messages are handled in this process, in a system that has no connection."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar

import kca
import kca.asyncio
import kca.testing
import pytest
from waits import take_turns

DEADLINE = 60
PATIENCE_MS = 60000
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@dataclass
class Price:
    amount: float
    day: date


S = TypeVar("S", kca.System, kca.asyncio.System)


def declare(system: S) -> S:
    @system.handler("priceOf")
    def price_of(asked: dict[str, Any], d: kca.Delivery) -> dict[str, Any]:
        assert (d.topic, d.consumer, d.partition, d.offset, d.attempt) == ("", "", -1, -1, 1)
        return {"amount": {"tea": 4.5}[asked["item"]], "day": date(2026, 1, 31)}

    return system


def test_handlers_answer_in_the_process() -> None:
    with declare(kca.System()) as system:
        bus = system.query_bus()
        answer = bus.send("priceOf", {"item": "tea"}, timeout_ms=PATIENCE_MS)
        assert answer == {"amount": 4.5, "day": "2026-01-31"}
        assert bus.send("priceOf", {"item": "tea"}, returns=Price) == Price(4.5, date(2026, 1, 31))
        with pytest.raises(kca.ReplyError, match="'gold'"):
            bus.send("priceOf", {"item": "gold"}, timeout_ms=PATIENCE_MS)
        assert system.command_bus().publish("priceOf", {"item": "tea"}, token=5) == kca.Receipt(5, None, "", -1, -1)
        with pytest.raises(kca.HandlerError, match="message priceOf failed: KeyError: 'gold'"):
            bus.publish("priceOf", {"item": "gold"})
        with pytest.raises(kca.HandlerError, match="no handler has its name"):
            bus.publish("nobody")
        bus.send("priceOf", {"item": "tea"}, token=7)
        (reply,) = system.queue().next(1, PATIENCE_MS)
        assert isinstance(reply, kca.Reply) and reply.token == 7
        bus.flush()
    with pytest.raises(kca.StateError, match="not started"):
        bus.publish("priceOf", {"item": "tea"})
    with pytest.raises(kca.ArgumentError, match="the channel"):
        system.event_bus(None)  # type: ignore[arg-type]


def test_a_handler_sees_what_it_would_read_from_a_topic() -> None:
    system = kca.System()
    seen: list[kca.Delivery] = []

    @system.handler("*")
    def keep(d: kca.Delivery) -> None:
        seen.append(d)
        with pytest.raises(kca.StateError, match="no transaction"):
            d.publish(bus, "other", {})

    with system:
        bus = system.command_bus()
        given = {"day": date(2026, 1, 31), "large": 2**60, "text": "ä"}
        bus.publish(
            "thing", given, key=b"\x00k", headers={"tenant": "acme"}, correlation_id="mine", timeout_ms=PATIENCE_MS
        )
        (d,) = seen
        assert d.json() == {"day": "2026-01-31", "large": 2**60, "text": "ä"}
        assert (d.name, d.key, d.header("tenant"), d.correlation_id) == ("thing", b"\x00k", "acme", "mine")
        assert d.type == kca.TYPE_COMMAND
        assert ("route", b"thing") in d.record_headers
        bus.publish("raw", b"\xff\x00")
        assert seen[1].payload == b"\xff\x00"
    seen.clear()


def test_it_is_tried_again_as_the_retries_say() -> None:
    system = kca.System().set_local_retries(retry_delay_ms=[1, 1], rejected_error="ZeroDivisionError")
    attempts: list[int] = []

    @system.handler
    def flaky(asked: dict[str, Any], d: kca.Delivery) -> int:
        attempts.append(d.attempt)
        if asked.get("never"):
            return 1 // 0
        if d.attempt < 3:
            raise KeyError("not yet")
        return d.attempt

    with system:
        assert system.query_bus().send("flaky", {}, timeout_ms=PATIENCE_MS) == 3
        assert attempts == [1, 2, 3]
        with pytest.raises(kca.HandlerError, match="ZeroDivisionError"):
            system.command_bus().publish("flaky", {"never": True})
        assert attempts == [1, 2, 3, 1]
        with pytest.raises(kca.StateError, match="before start"):
            system.set_local_retries(max_attempts=2)


def hooked(system: kca.System | kca.asyncio.System, calls: list[str]) -> None:
    @system.publish_hook
    def stamped(publishing: kca.Publishing) -> Any:
        calls.append(f"p {publishing.message.name}{publishing.channel}")
        if publishing.message.name == "dropped":
            return kca.DROP
        publishing.message.set_header("tenant", "acme")
        return None

    @system.handling_hook
    def measured(handling: kca.Handling) -> Iterator[None]:
        calls.append(f"h {handling.delivery.name} {handling.delivery.header('tenant')}")
        assert handling.delivery.trace_context[0] == TRACE
        yield
        assert handling.verdict is not None
        calls.append(f"{handling.verdict.name}")


ORDER = ["p outer", "h outer acme", "p inner", "h inner acme", "DONE", "DONE"]


def test_hooks_and_trace_go_on_in_handlers_that_send() -> None:
    system, calls = kca.System(), list[str]()
    hooked(system, calls)

    @system.handler
    def outer(asked: Any) -> Any:
        return bus.send("inner", asked, timeout_ms=PATIENCE_MS)

    @system.handler
    def inner(asked: Any) -> Any:
        return asked

    with system:
        bus = system.query_bus()
        assert bus.send("outer", [1], trace_context=(TRACE, None), timeout_ms=PATIENCE_MS) == [1]
        assert calls == ORDER
        assert bus.publish("dropped") == kca.Receipt(0, None, "", -1, -1)
        with pytest.raises(kca.HookError, match="dropped"):
            bus.send("dropped")


def test_a_batch_handler_gets_each_message_alone() -> None:
    system, seen = kca.System(), list[Any]()

    @system.batch_handler("many", max=10, wait_ms=60000)
    def many(items: list[dict[str, Any]], deliveries: list[kca.Delivery]) -> None:
        seen.append(items)
        if items[0].get("bad"):
            raise ValueError("bad")
        deliveries[0].reply(len(items))

    with system:
        assert system.query_bus().send("many", {"n": 1}, timeout_ms=PATIENCE_MS) == 1
        with pytest.raises(kca.HandlerError, match="ValueError: bad"):
            system.command_bus().publish("many", {"bad": True})
    assert seen == [[{"n": 1}], [{"bad": True}]]


def test_a_deferred_delivery_is_settled_by_another_thread_or_ends_with_the_time() -> None:
    system, kept = kca.System(), list[kca.Delivery]()
    came = threading.Event()

    @system.handler
    def later(d: kca.Delivery) -> kca.Verdict:
        kept.append(d)
        came.set()
        return kca.DEFERRED

    def settle() -> None:
        assert came.wait(DEADLINE)
        d = kept.pop()
        d.reply("later")
        d.done()

    with system:
        bus = system.query_bus()
        settling = threading.Thread(target=settle)
        settling.start()
        assert bus.send("later", timeout_ms=PATIENCE_MS) == "later"
        settling.join()
        with pytest.raises(kca.TimedOutError, match="not handled in time"):
            bus.send("later", timeout_ms=20)
        with pytest.raises(kca.StateError, match="no longer counts"):
            kept.pop().done()


def test_a_handler_that_sends_to_itself_for_ever_fails() -> None:
    system = kca.System()

    @system.handler
    def again(d: kca.Delivery) -> None:
        system.command_bus().publish("again")

    with system:
        with pytest.raises(kca.HandlerError, match="message again failed"):
            system.command_bus().publish("again")
        local = system.description()["local_buses"]
        assert local["failed"] > 1 and local["under_way"] == 0


def test_what_ends_the_process_is_raised() -> None:
    system = kca.System()

    @system.handler
    def leave(d: kca.Delivery) -> None:
        raise SystemExit(3)

    with system, pytest.raises(SystemExit):
        system.command_bus().publish("leave")


def test_threads_ask_at_once() -> None:
    answers: list[Any] = []
    with declare(kca.System()) as system:
        bus = system.query_bus()

        def ask() -> None:
            for _ in range(50):
                answers.append(bus.send("priceOf", {"item": "tea"}, timeout_ms=PATIENCE_MS)["amount"])

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    assert answers == [4.5] * 200


# ---- in a loop ----


def test_in_a_loop_handlers_are_awaited_or_run_in_the_executor() -> None:
    async def main() -> None:
        system, threads = declare(kca.asyncio.System()), list[Any]()

        @system.handler
        async def slowly(asked: Any, d: kca.Delivery) -> Any:
            threads.append(threading.current_thread())
            await take_turns()
            return [asked, await bus.send("plain", asked, timeout_ms=PATIENCE_MS)]

        @system.handler
        def plain(asked: Any) -> Any:
            threads.append(threading.current_thread())
            if asked == -1:
                raise ValueError("bad")
            return asked

        async with system:
            bus = system.query_bus()
            got = await asyncio.gather(*(bus.send("slowly", n, timeout_ms=PATIENCE_MS) for n in range(20)))
            assert got == [[n, n] for n in range(20)]
            assert await bus.publish("plain", 1) == kca.Receipt(0, None, "", -1, -1)
            price = await bus.send("priceOf", {"item": "tea"}, returns=Price)
            assert price == Price(4.5, date(2026, 1, 31))
            with pytest.raises(kca.ReplyError, match="bad"):
                await bus.send("slowly", -1, timeout_ms=PATIENCE_MS)
            with pytest.raises(kca.HandlerError, match="ValueError: bad"):
                await asyncio.create_task(bus.publish("plain", -1))
            with pytest.raises(kca.HandlerError, match="no handler"):
                await bus.publish("nobody")
            await bus.flush()
        assert threads[0] is threading.main_thread()
        assert any(each is not threading.main_thread() for each in threads)

    asyncio.run(main())


def test_in_a_loop_it_is_tried_again_within_hooks() -> None:
    async def main() -> None:
        system, calls = kca.asyncio.System().set_local_retries(max_attempts=2, retry_backoff_ms=1), list[str]()
        hooked(system, calls)

        @system.handler
        async def outer(asked: Any, d: kca.Delivery) -> Any:
            if d.attempt == 1:
                raise ValueError("not yet")
            return await bus.send("inner", asked, timeout_ms=PATIENCE_MS)

        @system.handler
        async def inner(asked: Any) -> Any:
            return asked

        async with system:
            bus = system.query_bus()
            assert await bus.send("outer", [1], trace_context=(TRACE, None), timeout_ms=PATIENCE_MS) == [1]
            assert calls == [*ORDER[:2], *ORDER[1:]]
            assert (await bus.publish("dropped")).partition == -1
            with pytest.raises(kca.HookError, match="dropped"):
                await bus.send("dropped")

    asyncio.run(main())


def test_in_a_loop_a_handler_is_cancelled_with_its_send_and_at_its_time() -> None:
    async def main() -> None:
        system, ends = kca.asyncio.System(), list[str]()
        begun = asyncio.Event()

        @system.handler
        async def forever(asked: Any) -> None:
            try:
                begun.set()
                await asyncio.Event().wait()
            finally:
                ends.append("cancelled")

        async with system:
            bus = system.query_bus()
            with pytest.raises(kca.TimedOutError):
                await bus.send("forever", 1, timeout_ms=20)
            assert ends == ["cancelled"]
            begun.clear()
            sending = asyncio.create_task(bus.send("forever", 1, timeout_ms=-1))
            await asyncio.wait_for(begun.wait(), DEADLINE)
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            assert ends == ["cancelled"] * 2

    asyncio.run(main())


def test_in_a_loop_what_is_deferred_is_settled_later() -> None:
    async def main() -> None:
        system = kca.asyncio.System()

        @system.handler
        async def later(d: kca.Delivery) -> kca.Verdict:
            asyncio.get_running_loop().call_soon(settle, d)
            return kca.DEFERRED

        @system.batch_handler("many")
        async def many(items: list[Any], deliveries: list[kca.Delivery]) -> None:
            deliveries[0].reply(items)

        def settle(d: kca.Delivery) -> None:
            d.reply("later")
            d.done()

        async with system:
            bus = system.query_bus()
            assert await bus.send("later", timeout_ms=PATIENCE_MS) == "later"
            assert await bus.send("many", 1, timeout_ms=PATIENCE_MS) == [1]

    asyncio.run(main())


# ---- kca.testing ----


def test_the_testing_helper_sees_what_is_handled() -> None:
    system = kca.System().set_local_retries(retry_delay_ms=[86400000])

    @system.handler
    def bill(order: dict[str, Any], d: kca.Delivery) -> None:
        if d.attempt == 1:
            raise ValueError("not yet")

    with kca.testing.embedded(system) as app:
        system.command_bus().publish("bill", {"amount": 3})
        app.assert_failed("bill", {"amount": 3}, error="ValueError", times=1)
        assert app.assert_handled("bill", {"amount": 3}, times=1).attempt == 2


def test_the_testing_helper_sees_what_is_handled_in_a_loop() -> None:
    async def main() -> None:
        system = kca.asyncio.System()

        @system.handler
        async def bill(order: dict[str, Any]) -> Any:
            return order["amount"] * 2.0

        async with kca.testing.embedded(system) as app:
            assert await system.query_bus().send("bill", {"amount": 3}, timeout_ms=PATIENCE_MS) == 6
            await app.assert_handled("bill", times=1)

    asyncio.run(main())
