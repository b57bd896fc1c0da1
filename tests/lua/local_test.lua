--- Buses without a channel, in a system without a connection: messages are handled in this process.
local check = require("check")
local kca = check.kca
local tests = {}

local PATIENCE = { timeout_ms = 60000 }

local function declare()
  local system = assert(kca.system())
  assert(system:handler("priceOf", function(asked, d)
    assert(d:topic() == "" and d:consumer() == "" and d:partition() == -1 and d:attempt() == 1)
    if asked.id < 0 then
      error("there is no such thing")
    end
    return { price = asked.id * 10 }
  end))
  return system
end

function tests.handlers_answer_in_the_process()
  local system = declare()
  assert(system:start())
  local queries, commands = assert(system:query_bus()), assert(system:command_bus())
  check.equal(queries:send("priceOf", { id = 4 }, PATIENCE).price, 40)
  local receipt = assert(commands:publish("priceOf", { id = 4 }, { token = 5 }))
  check.equal(receipt.kind, "receipt")
  check.equal(receipt.token, 5)
  check.equal(receipt.partition, -1)
  local none, err = queries:send("priceOf", { id = -1 }, PATIENCE)
  check.equal(none, nil)
  check.equal(err.name, "reply")
  check.contains(err, "there is no such thing")
  none, err = commands:publish("priceOf", { id = -1 })
  check.equal(none, nil)
  check.equal(err.name, "handler")
  check.contains(err, "there is no such thing")
  none, err = commands:publish("nobody", {})
  check.equal(none, nil)
  check.contains(err, "no handler has its name")
  assert(queries:flush())
  assert(system:shutdown())
  none, err = commands:publish("priceOf", { id = 4 })
  check.equal(none, nil)
  check.equal(err.name, "state")
end

function tests.with_a_token_the_reply_is_an_event()
  local system = declare()
  assert(system:start())
  local queue = assert(system:queue())
  check.equal(assert(system:query_bus()):send("priceOf", { id = 1 }, { token = 8 }), true)
  local reply = assert(queue:next(1, 60000))[1]
  check.equal(reply.kind, "reply")
  check.equal(reply.token, 8)
  check.equal(reply.message:json().price, 10)
  assert(system:shutdown())
end

function tests.a_handler_that_fails_is_tried_again()
  local system, calls = assert(kca.system()), 0
  assert(system:handler("flaky", function(_, d)
    calls = calls + 1
    check.equal(d:attempt(), calls)
    if calls < 3 then
      return nil, "not yet"
    end
    return { calls }
  end))
  local none, err = system:set_local_retries({ max_attempts = "many" })
  check.equal(none, nil)
  check.contains(err, "max_attempts")
  assert(system:set_local_retries({ retry_delay_ms = { 1, 1 } }))
  assert(system:start())
  check.equal(assert(system:query_bus()):send("flaky", {}, PATIENCE)[1], 3)
  assert(system:shutdown())
end

function tests.a_handler_may_send_and_is_inside_its_hooks_and_trace()
  local system, seen = declare(), {}
  local trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
  assert(system:publish_hook(function(h)
    seen[#seen + 1] = "p " .. h.message:name()
    h.message:set_header("tenant", "acme")
  end))
  assert(system:handling_hook(function(h)
    seen[#seen + 1] = "h " .. h.delivery:name() .. " " .. h.delivery:header("tenant")
    check.equal(h.delivery:traceparent(), trace)
  end, function(h)
    seen[#seen + 1] = "after " .. h.verdict
  end))
  local bus
  assert(system:handler("outer", function()
    return assert(bus:send("priceOf", { id = 2 }, PATIENCE))
  end))
  assert(system:batch_handler("many", { max = 10, wait_ms = 60000 }, function(payloads, deliveries)
    check.equal(#payloads, 1)
    check.equal(#deliveries, 1)
  end))
  assert(system:start())
  bus = assert(system:query_bus())
  check.equal(assert(bus:send("outer", {}, { timeout_ms = 60000, traceparent = trace })).price, 20)
  check.equal(table.concat(seen, ", "), "p outer, h outer acme, p priceOf, h priceOf acme, after 0, after 0")
  assert(bus:publish("many", {}, { traceparent = trace }))
  assert(system:shutdown())
end

function tests.a_deferred_delivery_ends_with_the_time()
  local system, kept = assert(kca.system()), nil
  assert(system:handler("later", function(_, d)
    assert(d:left_ms() <= 20)
    kept = d
    return kca.DEFERRED
  end))
  assert(system:start())
  local none, err = assert(system:query_bus()):send("later", {}, { timeout_ms = 20 })
  check.equal(none, nil)
  check.equal(err.name, "timeout")
  local fine, late = kept:settle(kca.DONE)
  check.equal(fine, nil)
  check.equal(late.name, "state")
  assert(system:shutdown())
end

return tests
