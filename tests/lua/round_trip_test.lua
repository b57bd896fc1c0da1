--- Publishing and handling on the embedded broker.
local check = require("check")
local systems = require("systems")
local kca = check.kca
local tests = {}

--- How each of these answers of a handler settles.
function tests.a_handlers_answer_settles()
  local system = systems.declared("skip")
  local consumer
  local said = {}
  assert(system:on("fault", function(fault)
    said[#said + 1] = fault.error.text
  end))
  assert(system:handler("orderCreated", function(order, message)
    if order.how == "reject" then
      return kca.REJECTED, "NegativeAmount", "it is below 0"
    elseif order.how == "raise" then
      error("it broke")
    elseif order.how == "raise a rejection" then
      error(kca.rejected("NegativeAmount", "it is far below 0"))
    elseif order.how == "err" then
      return message:json_string("/none")
    elseif order.how == "no verdict" then
      return 5
    elseif order.how == "no texts" then
      return kca.FAILED, 42, { "not a text" }
    elseif order.how == "raise a name that is none" then
      error({ name = {}, text = 7 })
    elseif order.how == "true" then
      return true
    end
    check.equal(message:topic(), "orders")
    check.equal(message:partition(), 0)
    check.equal(message:offset(), 9)
    check.equal(message:attempt(), 1)
    assert(message:record_timestamp_ms() > 1.7e12)
    consumer:stop()
    return message:json()
  end))
  assert(system:start(10000))
  systems.publish(system, "{", { how = "reject" }, { how = "raise" }, { how = "raise a rejection" }, { how = "err" })
  systems.publish(system, { how = "no verdict" }, { how = "no texts" }, { how = "raise a name that is none" })
  systems.publish(system, { how = "true" }, {})
  consumer = assert(system:consumer("shop"))
  assert(consumer:run())
  check.contains(system:describe(), "2 handled, 5 failed, 3 rejected")
  local all = table.concat(said, "\n")
  check.contains(all, "offset 0, payload: ")
  check.contains(all, "NegativeAmount: it is below 0")
  check.contains(all, "it broke")
  check.contains(all, "NegativeAmount: it is far below 0")
  check.contains(all, "offset 4, not_found: ")
  check.contains(all, "not a verdict")
  check.contains(all, "offset 6, 42: table: ")
  assert(system:shutdown(10000))
end

local function memory_kb()
  for line in io.lines("/proc/self/status") do
    local kb = line:match("^VmRSS:%s+(%d+)")
    if kb then
      return tonumber(kb)
    end
  end
end

--- The collector sees a handle of some bytes, and not the payload behind it.
function tests.what_is_published_is_not_kept_until_it_is_collected()
  local system = systems.declared()
  assert(system:start(10000))
  local bus, large = assert(system:event_bus("orders")), ("x"):rep(500000)
  collectgarbage()
  collectgarbage("stop")
  local before = memory_kb()
  for _ = 1, 1000 do
    assert(bus:publish("orderCreated", large, { key = systems.KEY, message_id = "m-1" }))
    assert(bus:flush(10000))
  end
  local grown = memory_kb() - before
  collectgarbage("restart")
  assert(grown < 350000, grown)
end

--- Who leaves the loop early has taken what was given out, and nothing else.
function tests.events_are_taken_one_by_one()
  local system = systems.declared("stop")
  assert(system:start(10000)) -- who pulls needs no handler
  systems.publish(system, {}, {}, {})
  local consumer = assert(system:consumer("shop"))
  check.contains(check.fails("argument", consumer:run()), "consumer shop has no handler")
  local queue = assert(consumer:queue())
  for i = 0, 2 do
    local event = queue:events()() -- as a loop that is left at once
    check.equal(event:offset(), i)
    assert(event:done())
    event = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
  end
  check.contains(system:describe(), "3 handled, 0 failed")
end

--- Nobody pulls the system's queue while run does: its events go to the functions that listen.
function tests.run_tells_of_what_handlers_publish()
  local system = systems.declared()
  local consumer, bus
  local told = {}
  assert(system:on("receipt", function(receipt)
    told[#told + 1] = receipt.token
    if receipt.token == 2 then
      consumer:stop()
    end
  end))
  assert(system:handler("orderCreated", function(order)
    assert(bus:publish("orderBilled", {}, { key = "k", token = order.id }))
  end))
  assert(system:handler("*", function() end))
  assert(system:start(10000))
  systems.publish(system, { id = 1 }, { id = 2 })
  consumer, bus = assert(system:consumer("shop")), assert(system:event_bus("orders"))
  assert(consumer:run())
  check.equal(table.concat(told, " "), "1 2")
end

--- What a table is on its way through Kafka.
function tests.tables_come_back_as_they_were()
  local system = systems.declared()
  local consumer, seen
  assert(system:handler("orderCreated", function(order)
    seen = order
    consumer:stop()
  end))
  assert(system:start(10000))
  local huge = kca.integer("9007199254740993")
  systems.publish(system, {
    id = huge,
    unsigned = kca.integer("18446744073709551615"),
    items = { { sku = "a", count = 2 }, { sku = "b/\"c\"\n", count = 0.1 } },
    none = kca.array({}),
    map = {},
    note = kca.null,
    yes = true,
  })
  consumer = assert(system:consumer("shop"))
  assert(consumer:run())
  check.equal(kca.digits(seen.id), "9007199254740993")
  check.equal(seen.id, huge)
  check.equal(kca.digits(seen.unsigned), "18446744073709551615")
  check.equal(seen.items[1].count, 2)
  check.equal(seen.items[2].sku, "b/\"c\"\n")
  check.equal(seen.items[2].count, 0.1)
  check.equal(seen.note, kca.null)
  check.equal(seen.yes, true)
  check.equal(kca.message("m", seen.none):payload(), "[]")
  check.equal(kca.message("m", seen.map):payload(), "{}")
end

function tests.the_handler_of_the_rest_gets_what_is_no_json()
  local system = systems.declared()
  local consumer
  local seen = {}
  assert(system:handler("*", function(payload)
    seen[#seen + 1] = payload
    if #seen == 2 then
      consumer:stop()
    end
  end))
  assert(system:start(10000))
  systems.publish(system, "\0\255", { amount = 1 })
  consumer = assert(system:consumer("shop"))
  assert(consumer:run())
  check.equal(seen[1], "\0\255")
  check.equal(seen[2].amount, 1)
end

function tests.a_message_of_a_known_id_is_not_handled_again()
  local system = systems.declared()
  local consumer
  local handled, known = 0, {}
  assert(system:handler("orderCreated", function(order)
    handled = handled + 1
    if order.last then
      consumer:stop()
    end
  end))
  local store = {}
  function store.seen(_, id)
    return known[id]
  end
  function store:mark(id)
    known[id] = self == store
  end
  system:set_deduplication_store("shop", store)
  assert(system:start(10000))
  local bus = assert(system:event_bus("orders"))
  for _ = 1, 3 do
    assert(bus:publish("orderCreated", {}, { key = systems.KEY, message_id = "m-1" }))
  end
  assert(bus:publish("orderCreated", { last = true }, { key = systems.KEY }))
  assert(bus:flush(10000))
  consumer = assert(system:consumer("shop"))
  assert(consumer:run())
  check.equal(handled, 2)
  check.equal(assert(system:description()).consumers[1].duplicates, 2)
end

function tests.the_lag_is_told_and_a_seek_goes_back()
  local system = systems.declared()
  assert(system:handler("*", print))
  assert(system:start(10000))
  systems.publish(system, {}, {}, {})
  local consumer = assert(system:consumer("shop", { message_processing_timeout_ms = 60000 }))
  check.fails("argument", system:consumer("shop", { processors = 1 }))
  local queue, before_ms = assert(consumer:queue()), os.time() * 1000
  for i = 0, 2 do
    local d = systems.next(queue)
    check.equal(d:offset(), i)
    assert(d:left_ms() > 0 and d:left_ms() <= 60000, d:left_ms())
    assert(d:deadline_ms() > before_ms and d:deadline_ms() <= (os.time() + 61) * 1000, d:deadline_ms())
    assert(d:done())
  end
  local lag = assert(consumer:lag())[1]
  check.equal(lag.topic, "orders")
  check.equal(lag.frontier, 3)
  check.equal(lag.lag, 0)
  assert(consumer:seek("orders", 0, kca.OFFSET_BEGINNING))
  local again = systems.next(queue)
  check.equal(again:offset(), 0)
  check.equal(again:consumer(), "shop")
  assert(again:done())
  assert(consumer:pause("orders"))
  check.equal(assert(consumer:lag())[1].paused, true)
  assert(consumer:resume())
  check.equal(assert(consumer:lag())[1].paused, false)
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
  for i, token in ipairs({ 1, 2 ^ 53 - 1, kca.integer("9007199254740993"), kca.integer("9223372036854775807") }) do
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

function tests.a_synchronous_publish_gives_its_receipt()
  local system = assert(kca.system(
    kca.connection("local", "embedded://"),
    kca.publisher("local", "orders", { async = false, required_acks = -1 })
  ))
  assert(system:start(10000))
  local bus = assert(system:event_bus("orders"))
  for i = 0, 1 do
    local fields = { key = systems.KEY, token = 5, timeout_ms = i == 1 and 30000 or nil }
    local receipt = assert(bus:publish("orderCreated", {}, fields))
    check.equal(receipt.kind, "receipt")
    check.equal(receipt.token, 5)
    check.equal(receipt.topic, "orders")
    check.equal(receipt.partition, 0)
    check.equal(receipt.offset, i)
  end
  assert(system:shutdown())
end

function tests.a_publish_waits_as_long_as_it_may()
  local system = assert(kca.system(
    kca.connection("local", "embedded://"),
    kca.publisher("local", "orders", { required_acks = -1, linger_ms = 60000, buffer_messages = 1 })
  ))
  assert(system:start(10000))
  local bus = assert(system:event_bus("orders"))
  assert(bus:publish("orderCreated", {}, { timeout_ms = 0 }))
  local err = check.fails("buffer_full", bus:publish("orderCreated", {}, { timeout_ms = 20 }))
  check.contains(err, "no room after 20 ms")
  check.fails("buffer_full", bus:publish(kca.message("orderCreated", {}), { timeout_ms = 0 }))
  check.contains(check.fails("argument", bus:publish("a", {}, { timeout_ms = -2 })), "timeout_ms must be 0 or more")
  check.contains(check.fails("argument", bus:publish("a", {}, { timeout_ms = "soon" })), "timeout_ms must be a whole")
  assert(system:shutdown())
end

function tests.a_message_goes_to_the_partition_that_it_names()
  local system = systems.declared()
  assert(system:handler("*", print))
  assert(system:start(10000))
  local bus, queue = assert(system:event_bus("orders")), assert(system:queue())
  assert(bus:publish("orderCreated", "{}", { key = systems.KEY, partition = 2, token = 1 }))
  check.equal(systems.next(queue).partition, 2)
  assert(bus:publish(kca.message("orderCreated", "{}"):set_partition(3), { token = 1 }))
  check.equal(systems.next(queue).partition, 3)
  local err = check.fails("argument", bus:publish("orderCreated", "{}", { partition = 4 }))
  check.contains(err, "publisher orders: partition must be 0 to 3, for the topic has 4 partitions, got 4")
  check.contains(check.fails("argument", bus:publish("orderCreated", "{}", { partition = -2 })), "partition must be")
  check.contains(check.fails("argument", bus:publish("orderCreated", "{}", { partition = "x" })), "partition must be")
end

function tests.a_token_that_is_none_is_refused()
  local system = systems.declared()
  local bus = assert(system:event_bus("orders"))
  for _, token in ipairs({ "one", -1, 1.5, false }) do
    local err = check.fails("argument", bus:publish("orderCreated", {}, { token = token }))
    check.contains(err, "token must be a whole number")
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

function tests.integers_keep_64_bits()
  local message = kca.message("m", '{"n":9223372036854775807}')
  check.equal(kca.digits(message:json_int64("/n")), "9223372036854775807")
  local redrive = kca.redrive("local", "orders.dead"):with_start_time_ms(kca.integer("9007199254740993"))
  check.contains(redrive:error(), "9007199254740993")
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
    check.fails("argument", kept:reset("orderCreated"))
    check.equal(kept:set_key("other"):key(), "k3")
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

function tests.the_cluster_tells_its_topics_and_how_far_a_group_has_come()
  local system = systems.declared()
  assert(system:handler("orderCreated", function() end))
  assert(system:start(10000))
  systems.publish(system, { id = 1 }, { id = 2 })
  local whole = assert(system:describe_cluster("local"))
  check.equal(#whole.brokers, 1)
  local topic = assert(system:describe_cluster("local", "orders", "shop")).topics[1]
  check.equal(topic.name, "orders")
  local ends = 0
  for _, partition in ipairs(topic.partitions) do
    ends = ends + partition["end"]
  end
  check.equal(ends, 2)
  check.fails("not_found", system:describe_cluster("other"))
  assert(system:shutdown(10000))
end

function tests.faults_that_nobody_reads_are_counted_in_those_that_are_kept()
  local system = assert(kca.system(kca.connection("local", "embedded://")))
  local options = { batch_bytes = 1000, background = true, required_acks = -1 }
  assert(system:add(kca.publisher("local", "orders", options)))
  assert(system:start(10000))
  local bus = assert(system:event_bus("orders"))
  for _ = 1, 1010 do
    assert(bus:publish("orderCreated", "{}", { headers = { much = ("x"):rep(900) } }))
  end
  assert(bus:flush(10000))
  local described = assert(system:description()).publishers[1]
  check.equal(described.published, 1010)
  check.equal(described.failed, 1010)
  local queue = assert(system:queue())
  local fault = systems.next(queue)
  check.equal(fault.dropped, 10)
  check.contains(fault.error.text, "(and 10 more faults were dropped)")
  check.equal(systems.next(queue).dropped, 0)
  assert(system:shutdown(10000))
end

function tests.a_consumer_tells_that_it_has_joined()
  local connection = kca.connection("local", "embedded://", { fault_after_ms = 60000 })
  local system = assert(kca.system(connection, kca.publisher("local", "orders", { required_acks = -1 })))
  assert(system:add(kca.consumer("local", "orders", "shop")))
  local consumer, told
  assert(system:on("state", function(state)
    told = state
    consumer:stop()
  end))
  assert(system:handler("*", function() end))
  local early = assert(system:health())
  assert(early.live and not early.ready and not early.stuck)
  check.equal(early.reasons[1], "system: it is not started")
  local refused, problem = system:health(-2)
  assert(not refused)
  check.contains(problem.text, "stuck_after_ms")
  assert(system:start(10000))
  check.contains(assert(system:metrics()), "\nkca_connection_ready{")
  check.contains(assert(system:metrics(kca.METRICS_OPENMETRICS)), "\n# EOF\n")
  local health = assert(system:health())
  check.equal(health.code, kca.HEALTH_READY) -- a consumer that does not run is no reason
  check.equal(#health.reasons, 0)
  check.equal(health.publishers[1].oldest_unconfirmed_ms, kca.null)
  local described = assert(system:description())
  check.equal(described.connections[1].state, "connected")
  check.equal(described.connections[1].fault_after_ms, 60000)
  check.equal(described.consumers[1].state, "stopped")
  consumer = assert(system:consumer("shop"))
  assert(consumer:run())
  check.equal(told.what, "joined")
  check.equal(told.connection, "local")
  check.equal(told.consumer, "shop")
  check.equal(told.error, nil)
  assert(told.since_ms > 1.7e12)
  assert(system:shutdown(10000))
end

function tests.a_handler_that_hangs_is_told_of_until_it_is_back()
  local system, consumer = systems.declared("skip"), nil
  local stuck
  assert(system:handler("*", function()
    repeat -- it hangs, until it is told of
      stuck = assert(system:health(1))
    until stuck.code == kca.HEALTH_NOT_LIVE
    consumer:stop()
  end))
  assert(system:start(10000))
  systems.publish(system, { id = 1 })
  consumer = assert(system:consumer("shop"))
  assert(consumer:run())
  assert(not stuck.live and not stuck.ready and stuck.stuck)
  check.contains(stuck.reasons[1], "its handler has it")
  assert(system:health(1).ready)
  assert(system:shutdown(10000))
end

function tests.a_record_without_a_route_is_told_as_that()
  local system = systems.declared("skip")
  local said
  assert(system:on("fault", function(fault)
    said = fault.error.text
  end))
  local consumer
  assert(system:handler("orderCreated", function()
    consumer:stop()
  end))
  assert(system:start(10000))
  local bus = assert(system:event_bus("orders"))
  assert(bus:publish(nil, "{}", { key = systems.KEY, unnamed = true }))
  systems.publish(system, {})
  consumer = assert(system:consumer("shop"))
  assert(consumer:run())
  check.contains(said, "a message without a name was rejected at orders[0] offset 0")
  check.contains(said, "no `route` header")
  assert(system:shutdown(10000))
end

function tests.what_a_handler_publishes_continues_the_trace()
  local trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
  local system = systems.declared()
  local consumer, bus
  local seen, baggage
  local ready = assert(kca.message("orderBilled", "{}", { key = systems.KEY }))
  assert(system:handler("orderCreated", function(_, message)
    baggage = message:header("baggage")
    assert(bus:publish(ready))
  end))
  assert(system:handler("orderBilled", function(_, message)
    check.equal(message:header("baggage"), baggage)
    seen = message:traceparent()
    consumer:stop()
  end))
  assert(system:start(10000))
  bus = assert(system:event_bus("orders"))
  local fields = { key = systems.KEY, traceparent = trace, headers = { baggage = "tenant=acme" } }
  assert(bus:publish("orderCreated", "{}", fields))
  consumer = assert(system:consumer("shop"))
  assert(consumer:run())
  check.equal(seen:sub(1, 35), trace:sub(1, 35))
  check.equal(baggage, "tenant=acme")
  check.equal(ready:header("baggage"), nil) -- its own fields only
  check.equal(ready:traceparent(), "")
end

--- What a stranger sent arrives whole and goes on: names that come again, no value, and bytes.
function tests.headers_are_a_list_too()
  local system = systems.declared("skip")
  local consumer, seen, record
  assert(system:handler("orderCreated", function(_, message)
    seen, record = message:header_list(), message:record_headers()
    consumer:stop()
  end))
  assert(system:start(10000))
  local bus = assert(system:event_bus("orders"))
  local headers = { { "x", "1" }, { "none", kca.null }, { "x", "2" }, { "messageType", "com.acme.Order" } }
  headers[#headers + 1] = { "correlationId", "\255\0" }
  assert(bus:publish("orderCreated", {}, { key = systems.KEY, headers = headers }))
  local nothing, err = bus:publish("orderCreated", {}, { headers = { { nil, "1" } } })
  check.equal(nothing, nil)
  check.contains(tostring(err), "header name must be a text, got a nil")
  consumer = assert(system:consumer("shop"))
  assert(consumer:run())
  check.equal(#seen, 5)
  for i, pair in ipairs(headers) do
    check.equal(seen[i][1], pair[1])
    check.equal(seen[i][2], pair[2])
    check.equal(record[i][2], pair[2])
  end
  assert(system:shutdown(10000))
end

return tests
