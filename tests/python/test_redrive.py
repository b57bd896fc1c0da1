"""Dead letters are published again, on the embedded broker."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import kca
import kca.asyncio
import pytest
from kca.testing import embedded
from support import KEY, declared
from waits import DEADLINE_SECONDS, wait_for, wait_in_loop_for

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


def test_in_a_loop_what_follows_a_dead_letter_is_handled_behind_it() -> None:
    system = kca.asyncio.System(
        kca.Connection("local", "embedded://"),
        kca.PublisherBuilder("local", "orders", required_acks=-1),
        kca.PublisherBuilder("local", "orders.dead", required_acks=-1, linger_ms=0),
        kca.ConsumerBuilder("local", "orders", "shop", partition=0, dead_letter_channel="orders.dead", park=True),
    )
    seen: list[int] = []
    failing = {1}

    @system.handler("orderCreated")
    async def handle(order: Any) -> None:
        if order["id"] in failing:
            raise TimeoutError("it was too early")
        seen.append(order["id"])

    def told(name: str) -> Any:
        consumer = system.description()["consumers"][0]
        return consumer.get(name, [each.get(name) for each in consumer["partitions"]])

    async def work() -> None:
        async with system, system.consumer("shop").running() as consumer:
            bus = system.event_bus("orders")
            for number in 1, 2, 3:
                await bus.publish("orderCreated", {"id": number}, key=KEY)
            await wait_in_loop_for(lambda: told("parked") == 2, "those behind it")
            failing.clear()
            await system.redrive(kca.RedriveBuilder("local", "orders.dead", dry_run=False))
            await wait_in_loop_for(lambda: told("parked_keys") == [0], "the end of the line")
            assert seen == [1, 2, 3]
            failing.add(4)
            await bus.publish("orderCreated", {"id": 4}, key=KEY)
            await wait_in_loop_for(lambda: told("parked_keys") == [1], "the next dead letter")
            consumer.unpark(KEY)
            await bus.publish("orderCreated", {"id": 5}, key=KEY)
            await wait_in_loop_for(lambda: seen == [1, 2, 3, 5], "what comes after the key was let go")

    asyncio.run(asyncio.wait_for(work(), DEADLINE_SECONDS))


def test_the_testing_helper_shows_what_is_parked() -> None:
    system = declared(dead_letter_channel="orders.dead", park=True)
    system.add_publisher(kca.PublisherBuilder("local", "orders.dead").with_required_acks(-1).with_linger_ms(0))

    @system.handler("orderCreated")
    def handle(order: Any) -> None:
        if order["id"] == 1:
            raise TimeoutError("it was too early")

    with embedded(system) as app:
        for number in 1, 2:
            app.publish("orders", "orderCreated", {"id": number}, key=KEY)
        app.publish("orders", "orderCreated", {"id": 3}, key="another")
        app.assert_dead_lettered("orders.dead", "orderCreated", {"id": 1}, error="TimeoutError", times=1)
        parked = app.assert_dead_lettered("orders.dead", "orderCreated", {"id": 2}, error="parked", times=1)
        assert parked.headers["kca-dead-letter-waits-for"] == b"0"
        app.assert_handled("orderCreated", {"id": 3}, times=1)


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
