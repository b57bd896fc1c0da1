"""Health in a real nginx: a worker's own, and that of all workers, whichever answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from server import Server, wait_until

APP = """
local kca = require "resty.kca"
local json = require "kca.json"
local M = {}
M.system = assert(kca.system(
  kca.connection("kafka", "embedded://"),
  kca.publisher("kafka", "orders", { required_acks = -1, linger_ms = 0 }),
  kca.consumer("kafka", "orders", "shop", { partition = kca.PARTITION_EVERY })))
assert(M.system:handler("*", function()
  local over = ngx.now() + 600
  while not ngx.shared.test:get("free") do
    assert(ngx.now() < over, "nobody freed the handler")
    ngx.sleep(0.01)
  end
end))
assert(M.system:consumer("shop"):run({ workers = "every" }))
M.early, M.problem = M.system:shared_health()
assert(M.system:start())
M.refused, M.why = M.system:share_health("nothing")
assert(M.system:share_health("health", 200))
function M.say(value)
  value.worker = ngx.worker.id()
  ngx.say(json.encode(value))
end
return M
"""
LOCATIONS = {
    "/own": "app.say(assert(app.system:health(200)))",
    "/all": "app.say(assert(app.system:shared_health()))",
    "/publish": 'assert(app.system:event_bus("orders"):publish("orderCreated", 1)) app.say({})',
    # What the other worker told last is 20 s old, for as long as this request takes.
    "/late": """
        local dict = ngx.shared.health
        for _, key in ipairs(dict:get_keys()) do
          if not key:match(" " .. ngx.worker.id() .. "$") then
            local told = require("kca.json").decode(dict:get(key))
            told.at = ngx.now() - 20
            dict:set(key, require("kca.json").encode(told))
          end
        end
        app.say(assert(app.system:shared_health()))""",
    "/free": 'ngx.shared.test:set("free", true) app.say({})',
    "/wrong": "app.say({ early = app.problem.text, nowhere = app.why.text })",
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(
        tmp_path,
        APP,
        LOCATIONS,
        workers=2,
        head="lua_shared_dict health 64k; lua_shared_dict test 64k;",
    )
    yield made
    made.close()
    assert [line for line in made.errors().splitlines() if "[error]" in line] == []


def told_by_each(server: Server, path: str, wanted: Any) -> list[Any]:
    """What both workers answer, once the answers of both are as wanted."""
    told: dict[int, Any] = {}

    def ask() -> bool:
        answer = server.json(path)
        told[answer["worker"]] = answer
        return set(told) == {0, 1} and all(wanted(each) for each in told.values())

    wait_until(ask, f"{path} as wanted from both workers", 60)
    return [told[0], told[1]]


def told_late(server: Server) -> Any:
    """What a worker says once the other one is late, unless that has just told again."""
    told = server.json("/late")
    return not told["ready"] and told


def test_each_worker_tells_of_all(server: Server) -> None:
    for told in told_by_each(server, "/all", lambda told: told["ready"]):
        assert (told["code"], told["reasons"], told["workers"]) == (0, [], [0, 0])
    stuck = server.json("/publish")["worker"]
    for told in told_by_each(server, "/all", lambda told: told["code"] == 3):
        assert (told["live"], told["ready"], told["stuck"]) == (False, False, True)
        assert told["workers"][stuck] == 3 and told["workers"][1 - stuck] == 0
        assert told["reasons"][0].startswith(f"worker {stuck}: consumer shop: orders[")
    for told in told_by_each(server, "/own", lambda told: True):  # its own alone
        assert told["stuck"] == (told["worker"] == stuck)
    server.json("/free")
    told_by_each(server, "/all", lambda told: told["ready"])
    late = wait_until(lambda: told_late(server), "it is late")
    assert late["code"] == 3 and late["workers"][late["worker"]] == 0
    assert late["reasons"] == [f"worker {1 - late['worker']}: it has told nothing for 20 s"]


def test_who_shares_nothing_or_nowhere_hears_of_it(server: Server) -> None:
    told = server.json("/wrong")
    assert told["early"] == "shared_health: call share_health first"
    assert told["nowhere"] == "share_health: nothing must be a dictionary of lua_shared_dict"
