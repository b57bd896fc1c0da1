"""Sending a message and waiting for its reply in a real nginx: light threads wait, the worker does not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from server import Server, wait_until

APP = """
local kca = require "resty.kca"
local M = { kca = kca }
local system = assert(kca.system(
  kca.connection("kafka", "embedded://"),
  kca.publisher("kafka", "prices",
    { required_acks = -1, linger_ms = 0, reply_channel = "answers", buffer_messages = 8 }),
  kca.publisher("kafka", "answers", { required_acks = -1, linger_ms = 0 }),
  kca.consumer("kafka", "prices", "shop", { partition = kca.PARTITION_EVERY })))
M.system = system
system:handler("priceOf", function(asked, message)
  local reply = asked.id < 0 and { error = "there is no such thing" } or { amount = asked.id * 10 }
  if asked.id ~= 0 then
    local fields = { unnamed = true, correlation_id = message:correlation_id() }
    assert(system:event_bus("answers"):publish(nil, reply, fields))
  end
end)
assert(system:consumer("shop", { amount_of_processors = 4 }):run())
assert(system:start())
function M.ask(id, timeout_ms)
  local reply, err = system:query_bus("prices"):send("priceOf", { id = tonumber(id) }, { timeout_ms = timeout_ms })
  ngx.say(require("kca.json").encode(err and { name = err.name, text = tostring(err) } or reply))
end
return M
"""

LOCATIONS = {
    "/ask": "app.ask(ngx.var.arg_id, 60000)",
    "/soon": "app.ask(0, 20)",
    "/ever": "app.ask(0, -1)",
    "/many": """
        collectgarbage("stop")
        for id = 1, 10 do
          assert(app.system:query_bus("prices"):send("priceOf", { id = id % 2 * 2 - 1 }) or id % 2 == 0)
        end
        collectgarbage("restart")
        ngx.say("{}")""",
    "/killed": """
        local thread = ngx.thread.spawn(app.ask, 0, 200)
        ngx.thread.kill(thread)
        ngx.say("{}")""",
    "/channel": 'ngx.say(require("kca.json").encode(app.system:description().reply_channels[1]))',
    "/hello": 'ngx.say("hello")',
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path, APP, LOCATIONS)
    yield made
    made.close()
    assert [line for line in made.errors().splitlines() if "[error]" in line] == []


def test_a_light_thread_waits_for_its_reply(server: Server) -> None:
    assert server.json("/ask?id=7") == {"amount": 70}
    refused = server.json("/ask?id=-1")
    assert refused == {"name": "reply", "text": "there is no such thing"}
    late = server.json("/soon")
    assert late["name"] == "timeout"
    assert "priceOf" in late["text"]
    assert server.json("/ever")["name"] == "argument"


def test_replies_that_were_read_leave_room(server: Server) -> None:
    assert server.json("/many") == {}


def test_many_ask_side_by_side_and_the_worker_goes_on(server: Server) -> None:
    got: dict[int, Any] = {}

    def ask(id: int) -> None:
        got[id] = server.json(f"/ask?id={id}")["amount"]

    threads = [threading.Thread(target=ask, args=[id]) for id in range(1, 21)]
    for thread in threads:
        thread.start()
    assert server.get("/hello") == (200, "hello\n")
    for thread in threads:
        thread.join()
    assert got == {id: id * 10 for id in range(1, 21)}


def test_one_that_is_killed_leaves_nothing_behind(server: Server) -> None:
    for _ in range(5):
        server.json("/killed")
    wait_until(lambda: server.json("/channel")["timed_out"] == 5, "the asks have ended")
    assert server.json("/ask?id=7") == {"amount": 70}
    assert server.json("/channel")["waiting"] == 0
