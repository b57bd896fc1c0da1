"""Hooks around batches, in threads and in asyncio's loop: each delivery goes through them by itself."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import kca
import kca.asyncio
import kca.testing
import pytest
from support import DEADLINE_SECONDS, KEY, declared
from waits import take_turns

FORMS = ["threads", "loop", "loop with a plain handler"]
LONG_MS = DEADLINE_SECONDS * 1000

current: ContextVar[str] = ContextVar("current", default="")


class Locked(Exception):
    """The failure of a hook."""


class Shop:
    """Messages with ids in batches of three, however long that takes, and what their hooks and handler do.

    Attributes:
        calls: "1<", "handler", "1>": the hooks' and the handler's.
        batches: the ids that the handler got.
        seen: after the handler, by id: verdict, name and text of the error.
        before, after: what the hook does with an id at its first attempt.
        handle: what the handler does.
    """

    def __init__(self, form: str, stop_at: int = 3, key: str | None = None) -> None:
        self.form, self.stop_at, self.key = form, stop_at, key
        self.calls: list[str] = []
        self.batches: list[list[int]] = []
        self.seen: list[tuple[int, str, str, str]] = []
        self.before: dict[int, Callable[[], Any]] = {}
        self.after: dict[int, Callable[[], Any]] = {}
        self.handle: Callable[[list[kca.Delivery]], Any] = lambda deliveries: None
        self.marked: list[str] = []
        self.done = 0
        self.more = 0  # so many are published when the first batch is handled
        options: dict[str, Any] = {"failure_policy": "skip", "max_attempts": 3, "retry_backoff_ms": 1}
        self.system: Any = declared(**options) if form == "threads" else declared_in_loop(**options)

    def seen_before(self, message_id: str) -> bool:
        return False

    def hook(self, h: kca.Handling) -> Iterator[None]:
        d = h.delivery
        number = d.json()["id"]
        self.calls.append(f"{number}<")
        first = self.before if d.attempt == 1 else {}
        said = first.get(number, lambda: None)()
        token = current.set(f"{current.get()}{number}")
        try:
            if said is not None:
                h.settle(*said)
            yield
        finally:
            current.reset(token)
            self.calls.append(f"{number}>")
            verdict = "" if h.verdict is None else kca.Verdict(h.verdict).name
            self.seen.append((number, verdict, h.error_name, h.error_text))
            if d.attempt == 1:
                self.after.get(number, lambda: None)()

    def called(self, deliveries: list[kca.Delivery]) -> Any:
        self.calls.append("handler")
        assert current.get() == "".join(str(d.json()["id"]) for d in deliveries)
        self.batches.append([d.json()["id"] for d in deliveries])
        return self.handle(deliveries)

    def declare(self) -> Any:
        """The hooks in their order: one that may settle, and the one that notes."""
        if self.form == "threads":
            self.system.handling_hook(contextmanager(self.hook))
        else:

            async def hook(h: kca.Handling) -> AsyncIterator[None]:
                with contextmanager(self.hook)(h):
                    await take_turns()
                    yield

            self.system.handling_hook(hook)
        self.system.handling_hook(before=self.settled, after=self.end)

    def settled(self, h: kca.Handling) -> Any:
        """A hook behind: what the first one settles is not seen here."""

    def end(self, h: kca.Handling) -> None:
        self.done += 1
        if self.done >= self.stop_at:
            self.system.consumer("shop").stop()

    def run(self, count: int = 3) -> dict[str, Any]:
        """Gives the consumer's description at the end."""
        self.declare()

        def plain(deliveries: list[kca.Delivery]) -> Any:
            return self.called(deliveries)

        async def awaited(deliveries: list[kca.Delivery]) -> Any:
            await take_turns()
            return self.called(deliveries)

        handler: Any = awaited if self.form == "loop" else plain
        self.system.batch_handler("row", max=3, wait_ms=LONG_MS)(handler)
        if self.form != "threads":
            return asyncio.run(asyncio.wait_for(self.run_in_loop(count), 2 * DEADLINE_SECONDS))
        with self.system:
            bus = self.system.event_bus("orders")
            for number in range(1, count + 1):
                bus.publish("row", {"id": number}, **self.place(number))
            self.system.consumer("shop").run()
            return dict(self.system.description()["consumers"][0])

    async def run_in_loop(self, count: int) -> dict[str, Any]:
        async with self.system:
            bus = self.system.event_bus("orders")
            for number in range(1, count + 1):
                await bus.publish("row", {"id": number}, **self.place(number))
            await self.system.consumer("shop").run()
            return dict(self.system.description()["consumers"][0])

    def place(self, number: int) -> dict[str, Any]:
        return {
            "key": self.key or f"k{number}",
            "partition": 0,
            "message_id": f"id {number}",
        }


def declared_in_loop(**options: Any) -> kca.asyncio.System:
    return kca.asyncio.System(
        kca.Connection("local", "embedded://"),
        kca.PublisherBuilder("local", "orders", required_acks=-1, linger_ms=0),
        kca.ConsumerBuilder("local", "orders", "shop", partition=0, **options),
    )


def raising(error: BaseException) -> Callable[[], Any]:
    def action() -> None:
        raise error

    return action


@pytest.mark.parametrize("form", FORMS)
def test_each_of_a_batch_goes_through_its_hooks_in_order_and_back_in_reverse(
    form: str,
) -> None:
    shop = Shop(form)
    told = shop.run()
    assert shop.calls == ["1<", "2<", "3<", "handler", "3>", "2>", "1>"]
    assert shop.batches == [[1, 2, 3]]
    assert shop.seen == [(number, "DONE", "", "") for number in (3, 2, 1)]
    assert told["handled"] == 3
    assert current.get() == ""


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("verdict", [kca.DONE, kca.REJECTED, kca.DUPLICATE])
def test_one_that_a_hook_settles_leaves_its_batch(form: str, verdict: kca.Verdict) -> None:
    shop = Shop(form, stop_at=2)
    shop.before[2] = lambda: (verdict, "NoTenant", "it has none") if verdict is kca.REJECTED else (verdict,)
    told = shop.run()
    assert shop.calls == ["1<", "2<", "2>", "3<", "handler", "3>", "1>"]
    assert shop.batches == [[1, 3]]
    assert shop.seen[0][:2] == (2, verdict.name)
    counts = {
        kca.DONE: "handled",
        kca.REJECTED: "rejected",
        kca.DUPLICATE: "duplicates",
    }
    assert told[counts[verdict]] == (3 if verdict is kca.DONE else 1)


@pytest.mark.parametrize("form", FORMS)
def test_a_batch_of_which_nothing_is_left_is_not_handled(form: str) -> None:
    shop = Shop(form)

    def settle() -> Any:
        if len(shop.calls) > 3:
            shop.system.consumer("shop").stop()
        return (kca.DONE,)

    shop.before = dict.fromkeys((1, 2, 3), settle)
    assert shop.run()["handled"] == 3
    assert "handler" not in shop.calls


@pytest.mark.parametrize("form", FORMS)
def test_one_that_a_hook_fails_before_fails_alone_and_its_key_waits_for_it(
    form: str,
) -> None:
    """The second fails once; the third, of its key, comes again behind it, without having been handled."""
    shop = Shop(form, stop_at=4, key=KEY)
    shop.before[2] = raising(Locked("the ledger is locked"))
    told = shop.run(4)
    assert shop.batches[0] == [1]
    assert shop.batches[1:] == [[2, 3, 4]]
    assert shop.calls == ["1<", "2<", "handler", "1>", "2<", "3<", "4<", "handler", "4>", "3>", "2>"]
    assert told["handled"] == 4
    assert told["retried"] == 1


@pytest.mark.parametrize("form", FORMS)
def test_one_that_a_hook_fails_after_fails_alone_and_is_not_marked(form: str) -> None:
    class Store:
        def seen(self, message_id: str) -> bool:
            return False

        def mark(self, message_id: str) -> None:
            shop.marked.append(message_id)

    shop = Shop(form, stop_at=6)
    shop.system.set_deduplication_store("shop", Store())
    shop.after[2] = raising(Locked("the ledger is locked"))
    told = shop.run(5)
    assert shop.batches[0] == [1, 2, 3]
    assert sorted(shop.batches[1]) == [2, 4, 5]
    assert sorted(shop.marked) == [f"id {number}" for number in range(1, 6)]
    assert told["handled"] == 5
    assert told["failed"] == 1


@pytest.mark.parametrize("form", FORMS)
def test_a_hook_sees_how_each_was_settled_and_comes_too_late_to_change_it(
    form: str,
) -> None:
    shop = Shop(form)

    def handle(deliveries: list[kca.Delivery]) -> Any:
        deliveries[0].done()
        deliveries[1].rejected("NegativeAmount", "it is -1")
        return kca.DUPLICATE

    shop.handle = handle
    shop.after[2] = raising(Locked("too late"))
    told = shop.run()
    assert shop.seen == [
        (3, "DUPLICATE", "", ""),
        (2, "REJECTED", "NegativeAmount", "it is -1"),
        (1, "DONE", "", ""),
    ]
    assert (told["handled"], told["rejected"], told["duplicates"]) == (1, 1, 1)


@pytest.mark.parametrize("form", FORMS)
def test_a_batch_that_fails_as_a_whole_comes_one_by_one_through_its_hooks(
    form: str,
) -> None:
    shop = Shop(form, stop_at=6)

    def handle(deliveries: list[kca.Delivery]) -> Any:
        if len(deliveries) > 1:
            raise ValueError("no room")

    shop.handle = handle
    shop.after[1] = (
        raising(kca.Rejected("of a batch of several it changes nothing")) if form == "loop" else lambda: None
    )
    told = shop.run()
    assert shop.seen[:3] == [(number, "FAILED", "ValueError", "no room") for number in (3, 2, 1)]
    assert sorted(shop.batches[1:]) == [[1], [2], [3]]
    assert told["failed"] == 0
    assert told["handled"] + told["rejected"] == 3
    gc.collect()


def test_what_ends_the_process_leaves_all_hooks_of_a_batch() -> None:
    shop = Shop("threads")

    def handle(deliveries: list[kca.Delivery]) -> Any:
        raise SystemExit(3)

    shop.handle = handle
    with pytest.raises(SystemExit):
        shop.run()
    assert shop.calls == ["1<", "2<", "3<", "handler", "3>", "2>", "1>"]


def test_a_cancelled_run_leaves_all_hooks_of_a_batch_which_comes_again() -> None:
    shop = Shop("loop")

    async def main() -> None:
        begun = asyncio.Event()

        async def handle(deliveries: list[kca.Delivery]) -> None:
            begun.set()
            await asyncio.Event().wait()

        shop.declare()
        shop.system.batch_handler("row", max=3, wait_ms=LONG_MS)(handle)
        async with shop.system:
            for number in (1, 2, 3):
                await shop.system.event_bus("orders").publish("row", {"id": number}, **shop.place(number))
            running = asyncio.create_task(shop.system.consumer("shop").run())
            await begun.wait()
            running.cancel()
            await take_turns()
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            assert shop.system.description()["consumers"][0]["failed"] == 0
        assert shop.calls == ["1<", "2<", "3<", "3>", "2>", "1>"]

    asyncio.run(asyncio.wait_for(main(), 2 * DEADLINE_SECONDS))


def test_batches_go_through_their_hooks_in_tests_and_without_a_channel() -> None:
    shop = Shop("threads", stop_at=100)
    shop.declare()
    shop.before[2] = lambda: (kca.REJECTED, "NoTenant", "it has none")
    shop.system.batch_handler("row", max=3, wait_ms=1)(lambda deliveries: shop.calls.append("handler"))
    with kca.testing.embedded(shop.system) as tested:
        for number in (1, 2, 3):
            tested.publish("orders", "row", {"id": number})
        tested.assert_handled("row", times=2)
        assert shop.calls.count("handler") in (1, 2)  # as many as came together
        assert sorted(shop.seen)[1] == (2, "REJECTED", "NoTenant", "it has none")
        bus = shop.system.command_bus()
        shop.calls.clear()
        bus.publish("row", {"id": 7})
        assert shop.calls == ["7<", "handler", "7>"]
        with pytest.raises(kca.Error, match="NoTenant"):
            bus.publish("row", {"id": 2})
