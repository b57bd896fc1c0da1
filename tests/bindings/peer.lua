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
    reply_to = topic .. ".replies",
    headers = { sender = sender },
    traceparent = traceparent,
    tracestate = tracestate,
  }))
  assert(system:shutdown(10000))
end

local function handle(bootstrap, topic, group, count)
  local system = new_system(bootstrap)
  assert(system:add_publisher(kca.publisher("kafka", topic .. ".replies"):with_required_acks(-1)))
  assert(system:add_consumer(kca.consumer("kafka", topic, group):with_reply(true)))
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
    return { by = group, to = m:name() }
  end))
  assert(system:start(10000))
  consumer = assert(system:consumer(group))
  assert(consumer:run())
  assert(system:shutdown(10000))
end

local function hex(bytes)
  return (bytes:gsub(".", function(byte)
    return ("%02x"):format(byte:byte())
  end))
end

local function digest(bytes)
  if bytes == nil or bytes == kca.null then
    return "none"
  end
  return ("%d:%s:%s"):format(#bytes, hex(bytes:sub(1, 8)), hex(bytes:sub(-8)))
end

local function print_record(m)
  local parts = { "record", tostring(m:offset()), digest(m:key()), digest(m:payload()) }
  for _, header in ipairs(m:record_headers()) do
    parts[#parts + 1] = digest(header[1]) .. "=" .. digest(header[2])
  end
  print(table.concat(parts, "\t"))
  assert(#m:header_list() < #parts)
end

local function read(bootstrap, topic, form)
  local system = assert(kca.system(kca.connection("kafka", bootstrap)))
  local b = kca.consumer("kafka", topic, "reader"):with_partition(kca.PARTITION_EVERY):with_order("partition")
  assert(system:add_consumer(b:with_failure_policy("skip"):with_commit_interval_ms(0)))
  local consumer
  assert(system:handler(form == "all" and "*" or "orderCreated", function(_, m)
    print_record(m)
  end))
  assert(system:handler("end", function(_, m)
    print_record(m)
    consumer:stop()
  end))
  assert(system:start(10000))
  consumer = assert(system:consumer("reader"))
  assert(consumer:run())
  print(system:describe())
  assert(system:shutdown(10000))
end

local PATIENCE_MS = 120000

local function answer(bootstrap, channel, replies, count)
  local system = assert(kca.system(
    kca.connection("kafka", bootstrap),
    kca.publisher("kafka", replies, { required_acks = -1, linger_ms = 0 }),
    kca.consumer("kafka", channel, channel, { reply = true, failure_policy = "skip" })
  ))
  local consumer
  local left = tonumber(count)
  local function count_down()
    left = left - 1
    if left == 0 then
      consumer:stop()
    end
  end
  assert(system:handler("greet", function(_, asked)
    count_down()
    return { from = channel, id = asked:correlation_id() }
  end))
  assert(system:handler("refuse", function()
    count_down()
    error(kca.rejected("refused", channel .. " greets nobody"))
  end))
  assert(system:start(PATIENCE_MS))
  consumer = assert(system:consumer(channel))
  assert(consumer:run())
  assert(system:shutdown(10000))
end

local function ask(bootstrap, replies, asker, traceparent, ...)
  local system = assert(kca.system(kca.connection("kafka", bootstrap)))
  for _, channel in ipairs({ ... }) do
    local options = { required_acks = -1, linger_ms = 0, reply_channel = replies }
    assert(system:add_publisher(kca.publisher("kafka", channel, options)))
  end
  assert(system:start(PATIENCE_MS))
  for _, channel in ipairs({ ... }) do
    local bus = assert(system:query_bus(channel))
    local function send(name, id)
      return bus:send(name, {}, { correlation_id = id, traceparent = traceparent, timeout_ms = PATIENCE_MS })
    end
    local id = asker .. ">" .. channel
    print(channel, require("kca.json").encode(assert(send("greet", id))))
    local _, err = send("refuse", id .. "!")
    print(channel, err.name, tostring(err))
  end
  assert(system:shutdown(10000))
end

local verbs = { publish = publish, handle = handle, read = read, answer = answer, ask = ask }
verbs[arg[1]](select(2, (unpack or table.unpack)(arg)))
