"""What handlers return is their reply: in threads and in asyncio's loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import kca
import kca.asyncio
import pydantic
import pytest
from support import DEADLINE_SECONDS, KEY, events

Reply = tuple[bytes | None, dict[str, str]]


@dataclass
class Price:
    amount: float


class Model(pydantic.BaseModel):
    amount: float


def itself(message: kca.Delivery) -> kca.Delivery:
    return message


class Unwritten:
    """JSON has nothing like it."""


# What a handler returns, and the payload of the reply.
RESULTS: list[tuple[Any, bytes]] = [
    ({"a": [1, None]}, b'{"a":[1,null]}'),
    ([], b"[]"),
    ("text", b'"text"'),
    ("", b'""'),
    (b'{"as": "it is"}', b'{"as": "it is"}'),
    (0, b"0"),
    (1.5, b"1.5"),
    (True, b"true"),
    (False, b"false"),
    (None, b"null"),
    (kca.DONE, b"null"),
    (Price(9.5), b'{"amount":9.5}'),
    (Model(amount=9.5), b'{"amount":9.5}'),
    (kca.Message(None, "[1]", unnamed=True, headers={"colour": "blue"}), b"[1]"),
    (kca.REJECTED, b'{"error":"no reason given"}'),
    (Unwritten(), b'{"error":"a Unwritten cannot be written as JSON"}'),
    (kca.Rejected('no "more"'), b'{"error":"no \\"more\\""}'),
    (ValueError("ä\n" + "x" * 2000), ('{"error":"ä\\n' + "x" * 997 + '"}').encode()),
]


def result_of(index: int) -> Any:
    result = RESULTS[index][0]
    if isinstance(result, Exception):
        raise result
    return result


def shop(**options: Any) -> list[Any]:
    """Questions go to "orders", and replies to "answers"."""
    return [
        kca.Connection("local", "embedded://"),
        kca.PublisherBuilder("local", "orders", reply_channel="answers", required_acks=-1, linger_ms=0),
        kca.PublisherBuilder("local", "answers", required_acks=-1, linger_ms=0),
        kca.ConsumerBuilder("local", "orders", "shop", partition=0, failure_policy="skip", **options),
        kca.ConsumerBuilder("local", "answers", "asker", partition=kca.PARTITION_EVERY),
    ]


@pytest.fixture
def system() -> Iterator[kca.System]:
    made = kca.System(*shop(reply=True))
    yield made
    made.shutdown()


def ask(system: kca.System, *payloads: Any) -> None:
    """Questions with the correlation ids "0", "1" ... and one that ends the consumer."""
    system.handler("end", lambda message: system.consumer("shop").stop())
    system.start()
    bus = system.query_bus("orders")
    for i, payload in enumerate(payloads):
        bus.publish("question", payload, key=KEY, correlation_id=str(i))
    bus.publish("end", key=KEY, correlation_id="end")


def replies(system: kca.System, count: int) -> dict[str, Reply]:
    """The replies by correlation id."""
    found: dict[str, Reply] = {}
    queue = system.consumer("asker").queue()
    for event in events(queue):
        if isinstance(event, kca.Delivery):
            headers = {name: (value or b"").decode() for name, value in event.record_headers}
            assert event.correlation_id not in found
            found[event.correlation_id] = event.payload, headers
            event.done()
        if len(found) == count:
            break
    queue.close()
    return found


def check_all(found: dict[str, Reply]) -> None:
    for i, (result, payload) in enumerate(RESULTS):
        told, headers = found[str(i)]
        assert (told, headers["messageType"]) == (payload, "Document"), result
        assert "route" not in headers and "replyTo" not in headers
        assert (headers.get("colour") == "blue") == isinstance(result, kca.Message)
    assert found["end"][0] == b"null"


def test_what_a_handler_returns_is_its_reply(system: kca.System) -> None:
    system.handler("question", result_of)
    ask(system, *range(len(RESULTS)))
    system.consumer("shop").run()
    check_all(replies(system, len(RESULTS) + 1))
    assert system.description()["consumers"][0]["replied"] == len(RESULTS) + 1


class Store:
    """A deduplication store: its messages go another way through kca."""

    def __init__(self) -> None:
        self.marked: list[str] = []

    def seen(self, message_id: str) -> bool:
        return False

    def mark(self, message_id: str) -> None:
        self.marked.append(message_id)


def test_with_a_store_what_a_handler_returns_is_its_reply_too(system: kca.System) -> None:
    store = Store()
    system.set_deduplication_store("shop", store)
    system.handler("question", result_of)
    ask(system, *range(len(RESULTS)))
    system.consumer("shop").run()
    check_all(replies(system, len(RESULTS) + 1))
    assert len(store.marked) == len(RESULTS) + 1 - 4  # what has failed is not marked


def test_a_delivery_is_no_reply_to_itself(system: kca.System) -> None:
    """It would be one more question, with the same id and replyTo."""
    system.handler("question", itself)
    ask(system, 0)
    system.consumer("shop").run()
    error = b'{"error":"a Delivery is no reply: return its payload, its json() or a Message of its own"}'
    assert replies(system, 2)["0"][0] == error


def test_a_deferred_delivery_is_answered_when_it_is_settled(system: kca.System) -> None:
    @system.handler("question")
    def question(message: kca.Delivery) -> int:
        assert message.wants_reply
        message.reply("replaced")
        message.reply({"n": 7})
        kept.append(message)
        return kca.DEFERRED

    kept: list[kca.Delivery] = []
    ask(system, None)
    queue = system.consumer("shop").queue()
    while not kept:
        queue.dispatch(1, 1000)
    kept[0].done()
    with pytest.raises(kca.StateError):
        kept[0].reply(8)
    assert replies(system, 1)["0"][0] == b'{"n":7}'
    queue.close()


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING and r.name == "kca.consumer"]


def test_a_result_that_nobody_gets_is_told_once_for_each_handler(caplog: pytest.LogCaptureFixture) -> None:
    system = kca.System(*shop())
    system.handler("question", result_of)
    ask(system, 0, 1, 9, 10, 15)
    system.consumer("shop").run()
    system.shutdown()
    [told] = warnings(caplog)
    assert told.startswith("handler question returned a dict that nobody gets: ")


def test_what_is_answered_is_not_told(system: kca.System, caplog: pytest.LogCaptureFixture) -> None:
    system.handler("question", result_of)
    ask(system, 0, 1)
    system.consumer("shop").run()
    assert warnings(caplog) == []


# ---- in asyncio's loop ----


async def in_loop(handler: Callable[..., Any]) -> dict[str, Reply]:
    system = kca.asyncio.System(*shop(reply=True))
    system.handler("question", handler)
    system.handler("end", lambda message: system.consumer("shop").stop())
    async with system:
        bus = system.query_bus("orders")
        for i in range(len(RESULTS)):
            await bus.publish("question", i, key=KEY, correlation_id=str(i))
        await bus.publish("end", key=KEY, correlation_id="end")
        await system.consumer("shop").run()
        found: dict[str, Reply] = {}
        async for d in system.consumer("asker"):
            found[d.correlation_id] = d.payload, {name: (value or b"").decode() for name, value in d.record_headers}
            d.done()
            if len(found) == len(RESULTS) + 1:
                return found
    raise AssertionError("a reply is missing")


async def coroutine(index: int) -> Any:
    await asyncio.sleep(0)
    return result_of(index)


@pytest.mark.parametrize("handler", [coroutine, result_of])
def test_what_a_handler_in_the_loop_returns_is_its_reply(handler: Callable[..., Any]) -> None:
    check_all(asyncio.run(asyncio.wait_for(in_loop(handler), DEADLINE_SECONDS)))
