"""Bulk inserts: messages become rows of a PostgreSQL table, a thousand in one statement.

python3 examples/python/rows.py DSN [bootstrap] [rows]       defaults: embedded://  5000

It needs psycopg2 (Debian: python3-psycopg2). A message that comes again, after a crash, finds its row there already.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from threading import Lock

import kca
import psycopg2
from psycopg2.extras import execute_values

TABLE = "create table if not exists reading (id bigint primary key, celsius real not null check (celsius > -273.15))"
INSERT = "insert into reading (id, celsius) values %s on conflict (id) do nothing"


@dataclass
class Reading:
    """The payload; the class also gives the message its name, reading."""

    id: int
    celsius: float


def declare(bootstrap: str) -> kca.System:
    """Declares the connection, the readings' publisher and consumer, and where those go that no database takes."""
    return kca.System(
        kca.Connection("kafka", bootstrap),
        kca.PublisherBuilder("kafka", "readings", required_acks=-1),
        kca.PublisherBuilder("kafka", "readings.dead", required_acks=-1),
        kca.ConsumerBuilder(
            "kafka", "readings", "store", queue_capacity=2000, rejected_error="CheckViolation",
            max_attempts=5, dead_letter_channel="readings.dead",
        ),
    )  # fmt: skip


def publish(system: kca.System, count: int) -> None:
    """Publishes readings, one of them impossible; key is the sensor, so its readings keep their order."""
    bus = system.event_bus("readings")
    for i in range(count):
        bus.publish(Reading(i, -300.0 if i == count // 2 else 20 + i % 10), key=f"sensor-{i % 50}")
    bus.flush()


def main(dsn: str, bootstrap: str = "embedded://", rows: str = "5000") -> None:
    """Runs the example."""
    count = int(rows)
    system = declare(bootstrap).log_to_stderr(kca.LOG_WARN)
    lock = Lock()
    batches: list[int] = []
    seen = 0

    @system.batch_handler(max=1000, wait_ms=200)
    def insert(readings: list[Reading]) -> None:
        """One transaction for all of them. When it fails, kca brings each reading again by itself, and so the bad one
        is found.
        """
        nonlocal seen
        rows = [(each.id, each.celsius) for each in readings]
        stored = False
        try:
            with psycopg2.connect(dsn) as database, database.cursor() as cursor:
                execute_values(cursor, INSERT, rows, page_size=len(rows))
            stored = True
        finally:
            with lock:
                if stored:
                    batches.append(len(rows))
                if stored or len(rows) == 1:
                    seen += len(rows)
                if seen == count:
                    consumer.stop()

    with psycopg2.connect(dsn) as database, database.cursor() as cursor:
        cursor.execute(TABLE)
    with system:
        publish(system, count)
        consumer = system.consumer("store", amount_of_processors=2)
        consumer.run()
        told = system.description()["consumers"][0]
    print(f"{sum(batches)} rows, at most {max(batches)} in one statement; {told['dead_lettered']} dead letter")


if __name__ == "__main__":
    main(*sys.argv[1:])
