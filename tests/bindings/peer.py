"""The peer of the cross test in Python; see peer.c."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import kca


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
        headers={"sender": sender},
        trace_context=(traceparent, tracestate),
    )
    system.shutdown()


def handle(bootstrap: str, topic: str, group: str, count: str) -> None:
    system = new_system(bootstrap)
    system.add_consumer(kca.ConsumerBuilder("kafka", topic, group))
    left = int(count)

    @system.handler("*")
    def handle_one(order: Any, m: kca.Delivery) -> None:
        nonlocal left
        payload = (m.payload or b"").hex()
        print(m.name, m.message_id, m.correlation_id, m.header("sender"), *m.trace_context, payload, sep="\t")
        left -= 1
        if left == 0:
            consumer.stop()

    system.start()
    consumer = system.consumer(group)
    consumer.run()
    system.shutdown()


if __name__ == "__main__":
    verbs: dict[str, Callable[..., None]] = {"publish": publish, "handle": handle}
    verbs[sys.argv[1]](*sys.argv[2:])
