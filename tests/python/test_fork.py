"""After fork the child starts a system of its own; the parent's says so, loses nothing, and holds up no exit."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import kca
import pytest
from support import DEADLINE_SECONDS, KEY, declared

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def started() -> kca.System:
    system = declared().log_to_logging()
    system.handler("*", lambda order: None)
    return system.start()


def in_child(work: Callable[[], object]) -> tuple[int, str]:
    """Runs it in a fork that ends as Python does, with atexit; gives how it ended and what it returned."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        signal.alarm(DEADLINE_SECONDS)
        try:
            told = str(work())
        except BaseException as e:
            told = f"{type(e).__name__}: {e}"
        os.write(writer, told.encode())
        os.close(writer)
        atexit._run_exitfuncs()
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as told_by:
        told = told_by.read()
    return os.waitpid(pid, 0)[1], told


def test_what_is_used_in_the_child_says_to_start_a_system_there() -> None:
    system = started()
    bus = system.event_bus("orders")
    message = kca.Message("orderCreated")
    calls: list[Callable[[], object]] = [
        lambda: bus.publish("orderCreated", {}),
        lambda: bus.publish(message),
        lambda: bus.flush(100),
        system.describe,
        system.start,
        system.shutdown,
        system.queue,
        lambda: system.consumer("shop"),
        lambda: system.event_bus("orders"),
        lambda: system.add_connection(kca.Connection("more", "embedded://")),
        lambda: system.handler("more", lambda order: None),
    ]
    for call in calls:
        ended, told = in_child(call)
        assert ended == 0
        assert told.startswith("ForkedError: "), told
        assert "start a system in the child" in told or "start one in the child" in told, told
    bus.publish("orderCreated", {}, key=KEY)
    bus.flush(10000)
    assert system.description()["publishers"][0]["stored"] == 1
    system.shutdown()


def whole_life() -> str:
    """A system of the child's own."""
    seen: list[Any] = []
    own = declared()

    @own.handler("orderCreated")
    def handle(order: Any) -> None:
        seen.append(order)
        consumer.stop()

    with own:
        own.event_bus("orders").publish("orderCreated", {"id": os.getppid()}, key=KEY)
        consumer = own.consumer("shop")
        consumer.run()
    return f"handled {len(seen)}"


def test_a_system_of_the_childs_own_works_beside_the_parents() -> None:
    system = started()
    assert in_child(whole_life) == (0, "handled 1")
    assert system.description()["started"]
    system.shutdown()


def test_a_system_that_is_declared_before_fork_is_the_parents() -> None:
    system = declared()
    system.handler("*", lambda order: None)
    ended, told = in_child(system.start)
    assert ended == 0
    assert told.startswith("ForkedError: ")


def of_multiprocessing(number: int) -> str:
    assert PARENTS
    with pytest.raises(kca.ForkedError):
        PARENTS[0].event_bus("orders")
    return whole_life()


PARENTS: list[kca.System] = []


def test_processes_of_multiprocessing_start_their_own() -> None:
    PARENTS.append(started())
    try:
        with multiprocessing.get_context("fork").Pool(2) as pool:
            assert pool.map_async(of_multiprocessing, range(4)).get(DEADLINE_SECONDS) == ["handled 1"] * 4
        own = multiprocessing.get_context("spawn").Process(target=whole_life)
        own.start()
        own.join(DEADLINE_SECONDS)
        assert own.exitcode == 0
    finally:
        PARENTS.pop().shutdown()


PREFORK = """
import logging, os, signal, socket, sys
import kca
from support import KEY, declared

logging.basicConfig(level=logging.WARNING, stream=open(os.devnull, "w"))

def make(started):
    made = declared().log_to_logging()
    made.handler("*", lambda order: None)
    return made.start() if started else made

early = make(True) if sys.argv[1] == "early" else None
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)

def worker():
    system = early or make(True)
    bus = system.event_bus("orders") if not early else None
    while True:
        client, _ = listener.accept()
        with client:
            try:
                bus = bus or system.event_bus("orders")
                bus.publish("orderCreated", {}, key=KEY)
                bus.flush(10000)
                client.sendall(b"stored %d" % system.description()["publishers"][0]["stored"])
            except kca.ForkedError as e:
                client.sendall(str(e).encode())

def end(number, frame):
    sys.exit(0)

workers = []
signal.signal(signal.SIGTERM, end)  # before fork: a worker may be ended before it runs a line of its own
for _ in range(2):
    pid = os.fork()
    if pid == 0:
        worker()
    workers.append(pid)

def end_all(number, frame):
    for pid in workers:
        os.kill(pid, signal.SIGTERM)

signal.signal(signal.SIGTERM, end_all)
print("ready", flush=True)
codes = [os.waitpid(pid, 0)[1] for pid in workers]
print("ended", codes, flush=True)
"""


@pytest.mark.parametrize("when", ["early", "in the worker"])
def test_a_server_that_forks_its_workers(when: str) -> None:
    server = subprocess.Popen([sys.executable, "-c", PREFORK, when], stdout=subprocess.PIPE, text=True)
    assert server.stdout
    with server:
        port = int(server.stdout.readline())
        assert server.stdout.readline() == "ready\n"
        answers = set()
        for _ in range(6):
            with socket.create_connection(("127.0.0.1", port), DEADLINE_SECONDS) as client:
                answers.add(client.recv(1000).decode())
        server.terminate()
        assert server.stdout.readline() == "ended [0, 0]\n"
        assert server.wait(DEADLINE_SECONDS) == 0
    if when == "early":
        [answer] = answers
        assert "in the child" in answer
    else:
        assert all(answer.startswith("stored ") for answer in answers)
