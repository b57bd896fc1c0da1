--- The order example of the document: publish orderCreated events, handle them, shut down cleanly.
--
--   lua5.1 examples/lua/order.lua [bootstrap] [events]     defaults: embedded://  20
--   luajit examples/lua/order.lua [bootstrap] [events]     the same, over LuaJIT's FFI
local kca = require(jit and "kca_ffi" or "kca")

local bootstrap = arg[1] or "embedded://"
local count = tonumber(arg[2] or 20)

local function declare(system)
  assert(system:add_connection(kca.connection("kafka", bootstrap)))
  assert(system:add_publisher(
    kca.publisher_builder("kafka", "order.events")
      :with_batch_size(100)
      :with_max_attempts(5)
      :with_required_acks(-1)
  ))
  assert(system:add_consumer(
    kca.consumer_builder("kafka", "order.events", "order-service-group")
      :with_heartbeat_interval_ms(5000)
      :with_commit_interval_ms(10000)
  ))
end

--- Each publish of an async publisher has its receipt. Unread ones fill the buffer, so they are read along the way.
local function publish_orders(system)
  local bus, queue = assert(system:event_bus("order.events")), assert(system:queue())
  local answered, stored = 0, 0
  for i = 1, count do
    local order = ('{"orderId":"ORD-%05d","amount":%.2f}'):format(i, i * 9.99)
    assert(bus:publish("orderCreated", order, { token = i, correlation_id = "customer-" .. i % 5 }))
    while i - answered >= 1000 or (i == count and answered < count) do
      local events = assert(queue:next(100, 30000))
      assert(#events > 0, "no receipt came")
      for _, event in ipairs(events) do
        if event.kind == "receipt" then
          answered = answered + 1
          stored = stored + (event.error and 0 or 1)
        end
      end
    end
  end
  print(("published %d orderCreated events, %d stored"):format(count, stored))
end

local system = assert(kca.system()):log_to_stderr(kca.LOG_WARN)
declare(system)

local consumer
local handled = 0
assert(system:handler("orderCreated", function(_, message)
  local order_id, err = message:json_string("/orderId")
  local amount = message:json_double("/amount")
  if not order_id then
    return kca.REJECTED, err.name, err.text
  end
  print(("handled   %s  amount %8.2f  from %s[%d] offset %d"):format(
    order_id, amount, message:topic(), message:partition(), message:offset()
  ))
  handled = handled + 1
  if handled >= count then
    consumer:stop()
  end
end))

assert(system:start(10000))
print("started on " .. bootstrap)
publish_orders(system)

consumer = assert(system:consumer("order-service-group")):with_message_processing_timeout_ms(30000)
assert(consumer:run())

io.write(system:describe())
assert(system:shutdown(10000))
print("shut down cleanly")
