"""resty.kca in a real nginx with the embedded broker: nothing blocks the worker, and nothing is lost on the way."""

from __future__ import annotations

import hashlib
import http.client
import json
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from server import Server, wait_until

APP = """
local kca = require "resty.kca"
local M = { kca = kca, seen = {}, handled = 0 }
local system = assert(kca.system(
  kca.connection("kafka", "embedded://"),
  kca.publisher("kafka", "orders", { required_acks = -1, linger_ms = %(linger_ms)d, buffer_messages = %(buffer)d }),
  kca.consumer("kafka", "orders", "shop", { partition = kca.PARTITION_EVERY, failure_policy = "%(policy)s" })))
M.system = system
system:handler("*", function(order, message)
  M.handled = M.handled + 1
  %(handler)s
end)
assert(system:consumer("shop", { amount_of_processors = %(processors)d }):run(%(where)s))
M.started, M.problem = system:start()
M.bus = assert(system:event_bus("orders"))
function M.answer(value, err)
  if err then
    ngx.status = 500
    value = { name = err.name, text = tostring(err), retriable = err.retriable }
  end
  ngx.say(require("kca.json").encode(value))
end
return M
"""

PUBLISH = """
local r, err = app.bus:publish("orderCreated", { id = tonumber(ngx.var.arg_id) }, { key = ngx.var.arg_key })
app.answer(r, err)
"""
LOCATIONS = {
    "/publish": PUBLISH,
    "/counts": "app.answer(app.system:counts())",
    "/status": """app.answer({ worker = ngx.worker.id(), handled = app.handled, seen = app.kca.array(app.seen),
                  running = app.system:consumer("shop").running ~= nil,
                  problem = app.problem and tostring(app.problem),
                  why = tostring(app.system:consumer("shop"):error()) })""",
    "/fire": 'for i = 1, tonumber(ngx.var.arg_n) do app.bus:fire("orderCreated", { id = i }) end ngx.say("{}")',
    "/echo": "ngx.req.read_body() ngx.say(ngx.req.get_body_data())",
    "/hello": 'ngx.say("hello")',
}

Begin = Callable[..., Server]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """Starts a server whose handler is this text in Lua; ends it."""
    servers: list[Server] = []

    def start(
        handler: str = "",
        *,
        linger_ms: int = 0,
        processors: int = 1,
        where: str = "",
        policy: str = "skip",
        buffer: int = 2000,
        locations: dict[str, str] | None = None,
        **options: Any,
    ) -> Server:
        names = {
            "handler": handler, "linger_ms": linger_ms, "processors": processors, "where": where, "policy": policy,
            "buffer": buffer,
        }  # fmt: skip
        servers.append(Server(tmp_path, APP % names, LOCATIONS | (locations or {}), **options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
        strange = [
            line
            for line in server.errors().splitlines()
            if "[error]" in line and "has ended" not in line and "does not begin" not in line
        ]
        assert strange == []


def together(count: int, call: Callable[[int], Any]) -> list[Any]:
    """The results of as many calls at the same time."""
    results: list[Any] = [None] * count

    def one(i: int) -> None:
        results[i] = call(i)

    threads = [threading.Thread(target=one, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def answered_meanwhile(server: Server, thread: threading.Thread) -> int:
    """How many requests the worker answers until the thread has ended."""
    thread.start()
    count = 0
    while thread.is_alive():
        assert server.get("/hello") == (200, "hello\n")
        count += 1
    return count


def test_publish_answers_with_the_receipt(begin: Begin) -> None:
    server = begin("app.seen[#app.seen + 1] = order.id")
    first = server.json("/publish?id=1&key=k")
    second = server.json("/publish?id=2&key=k")
    assert first["topic"] == "orders"
    assert second["partition"] == first["partition"]
    assert second["offset"] == first["offset"] + 1
    wait_until(lambda: server.json("/status")["seen"] == [1, 2], "both are handled, in order")
    assert server.json("/counts") == {
        "accepted": 2,
        "stored": 2,
        "failed": 0,
        "refused": 0,
        "unanswered": 0,
    }


def test_hooks_surround_publishes_and_handlers(begin: Begin) -> None:
    server = begin(
        """M.seen[#M.seen + 1] = tostring(order.id) .. tostring(message:header("tenant"))
        end)
        system:handling_hook(function(h)
          coroutine.yield()
          h.kept = "kept"
        end, function(h)
          M.seen[#M.seen + 1] = h.kept .. h.verdict
        end)
        system:publish_hook(function(h)
          local id = h.message:json().id
          coroutine.yield()
          if id == 3 then
            return kca.DROP
          elseif id == 4 then
            return nil, kca.rejected("NoTenant", "it has no tenant")
          end
          h.message:set_header("tenant", "acme")
        end, function(h)
          M.receipts = (M.receipts or 0) + (h.receipt and h.receipt.offset >= 0 and 1 or 0)
        """,
        locations={"/receipts": "app.answer({ receipts = app.receipts })"},
    )
    assert server.json("/publish?id=1&key=k")["offset"] == 0
    dropped = server.json("/publish?id=3&key=k")
    assert (dropped["topic"], dropped["partition"], dropped["offset"]) == ("orders", -1, -1)
    refused = json.loads(server.get("/publish?id=4&key=k")[1])
    assert refused["name"] == "hook"
    assert "NoTenant: it has no tenant" in refused["text"]
    server.get("/fire?n=1")
    wait_until(lambda: server.json("/counts")["stored"] == 2, "both are stored")
    wait_until(lambda: server.json("/status")["seen"] == ["1acme", "kept0"] * 2, "both are handled inside the hook")
    assert server.json("/receipts") == {"receipts": 1}


def test_translators_make_records_and_messages(begin: Begin) -> None:
    server = begin(
        """M.seen[#M.seen + 1] = ("%s %s"):format(order.id, message:header("content-type"))
        end)
        system:set_translator("orders", {
          to_record = function(record, message)
            local id = message:json().id
            if id == 4 then
              error(kca.rejected("NoId", "four has no form"))
            end
            record:set_payload("id=" .. tostring(id or 7))
            record:set_header("content-type", "application/x-id")
          end,
          to_message = function(message, record)
            message:set_payload('{"id":' .. record:payload():match("^id=(.+)$") .. "}")
          end,
        })
        system:on("state", function()
        """
    )
    assert server.json("/publish?id=1&key=k")["offset"] == 0
    refused = json.loads(server.get("/publish?id=4&key=k")[1])
    assert (refused["name"], refused["text"]) == (
        "translator",
        "publisher orders: its translator failed: NoId: four has no form",
    )
    server.get("/fire?n=1")
    wait_until(lambda: len(server.json("/status")["seen"]) == 2, "both are handled")
    assert server.json("/status")["seen"] == ["1 application/x-id"] * 2


def test_a_message_takes_nothing_over_from_the_one_before(begin: Begin) -> None:
    server = begin(
        "app.seen[#app.seen + 1] = { order.id or 0, message:key() == message:correlation_id(), message:message_id() }"
    )
    server.json("/publish?id=1&key=k")
    server.json("/publish")
    server.json("/publish?id=3&key=k")
    wait_until(lambda: len(server.json("/status")["seen"]) == 3, "all are handled")
    seen = server.json("/status")["seen"]
    assert sorted(one[:2] for one in seen) == [[0, True], [1, False], [3, False]]
    assert len({one[2] for one in seen}) == 3


def test_fields_and_failures_are_of_their_message_only(begin: Begin) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    publish = 'app.answer(app.bus:publish("orderCreated", %s, %s))'
    server = begin(
        """app.seen[#app.seen + 1] = { order.id, message:correlation_id() == "c", message:message_id() == "m",
                                       message:traceparent() }""",
        locations={
            "/all": publish
            % (
                "{ id = 1 }",
                f'{{ key = "k", correlation_id = "c", message_id = "m", traceparent = "{trace}" }}',
            ),
            "/none": publish % ("{ id = 2 }", '{ key = "k" }'),
            "/reused": """local fields = { key = "k", correlation_id = "c", message_id = "m" }
                          app.bus:publish("orderCreated", { id = 5 }, fields)
                          fields.correlation_id, fields.message_id = nil, nil
                          app.answer(app.bus:publish("orderCreated", { id = 6 }, fields))""",
            "/no-json": publish % ("'{'", "{ check_json = true }"),
            "/no-trace": publish % ("{ id = 3 }", '{ traceparent = "x" }'),
            "/no-field": publish % ("{ id = 4 }", '{ kee = "k" }'),
        },
    )
    server.json("/all")
    refused = [json.loads(server.get(path)[1])["name"] for path in ("/no-json", "/no-trace", "/no-field")]
    assert refused == ["payload", "argument", "argument"]
    server.json("/none")
    server.json("/reused")
    wait_until(lambda: len(server.json("/status")["seen"]) == 4, "all are handled")
    assert server.json("/status")["seen"] == [
        [1, True, True, trace],
        [2, False, False, ""],
        [5, True, True, ""],
        [6, False, False, ""],
    ]
    assert server.json("/counts")["refused"] == 3


def test_a_receipt_is_given_to_who_asked_for_it(begin: Begin) -> None:
    listen = """app.told = {}
                app.system:on("receipt", function(r) app.told[#app.told + 1] = { r.token or 0, r.offset } end)
                app.bus:fire("orderCreated", { id = 1 }, { key = "k", token = 77 })
                app.bus:fire("orderCreated", { id = 2 }, { key = "k" }) app.answer({})"""
    server = begin(locations={"/listen": listen, "/told": "app.answer(app.kca.array(app.told))"})
    server.json("/listen")
    wait_until(lambda: len(server.json("/told")) == 2, "both receipts came")
    assert server.json("/told") == [[77, 0], [0, 1]]


PLACES = """app.answer({ places = #app.system.places, free = #app.system.free })"""


def test_a_publish_that_is_killed_leaves_its_place(begin: Begin) -> None:
    kill = """for i = 1, 100 do
                local t = ngx.thread.spawn(function() return app.bus:publish("orderCreated", { id = i }) end)
                if i % 3 == 0 then ngx.sleep(0) end
                ngx.thread.kill(t)
              end
              ngx.say("{}")"""
    server = begin(buffer=50, locations={"/kill": kill, "/places": PLACES})
    for _ in range(2):
        for _ in range(10):
            server.json("/kill")
            wait_until(lambda: server.json("/counts")["unanswered"] == 0, "all are answered")
        server.json("/publish?id=1&key=k")  # looks at the abandoned ones if no place is free
        wait_until(lambda: len(set(server.json("/places").values())) == 1, "all places are free")
    assert server.json("/places")["places"] < 100
    assert server.json("/counts")["stored"] + server.json("/counts")["failed"] == server.json("/counts")["accepted"]


def test_requests_that_clients_abort_leave_their_places(begin: Begin) -> None:
    server = begin(
        linger_ms=20,
        locations={"/places": PLACES},
        head="lua_check_client_abort on;",
    )

    def leave(i: int) -> None:
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(f"GET /publish?id={i} HTTP/1.1\r\nHost: x\r\n\r\n".encode())

    for i in range(1000):
        leave(i)
    wait_until(lambda: server.json("/counts")["unanswered"] == 0, "all are answered")
    server.json("/publish?id=1&key=k")
    wait_until(lambda: len(set(server.json("/places").values())) == 1, "all places are free")
    assert server.json("/publish?id=1&key=k")["topic"] == "orders"


HEADERS = """
local headers = { { "x", "1" }, { "none", app.kca.null }, { "x", "2" }, { "empty", "" }, { "bytes", "\\0\\255" } }
local r, err = app.bus:publish("orderCreated", {}, { headers = headers, partition = tonumber(ngx.var.arg_partition) })
app.answer(r, err)
"""


def test_headers_are_a_list_and_a_partition_is_chosen_in_nginx_too(begin: Begin) -> None:
    server = begin(
        """for _, pair in ipairs(message:header_list()) do
             M.seen[#M.seen + 1] = { pair[1], pair[2] == kca.null and "null" or ngx.encode_base64(pair[2]) }
           end""",
        locations={"/headers": HEADERS},
    )
    assert server.json("/headers?partition=2")["partition"] == 2
    status, text = server.get("/headers?partition=4")
    assert (status, json.loads(text)["name"]) == (500, "argument")
    assert "partition must be 0 to 3, for the topic has 4 partitions, got 4" in text
    seen = wait_until(lambda: server.json("/status")["seen"], "it is handled")
    assert seen == [["x", "MQ=="], ["none", "null"], ["x", "Mg=="], ["empty", ""], ["bytes", "AP8="]]


FIELDS = """
local fields = app.kca.request_fields({ "tenant", ["X-Request-Id"] = "requestId" })
ngx.say(require("kca.json").encode({ fields, ngx.md5(app.kca.request_body()) }))
"""


def test_a_gateway_takes_what_it_asks_for(begin: Begin) -> None:
    server = begin(locations={"/fields": FIELDS})
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    body = bytes(range(256)) * 1000  # more than nginx keeps in memory

    def fields_of(*headers: tuple[str, str]) -> tuple[dict[str, Any], str]:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        connection.putrequest("POST", "/fields")
        for name, value in [*headers, ("Content-Length", str(len(body)))]:
            connection.putheader(name, value)
        connection.endheaders(body)
        fields, digest = json.loads(connection.getresponse().read())
        connection.close()
        return fields, digest

    fields, digest = fields_of(
        ("Tenant", "a"), ("tenant", "b"), ("X-Request-Id", "7"), ("Cookie", "secret"), ("route", "forged"),
        ("Traceparent", trace), ("Tracestate", "v=1"),
    )  # fmt: skip
    assert sorted(fields.pop("headers")) == [["requestId", "7"], ["tenant", "a"], ["tenant", "b"]]
    assert fields == {"traceparent": trace, "tracestate": "v=1"}
    assert digest == hashlib.md5(body).hexdigest()
    assert fields_of(("Traceparent", "00-0-0-01"))[0] in ({}, [])


@pytest.mark.parametrize(
    "how",
    [
        "error()", "error({})", "error(setmetatable({}, { __tostring = function() return {} end }))",
        "ngx.exit(500)", 'ngx.exec("/hello")', 'ngx.redirect("/hello")', "ngx.thread.kill(coroutine.running())",
        "ngx.thread.spawn(error) error(12)", 'return nil, setmetatable({}, { __index = error, __tostring = error })',
    ],
)  # fmt: skip
def test_every_end_of_a_handler_settles_its_delivery(begin: Begin, how: str) -> None:
    server = begin(
        how,
        processors=4,
        locations={"/shop": "app.answer(app.system:description().consumers[1])"},
    )
    for _ in range(10):
        server.json("/fire?n=100")
    wait_until(lambda: server.json("/status")["handled"] == 1000, "all are handled")

    def all_settled() -> bool:
        shop = server.json("/shop")
        return bool(shop["held"] == 0 and shop["failed"] + shop["handled"] == 1000)

    wait_until(all_settled, "all are settled")
    if "kill" not in how:
        assert server.json("/shop")["failed"] == 1000


def test_a_publish_that_waits_holds_up_nobody(begin: Begin) -> None:
    server = begin(linger_ms=1000)
    waiting = threading.Thread(target=together, args=(20, lambda i: server.json(f"/publish?id={i}")))
    assert answered_meanwhile(server, waiting) > 50  # between those that block, some 20
    assert server.json("/counts")["stored"] == 20


def test_a_receipt_that_does_not_come_in_time_is_an_error(begin: Begin) -> None:
    late = 'app.answer(app.bus:publish("orderCreated", {}, { timeout_ms = 100 }))'
    server = begin(linger_ms=1500, locations={"/late": late})
    status, text = server.get("/late")
    assert status == 500
    assert json.loads(text)["name"] == "timeout"
    wait_until(lambda: server.json("/counts")["stored"] == 1, "it is stored later")


def test_a_full_buffer_is_waited_for_by_publish_and_refused_by_fire(
    begin: Begin,
) -> None:
    fire = """local refused
              for _ = 1, 12 do local ok, err = app.bus:fire("orderCreated", {}) refused = refused or err end
              app.answer(nil, refused)"""
    server = begin(linger_ms=300, buffer=10, locations={"/overfill": fire})
    status, text = server.get("/overfill")
    assert (status, json.loads(text)["name"], json.loads(text)["retriable"]) == (
        500,
        "buffer_full",
        True,
    )
    assert len(together(30, lambda i: server.json(f"/publish?id={i}"))) == 30
    counts = server.json("/counts")
    assert (counts["stored"], counts["refused"]) == (40, 2)


def test_what_cannot_be_published_is_an_error(begin: Begin) -> None:
    locations = {
        "/function": 'app.answer(app.bus:publish("orderCreated", { print }))',
        "/large": 'app.answer(app.bus:publish("orderCreated", { text = ("x"):rep(2000000) }))',
        "/queue": "app.answer(app.system:queue())",
    }
    server = begin(locations=locations)
    names = [json.loads(server.get(path)[1])["name"] for path in locations]
    assert names == ["payload", "too_large", "state"]
    assert server.json("/counts")["refused"] == 2


def test_log_by_lua_fires_and_may_not_wait(begin: Begin) -> None:
    logged = """location = /logged {
      return 200 "logged";
      log_by_lua_block {
        app.fired, app.fire_problem = app.bus:fire("requestServed", { uri = ngx.var.uri, status = ngx.status })
        app.waited, app.wait_problem = app.bus:publish("requestServed", {})
      } }"""
    outcome = "app.answer({ fired = app.fired, problem = tostring(app.wait_problem) })"
    server = begin(
        "app.seen[#app.seen + 1] = order.uri .. order.status",
        locations={"/outcome": outcome},
        more=logged,
    )
    assert server.get("/logged") == (200, "logged")
    wait_until(
        lambda: server.json("/status")["seen"] == ["/logged200"],
        "the request's message is handled",
    )
    found = server.json("/outcome")
    assert found["fired"] is True
    assert "publish waits, which log may not; use fire" in found["problem"]


def test_handlers_sleep_connect_and_publish(begin: Begin) -> None:
    server = begin(
        """
        ngx.sleep(0.01)
        if message:name() == "orderCreated" then
          local socket = ngx.socket.tcp()
          assert(socket:connect("127.0.0.1", app.port))
          assert(socket:send("GET /hello HTTP/1.0\\r\\n\\r\\n"))
          local body = assert(socket:receive("*a"))
          app.traces = { message:traceparent() }
          assert(app.bus:publish("orderBilled", { id = order.id, body = body:match("hello") }))
        else
          app.traces[2] = message:traceparent()
          app.seen[#app.seen + 1] = order.body .. order.id
        end""",
        locations={
            "/port": "app.port = tonumber(ngx.var.server_port) app.answer({})",
            "/traced": """app.answer(app.bus:publish("orderCreated", { id = 5 },
                            { traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01" }))""",
            "/traces": "app.answer(app.traces)",
        },
    )
    server.json("/port")
    server.json("/traced")
    wait_until(
        lambda: server.json("/status")["seen"] == ["hello5"],
        "the second message is handled",
    )
    first, second = server.json("/traces")
    assert first.split("-")[1] == second.split("-")[1] == "4bf92f3577b34da6a3ce929d0e0e4736"


def test_publish_may_wait_wherever_nginx_may(begin: Begin) -> None:
    phases = """
    server_rewrite_by_lua_block { if ngx.var.uri == "/phases" then app.try("server_rewrite") end }
    location = /phases {
      rewrite_by_lua_block { app.try("rewrite") } access_by_lua_block { app.try("access") }
      content_by_lua_block { app.try("content") ngx.say("said") }
      header_filter_by_lua_block { app.try("header_filter") } body_filter_by_lua_block { app.try("body_filter") }
      log_by_lua_block { app.try("log") }
    }"""
    attempt = """init_worker_by_lua_block { app = require "app"
      app.tried = {}
      function app.try(phase)
        local receipt, err = app.bus:publish("orderCreated", {})
        app.tried[phase] = { waited = receipt and receipt.topic or err.text, fired = app.bus:fire("orderCreated", {}) }
      end }"""
    locations = {"/tried": "app.answer(app.tried)"}
    server = begin(locations=locations, more=phases, init=attempt)
    assert server.get("/phases") == (200, "said\n")
    tried = wait_until(lambda: (t := server.json("/tried")) and "log" in t and t, "it is logged")
    assert all(result["fired"] for result in tried.values())
    waited = {phase for phase, result in tried.items() if result["waited"] == "orders"}
    assert waited == {"server_rewrite", "rewrite", "access", "content"}
    assert "header_filter may not; use fire" in tried["header_filter"]["waited"]


def test_a_handler_that_calls_exit_fails_and_its_processor_goes_on(
    begin: Begin,
) -> None:
    server = begin("if order.id == 1 then ngx.exit(0) end app.seen[#app.seen + 1] = order.id")
    server.json("/publish?id=1&key=a")
    server.json("/publish?id=2&key=b")
    wait_until(lambda: server.json("/status")["seen"] == [2], "the next is handled")


def test_a_function_that_listens_may_not_wait(begin: Begin) -> None:
    server = begin(
        locations={
            "/listen": """app.system:on("receipt", function(receipt)
                            if receipt.token == 5 then
                              app.waited = { select(2, app.bus:publish("orderCreated", {})).text,
                                             select(2, app.bus:flush()).text }
                            end
                          end)
                          app.answer(app.bus:fire("orderCreated", {}, { token = 5 }))""",
            "/outcome": "app.answer(app.waited or app.kca.null)",
        }
    )
    server.json("/listen")
    waited = wait_until(lambda: server.json("/outcome"), "the receipt is told")
    assert [text.split(",")[0] for text in waited] == [
        "bus: publish waits",
        "bus: flush waits",
    ]
    assert "which a function of system:on may not; use fire" in waited[0]
    assert server.json("/publish?id=1")["topic"] == "orders"


def test_timers_that_nginx_drops_cost_nothing_but_speed(begin: Begin) -> None:
    server = begin(
        processors=20,
        head="lua_max_running_timers 5;",
        locations={
            "/stop": 'app.system:consumer("shop"):stop() app.answer(true)',
            "/run": 'app.answer(app.system:consumer("shop"):run())',
        },
    )
    server.json("/publish?id=1")
    wait_until(lambda: server.json("/status")["handled"] == 1, "it is handled")
    server.json("/stop")
    wait_until(lambda: not server.json("/status")["running"], "it has stopped")
    server.json("/run")
    server.json("/publish?id=2")
    wait_until(lambda: server.json("/status")["handled"] > 1, "it runs again")
    assert "lua_max_running_timers are not enough" in server.errors()


def test_a_processor_outlives_its_timer_when_there_is_no_other(begin: Begin) -> None:
    others = "if app.handled == 10000 then for _ = 1, 2 do ngx.timer.at(0, function() ngx.sleep(0.5) end) end end"
    server = begin(
        others,
        buffer=100000,
        head="lua_max_running_timers 3;",
        locations={"/handled": "app.answer({ handled = app.handled })"},
    )
    server.json("/fire?n=20500")  # a timer handles 10,000
    wait_until(lambda: server.json("/handled")["handled"] == 20500, "all are handled", 60)


def test_a_worker_that_lives_long_hears_its_end(begin: Begin) -> None:
    soon = """init_by_lua_block {
      local at, rung = ngx.timer.at, { count = 0 }
      package.loaded.rung = rung
      rawset(ngx.timer, "at", function(delay, ring, ...)
        return at(delay >= 1e6 and 0.2 or delay, function(...)
          rung.count = rung.count + (delay >= 1e6 and 1 or 0)
          return ring(...)
        end, ...)
      end)
    }"""
    server = begin(head=soon, locations={"/rung": 'app.answer(require("rung").count)'})
    server.json("/publish?id=1")
    wait_until(lambda: server.json("/status")["handled"] == 1, "it is handled")
    wait_until(lambda: server.json("/rung") > 1, "the timer that waits for the end has run out")
    begun = time.monotonic()
    assert server.end() == 0
    assert time.monotonic() - begun < 15


def test_what_would_block_the_worker_is_refused(begin: Begin) -> None:
    locations = {
        "/log_queue": "app.answer(app.system:log_queue())",
        "/pull": 'app.answer(app.system:consumer("shop"):queue())',
        "/buffer": 'app.answer(nil, app.kca.publisher("kafka", "o", { buffer_timeout_ms = 10000 }):error())',
        "/run": 'app.answer(app.system:consumer("shop"):run({ workers = "all" }))',
        "/worker": 'app.answer(app.system:consumer("shop"):run({ worker = 7 }))',
        "/patience": 'app.answer(app.bus:publish("orderCreated", {}, { timeout_ms = "long" }))',
        "/fields": 'app.answer(app.bus:publish("orderCreated", {}, "key"))',
    }
    server = begin(locations=locations)
    texts = {path: json.loads(server.get(path)[1])["text"] for path in locations}
    assert "are not pulled" in texts["/log_queue"] and "are not pulled" in texts["/pull"]
    assert "publisher o: buffer_timeout_ms would block the worker" in texts["/buffer"]
    assert texts["/run"] == 'consumer shop: workers must be "every", got all'
    assert texts["/worker"] == "consumer shop: worker must be 0 to 0, got 7"
    assert texts["/patience"] == "bus: timeout_ms must be a number, got a string"
    assert "its fields must be a table, got a string" in texts["/fields"]


def test_a_publisher_that_is_not_async_gives_its_receipt_all_the_same(
    begin: Begin,
) -> None:
    app = """init_worker_by_lua_block {
      app = require "app"
      local kca = app.kca
      app.other = assert(kca.system(kca.connection("kafka", "embedded://"),
        kca.publisher("kafka", "bills", { required_acks = -1, async = false })))
      assert(app.other:start())
    }"""
    publish = 'app.answer(assert(app.other:event_bus("bills")):publish("orderBilled", {}))'
    server = begin(init=app, locations={"/bill": publish})
    assert server.json("/bill")["topic"] == "bills"


def test_wrong_options_do_not_lose_a_running_consumer(begin: Begin) -> None:
    wrong = 'app.answer(app.system:consumer("shop", { amount_of_processors = "4" }))'
    server = begin(locations={"/wrong": wrong})
    server.json("/publish?id=1")
    wait_until(lambda: server.json("/status")["handled"] == 1, "it is handled")
    assert "amount_of_processors must be" in json.loads(server.get("/wrong")[1])["text"]
    assert server.json("/status")["running"]


def test_what_is_published_is_not_kept_until_it_is_collected(begin: Begin) -> None:
    large = """app.large = app.large or ("x"):rep(900000)
      app.answer(app.bus:publish("orderCreated", app.large, { headers = { tenant = "acme" } }))"""
    server = begin(locations={"/large": large})
    [worker] = server.workers()

    def memory_kb() -> int:
        status = Path(f"/proc/{worker}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])

    server.json("/large")
    before = memory_kb()
    for _ in range(150):
        server.json("/large")
    assert memory_kb() - before < 90000


def test_a_flush_holds_up_nobody(begin: Begin) -> None:
    flush = 'app.bus:fire("orderCreated", {}) app.answer(app.bus:flush(%s))'
    server = begin(linger_ms=1000, locations={"/flush": flush % "", "/hasty": flush % "50"})
    assert json.loads(server.get("/hasty")[1])["name"] == "timeout"
    flushed = threading.Thread(target=server.json, args=("/flush",))
    assert answered_meanwhile(server, flushed) > 20
    assert server.json("/counts")["stored"] == 2


def test_a_consumer_that_cannot_begin_again_is_tried_again(begin: Begin) -> None:
    stub = """init_worker_by_lua_block {
      local core = require("kca.ffi_core")
      local queue, error, count = core.kca_consumer_queue, core.kca_queue_error, 0
      local function fail(text)
        return false, { code = core.KCA_ERROR_UNREACHABLE, name = "unreachable", text = text, retriable = true }
      end
      core.kca_consumer_queue = function(consumer)
        count = count + 1
        if count == 2 then return fail("it does not begin") end
        return queue(consumer)
      end
      core.kca_queue_error = function(q)
        if count == 1 then return fail("it broke") end
        return error(q)
      end
      local at = ngx.timer.at
      rawset(ngx.timer, "at", function(delay, ...) return at(delay == 5 and 0.1 or delay, ...) end)
      app = require "app"
    }"""
    server = begin(
        init=stub,
        locations={"/stop": 'app.system:consumer("shop"):stop() app.answer(true)'},
    )
    server.json("/publish?id=1")
    wait_until(lambda: server.json("/status")["handled"] == 1, "it is handled")
    server.json("/stop")
    wait_until(lambda: "does not run: it does not begin" in server.errors(), "it fails")
    wait_until(lambda: server.json("/status")["running"], "it runs again")


def test_processors_are_light_threads_side_by_side(begin: Begin) -> None:
    all_are_there = "while app.handled < 10 do ngx.sleep(0.01) end"
    server = begin(all_are_there + " app.seen[#app.seen + 1] = order.id", processors=10)
    together(10, lambda i: server.json(f"/publish?id={i}&key=k{i}"))
    wait_until(lambda: len(server.json("/status")["seen"]) == 10, "all are handled")


def test_requests_have_their_turn_while_a_backlog_is_handled(begin: Begin) -> None:
    busy_1_ms = "local until_s = os.clock() + 0.001 while os.clock() < until_s do end"
    server = begin(busy_1_ms, processors=8, buffer=100000)
    server.json("/fire?n=3000")
    answered = 0
    while server.json("/status")["handled"] < 3000:
        answered += 1
    assert answered > 10
    assert server.json("/counts")["stored"] == 3000


def test_a_failure_ends_a_consumer_that_stops_and_is_told(begin: Begin) -> None:
    server = begin('error("it broke")', policy="stop")
    server.json("/publish?id=1")
    status = wait_until(
        lambda: (s := server.json("/status"))["running"] is False and s,
        "the consumer has ended",
    )
    assert "it broke" in status["why"]
    assert "kca: consumer shop has ended: " in server.errors()


@pytest.mark.parametrize(
    ("where", "running"),
    [("", {0}), ("{ worker = 1 }", {1}), ('{ workers = "every" }', {0, 1})],
)
def test_consumers_run_in_one_worker_or_in_every_one(begin: Begin, where: str, running: set[int]) -> None:
    server = begin(where=where, workers=2)
    found: dict[int, bool] = {}

    def ask() -> bool:
        status = server.json("/status")
        found[status["worker"]] = status["running"]
        return len(found) == 2

    wait_until(ask, "both workers have answered")
    assert {worker for worker, runs in found.items() if runs} == running


def test_a_system_made_before_the_fork_says_so(begin: Begin) -> None:
    head = """init_by_lua_block {
      local kca = require "resty.kca"
      early = assert(kca.system(kca.connection("kafka", "embedded://"), kca.publisher("kafka", "early")))
      early_bus = assert(early:event_bus("early"))
      early_started, early_problem = early:start()
    }"""
    server = begin(
        head=head,
        locations={
            "/early": 'app.answer(early_bus:publish("orderCreated", {}))',
            "/start": "app.answer(nil, early_problem)",
            "/again": "app.answer(early:start())",
        },
    )
    errors = [json.loads(server.get(path)[1]) for path in ("/early", "/start", "/again")]
    assert errors[0]["name"] == "forked" and "made before fork" in errors[0]["text"]
    assert errors[1]["name"] == "state"
    assert errors[1]["text"] == "system: start it in init_worker_by_lua, in each worker, not in init_by_lua"
    assert errors[2]["name"] == "forked"
    assert server.json("/publish?id=1")["topic"] == "orders"


def test_an_idle_worker_costs_nothing(begin: Begin) -> None:
    server = begin(processors=4)
    server.json("/publish?id=1")
    wait_until(lambda: server.json("/status")["handled"] == 1, "it is handled")
    [worker] = server.workers()

    def busy_ns() -> int:
        return int(Path(f"/proc/{worker}/task/{worker}/schedstat").read_text().split()[0])

    time.sleep(1)
    before = busy_ns()
    time.sleep(5)
    assert (busy_ns() - before) / 5e9 < 0.002


def test_a_stop_waits_for_dead_letters_and_holds_up_nobody(begin: Begin) -> None:
    other = """init_worker_by_lua_block {
      app = require "app"
      local kca = app.kca
      app.other = assert(kca.system(kca.connection("kafka", "embedded://"),
        kca.publisher("kafka", "bills", { required_acks = -1, linger_ms = 0 }),
        kca.publisher("kafka", "dead", { required_acks = -1, linger_ms = 1500 }),
        kca.consumer("kafka", "bills", "bills", { partition = kca.PARTITION_EVERY, max_attempts = 1,
                                                  dead_letter_channel = "dead" })))
      app.other:handler("*", function()
        app.other:consumer("bills"):stop()
        app.stopped = true
        return nil, kca.rejected("no", "never")
      end)
      assert(app.other:consumer("bills"):run())
      assert(app.other:start())
    }"""
    server = begin(
        init=other,
        locations={
            "/bill": 'app.answer(assert(app.other:event_bus("bills")):publish("orderBilled", {}))',
            "/bills": """app.answer({ stopped = app.stopped or false,
                                     running = app.other:consumer("bills").running ~= nil,
                                     buried = app.other:description().consumers[1].dead_lettered })""",
        },
    )
    server.json("/bill")
    wait_until(lambda: server.json("/bills")["stopped"], "its handler has stopped the consumer")
    stopped = threading.Thread(
        target=lambda: wait_until(lambda: not server.json("/bills")["running"], "the consumer has left")
    )
    assert answered_meanwhile(server, stopped) > 20  # were the worker held up, two or three
    assert server.json("/bills") == {"stopped": True, "running": False, "buried": 1}


@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGTERM])
def test_the_end_is_quick_and_leaves_nothing(
    begin: Begin, number: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    server = begin("ngx.sleep(0.2)", processors=2)
    server.json("/fire?n=10")
    begun = time.monotonic()
    assert server.end(number) == 0
    assert time.monotonic() - begun < 15
    assert "exited on signal" not in server.errors()
    assert list(scratch.iterdir()) == []


REPLYING = """
local kca = require "resty.kca"
local M = { kca = kca, answers = {}, count = 0 }
local system = assert(kca.system(
  kca.connection("kafka", "embedded://"),
  kca.publisher("kafka", "orders", { reply_channel = "answers", required_acks = -1, linger_ms = 0 }),
  kca.publisher("kafka", "answers", { required_acks = -1, linger_ms = 0 }),
  kca.consumer("kafka", "orders", "shop", { partition = kca.PARTITION_EVERY, failure_policy = "skip", reply = true }),
  kca.consumer("kafka", "answers", "asker", { partition = kca.PARTITION_EVERY })))
system:handler("question", function(question)
  coroutine.yield()
  if question.id == 3 then
    error("no three")
  end
  return { twice = 2 * question.id }
end)
system:handler("*", function(reply, message)
  M.answers[message:correlation_id()], M.count = reply, M.count + 1
end)
assert(system:consumer("shop", { amount_of_processors = 4 }):run())
assert(system:consumer("asker"):run())
assert(system:start())
M.system, M.bus = system, assert(system:query_bus("orders"))
return M
"""


def test_what_a_handler_returns_is_its_reply(tmp_path: Path) -> None:
    say = "ngx.say(require('kca.json').encode(%s))"
    locations = {
        "/ask": """for id = 1, 10 do
                     assert(app.bus:publish("question", { id = id }, { correlation_id = tostring(id) }))
                   end ngx.say("{}")""",
        "/answers": say % "{ count = app.count, answers = app.answers }",
    }
    server = Server(tmp_path, REPLYING, locations)
    try:
        assert server.get("/ask")[0] == 200
        wait_until(lambda: json.loads(server.get("/answers")[1])["count"] == 10, "the questions are answered")
        answers = json.loads(server.get("/answers")[1])["answers"]
        assert "no three" in answers.pop("3")["error"]
        assert answers == {str(i): {"twice": 2 * i} for i in range(1, 11) if i != 3}
    finally:
        server.close()


BATCHES = """
end)
system:handling_hook(function(h)
  coroutine.yield()
  h.kept = h.delivery:json().id
  if h.kept == 20 then
    return kca.DUPLICATE
  end
end, function(h)
  coroutine.yield()
  M.after[tostring(h.kept)] = h.verdict
end)
M.after = {}
system:batch_handler("row", { max = 20, wait_ms = 30 }, function(rows)
  coroutine.yield()
  for _, row in ipairs(rows) do
    if row.id == 13 then
      error("it breaks")
    end
  end
  M.largest = math.max(M.largest or 0, #rows)
  for _, row in ipairs(rows) do
    M.seen[#M.seen + 1] = row.id
  end
"""


def test_batches_are_handled_in_light_threads(begin: Begin) -> None:
    locations = {
        "/rows": """for id = 1, 50 do app.bus:publish("row", { id = id }, { key = "k" }) end ngx.say("{}")""",
        "/largest": "app.answer(app.largest)",
        "/after": "app.answer(app.after)",
    }
    server = begin(BATCHES, processors=3, locations=locations)
    server.json("/rows")
    wait_until(lambda: len(server.json("/status")["seen"]) == 48, "all but two are handled")
    assert server.json("/status")["seen"] == [i for i in range(1, 51) if i not in (13, 20)]
    wait_until(lambda: len(server.json("/after")) == 49, "all but one have gone through their hook")
    assert server.json("/after") == {str(i): int(i == 13) for i in range(1, 51) if i != 20}
    assert 1 < server.json("/largest") <= 20
