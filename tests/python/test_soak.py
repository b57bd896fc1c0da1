"""Publishing and handling for long: memory stays flat, and no object stays behind. KCA_SOAK_SECONDS: how long (15).

Against a real Kafka, as the embedded broker keeps what was published in this process.
"""

from __future__ import annotations

import gc
import os
import time
import uuid
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import kca
import pytest

SECONDS = float(os.environ.get("KCA_SOAK_SECONDS", "15"))
# Buffers, arenas and the broker's answers take their place in this part.
WARM_UP = 0.3
MOST_GROWTH_MB = 4.0
AT_ONCE = 200
# Objects that come and go by the hour, such as the caches of the interpreter.
MOST_NEW_OBJECTS = 200


@dataclass
class Reading:
    sensor: str
    values: list[float]


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024**2


def objects() -> Counter[str]:
    gc.collect()
    return Counter(type(o).__qualname__ for o in gc.get_objects())


class Load:
    """Publishes in bursts, and the next when the last is handled."""

    def __init__(self) -> None:
        topic = f"soak-{uuid.uuid4()}"
        hosts = os.environ["KCA_BROKER_PLAINTEXT"]
        self.handled = 0
        self.system = kca.System(
            kca.Connection("kafka", hosts),
            kca.PublisherBuilder("kafka", topic, required_acks=-1, linger_ms=1),
            kca.ConsumerBuilder("kafka", topic, topic, start_offset="earliest", failure_policy="skip"),
        )
        self.system.on(kca.Fault, lambda fault: None)
        self.system.handler("reading", self.handle)
        self.topic = topic

    def handle(self, reading: Reading, delivery: kca.Delivery) -> None:
        assert delivery.headers["unit"] == b"K"
        self.handled += 1
        if self.handled % 50 == 0:
            raise kca.Rejected("every fiftieth")

    def burst(self, bus: kca.Bus, queue: kca.Queue, published: int) -> None:
        for i in range(AT_ONCE):
            reading = Reading(f"s{i}", [i + 0.5] * 20)
            bus.publish("reading", reading, key=reading.sensor, headers={"unit": "K"}, token=i + 1)
        answered = 0
        while answered < AT_ONCE:
            answered += sum(isinstance(event, kca.Receipt) for event in queue.next(64))
        deadline = time.monotonic() + 30
        while self.handled < published + AT_ONCE:
            assert time.monotonic() < deadline, f"{self.handled} of {published + AT_ONCE} are handled"
            time.sleep(0.001)


@pytest.mark.skipif("KCA_BROKER_PLAINTEXT" not in os.environ, reason="needs a Kafka: tests/broker/kafka")
def test_memory_stays_flat_and_no_object_stays() -> None:
    load = Load()
    published = 0
    begin = time.monotonic()
    with load.system as system:
        consumer = system.consumer(load.topic, amount_of_processors=2)
        runner = Thread(target=consumer.run)
        runner.start()
        bus, queue = system.event_bus(load.topic), system.queue()
        load.burst(bus, queue, 0)
        published = AT_ONCE
        warm: tuple[float, Counter[str]] | None = None
        while time.monotonic() < begin + SECONDS:
            load.burst(bus, queue, published)
            published += AT_ONCE
            if not warm and time.monotonic() > begin + SECONDS * WARM_UP:
                warm = resident_mb(), objects()
        assert warm
        growth, new = resident_mb() - warm[0], objects() - warm[1]
        consumer.stop()
        runner.join()
    print(f"{published} messages, {growth:+.2f} MB, {sum(new.values())} objects more: {new.most_common(3)}")
    assert growth < MOST_GROWTH_MB
    assert sum(new.values()) < MOST_NEW_OBJECTS, new.most_common(5)
