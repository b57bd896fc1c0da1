--- Systems on the embedded broker, and waits with a deadline.
local check = require("check")
local kca = check.kca

local systems = { KEY = "k3" } -- murmur2 puts it into partition 0 of the embedded broker's 4

--- A system with a publisher of "orders" and a consumer "shop" of its partition 0.
function systems.declared(policy, max_attempts)
  local system = assert(kca.system())
  assert(system:add_connection(kca.connection("local", "embedded://")))
  assert(system:add_publisher(kca.publisher("local", "orders"):with_required_acks(-1):with_linger_ms(0)))
  local consumer = kca.consumer("local", "orders", "shop"):with_partition(0)
  consumer:with_max_attempts(max_attempts or 1):with_retry_backoff_ms(1)
  assert(system:add_consumer(consumer:with_failure_policy(policy or "skip")))
  return system
end

--- Publishes payloads, each stored when this returns.
function systems.publish(system, ...)
  local bus = assert(system:event_bus("orders"))
  for _, payload in ipairs({ ... }) do
    assert(bus:publish("orderCreated", payload, { key = systems.KEY }))
  end
  assert(bus:flush(10000))
end

--- The next event of a queue.
function systems.next(queue)
  local events = assert(queue:next(1, 30000))
  return assert(events[1], "no event came")
end

return systems
