--- Sending a message and waiting for its reply, on the embedded broker.
local check = require("check")
local systems = require("systems")
local kca = check.kca
local tests = {}

--- A started system whose consumer answers by hand, when it runs: `stop_at` messages, then it stops.
local function begin(stop_at, buffer_messages)
  local options = { required_acks = -1, linger_ms = 0, reply_channel = "answers", buffer_messages = buffer_messages }
  local system = assert(kca.system(
    kca.connection("local", "embedded://"),
    kca.publisher("local", "prices", options),
    kca.publisher("local", "answers", { required_acks = -1, linger_ms = 0 }),
    kca.consumer("local", "prices", "shop", { partition = kca.PARTITION_EVERY })
  ))
  local consumer, replies
  local handled = 0
  assert(system:handler("priceOf", function(asked, message)
    handled = handled + 1
    if handled == stop_at then
      consumer:stop()
    end
    local reply = asked.id < 0 and { error = "there is no such thing" } or { amount = asked.id * 10 }
    local fields = { unnamed = true, correlation_id = message:correlation_id() }
    assert(asked.id == 0 or replies:publish(nil, reply, fields))
  end))
  assert(system:start(10000))
  consumer, replies = assert(system:consumer("shop")), assert(system:event_bus("answers"))
  return system, consumer
end

local function next_reply(queue)
  local event
  repeat
    event = systems.next(queue)
  until event.kind == "reply"
  return event
end

function tests.with_a_token_the_reply_is_an_event()
  local system, consumer = begin(2)
  local bus, queue = assert(system:query_bus("prices")), assert(system:queue())
  check.equal(bus:send("priceOf", { id = 7 }, { token = 1, timeout_ms = 60000 }), true)
  check.equal(bus:send("priceOf", { id = -1 }, { token = 2, timeout_ms = 60000 }), true)
  assert(consumer:run())
  local replies = {}
  for _ = 1, 2 do
    local reply = next_reply(queue)
    replies[reply.token] = reply
  end
  check.equal(replies[1].error, nil)
  check.equal(replies[1].message:json().amount, 70)
  check.equal(replies[2].error.name, "reply")
  check.contains(replies[2].error, "there is no such thing")
  check.equal(replies[2].message:json().error, "there is no such thing")
  assert(system:shutdown(10000))
end

function tests.a_send_ends_in_time_or_is_cancelled()
  local system = begin(1)
  local bus, queue = assert(system:query_bus("prices")), assert(system:queue())
  check.contains(check.fails("timeout", bus:send("priceOf", { id = 0 }, { timeout_ms = 20 })), "priceOf")
  assert(bus:send("priceOf", { id = 0 }, { token = 9, timeout_ms = -1 }))
  assert(bus:cancel(9))
  local reply = next_reply(queue)
  check.equal(reply.token, 9)
  check.equal(reply.error.name, "cancelled")
  check.equal(reply.message, nil)
  check.fails("not_found", bus:cancel(9))
  assert(system:shutdown(10000))
end

function tests.replies_that_were_read_leave_room()
  local system = begin(1, 2)
  local bus, queue, patience = assert(system:query_bus("prices")), assert(system:queue()), os.time() + 60
  collectgarbage("stop")
  for token = 1, 4 do
    local sent, err
    repeat -- the broker may not have confirmed the one before
      sent, err = bus:send("priceOf", { id = 0 }, { token = token, timeout_ms = 0 })
    until sent or err.name ~= "buffer_full" or os.time() > patience
    assert(sent, err)
    check.equal(next_reply(queue).error.name, "timeout")
  end
  collectgarbage("restart")
  assert(system:shutdown(10000))
end

function tests.what_cannot_be_answered_is_refused()
  local system = begin(1)
  local bus = assert(system:query_bus("prices"))
  check.contains(check.fails("argument", assert(system:event_bus("prices")):send("priceOf", {})), "nobody answers")
  check.contains(check.fails("state", assert(system:query_bus("answers")):send("priceOf", {})), "reply_channel")
  check.contains(check.fails("argument", bus:send("priceOf", {}, { timeout_ms = "soon" })), "timeout_ms must be")
  check.contains(check.fails("argument", bus:send("priceOf", {}, { reply_to = "elsewhere" })), "reply_to")
  assert(system:shutdown(10000))
end

return tests
