--- Publishing and handling on the embedded broker.
local check = require("check")
local systems = require("systems")
local kca = check.kca
local tests = {}

function tests.a_handlers_answer_settles()
  local system = systems.declared("skip")
  local consumer
  assert(system:handler("orderCreated", function(payload, message)
    if payload == "reject" then
      return kca.REJECTED, "NegativeAmount", "it is below 0"
    elseif payload == "raise" then
      error("it broke")
    end
    check.equal(message:topic(), "orders")
    check.equal(message:partition(), 0)
    check.equal(message:offset(), 2)
    check.equal(message:attempt(), 1)
    consumer:stop()
  end))
  assert(system:start(10000))
  systems.publish(system, "reject", "raise", "good")
  consumer = assert(system:consumer("shop"))
  assert(consumer:run())
  check.contains(system:describe(), "1 handled, 1 failed, 1 rejected")
  assert(system:shutdown(10000))
end

function tests.a_failure_ends_a_consumer_that_stops()
  local system = systems.declared("stop")
  assert(system:handler("*", function()
    return kca.FAILED, "Broken", "it broke"
  end))
  assert(system:start(10000))
  systems.publish(system, "{}")
  local err = check.fails("handler", assert(system:consumer("shop")):run())
  check.contains(err, "orderCreated failed at orders[0] offset 0, Broken: it broke")
end

function tests.receipts_carry_the_tokens()
  local system = systems.declared()
  assert(system:handler("*", print))
  assert(system:start(10000))
  local bus, queue = assert(system:event_bus("orders")), assert(system:queue())
  for i, token in ipairs({ 1, 2 ^ 53 - 1 }) do
    assert(bus:publish("orderCreated", "{}", { token = token, key = systems.KEY }))
    local receipt = systems.next(queue)
    check.equal(receipt.kind, "receipt")
    check.equal(receipt.token, token)
    check.equal(receipt.error, nil)
    check.equal(receipt.topic, "orders")
    check.equal(receipt.partition, 0)
    check.equal(receipt.offset, i - 1)
  end
end

function tests.logs_have_a_queue_of_their_own()
  local system = systems.declared()
  assert(system:handler("*", print))
  local logs = assert(system:log_queue())
  assert(system:log_to_queue(kca.LOG_WARN):start(10000)) -- the embedded broker is for trying out
  local line = systems.next(logs)
  check.equal(line.kind, "log")
  check.equal(line.level, kca.LOG_WARN)
  check.equal(#assert(assert(system:queue()):next(10, 0)), 0)
  assert(system:shutdown(10000))
end

--- More than the publisher's buffer and the consumer's queue hold: nothing waits for Lua's collector.
function tests.events_are_given_back_at_once()
  local count = 3000
  local system = systems.declared()
  local consumer
  local handled = 0
  assert(system:handler("*", function()
    handled = handled + 1
    if handled == count then
      consumer:stop()
    end
  end))
  assert(system:start(10000))
  collectgarbage("stop")
  local bus, queue = assert(system:event_bus("orders")), assert(system:queue())
  local answered = 0
  for i = 1, count do
    assert(bus:publish("orderCreated", "{}", { token = i, key = systems.KEY }))
    if i % 100 == 0 then
      repeat
        answered = answered + #assert(queue:next(100, 30000))
      until answered == i
    end
  end
  consumer = assert(system:consumer("shop"))
  assert(consumer:run())
  collectgarbage("restart")
  check.equal(handled, count)
end

function tests.a_deferred_delivery_is_settled_later()
  local system = systems.declared()
  local consumer, kept
  assert(system:handler("*", function(_, message)
    if not kept then
      kept = message
      return kca.DEFERRED
    end
    check.equal(kept:json_int64("/id"), 7)
    assert(kept:settle(kca.DONE))
    check.fails("argument", kept:settle(kca.DONE))
    check.equal(kept:payload(), nil)
    consumer:stop()
  end))
  assert(system:start(10000))
  local bus = assert(system:event_bus("orders"))
  assert(bus:publish("orderCreated", '{"id":7}', { key = "k3" }))
  assert(bus:publish("orderCreated", '{"id":8}', { key = "k4" })) -- of the same partition, not of the same lane
  consumer = assert(system:consumer("shop"))
  assert(consumer:run())
  check.contains(system:describe(), "2 handled, 0 failed")
end

function tests.what_a_handler_publishes_continues_the_trace()
  local trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
  local system = systems.declared()
  local consumer, bus
  local seen
  assert(system:handler("orderCreated", function()
    assert(bus:publish("orderBilled", "{}", { key = systems.KEY }))
  end))
  assert(system:handler("orderBilled", function(_, message)
    seen = message:traceparent()
    consumer:stop()
  end))
  assert(system:start(10000))
  bus = assert(system:event_bus("orders"))
  assert(bus:publish("orderCreated", "{}", { key = systems.KEY, traceparent = trace }))
  consumer = assert(system:consumer("shop"))
  assert(consumer:run())
  check.equal(seen:sub(1, 35), trace:sub(1, 35))
end

return tests
