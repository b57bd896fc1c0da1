"""Ctrl-C ends a run at once, after what is being handled; signals of the application's own come through."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from typing import Any

import pytest
from support import DEADLINE_SECONDS, declared

BEGIN = """
import os, signal, sys, threading, time
import kca
from support import KEY, declared, wait_for

system = declared(commit_interval_ms=60000)
consumer = None

def say(*words):  # also inside a signal's handler that comes in the midst of another
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

def tell_when_it_runs():
    wait_for(lambda: consumer.lag() and "pulling" in system.describe(), "the consumer")
    say("waiting")
"""

IDLE = """
system.handler("*", lambda order: None)
with system:
    consumer = system.consumer("shop", amount_of_processors={processors})
    threading.Thread(target=tell_when_it_runs).start()
    try:
        consumer.run()
    except KeyboardInterrupt:
        say("interrupted", time.monotonic())
say("shut down")
"""

BUSY = """
def counts():
    own = system.description()["consumers"][0]
    return own["failed"], own["dead_lettered"]

@system.handler("*")
def handle(order):
    say("handling")
    end = time.monotonic() + {seconds}
    while time.monotonic() < end:
        time.sleep(0.01)
    say("handled")

with system:
    bus = system.event_bus("orders")
    for i in range(3):
        bus.publish("orderCreated", i, key=KEY)
    bus.flush(10000)
    consumer = system.consumer("shop", amount_of_processors={processors})
    stop = consumer.stop
    consumer.stop = lambda: (stop(), say("stopping"))
    try:
        consumer.run()
    except KeyboardInterrupt:
        say("interrupted", consumer._description()["consumers"][0]["handled"])
        {then}
"""


def start(script: str, **values: Any) -> subprocess.Popen[str]:
    for name, value in values.items():
        script = script.replace("{" + name + "}", str(value))
    return subprocess.Popen([sys.executable, "-c", BEGIN + script], stdout=subprocess.PIPE, text=True)


def line_of(child: subprocess.Popen[str], word: str) -> list[str]:
    assert child.stdout
    while line := child.stdout.readline():
        if line.startswith(word):
            return line.split()
    raise AssertionError(f"the child ended before it said {word}")


@pytest.mark.parametrize("processors", [1, 3])
def test_an_idle_run_ends_at_once(processors: int) -> None:
    with start(IDLE, processors=processors) as child:
        line_of(child, "waiting")
        sent = time.monotonic()
        child.send_signal(signal.SIGINT)
        [_, ended] = line_of(child, "interrupted")
        assert float(ended) - sent < 0.5
        line_of(child, "shut down")
        assert child.wait(DEADLINE_SECONDS) == 0


@pytest.mark.parametrize("processors", [1, 3])
def test_what_is_being_handled_is_done_and_no_more(processors: int) -> None:
    with start(BUSY, processors=processors, seconds=0.5, then="pass") as child:
        line_of(child, "handling")
        child.send_signal(signal.SIGINT)
        line_of(child, "handled")
        assert line_of(child, "interrupted") == ["interrupted", "1"]
        assert child.wait(DEADLINE_SECONDS) == 0


def test_a_second_one_does_not_wait_and_the_message_has_not_failed() -> None:
    with start(BUSY, processors=1, seconds=600, then="say('counts', *counts())") as child:
        line_of(child, "handling")
        child.send_signal(signal.SIGINT)
        line_of(child, "stopping")
        child.send_signal(signal.SIGINT)
        assert line_of(child, "interrupted") == ["interrupted", "0"]
        sent = time.monotonic()
        assert line_of(child, "counts") == ["counts", "0", "0"]
        assert child.wait(DEADLINE_SECONDS) == 0
        assert time.monotonic() - sent < 5


ELSEWHERE = """
@system.handler("*")
def handle(order):
    if threading.current_thread() is threading.main_thread():
        return bus.publish("orderCreated", key=KEY)
    say("handling")
    time.sleep(600)

with system:
    bus = system.event_bus("orders")
    bus.publish("orderCreated", key=KEY)
    consumer = system.consumer("shop", amount_of_processors=3)
    stop = consumer.stop
    consumer.stop = lambda: (stop(), say("stopping"))
    try:
        consumer.run()
    except KeyboardInterrupt:
        say("interrupted")
"""


def test_a_second_one_does_not_wait_for_other_threads_either() -> None:
    with start(ELSEWHERE) as child:
        line_of(child, "handling")
        child.send_signal(signal.SIGINT)
        line_of(child, "stopping")
        child.send_signal(signal.SIGINT)
        line_of(child, "interrupted")
        sent = time.monotonic()
        assert child.wait(DEADLINE_SECONDS) == 0
        assert time.monotonic() - sent < 5


PULLING = """
def tell_when_it_waits(main=threading.get_ident()):
    wait_for(lambda: sys._current_frames()[main].f_code.co_name == "next", "the wait")
    say("waiting")

with system:
    threading.Thread(target=tell_when_it_waits).start()
    try:
        system.queue().next({arguments})
    except KeyboardInterrupt:
        say("interrupted", time.monotonic())
"""


@pytest.mark.parametrize("arguments", ["", "1, 60000"])
def test_a_wait_for_events_ends(arguments: str) -> None:
    with start(PULLING, arguments=arguments) as child:
        line_of(child, "waiting")
        sent = time.monotonic()
        child.send_signal(signal.SIGINT)
        [_, ended] = line_of(child, "interrupted")
        assert float(ended) - sent < 2
        assert child.wait(DEADLINE_SECONDS) == 0


IN_C = """
import socket

def tell_when_it_waits(main=threading.get_ident()):
    wait_for(lambda: sys._current_frames()[main].f_code.co_name == "{where}", "the wait")
    say("waiting")

def interrupted(call):
    threading.Thread(target=tell_when_it_waits).start()
    try:
        call()
        say("returned")
    except KeyboardInterrupt:
        say("interrupted", time.monotonic())

def without_broker(**options):
    "A started system whose broker has gone, and its bus with a message that is never answered."
    broker = kca.System(kca.Connection("local", "embedded://"), kca.PublisherBuilder("local", "orders")).start()
    address = broker.description()["connections"][0]["embedded_at"]
    publisher = kca.PublisherBuilder("gone", "orders", required_acks=-1, linger_ms=0, **options)
    system = kca.System(kca.Connection("gone", address), publisher).start()
    broker.shutdown()
    return system, system.event_bus("orders")

silent = socket.create_server(("127.0.0.1", 0))
forever = 3600 * 1000
{script}
say("still", system.description()["started"])
"""

WAITS = {
    "start, nobody listens": (
        """
system = kca.System(kca.Connection("far", "127.0.0.1:1"), kca.PublisherBuilder("far", "orders"))
interrupted(lambda: system.start(forever))
""",
        "start",
    ),
    "start, nobody answers": (
        """
system = kca.System(kca.Connection("far", "127.0.0.1:%d" % silent.getsockname()[1], tls=True))
interrupted(lambda: system.start(-1))
""",
        "start",
    ),
    "publish, no room": (
        """
system = kca.System(
    kca.Connection("local", "embedded://"),
    kca.PublisherBuilder("local", "orders", required_acks=-1, buffer_messages=1, buffer_timeout_ms=-1),
)
with system:
    bus = system.event_bus("orders")
    bus.publish("a", token=1)
    bus.flush()
    interrupted(lambda: bus.publish("a", token=2))
    assert [e.token for e in system.queue().next(10, 0)] == [1]
    bus.publish("a", token=3)
""",
        "publish",
    ),
    "publish, not answered": (
        """
system, bus = without_broker(async_=False)
interrupted(lambda: bus.publish("a"))
assert system.description()["publishers"][0]["unanswered"] == 1
try:
    system.shutdown(0)
except kca.TimedOutError as e:
    assert "1 messages were not confirmed" in str(e)
""",
        "publish",
    ),
    "flush": (
        """
system, bus = without_broker()
bus.publish("a")
interrupted(bus.flush)
try:
    system.shutdown(0)
except kca.TimedOutError:
    pass
""",
        "flush",
    ),
    "shutdown, not answered": (
        """
system, bus = without_broker()
bus.publish("a")
interrupted(lambda: system.shutdown(-1))
""",
        "shutdown",
    ),
    "shutdown, not settled": (
        """
system = declared().start()
system.event_bus("orders").publish("a", key=KEY)
queue = system.consumer("shop").queue()
[delivery] = queue.next(1)
interrupted(lambda: system.shutdown(forever))
""",
        "shutdown",
    ),
    "with, not answered": (
        """
system, bus = without_broker()
def work():
    with system:
        pass
system.start = lambda: system
bus.publish("a")
interrupted(work)
""",
        "shutdown",
    ),
    "describe_cluster": (
        """
system, bus = without_broker()
interrupted(lambda: system.describe_cluster("gone", timeout_ms=forever))
system.shutdown(0)
""",
        "describe_cluster",
    ),
}


@pytest.mark.parametrize("wait", WAITS)
def test_a_wait_in_c_ends(wait: str) -> None:
    script, where = WAITS[wait]
    with start(IN_C.replace("{script}", script), where=where) as child:
        line_of(child, "waiting")
        sent = time.monotonic()
        child.send_signal(signal.SIGINT)
        [_, ended] = line_of(child, "interrupted")
        assert float(ended) - sent < 2
        assert line_of(child, "still") == ["still", "False"]
        assert child.wait(DEADLINE_SECONDS) == 0


def test_a_signals_handler_that_does_not_raise_ends_no_wait() -> None:
    script = """
system = declared().start()
system.event_bus("orders").publish("a", key=KEY)
consumer = system.consumer("shop")
queue = consumer.queue()
[delivery] = queue.next(1)
signal.signal(signal.SIGTERM, lambda *_: (consumer.stop(), say("handled"), delivery.done()))
interrupted(lambda: system.shutdown(forever))
"""
    with start(IN_C.replace("{script}", script), where="shutdown") as child:
        line_of(child, "waiting")
        child.terminate()
        line_of(child, "handled")
        line_of(child, "returned")
        assert child.wait(DEADLINE_SECONDS) == 0


OWN = """
signal.signal(signal.SIGTERM, lambda number, frame: consumer.stop())
system.handler("*", lambda order: None)
with system:
    consumer = system.consumer("shop")
    threading.Thread(target=tell_when_it_runs).start()
    consumer.run()
    say("stopped", time.monotonic())
"""


def test_a_signal_of_ones_own_may_stop_it() -> None:
    with start(OWN) as child:
        line_of(child, "waiting")
        sent = time.monotonic()
        child.send_signal(signal.SIGTERM)
        [_, ended] = line_of(child, "stopped")
        assert float(ended) - sent < 0.5
        assert child.wait(DEADLINE_SECONDS) == 0


def test_the_handler_of_sigint_is_as_before() -> None:
    system = declared()

    @system.handler("*")
    def handle(order: Any) -> None:
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        consumer.stop()

    before = signal.getsignal(signal.SIGINT)
    assert before is signal.default_int_handler
    with system:
        system.event_bus("orders").publish("a", key="k3")
        consumer = system.consumer("shop")
        consumer.run()
    assert signal.getsignal(signal.SIGINT) is before


def test_the_interpreter_runs_while_a_run_waits() -> None:
    """A wait that kept the interpreter's lock would stand still with all threads."""
    system = declared()
    system.handler("*", lambda order: None)
    with system:
        consumer = system.consumer("shop", amount_of_processors=2)
        runner = threading.Thread(target=consumer.run)
        runner.start()
        end = time.monotonic() + 0.5
        turns = 0
        while time.monotonic() < end:
            turns += 1
        consumer.stop()
        runner.join(DEADLINE_SECONDS)
        assert not runner.is_alive()
        assert turns > 1000
