--- Own translators: payloads of a form of their own.
local check = require("check")
local systems = require("systems")
local kca = check.kca
local tests = {}

local TYPE = "application/x-order"

--- An order is its number in two bytes.
local function pack(record, message)
  local number = message:json().number
  if not number then
    return nil, kca.rejected("NoNumber", "the order has no number")
  end
  record:set_payload(string.char(math.floor(number / 256), number % 256))
  record:set_header("content-type", TYPE)
end

local function unpack(message, record)
  if record:header("content-type") ~= TYPE then
    error(kca.rejected("NoOrder", "it is no order"))
  end
  local high, low = record:payload():byte(1, 2)
  message:set_payload(('{"number":%d}'):format(high * 256 + low))
  message:set_header("topic", record:channel())
end

local function declared()
  return assert(kca.system(
    kca.connection("local", "embedded://"),
    kca.publisher("local", "orders", { required_acks = -1, async = false }),
    kca.consumer("local", "orders", "shop", { partition = 0, failure_policy = "skip", deduplication = 10 })
  ))
end

--- Publishes with `publish`, and handles until the consumer is stopped; gives what description says of it.
local function handle(system, publish)
  assert(system:start(10000))
  publish(assert(system:event_bus("orders")))
  assert(assert(system:consumer("shop")):run())
  local described = assert(system:description()).consumers[1]
  assert(system:shutdown(10000))
  return described
end

function tests.a_payload_is_packed_and_unpacked()
  local system, seen = declared(), {}
  assert(system:set_translator("orders", { to_record = pack, to_message = unpack }))
  assert(system:handler("orderCreated", function(order, d)
    seen[#seen + 1] = ("%d %s %s %d"):format(order.number, d:header("topic"), d:header("content-type"), #d:payload())
    if order.number == 2 then
      system:consumer("shop"):stop()
    end
  end))
  local described = handle(system, function(bus)
    local message = kca.message("orderCreated", { number = 258 }, { key = systems.KEY, message_id = "1" })
    assert(bus:publish(message))
    assert(bus:publish(message)) -- as it was: it is translated anew, and a duplicate
    check.equal(message:payload(), '{"number":258}')
    local ok, err = bus:publish("orderCreated", { amount = 1 })
    check.equal(ok, nil)
    check.equal(err.name, "translator")
    check.equal(err.text, "publisher orders: its translator failed: NoNumber: the order has no number")
    assert(bus:publish(kca.message(nil, "foreign", { key = systems.KEY, raw = true })))
    assert(bus:publish("orderCreated", { number = 2 }, { key = systems.KEY }))
  end)
  check.equal(table.concat(seen, ", "), ("258 orders %s 14, 2 orders %s 12"):format(TYPE, TYPE))
  check.equal(described.duplicates, 1)
  check.equal(described.rejected, 1)
  check.equal(described.skipped, 1)
end

function tests.a_function_may_make_the_message_anew()
  local system, seen = declared(), {}
  assert(system:set_translator("orders", {
    to_message = function(_, record)
      return kca.message(record:header("event"), record:payload(), { message_id = record:header("id") })
    end,
  }))
  assert(system:handler("orderPaid", function(order, d)
    seen[#seen + 1] = d:message_id() .. order[1]
    if order[1] == 2 then
      system:consumer("shop"):stop()
    end
  end))
  local described = handle(system, function(bus)
    for _, id in ipairs({ 1, 1, 2 }) do
      local headers = { event = "orderPaid", id = "m-" .. id }
      assert(bus:publish(kca.message(nil, ("[%d]"):format(id), { key = systems.KEY, headers = headers, raw = true })))
    end
  end)
  check.equal(table.concat(seen, " "), "m-11 m-22")
  check.equal(described.duplicates, 1)
end

function tests.batches_and_programs_that_pull_get_translated_messages()
  local system, numbers = declared(), {}
  assert(system:set_translator("orders", { to_record = pack, to_message = unpack }))
  assert(system:batch_handler("orderCreated", { max = 2 }, function(orders)
    for _, order in ipairs(orders) do
      numbers[#numbers + 1] = order.number
    end
  end))
  assert(system:start(10000))
  local bus, queue = assert(system:event_bus("orders")), assert(assert(system:consumer("shop")):queue())
  assert(bus:publish(kca.message(nil, "foreign", { key = systems.KEY, raw = true })))
  for number = 1, 2 do
    assert(bus:publish("orderCreated", { number = number }, { key = systems.KEY }))
  end
  while #numbers < 2 do
    assert(queue:dispatch(1, 60000))
  end
  assert(bus:publish("other", { number = 3 }, { key = systems.KEY }))
  local d = assert(queue:next(1, 60000))[1]
  check.equal(d:json().number, 3)
  check.equal(#d:record_headers() > 8, true)
  assert(d:done())
  check.equal(table.concat(numbers, " "), "1 2")
  queue:close()
  assert(system:shutdown(10000))
end

function tests.what_is_no_translator_is_refused()
  local system = systems.declared()
  local function refused(channel, functions, part)
    local ok, err = system:set_translator(channel, functions)
    check.equal(ok, nil)
    check.contains(err.text, part)
  end
  refused("orders", nil, "to_record, to_message, or both")
  refused("orders", { to_record = 7 }, "to_record must be a function")
  refused("orders", { encode = pack }, "encode must be a function to_record or to_message")
  refused("nowhere", { to_record = pack }, "no publisher and no consumer is declared")
  assert(system:set_translator("orders", { to_record = pack }))
  refused("orders", { to_record = pack }, "has a translator already")
end

return tests
