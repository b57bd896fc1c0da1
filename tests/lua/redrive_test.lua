--- Dead letters are published again, on the embedded broker.
local check = require("check")
local systems = require("systems")
local kca = check.kca
local tests = {}

local DEAD = {
  ["kca-dead-letter-topic"] = "orders",
  ["kca-dead-letter-partition"] = "0",
  ["kca-dead-letter-error-name"] = "NotNow",
}

function tests.a_dead_letter_is_handled_after_its_redrive()
  local system = systems.declared()
  assert(system:add_publisher(kca.publisher("local", "orders.dead"):with_required_acks(-1):with_linger_ms(0)))
  local seen, consumer
  assert(system:handler("orderCreated", function(payload, message)
    seen = payload.id .. " " .. tostring(message:header("kca-redrives"))
    consumer:stop()
  end))
  assert(system:start(10000))
  local bus = assert(system:event_bus("orders.dead"))
  assert(bus:publish("orderCreated", { id = 7 }, { key = systems.KEY, headers = DEAD }))
  assert(bus:flush(10000))

  local redrive = kca.redrive("local", "orders.dead"):with_only_error("NotNow")
  check.equal(assert(system:redrive(redrive)).dry_run, true)
  check.equal(assert(system:redrive(redrive:with_dry_run(false), 20000)).redriven, 1)
  check.equal(assert(system:redrive(redrive)).read, 0)
  consumer = assert(system:consumer("shop"))
  assert(consumer:run())
  check.equal(seen, "7 1")
  assert(system:shutdown(10000))
end

--- Handles what comes until the described consumer is as wanted; gives the ids in their order.
local function handle_until(system, queue, behave, wanted)
  local seen, patience = {}, os.time() + 60
  repeat
    for _, event in ipairs(assert(queue:next(10, 10))) do
      if event.kind == "delivery" then
        seen[#seen + 1] = event:json().id
        assert(behave(event))
      end
    end
    assert(os.time() < patience, "it did not become as wanted")
  until wanted(assert(system:description()).consumers[1])
  return table.concat(seen, " ")
end

function tests.what_follows_a_dead_letter_is_handled_behind_it()
  local reliable = { required_acks = -1, linger_ms = 0 }
  local system = assert(kca.system(
    kca.connection("local", "embedded://"),
    kca.publisher("local", "orders", reliable),
    kca.publisher("local", "orders.dead", reliable),
    kca.consumer("local", "orders", "shop", { partition = 0, dead_letter_channel = "orders.dead", park = true })
  ))
  assert(system:start(10000))
  local bus, queue = assert(system:event_bus("orders")), assert(assert(system:consumer("shop")):queue())
  for id = 1, 3 do
    assert(bus:publish("orderCreated", { id = id }, { key = systems.KEY }))
  end
  local first = handle_until(system, queue, function(d) return d:rejected("NotNow", "too early") end, function(consumer)
    return consumer.parked == 2
  end)
  check.equal(first, "1")
  check.equal(assert(system:redrive(kca.redrive("local", "orders.dead", { dry_run = false }), 20000)).redriven, 3)
  local again = handle_until(system, queue, function(d) return d:done() end, function(consumer)
    return consumer.partitions[1].parked_keys == 0
  end)
  check.equal(again, "1 2 3")
  local consumer = assert(system:consumer("shop"))
  check.fails("not_found", consumer:unpark(systems.KEY))
  assert(bus:publish("orderCreated", { id = 4 }, { key = systems.KEY }))
  handle_until(system, queue, function(d) return d:rejected("NotNow", "too early") end, function(described)
    return described.partitions[1].parked_keys == 1
  end)
  local line = assert(system:description()).consumers[1].partitions[1].parked_lines[1]
  check.equal(line.key .. line.letters, systems.KEY .. 1)
  assert(consumer:unpark(nil, "orders", 0))
  check.equal(#assert(system:description()).consumers[1].partitions[1].parked_lines, 0)
  queue:close()
  assert(system:shutdown(10000))
end

function tests.a_topic_that_a_stranger_names_must_be_allowed()
  local system = systems.declared()
  assert(system:add_publisher(kca.publisher("local", "orders.dead"):with_required_acks(-1):with_linger_ms(0)))
  assert(system:start(10000))
  local bus = assert(system:event_bus("orders.dead"))
  local watermills = { topic_poisoned = "orders", reason_poisoned = "bad" }
  assert(bus:publish("orderCreated", { id = 7 }, { key = systems.KEY, headers = watermills }))
  assert(bus:flush(10000))
  local redrive = kca.redrive("local", "orders.dead", { dry_run = false })
  check.equal(assert(system:redrive(redrive, 20000)).not_allowed, 1)
  check.equal(assert(system:redrive(redrive:with_allowed_topic("orders"), 20000)).redriven, 1)
  check.fails("argument", system:redrive(kca.redrive("local", "orders.dead"):with_allowed_topic("__transaction_state")))
  assert(system:shutdown(10000))
end

function tests.what_is_wrong_with_a_redrive_comes_out_when_it_runs()
  local system = assert(kca.system())
  assert(system:add_connection(kca.connection("local", "embedded://")))
  check.fails("argument", system:redrive(kca.redrive("local", "a b"):with_dry_run(false)))
  check.fails("argument", system:redrive(kca.redrive("local", "orders.dead"):with_max_redrives(0)))
  check.fails("state", system:redrive(kca.redrive("local", "orders.dead")))
end

return tests
