"""Reading a topic from one place to another, with or without a group."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import kca

from .. import _kca
from .output import Trouble, Wrong, say
from .settings import CONNECTION, Settings, started

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class Offset:
    """kcat's -o: "earliest", "latest", None (where readers begin); an offset, below 0: from the end; or times."""

    word: str | None = None
    number: int | None = None
    from_ms: int | None = None
    to_ms: int | None = None


def time_ms(text: str) -> int:
    """Milliseconds since 1970, from a text with that number, an ISO time, or an age ("90s", "15m", "2h", "7d")."""
    if text.isdigit():
        return int(text)
    if ago := re.fullmatch(r"(\d+)([smhd])", text):
        return int((time.time() - int(ago[1]) * _UNITS[ago[2]]) * 1000)
    try:
        return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)
    except ValueError:
        allowed = "milliseconds since 1970, an ISO time, or an age such as 90s, 15m, 2h, 7d"
        raise Wrong(f"a time must be {allowed}; got {text}") from None


def offset_of(given: list[str]) -> Offset:
    """The place that all values of -o together describe."""
    found = Offset()
    for text in given:
        if text == "stored":
            found = Offset(to_ms=found.to_ms)
        elif text in {"beginning", "earliest"}:
            found = Offset("earliest", to_ms=found.to_ms)
        elif text in {"end", "latest"}:
            found = Offset("latest", to_ms=found.to_ms)
        elif text.startswith("s@"):
            found = Offset(from_ms=time_ms(text[2:]), to_ms=found.to_ms)
        elif text.startswith("e@"):
            found = Offset(found.word, found.number, found.from_ms, time_ms(text[2:]))
        elif re.fullmatch(r"-?\d+", text):
            found = Offset(number=int(text), to_ms=found.to_ms)
        else:
            raise Wrong(f"-o must be beginning, end, stored, an offset, -N from the end, s@TIME or e@TIME; got {text}")
    return found


@dataclass(frozen=True)
class Plan:
    """The topics to read, where to begin and where to stop."""

    topics: list[str]
    offset: Offset = Offset()
    partition: int | None = None
    group: str | None = None
    count: int | None = None
    to_end: bool = False


def _builder(plan: Plan, settings: Settings) -> kca.ConsumerBuilder:
    first, *others = plan.topics
    b = kca.ConsumerBuilder(CONNECTION, first, plan.group or f"kca-{uuid.uuid4()}", order="none", failure_policy="skip")
    for topic in others:
        b.with_group_topic(topic)
    settings.with_options(b.with_commit_interval_ms(1000))
    if not plan.group:
        b.with_partition(kca.PARTITION_EVERY if plan.partition is None else plan.partition).with_commit_interval_ms(0)
    start = plan.offset.word if plan.offset.from_ms is None else str(plan.offset.from_ms)
    if start:
        b.with_start_offset(start)
    b.with_property("enable.partition.eof", "true").with_property("allow.auto.create.topics", "false")
    return b


def finish(d: kca.Delivery) -> None:
    """Settles a delivery as done, and frees it."""
    with suppress(kca.StateError):  # its partition has gone to another member
        d.done()
    _kca.kca_delivery_free(d._delivery)


class Reader:
    """Gives deliveries, those of a partition in their order. The caller passes each to `finish`."""

    def __init__(self, settings: Settings, plan: Plan) -> None:
        if plan.group and (plan.partition is not None or plan.offset.number is not None):
            raise Wrong("-G cannot be combined with -p or an offset: a group has its own partitions and offsets")
        self._plan, self._settings = plan, settings
        self._wanted: set[tuple[str, int]] = set()
        self._ended: set[tuple[str, int]] = set()
        # Kept until the consumer has stopped: one that is dropped before counts as failed, is skipped and committed.
        self._taken: Sequence[kca.Event] = ()

    def read(self) -> Generator[kca.Delivery, None, None]:
        """Gives the deliveries of the plan, without end unless the plan says where to stop."""
        # This first system has no consumer: starting one makes the cluster create a missing topic.
        with started(self._settings.system(), self._settings.timeout_ms) as system:
            places = self._places(system)
        self._wanted = set() if self._plan.group else set(places)
        with started(self._settings.system(_builder(self._plan, self._settings)), self._settings.timeout_ms) as system:
            consumer = system.consumer(self._consumer_of(system))
            queue = consumer.queue()
            try:
                self._go_to(consumer, places)
                yield from self._deliveries(system, queue)
            finally:
                consumer.stop()
                queue.close()

    def _consumer_of(self, system: kca.System) -> str:
        return str(system.description()["consumers"][0]["name"])

    def _places(self, system: kca.System) -> dict[tuple[str, int], dict[str, Any]]:
        """Gives the partitions of the topics; raises at once when a topic or the partition is missing."""
        found: dict[tuple[str, int], dict[str, Any]] = {}
        for topic in self._plan.topics:
            told = system.describe_cluster(CONNECTION, topic, timeout_ms=self._settings.timeout_ms)
            partitions = {p["partition"]: p for p in told["topics"][0]["partitions"]}
            if self._plan.partition not in {None, *partitions}:
                raise Trouble(f"{topic} has {len(partitions)} partitions, and no partition {self._plan.partition}")
            for number, p in partitions.items():
                if self._plan.partition in (None, number):
                    found[topic, number] = p
        return found

    def _go_to(self, consumer: kca.Consumer, places: dict[tuple[str, int], dict[str, Any]]) -> None:
        """Seeks to the plan's offset, before anything is taken; an offset below 0 counts from the end."""
        number = self._plan.offset.number
        if number is None:
            return
        for (topic, partition), p in places.items():
            begin, end = p["begin"] or 0, p["end"] or 0
            to = min(max(number if number >= 0 else end + number, begin), end)
            consumer.seek(topic, partition, to, self._settings.timeout_ms)

    def _deliveries(self, system: kca.System, queue: kca.Queue) -> Iterator[kca.Delivery]:
        left = self._plan.count
        while left is None or left > 0:
            self._taken = queue.next(256 if left is None else min(256, left), 250)
            for event in self._taken:
                if not isinstance(event, kca.Delivery):
                    self._note(event)
                elif self._is_in_time(event):
                    yield event
                    left = None if left is None else left - 1
                else:
                    finish(event)
            if not self._taken and self._is_over(system):
                return

    def _is_in_time(self, d: kca.Delivery) -> bool:
        """Whether a delivery is early enough. The first late one ends its partition: times nearly always rise in it."""
        to = self._plan.offset.to_ms
        if (d.topic, d.partition) in self._ended and to is not None:
            return False
        if to is None or d.record_timestamp_ms < to:
            return True
        self._ended.add((d.topic, d.partition))
        return False

    def _note(self, event: kca.Event) -> None:
        if isinstance(event, kca.End) and self._plan.to_end:
            self._ended.add((event.topic, event.partition))
        elif isinstance(event, kca.Rebalance):
            changed = set(event.partitions)
            self._wanted = self._wanted | changed if event.kind == "assigned" else self._wanted - changed
        elif isinstance(event, kca.Fault):
            say(str(event.error))

    def _is_over(self, system: kca.System) -> bool:
        """Whether all has been read, asked after nothing came for a while."""
        if not self._plan.to_end and self._plan.offset.to_ms is None:
            return False
        if not self._wanted or not self._wanted <= self._ended:
            return False
        return bool(self._plan.offset.to_ms) or system.description()["consumers"][0]["held"] == 0
