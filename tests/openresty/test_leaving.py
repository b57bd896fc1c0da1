"""resty.kca when a worker leaves, with a real Kafka: what was accepted is sent, or counted in the error log."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from server import Server, wait_until
from test_reload import ids_in

BROKER = os.environ.get("KCA_BROKER_PLAINTEXT", "")
PROXIED = os.environ.get("KCA_BROKER_PROXIED", "")
PROXY = os.environ.get("KCA_BROKER_PROXY", "")

pytestmark = pytest.mark.skipif(not BROKER, reason="needs Kafka: tests/broker/kafka start")

APP = """
local kca = require "resty.kca"
local M = {}
local system = assert(kca.system(
  kca.connection("kafka", "%(hosts)s"),
  kca.publisher("kafka", "%(topic)s", { required_acks = -1, linger_ms = %(linger_ms)d })))
M.system = system
M.bus = assert(system:event_bus("%(topic)s"))
assert(system:start(10000))
return M
"""
LOCATIONS = {
    "/fire": """for i = 1, tonumber(ngx.var.arg_n) do assert(app.bus:fire("orderCreated", { id = tostring(i) })) end
                ngx.say("{}")""",
    "/stored": "ngx.say(app.system:counts().stored)",
}
COUNT = 50


def begin(folder: Path, topic: str, hosts: str, *, linger_ms: int, patience: str) -> Server:
    app = APP % {"hosts": hosts, "topic": topic, "linger_ms": linger_ms}
    return Server(folder, app, LOCATIONS, shutdown_timeout=patience)


def left_after(server: Server) -> float:
    """Seconds from a reload until the old workers have gone."""
    old = set(server.workers())
    begun = time.monotonic()
    server.signal(signal.SIGHUP)
    wait_until(lambda: not old & set(server.workers()), "the old workers have gone", 100)
    return time.monotonic() - begun


def unconfirmed(server: Server) -> list[int]:
    """The counts that leaving workers wrote."""
    return [int(count) for count in re.findall(r"the worker leaves: .* (\d+) messages were not", server.errors())]


@pytest.fixture
def topic() -> str:
    return f"openresty-{uuid.uuid4()}"


class Swallower:
    """Leads clients to the broker until it is told to swallow what they send."""

    def __init__(self) -> None:
        self.lets_through = threading.Event()
        self.lets_through.set()
        self.listener = socket.create_server(("127.0.0.1", int(PROXY.rsplit(":", 1)[1])))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        host, port = PROXIED.rsplit(":", 1)
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            there = socket.create_connection((host, int(port)))
            for a, b in ((client, there), (there, client)):
                threading.Thread(target=self._copy, args=(a, b), daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                if self.lets_through.is_set():
                    target.sendall(data)
        except OSError:
            pass
        target.close()


@pytest.fixture
def swallower() -> Iterator[Swallower]:
    made = Swallower()
    yield made
    made.listener.close()


def test_a_reloaded_worker_sends_what_it_accepted_before_it_leaves(tmp_path: Path, topic: str) -> None:
    server = begin(tmp_path, topic, BROKER, linger_ms=3000, patience="100s")
    try:
        server.json(f"/fire?n={COUNT}")
        left_after(server)
        assert unconfirmed(server) == []
        wanted = {str(i) for i in range(1, COUNT + 1)}
        assert set(ids_in(topic, wanted)) == wanted
    finally:
        server.close()


@pytest.mark.skipif(not PROXY, reason="needs the proxied listener")
def test_a_worker_whose_broker_is_silent_counts_what_it_leaves(
    tmp_path: Path, topic: str, swallower: Swallower
) -> None:
    server = begin(tmp_path, topic, PROXY, linger_ms=0, patience="4s")
    try:
        server.json("/fire?n=1")
        wait_until(lambda: server.get("/stored")[1] == "1\n", "the first is stored")
        swallower.lets_through.clear()
        server.json(f"/fire?n={COUNT}")
        assert left_after(server) > 3.5  # worker_shutdown_timeout
        assert unconfirmed(server) == [COUNT]
        assert server.errors().count("[error]") == 1
    finally:
        server.close()
