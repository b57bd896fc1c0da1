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

--- Batches of three, however long that takes, of messages 1 to `count` with a key each (`key`: one for all), whose hook
-- calls `before` and `after` with the message's id, until the functions after were called `last` times.
local function hooked(count, last, hook, handle, key)
  local system, calls, consumer = systems.declared("skip", 3), {}, nil
  system:on("fault", function() end)
  assert(system:handling_hook(function(h)
    local id = h.delivery:json().id
    h.kept = id
    calls[#calls + 1] = id .. "<"
    return (hook.before or function() end)(h, id)
  end, function(h)
    calls[#calls + 1] = h.kept .. ">" .. h.verdict
    last = last - 1
    if last == 0 then
      consumer:stop()
    end
    return (hook.after or function() end)(h, h.kept)
  end))
  assert(system:batch_handler("row", { max = 3, wait_ms = 60000 }, function(rows, deliveries)
    local ids = {}
    for i, row in ipairs(rows) do
      ids[i] = row.id
    end
    calls[#calls + 1] = "[" .. table.concat(ids, " ") .. "]"
    return handle and handle(rows, deliveries)
  end))
  if hook.store then
    assert(system:set_deduplication_store("shop", hook.store))
  end
  assert(system:start())
  local bus = assert(system:event_bus("orders"))
  for id = 1, count do
    assert(bus:publish("row", { id = id }, { key = key or "k" .. id, partition = 0, message_id = "m" .. id }))
  end
  consumer = assert(system:consumer("shop"))
  assert(consumer:run())
  local described = assert(system:description()).consumers[1]
  assert(system:shutdown())
  return table.concat(calls, " "), described
end

function tests.each_of_a_batch_goes_through_its_hooks()
  check.equal(hooked(3, 3, {}), "1< 2< 3< [1 2 3] 3>0 2>0 1>0")
end

function tests.one_that_a_hook_settles_leaves_its_batch()
  local calls, described = hooked(3, 2, {
    before = function(_, id)
      if id == 2 then
        return kca.REJECTED, "NoTenant", "it has none"
      end
    end,
  })
  check.equal(calls, "1< 2< 3< [1 3] 3>0 1>0")
  check.equal(described.rejected, 1)
  check.equal(described.handled, 2)
end

function tests.a_batch_of_which_nothing_is_left_is_not_handled()
  local system, consumer, left = systems.declared(), nil, 3
  assert(system:handling_hook(function()
    left = left - 1
    if left == 0 then
      consumer:stop()
    end
    return kca.DONE
  end))
  assert(system:batch_handler("row", { max = 3, wait_ms = 60000 }, function()
    error("it is not called")
  end))
  assert(system:start())
  publish(system, 3)
  consumer = assert(system:consumer("shop"))
  assert(consumer:run())
  check.equal(assert(system:description()).consumers[1].handled, 3)
  assert(system:shutdown())
end

function tests.one_that_a_hook_fails_fails_alone_and_its_key_comes_again_behind_it()
  local calls, described = hooked(4, 4, {
    before = function(h, id)
      if id == 2 and h.delivery:attempt() == 1 then
        error("the ledger is locked")
      end
    end,
  }, nil, systems.KEY)
  check.equal(calls, "1< 2< [1] 1>0 2< 3< 4< [2 3 4] 4>0 3>0 2>0")
  check.equal(described.retried, 1)
end

function tests.one_that_a_hook_fails_after_fails_alone_and_is_not_marked()
  local marked, failed = {}, nil
  local store = {
    seen = function()
      return false
    end,
    mark = function(_, id)
      marked[#marked + 1] = id
    end,
  }
  local _, described = hooked(5, 6, {
    store = store,
    after = function(_, id)
      if id == 2 and not failed then
        failed = true
        error("the ledger is locked")
      end
    end,
  })
  check.equal(described.handled, 5)
  check.equal(described.failed, 1)
  check.equal(#marked, 5)
end

function tests.a_hook_sees_how_each_was_settled_by_itself()
  local texts = {}
  local calls, described = hooked(3, 3, {
    after = function(h)
      texts[#texts + 1] = h.error_text
    end,
  }, function(_, deliveries)
    deliveries[1]:done()
    deliveries[2]:rejected("NegativeAmount", "it is -1")
    return kca.DUPLICATE
  end)
  check.equal(calls, "1< 2< 3< [1 2 3] 3>4 2>2 1>0")
  check.equal(table.concat(texts, "|"), "|it is -1|")
  check.equal(described.handled + described.rejected + described.duplicates, 3)
end

function tests.a_batch_that_fails_as_a_whole_comes_one_by_one_through_its_hooks()
  local calls, described = hooked(3, 6, {
    after = function(h, id)
      if id == 1 and h.verdict == kca.FAILED then
        error(kca.rejected("Odd", "of a batch of several it changes nothing"))
      end
    end,
  }, function(rows)
    if #rows > 1 then
      error("no room")
    end
  end)
  check.contains(calls, "1< 2< 3< [1 2 3] 3>1 2>1 1>1 ")
  check.equal(described.handled, 3)
  check.equal(described.failed, 0)
end

return tests
