"""`kca bench`: how fast this machine and this cluster are."""

from __future__ import annotations

import os
import time
import uuid
from typing import Annotated, Any

import typer

import kca

from .options import Cluster, Json, grouped
from .output import data, put_json, say, table
from .reading import Plan, Reader, finish
from .settings import CONNECTION, Settings, started

_SAMPLES = 200


@grouped(timeout=30.0)
def bench(
    cluster: Cluster,
    topic: Annotated[
        str | None, typer.Option("-t", "--topic", help="Write and read this topic (default: a new one, kca.bench-...).")
    ] = None,
    messages: Annotated[int, typer.Option("-n", "--messages", min=1, help="Number of messages.")] = 100_000,
    size: Annotated[int, typer.Option("-s", "--size", min=2, help="Size of each payload in bytes.")] = 200,
    as_json: Json = False,
) -> None:
    """Publish messages, in a stream and one at a time, and read them; measure rates, latencies and CPU time.

    A cluster that creates topics on demand creates a missing topic, and kca does not delete this topic afterwards.
    """
    settings = cluster.settings()
    name = topic or f"kca.bench-{uuid.uuid4().hex[:8]}"
    say(f"{messages:,} messages of {size} bytes through {name} on {settings.brokers}")
    payload = '"' + "x" * (size - 2) + '"'
    embedded = settings.brokers.startswith("embedded://")
    results = [_publish(settings, name, messages, payload), _one_at_a_time(settings, name, payload)]
    if not embedded:  # the embedded broker ended with its system
        results.append(_consume(settings, name, messages))
    if as_json:
        put_json({"topic": name, "messages": messages, "size": size, "results": results})
        return
    made = table("work", "messages/s", "MB/s", "CPU µs", "p50 ms", "p99 ms",
                 right=("messages/s", "MB/s", "CPU µs", "p50 ms", "p99 ms"))  # fmt: skip
    for r in results:
        numbers = [r["rate"], r["rate"] * size / 1e6, r["cpu_us"], r.get("p50_ms"), r.get("p99_ms")]
        made.add_row(r["work"], *("" if n is None else f"{n:,.0f}" if n >= 1000 else f"{n:.2f}" for n in numbers))
    data.print(made)


def _result(work: str, count: int, begin: tuple[float, float]) -> dict[str, Any]:
    seconds, cpu = time.monotonic() - begin[0], _cpu() - begin[1]
    return {"work": work, "rate": count / seconds, "cpu_us": cpu / count * 1e6}


def _cpu() -> float:
    times = os.times()
    return times.user + times.system


def _publish(settings: Settings, topic: str, count: int, payload: str) -> dict[str, Any]:
    publisher = kca.PublisherBuilder(CONNECTION, topic, required_acks=-1)
    with started(settings.system(settings.with_options(publisher)), settings.timeout_ms) as system:
        bus, queue = system.event_bus(topic), system.queue()
        begin = time.monotonic(), _cpu()
        for number in range(count):
            bus.publish("bench", payload)
            if number % 1000 == 0:
                _raise_faults(queue)
        bus.flush(settings.timeout_ms)
        _raise_faults(queue)
        return _result("publish", count, begin)


def _raise_faults(queue: kca.Queue) -> None:
    for event in queue.next(100, 0):
        if isinstance(event, kca.Fault):
            raise event.error


def _one_at_a_time(settings: Settings, topic: str, payload: str) -> dict[str, Any]:
    publisher = kca.PublisherBuilder(CONNECTION, topic, required_acks=-1, async_=False)
    with started(settings.system(settings.with_options(publisher)), settings.timeout_ms) as system:
        bus = system.event_bus(topic)
        bus.publish("bench", payload)
        begin = time.monotonic(), _cpu()
        took = []
        for _ in range(_SAMPLES):
            at = time.perf_counter()
            bus.publish("bench", payload)
            took.append((time.perf_counter() - at) * 1000)
        took.sort()
        made = _result("publish, one at a time", _SAMPLES, begin)
        return made | {"p50_ms": took[_SAMPLES // 2], "p99_ms": took[_SAMPLES * 99 // 100]}


def _consume(settings: Settings, topic: str, count: int) -> dict[str, Any]:
    begin = time.monotonic(), _cpu()
    read = 0
    for d in Reader(settings, Plan([topic], count=count, to_end=True)).read():
        if read == 0:
            begin = time.monotonic(), _cpu()
        finish(d)
        read += 1
    return _result("consume", max(read, 1), begin)
