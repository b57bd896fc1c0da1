"""Deliveries outlive their handlers when somebody keeps them, and lead nowhere when nobody does."""

from __future__ import annotations

import contextvars
import gc
import sys
import threading
from typing import Any

import kca
import pytest
from kca import tracing
from support import KEY, declared, wait_for


def run(system: kca.System, count: int = 3, processors: int = 1) -> kca.Consumer:
    """Publishes so many, and handles until the handler stops it."""
    system.start()
    bus = system.event_bus("orders")
    for i in range(count):
        bus.publish("a", {"i": i}, key=KEY, headers={"n": str(i)})
    bus.publish("last", key=KEY)
    consumer = system.consumer("shop", amount_of_processors=processors)
    consumer.run()
    return consumer


def stopping(system: kca.System) -> None:
    @system.handler("last")
    def last(message: kca.Delivery) -> None:
        system.consumer("shop").stop()


def test_one_that_is_kept_can_be_read_later() -> None:
    system = declared()
    stopping(system)
    kept: list[kca.Delivery] = []

    @system.handler("a")
    def handle(order: Any, message: kca.Delivery) -> None:
        kept.append(message)

    run(system)
    system.shutdown()
    gc.collect()
    assert [d.json() for d in kept] == [{"i": 0}, {"i": 1}, {"i": 2}]
    assert [(d.offset, d.headers["n"]) for d in kept] == [(0, b"0"), (1, b"1"), (2, b"2")]
    with pytest.raises(kca.StateError):
        kept[0].done()


def test_one_that_is_asked_within_its_handler_goes_afterwards() -> None:
    system = declared()
    stopping(system)
    seen: list[Any] = []

    @system.handler("a")
    def handle(message: kca.Delivery) -> None:
        seen.append((message.offset, message.header("n"), sys.getrefcount(message) > 0))

    run(system)
    [consumer] = system.description()["consumers"]
    assert (consumer["handled"], consumer["out"], consumer["held"]) == (4, 0, 0)
    assert [each[:2] for each in seen] == [(0, "0"), (1, "1"), (2, "2")]
    system.shutdown()


@pytest.fixture(params=[False, True], ids=["alone", "with OpenTelemetry"])
def with_spans(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenTelemetry is there or not: handlers of messages with a trace are called in different ways."""
    monkeypatch.setattr(tracing, "is_there", lambda: request.param)


@pytest.mark.usefixtures("with_spans")
def test_what_others_have_of_a_handlers_context_is_safe() -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    system = declared()
    stopping(system)
    contexts: list[contextvars.Context] = []
    inside: list[threading.Thread] = []

    @system.handler("traced")
    def handle(order: Any) -> None:
        contexts.append(contextvars.copy_context())
        thread = threading.Thread(target=contextvars.copy_context().run, args=(bus.publish, "child"))
        thread.start()
        inside.append(thread)
        thread.join()

    with system:
        bus = system.event_bus("orders")
        bus.publish("traced", {}, key=KEY, trace_context=(trace, None))
        bus.publish("last", key=KEY)
        system.consumer("shop").run()
        for context in contexts:
            context.run(bus.publish, "later")
        bus.flush(10000)
        assert system.description()["publishers"][0]["stored"] == 4


@pytest.mark.usefixtures("with_spans")
def test_a_trace_goes_on_in_what_its_handler_publishes_and_no_further() -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    system = declared()
    seen: dict[str, tuple[str, str]] = {}

    @system.handler("*")
    def handle(cause: bytes | None, message: kca.Delivery) -> None:
        if cause is None:
            bus.publish("child", message.name, key=KEY)
            return
        seen[cause.decode()] = message.trace_context
        if len(seen) == 3:
            system.consumer("shop").stop()

    with system:
        bus = system.event_bus("orders")
        bus.publish("before", key=KEY)
        bus.publish("traced", key=KEY, trace_context=(trace, "vendor=1"))
        bus.publish("after", key=KEY)
        system.consumer("shop").run()
    assert seen == {"before": ("", ""), "traced": (trace, "vendor=1"), "after": ("", "")}


def test_one_that_is_deferred_and_kept_by_nobody_has_failed() -> None:
    system = declared(failure_policy="skip")
    stopping(system)
    system.handler("a", lambda order: kca.DEFERRED)
    run(system)
    [consumer] = system.description()["consumers"]
    assert (consumer["handled"], consumer["failed"], consumer["held"]) == (1, 3, 0)
    system.shutdown()


def test_a_handler_in_c_is_called_with_the_payload_and_breaks_nothing() -> None:
    system = declared(failure_policy="skip")
    stopping(system)
    seen: list[Any] = []
    system.handler("a", seen.append)
    run(system, 100)
    assert seen == [{"i": i} for i in range(100)]
    system.shutdown()


def test_a_handler_that_ends_the_process_has_failed_and_its_message_comes_again() -> None:
    system = declared(failure_policy="skip", max_attempts=2)

    @system.handler("a")
    def handle(order: Any) -> None:
        sys.exit(3)

    with pytest.raises(SystemExit), system:
        system.event_bus("orders").publish("a", {}, key=KEY)
        try:
            system.consumer("shop", amount_of_processors=2).run()
        finally:
            [consumer] = system.description()["consumers"]
    assert (consumer["handled"], consumer["failed"], consumer["skipped"], consumer["retried"]) == (0, 1, 0, 0)


def test_nothing_is_left_of_many() -> None:
    system = declared()
    stopping(system)
    system.handler("a", lambda order, message: message.topic and None)
    gc.collect()
    before = len(gc.get_objects())
    run(system, 2000, processors=3)
    system.shutdown()
    gc.collect()
    assert len(gc.get_objects()) < before + 500


def test_a_failures_name_and_text_may_be_any() -> None:
    system = declared(failure_policy="skip")
    stopping(system)
    faults: list[str] = []
    system.on(kca.Fault, lambda fault: faults.append(str(fault.error)))

    @system.handler("a")
    def handle(order: Any) -> None:
        raise type("Grund\udcff", (Exception,), {})("x" * 5000 + "\udcff\n\0y")

    run(system, 1)
    assert len(faults) == 1
    assert "\n" not in faults[0]
    system.shutdown()


def test_a_record_without_a_route_is_told_as_that() -> None:
    system = declared(failure_policy="skip")
    stopping(system)
    faults: list[kca.Fault] = []
    system.on(kca.Fault, faults.append)
    system.start()
    bus = system.event_bus("orders")
    bus.publish(None, {}, key=KEY, unnamed=True)
    bus.publish("last", key=KEY)
    system.consumer("shop").run()
    [fault] = faults
    assert "a message without a name was rejected at orders[0] offset 0" in str(fault.error)
    assert "no `route` header" in str(fault.error)
    system.shutdown()


def test_faults_that_nobody_reads_are_counted_in_those_that_are_kept() -> None:
    system = kca.System(kca.Connection("local", "embedded://"))
    system.add_publisher(kca.PublisherBuilder("local", "orders", batch_bytes=1000, background=True, required_acks=-1))
    with system:
        bus = system.event_bus("orders")
        for _ in range(1010):
            bus.publish("a", {}, headers={"much": "x" * 900})
        wait_for(lambda: system.description()["publishers"][0]["failed"] == 1010, "the last refusal")
        [first, second] = system.queue().next(2)
        assert isinstance(first, kca.Fault)
        assert isinstance(second, kca.Fault)
        assert (first.dropped, second.dropped) == (10, 0)
        assert "(and 10 more faults were dropped)" in str(first.error)
