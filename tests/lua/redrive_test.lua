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
