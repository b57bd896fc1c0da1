"""CloudEvents, written and read by publishers and consumers of that dialect, on the embedded broker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import kca
import pytest
from support import KEY, events, wait_for

MODES = ["cloudevents", "cloudevents-structured"]
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def shop(mode: str, **consumer: Any) -> kca.System:
    system = kca.System(
        kca.Connection("local", "embedded://"),
        kca.PublisherBuilder("local", "orders", required_acks=-1, async_=False, dialect=mode),  # type: ignore[arg-type]
        kca.PublisherBuilder("local", "orders.dead", required_acks=-1, linger_ms=0),
        kca.ConsumerBuilder("local", "orders", "shop", partition=0, **consumer),
    )
    system.handler("*", lambda order: None)
    return system


def deliveries(system: kca.System, consumer: str = "shop") -> Iterator[kca.Delivery]:
    for event in events(system.consumer(consumer).queue()):
        if isinstance(event, kca.Delivery):
            yield event


def told(d: kca.Delivery) -> tuple[object, ...]:
    ids = (
        d.name,
        d.message_id,
        d.correlation_id,
        d.origin,
        d.version,
        d.reply_to,
        d.channel,
        d.type,
        d.timestamp_ms,
    )
    return (
        *ids,
        d.payload,
        d.key,
        d.trace_context,
        d.header("ce_tenant"),
        d.header("plain"),
        d.header("content-type"),
    )


@pytest.mark.parametrize("dead_letter_format", ["kca", "spring", "gomes"])
@pytest.mark.parametrize("mode", MODES)
def test_an_event_survives_its_dead_letter(mode: str, dead_letter_format: str) -> None:
    dead_letters = {
        "dead_letter_channel": "orders.dead",
        "dead_letter_format": dead_letter_format,
    }
    with shop(mode, dialect="cloudevents", **dead_letters) as system:
        system.event_bus("orders").publish(
            "orderCreated", {"total": 1.50}, key=KEY, message_id="m-1", correlation_id="c-1", origin="/shop",
            version="2", reply_to="replies", timestamp_ms=1771236000005, trace_context=(TRACEPARENT, "a=1"),
            headers={"ce_tenant": "é", "plain": "p"},
        )  # fmt: skip
        found = deliveries(system)
        first = next(found)
        whole = told(first)
        assert whole == (
            "orderCreated", "m-1", "c-1", "/shop", "2", "replies", "orders", kca.TYPE_EVENT, 1771236000005,
            b'{"total":1.5}', KEY.encode(), (TRACEPARENT, "a=1"), "é", "p", "application/json",
        )  # fmt: skip
        assert first.json() == {"total": 1.5}
        first.rejected("NotNow", "too early")
        wait_for(
            lambda: system.description()["consumers"][0]["dead_lettered"] == 1,
            "the dead letter",
        )
        redrive = kca.RedriveBuilder("local", "orders.dead", dry_run=False, to_topic="orders")
        assert system.redrive(redrive)["redriven"] == 1
        second = next(found)
        assert second.offset > first.offset
        assert told(second) == whole
        second.done()


@pytest.mark.parametrize("mode", MODES)
def test_an_event_that_asks_is_answered_by_one(mode: str) -> None:
    system = shop(mode, dialect="cloudevents", reply=True)
    system.add_publisher(
        kca.PublisherBuilder("local", "replies", required_acks=-1, linger_ms=0, dialect=mode)  # type: ignore[arg-type]
    )
    every = kca.PARTITION_EVERY
    system.add_consumer(kca.ConsumerBuilder("local", "replies", "asker", partition=every, dialect="cloudevents"))
    with system:
        fields = {"correlation_id": "c-1", "reply_to": "replies", "headers": {"content-type": "text/plain"}}
        system.command_bus("orders").publish("placeOrder", "é", key=KEY, **fields)  # type: ignore[arg-type]
        found = deliveries(system)
        asked = next(found)
        assert (asked.type, asked.payload) == (kca.TYPE_COMMAND, "é".encode())
        asked.reply({"number": 7})
        asked.done()
        answers = deliveries(system, "asker")
        answer = next(answers)
        assert (answer.correlation_id, answer.type, answer.json()) == ("c-1", kca.TYPE_DOCUMENT, {"number": 7})
        assert answer.name == "Document"
        answer.done()


@pytest.mark.parametrize("mode", MODES)
def test_a_consumer_of_another_dialect_sees_headers(mode: str) -> None:
    with shop(mode) as system:
        system.event_bus("orders").publish("orderCreated", {}, key=KEY)
        found = deliveries(system)  # which has the queue
        d = next(found)
        assert d.name == ""
        assert d.header("ce_type") == ("orderCreated" if mode == "cloudevents" else None)
        d.done()


def test_a_record_that_is_no_event_is_read_as_gomes_wrote_it() -> None:
    with shop("gomes", dialect="cloudevents") as system:
        system.event_bus("orders").publish("orderCreated", {}, key=KEY, message_id="m-1")
        found = deliveries(system)  # which has the queue
        d = next(found)
        assert (d.name, d.message_id) == ("orderCreated", "m-1")
        d.done()


def test_a_dialect_that_there_is_not_is_refused() -> None:
    with pytest.raises(kca.ArgumentError, match="dialect must be one of gomes, cloudevents, got avro"):
        kca.ConsumerBuilder("local", "orders", "shop", dialect="avro")  # type: ignore[arg-type]
