"""Handles go in any order, by reference count, by the collector, or when the interpreter ends."""

from __future__ import annotations

import gc
import itertools
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import kca
import pytest
from kca import _kca
from support import KEY, declared, events, thread_count, wait_for


def declared_graph() -> dict[str, Any]:
    connection = kca.Connection("local", "embedded://")
    builder = kca.ConsumerBuilder("local", "orders", "shop")
    message = kca.Message("orderCreated", {"id": 1})
    system = kca.System().add_connection(connection).add_consumer(builder)
    return {
        "connection": connection,
        "builder": builder,
        "message": message,
        "system": system,
        "consumer": system.consumer("shop"),
        "queue": system.queue(),
    }


def test_declared_handles_go_in_any_order() -> None:
    for order in itertools.permutations(declared_graph()):
        graph = declared_graph()
        for name in order:
            del graph[name]


def started_graph() -> dict[str, Any]:
    system = declared()
    system.handler("*", lambda order, message: None)
    system.start()
    bus = system.event_bus("orders")
    bus.publish("orderCreated", {"id": 1}, token=1, key=KEY)
    consumer = system.consumer("shop")
    queue = consumer.queue()
    delivery = next(events(queue))
    return {"system": system, "bus": bus, "consumer": consumer, "queue": queue, "delivery": delivery}


# Each of the five goes first once and last once.
@pytest.mark.parametrize("first", range(5))
def test_started_handles_go_in_any_order_and_leave_no_thread(first: int) -> None:
    before = thread_count()
    graph = started_graph()
    names = list(graph)
    for name in names[first:] + names[:first]:
        del graph[name]
        assert all(repr(kept) for kept in graph.values())
    wait_for(lambda: thread_count() <= before, "the threads of librdkafka to end")


def test_a_cycle_is_collected() -> None:
    before = thread_count()
    graph = started_graph()
    graph["itself"] = graph
    del graph
    gc.collect()
    wait_for(lambda: thread_count() <= before, "the threads of librdkafka to end")


def test_a_handle_freed_twice_and_used_after_is_an_error_and_not_a_crash() -> None:
    handle = _kca.kca_system_new()
    _kca.kca_system_free(handle)
    _kca.kca_system_free(handle)
    with pytest.raises(kca.ArgumentError):
        _kca.kca_system_start(handle, 0)


def test_a_closed_queue_answers_with_an_error() -> None:
    queue = kca.System().queue()
    queue.close()
    with pytest.raises(kca.ArgumentError, match="it is closed"):
        queue.next()


def test_handles_of_the_parent_answer_with_an_error_after_fork() -> None:
    graph = started_graph()
    child = os.fork()
    if child == 0:
        os._exit(0 if all(is_forked(call) for call in forked_calls(graph)) else 1)
    assert os.waitpid(child, 0)[1] == 0
    graph.pop("delivery").done()
    graph["system"].shutdown()


def forked_calls(graph: dict[str, Any]) -> list[Callable[[], object]]:
    return [
        graph["system"].describe,
        graph["system"].shutdown,
        graph["consumer"].queue,
        graph["queue"].next,
        graph["delivery"].done,
        lambda: graph["bus"].publish("orderCreated", {}),
    ]


def is_forked(call: Callable[[], object]) -> bool:
    try:
        call()
    except kca.ForkedError:
        return True
    return False


def test_the_interpreter_ends_with_a_started_system() -> None:
    script = "import test_freeing; kept = test_freeing.started_graph(); print('ready')"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "ready\n", "")
