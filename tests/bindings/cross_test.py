"""Publishes from each of C, Python, Lua (SWIG) and LuaJIT (FFI), and handles and answers in each other, on one real
Kafka; and asks from each of these, asyncio and OpenResty in each other.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

import kca
import pytest

HERE = Path(__file__).parent
PEERS = {
    "c": [os.environ.get("KCA_PEER_C", "")],
    "python": [sys.executable, str(HERE / "peer.py")],
    "lua": [os.environ.get("KCA_LUA", "lua5.1"), str(HERE / "peer.lua")],
    "luajit": [os.environ.get("KCA_LUAJIT", "luajit"), str(HERE / "peer.lua")],
}
# Who asks and answers, the verbs' suffix, and how an error of the other side is told there.
ASKERS = {
    "c": (PEERS["c"], "", "KCA_ERROR_REPLY"),
    "python": (PEERS["python"], "", "ReplyError"),
    "asyncio": (PEERS["python"], "_async", "ReplyError"),
    "lua": (PEERS["lua"], "", "reply"),
    "luajit": (PEERS["luajit"], "", "reply"),
    "openresty": ([sys.executable, str(HERE / "peer_nginx.py")], "", "reply"),
}
BOOTSTRAP = os.environ.get("KCA_BROKER_PLAINTEXT", "")
PAYLOAD = '{"orderId": "ORD-00001",  "amount": 9.990, "note": "Ação\\n \\u0000 \'π\'", "big": 9007199254740993}'

Message = tuple[str, ...]


def run(peer: str, *arguments: str) -> subprocess.Popen[str]:
    return begin([*PEERS[peer], *arguments])


def begin(command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def output(peer: str, process: subprocess.Popen[str], may_warn: bool = False) -> list[str]:
    try:
        out, err = process.communicate(timeout=300)
    finally:
        process.kill()
    assert (process.returncode, err if not may_warn else "") == (0, ""), f"{peer} ends with {process.returncode}: {err}"
    return out.splitlines()


@pytest.fixture(scope="module")
def published() -> dict[str, Message]:
    """What each language publishes."""
    return {
        peer: (
            f"orderCreated.{peer}",
            str(uuid.uuid4()),
            f"customer-{peer}",
            f"{peer} ação",
            f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-01",
            f"sender={peer}",
            PAYLOAD,
        )
        for peer in PEERS
    }


@pytest.fixture(scope="module")
def topic() -> str:
    assert BOOTSTRAP, 'no broker: eval "$(tests/broker/kafka env)"'
    return f"cross.{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="module")
def handled(topic: str, published: dict[str, Message]) -> dict[str, dict[str, Message]]:
    """What each language handled, by who published it."""
    bootstrap, run_id = BOOTSTRAP, topic.removeprefix("cross.")
    for peer, message in published.items():
        output(peer, run(peer, "publish", bootstrap, topic, *message))
    handlers = {peer: run(peer, "handle", bootstrap, topic, f"{peer}.{run_id}", str(len(PEERS))) for peer in PEERS}
    found: dict[str, dict[str, Message]] = {}
    for peer, process in handlers.items():
        messages = [tuple(line.split("\t")) for line in output(peer, process)]
        found[peer] = {m[0].removeprefix("orderCreated."): (*m[:-1], bytes.fromhex(m[-1]).decode()) for m in messages}
    return found


@pytest.mark.parametrize("handler", PEERS)
@pytest.mark.parametrize("publisher", PEERS)
def test_each_handles_what_each_publishes(
    publisher: str,
    handler: str,
    published: dict[str, Message],
    handled: dict[str, dict[str, Message]],
) -> None:
    assert handled[handler][publisher] == published[publisher]


def test_each_answers_what_each_publishes(
    topic: str, published: dict[str, Message], handled: dict[str, dict[str, Message]]
) -> None:
    """All replies are stored when the handlers have ended."""
    reader = kca.ConsumerBuilder("kafka", f"{topic}.replies", "reader", partition=kca.PARTITION_EVERY)
    system = kca.System(kca.Connection("kafka", BOOTSTRAP), reader)
    answers: list[tuple[str, str, str]] = []

    @system.handler("*")
    def answered(answer: dict[str, str], d: kca.Delivery) -> None:
        answers.append((answer["by"].partition(".")[0], answer["to"], d.correlation_id))
        assert dict(d.record_headers)["traceparent"] == published[answer["to"].partition(".")[2]][4].encode()
        if len(answers) == len(PEERS) ** 2:
            consumer.stop()

    with system:
        consumer = system.consumer("reader")
        consumer.run()
    asked = [(message[0], message[2]) for message in published.values()]
    assert sorted(answers) == sorted((by, *question) for by in PEERS for question in asked)


# ---- asking ----


@pytest.fixture(scope="module")
def traces() -> dict[str, str]:
    """The trace of each asker."""
    return {asker: uuid.uuid4().hex for asker in ASKERS}


@pytest.fixture(scope="module")
def told(topic: str, traces: dict[str, str]) -> dict[str, list[list[str]]]:
    """What each asker was answered. All reply in one channel, which each of them reads."""
    channels = [f"{topic}.{answerer}" for answerer in ASKERS]
    processes = {}
    for peer, (command, suffix, _) in ASKERS.items():
        answering = [
            f"answer{suffix}",
            BOOTSTRAP,
            f"{topic}.{peer}",
            f"{topic}.answers",
            str(2 * len(ASKERS)),
        ]
        asking = [
            f"ask{suffix}",
            BOOTSTRAP,
            f"{topic}.answers",
            peer,
            f"00-{traces[peer]}-00f067aa0ba902b7-01",
        ]
        processes[f"{peer} answers"] = begin([*command, *answering])
        processes[peer] = begin([*command, *asking, *channels])
    lines = {peer: output(peer, process, peer not in ASKERS) for peer, process in processes.items()}
    return {peer: [line.split("\t") for line in lines[peer]] for peer in ASKERS}


@pytest.mark.parametrize("asker", ASKERS)
def test_each_is_answered_by_each(topic: str, asker: str, told: dict[str, list[list[str]]]) -> None:
    answers = {channel: json.loads(rest[0]) for channel, *rest in told[asker] if len(rest) == 1}
    assert answers == {
        (channel := f"{topic}.{answerer}"): {
            "from": channel,
            "id": f"{asker}>{channel}",
        }
        for answerer in ASKERS
    }


@pytest.mark.parametrize("asker", ASKERS)
def test_an_error_of_each_arrives_as_the_own_of_each(topic: str, asker: str, told: dict[str, list[list[str]]]) -> None:
    errors = {channel: tuple(rest) for channel, *rest in told[asker] if len(rest) == 2}
    kind = ASKERS[asker][2]
    assert errors == {(channel := f"{topic}.{answerer}"): (kind, f"{channel} greets nobody") for answerer in ASKERS}


def test_one_correlation_id_and_one_trace_go_there_and_back(
    topic: str, traces: dict[str, str], told: dict[str, list[list[str]]]
) -> None:
    reader = kca.ConsumerBuilder("kafka", f"{topic}.answers", "reader", partition=kca.PARTITION_EVERY)
    system = kca.System(kca.Connection("kafka", BOOTSTRAP), reader)
    answers: list[str] = []

    @system.handler("*")
    def answered(answer: dict[str, str], d: kca.Delivery) -> None:
        answers.append(d.correlation_id)
        asker = d.correlation_id.partition(">")[0]
        assert d.trace_context[0].split("-")[1] == traces[asker]
        if len(answers) == 2 * len(ASKERS) ** 2:
            consumer.stop()

    with system:
        consumer = system.consumer("reader")
        consumer.run()
    assert sorted(answers) == sorted(
        f"{asker}>{topic}.{answerer}{mark}" for asker in ASKERS for answerer in ASKERS for mark in ("", "!")
    )
