"""Dead letters that Spring and Kafka Connect wrote (tests/foreign/write_letters), in the hands of an operator."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kca
import pytest
from test_command_line import Cluster

DATA = Path(__file__).parents[1] / "data/dead_letters"
LINES = [json.loads(line) for file in sorted(DATA.glob("*.jsonl")) for line in file.read_text("utf-8").splitlines()]
ORIGINS = sorted({line["original"]["topic"] for line in LINES})
DEAD = "everyones.dead"

Record = tuple[str, int, bytes | None, bytes | None, list[tuple[str, bytes | None]]]


def raw(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)


def record_of(json_: Any) -> Record:
    headers = [(name, raw(value)) for name, value in json_["headers"]]
    return json_["topic"], json_["partition"], raw(json_["key"]), raw(json_["value"]), headers


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """All letters in one topic, at the offsets of their lines."""
    made = Cluster(DEAD, *ORIGINS)
    bus = made.system.event_bus(DEAD)
    for line in LINES:
        _, _, key, value, headers = record_of(line["letter"])
        bus.publish(kca.Message(None, value, key=key, headers=headers, partition=0, raw=True))
    bus.flush(30000)
    yield made
    made.system.shutdown()


def test_they_are_listed_with_what_failed_where_and_why(cluster: Cluster) -> None:
    report = json.loads(cluster.run("dead-letters", "list", DEAD, "--json"))
    told = {letter["offset"]: letter for letter in report["messages"]}
    assert len(told) == len(LINES)
    for place, line in enumerate(LINES):
        letter, origin, why = told[place], line["original"], line["why"]
        assert (letter["topic"], letter["original_partition"]) == (origin["topic"], origin["partition"])
        assert letter["original_offset"] == origin["offset"]
        assert letter["error_name"] == why["error_name"] and why["text"] in letter["error_text"]
        assert (letter["attempts"] or 0) == why["attempts"]


def test_one_is_shown_with_its_headers(cluster: Cluster) -> None:
    [place, *_] = [i for i, line in enumerate(LINES) if line["original"]["topic"] == "spring.retried"]
    said = cluster.run("dead-letters", "show", DEAD, f"0:{place}")
    for name, value in LINES[place]["letter"]["headers"]:
        assert f"  {name}: " in said or name == "route"
        if "exception-cause" in name:
            assert base64.b64decode(value).decode() in said


def test_they_go_back_as_the_records_that_failed(cluster: Cluster) -> None:
    only = [word for topic in ORIGINS for word in ("--only-topic", topic)]
    ended = cluster.ended("dead-letters", "redrive", DEAD, *only, "--yes")
    assert ended.returncode == 0, ended.stderr
    assert f"% {len(LINES)} of {len(LINES)} redriven; 0 remain" in ended.stderr
    found: list[Record] = []
    consumers = [kca.ConsumerBuilder("local", topic, topic, partition=kca.PARTITION_EVERY) for topic in ORIGINS]
    system = kca.System(kca.Connection("local", cluster.address), *consumers)
    left = 0

    @system.handler("*")
    def take(d: kca.Delivery) -> None:
        nonlocal left
        headers = [header for header in d.record_headers if header[0] != "kca-redrives"]
        assert ("kca-redrives", b"1") in d.record_headers
        found.append((d.topic, d.partition, d.key, d.payload, headers))
        left -= 1
        if left == 0:
            system.consumer(d.consumer).stop()

    with system:
        for topic in ORIGINS:
            left = sum(line["original"]["topic"] == topic for line in LINES)
            system.consumer(topic).run()
    assert sorted(found, key=repr) == sorted((record_of(line["original"]) for line in LINES), key=repr)
