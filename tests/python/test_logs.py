"""The library's log in Python's `logging`."""

from __future__ import annotations

import gc
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator

import kca
import pytest
from support import declared, thread_count, wait_for


class Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def text(self) -> str:
        return "\n".join(record.getMessage() for record in self.records)


@pytest.fixture
def collector() -> Iterator[Collector]:
    logger = logging.getLogger("kca")
    made = Collector()
    logger.addHandler(made)
    logger.setLevel(logging.DEBUG)
    yield made
    logger.removeHandler(made)
    logger.setLevel(logging.NOTSET)


def bridges() -> int:
    return sum(thread.name == "kca-log" for thread in threading.enumerate())


def test_lines_come_from_the_logger_of_their_component(collector: Collector) -> None:
    system = declared().log_to_logging()
    system.handler("*", lambda order: None)
    with system:
        wait_for(lambda: any(r.levelno == logging.WARNING for r in collector.records), "the warning")
    [warning, *_] = [r for r in collector.records if r.levelno == logging.WARNING]
    assert warning.name == "kca.connection"
    assert warning.getMessage().startswith("local: the embedded broker is for trying out")
    assert warning.kca.component == "connection local"  # type: ignore[attr-defined]


@pytest.mark.parametrize("level", [-1, 5])
def test_a_level_that_does_not_exist_is_refused(level: int) -> None:
    for log_to in (declared().log_to_queue, declared().log_to_stderr):
        with pytest.raises(kca.ArgumentError, match="log: level must be 0 .off. to 4 .debug."):
            log_to(level)


def test_the_level_is_that_of_the_logger_unless_told(collector: Collector) -> None:
    logging.getLogger("kca").setLevel(logging.WARNING)
    system = declared().log_to_logging()
    system.handler("*", lambda order: None)
    with system:
        wait_for(lambda: bool(collector.records), "the warning")
    assert {r.levelno for r in collector.records} == {logging.WARNING}
    collector.records.clear()
    with system.log_to_logging(level=kca.LOG_OFF):
        pass
    with system.log_to_logging(logging.getLogger("kca.mine"), kca.LOG_WARN):
        wait_for(lambda: bool(collector.records), "the warning")
    assert {r.name for r in collector.records} == {"kca.mine.connection"}
    assert bridges() == 1


def test_secrets_never_show(collector: Collector) -> None:
    password = "s3cret-of-bob"
    system = kca.System(
        kca.Connection("far", "127.0.0.1:1", sasl=("SCRAM-SHA-256", "bob", password), property={"debug": "all"}),
        kca.PublisherBuilder("far", "orders"),
    ).log_to_logging()
    with pytest.raises(kca.Error) as raised:
        system.start(500)
    wait_for(lambda: any(r.name == "kca.librdkafka" for r in collector.records), "librdkafka's lines")
    assert "bob" in collector.text() or collector.records
    assert password not in collector.text()
    assert password not in str(raised.value)
    assert password not in repr(vars(system))


def test_receipts_stay_in_their_queue(collector: Collector) -> None:
    system = declared().log_to_logging()
    system.handler("*", lambda order: None)
    with system:
        system.event_bus("orders").publish("a", token=7)
        [receipt] = system.queue().next(10, 10000)
        assert isinstance(receipt, kca.Receipt)


def test_the_thread_goes_with_the_system(collector: Collector) -> None:
    gc.collect()  # what other tests left
    wait_for(lambda: bridges() == 0, "their threads to end")
    before = thread_count()
    system = declared().log_to_logging()
    system.handler("*", lambda order: None)
    system.start()
    assert bridges() == 1
    del system
    gc.collect()
    wait_for(lambda: bridges() == 0 and thread_count() <= before, "the threads to end")


def test_the_interpreter_ends_after_the_last_line() -> None:
    script = """
import logging, kca
logging.basicConfig(level=logging.INFO, format="%(name)s %(levelname)s %(message)s")
system = kca.System(kca.Connection("local", "embedded://"), kca.PublisherBuilder("local", "orders")).log_to_logging()
system.start()
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0
    assert "kca.connection WARNING local: the embedded broker is for trying out" in ended.stderr
    assert "Traceback" not in ended.stderr
