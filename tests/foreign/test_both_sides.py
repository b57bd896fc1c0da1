"""A real Spring application and a real worker of Kafka Connect on a real Kafka, with kca on the other side."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable
from pathlib import Path

import kca
from applications import Connect, Spring, wait_until

BROKERS = os.environ.get("KCA_BROKER_PLAINTEXT", "")


def system_of(*declared: kca.PublisherBuilder | kca.ConsumerBuilder) -> kca.System:
    assert BROKERS, 'no broker: eval "$(tests/broker/kafka env)"'
    return kca.System(kca.Connection("kafka", BROKERS), *declared)


def publisher(topic: str) -> kca.PublisherBuilder:
    return kca.PublisherBuilder("kafka", topic, required_acks=-1, async_=False)


def make_topics(*topics: str) -> None:
    """A publisher's start makes its topic."""
    with system_of(*map(publisher, topics)):
        pass


def handled(topic: str, group: str, count: int) -> list[kca.Delivery]:
    """The first messages that a handler gets."""
    group = f"{topic}.{group}"
    system = system_of(kca.ConsumerBuilder("kafka", topic, group))
    found: list[kca.Delivery] = []

    @system.handler("*")
    def take(d: kca.Delivery) -> None:
        found.append(d)
        if len(found) == count:
            system.consumer(group).stop()

    with system:
        system.consumer(group).run()
    return found


def redrive(topic: str, count: int, **options: object) -> None:
    """Waits for so many dead letters that may go, and lets them go."""
    chosen = {"topic": topic} | options
    with system_of() as system:

        def there() -> bool:
            try:
                report = system.redrive(kca.RedriveBuilder("kafka", **chosen), 60000)
            except kca.Error as e:
                assert "does not exist" in str(e) or "no topic" in str(e), e
                return False
            return bool(report["redriven"] == count)

        wait_until(there, f"{count} dead letters of {topic}")
        report = system.redrive(kca.RedriveBuilder("kafka", **chosen, dry_run=False), 60000)
    assert (report["redriven"], report["complete"]) == (count, True), report


def test_spring_handles_what_kca_publishes_and_redrives(tmp_path: Path) -> None:
    run = f"spring.{uuid.uuid4().hex}"
    make_topics(*Spring.topics(run))
    topics = [f"{run}.plain", f"{run}.retried"]
    sold_out = {topic: json.dumps({"id": topic, "note": "out of stock"}) for topic in topics}
    with Spring(tmp_path / "spring", BROKERS, run) as spring:
        with system_of(*map(publisher, topics)) as system:
            for topic in topics:
                bus = system.event_bus(topic)
                bus.publish("orderCreated", {"note": "in stock"}, key="k")
                bus.publish("orderCreated", sold_out[topic], key="k", headers={"tenant": "Ação"})
        assert len(handled(f"{run}.handled", "first", 2)) == 2
        for topic in topics:
            # Still sold out: it is tried as often as before, for its count of attempts stayed behind.
            redrive(f"{topic}-dlt", 1, only_topic=topic, only_error="Application$OutOfStock")
            wait_until(lambda topic=topic: spring.calls(sold_out[topic]) == 6, "three attempts each time")
        spring.stock.touch()
        for topic in topics:
            redrive(f"{topic}-dlt", 1, only_topic=topic)
            wait_until(lambda topic=topic: spring.calls(sold_out[topic]) == 7, "it is tried again")
        last = handled(f"{run}.handled", "last", 4)
    assert {d.payload for d in last} > {text.encode() for text in sold_out.values()}


def file_connector(kind: str, file: Path, **more: str) -> dict[str, str]:
    name = f"{kind.lower()}-{file.name}"
    described = {"name": name, "connector.class": f"org.apache.kafka.connect.file.FileStream{kind}Connector"}
    return described | {"file": str(file)} | {key.replace("_", "."): value for key, value in more.items()}


def test_connect_writes_what_kca_publishes_and_redrives_and_kca_handles_what_it_reads(tmp_path: Path) -> None:
    run = uuid.uuid4().hex
    orders, texts, lines = f"connect.orders.{run}", f"connect.texts.{run}", f"connect.lines.{run}"
    make_topics(orders, f"{orders}.dead", texts, lines)
    (tmp_path / "lines").write_text(f"Ação {run}\nsecond {run}\n")
    sink = file_connector("Sink", tmp_path / "orders", topics=orders, errors_tolerance="all") | {
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": "false",
        "errors.deadletterqueue.topic.name": f"{orders}.dead",
        "errors.deadletterqueue.context.headers.enable": "true",
    }
    connectors = {
        "orders": sink,
        "texts": file_connector("Sink", tmp_path / "texts", topics=texts),
        "lines": file_connector("Source", tmp_path / "lines", topic=lines),
    }
    broken = f'{{"id": "{run}"'
    with Connect(tmp_path / "connect", BROKERS, connectors):
        with system_of(publisher(orders)) as system:
            bus = system.event_bus(orders)
            bus.publish("orderCreated", {"id": run, "amount": 9.5}, key="k")
            bus.publish("orderCreated", broken, key="k", headers={"tenant": "Ação"})

        def written(name: str, text: str) -> Callable[[], bool]:
            file = tmp_path / name
            return lambda: file.exists() and text in file.read_text().splitlines()

        wait_until(written("orders", f"{{amount=9.5, id={run}}}"), "the sink wrote the order")
        assert {d.payload for d in handled(lines, "lines", 2)} == {
            f"Ação {run}".encode(),
            f"second {run}".encode(),
        }
        failed = "org.apache.kafka.connect.errors.DataException"
        redrive(f"{orders}.dead", 1, to_topic=texts, only_topic=orders, only_error=failed)
        wait_until(written("texts", broken), "the other sink wrote the broken order")
