"""Own translators: payloads of a form of their own, on the embedded broker."""

from __future__ import annotations

import asyncio
import gc
import struct
import weakref
from collections.abc import Iterator
from typing import Any

import kca
import kca.asyncio
import pytest
from kca.testing import embedded
from support import DEADLINE_SECONDS, KEY, events, wait_for

FORM = struct.Struct(">Id")  # an order's number and total


def pack(record: kca.Message, message: kca.Message) -> None:
    order = message.json()
    record.set_payload(FORM.pack(order["number"], order["total"]))
    record.set_header("content-type", "application/x-order")


def unpack(message: kca.Message, record: kca.Message) -> None:
    if record.header("content-type") != "application/x-order":
        raise kca.Rejected("it is no order")
    number, total = FORM.unpack(record.payload or b"")
    message.set_payload({"number": number, "total": total})


def foreign(message: kca.Message, record: kca.Message) -> kca.Message:
    """Records of another application: the name is a header, and nothing else is known."""
    assert (record.channel, record.partition, record.key) == ("orders", 0, b"k")
    return kca.Message(record.header("event") or None, record.payload, unnamed=True, message_id=record.header("id"))


def shop(**consumer: Any) -> kca.System:
    system = kca.System(
        kca.Connection("local", "embedded://"),
        kca.PublisherBuilder("local", "orders", required_acks=-1, async_=False),
        kca.PublisherBuilder("local", "dead", required_acks=-1, linger_ms=0),
        kca.ConsumerBuilder("local", "orders", "shop", partition=0, dead_letter_channel="dead", **consumer),
    )
    system.handler("*", lambda order: None)
    return system


def deliveries(system: kca.System) -> Iterator[kca.Delivery]:
    return (event for event in events(system.consumer("shop").queue()) if isinstance(event, kca.Delivery))


def counted(system: kca.System, what: str) -> int:
    return int(system.description()["consumers"][0][what])


def test_a_payload_is_packed_and_unpacked() -> None:
    with shop().set_translator("orders", to_record=pack, to_message=unpack) as system:
        order = {"number": 7, "total": 9.5}
        receipt = system.event_bus("orders").publish("orderCreated", order, key=KEY, headers={"tenant": "acme"})
        assert receipt
        found = deliveries(system)
        d = next(found)
        assert (d.name, d.json(), d.header("tenant")) == ("orderCreated", order, "acme")
        assert d.header("content-type") == "application/x-order"
        assert d.key == KEY.encode()
        assert ("route", b"orderCreated") in d.record_headers
        d.done()


def test_a_function_may_make_the_message_anew() -> None:
    with shop(deduplication=10).set_translator("orders", to_message=foreign) as system:
        bus = system.event_bus("orders")
        for number in (1, 1, 2):
            headers = {"event": "orderPaid", "id": str(number)}
            bus.publish(kca.Message(None, b"[1]", key="k", headers=headers, partition=0, raw=True))
        found = deliveries(system)
        for number in (1, 2):
            d = next(found)
            assert (d.name, d.message_id, d.json()) == ("orderPaid", str(number), [1])
            d.done()
        assert counted(system, "duplicates") == 1


def test_a_failure_of_publish_names_the_exception() -> None:
    with shop().set_translator("orders", to_record=pack) as system:
        bus = system.event_bus("orders")
        with pytest.raises(kca.TranslatorError, match="publisher orders: its translator failed: KeyError: 'total'"):
            bus.publish("orderCreated", {"number": 7})
        with pytest.raises(kca.TranslatorError) as failed:
            bus.publish(kca.Message("orderCreated", {"number": -1, "total": 1}))
        assert failed.value.retriable
        assert failed.value.name == "translator"


def test_what_cannot_be_translated_is_a_dead_letter_with_its_bytes() -> None:
    def odd(message: kca.Message, record: kca.Message) -> Any:
        return "no message"

    dead_letter_of(unpack, "Rejected")
    dead_letter_of(odd, "TypeError")


def dead_letter_of(function: Any, name: str) -> None:
    system = shop().set_translator("orders", to_message=function)
    system.add_consumer(kca.ConsumerBuilder("local", "dead", "reader", partition=kca.PARTITION_EVERY))
    with system:
        system.event_bus("orders").publish("orderCreated", b"\x00\xff", key=KEY, partition=0)
        queue = system.consumer("shop").queue()
        wait_for(lambda: not queue.next(1, 0) and counted(system, "dead_lettered") == 1, "the dead letter")
        letters = system.consumer("reader").queue()
        letter = next(event for event in events(letters) if isinstance(event, kca.Delivery))
        assert (letter.payload, letter.header("kca-dead-letter-error-name")) == (b"\x00\xff", name)
        letter.done()


def test_messages_of_a_call_may_be_kept() -> None:
    kept: list[kca.Message] = []

    def keep(made: kca.Message, of: kca.Message) -> None:
        kept.extend((made, of))

    with shop().set_translator("orders", to_record=keep, to_message=keep) as system:
        system.event_bus("orders").publish("orderCreated", {"number": 7}, key=KEY)
        found = deliveries(system)  # which has the queue
        next(found).done()
    gc.collect()
    assert [message.payload for message in kept] == [b'{"number":7}'] * 4
    assert [bool(message._is_raw) for message in kept] == [True, False, False, True]


def test_the_testing_helper_translates_and_answers() -> None:
    system = kca.System(
        kca.Connection("kafka", "nowhere.invalid:9092"),
        kca.PublisherBuilder("kafka", "orders", required_acks=-1),
        kca.PublisherBuilder("kafka", "dead", required_acks=-1),
        kca.ConsumerBuilder("kafka", "orders", "shop", reply=True, dead_letter_channel="dead", max_attempts=2),
    ).set_translator("orders", to_record=pack, to_message=unpack)
    rows: list[Any] = []

    @system.handler("total")
    def total(order: dict[str, float]) -> float:
        return order["total"]

    @system.batch_handler("row", wait_ms=1)
    def store(batch: list[dict[str, float]]) -> None:
        rows.extend(batch)

    with embedded(system) as app:
        assert app.send("orders", "total", {"number": 7, "total": 9.5}) == 9.5
        app.publish("orders", "row", {"number": 8, "total": 1.5})
        app.publish("orders", kca.Message(None, b"foreign", raw=True))
        app.assert_handled("row", {"number": 8})
        app.assert_published("orders", "total", {"total": 9.5})
        assert rows == [{"number": 8, "total": 1.5}]
        [letter] = [p for p in app.published if p.error_name == "Rejected"]
        assert (letter.topic, letter.payload) == ("dead", b"foreign")


def test_what_is_delivered_later_keeps_its_form() -> None:
    system = shop()
    ladder = kca.PublisherBuilder("local", "later", delay_channel="an.hour", delay_channel_ms=3600000)
    system.add_publisher(ladder.with_required_acks(-1))
    system.add_consumer(kca.ConsumerBuilder("local", "an.hour", "relay", partition=0, relay=True))
    system.set_translator("later", to_record=pack, to_message=unpack)
    with embedded(system) as app:
        system.event_bus("later").publish("order", {"number": 7, "total": 9.5}, deliver_at=4102444800000)
        app.assert_published("later", "order", {"number": 7, "total": 9.5}, times=1)


def test_the_loop_translates_too() -> None:
    async def work() -> None:
        system = kca.asyncio.System(
            kca.Connection("local", "embedded://"),
            kca.PublisherBuilder("local", "orders", required_acks=-1),
            kca.ConsumerBuilder("local", "orders", "shop", partition=0),
        ).set_translator("orders", to_record=pack, to_message=unpack)
        system.handler("*", lambda order: None)
        async with system:
            with pytest.raises(kca.TranslatorError, match="KeyError"):
                await system.event_bus("orders").publish("orderCreated", {"number": 7}, key=KEY)
            await system.event_bus("orders").publish("orderCreated", {"number": 7, "total": 9.5}, key=KEY)
            async for d in system.consumer("shop"):
                assert d.json() == {"number": 7, "total": 9.5}
                d.done()
                break

    asyncio.run(asyncio.wait_for(work(), DEADLINE_SECONDS))


def forgotten_shop() -> weakref.ref[kca.System]:
    system = shop()

    def holding(record: kca.Message, message: kca.Message) -> None:
        assert system

    system.set_translator("orders", to_record=holding)
    return weakref.ref(system)


def test_a_translator_does_not_keep_its_system() -> None:
    alive = forgotten_shop()
    gc.collect()
    assert alive() is None


def test_what_is_no_translator_is_refused() -> None:
    system = shop()
    with pytest.raises(TypeError, match="must be|made of functions, got 7"):
        system.set_translator("orders", to_record=7)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="to_record, or to_message"):
        system.set_translator("orders")
    with pytest.raises(kca.NotFoundError, match="nowhere"):
        system.set_translator("nowhere", to_record=pack)
    with system, pytest.raises(kca.StateError, match="started"):
        system.set_translator("orders", to_record=pack)
