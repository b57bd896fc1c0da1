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
M.fired = 0
system:handler("here", function(asked, delivery)
  M.fired = M.fired + (asked.fired or 0)
  if asked.id == 0 then
    error("there is no such thing")
  elseif asked.id == 5 and delivery:attempt() == 1 then
    return nil, "not yet"
  elseif asked.id > 5 then
    return assert(system:query_bus():send("here", { id = asked.id - 5 }))
  end
  return { id = asked.id, attempt = delivery:attempt(), topic = delivery:topic() }
end)
assert(system:set_local_retries({ retry_delay_ms = 1 }))
assert(system:consumer("shop", { amount_of_processors = 4 }):run())
assert(system:start())
function M.ask(id, timeout_ms)
  local reply, err = system:query_bus("prices"):send("priceOf", { id = tonumber(id) }, { timeout_ms = timeout_ms })
  ngx.say(require("kca.json").encode(err and { name = err.name, text = tostring(err) } or reply))
end
function M.here(id)
  local reply, err = system:query_bus():send("here", { id = tonumber(id) }, { timeout_ms = 60000 })
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
    "/here": "app.here(ngx.var.arg_id)",
    "/publish": """
        local receipt = assert(app.system:command_bus():publish("here", { id = 1 }))
        ngx.say(require("kca.json").encode({ partition = receipt.partition }))""",
    "/fire": """
        assert(app.system:command_bus():fire("here", { id = 1, fired = 1 }))
        ngx.say("{}")""",
    "/fired": "ngx.say(app.fired)",
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


def test_a_bus_without_a_channel_runs_the_handler_in_the_light_thread(server: Server) -> None:
    assert server.json("/here?id=3") == {"id": 3, "attempt": 1, "topic": ""}
    assert server.json("/here?id=5") == {"id": 5, "attempt": 2, "topic": ""}
    assert server.json("/here?id=10") == {"id": 5, "attempt": 2, "topic": ""}
    refused = server.json("/here?id=0")
    assert refused["name"] == "reply"
    assert "there is no such thing" in refused["text"]
    assert server.json("/publish") == {"partition": -1}
    assert server.json("/fire") == {}
    wait_until(lambda: server.json("/fired") == 1, "what was fired is handled")
