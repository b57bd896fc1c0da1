"""What a system, its buses and its consumers offer: every function of the ABI has its place."""

from __future__ import annotations

import logging
import threading
from typing import Any

import kca
import pytest
from kca import _kca
from support import KEY, declared, events

# Functions of the ABI that the package does not call: what is there in Python's own way.
OTHERWISE = {
    "kca_message_is_json", "kca_message_json_string", "kca_message_json_int64", "kca_message_json_double",
    "kca_message_json_bool", "kca_message_json_count", "kca_message_json_type",  # Message.json
    "kca_error_code", "kca_error_name", "kca_error_text", "kca_error_rdkafka_code", "kca_error_retriable",
    "kca_error_fatal",  # exceptions
    "kca_queue_next", "kca_event_type", "kca_event_into_delivery", "kca_event_delivery", "kca_event_token",  # take
    "kca_message_error", "kca_message_payload_len", "kca_message_key_len", "kca_message_header_value_len",
    "kca_message_reset",  # publish
    "kca_message_set_binary_header", "kca_delivery_header_value_len",  # kca_message_add_header, and with the value
    "kca_bus_record", "kca_message_set_record", "kca_message_set_all", "kca_delivery_translate",
    "kca_delivery_record", "kca_system_set_translator",  # set_translator
    "kca_rdkafka_version", "kca_monotonic_us",
    "kca_wake_socket_new", "kca_wake_socket_path", "kca_wake_socket_accept", "kca_wake_socket_watch",
    "kca_wake_socket_wake",  # asyncio has fds
    "kca_system_health_code",  # System.health
    "kca_system_set_exporter",  # kca.telemetry, by the SDK
}  # fmt: skip


def test_every_function_of_the_abi_is_called() -> None:
    from pathlib import Path

    package = Path(kca.__file__).parent
    text = "".join(file.read_text() for file in package.glob("*.py") if file.name != "swig.py")
    missing = [
        name
        for name in dir(_kca)
        if name.startswith("kca_") and callable(getattr(_kca, name)) and not name.endswith("_swigregister")
        if not name.endswith("_free") and not name.endswith("_swiginit") and name not in OTHERWISE
        if f"_kca.{name}" not in text
    ]
    assert missing == []


def test_with_starts_and_shuts_down() -> None:
    system = declared()
    system.handler("*", lambda order: None)
    with system:
        system.event_bus("orders").publish("orderCreated", {})
        assert system.description()["started"]
    assert not system.description()["started"]
    with pytest.raises(ZeroDivisionError), system:
        1 / 0  # noqa: B018
    assert not system.description()["started"]


def test_a_system_is_declared_in_one_expression() -> None:
    system = kca.System(
        kca.Connection("local", "embedded://"),
        kca.PublisherBuilder("local", "orders"),
        kca.ConsumerBuilder("local", "orders", "shop"),
    )
    with system:
        assert system.description()["consumers"][0]["name"] == "shop"
    with pytest.raises(TypeError, match="got 5"):
        kca.System(5)  # type: ignore[arg-type]


@pytest.mark.parametrize("publish", ["fields", "message"])
def test_what_is_published_arrives(publish: str) -> None:
    system = declared()
    system.handler("*", lambda order: None)
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    fields: dict[str, Any] = {
        "key": "k3",
        "type": kca.TYPE_COMMAND,
        "message_id": "m-1",
        "correlation_id": "c-1",
        "timestamp_ms": 1767225600123,
        "origin": "shop",
        "version": "2.0",
        "reply_to": "replies",
        "headers": {"tenant": "acme ä", "bin": b"\0\xff"},
        "trace_context": (trace, "a=1"),
    }
    with system:
        bus = system.command_bus("orders")
        if publish == "fields":
            bus.publish("orderCreated", {"id": "ä"}, **fields)
        else:
            bus.publish(kca.Message("orderCreated", {"id": "ä"}, **fields))
        queue = system.consumer("shop").queue()
        [d] = queue.next(1, 30000)
        assert isinstance(d, kca.Delivery)
        assert (d.name, d.payload, d.key, d.type) == ("orderCreated", '{"id":"ä"}'.encode(), b"k3", kca.TYPE_COMMAND)
        assert (d.message_id, d.correlation_id, d.timestamp_ms) == ("m-1", "c-1", 1767225600000)
        assert (d.origin, d.version, d.reply_to, d.channel) == ("shop", "2.0", "replies", "orders")
        assert d.headers == {"tenant": "acme ä".encode(), "bin": b"\0\xff"}
        assert d.trace_context == (trace, "a=1")
        assert (d.topic, d.partition, d.offset, d.attempt, d.consumer) == ("orders", 0, 0, 1, "shop")
        assert d.record_timestamp_ms > 1767225600123
        d.done()


def test_headers_of_one_name_and_without_a_value_arrive_in_order() -> None:
    pairs: list[tuple[str, bytes | None]] = [
        ("x", b"1"),
        ("none", None),
        ("x", b"2"),
        ("empty", b""),
        ("messageType", b"com.acme.Order"),
        ("correlationId", b"\xff\0"),
    ]
    system = declared()
    system.handler("*", lambda order: None)
    with system:
        bus = system.event_bus("orders")
        bus.publish("orderCreated", headers=pairs, key="k", message_id="m-1")
        bus.publish(kca.Message("orderCreated", headers=pairs, key="k"))
        queue = system.consumer("shop").queue()
        for _ in range(2):
            [d] = queue.next(1, 30000)
            assert isinstance(d, kca.Delivery)
            assert d.header_list == pairs
            assert d.headers["x"] == b"2" and d.headers["none"] == b""
            assert [pair for pair in d.record_headers if pair in pairs] == pairs
            assert ("route", b"orderCreated") in d.record_headers
            assert d.type == kca.TYPE_EVENT
            bus.publish("orderBilled", headers=d.header_list)  # what came goes on, whatever it is
            bus.publish("orderBilled", headers=d.headers)
            d.done()


def test_a_copy_of_a_record_is_that_record() -> None:
    system = declared()
    system.handler("*", lambda order: None)
    with system:
        bus = system.event_bus("orders")
        headers: list[tuple[str, bytes | None]] = [("route", b"caf\xe9"), ("messageId", bytes(16)), ("x", None)]
        bus.publish(kca.Message(None, b"\0", key=KEY, headers=headers, timestamp_ms=1767225600005, raw=True))
        queue = system.consumer("shop").queue()
        [first] = queue.next(1, 30000)
        assert isinstance(first, kca.Delivery)
        assert (first.name, first.message_id, first.record_timestamp_ms) == ("", "", 1767225600005)
        bus.publish(
            kca.Message(
                None,
                first.payload,
                key=first.key,
                headers=first.record_headers,
                timestamp_ms=first.record_timestamp_ms,
                raw=True,
            )
        )
        first.done()
        [copy] = queue.next(1, 30000)
        assert isinstance(copy, kca.Delivery)
        assert copy.record_headers == first.record_headers == headers
        assert (copy.payload, copy.key, copy.record_timestamp_ms) == (b"\0", KEY.encode(), 1767225600005)
        copy.done()


def test_a_wrong_field_is_raised_and_nothing_published() -> None:
    system = declared()
    system.handler("*", lambda order: None)
    wrong: list[tuple[dict[str, Any], type[Exception]]] = [
        ({"headers": {5: "a"}}, TypeError),
        ({"headers": {"route": "x"}}, kca.ArgumentError),
        ({"message_id": b"m"}, TypeError),
        ({"message_id": "a\0b"}, ValueError),
        ({"message_id": "\ud800"}, ValueError),
        ({"type": 77}, kca.ArgumentError),
        ({"timestamp_ms": "now"}, TypeError),
        ({"trace_context": ("x", None)}, kca.ArgumentError),
        ({"token": -1}, OverflowError),
        ({"payload": object()}, TypeError),
    ]
    with system:
        bus = system.event_bus("orders")
        for fields, error in wrong:
            with pytest.raises(error):
                bus.publish("orderCreated", **fields)
        with pytest.raises(TypeError, match="^key must be a text or bytes, got 5$"):
            bus.publish("orderCreated", key=5)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="^header a must be a text or bytes, got 5$"):
            bus.publish("orderCreated", headers={"a": 5})  # type: ignore[dict-item]
        with pytest.raises(TypeError):
            kca.Message("orderCreated", key=5)  # type: ignore[arg-type]
        assert system.description()["publishers"][0]["published"] == 0


def test_errors_have_kind_code_and_what_to_do() -> None:
    system = kca.System(
        kca.Connection("local", "embedded://"),
        kca.PublisherBuilder("local", "orders", required_acks=-1, buffer_messages=1, buffer_timeout_ms=0),
        kca.PublisherBuilder("local", "small", required_acks=-1, batch_bytes=1000),
    )
    with system:
        bus = system.event_bus("orders")
        bus.publish("a", token=1)
        with pytest.raises(kca.BufferFullError) as full:
            bus.publish("a")
        assert (full.value.name, full.value.retriable, full.value.fatal) == ("buffer_full", True, False)
        assert full.value.code == kca.BufferFullError.code
        with pytest.raises(kca.TooLargeError) as large:
            system.event_bus("small").publish("a", b"x" * 2000)
        assert not large.value.retriable
        with pytest.raises(kca.NotFoundError, match="nowhere"):
            system.query_bus("nowhere")


def test_lag_pause_and_seek() -> None:
    system = declared(commit_interval_ms=10)
    system.handler("*", lambda order: None)
    with system:
        bus = system.event_bus("orders")
        for i in range(3):
            bus.publish("orderCreated", i, key=KEY)
        bus.flush(10000)
        consumer = system.consumer("shop")
        queue = consumer.queue()
        found = events(queue)

        def next_value() -> Any:
            delivery = next(found)
            assert isinstance(delivery, kca.Delivery)
            delivery.done()
            return delivery.json()

        assert [next_value() for _ in range(3)] == [0, 1, 2]
        [lag] = consumer.lag()
        assert (lag.topic, lag.partition, lag.frontier, lag.lag, lag.paused) == ("orders", 0, 3, 0, False)
        consumer.seek("orders", 0, 1)
        assert next_value() == 1
        consumer.seek("orders", 0, kca.OFFSET_BEGINNING)
        assert next_value() == 0
        consumer.pause("orders", 0)
        assert consumer.lag()[0].paused
        consumer.resume()
        assert not consumer.lag()[0].paused


class Store:
    def __init__(self, *seen: str) -> None:
        self.ids = set(seen)
        self.broken = False

    def seen(self, message_id: str) -> bool:
        if self.broken:
            raise ConnectionError("the table is away")
        return message_id in self.ids

    def mark(self, message_id: str) -> None:
        if message_id == "unmarked":
            raise ConnectionError("the table is away")
        self.ids.add(message_id)


def test_a_store_of_ones_own_remembers_what_was_handled(caplog: pytest.LogCaptureFixture) -> None:
    system = declared(failure_policy="skip")
    store = Store("m-0")
    system.set_deduplication_store("shop", store)
    seen: list[str] = []

    @system.handler("orderCreated")
    def handle(message: kca.Delivery) -> None:
        seen.append(message.message_id)
        if message.message_id == "bad":
            raise ValueError("it is bad")
        if message.message_id == "last":
            consumer.stop()

    with system, caplog.at_level(logging.ERROR, "kca"):
        bus = system.event_bus("orders")
        for message_id in "m-0", "m-1", "m-1", "bad", "bad", "unmarked", "last":
            bus.publish("orderCreated", key=KEY, message_id=message_id)
        consumer = system.consumer("shop")
        consumer.run()
        [counts] = system.description()["consumers"]
    assert seen == ["m-1", "bad", "bad", "unmarked", "last"]
    assert counts["duplicates"] == 2
    assert store.ids == {"m-0", "m-1", "last"}
    assert "message unmarked was handled, but could not be marked: the table is away" in caplog.text


def test_a_store_that_does_not_answer_fails_the_delivery() -> None:
    system = declared()
    store = Store()
    store.broken = True
    system.set_deduplication_store("shop", store)
    system.handler("*", lambda order: None)
    with system:
        system.event_bus("orders").publish("orderCreated", key=KEY)
        with pytest.raises(kca.HandlerError, match="deduplication: ConnectionError: the table is away"):
            system.consumer("shop").run()


def test_faults_and_rebalances_have_listeners_and_faults_are_never_silent(caplog: pytest.LogCaptureFixture) -> None:
    system = kca.System(
        kca.Connection("local", "embedded://"),
        kca.PublisherBuilder("local", "orders", required_acks=-1, linger_ms=0),
        kca.ConsumerBuilder("local", "orders", "shop", failure_policy="skip"),
    )
    rebalances: list[kca.Rebalance] = []
    system.on(kca.Rebalance, rebalances.append)

    @system.handler("orderCreated")
    def handle(order: dict[str, Any]) -> None:
        consumer.stop()

    with system, caplog.at_level(logging.WARNING, "kca"):
        bus = system.event_bus("orders")
        bus.publish("orderCreated", [], key=KEY)
        bus.publish("orderCreated", {}, key=KEY)
        consumer = system.consumer("shop")
        consumer.run()
    assert rebalances[0].kind == "assigned"
    assert rebalances[0].consumer == "shop"
    assert "must be an object, got a list" in caplog.text


def test_who_pulls_needs_no_handler_and_who_runs_does() -> None:
    with declared() as system:
        system.event_bus("orders").publish("orderCreated", 7, key=KEY)
        consumer = system.consumer("shop")
        with pytest.raises(kca.StateError, match="consumer shop has no handler") as caught:
            consumer.run()
        assert caught.value.name == "state"
        queue = consumer.queue()
        [delivery] = queue.next(1, 10000)
        assert isinstance(delivery, kca.Delivery)
        assert (delivery.name, delivery.json()) == ("orderCreated", 7)
        delivery.done()
        queue.close()
    seen = []

    @system.handler("*")
    def handle(order: int) -> None:
        seen.append(order)
        consumer.stop()

    with system:
        system.event_bus("orders").publish("orderCreated", 8, key=KEY)
        consumer.run()
    assert seen == [8]


def test_dispatch_handles_on_the_calling_thread() -> None:
    system = declared()
    seen: list[Any] = []
    system.handler("orderCreated", lambda order: seen.append((order, threading.current_thread())))
    system.on(kca.Receipt, lambda receipt: seen.append(receipt.token))
    with system:
        system.event_bus("orders").publish("orderCreated", 1, key=KEY, token=9)
        assert system.queue().dispatch(1, 10000) == 1
        assert system.consumer("shop").queue().dispatch(1, 10000) == 1
    assert seen == [9, (1, threading.current_thread())]


def test_what_went_wrong_inside_is_not_hidden_by_the_shutdown(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kca.system.SHUTDOWN_MS", 50)
    system = declared()
    with pytest.raises(ZeroDivisionError), system:
        system.event_bus("orders").publish("a", key=KEY)
        queue = system.consumer("shop").queue()
        [delivery] = queue.next(1)
        _ = 1 / 0
    assert isinstance(delivery, kca.Delivery)
    assert "1 deliveries were not settled" in caplog.text


def test_a_store_that_nobody_would_ask_is_refused() -> None:
    store: Any = object()
    with pytest.raises(LookupError, match="consumer shopp is not declared"):
        declared().set_deduplication_store("shopp", store).start()
    with pytest.raises(ValueError, match="consumer shop: with transactional_id there is no deduplication store"):
        declared(transactional_id="shop-1").set_deduplication_store("shop", store).start()


def test_a_listener_to_what_is_never_told_is_refused() -> None:
    with pytest.raises(TypeError, match="events are Fault, Rebalance, Receipt, Reply, End, State, Log; got .*Delivery"):
        kca.System().on(kca.Delivery, print)
    with pytest.raises(TypeError, match="the name of its messages must be a text, got 5"):
        kca.System().handler(5, lambda order: None)  # type: ignore[call-overload]
