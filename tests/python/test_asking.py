"""Sending a message and waiting for its reply, on the embedded broker, on threads and in asyncio's loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import kca
import kca.asyncio
import pytest
from support import events, wait_for
from waits import wait_in_loop_for

COME_MS = 60000


@dataclass
class Price:
    amount: int
    currency: str = "EUR"


@dataclass
class PriceOf:
    id: int


def declarations() -> list[Any]:
    return [
        kca.Connection("local", "embedded://"),
        kca.PublisherBuilder("local", "prices", required_acks=-1, linger_ms=0, reply_channel="answers"),
        kca.PublisherBuilder("local", "answers", required_acks=-1, linger_ms=0),
        kca.ConsumerBuilder("local", "prices", "shop", partition=kca.PARTITION_EVERY),
    ]


def answer_to(asked: kca.Delivery) -> Any:
    """The reply to {"id": n}: an amount, for a negative id an error; None: there is none."""
    id = asked.json()["id"]
    return {"error": "there is no such thing"} if id < 0 else {"amount": id * 10} if id else None


@contextmanager
def answering() -> Iterator[kca.System]:
    """A system whose consumer answers by hand, on a thread."""
    system = kca.System(*declarations())

    @system.handler("priceOf")
    def price_of(asked: kca.Delivery) -> None:
        if (reply := answer_to(asked)) is not None:
            replies.publish(None, reply, unnamed=True, correlation_id=asked.correlation_id)

    with system:
        replies = system.event_bus("answers")
        consumer = system.consumer("shop")
        thread = threading.Thread(target=consumer.run)
        thread.start()
        try:
            yield system
        finally:
            consumer.stop()
            thread.join()


def channel_of(system: Any) -> dict[str, Any]:
    told: dict[str, Any] = system.description()["reply_channels"][0]
    return told


def test_send_gives_the_payload_of_the_reply() -> None:
    with answering() as system:
        bus = system.query_bus("prices")
        assert bus.send("priceOf", {"id": 7}, timeout_ms=COME_MS) == {"amount": 70}
        assert bus.send(PriceOf(8), returns=Price, timeout_ms=COME_MS) == Price(80)
        asked = kca.Message("priceOf", {"id": 9})
        assert bus.send(asked, returns=bytes, timeout_ms=COME_MS) == b'{"amount":90}'
        assert bus.send(asked, timeout_ms=COME_MS) == {"amount": 90}
        with pytest.raises(kca.PayloadError, match="currency"):
            bus.send("priceOf", {"id": 7}, returns=Strict, timeout_ms=COME_MS)


@dataclass
class Strict:
    amount: int
    currency: str


def test_an_error_reply_raises_its_text() -> None:
    with (
        answering() as system,
        pytest.raises(kca.ReplyError, match="^there is no such thing$") as raised,
    ):
        system.command_bus("prices").send("priceOf", {"id": -1}, timeout_ms=COME_MS)
    assert raised.value.name == "reply"


def test_no_reply_in_time_is_a_timeout() -> None:
    with answering() as system:
        with pytest.raises(kca.TimedOutError, match="no answer to priceOf came in time"):
            system.query_bus("prices").send("priceOf", {"id": 0}, timeout_ms=20)
        assert channel_of(system)["timed_out"] == 1


def test_threads_ask_side_by_side() -> None:
    with answering() as system:
        bus = system.query_bus("prices")
        got: dict[int, Any] = {}

        def ask(id: int) -> None:
            got[id] = bus.send("priceOf", {"id": id}, timeout_ms=COME_MS)["amount"]

        threads = [threading.Thread(target=ask, args=[id]) for id in range(1, 21)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert got == {id: id * 10 for id in range(1, 21)}


def test_with_a_token_the_reply_is_an_event() -> None:
    with answering() as system:
        bus, queue = system.query_bus("prices"), system.queue()
        assert bus.send("priceOf", {"id": 7}, token=1, timeout_ms=COME_MS) is None
        bus.send("priceOf", {"id": -1}, token=2, timeout_ms=COME_MS)
        bus.send("priceOf", {"id": 0}, token=3, timeout_ms=-1)
        bus.cancel(3)
        replies = {}
        for event in events(queue):
            if isinstance(event, kca.Reply):
                replies[event.token] = event
            if len(replies) == 3:
                break
        first, refused, cancelled = replies[1], replies[2], replies[3]
        assert first.error is None and first.message is not None
        assert first.message.json() == {"amount": 70}
        assert isinstance(refused.error, kca.ReplyError) and refused.message is not None
        assert refused.message.json() == {"error": "there is no such thing"}
        assert isinstance(cancelled.error, kca.CancelledError) and cancelled.message is None
        with pytest.raises(kca.NotFoundError):
            bus.cancel(3)


def test_what_cannot_be_answered_is_refused() -> None:
    with kca.System(*declarations()[:3]) as system:
        with pytest.raises(kca.ArgumentError, match="nobody answers an event"):
            system.event_bus("prices").send("priceOf", {})
        with pytest.raises(kca.StateError, match="give it a reply_channel"):
            system.query_bus("answers").send("priceOf", {})
        with pytest.raises(kca.ArgumentError, match="reply_to"):
            system.query_bus("prices").send("priceOf", {}, reply_to="elsewhere")


# ---- asyncio ----


def run_answering(work: Any) -> None:
    """Runs a coroutine function beside a consumer that answers by hand, in one loop."""

    async def main() -> None:
        system = kca.asyncio.System(*declarations())

        @system.handler("priceOf")
        async def price_of(asked: kca.Delivery) -> None:
            if (reply := answer_to(asked)) is not None:
                await replies.publish(None, reply, unnamed=True, correlation_id=asked.correlation_id)

        async with system:
            replies = system.event_bus("answers")
            async with system.consumer("shop", amount_of_processors=8).running():
                await work(system)

    asyncio.run(main())


def test_await_gives_the_reply() -> None:
    async def work(system: kca.asyncio.System) -> None:
        bus = system.query_bus("prices")
        assert await bus.send(PriceOf(8), returns=Price, timeout_ms=COME_MS) == Price(80)
        asks = [bus.send("priceOf", {"id": id}, timeout_ms=COME_MS) for id in range(1, 501)]
        assert [each["amount"] for each in await asyncio.gather(*asks)] == [id * 10 for id in range(1, 501)]
        with pytest.raises(kca.ReplyError, match="no such thing"):
            await bus.send("priceOf", {"id": -1}, timeout_ms=COME_MS)
        with pytest.raises(kca.TimedOutError):
            await bus.send("priceOf", {"id": 0}, timeout_ms=20)

    run_answering(work)


def test_a_cancelled_send_waits_no_more() -> None:
    async def work(system: kca.asyncio.System) -> None:
        task = asyncio.create_task(system.query_bus("prices").send("priceOf", {"id": 0}, timeout_ms=-1))
        await wait_in_loop_for(lambda: channel_of(system)["waiting"] > 0, "an ask that waits")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert channel_of(system)["cancelled"] == 1

    run_answering(work)


def test_more_asks_than_there_is_room_for_wait_for_their_turn() -> None:
    asked: list[int] = []

    async def main() -> None:
        some = declarations()
        some[1].with_buffer_messages(10).with_buffer_timeout_ms(-1)
        system = kca.asyncio.System(*some)

        @system.handler("priceOf")
        async def price_of(question: kca.Delivery) -> None:
            asked.append(question.json()["id"])
            await replies.publish(
                None,
                answer_to(question),
                unnamed=True,
                correlation_id=question.correlation_id,
            )

        async def ask_twice(
            id: int,
        ) -> None:  # those that wait come before who asks again
            for each in (id, 100 + id):
                await bus.send("priceOf", {"id": each}, key="k", timeout_ms=COME_MS)

        async with system:
            bus, replies = system.query_bus("prices"), system.event_bus("answers")
            async with system.consumer("shop").running():
                await asyncio.gather(*(ask_twice(id) for id in range(1, 41)))

    asyncio.run(main())
    assert asked[:40] == list(range(1, 41))
    assert sorted(asked[40:]) == list(range(101, 141))


def test_an_ask_that_is_cancelled_while_it_waits_for_room_is_not_sent() -> None:
    async def main() -> None:
        some = declarations()[:3]
        some[1].with_buffer_messages(1).with_buffer_timeout_ms(-1)
        async with kca.asyncio.System(*some) as system:
            bus = system.query_bus("prices")
            asks = [asyncio.create_task(bus.send("priceOf", {"id": 0}, timeout_ms=-1)) for _ in range(3)]
            await wait_in_loop_for(lambda: channel_of(system)["waiting"] > 0, "an ask that waits")
            asks[1].cancel()
            with pytest.raises(asyncio.CancelledError):
                await asks[1]
            asks[0].cancel()
            with pytest.raises(asyncio.CancelledError):
                await asks[0]
            await wait_in_loop_for(lambda: channel_of(system)["asked"] == 2, "the next ask")
            asks[2].cancel()
            with pytest.raises(asyncio.CancelledError):
                await asks[2]
            assert channel_of(system)["cancelled"] == channel_of(system)["asked"] == 2

    asyncio.run(main())


def test_room_for_an_ask_that_does_not_come_is_an_error() -> None:
    async def main() -> None:
        some = declarations()[:3]
        some[1].with_buffer_messages(1).with_buffer_timeout_ms(20)
        async with kca.asyncio.System(*some) as system:
            bus = system.query_bus("prices")
            first = asyncio.create_task(bus.send("priceOf", {"id": 0}, timeout_ms=-1))
            await wait_in_loop_for(lambda: channel_of(system)["waiting"] > 0, "an ask that waits")
            with pytest.raises(kca.BufferFullError, match="within 20 ms"):
                await bus.send("priceOf", {"id": 0}, timeout_ms=-1)
        with pytest.raises(kca.StoppedError):
            await first

    asyncio.run(main())


def test_a_shutdown_ends_what_waits() -> None:
    async def main() -> None:
        async with kca.asyncio.System(*declarations()[:3]) as system:
            task = asyncio.create_task(system.query_bus("prices").send("priceOf", {"id": 0}, timeout_ms=-1))
            await wait_in_loop_for(lambda: channel_of(system)["waiting"] > 0, "an ask that waits")
        with pytest.raises(kca.StoppedError, match="shut down"):
            await task

    asyncio.run(main())


def test_a_thread_that_waits_is_ended_by_a_shutdown() -> None:
    system = kca.System(*declarations()[:3]).start()
    errors: list[kca.Error] = []

    def ask() -> None:
        try:
            system.query_bus("prices").send("priceOf", {"id": 0}, timeout_ms=-1)
        except kca.Error as e:
            errors.append(e)

    thread = threading.Thread(target=ask)
    thread.start()
    wait_for(lambda: channel_of(system)["waiting"] == 1, "the ask")
    system.shutdown()
    thread.join()
    assert isinstance(errors[0], kca.StoppedError)


def test_a_shutdown_waits_for_no_answer_for_ever() -> None:
    system = kca.System(*declarations())
    ends: list[type] = []

    @system.handler("priceOf")
    def price_of(
        asked: kca.Delivery,
    ) -> None:  # the consumer that it waits for waits for it
        try:
            system.query_bus("prices").send("priceOf", {"id": 0}, timeout_ms=-1)
        except kca.Error as e:
            ends.append(type(e))

    system.start()
    running = threading.Thread(target=system.consumer("shop").run)
    running.start()
    system.query_bus("prices").publish("priceOf", {"id": 1})
    wait_for(lambda: channel_of(system)["waiting"] == 1, "the ask")
    stopping = threading.Thread(target=system.shutdown, args=(-1,))
    stopping.start()
    for thread in (stopping, running):
        thread.join(COME_MS / 1000)
        assert not thread.is_alive()
    assert ends == [kca.StoppedError]


def test_a_shutdown_in_a_loop_waits_for_no_answer_for_ever() -> None:
    ends: list[type] = []

    async def main() -> None:
        system = kca.asyncio.System(*declarations())

        @system.handler("priceOf")
        async def price_of(asked: kca.Delivery) -> None:
            try:
                await system.query_bus("prices").send("priceOf", {"id": 0}, timeout_ms=-1)
            except kca.Error as e:
                ends.append(type(e))

        await system.start()
        running = asyncio.create_task(system.consumer("shop").run())
        await system.query_bus("prices").publish("priceOf", {"id": 1})
        await wait_in_loop_for(lambda: channel_of(system)["waiting"] > 0, "an ask that waits")
        await asyncio.wait_for(system.shutdown(-1), COME_MS / 1000)
        await running

    asyncio.run(main())
    assert ends == [kca.StoppedError]
