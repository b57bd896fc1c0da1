"""aiokafka with orjson, ids made for each message: publishes with a window of messages under way."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections import deque

import aiokafka
import measured
import orjson


async def publish_all(producer: aiokafka.AIOKafkaProducer, topic: str, messages: int) -> None:
    window: deque[asyncio.Future[object]] = deque()
    for i in range(messages):
        window.append(
            await producer.send(
                topic,
                orjson.dumps(measured.ORDER),
                measured.KEYS[i % len(measured.KEYS)].encode(),
                headers=measured.ids_and_headers(topic),
            )
        )
        if len(window) == measured.BUFFER // 2:
            await window.popleft()
    await asyncio.gather(*window)


async def publish(o: Namespace, m: measured.Measure) -> None:
    producer = aiokafka.AIOKafkaProducer(
        bootstrap_servers=o.brokers, acks="all", linger_ms=measured.LINGER_MS, max_batch_size=128 * 1024
    )
    async with producer:
        await publish_all(producer, o.topic, measured.WARM_UP)
        m.start()
        await publish_all(producer, o.topic, o.messages)
        m.stop()


def main() -> None:
    o = measured.options()
    m = measured.Measure(aiokafka.__version__)
    asyncio.run(publish(o, m))
    m.print(o.messages)


main()
