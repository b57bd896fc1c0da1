"""kca: `publish` with a receipt for each message, `sync` one at a time, `asyncio` with a window of
messages under way, `consume` with a handler.
"""

from __future__ import annotations

import asyncio
import time
from argparse import Namespace
from collections import deque
from collections.abc import Awaitable
from typing import Any

import kca
import kca.asyncio
import measured

RECEIPTS_AT_ONCE = 256


def publisher(o: Namespace, **options: Any) -> kca.PublisherBuilder:
    return kca.PublisherBuilder(
        "kafka",
        o.topic,
        required_acks=-1,
        batch_size=measured.BATCH,
        buffer_messages=measured.BUFFER,
        **options,
    )


class Publisher:
    """Publishes, and takes the receipts meanwhile: unread ones would stop it."""

    def __init__(self, system: kca.System, topic: str) -> None:
        self.bus = system.event_bus(topic)
        self.queue = system.queue()

    def take(self, timeout_ms: int) -> int:
        count = 0
        for event in self.queue.next(RECEIPTS_AT_ONCE, timeout_ms):
            if not isinstance(event, kca.Receipt) or event.error:
                raise SystemExit(f"not stored: {event}")
            count += 1
        return count

    def publish_all(self, messages: int) -> None:
        stored = 0
        for i in range(messages):
            self.bus.publish(measured.ROUTE, measured.ORDER, key=measured.KEYS[i % len(measured.KEYS)], token=i + 1)
            while i + 1 - stored > measured.BUFFER - RECEIPTS_AT_ONCE:
                stored += self.take(-1)
        while stored < messages:
            stored += self.take(-1)


def publish(o: Namespace, m: measured.Measure) -> None:
    with kca.System(kca.Connection("kafka", o.brokers), publisher(o, linger_ms=measured.LINGER_MS)) as system:
        p = Publisher(system, o.topic)
        p.publish_all(measured.WARM_UP)
        m.start()
        p.publish_all(o.messages)
        m.stop()


def sync(o: Namespace, m: measured.Measure) -> None:
    with kca.System(kca.Connection("kafka", o.brokers), publisher(o, async_=False)) as system:
        bus = system.event_bus(o.topic)
        for _ in range(measured.WARM_UP // 10):
            bus.publish(measured.ROUTE, measured.ORDER, key=measured.KEYS[0])
        m.start()
        for i in range(o.messages):
            begin = time.perf_counter()
            bus.publish(measured.ROUTE, measured.ORDER, key=measured.KEYS[i % len(measured.KEYS)])
            m.latencies.append(time.perf_counter() - begin)
        m.stop()


async def await_all(bus: kca.asyncio.Bus, messages: int) -> None:
    window: deque[Awaitable[kca.Receipt]] = deque()
    for i in range(messages):
        window.append(bus.publish(measured.ROUTE, measured.ORDER, key=measured.KEYS[i % len(measured.KEYS)]))
        if len(window) == measured.BUFFER // 2:
            await window.popleft()
    await asyncio.gather(*window)


async def in_loop(o: Namespace, m: measured.Measure) -> None:
    system = kca.asyncio.System(kca.Connection("kafka", o.brokers), publisher(o, linger_ms=measured.LINGER_MS))
    async with system:
        bus = system.event_bus(o.topic)
        await await_all(bus, measured.WARM_UP)
        m.start()
        await await_all(bus, o.messages)
        m.stop()


def consume(o: Namespace, m: measured.Measure) -> None:
    system = kca.System(
        kca.Connection("kafka", o.brokers),
        kca.ConsumerBuilder(
            "kafka",
            o.topic,
            o.group,
            start_offset="earliest",
            queue_capacity=measured.FETCH_MESSAGES,
            max_wait_ms=measured.FETCH_WAIT_MS,
        ),
    )
    handled = -1  # the first starts the clock

    @system.handler(measured.ROUTE)
    def handle(order: dict[str, Any]) -> None:
        nonlocal handled
        handled += 1
        if handled == 0:
            m.start()
        elif handled == o.messages:
            m.stop()
            consumer.stop()

    with system:
        consumer = system.consumer(o.group)
        consumer.run()


def main() -> None:
    o = measured.options()
    m = measured.Measure(kca.__version__)
    if o.work == "asyncio":
        asyncio.run(in_loop(o, m))
    else:
        {"publish": publish, "sync": sync, "consume": consume}[o.work](o, m)
    m.print(o.messages)


main()
