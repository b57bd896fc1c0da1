--- Reading that does not go on where it was is told, and a seek outside the partition is refused.
local check = require("check")
local systems = require("systems")
local kca = check.kca

local tests = {}

local LARGE = '"' .. ("x"):rep(900000) .. '"'
local COUNT = 8 -- large ones: more than the embedded broker keeps of a partition, 5 MB

local function started()
  local system = systems.declared()
  assert(system:handler("*", print))
  assert(system:start(10000))
  return system
end

local function handle_one(queue)
  local delivery = systems.next(queue)
  local offset = tonumber(delivery:offset())
  assert(delivery:done())
  return offset
end

--- The first record was handled; those up to `first` are gone.
local function check_fault(fault, first)
  check.equal(fault.kind, "fault")
  check.equal(fault.error.name, "offset")
  check.equal(fault.error.retriable, false)
  check.contains(fault.error, ("offsets 1 to %d are gone, %d not read"):format(first - 1, first - 1))
  check.equal(fault.topic, "orders")
  check.equal(fault.partition, 0)
  check.equal(fault.reset_from, 1)
  check.equal(fault.reset_to, first)
  check.equal(fault.reset_count, first - 1)
end

function tests.what_is_gone_is_told_with_from_to_and_how_many()
  local system = started()
  systems.publish(system, "{}")
  local consumer = assert(system:consumer("shop"))
  local queue = assert(consumer:queue())
  check.equal(handle_one(queue), 0)
  queue:close()
  for _ = 1, COUNT do
    systems.publish(system, LARGE)
  end
  queue = assert(consumer:queue())
  local fault, first = systems.next(queue), handle_one(queue)
  check.equal(first > 1 and first < COUNT, true)
  check_fault(fault, first)
end

function tests.a_listener_hears_what_is_gone()
  local system = systems.declared()
  local consumer
  local faults, seen = {}, {}
  assert(system:handler("*", function(_, message)
    seen[#seen + 1] = tonumber(message:offset())
    if seen[#seen] == 0 or seen[#seen] == COUNT then
      consumer:stop()
    end
  end))
  assert(system:on("fault", function(fault)
    faults[#faults + 1] = fault
  end))
  assert(system:start(10000))
  systems.publish(system, "{}")
  consumer = assert(system:consumer("shop"))
  assert(consumer:run())
  for _ = 1, COUNT do
    systems.publish(system, LARGE)
  end
  assert(consumer:run())
  check.equal(#faults, 1)
  check_fault(faults[1], seen[2])
  check.equal(#seen, COUNT + 2 - seen[2])
end

function tests.a_seek_outside_the_partition_is_refused()
  local system = started()
  systems.publish(system, {}, {}, {})
  local consumer = assert(system:consumer("shop"))
  local queue = assert(consumer:queue())
  check.equal(handle_one(queue), 0)
  local err = check.fails("offset", consumer:seek("orders", 0, 4))
  check.contains(err, "orders[0]: the offset must be 0 to 3, got 4")
  check.equal(err.code, kca.ERROR_OFFSET)
  check.equal(handle_one(queue), 1)
  check.equal(handle_one(queue), 2)
  assert(consumer:seek("orders", 0, 2))
  check.equal(handle_one(queue), 2)
end

return tests
