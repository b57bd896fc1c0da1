"""resty.kca with a real Kafka: reload, QUIT and TERM under load lose nothing that was accepted."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kca
import pytest
from server import Server, free_port, wait_until

BROKER = os.environ.get("KCA_BROKER_PLAINTEXT", "")
RELOADS = int(os.environ.get("KCA_RELOADS", "20"))  # the proof: 100

APP = """
local kca = require "resty.kca"
local M = { kca = kca }
local system = assert(kca.system(
  kca.connection("kafka", "%(hosts)s"),
  kca.publisher("kafka", "%(topic)s", { required_acks = -1, idempotence = true }),
  kca.publisher("kafka", "%(topic)s.handled", { required_acks = -1, idempotence = true }),
  kca.consumer("kafka", "%(topic)s", "%(topic)s", { session_timeout_ms = 6000, heartbeat_interval_ms = 1000 })))
M.system = system
M.bus = assert(system:event_bus("%(topic)s"))
local handled = assert(system:event_bus("%(topic)s.handled"))
system:handler("orderCreated", function(order)
  local receipt, err = handled:publish("orderHandled", order)
  if err then
    return nil, err
  end
end)
assert(system:consumer("%(topic)s", { amount_of_processors = 8 }):run())
M.started, M.problem = system:start(%(start_ms)d)
return M
"""

LOCATIONS = {
    "/publish": """local r, err = app.bus:publish("orderCreated", { id = ngx.var.arg_id })
                   if err then ngx.status = 500 ngx.say(tostring(err)) else ngx.say(r.offset) end""",
    "/fire": """local ok, err = app.bus:fire("orderCreated", { id = ngx.var.arg_id })
                ngx.status = ok and 202 or 503 ngx.say(tostring(err))""",
    "/state": """ngx.say(require("kca.json").encode({ started = app.system.started or false,
                                                      problem = app.problem and app.problem.name or "" }))""",
}

pytestmark = pytest.mark.skipif(not BROKER, reason="needs Kafka: tests/broker/kafka start")


class Load:
    """Clients that publish ids, each after the answer to the one before; which of them were accepted."""

    def __init__(self, server: Server, clients: int = 4) -> None:
        self.server = server
        self.over = threading.Event()
        self.accepted: list[str] = []
        self.refused: list[Any] = []
        self.threads = [threading.Thread(target=self._run, args=(n,)) for n in range(clients)]
        for thread in self.threads:
            thread.start()

    def _run(self, client: int) -> None:
        count = 0
        while not self.over.is_set():
            count += 1
            name = f"{client}-{count}"
            try:
                status, text = self.server.get(f"/{('publish', 'fire')[count % 2]}?id={name}")
            except OSError as e:
                self.refused.append((name, e))
                time.sleep(0.01)
                continue
            if status in (200, 202):
                self.accepted.append(name)
            else:
                self.refused.append((name, status, text))

    def end(self) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join()


def ids_in(topic: str, wanted: set[str], seconds: float = 60) -> Counter[str]:
    """How often each id is in the topic, once the wanted ones and whatever follows in two seconds are read."""
    system = kca.System(
        kca.Connection("kafka", BROKER),
        kca.ConsumerBuilder("kafka", topic, f"reader-{uuid.uuid4()}", partition=kca.PARTITION_EVERY),
    )
    system.handler("*", lambda order, message: None)
    found: Counter[str] = Counter()
    with system:
        queue = system.consumer(system.description()["consumers"][0]["name"]).queue()
        deadline = time.monotonic() + seconds
        quiet = 0
        while time.monotonic() < deadline and (quiet < 2 or not wanted <= found.keys()):
            events = queue.next(1000, 1000)
            quiet = 0 if events else quiet + 1
            for event in events:
                if isinstance(event, kca.Delivery):
                    found[event.json()["id"]] += 1
                    event.done()
        queue.close()
    return found


@pytest.fixture
def topic() -> str:
    return f"openresty-{uuid.uuid4()}"


def begin(
    folder: Path,
    topic: str,
    hosts: str = BROKER,
    start_ms: int = 10000,
    workers: int = 2,
) -> Server:
    app = APP % {"hosts": hosts, "topic": topic, "start_ms": start_ms}
    return Server(folder, app, LOCATIONS, workers=workers)


@pytest.fixture
def server(tmp_path: Path, topic: str) -> Iterator[Server]:
    made = begin(tmp_path, topic)
    yield made
    made.close()


def must_be_there_once(topic: str, accepted: list[str]) -> None:
    found = ids_in(topic, set(accepted))
    missing = set(accepted) - found.keys()
    assert not missing, f"{len(missing)} of {len(accepted)} are lost: {sorted(missing)[:5]}"
    assert [name for name, count in found.items() if count != 1] == []


def test_reloads_under_load_lose_nothing(server: Server, topic: str) -> None:
    load = Load(server)
    for i in range(RELOADS):
        old = set(server.workers())
        accepted = len(load.accepted)
        server.signal(signal.SIGHUP)
        wait_until(
            lambda old=old: not old & set(server.workers()),
            f"reload {i}: the old workers have gone",
        )  # type: ignore[misc]
        wait_until(
            lambda accepted=accepted: len(load.accepted) > accepted,
            "the new ones serve",
        )  # type: ignore[misc]
    load.end()
    assert load.refused == []
    assert len(load.accepted) > RELOADS
    handled = ids_in(f"{topic}.handled", set(load.accepted))
    assert set(load.accepted) <= handled.keys()
    assert server.end(signal.SIGQUIT) == 0
    must_be_there_once(topic, load.accepted)
    assert "exited on signal" not in server.errors()
    print(f"{RELOADS} reloads, {len(load.accepted)} messages accepted, each there once")


@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGTERM])
def test_the_end_under_load_loses_nothing(server: Server, topic: str, number: int) -> None:
    load = Load(server)
    wait_until(lambda: len(load.accepted) > 500, "there is load")
    assert server.end(number) == 0
    load.end()
    assert "exited on signal" not in server.errors()
    must_be_there_once(topic, load.accepted)


class Forwarder:
    """A port that leads to the broker from the moment that it is opened."""

    def __init__(self, port: int) -> None:
        self.listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        host, port = BROKER.split(",")[0].rsplit(":", 1)
        while True:
            client, _ = self.listener.accept()
            there = socket.create_connection((host, int(port)))
            for a, b in ((client, there), (there, client)):
                threading.Thread(target=self._copy, args=(a, b), daemon=True).start()

    @staticmethod
    def _copy(source: socket.socket, target: socket.socket) -> None:
        while data := source.recv(65536):
            target.sendall(data)
        target.close()


def test_a_cluster_that_answers_late_is_tried_again(tmp_path: Path, topic: str) -> None:
    port = free_port()
    server = begin(tmp_path, topic, f"127.0.0.1:{port}", start_ms=300, workers=1)
    try:
        assert server.json("/state") == {"started": False, "problem": "unreachable"}
        status, text = server.get("/publish?id=1")
        assert status == 500 and text
        Forwarder(port)
        wait_until(lambda: server.json("/state")["started"], "it starts")
        assert server.get("/publish?id=2")[0] == 200
        assert json.loads(json.dumps(ids_in(topic, {"2"}))) == {"2": 1}
    finally:
        server.close()
