--- The order example of the document: publish orderCreated events, handle them, shut down cleanly.
--
--   lua5.1 examples/lua/order.lua [bootstrap] [events]     defaults: embedded://  20
--   luajit examples/lua/order.lua [bootstrap] [events]     over LuaJIT's FFI
local kca = require(jit and "kca_ffi" or "kca")

local bootstrap = arg[1] or "embedded://"
local count = tonumber(arg[2] or 20)

local system = assert(kca.system(
  kca.connection("kafka", bootstrap),
  kca.publisher("kafka", "order.events", { batch_size = 100, max_attempts = 5, required_acks = -1 }),
  kca.consumer("kafka", "order.events", "order-service-group")
    :with_heartbeat_interval_ms(5000)
    :with_commit_interval_ms(10000)
)):log_to_stderr(kca.LOG_WARN)

--- Each message of an async publisher gets a receipt. Unread receipts fill the buffer, so they are read along the way.
local function publish_orders()
  local bus, queue = assert(system:event_bus("order.events")), assert(system:queue())
  local answered, stored = 0, 0
  for i = 1, count do
    local order = { orderId = ("ORD-%05d"):format(i), amount = math.floor(i * 999) / 100 }
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

local consumer
local handled = 0
assert(system:handler("orderCreated", function(order, message)
  if type(order.amount) ~= "number" then
    return kca.REJECTED, "amount", "it has no amount"
  end
  print(("handled   %s  amount %8.2f  from %s[%d] offset %d"):format(
    order.orderId, order.amount, message:topic(), message:partition(), message:offset()
  ))
  handled = handled + 1
  if handled >= count then
    consumer:stop()
  end
end))

assert(system:start())
print("started on " .. bootstrap)
publish_orders()

consumer = assert(system:consumer("order-service-group", { message_processing_timeout_ms = 30000 }))
assert(consumer:run())

io.write(system:describe())
assert(system:shutdown())
print("shut down cleanly")
