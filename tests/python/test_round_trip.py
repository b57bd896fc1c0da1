"""Publishing and handling on the embedded broker."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import kca
import pytest
from support import DEADLINE_SECONDS, KEY, declared, events


class NegativeAmount(kca.Rejected):
    pass


@dataclass
class OrderCreated:
    id: int


@pytest.fixture
def system() -> Iterator[kca.System]:
    """Skips what fails for good, so that a consumer survives it."""
    made = declared(failure_policy="skip")
    yield made
    made.shutdown()


def publish(system: kca.System, *orders: Any, **fields: Any) -> None:
    bus = system.event_bus("orders")
    for order in orders:
        bus.publish("orderCreated", order, key=KEY, **fields)
    bus.flush(10000)


def faults(queue: kca.Queue, count: int) -> list[str]:
    found: list[str] = []
    for event in events(queue):
        if isinstance(event, kca.Fault):
            assert isinstance(event.error, kca.HandlerError)
            found.append(str(event.error))
        if len(found) == count:
            return found
    raise AssertionError


def test_returning_is_done_and_raising_is_not(system: kca.System) -> None:
    @system.handler("orderCreated")
    def handle(order: Any, message: kca.Delivery) -> None:
        if order["amount"] < 0:
            raise NegativeAmount("it is below 0")
        if order["amount"] == 0:
            raise ValueError("it is 0")
        consumer.stop()

    system.start()
    publish(system, {"amount": -1}, {"amount": 0}, "{", {"amount": 1})
    consumer = system.consumer("shop")
    consumer.run()
    assert "1 handled, 1 failed, 2 rejected" in system.describe()


def test_a_failure_ends_a_consumer_that_stops() -> None:
    system = declared(failure_policy="stop")

    @system.handler("orderCreated")
    def handle(order: Any, message: kca.Delivery) -> None:
        raise NegativeAmount("it is below 0")

    system.start()
    publish(system, {})
    with pytest.raises(kca.HandlerError, match=r"orders\[0\] offset 0, NegativeAmount: it is below 0"):
        system.consumer("shop").run()


def test_receipts_carry_the_tokens(system: kca.System) -> None:
    system.handler("*", lambda order, message: None)
    system.start()
    tokens = [1, 2**53 + 1, 2**64 - 1]
    for token in tokens:
        publish(system, {}, token=token)
    receipts = [event for event in islice(events(system.queue()), 3) if isinstance(event, kca.Receipt)]
    assert [r.token for r in receipts] == tokens
    assert [(r.error, r.topic, r.partition, r.offset) for r in receipts] == [(None, "orders", 0, i) for i in range(3)]


def test_a_synchronous_publish_gives_its_receipt() -> None:
    connection = kca.Connection("local", "embedded://")
    with kca.System(connection, kca.PublisherBuilder("local", "orders", required_acks=-1, async_=False)) as system:
        bus = system.event_bus("orders")
        receipts = [
            bus.publish("orderCreated", {}, key=KEY, token=5),
            bus.publish(kca.Message("orderCreated", {}, key=KEY)),
            bus.publish(OrderCreated(1), key=KEY),
        ]
    assert receipts == [kca.Receipt(5, None, "orders", 0, 0), *(kca.Receipt(0, None, "orders", 0, i) for i in (1, 2))]


def test_a_synchronous_publish_waits_as_long_as_it_may() -> None:
    connection = kca.Connection("local", "embedded://")
    with kca.System(connection, kca.PublisherBuilder("local", "orders", required_acks=-1, async_=False)) as system:
        bus = system.event_bus("orders")
        for message in ("orderCreated", kca.Message("orderCreated")):
            receipt = bus.publish(message, timeout_ms=1000 * DEADLINE_SECONDS)
            assert receipt is not None
            assert receipt.topic == "orders"
            with pytest.raises(kca.TimedOutError, match="within 0 ms; it may be stored nevertheless"):
                while True:  # the answer may come before this thread looks at the time
                    bus.publish(message, timeout_ms=0)
            with pytest.raises(kca.ArgumentError, match="timeout_ms must be 0 or more, or -1 for ever, got -2"):
                bus.publish(message, timeout_ms=-2)


def test_a_message_goes_to_the_partition_that_it_names(system: kca.System) -> None:
    system.handler("*", lambda order, message: None)
    system.start()
    bus, queue = system.event_bus("orders"), events(system.queue())
    assert bus.publish("orderCreated", {}, key=KEY, partition=2, token=1) is None
    bus.publish(kca.Message("orderCreated", {}, key=KEY, partition=3), token=2)
    bus.publish(kca.Message(None, b"as it is", partition=1, raw=True), token=3)
    receipts = [event for event in islice(queue, 3) if isinstance(event, kca.Receipt)]
    assert sorted((r.token, r.partition) for r in receipts) == [(1, 2), (2, 3), (3, 1)]
    with pytest.raises(kca.ArgumentError, match="publisher orders: partition must be 0 to 3, .* 4 partitions, got 4"):
        bus.publish("orderCreated", {}, partition=4)
    for wrong in -2, 2**31, 2**70, "1":
        with pytest.raises((kca.ArgumentError, TypeError, OverflowError), match="partition"):
            bus.publish("orderCreated", {}, partition=wrong)  # type: ignore[arg-type]


def test_logs_have_a_queue_of_their_own(system: kca.System) -> None:
    system.handler("*", lambda order, message: None)
    logs = system.log_queue()
    system.log_to_queue(kca.LOG_WARN).start()  # the embedded broker is for trying out
    [line] = logs.next(1, 10000)
    assert isinstance(line, kca.Log)
    assert line.level == kca.LOG_WARN
    assert system.queue().next(10, 0) == []


def test_handlers_run_in_threads_of_run(system: kca.System) -> None:
    meet = threading.Barrier(3, timeout=30)

    @system.handler("orderCreated")
    def handle(order: Any, message: kca.Delivery) -> None:
        meet.wait()
        consumer.stop()

    system.start()
    bus = system.event_bus("orders")
    for key in "k3", "k4", "k5":
        bus.publish("orderCreated", {}, key=key)
    consumer = system.consumer("shop").with_amount_of_processors(3)
    threads = threading.active_count()
    consumer.run()
    assert threading.active_count() == threads
    assert "3 handled" in system.describe()


def test_a_deferred_delivery_is_settled_from_another_thread(system: kca.System) -> None:
    kept: list[kca.Delivery] = []
    deferred = threading.Event()

    @system.handler("orderCreated")
    def handle(order: Any, message: kca.Delivery) -> int:
        kept.append(message)
        deferred.set()
        return kca.DEFERRED

    def settle() -> None:
        assert deferred.wait(30)
        kept[0].done()
        consumer.stop()

    system.start()
    publish(system, {"id": 7})
    consumer = system.consumer("shop")
    other = threading.Thread(target=settle)
    other.start()
    consumer.run()
    other.join()
    assert kept[0].json() == {"id": 7}
    with pytest.raises(kca.StateError):
        kept[0].done()
    assert "1 handled, 0 failed" in system.describe()


def test_what_a_handler_publishes_continues_the_trace(system: kca.System) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    traces: dict[str, str] = {}

    @system.handler("*")
    def handle(order: Any, message: kca.Delivery) -> None:
        traces[message.name] = message.trace_context[0]
        if message.name == "orderCreated":
            bus.publish("orderBilled", {}, key=KEY)
        else:
            consumer.stop()

    system.start()
    bus = system.event_bus("orders")
    publish(system, {}, trace_context=(trace, None))
    consumer = system.consumer("shop")
    consumer.run()
    assert traces["orderCreated"] == trace
    assert traces["orderBilled"].split("-")[1] == trace.split("-")[1]


def test_a_queue_can_be_polled_and_runs_again(system: kca.System) -> None:
    system.handler("*", lambda order, message: None)
    system.start()
    consumer = system.consumer("shop")
    queue = consumer.queue()
    assert queue.fileno() >= 0
    assert queue.next(1, 0) == []
    with pytest.raises(kca.StateError):
        consumer.queue()
    consumer.stop()
    with pytest.raises(kca.StoppedError):
        queue.next(1, 30000)
    queue.close()
    again = consumer.queue()
    publish(system, {"id": 1})
    [delivery] = again.next(10, 30000)
    assert isinstance(delivery, kca.Delivery)
    delivery.failed("Broken", "it broke")
    assert "orderCreated failed at orders[0] offset 0, Broken: it broke" in faults(again, 1)[0]


@pytest.mark.parametrize(
    "payload", [b"[" * 2000 + b"]" * 2000, b"1" * 5000, b"NaN", b'{"a":"\\ud800"}', b"\xff", b""], ids=range(6)
)
def test_no_payload_ends_the_consumer(system: kca.System, payload: bytes) -> None:
    @system.handler("orderCreated")
    def handle(order: Any, message: kca.Delivery) -> None:
        if not order:
            raise kca.Rejected("nothing in it")
        consumer.stop()

    system.start()
    publish(system, payload, {"amount": 1})
    consumer = system.consumer("shop")
    consumer.run()
    assert "1 handled, 0 failed, 1 rejected" in system.describe()


def test_a_reason_that_is_no_utf_8_does_not_end_the_consumer(system: kca.System) -> None:
    @system.handler("orderCreated")
    def handle(order: Any, message: kca.Delivery) -> None:
        if order == "half a surrogate":
            raise ValueError("\ud800")
        consumer.stop()

    system.start()
    publish(system, '"half a surrogate"', {"amount": 1})
    consumer = system.consumer("shop")
    consumer.run()
    assert "1 handled, 1 failed, 0 rejected" in system.describe()


def test_the_handler_of_the_rest_gets_the_bytes_of_what_is_no_json(system: kca.System) -> None:
    seen: list[Any] = []

    @system.handler("*")
    def handle(order: Any, message: kca.Delivery) -> None:
        seen.append(order)
        if len(seen) == 2:
            consumer.stop()

    system.start()
    publish(system, b"\x00\xff", {"amount": 1})
    consumer = system.consumer("shop")
    consumer.run()
    assert seen == [b"\x00\xff", {"amount": 1}]


def test_what_json_does_not_have_is_not_published() -> None:
    with pytest.raises(ValueError):
        kca.Message("orderCreated", float("nan"))


@pytest.mark.parametrize("as_message", [False, True])
@pytest.mark.parametrize("empty", ["", b""])
def test_an_empty_key_and_an_empty_header_are_not_missing_ones(
    system: kca.System, as_message: bool, empty: str | bytes
) -> None:
    fields: dict[str, Any] = {"key": empty, "correlation_id": "c-1", "headers": {"note": empty, "tenant": "acme"}}
    seen: list[kca.Delivery] = []

    @system.handler("*")
    def handle(message: kca.Delivery) -> None:
        seen.append(message)
        other.stop()

    system.add_consumer(kca.ConsumerBuilder("local", "orders", "other", partition=kca.PARTITION_EVERY))
    system.start()
    bus = system.event_bus("orders")
    bus.publish(*([kca.Message("a", **fields)] if as_message else ["a"]), **({} if as_message else fields))
    other = system.consumer("other")
    other.run()
    assert (seen[0].key, seen[0].headers) == (b"", {"note": b"", "tenant": b"acme"})
    assert seen[0].header("note") == ""


def test_a_header_without_a_value_is_refused() -> None:
    with pytest.raises(TypeError, match="header note must be a text or bytes, got None"):
        kca.Message("a", headers={"note": None})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"type": "event"}, "type must be an integer, got 'event'"),
        ({"token": "1"}, "token must be an integer, got '1'"),
        ({"token": -1}, "token is out of range, got -1"),
        ({"timestamp_ms": 2**70}, "timestamp_ms is out of range"),
    ],
)
def test_a_wrong_number_is_named(system: kca.System, fields: dict[str, Any], said: str) -> None:
    system.handler("*", lambda order: None)
    system.start()
    with pytest.raises((TypeError, OverflowError), match=said):
        system.event_bus("orders").publish("a", **fields)


def test_a_consumer_tells_that_it_has_joined() -> None:
    system = kca.System(kca.Connection("local", "embedded://", fault_after_ms=60000))
    system.add_publisher(kca.PublisherBuilder("local", "orders", required_acks=-1))
    system.add_consumer(kca.ConsumerBuilder("local", "orders", "shop"))
    told: list[kca.State] = []

    @system.on(kca.State)
    def joined(state: kca.State) -> None:
        told.append(state)
        system.consumer("shop").stop()

    system.handler("*", lambda payload: None)
    with system:
        assert system.description()["connections"][0]["state"] == "connected"
        assert system.description()["connections"][0]["fault_after_ms"] == 60000
        assert system.description()["consumers"][0]["state"] == "stopped"
        system.consumer("shop").run()
    [state] = told
    assert (state.kind, state.connection, state.consumer, state.error) == ("joined", "local", "shop", None)
    assert state.since_ms > 1_700_000_000_000
