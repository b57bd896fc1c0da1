"""What a consumer of a topic waits for: found by reading the topic, without joining a group or committing."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import kca

from .reading import finish
from .settings import CONNECTION, Settings, started


class Waits(kca.Error):
    """A consumer waits for something that does not come by itself."""

    name = "waits"


@dataclass
class Reading:
    """How far reading a topic came in each of its partitions, if these are known, and what stood in its way."""

    partitions: list[int]
    read: set[int] = field(default_factory=set)
    ends: dict[int, int] = field(default_factory=dict)
    error: kca.Error | None = None
    consumer: dict[str, Any] = field(default_factory=dict)

    def is_over(self) -> bool:
        """Whether each partition has given a record or its end."""
        return self.partitions != [] and set(self.partitions) <= self.read | self.ends.keys()

    def take(self, event: kca.Event) -> None:
        """Notes what an event says."""
        if isinstance(event, kca.Delivery):
            self.read.add(event.partition)
            finish(event)
        elif isinstance(event, kca.End):
            self.ends[event.partition] = event.offset
        elif isinstance(event, kca.Fault):
            self.error = event.error


def read(settings: Settings, topic: str, group: str | None, places: dict[int, int | None]) -> Reading:
    """Reads each partition from its place, where the group has committed one, until it gives a record or its end, or
    the time is over.
    """
    builder = kca.ConsumerBuilder(
        CONNECTION, topic, group or f"kca-doctor-{uuid.uuid4()}", order="none", failure_policy="skip"
    )
    settings.with_options(builder).with_partition(kca.PARTITION_EVERY).with_commit_interval_ms(0)
    builder.with_property("enable.partition.eof", "true").with_property("allow.auto.create.topics", "false")
    found = Reading(list(places))
    end = time.monotonic() + settings.timeout
    with started(settings.system(builder), settings.timeout_ms) as system:
        name = system.description()["consumers"][0]["name"]
        consumer = system.consumer(name)
        queue = consumer.queue()
        try:
            for partition, place in places.items():
                if place is not None:
                    consumer.seek(topic, partition, place, settings.timeout_ms)
            while not found.is_over() and not found.error and time.monotonic() < end:
                for event in queue.next(len(places) or 1, 250):
                    found.take(event)
            [found.consumer] = system.description()["consumers"]
        finally:
            consumer.stop()
            queue.close()
    return found


def waits_for(topic: str, found: Reading) -> str:
    """What a consumer reads.

    Raises:
        Error: it waits for something that is not well, or may not read.
    """
    if found.error:
        raise found.error
    trouble = found.consumer.get("last_error")
    missing = sorted(set(found.partitions) - found.read - found.ends.keys())
    held = _held_by_transactions(found)
    if trouble and not found.partitions:
        raise Waits(f"a consumer waits for {trouble_text(trouble)}")
    if missing:
        where = ", ".join(f"{topic}[{p}]" for p in missing[:5]) + (", ..." if len(missing) > 5 else "")
        why = trouble_text(trouble) if trouble else "its leader gives neither a record nor the partition's end"
        raise Waits(f"a consumer waits for {where}: {why}")
    if held:
        where = ", ".join(f"{topic}[{p}] at {found.ends[p]} of {end}" for p, end in held.items())
        raise Waits(f"a consumer waits for the end of a transaction: {where}")
    total = len(found.partitions)
    if not found.read:
        return f"a consumer is at the end of all {total} partitions: it waits for new messages"
    return f"a consumer has messages to read in {len(found.read)} of {total} partitions"


def trouble_text(trouble: dict[str, Any]) -> str:
    """What stands in the way, from a description's `last_error`."""
    broker = "" if trouble["broker"] is None else f"broker {trouble['broker']}"
    whose = f"{broker}, the group's coordinator," if trouble["coordinator"] else broker
    where = " at ".join(filter(None, [whose, trouble["address"]]))
    return ": ".join(filter(None, [where, trouble["reason"]]))


def _held_by_transactions(found: Reading) -> dict[int, int]:
    """The partitions that end, for readers of what is committed, before their last records; with their ends."""
    known = {p["partition"]: p.get("high_watermark") for p in found.consumer.get("partitions", [])}
    return {p: known[p] for p, end in found.ends.items() if p not in found.read and (known.get(p) or 0) > end}
