"""The peer of the cross test in Python; see peer.c."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import hostile
import kca
import kca.asyncio


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


def reader(topic: str) -> kca.ConsumerBuilder:
    b = kca.ConsumerBuilder("kafka", topic, "reader", partition=kca.PARTITION_EVERY, order="partition")
    return b.with_failure_policy("skip").with_commit_interval_ms(0)


def print_record(d: kca.Delivery) -> None:
    headers = d.record_headers
    print(hostile.line(d.offset, d.key, d.payload, headers), flush=True)
    assert len(d.headers) <= len(d.header_list) <= len(headers)
    repr((d, d.message_id, d.correlation_id, d.origin, d.version, d.reply_to, d.trace_context, d.timestamp_ms))


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
    }
    verbs[sys.argv[1]](*sys.argv[2:])
