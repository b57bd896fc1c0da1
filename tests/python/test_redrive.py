"""Dead letters are published again, on the embedded broker."""

from __future__ import annotations

import threading
from typing import Any

import kca
import pytest
from support import KEY, declared
from waits import DEADLINE_SECONDS, wait_for

DEAD = {
    "kca-dead-letter-topic": "orders",
    "kca-dead-letter-partition": "0",
    "kca-dead-letter-error-name": "NotNow",
    "kca-dead-letter-error-text": "it was too early",
}


def test_a_dead_letter_is_handled_after_its_redrive() -> None:
    system = declared()
    system.add_publisher(kca.PublisherBuilder("local", "orders.dead").with_required_acks(-1).with_linger_ms(0))
    seen: list[tuple[Any, str | None]] = []

    @system.handler("orderCreated")
    def handle(order: Any, message: kca.Delivery) -> None:
        seen.append((order, message.header("kca-redrives")))
        consumer.stop()

    system.start()
    bus = system.event_bus("orders.dead")
    bus.publish("orderCreated", {"id": 1}, key=KEY, headers=DEAD)
    bus.flush(10000)

    redrive = kca.RedriveBuilder("local", "orders.dead").with_only_error("NotNow").with_only_topic("orders")
    report = system.redrive(redrive)
    assert report["dry_run"] and report["redriven"] == 1
    assert report["messages"][0]["error_text"] == "it was too early"
    assert system.redrive(redrive.with_dry_run(False), timeout_ms=20000)["by_topic"] == {"orders": 1}
    assert system.redrive(redrive)["read"] == 0
    consumer = system.consumer("shop")
    consumer.run()
    assert seen == [({"id": 1}, "1")]
    system.shutdown()


def test_what_follows_a_dead_letter_is_handled_behind_it() -> None:
    system = declared(dead_letter_channel="orders.dead", park=True)
    system.add_publisher(kca.PublisherBuilder("local", "orders.dead").with_required_acks(-1).with_linger_ms(0))
    seen: list[int] = []
    works = threading.Event()

    @system.handler("orderCreated")
    def handle(order: Any) -> None:
        if order["id"] == 1 and not works.is_set():
            raise TimeoutError("it was too early")
        seen.append(order["id"])

    def told(name: str) -> Any:
        consumer = system.description()["consumers"][0]
        return consumer.get(name, [each.get(name) for each in consumer["partitions"]])

    with system:
        consumer = system.consumer("shop")
        thread = threading.Thread(target=consumer.run)
        thread.start()
        bus = system.event_bus("orders")
        for number in 1, 2, 3:
            bus.publish("orderCreated", {"id": number}, key=KEY)
        wait_for(lambda: told("parked") == 2, "those behind it")
        assert (seen, told("dead_lettered"), told("parked_keys")) == ([], 1, [1])
        ((line,),) = told("parked_lines")
        assert (line["key"], line["waits_for"], line["letters"]) == (KEY, 0, 3)
        works.set()
        report = system.redrive(kca.RedriveBuilder("local", "orders.dead", dry_run=False))
        assert report["by_error"] == {"TimeoutError": 1, "parked": 2}
        wait_for(lambda: told("parked_keys") == [0], "the end of the line")
        assert seen == [1, 2, 3]
        with pytest.raises(kca.NotFoundError, match="no such key is parked"):
            consumer.unpark(KEY)
        works.clear()
        bus.publish("orderCreated", {"id": 1}, key=KEY)
        wait_for(lambda: told("parked_keys") == [1], "the next dead letter")
        consumer.unpark(KEY.encode(), "orders", 0)
        bus.publish("orderCreated", {"id": 4}, key=KEY)
        wait_for(lambda: seen == [1, 2, 3, 4], "what comes after the key was let go")
        consumer.stop()
        thread.join(DEADLINE_SECONDS)


def test_a_topic_that_a_stranger_names_must_be_allowed() -> None:
    system = declared()
    system.add_publisher(kca.PublisherBuilder("local", "orders.dead").with_required_acks(-1).with_linger_ms(0))
    with system:
        bus = system.event_bus("orders.dead")
        bus.publish("orderCreated", {"id": 1}, key=KEY, headers={"__connect.errors.topic": "orders"})
        bus.flush(10000)
        redrive = kca.RedriveBuilder("local", "orders.dead", dry_run=False)
        report = system.redrive(redrive)
        assert (report["redriven"], report["not_allowed"], report["remaining"]) == (0, 1, 1)
        assert report["not_allowed_by_topic"] == {"orders": 1}
        assert system.redrive(redrive.with_allowed_topic("orders"))["by_target"] == {"orders": 1}
    with pytest.raises(kca.ArgumentError, match="topic __consumer_offsets is internal"):
        system.redrive(kca.RedriveBuilder("local", "orders.dead").with_to_topic("__consumer_offsets"))


def test_what_is_wrong_with_a_redrive_is_raised() -> None:
    system = kca.System().add_connection(kca.Connection("local", "embedded://"))
    with pytest.raises(kca.ArgumentError, match="max_redrives must be 1 to 1000000, got 0"):
        system.redrive(kca.RedriveBuilder("local", "orders.dead").with_max_redrives(0))
    with pytest.raises(kca.StateError, match="not started"):
        system.redrive(kca.RedriveBuilder("local", "orders.dead"))
