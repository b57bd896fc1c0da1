"""What the tests of the Python binding share: systems on the embedded broker, waits with a deadline."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import kca
from waits import DEADLINE_SECONDS as DEADLINE_SECONDS
from waits import wait_for as wait_for

# A key that murmur2 puts into partition 0 of the embedded broker's 4.
KEY = "k3"


def declared(**options: object) -> kca.System:
    """A system with a publisher of "orders" and a consumer "shop" of its partition 0; options are its `with_`."""
    system = kca.System().add_connection(kca.Connection("local", "embedded://"))
    system.add_publisher(kca.PublisherBuilder("local", "orders").with_required_acks(-1).with_linger_ms(0))
    consumer = kca.ConsumerBuilder("local", "orders", "shop").with_partition(0)
    for option, value in options.items():
        getattr(consumer, f"with_{option}")(value)
    return system.add_consumer(consumer)


def events(queue: kca.Queue) -> Iterator[kca.Event]:
    """Events as they come, within the deadline."""
    end = time.monotonic() + DEADLINE_SECONDS
    while True:
        left = int((end - time.monotonic()) * 1000)
        assert left > 0, "no further event came"
        yield from queue.next(1, left)


def thread_count() -> int:
    """The threads of this process, C's as well."""
    return len(list(Path("/proc/self/task").iterdir()))
