--- Every way in which a handler can end settles its delivery, and every way in which a program ends sends what it has.
local check = require("check")
local systems = require("systems")
local kca = check.kca
local tests = {}

local ROUNDS = 1000

local function odd(meta)
  return setmetatable({}, meta)
end

local function breaks()
  error("it breaks")
end

--- How a handler may end; each is a failed delivery.
local ENDS = {
  text = function()
    error("a text")
  end,
  nothing = function()
    error()
  end,
  a_nil = function()
    error(nil)
  end,
  a_boolean = function()
    error(false)
  end,
  a_number = function()
    error(12)
  end,
  a_table = function()
    error({})
  end,
  a_coroutine = function()
    error(coroutine.create(print))
  end,
  an_assert_of_a_table = function()
    assert(nil, {})
  end,
  a_runtime_error = function()
    local nothing = ENDS_OF_NOTHING -- luacheck: ignore 113
    return nothing.field
  end,
  a_tostring_that_breaks = function()
    error(odd({ __tostring = breaks }))
  end,
  a_tostring_that_gives_a_number = function()
    error(odd({ __tostring = function()
      return 12
    end }))
  end,
  a_tostring_that_gives_a_table = function()
    error(odd({ __tostring = function()
      return {}
    end }))
  end,
  an_index_that_breaks = function()
    error(odd({ __index = breaks }))
  end,
  an_odd_name = function()
    return nil, { name = odd({ __tostring = breaks }), text = odd({ __tostring = breaks }) }
  end,
  an_odd_verdict = function()
    error({ text = "odd", verdict = {} })
  end,
  a_number_that_is_no_verdict = function()
    return 0 / 0
  end,
  returned_odd = function()
    return nil, odd({ __tostring = breaks, __index = breaks })
  end,
  a_stack_that_is_full = function()
    local function deeper()
      return 1 + deeper()
    end
    return deeper()
  end,
  a_nul = function()
    return kca.FAILED, "na\0me", "te\0xt"
  end,
}

--- Publishes, and runs the consumer until it has seen them all; returns how describe counts them.
local function run_all(count, handler)
  local system = systems.declared()
  local came = 0
  system:on("fault", function() end)
  assert(system:handler("*", function(...)
    came = came + 1
    if came == count then
      system:consumer("shop"):stop()
    end
    return handler(...)
  end))
  assert(system:start(10000))
  local bus = assert(system:event_bus("orders"))
  for _ = 1, count do
    assert(bus:publish("orderCreated", "{}", { key = systems.KEY }))
  end
  assert(bus:flush(30000))
  assert(system:consumer("shop"):run())
  local shop = assert(system:description()).consumers[1]
  assert(system:shutdown(10000))
  return shop
end

function tests.every_end_of_a_handler_settles_its_delivery()
  for name, handler in pairs(ENDS) do
    local count = name == "a_stack_that_is_full" and 2 or ROUNDS
    local shop = run_all(count, handler)
    check.equal(name .. " " .. shop.failed, name .. " " .. count)
    check.equal(name .. " " .. shop.skipped, name .. " " .. count)
    check.equal(shop.held, 0)
  end
end

function tests.a_store_that_breaks_oddly_fails_the_delivery()
  local system = systems.declared()
  system:on("fault", function() end)
  assert(system:handler("*", print))
  local store = {
    seen = function()
      system:consumer("shop"):stop()
      error(odd({ __tostring = breaks }))
    end,
    mark = breaks,
  }
  assert(system:set_deduplication_store("shop", store))
  assert(system:start(10000))
  systems.publish(system, "{}")
  assert(system:consumer("shop"):run())
  check.equal(assert(system:description()).consumers[1].failed, 1)
  assert(system:shutdown(10000))
end

--- A handler that yields: out of `run` where Lua lets it, else it has failed.
function tests.a_yield_in_a_handler_neither_hangs_nor_loses()
  local count = 0
  local run = coroutine.wrap(function()
    return "ended", run_all(ROUNDS, function()
      count = count + 1
      coroutine.yield("inside")
    end)
  end)
  local word, shop = run()
  while word == "inside" do
    word, shop = run()
  end
  check.equal(word, "ended")
  check.equal(count, ROUNDS)
  check.equal(shop.handled + shop.failed, ROUNDS)
  check.equal(shop.held, 0)
end

function tests.a_handler_neither_starts_nor_shuts_down_its_system()
  local system = systems.declared()
  local other = assert(kca.system(kca.connection("local", "embedded://"), kca.publisher("local", "others")))
  local start, shutdown
  assert(system:handler("*", function()
    start, shutdown = { system:start() }, { system:shutdown(-1) }
    assert(other:start())
    assert(other:shutdown())
    system:consumer("shop"):stop()
  end))
  assert(system:start(10000))
  systems.publish(system, "{}")
  assert(system:consumer("shop"):run())
  check.contains(check.fails("state", start[1], start[2]), "start: not inside a handler of this system")
  check.contains(check.fails("state", shutdown[1], shutdown[2]), "shutdown: not inside a handler of this system")
  check.equal(assert(system:description()).consumers[1].handled, 1)
  assert(system:shutdown(10000))
end

function tests.a_nul_in_a_name_is_refused()
  local system = systems.declared()
  local function refused(...)
    check.contains(check.fails("argument", ...), "must be a text without NUL")
  end
  refused(kca.message("a\0b", "{}"))
  for _, field in ipairs({ "type", "message_id", "correlation_id", "origin", "version", "reply_to" }) do
    if field ~= "type" then
      refused(kca.message("a", "{}", { [field] = "x\0y" }))
    end
  end
  refused(kca.message("a", "{}", { headers = { ["h\0x"] = "1" } }))
  refused(kca.system(kca.publisher("local", "a\0b")))
  refused(kca.system(kca.connection("a\0b", "embedded://")))
  refused(kca.system(kca.consumer("local", "orders", "shop", { group_id = "a\0b" })))
  refused(system:handler("a\0b", print))
  refused(system:event_bus("orders\0"))
  refused(system:consumer("shop\0"))
  refused(system:describe_cluster("local\0"))
  local shop = assert(system:consumer("shop"))
  refused(shop:pause("orders\0", 0))
  refused(shop:resume("orders\0", 0))
  refused(shop:seek("orders\0", 0, 0))
  refused(shop:seek_to_time("orders\0", 0, 0))
  -- bytes may hold it
  local message = assert(kca.message("a", "{}", { key = "k\0k", headers = { h = "v\0v" } }))
  check.equal(message:key(), "k\0k")
  check.equal(message:headers().h, "v\0v")
end

--- Lua 5.1's own `assert` takes texts only, and hides the error.
function tests.kca_assert_raises_the_text()
  check.equal(select("#", kca.assert(1, nil, 3)), 3)
  local ok, err = pcall(function()
    kca.assert(kca.system(kca.publisher("local", "orders", { batch_size = 0 })))
  end)
  check.equal(ok, false)
  check.contains(err, "publisher orders: batch_size must be 1 to 1000000, got 0")
end

-- ---- ends of runs ----

--- Rejects all of "orders"; the dead letters are under way for a while.
local function burying()
  local system = assert(kca.system(
    kca.connection("local", "embedded://"),
    kca.publisher("local", "orders", { required_acks = -1, linger_ms = 0 }),
    kca.publisher("local", "dead", { required_acks = -1, linger_ms = 300 }),
    kca.consumer("local", "orders", "shop", { partition = 0, dead_letter_channel = "dead", max_attempts = 1 })
  ))
  assert(system:start(10000))
  return system, assert(system:consumer("shop"))
end

local function dead_lettered(system)
  return assert(system:description()).consumers[1].dead_lettered
end

function tests.a_run_that_is_stopped_waits_for_dead_letters()
  local system, shop = burying()
  local seen = 0
  system.work.handlers["*"] = function(order)
    seen = order
    shop:stop()
    return nil, kca.rejected("no", "never")
  end
  for i = 1, 3 do
    systems.publish(system, tostring(i))
    assert(shop:run())
    check.equal(seen, i)
    check.equal(dead_lettered(system), i)
  end
  assert(system:shutdown(10000))
end

--- Its next attempts come by way of the channels, however often the consumer is run anew.
function tests.retry_channels_bring_the_next_attempts()
  local reliable = { required_acks = -1, linger_ms = 0 }
  local system = assert(kca.system(
    kca.connection("local", "embedded://"),
    kca.publisher("local", "orders", reliable),
    kca.publisher("local", "again", reliable),
    kca.publisher("local", "last", reliable),
    kca.consumer("local", "orders", "shop", {
      partition = 0,
      retry_channel = { "again", "last" },
      retry_delay_ms = { 1, 2 },
    })
  ))
  assert(system:start(10000))
  local shop, seen = assert(system:consumer("shop")), {}
  system.work.handlers["*"] = function(_, d)
    seen[#seen + 1] = d:attempt() .. d:topic()
    shop:stop()
    return nil, #seen < 3 and "the bank does not answer" or nil
  end
  systems.publish(system, "1")
  for _ = 1, 3 do
    assert(shop:run())
  end
  check.equal(table.concat(seen, " "), "1orders 2again 3last")
  assert(system:shutdown(10000))
end

--- A message that is delivered at a time comes by way of a relay, which is pulled here, and gives nothing out.
function tests.a_relay_brings_what_is_delivered_later()
  local reliable = { required_acks = -1, linger_ms = 0 }
  local system = assert(kca.system(
    kca.connection("local", "embedded://"),
    kca.publisher("local", "orders", {
      required_acks = -1,
      linger_ms = 0,
      delay_channel = "d1",
      delay_channel_ms = 20,
    }),
    kca.publisher("local", "d1", reliable),
    kca.consumer("local", "d1", "relay", { partition = kca.PARTITION_EVERY, relay = 1 }),
    kca.consumer("local", "orders", "shop", { partition = 0 })
  ))
  assert(system:start(10000))
  local bus, due = assert(system:event_bus("orders")), (os.time() + 1) * 1000
  assert(bus:publish("orderCreated", "{}", { key = systems.KEY, deliver_at_ms = due }))
  local relay = assert(system:consumer("relay"):queue())
  local shop = assert(system:consumer("shop"):queue())
  local deadline, events = os.time() + 60, {}
  while not events[1] do
    assert(os.time() < deadline, "it does not come")
    check.equal(#assert(relay:next(1, 10)), 0)
    events = assert(shop:next(1, 10))
  end
  assert(os.time() * 1000 >= due)
  check.equal(events[1]:header("kca-deliver-to"), nil)
  assert(events[1]:done())
  relay:close()
  shop:close()
  assert(system:shutdown(10000))
end

function tests.a_queue_that_has_left_has_stored_all_that_is_settled()
  local system, shop = burying()
  systems.publish(system, "1")
  local queue = assert(shop:queue())
  local delivery = systems.next(queue)
  shop:stop()
  check.equal(queue:has_left(), false)
  delivery:rejected("no", "never")
  check.equal(queue:has_left(), false)
  local deadline = os.time() + 60
  while not queue:has_left() do
    assert(os.time() < deadline, "it has not left")
  end
  check.equal(dead_lettered(system), 1)
  queue:close()
  assert(system:shutdown(10000))
end

-- ---- ends of programs ----

function tests.the_collector_sends_what_is_buffered()
  local system = assert(kca.system(
    kca.connection("local", "embedded://"),
    kca.publisher("local", "orders", { required_acks = -1, linger_ms = 100000 })
  ))
  assert(system:start(10000))
  local queue, bus = assert(system:queue()), assert(system:event_bus("orders"))
  for i = 1, 50 do
    assert(bus:publish("orderCreated", "{}", { token = i }))
  end
  check.equal(#assert(queue:next(100, 0)), 0)
  bus, system = nil, nil -- luacheck: ignore 311
  collectgarbage()
  collectgarbage()
  local receipts = assert(queue:next(100, 0))
  check.equal(#receipts, 50)
  for _, receipt in ipairs(receipts) do
    check.equal(receipt.error, nil)
  end
end

--- What the program writes, its exit status included.
local function output_of(program)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(('local kca = require("%s")\n'):format(os.getenv("KCA_LUA_MODULE")), program)
  file:close()
  local interpreter = 0
  while arg[interpreter - 1] do
    interpreter = interpreter - 1
  end
  local pipe = assert(io.popen(("%s %s 2>&1; echo status $?"):format(arg[interpreter], path)))
  local text = pipe:read("*a")
  pipe:close()
  os.remove(path)
  return text
end

function tests.what_was_left_is_said_on_stderr()
  local text = output_of([[
    local system = assert(kca.system(kca.connection("local", "embedded://"),
      kca.publisher("local", "orders", { required_acks = -1, linger_ms = 0 }),
      kca.consumer("local", "orders", "shop", { partition = kca.PARTITION_EVERY })))
    assert(system:start())
    assert(assert(system:event_bus("orders")):publish("orderCreated", "{}"))
    local consumer = assert(system:consumer("shop"))
    local queue = assert(consumer:queue())
    local event = assert(queue:next(1, 20000))[1]
    consumer, system = nil, nil
    collectgarbage()
    collectgarbage()
    print(event.kind, queue:fd())
  ]])
  check.contains(text, "kca: a system was collected that was not shut down: shutdown within 5000 ms: 1 deliveries were")
  check.contains(text, "status 0")
end

function tests.a_plain_exit_waits_for_the_broker_and_says_nothing()
  local text = output_of([[
    system = assert(kca.system(kca.connection("local", "embedded://"),
      kca.publisher("local", "orders", { required_acks = -1, linger_ms = 100000 })))
    assert(system:start())
    bus = assert(system:event_bus("orders"))
    for _ = 1, 100 do
      assert(bus:publish("orderCreated", "{}"))
    end
  ]])
  check.equal(text, "status 0\n")
end

return tests
