"""Hostile records through resty.kca in a real nginx on a real Kafka: the worker goes on, and nothing is cut."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import hostile
import pytest
from server import Server, wait_until

APP = """
local kca = require "resty.kca"
local M = { kca = kca, seen = {} }

local function hex(bytes)
  return (bytes:gsub(".", function(byte) return ("%%02x"):format(byte:byte()) end))
end

local function digest(bytes)
  if bytes == nil or bytes == kca.null then return "none" end
  return ("%%d:%%s:%%s"):format(#bytes, hex(bytes:sub(1, 8)), hex(bytes:sub(-8)))
end

local function see(_, m)
  local parts = { "record", tostring(m:offset()), digest(m:key()), digest(m:payload()) }
  for _, header in ipairs(m:record_headers()) do
    parts[#parts + 1] = digest(header[1]) .. "=" .. digest(header[2])
  end
  M.seen[#M.seen + 1] = table.concat(parts, "\\t")
  M.ended = m:name() == "end"
end

local system = assert(kca.system(
  kca.connection("kafka", os.getenv("KCA_BROKER_PLAINTEXT")),
  kca.consumer("kafka", "%(topic)s", "reader", { partition = kca.PARTITION_EVERY, order = "partition",
    failure_policy = "skip", commit_interval_ms = 0 })))
M.system = system
system:handler("%(name)s", see)
system:handler("end", see)
assert(system:consumer("reader"):run())
M.started, M.problem = system:start()
return M
"""
LOCATIONS = {
    "/ended": "ngx.say(tostring(app.ended))",
    "/seen": 'ngx.say(require("kca.json").encode(app.kca.array(app.seen)))',
    "/describe": "ngx.say(app.system:describe())",
}


@pytest.mark.parametrize("name", ["*", "orderCreated"])
def test_a_worker_reads_them_and_goes_on(tmp_path: Path, name: str) -> None:
    topic = f"hostile.{uuid.uuid4().hex}"
    hostile.publish(os.environ["KCA_BROKER_PLAINTEXT"], topic)
    server = Server(tmp_path, APP % {"topic": topic, "name": name}, LOCATIONS)
    try:
        wait_until(lambda: server.get("/ended")[1] == "true\n", "the last record is handled", 300)
        wanted = hostile.lines()
        seen = server.json("/seen")
        assert seen == wanted if name == "*" else seen == [line for line in wanted if line in seen] and len(seen) > 20
        assert f"{len(seen)} handled, 0 failed, {len(wanted) - len(seen)} rejected" in server.get("/describe")[1]
        assert "[alert]" not in server.errors() and "exited on signal" not in server.errors()
    finally:
        server.close()
