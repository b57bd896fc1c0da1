--- Batch handlers.
local check = require("check")
local systems = require("systems")
local kca = check.kca
local tests = {}

--- Publishes rows { id = 1 } to { id = count } of one key, and a message "end" behind them.
local function publish(system, count)
  local bus = assert(system:event_bus("orders"))
  for id = 1, count do
    assert(bus:publish("row", { id = id }, { key = systems.KEY }))
  end
  assert(bus:publish("end", {}, { key = systems.KEY }))
  assert(bus:flush(30000))
end

--- Runs until the message "end", which comes when all before it, of its key, are finished.
local function run(system, count)
  local consumer
  assert(system:handler("end", function()
    consumer:stop()
  end))
  assert(system:start())
  publish(system, count)
  consumer = assert(system:consumer("shop"))
  assert(consumer:run())
  local described = assert(system:description()).consumers[1]
  assert(system:shutdown())
  return described
end

function tests.a_batch_is_a_list_of_payloads_in_order()
  local system, seen, largest = systems.declared(), {}, 0
  assert(system:batch_handler("row", { max = 10, wait_ms = 20 }, function(rows, deliveries)
    check.equal(#rows, #deliveries)
    check.equal(deliveries[1]:name(), "row")
    largest = math.max(largest, #rows)
    for _, row in ipairs(rows) do
      seen[#seen + 1] = row.id
    end
  end))
  local described = run(system, 35)
  check.equal(#seen, 35)
  for id = 1, 35 do
    check.equal(seen[id], id)
  end
  check.equal(described.handled, 36)
  check.equal(largest, 10)
end

function tests.a_bad_message_takes_no_other_down()
  local system, seen = systems.declared(), {}
  system:on("fault", function() end)
  assert(system:batch_handler("row", { max = 10, wait_ms = 20 }, function(rows)
    for _, row in ipairs(rows) do
      if row.id == 7 then
        error("it breaks")
      end
    end
    for _, row in ipairs(rows) do
      seen[#seen + 1] = row.id
    end
  end))
  local described = run(system, 20)
  check.equal(#seen, 19)
  check.equal(described.failed, 1)
end

function tests.each_may_be_settled_by_itself()
  local system = systems.declared()
  system:on("fault", function() end)
  assert(system:batch_handler("row", { max = 10, wait_ms = 20 }, function(rows, deliveries)
    for i, row in ipairs(rows) do
      if row.id % 2 == 0 then
        deliveries[i]:rejected("Even", "no even ones")
      end
    end
  end))
  local described = run(system, 20)
  check.equal(described.rejected, 10)
  check.equal(described.handled, 11)
end

function tests.what_no_json_is_is_rejected_by_itself()
  local system, seen = systems.declared(), {}
  system:on("fault", function() end)
  assert(system:batch_handler("row", { max = 3, wait_ms = 20 }, function(rows)
    for _, row in ipairs(rows) do
      seen[#seen + 1] = row ~= kca.null and row.id or row
    end
  end))
  assert(system:handler("end", function()
    system:consumer("shop"):stop()
  end))
  assert(system:start())
  local bus = assert(system:event_bus("orders"))
  for _, payload in ipairs({ '{"id":1}', "no json", kca.null, '{"id":2}' }) do
    assert(bus:publish("row", payload, { key = systems.KEY }))
  end
  publish(system, 0)
  assert(assert(system:consumer("shop")):run())
  check.equal(#seen, 3)
  check.equal(seen[2], kca.null)
  check.equal(assert(system:description()).consumers[1].rejected, 1)
  assert(system:shutdown())
end

function tests.a_batch_may_be_pulled_and_deferred()
  local system, kept = systems.declared(), nil
  assert(system:batch_handler("row", { max = 5, wait_ms = 20000 }, function(_, deliveries)
    kept = deliveries
    return kca.DEFERRED
  end))
  assert(system:start())
  publish(system, 5)
  local queue = assert(assert(system:consumer("shop")):queue())
  local event
  repeat
    event = systems.next(queue)
  until event.kind == "batch"
  check.equal(#event.deliveries, 5)
  queue.work:dispatch(event)
  for i = 5, 1, -1 do
    assert(kept[i]:done())
  end
  check.equal(assert(system:description()).consumers[1].handled, 5)
  queue:close()
  assert(system:shutdown())
end

function tests.what_is_not_allowed_is_said()
  local system = systems.declared()
  local function ignore() end
  check.contains(check.fails("argument", system:batch_handler("row", { max = 0 }, ignore)), "batch_max must be 1 to 1000000")
  check.contains(check.fails("argument", system:batch_handler("row", { most = 1 }, ignore)), "there is no option most")
  check.contains(check.fails("argument", system:batch_handler("row", { max = "x" }, ignore)), "must be a whole number")
  check.contains(check.fails("argument", system:batch_handler("row", ignore)), "options must be a table")
  check.contains(check.fails("argument", system:batch_handler("row", {}, nil)), "must be a function")
end

return tests
