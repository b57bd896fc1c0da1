"""The reference workload and the measure of the Python programs: those of the C programs beside this folder."""

from __future__ import annotations

import argparse
import json
import resource
import time
from datetime import datetime, timezone
from typing import Any
from uuid import uuid4

WARM_UP = 2000  # messages before the measured part of a publisher
BUFFER = 2000  # messages that a publisher holds
BATCH = 300  # messages of one produce request and partition
LINGER_MS = 5
FETCH_MESSAGES = 5000  # messages that a consumer fetches ahead
FETCH_WAIT_MS = 100
ROUTE = "orderCreated"
ORDER = {
    "orderId": "ORD-000001",
    "amount": 299.99,
    "customer": {"id": "CUST-1042", "name": "Maria Silva", "email": "maria@ex.com"},
    "items": [{"sku": "SKU-001", "qty": 1, "price": 99.99}, {"sku": "SKU-002", "qty": 2, "price": 101.36}],
}
KEYS = [f"CUSTOMER-{n:06}" for n in range(256)]


def ids_and_headers(topic: str) -> list[tuple[str, bytes]]:
    """What an application without kca makes for each message: the eight headers, with fresh ids and the time."""
    return [
        ("messageId", str(uuid4()).encode()),
        ("messageType", b"Event"),
        ("timestamp", datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S").encode()),
        ("origin", b"bench"),
        ("version", b"1.0"),
        ("correlationId", str(uuid4()).encode()),
        ("route", b"orderCreated"),
        ("channelName", topic.encode()),
    ]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("work")
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--group", default="bench")
    parser.add_argument("--messages", type=int, default=100_000)
    return parser.parse_args()


class Measure:
    """CPU of the whole process and time between `start` and `stop`, and latencies."""

    def __init__(self, version: str) -> None:
        self.version = version
        self.latencies: list[float] = []

    @staticmethod
    def _cpu() -> float:
        used = resource.getrusage(resource.RUSAGE_SELF)
        return used.ru_utime + used.ru_stime

    def start(self) -> None:
        self.cpu, self.wall = self._cpu(), time.perf_counter()

    def stop(self) -> None:
        self.wall = time.perf_counter() - self.wall
        self.cpu = self._cpu() - self.cpu

    def print(self, messages: int) -> None:
        result: dict[str, Any] = {
            "version": self.version,
            "messages": messages,
            "cpu_us_per_message": self.cpu * 1e6 / messages,
            "us_per_message": self.wall * 1e6 / messages,
            "messages_per_second": messages / self.wall,
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        ordered = sorted(self.latencies)
        for name, share in (("p50_us", 0.5), ("p99_us", 0.99)) if ordered else ():
            result[name] = ordered[int((len(ordered) - 1) * share)] * 1e6
        print(json.dumps(result))
