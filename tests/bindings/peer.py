"""The peer of the cross test in Python; see peer.c."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any

import hostile
import kca
import kca.asyncio

PATIENCE_MS = 120000


def new_system(bootstrap: str) -> kca.System:
    system = kca.System().log_to_stderr(kca.LOG_WARN)
    return system.add_connection(kca.Connection("kafka", bootstrap))


def publish(
    bootstrap: str,
    topic: str,
    name: str,
    message_id: str,
    correlation_id: str,
    sender: str,
    traceparent: str,
    tracestate: str,
    payload: str,
) -> None:
    system = new_system(bootstrap)
    system.add_publisher(kca.PublisherBuilder("kafka", topic).with_required_acks(-1).with_async(False))
    system.start()
    system.event_bus(topic).publish(
        name,
        payload,
        message_id=message_id,
        correlation_id=correlation_id,
        reply_to=f"{topic}.replies",
        headers={"sender": sender},
        trace_context=(traceparent, tracestate),
    )
    system.shutdown()


def handle(bootstrap: str, topic: str, group: str, count: str) -> None:
    system = new_system(bootstrap)
    system.add_publisher(kca.PublisherBuilder("kafka", f"{topic}.replies", required_acks=-1))
    system.add_consumer(kca.ConsumerBuilder("kafka", topic, group, reply=True))
    left = int(count)

    @system.handler("*")
    def handle_one(order: Any, m: kca.Delivery) -> dict[str, str]:
        nonlocal left
        payload = (m.payload or b"").hex()
        print(m.name, m.message_id, m.correlation_id, m.header("sender"), *m.trace_context, payload, sep="\t")
        left -= 1
        if left == 0:
            consumer.stop()
        return {"by": group, "to": m.name}

    system.start()
    consumer = system.consumer(group)
    consumer.run()
    system.shutdown()


def answerer(channel: str, replies: str) -> list[Any]:
    return [
        kca.PublisherBuilder("kafka", replies, required_acks=-1, linger_ms=0),
        kca.ConsumerBuilder("kafka", channel, channel, reply=True, failure_policy="skip"),
    ]


def asking(replies: str, channels: tuple[str, ...]) -> list[Any]:
    return [
        kca.PublisherBuilder("kafka", channel, required_acks=-1, linger_ms=0, reply_channel=replies)
        for channel in channels
    ]


def answer(bootstrap: str, channel: str, replies: str, count: str) -> None:
    system = kca.System(kca.Connection("kafka", bootstrap), *answerer(channel, replies))
    left = iter(range(int(count) - 1, -1, -1))

    @system.handler("greet")
    def greet(asked: kca.Delivery) -> dict[str, str]:
        if not next(left):
            consumer.stop()
        return {"from": channel, "id": asked.correlation_id}

    @system.handler("refuse")
    def refuse(asked: kca.Delivery) -> None:
        if not next(left):
            consumer.stop()
        raise kca.Rejected(f"{channel} greets nobody")

    system.start(PATIENCE_MS)
    consumer = system.consumer(channel)
    consumer.run()
    system.shutdown()


def ask(bootstrap: str, replies: str, asker: str, traceparent: str, *channels: str) -> None:
    system = kca.System(kca.Connection("kafka", bootstrap), *asking(replies, channels))
    system.start(PATIENCE_MS)
    for channel in channels:
        bus = system.query_bus(channel)
        fields: Any = {"trace_context": (traceparent, ""), "timeout_ms": PATIENCE_MS}
        greeting = bus.send("greet", {}, correlation_id=f"{asker}>{channel}", **fields)
        print(channel, json.dumps(greeting), sep="\t")
        try:
            bus.send("refuse", {}, correlation_id=f"{asker}>{channel}!", **fields)
        except kca.Error as e:
            print(channel, type(e).__name__, e, sep="\t")
    system.shutdown()


async def answer_in_asyncio(bootstrap: str, channel: str, replies: str, count: str) -> None:
    system = kca.asyncio.System(kca.Connection("kafka", bootstrap), *answerer(channel, replies))
    left = iter(range(int(count) - 1, -1, -1))

    @system.handler("greet")
    async def greet(asked: kca.Delivery) -> dict[str, str]:
        if not next(left):
            consumer.stop()
        return {"from": channel, "id": asked.correlation_id}

    @system.handler("refuse")
    async def refuse(asked: kca.Delivery) -> None:
        if not next(left):
            consumer.stop()
        raise kca.Rejected(f"{channel} greets nobody")

    await system.start(PATIENCE_MS)
    consumer = system.consumer(channel)
    await consumer.run()
    await system.shutdown()


async def ask_in_asyncio(bootstrap: str, replies: str, asker: str, traceparent: str, *channels: str) -> None:
    system = kca.asyncio.System(kca.Connection("kafka", bootstrap), *asking(replies, channels))

    async def ask_one(channel: str) -> None:
        bus = system.query_bus(channel)
        fields: Any = {"trace_context": (traceparent, ""), "timeout_ms": PATIENCE_MS}
        greeting = await bus.send("greet", {}, correlation_id=f"{asker}>{channel}", **fields)
        print(channel, json.dumps(greeting), sep="\t")
        try:
            await bus.send("refuse", {}, correlation_id=f"{asker}>{channel}!", **fields)
        except kca.Error as e:
            print(channel, type(e).__name__, e, sep="\t")

    await system.start(PATIENCE_MS)
    await asyncio.gather(*(ask_one(channel) for channel in channels))
    await system.shutdown()


def answer_async(*arguments: str) -> None:
    asyncio.run(answer_in_asyncio(*arguments))


def ask_async(*arguments: str) -> None:
    asyncio.run(ask_in_asyncio(*arguments))


def reader(topic: str) -> kca.ConsumerBuilder:
    b = kca.ConsumerBuilder("kafka", topic, "reader", partition=kca.PARTITION_EVERY, order="partition")
    return b.with_failure_policy("skip").with_commit_interval_ms(0)


def print_record(d: kca.Delivery) -> None:
    headers = d.record_headers
    print(hostile.line(d.offset, d.key, d.payload, headers), flush=True)
    assert len(d.headers) <= len(d.header_list) <= len(headers)
    repr(
        (
            d,
            d.message_id,
            d.correlation_id,
            d.origin,
            d.version,
            d.reply_to,
            d.trace_context,
            d.timestamp_ms,
        )
    )


def read(bootstrap: str, topic: str, form: str) -> None:
    system = kca.System(kca.Connection("kafka", bootstrap), reader(topic))

    def take(order: Any, d: kca.Delivery) -> None:
        print_record(d)

    @system.handler("end")
    def end(d: kca.Delivery) -> None:
        print_record(d)
        consumer.stop()

    if form == "all":
        system.handler("*")(print_record)
    else:
        system.handler("orderCreated")(take)
    with system:
        consumer = system.consumer("reader")
        consumer.run()
        print(system.describe())


async def read_in_asyncio(bootstrap: str, topic: str, form: str) -> None:
    system = kca.asyncio.System(kca.Connection("kafka", bootstrap), reader(topic))

    async def take(order: Any, d: kca.Delivery) -> None:
        print_record(d)

    async def take_any(d: kca.Delivery) -> None:
        print_record(d)

    @system.handler("end")
    async def end(d: kca.Delivery) -> None:
        print_record(d)
        consumer.stop()

    if form == "all":
        system.handler("*")(take_any)
    else:
        system.handler("orderCreated")(take)
    async with system:
        consumer = system.consumer("reader")
        await consumer.run()
        print(system.describe())


def read_async(bootstrap: str, topic: str, form: str) -> None:
    asyncio.run(read_in_asyncio(bootstrap, topic, form))


if __name__ == "__main__":
    verbs: dict[str, Callable[..., None]] = {
        "publish": publish,
        "handle": handle,
        "read": read,
        "read_async": read_async,
        "answer": answer,
        "answer_async": answer_async,
        "ask": ask,
        "ask_async": ask_async,
    }
    verbs[sys.argv[1]](*sys.argv[2:])
