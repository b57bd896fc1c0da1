"""The peer of the cross test in OpenResty, `answer` and `ask`: a real nginx; see peer.c."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "openresty"))

from server import Server, wait_until

PATIENCE_SECONDS = 120

ANSWERING = """
local kca = require "resty.kca"
local M = {{}}
local system = assert(kca.system(
  kca.connection("kafka", "{bootstrap}"),
  kca.publisher("kafka", "{replies}", {{ required_acks = -1, linger_ms = 0 }}),
  kca.consumer("kafka", "{channel}", "{channel}", {{ reply = true, failure_policy = "skip" }})))
assert(system:handler("greet", function(_, asked)
  return {{ from = "{channel}", id = asked:correlation_id() }}
end))
assert(system:handler("refuse", function()
  error(kca.rejected("refused", "{channel} greets nobody"))
end))
assert(system:consumer("{channel}"):run())
assert(system:start({patience_ms}))
function M.replied()
  ngx.say(system:description().consumers[1].replied)
end
return M
"""

ASKING = """
local kca = require "resty.kca"
local M = {{}}
local system = assert(kca.system(kca.connection("kafka", "{bootstrap}")))
for channel in ("{channels}"):gmatch("%S+") do
  local options = {{ required_acks = -1, linger_ms = 0, reply_channel = "{replies}" }}
  assert(system:add_publisher(kca.publisher("kafka", channel, options)))
end
assert(system:start({patience_ms}))
function M.ask(channel)
  local bus = assert(system:query_bus(channel))
  local function send(name, id)
    local fields = {{ correlation_id = id, traceparent = "{traceparent}", timeout_ms = {patience_ms} }}
    return bus:send(name, {{}}, fields)
  end
  local id = "{asker}>" .. channel
  ngx.say(channel, "\\t", require("kca.json").encode(assert(send("greet", id))))
  local _, err = send("refuse", id .. "!")
  ngx.say(channel, "\\t", err.name, "\\t", tostring(err))
end
return M
"""


def answer(folder: Path, bootstrap: str, channel: str, replies: str, count: str) -> None:
    names = {"bootstrap": bootstrap, "channel": channel, "replies": replies}
    app = ANSWERING.format(**names, patience_ms=PATIENCE_SECONDS * 1000)
    server = Server(folder, app, {"/replied": "app.replied()"})
    try:
        wait_until(
            lambda: server.json("/replied") == int(count),
            "all are answered",
            PATIENCE_SECONDS,
        )
        assert server.end() == 0
    finally:
        server.close()


def ask(
    folder: Path,
    bootstrap: str,
    replies: str,
    asker: str,
    traceparent: str,
    *channels: str,
) -> None:
    names = {
        "bootstrap": bootstrap,
        "replies": replies,
        "asker": asker,
        "traceparent": traceparent,
    }
    app = ASKING.format(**names, channels=" ".join(channels), patience_ms=PATIENCE_SECONDS * 1000)
    server = Server(folder, app, {"/ask": "app.ask(ngx.var.arg_channel)"})
    try:
        for channel in channels:
            status, text = server.get(f"/ask?channel={channel}")
            assert status == 200, server.errors()
            print(text, end="")
        assert server.end() == 0
    finally:
        server.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        {"answer": answer, "ask": ask}[sys.argv[1]](Path(made), *sys.argv[2:])
