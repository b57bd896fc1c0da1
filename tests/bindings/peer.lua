--- The peer of the cross test in Lua; see peer.c.
local kca = require(jit and "kca_ffi" or "kca")

local function new_system(bootstrap)
  local system = assert(kca.system()):log_to_stderr(kca.LOG_WARN)
  return assert(system:add_connection(kca.connection("kafka", bootstrap)))
end

local function publish(bootstrap, topic, name, message_id, correlation_id, sender, traceparent, tracestate, payload)
  local system = new_system(bootstrap)
  assert(system:add_publisher(kca.publisher("kafka", topic):with_required_acks(-1):with_async(false)))
  assert(system:start(10000))
  assert(assert(system:event_bus(topic)):publish(name, payload, {
    message_id = message_id,
    correlation_id = correlation_id,
    headers = { sender = sender },
    traceparent = traceparent,
    tracestate = tracestate,
  }))
  assert(system:shutdown(10000))
end

local function handle(bootstrap, topic, group, count)
  local system = new_system(bootstrap)
  assert(system:add_consumer(kca.consumer("kafka", topic, group)))
  local consumer
  local left = tonumber(count)
  assert(system:handler("*", function(_, m)
    local hex = m:payload():gsub(".", function(byte)
      return ("%02x"):format(byte:byte())
    end)
    local fields = { m:name(), m:message_id(), m:correlation_id(), m:header("sender"), m:traceparent(), m:tracestate() }
    print(table.concat(fields, "\t") .. "\t" .. hex)
    left = left - 1
    if left == 0 then
      consumer:stop()
    end
  end))
  assert(system:start(10000))
  consumer = assert(system:consumer(group))
  assert(consumer:run())
  assert(system:shutdown(10000))
end

local verbs = { publish = publish, handle = handle }
verbs[arg[1]](select(2, (unpack or table.unpack)(arg)))
