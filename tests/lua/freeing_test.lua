--- The collector may free handles in any order.
local check = require("check")
local systems = require("systems")
local kca = check.kca
local tests = {}

--- Calls fn with each permutation of 1 to count.
local function permute(count, fn)
  local order = {}
  local function place(at, left)
    if at > count then
      return fn(order)
    end
    for i = 1, count do
      if left[i] then
        left[i] = nil
        order[at] = i
        place(at + 1, left)
        left[i] = true
      end
    end
  end
  local all = {}
  for i = 1, count do
    all[i] = true
  end
  place(1, all)
end

local function declared_graph()
  local connection = kca.connection("local", "embedded://")
  local builder = kca.consumer("local", "orders", "shop")
  local system = assert(kca.system())
  assert(system:add_connection(connection))
  assert(system:add_consumer(builder))
  return { connection, builder, system, assert(system:consumer("shop")), assert(system:queue()) }
end

function tests.declared_handles_go_in_any_order()
  permute(5, function(order)
    local graph = declared_graph()
    for _, i in ipairs(order) do
      graph[i] = false
      collectgarbage()
    end
  end)
end

local function started_graph()
  local system = systems.declared()
  assert(system:handler("*", print))
  assert(system:start(10000))
  systems.publish(system, "{}")
  local consumer = assert(system:consumer("shop"))
  local queue = assert(consumer:queue())
  return { system, consumer, queue, systems.next(queue) }
end

function tests.started_handles_go_in_any_order()
  for first = 1, 4 do
    local graph = started_graph()
    for i = first, first + 3 do
      graph[(i - 1) % 4 + 1] = false
      collectgarbage()
      collectgarbage()
    end
  end
end

function tests.all_at_once()
  started_graph()
  collectgarbage()
  collectgarbage()
end

function tests.the_state_closes_with_a_started_system()
  check.kept = started_graph()
end

function tests.a_closed_queue_answers_with_an_error()
  local queue = assert(assert(kca.system()):queue())
  queue:close()
  check.fails("argument", queue:next(1, 0))
end

return tests
