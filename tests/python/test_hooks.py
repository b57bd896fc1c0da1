"""Hooks on publishing and on handling: functions and context managers, in threads and in asyncio's loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import kca
import kca.asyncio
import kca.testing
import pytest
from support import DEADLINE_SECONDS, KEY, declared, events

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
SPAN = "00-4bf92f3577b34da6a3ce929d0e0e4736-1111111111111111-01"

tenant: ContextVar[str] = ContextVar("tenant", default="")


class Locked(Exception):
    """The failure of a hook."""


@dataclass
class OrderCreated:
    id: int


class Store:
    """A store that has seen nothing, and notes what is handled."""

    def __init__(self) -> None:
        self.marked: list[str] = []

    def seen(self, message_id: str) -> bool:
        return False

    def mark(self, message_id: str) -> None:
        self.marked.append(message_id)


def handled(system: kca.System, *payloads: Any, form: str = "run", **fields: Any) -> None:
    """Publishes orders, and handles until the handler of "last" has stopped it."""
    consumer = system.consumer("shop")
    system.handler("last", lambda order: consumer.stop())
    with system:
        bus = system.event_bus("orders")
        for payload in payloads or ({},):
            bus.publish("orderCreated", payload, key=KEY, **fields)
        bus.publish("last", key=KEY)
        if form == "run":
            consumer.run()
            return
        queue, ended = consumer.queue(), False
        while not ended:
            try:
                queue.dispatch(1, 1000)
            except kca.StoppedError:
                ended = True
        queue.close()


def noting(calls: list[str], name: str) -> tuple[Any, Any]:
    """Functions before and after that note their calls."""

    def before(h: Any) -> None:
        assert h.kept is None
        calls.append(f"{name}<")
        h.kept = name

    def after(h: Any) -> None:
        assert h.kept == name
        assert h.duration_ms > 0
        calls.append(f"{name}>")

    return before, after


# ---- on handling ----


@pytest.mark.parametrize("form", ["run", "dispatch"])
def test_a_handler_is_inside_its_hooks_of_all_kinds(form: str) -> None:
    calls: list[str] = []
    system = declared()
    before, after = noting(calls, "a")
    system.handling_hook(before=before, after=after)

    @system.handling_hook
    def yielding(h: kca.Handling) -> Iterator[None]:
        token = tenant.set("acme")
        calls.append(f"b< {h.delivery.name} {h.delivery.attempt}")
        yield
        calls.append(f"b> {h.verdict!r} {h.error_name!r}")
        tenant.reset(token)

    @system.handling_hook
    @contextmanager
    def manager(h: kca.Handling) -> Iterator[None]:
        calls.append("c<")
        yield
        calls.append("c>")

    @system.handling_hook
    def only_before(h: kca.Handling) -> None:
        calls.append("d<")

    @system.handler("orderCreated")
    def handle(order: Any) -> None:
        calls.append(f"handler of {tenant.get()}")

    handled(system, form=form)
    done = f"b> {kca.DONE!r} ''"
    assert calls[:9] == [
        "a<",
        "b< orderCreated 1",
        "c<",
        "d<",
        "handler of acme",
        "c>",
        done,
        "a>",
        "a<",
    ]
    assert tenant.get() == ""


@pytest.mark.parametrize("way", ["return", "settle"])
def test_a_before_settles_the_delivery(way: str) -> None:
    calls: list[str] = []
    system = declared(failure_policy="skip")
    before, after = noting(calls, "a")
    system.handling_hook(before=before, after=after)

    @system.handling_hook
    def settles(h: kca.Handling) -> Any:
        if h.delivery.name == "last":
            return None
        if way == "return":
            return kca.DUPLICATE
        h.settle(kca.REJECTED, "NoTenant", "it has no tenant")
        return None

    @system.handling_hook
    def never(h: kca.Handling) -> None:
        calls.append(h.delivery.name)

    system.handler("orderCreated", lambda order: calls.append("handled"))
    handled(system)
    assert calls == ["a<", "a>", "a<", "last", "a>"]
    [consumer] = system.description()["consumers"]
    assert (consumer["duplicates"], consumer["rejected"]) == ((1, 0) if way == "return" else (0, 1))


@pytest.mark.parametrize("form", ["threads", "loop"])
def test_what_a_before_settles_as_done_is_marked(form: str) -> None:
    store = Store()
    system: Any = declared() if form == "threads" else declared_in_loop()
    system.set_deduplication_store("shop", store)
    system.handling_hook(lambda h: kca.DONE if h.delivery.name == "orderCreated" else None)
    if form == "threads":
        handled(system, message_id="m-1")
    else:

        async def work() -> None:
            system.handler("last", lambda order: system.consumer("shop").stop())
            async with system:
                await system.event_bus("orders").publish("orderCreated", {}, key=KEY, message_id="m-1")
                await system.event_bus("orders").publish("last", key=KEY)
                await system.consumer("shop").run()

        in_loop(work())
    assert "m-1" in store.marked


@pytest.mark.parametrize("place", ["before", "after", "entering", "leaving"])
def test_a_hook_that_raises_fails_the_delivery_which_is_not_marked(place: str) -> None:
    seen: list[tuple[Any, ...]] = []
    system = declared(max_attempts=2, retry_backoff_ms=1)
    store = Store()
    system.set_deduplication_store("shop", store)

    def note(h: kca.Handling) -> None:
        if h.delivery.name == "orderCreated":
            seen.append((h.verdict, h.error_name, h.error_text, type(h.exception).__name__))

    system.handling_hook(after=note)

    def fail(h: kca.Handling) -> None:
        if h.delivery.name == "orderCreated" and h.delivery.attempt == 1:
            raise Locked("the ledger is locked")

    def around(h: kca.Handling) -> Iterator[None]:
        if place == "entering":
            fail(h)
        yield
        if place == "leaving":
            fail(h)

    if place in ("before", "after"):
        system.handling_hook(**{place: fail})
    else:
        system.handling_hook(around)
    attempts: list[int] = []
    system.handler("orderCreated", lambda order: attempts.append(1))
    handled(system, message_id="m-1")
    locked = (kca.FAILED, "Locked", "the ledger is locked", "Locked")
    assert seen == [locked, (kca.DONE, "", "", "NoneType")]
    assert len(attempts) == (2 if place in ("after", "leaving") else 1)
    assert store.marked.count("m-1") == 1


def test_an_after_sees_what_the_handler_raised_and_cannot_hide_it() -> None:
    seen: list[tuple[Any, ...]] = []
    system = declared(failure_policy="skip")

    @system.handling_hook
    def hides(h: kca.Handling) -> Iterator[None]:
        try:
            yield
        except Exception as e:
            seen.append((type(e), h.verdict, h.error_name, h.error_text))

    @system.handler("orderCreated")
    def handle(order: dict[str, Any]) -> Any:
        if order["how"] == "reject":
            raise kca.Rejected("never")
        if order["how"] == "return":
            return kca.FAILED
        return 1 / 0

    system.handling_hook(after=lambda h: seen.append((h.verdict, h.error_name)))
    handled(system, {"how": "raise"}, {"how": "reject"}, {"how": "return"}, [])
    assert seen[:2] == [
        (kca.FAILED, "ZeroDivisionError"),
        (ZeroDivisionError, kca.FAILED, "ZeroDivisionError", "division by zero"),
    ]
    assert seen[2:4] == [
        (kca.REJECTED, "Rejected"),
        (kca.Rejected, kca.REJECTED, "Rejected", "never"),
    ]
    assert seen[4:6] == [(kca.FAILED, ""), (kca.REJECTED, "payload")]
    [consumer] = system.description()["consumers"]
    assert (consumer["failed"], consumer["rejected"], consumer["skipped"]) == (2, 2, 4)


def test_a_deferred_delivery_stays_as_it_is() -> None:
    kept: list[kca.Delivery] = []
    system = declared()

    def fail(h: kca.Handling) -> None:
        if h.verdict is kca.DEFERRED:
            raise Locked

    system.handling_hook(after=fail)

    @system.handler("orderCreated")
    def handle(order: Any, d: kca.Delivery) -> kca.Verdict:
        kept.append(d)
        return kca.DEFERRED

    @system.handler("last")
    def last(order: Any) -> None:
        kept[0].done()
        system.consumer("shop").stop()

    with system:
        bus = system.event_bus("orders")
        bus.publish("orderCreated", {}, key=KEY + "2", partition=0)
        bus.publish("last", key=KEY)
        system.consumer("shop").run()
        assert system.description()["consumers"][0]["handled"] == 2


def test_what_ends_the_process_leaves_all_hooks() -> None:
    calls: list[str] = []
    system = declared()
    system.handling_hook(after=lambda h: calls.append(type(h.exception).__name__))

    @system.handling_hook
    def fails(h: kca.Handling) -> Iterator[None]:
        try:
            yield
        finally:
            raise Locked

    @system.handler("orderCreated")
    def handle(order: Any) -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        handled(system)
    assert calls == ["SystemExit"]


def test_messages_published_in_the_handler_go_on_with_the_hooks_trace() -> None:
    traces: list[str] = []
    system = declared()
    system.publish_hook(before=lambda p: traces.append(p.message.trace_context[0]))

    @system.publish_hook
    def span(p: kca.Publishing) -> None:
        if not p.message.trace_context[0]:
            p.message.set_trace_context(SPAN)

    @system.handler("orderCreated")
    def handle(order: Any, d: kca.Delivery) -> None:
        traces.append(d.trace_context[0])
        system.event_bus("orders").publish("note", key=KEY)

    system.handler("note", lambda d: None)
    handled(system, trace_context=(TRACE, None))
    assert traces == [TRACE, "", TRACE, ""]


@pytest.mark.parametrize("form", ["threads", "loop"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, asyncio.CancelledError])
def test_what_ends_the_process_after_a_deferral_is_raised_and_settles_nothing(
    error: type[BaseException], form: str
) -> None:
    kept: list[kca.Delivery] = []
    system: Any = declared(max_attempts=1) if form == "threads" else declared_in_loop(max_attempts=1)
    left: list[str] = []
    system.handling_hook(after=lambda h: left.append(type(h.exception).__name__))

    def fail(h: kca.Handling) -> None:
        if h.delivery.name == "orderCreated":
            raise error

    system.handling_hook(after=fail)

    def handle(order: Any, d: kca.Delivery) -> kca.Verdict:
        kept.append(d)
        return kca.DEFERRED

    def last(order: Any) -> None:
        kept[0].done()
        system.consumer("shop").stop()

    system.handler("orderCreated", handle)
    system.handler("last", last)

    async def work() -> None:
        async with system:
            await system.event_bus("orders").publish("orderCreated", {}, key=KEY)
            await system.event_bus("orders").publish("last", key="k-other", partition=0)
            with raised:
                await system.consumer("shop").run()

    def in_threads() -> None:
        with system:
            system.event_bus("orders").publish("orderCreated", {}, key=KEY)
            system.event_bus("orders").publish("last", key="k-other", partition=0)
            with raised:
                system.consumer("shop").run()

    raised: Any = pytest.raises(error) if error is KeyboardInterrupt else nullcontext()
    if form == "loop":
        in_loop(work())
    else:
        in_threads()
    assert left[0] == error.__name__
    [consumer] = system.description()["consumers"]
    assert consumer["failed"] == 0


# ---- on publishing ----


def one_of(system: kca.System, name: str) -> kca.Delivery:
    """The next message of this name."""
    queue = system.consumer("shop").queue()
    found = next(e for e in events(queue) if isinstance(e, kca.Delivery) and e.name == name)
    found.done()
    return found


@pytest.mark.parametrize("given", ["name", "object", "message"])
def test_hooks_change_what_is_published_and_not_the_message(given: str) -> None:
    system = declared()
    system.handler("*", lambda d: None)
    seen: list[Any] = []

    @system.publish_hook
    def first(p: kca.Publishing) -> Iterator[None]:
        p.message.set_header("tenant", "acme")
        assert (p.channel, p.delivery, p.message.name) == (
            "orders",
            None,
            "orderCreated",
        )
        yield
        seen.append((p.exception, p.is_dropped, p.receipt))

    @system.publish_hook
    def second(p: kca.Publishing) -> None:
        assert p.message.header("tenant") == "acme"
        p.message.set_payload({"id": p.message.json()["id"] + 1})
        p.message.set_key(KEY)

    own = kca.Message("orderCreated", {"id": 1}, headers={"own": "1"}, message_id="m-1")
    with system:
        bus = system.event_bus("orders")
        if given == "name":
            bus.publish("orderCreated", {"id": 1}, headers={"own": "1"}, message_id="m-1")
        elif given == "object":
            bus.publish(OrderCreated(1), headers={"own": "1"}, message_id="m-1")
        else:
            bus.publish(own)
            assert (own.json(), own.headers, own.key) == (
                {"id": 1},
                {"own": b"1"},
                None,
            )
        d = one_of(system, "orderCreated")
    assert (d.json(), d.headers, d.key) == (
        {"id": 2},
        {"own": b"1", "tenant": b"acme"},
        KEY.encode(),
    )
    assert d.message_id == "m-1"
    assert seen == [(None, False, None)]


def test_a_hook_drops_or_refuses_a_message() -> None:
    calls: list[str] = []
    system = declared()
    before, after = noting(calls, "a")
    system.publish_hook(before=before, after=after)
    system.publish_hook(after=lambda p: calls.append(f"{p.is_dropped} {p.exception!r}"))

    @system.publish_hook
    def decides(p: kca.Publishing) -> Any:
        if p.message.name == "drop":
            return kca.DROP
        if p.message.name == "odd":
            return 5
        if p.message.name == "refuse":
            raise Locked("no")
        p.message.set_header("seen", "1")
        return None

    system.handler("*", lambda d: None)
    with system:
        bus = system.event_bus("orders")
        bus.publish("drop", token=7)
        [receipt] = system.queue().next(1, 30000)
        assert receipt == kca.Receipt(7, None, "orders", -1, -1)
        with pytest.raises(Locked, match="no"):
            bus.publish("refuse")
        with pytest.raises(TypeError, match="returns None or DROP, got 5"):
            bus.publish("odd")
        assert calls[:5] == ["a<", "True None", "a>", "a<", "False Locked('no')"]
        bus.publish("other", key=KEY)
        assert one_of(system, "other").headers == {"seen": b"1"}
        assert system.description()["publishers"][0]["published"] == 1


def test_an_after_sees_the_receipt_and_may_fail() -> None:
    seen: list[Any] = []
    system = kca.System(
        kca.Connection("local", "embedded://"),
        kca.PublisherBuilder("local", "orders", required_acks=-1, async_=False, batch_bytes=1000),
    )

    @system.publish_hook
    def notes(p: kca.Publishing) -> Iterator[None]:
        try:
            yield
        finally:
            seen.append((p.receipt and p.receipt.offset, type(p.exception).__name__))
        if p.message.name == "late":
            raise Locked("after all")

    with system:
        bus = system.event_bus("orders")
        assert bus.publish("a", key=KEY) == kca.Receipt(0, None, "orders", 0, 0)
        with pytest.raises(Locked, match="after all"):
            bus.publish("late", key=KEY)
        with pytest.raises(kca.TooLargeError):
            bus.publish("large", b"x" * 2000)
        assert system.description()["publishers"][0]["stored"] == 2
    assert seen == [(0, "NoneType"), (1, "NoneType"), (None, "TooLargeError")]


def test_what_a_hook_publishes_goes_without_hooks() -> None:
    system = declared()
    system.handler("*", lambda d: None)
    calls: list[str] = []

    def audit(p: kca.Publishing) -> None:
        calls.append(p.message.name)
        system.event_bus("orders").publish("audit", key=KEY)

    system.publish_hook(before=audit, after=audit)
    with system:
        system.event_bus("orders").publish("a", key=KEY)
        system.event_bus("orders").flush()
        assert system.description()["publishers"][0]["stored"] == 3
    assert calls == ["a", "a"]


def test_a_declaration_says_what_is_wrong() -> None:
    system = declared()
    system.handler("*", lambda d: None)

    async def later(h: Any) -> None: ...

    @asynccontextmanager
    async def much_later(h: Any) -> AsyncIterator[None]:
        yield

    async def yielding(h: Any) -> AsyncIterator[None]:
        yield

    for hook in (later, much_later, yielding):
        with pytest.raises(TypeError, match=r"needs a system of kca\.asyncio"):
            system.handling_hook(hook)
    with pytest.raises(TypeError, match="must be a function, got 5"):
        system.publish_hook(5)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="one function, or"):
        system.publish_hook()
    system.publish_hook(lambda p: later(p))
    with system:
        with pytest.raises(TypeError, match=r"needs a system of kca\.asyncio"):
            system.event_bus("orders").publish("a")
        with pytest.raises(kca.StateError, match="before start"):
            system.handling_hook(lambda h: None)


def test_hooks_run_in_tests_too() -> None:
    names: list[str] = []
    system = declared()
    system.handling_hook(lambda h: names.append(h.delivery.name))
    system.publish_hook(lambda p: names.append(f"published {p.message.name}"))

    @system.handler("orderCreated")
    def handle(order: Any) -> None:
        system.event_bus("orders").publish("note", key=KEY)

    system.handler("note", lambda d: None)
    with kca.testing.embedded(system) as app:
        app.publish("orders", "orderCreated", {}, key=KEY)  # as another application would: without hooks
        app.assert_handled("note")
    assert names == ["orderCreated", "published note", "note"]


# ---- in a loop ----


def in_loop(work: Any) -> Any:
    return asyncio.run(asyncio.wait_for(work, DEADLINE_SECONDS))


def declared_in_loop(**options: Any) -> kca.asyncio.System:
    return kca.asyncio.System(
        kca.Connection("local", "embedded://"),
        kca.PublisherBuilder("local", "orders", required_acks=-1, linger_ms=0),
        kca.ConsumerBuilder("local", "orders", "shop", partition=0, **options),
    )


def test_in_a_loop_handlers_are_inside_their_hooks_of_all_kinds() -> None:
    calls: list[str] = []
    system = declared_in_loop()
    before, after = noting(calls, "a")
    system.handling_hook(before=before, after=after)

    @system.handling_hook
    async def yielding(h: kca.Handling) -> AsyncIterator[None]:
        token = tenant.set("acme")
        await asyncio.sleep(0)
        yield
        await asyncio.sleep(0)
        calls.append(f"b> {h.verdict!r}")
        tenant.reset(token)

    @system.handling_hook
    @asynccontextmanager
    async def manager(h: kca.Handling) -> AsyncIterator[None]:
        calls.append("c<")
        yield
        calls.append("c>")

    async def before_async(h: kca.Handling) -> None:
        calls.append(f"d< {h.delivery.name}")

    system.handling_hook(before_async)

    @system.handler("orderCreated")
    async def handle(order: Any) -> None:
        calls.append(f"handler of {tenant.get()}")

    @system.handler("last")
    def last(order: Any) -> None:  # in a thread
        calls.append(f"thread of {tenant.get()}")
        system.consumer("shop").stop()

    async def work() -> None:
        async with system:
            bus = system.event_bus("orders")
            await bus.publish("orderCreated", {}, key=KEY)
            await bus.publish("last", key=KEY)
            await system.consumer("shop").run()

    in_loop(work())
    done = f"b> {kca.DONE!r}"
    assert calls == [
        "a<", "c<", "d< orderCreated", "handler of acme", "c>", done, "a>",
        "a<", "c<", "d< last", "thread of acme", "c>", done, "a>",
    ]  # fmt: skip


def test_in_a_loop_a_hook_settles_and_fails_deliveries() -> None:
    seen: list[Any] = []
    system = declared_in_loop(max_attempts=2, retry_backoff_ms=1)
    store = Store()
    system.set_deduplication_store("shop", store)
    system.handling_hook(after=lambda h: seen.append((h.delivery.name, h.verdict, h.error_name)))

    @system.handling_hook
    async def decides(h: kca.Handling) -> Any:
        return kca.DUPLICATE if h.delivery.name == "again" else None

    async def fail(h: kca.Handling) -> None:
        if h.delivery.name == "orderCreated" and h.delivery.attempt == 1:
            raise Locked("the ledger is locked")

    system.handling_hook(after=fail)

    @system.handler("*")
    async def handle(order: Any, d: kca.Delivery) -> None:
        if d.name == "last":
            system.consumer("shop").stop()

    async def work() -> None:
        async with system:
            bus = system.event_bus("orders")
            for name in ("again", "orderCreated", "last"):
                await bus.publish(name, {}, key=KEY, message_id=name)
            await system.consumer("shop").run()

    in_loop(work())
    assert seen == [
        ("again", kca.DUPLICATE, ""),
        ("orderCreated", kca.FAILED, "Locked"),
        ("orderCreated", kca.DONE, ""),
        ("last", kca.DONE, ""),
    ]
    assert store.marked == ["orderCreated", "last"]


def test_in_a_loop_a_cancelled_run_leaves_the_hooks() -> None:
    seen: list[str] = []
    system = declared_in_loop()
    inside = asyncio.Event()

    @system.handling_hook
    async def around(h: kca.Handling) -> AsyncIterator[None]:
        try:
            yield
        finally:
            seen.append(type(h.exception).__name__)

    @system.handler("orderCreated")
    async def handle(order: Any) -> None:
        inside.set()
        await asyncio.Event().wait()

    async def work() -> None:
        async with system:
            await system.event_bus("orders").publish("orderCreated", {}, key=KEY)
            running = asyncio.create_task(system.consumer("shop").run())
            await inside.wait()
            running.cancel()
            await asyncio.sleep(0)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            assert system.description()["consumers"][0]["failed"] == 0

    in_loop(work())
    assert seen == ["CancelledError"]


def test_in_a_loop_publishes_go_through_hooks_in_order() -> None:
    seen: list[Any] = []
    system = declared_in_loop()
    system.handler("*", lambda d: None)

    @system.publish_hook
    def manager(p: kca.Publishing) -> Iterator[None]:
        token = tenant.set("acme")
        try:
            yield
        finally:
            tenant.reset(token)
            seen.append((p.receipt and p.receipt.offset, p.is_dropped))

    @system.publish_hook
    async def decides(p: kca.Publishing) -> Any:
        p.message.set_header("tenant", tenant.get())
        if p.message.name == "refuse":
            raise Locked("no")
        return kca.DROP if p.message.name == "drop" else None

    async def work() -> None:
        async with system:
            bus = system.event_bus("orders")
            waiting = [bus.publish("orderCreated", {"id": i}, key=KEY) for i in range(50)]
            receipts = await asyncio.gather(*waiting)
            assert [r.offset for r in receipts] == list(range(50))
            assert tenant.get() == ""
            assert await bus.publish("drop") == kca.Receipt(0, None, "orders", -1, -1)
            with pytest.raises(Locked, match="no"):
                await bus.publish("refuse")
            receipt = await asyncio.create_task(bus.publish(kca.Message("orderCreated", {"id": 50}, key=KEY)))
            assert receipt.offset == 50
            _ = bus.publish("orderCreated", {"id": 51}, key=KEY)  # nobody awaits it: the shutdown does
        assert system.description()["publishers"][0]["stored"] == 52

    in_loop(work())
    assert seen[:52] == [*[(i, False) for i in range(50)], (None, True), (None, False)]


def test_in_a_loop_a_flush_waits_for_publishes_whose_hooks_run() -> None:
    system = declared_in_loop()
    system.handler("*", lambda d: None)

    @system.publish_hook
    async def slow(p: kca.Publishing) -> None:
        await gate.wait()

    async def work() -> None:
        async with system:
            bus = system.event_bus("orders")
            waiting = [bus.publish("orderCreated", {}, key=KEY) for _ in range(3)]
            asyncio.get_running_loop().call_later(0.1, gate.set)
            await bus.flush()
            assert system.description()["publishers"][0]["stored"] == 3
            await asyncio.gather(*waiting)

    gate = asyncio.Event()
    in_loop(work())


def test_in_a_loop_what_a_hook_began_goes_through_hooks_when_it_has_returned() -> None:
    system = declared_in_loop()
    system.handler("*", lambda d: None)
    names: list[str] = []
    tasks: list[Any] = []

    async def later() -> None:
        await returned.wait()
        await system.event_bus("orders").publish("later", key=KEY)

    @system.publish_hook
    async def begins(p: kca.Publishing) -> None:
        names.append(p.message.name)
        if p.message.name == "first":
            tasks.append(asyncio.create_task(later()))

    async def work() -> None:
        async with system:
            await system.event_bus("orders").publish("first", key=KEY)
            returned.set()
            await tasks[0]

    returned = asyncio.Event()
    in_loop(work())
    assert names == ["first", "later"]
