--- Kafka channel adapters for Lua, over either core: the SWIG module (`kca`) or LuaJIT's FFI (`kca_ffi`).
--
-- What can fail returns its result, or `nil, err`; `err` has code, name, text, rdkafka_code, retriable and fatal,
-- and tostring gives its text. Declarations chain: each `with_` method returns its object, and adding the object to a
-- system returns the first failure of its making. Options, defaults and events are described in kca_abi.h.
--
-- Lua's collector does not see how much memory stands behind a handle, so events and deliveries are given back at once:
-- a delivery lives until its handler returns, or, when that returned DEFERRED, until it is settled.

local WAIT_MS = 250 -- a wait in C ends at least this often, so that Lua sees Ctrl-C

local Error = {}
Error.__index = Error
Error.__tostring = function(err)
  return err.text
end

local function error_of(plain)
  return plain and setmetatable(plain, Error)
end

--- A core's `true, result` or `false, failure` as `result` or `nil, err`.
local function fallible(ok, result)
  if not ok then
    return nil, error_of(result)
  end
  if result == nil then
    return true
  end
  return result
end

local function number_of(value)
  if type(value) == "boolean" then
    return value and 1 or 0
  end
  return value
end

--- A method that sets and returns its object, for each function of the core whose name starts so.
local function add_setters(class, core, prefix, verb)
  for name, fn in pairs(core) do
    local option = name:match("^" .. prefix .. "(" .. verb .. "_.+)$")
    if option then
      class[option] = function(self, value, ...)
        fn(self.handle, number_of(value), ...)
        return self
      end
    end
  end
end

local function new_class(parent)
  local class = setmetatable({}, { __index = parent })
  class.__index = class
  return class
end

local function new(class, ok, handle)
  if not ok then
    return nil, error_of(handle)
  end
  return setmetatable({ handle = handle }, class)
end

--- What is declared exists in any case, so that a chain never breaks: adding it returns a failure of its making too.
local function declare(class, ok, handle)
  return setmetatable(ok and { handle = handle } or { failure = error_of(handle) }, class)
end

local function add_declarations(M, core)
  local Connection, PublisherBuilder, ConsumerBuilder = new_class(), new_class(), new_class()
  local Redrive = new_class()
  add_setters(Connection, core, "kca_connection_", "with")
  add_setters(PublisherBuilder, core, "kca_publisher_builder_", "with")
  add_setters(ConsumerBuilder, core, "kca_consumer_builder_", "with")
  add_setters(Redrive, core, "kca_redrive_", "with")

  --- TLS; each is a file's path or PEM text, nil leaves it out.
  function Connection:with_tls(ca, certificate, key)
    core.kca_connection_with_tls(self.handle, ca, certificate, key)
    return self
  end

  --- A cluster and how to reach it.
  function M.connection(name, hosts)
    return declare(Connection, core.kca_connection_new(name, hosts))
  end

  --- A publisher of `topic` over the connection of that name.
  function M.publisher_builder(connection, topic)
    return declare(PublisherBuilder, core.kca_publisher_builder_new(connection, topic))
  end

  --- A consumer of `topic`; `consumer` is its name and its group.
  function M.consumer_builder(connection, topic, consumer)
    return declare(ConsumerBuilder, core.kca_consumer_builder_new(connection, topic, consumer))
  end

  --- A redrive of the dead letters of `topic`; a dry run unless it is told otherwise.
  function M.redrive(connection, topic)
    return declare(Redrive, core.kca_redrive_new(connection, topic))
  end
end

--- Messages: accessors have the names of kca_abi.h without their prefix.
local function new_message_class(core)
  local Message = new_class()
  for name, fn in pairs(core) do
    local word = name:match("^kca_message_(.+)$")
    if word and word:match("^json_") and word ~= "json_type" or word == "check_json" then
      Message[word] = function(self, ...)
        return fallible(fn(self.handle, ...))
      end
    elseif word and not word:match("^set_") and word ~= "new" and word ~= "free" and word ~= "error" then
      Message[word] = function(self, ...)
        return fn(self.handle, ...)
      end
    end
  end
  add_setters(Message, core, "kca_message_", "set")

  function Message:is_json()
    return core.kca_message_is_json(self.handle) == 1
  end

  function Message:json_bool(pointer)
    local ok, value = core.kca_message_json_bool(self.handle, pointer)
    if not ok then
      return nil, error_of(value)
    end
    return value == 1
  end

  --- W3C trace context; `tracestate` may be left out.
  function Message:set_trace_context(traceparent, tracestate)
    core.kca_message_set_trace_context(self.handle, traceparent, tracestate)
    return self
  end

  --- Takes the trace context of `cause`.
  function Message:follow(cause)
    core.kca_message_follow(self.handle, cause.handle)
    return self
  end

  --- The custom headers by name.
  function Message:headers()
    local headers = {}
    for i = 0, core.kca_message_header_count(self.handle) - 1 do
      local name = core.kca_message_header_name(self.handle, i)
      headers[name] = core.kca_message_header_value(self.handle, i) or ""
    end
    return headers
  end
  return Message
end

--- Deliveries: messages that also know where they came from, and must be settled.
local function new_delivery_class(M, core, Message)
  local Delivery = new_class(Message)

  --- Publishes through the bus' channel in this delivery's transaction: it goes out with its offset. For consumers with a
  -- transactional_id; a message, or one made of a name, a payload and the fields of `kca.message`.
  function Delivery:publish(bus, message, payload, fields)
    if getmetatable(message) ~= Message then
      message = M.message(message, payload, fields)
    end
    return fallible(core.kca_delivery_publish(self.delivery, bus.handle, message.handle))
  end

  for _, word in ipairs({ "consumer", "topic", "partition", "offset", "attempt" }) do
    local fn = core["kca_delivery_" .. word]
    Delivery[word] = function(self)
      return fn(self.delivery)
    end
  end

  --- Settles it: KCA DONE, FAILED, REJECTED or DUPLICATE, with a short name and a line of text that say why. It cannot be read
  -- afterwards.
  function Delivery:settle(verdict, error_name, text)
    if error_name or text then
      core.kca_delivery_explain(self.delivery, error_name, text or "")
    end
    local ok, err = core.kca_delivery_settle(self.delivery, verdict)
    core.kca_delivery_free(self.delivery)
    self.delivery, self.handle = nil, nil
    return fallible(ok, err)
  end
  return Delivery
end

local function new_queue_class(core, Delivery)
  local Queue = new_class()

  local function delivery_of(event)
    local delivery = core.kca_event_into_delivery(event)
    return setmetatable(
      { kind = "delivery", delivery = delivery, handle = core.kca_delivery_message(delivery) },
      Delivery
    )
  end

  local words = {
    [core.KCA_REBALANCE_ASSIGNED] = "assigned",
    [core.KCA_REBALANCE_REVOKED] = "revoked",
    [core.KCA_REBALANCE_LOST] = "lost",
  }

  local function rebalance_of(event)
    local partitions = {}
    for i = 0, core.kca_event_assignment_count(event) - 1 do
      partitions[i + 1] =
        { topic = core.kca_event_assignment_topic(event, i), partition = core.kca_event_assignment_partition(event, i) }
    end
    return {
      kind = "rebalance",
      what = words[core.kca_event_rebalance(event)],
      consumer = core.kca_event_consumer(event),
      partitions = partitions,
    }
  end

  local function take(event)
    local kind = core.kca_event_type(event)
    if kind == core.KCA_EVENT_DELIVERY then
      return delivery_of(event)
    end
    local taken
    if kind == core.KCA_EVENT_LOG then
      taken = {
        kind = "log",
        level = core.kca_event_log_level(event),
        component = core.kca_event_log_component(event),
        text = core.kca_event_log_text(event),
      }
    elseif kind == core.KCA_EVENT_REBALANCE then
      taken = rebalance_of(event)
    else
      taken = {
        kind = kind == core.KCA_EVENT_RECEIPT and "receipt" or kind == core.KCA_EVENT_END and "end" or "fault",
        token = core.kca_event_token(event),
        error = error_of(core.kca_event_error(event)),
        topic = core.kca_event_topic(event),
        partition = core.kca_event_partition(event),
        offset = core.kca_event_offset(event),
      }
    end
    core.kca_event_free(event)
    return taken
  end

  --- Up to `max` events, an array that is empty when none came in time; `timeout_ms` -1 waits for ever.
  -- @return up to 1024 events, each with `kind`: "delivery", "receipt", "fault", "rebalance", "end" or "log"; or nil, err ("stopped": the end)
  function Queue:next(max, timeout_ms)
    local ok, events = core.kca_queue_next(self.handle, max or 1, timeout_ms or -1)
    if not ok then
      return nil, error_of(events)
    end
    for i, event in ipairs(events) do
      events[i] = take(event)
    end
    return events
  end

  --- A descriptor that is readable while something waits: only poll it.
  function Queue:fd()
    return core.kca_queue_fd(self.handle)
  end

  --- Frees it now; a consumer leaves its group.
  function Queue:close()
    core.kca_queue_free(self.handle)
    self.handle = nil
  end
  return Queue
end

local function new_bus_class(M, core, Message, handled)
  local Bus = new_class()

  --- Publishes a message, or one made of a name, a payload and the fields of `kca.message`.
  -- `fields.token`, other than 0: a receipt with that token follows on the system's queue. Inside a handler the message
  -- continues the trace of what is handled, unless it has a trace context.
  function Bus:publish(message, payload, fields)
    if getmetatable(message) ~= Message then
      message = M.message(message, payload, fields)
    else
      fields = payload
    end
    local follows = handled.message and message:traceparent() == ""
    if follows then
      message:follow(handled.message)
    end
    local ok, err = core.kca_bus_publish(self.handle, message.handle, fields and fields.token or 0)
    if follows then
      message:set_trace_context(nil, nil)
    end
    return fallible(ok, err)
  end

  --- Waits until all that was published is answered.
  function Bus:flush(timeout_ms)
    return fallible(core.kca_bus_flush(self.handle, timeout_ms or -1))
  end
  return Bus
end

local function new_consumer_class(M, core, Queue, handled)
  local Consumer = new_class()
  add_setters(Consumer, core, "kca_consumer_", "with")

  --- Nothing of the partition is given out until `resume`; nil: of the topic's, topic nil: of any topic.
  function Consumer:pause(topic, partition)
    return fallible(core.kca_consumer_pause(self.handle, topic, partition or -1))
  end

  --- Gives out again what was paused.
  function Consumer:resume(topic, partition)
    return fallible(core.kca_consumer_resume(self.handle, topic, partition or -1))
  end

  --- Goes on reading at this offset; -1: at the partition's end, -2: at its beginning.
  function Consumer:seek(topic, partition, offset, timeout_ms)
    return fallible(core.kca_consumer_seek(self.handle, topic, partition, offset, timeout_ms or 10000))
  end

  --- Goes on reading at the first message at or after this time; partition nil: in all of the topic.
  function Consumer:seek_to_time(topic, ms_since_1970, partition, timeout_ms)
    return fallible(
      core.kca_consumer_seek_to_time(self.handle, topic, partition or -1, ms_since_1970, timeout_ms or 10000)
    )
  end

  --- Joins the group: the queue of its deliveries and faults, for those who handle without `run`.
  function Consumer:queue()
    return new(Queue, core.kca_consumer_queue(self.handle))
  end

  local function handle(handlers, d)
    local handler = handlers[d:name()] or handlers["*"]
    if not handler then
      return M.REJECTED, "unhandled", "no handler has its name"
    end
    local outside = handled.message
    handled.message = d
    local ok, verdict, error_name, text = pcall(handler, d:payload(), d)
    handled.message = outside
    if not ok then
      return M.FAILED, "handler", tostring(verdict)
    end
    return verdict or M.DONE, error_name, text
  end

  --- Joins the group and handles deliveries one by one until `stop` or shutdown. A handler that returns nothing has
  -- done its work, one that raises an error has failed; it may also return a verdict, an error's name and a text.
  -- @return true, or nil and what ended the consumer
  function Consumer:run()
    local queue, err = self:queue()
    while queue do
      local events, over = queue:next(1, WAIT_MS)
      local event = events and events[1]
      if over then
        err = over
        break
      elseif event and event.kind == "delivery" then
        local verdict, error_name, text = handle(self.handlers, event)
        if verdict ~= M.DEFERRED then
          event:settle(verdict, error_name, text) -- a failure: it no longer counts, and comes again
        end
      end
    end
    if queue and err.code == core.KCA_ERROR_STOPPED then
      local _, why = fallible(core.kca_queue_error(queue.handle))
      err = why and why.code ~= core.KCA_ERROR_STOPPED and why or nil
    end
    if queue then
      queue:close()
    end
    if err then
      return nil, err
    end
    return true
  end

  --- Ends run, also from a handler. Does not wait itself.
  function Consumer:stop()
    core.kca_consumer_stop(self.handle)
  end
  return Consumer
end

local function add_system(M, core, Bus, Consumer, Queue)
  local System = new_class()

  for _, kind in ipairs({ "connection", "publisher", "consumer" }) do
    local fn = core["kca_system_add_" .. kind]
    --- Adds a copy of what is declared. Returns the system.
    System["add_" .. kind] = function(self, declared)
      if declared.failure then
        return nil, declared.failure
      end
      local ok, err = fallible(fn(self.handle, declared.handle))
      return ok and self or nil, err
    end
  end

  for _, kind in ipairs({ "event_bus", "command_bus", "query_bus" }) do
    local fn = core["kca_system_" .. kind]
    System[kind] = function(self, channel)
      return new(Bus, fn(self.handle, channel))
    end
  end

  --- The handler of the messages of this name ("*": of those that no other takes), called with payload and delivery.
  function System:handler(name, fn)
    local ok, err = fallible(core.kca_system_add_handler(self.handle, name))
    if not ok then
      return nil, err
    end
    self.handlers[name] = fn
    return self
  end

  function System:start(timeout_ms)
    return fallible(core.kca_system_start(self.handle, timeout_ms or 10000))
  end

  --- Stops, commits, sends what is buffered, and closes; an error says what was left.
  function System:shutdown(timeout_ms)
    return fallible(core.kca_system_shutdown(self.handle, timeout_ms or 10000))
  end

  --- The consumer of this name, as given to its builder.
  function System:consumer(name)
    local consumer, err = new(Consumer, core.kca_system_consumer(self.handle, name))
    if consumer then
      consumer.handlers = self.handlers
    end
    return consumer, err
  end

  --- The system's queue: receipts, faults, logs.
  function System:queue()
    return new(Queue, core.kca_system_queue(self.handle))
  end

  --- The queue of the system's logs alone: from now on they wait here and not among the receipts.
  function System:log_queue()
    return new(Queue, core.kca_system_log_queue(self.handle))
  end

  --- The active endpoints with counters: FORMAT_TEXT or FORMAT_JSON.
  function System:describe(format)
    return fallible(core.kca_system_describe(self.handle, format or core.KCA_FORMAT_TEXT))
  end

  --- Publishes dead letters again, or says what it would publish. Returns the report, a text in JSON; when the time is
  -- over first its "complete" is false, and calling it again goes on.
  function System:redrive(redrive, timeout_ms)
    if redrive.failure then
      return nil, redrive.failure
    end
    return fallible(core.kca_system_redrive(self.handle, redrive.handle, timeout_ms or 60000))
  end

  function System:log_to_queue(level)
    core.kca_system_log_to_queue(self.handle, level)
    return self
  end

  function System:log_to_stderr(level)
    core.kca_system_log_to_stderr(self.handle, level)
    return self
  end

  function M.system()
    local system, err = new(System, core.kca_system_new())
    if system then
      system.handlers = {}
    end
    return system, err
  end
end

local function add_messages(M, core, Message)
  --- A message of this name, with a payload (a string) and fields: key, type, message_id, correlation_id, timestamp_ms,
  -- origin, version, reply_to, traceparent, tracestate, headers (a table).
  function M.message(name, payload, fields)
    local message, err = new(Message, core.kca_message_new(name))
    if not message then
      return nil, err
    end
    message:set_payload(payload)
    for field, value in pairs(fields or {}) do
      local setter = Message["set_" .. field]
      if setter then
        setter(message, value)
      end
    end
    for header, value in pairs(fields and fields.headers or {}) do
      core.kca_message_set_binary_header(message.handle, header, value)
    end
    if fields and fields.traceparent then
      message:set_trace_context(fields.traceparent, fields.tracestate)
    end
    return message
  end
end

--- The module over a core.
return function(core)
  assert(core.kca_abi() == 1, "kca: this module speaks ABI 1, libkca another")
  local M = { _VERSION = core.kca_version(), core = core }
  for name, value in pairs(core) do
    local constant = type(value) == "number" and name:match("^KCA_(.+)$")
    if constant then
      M[constant] = value
    end
  end
  local handled = {} -- .message: what a handler is at
  local Message = new_message_class(core)
  local Queue = new_queue_class(core, new_delivery_class(M, core, Message))
  add_declarations(M, core)
  add_messages(M, core, Message)
  add_system(M, core, new_bus_class(M, core, Message, handled), new_consumer_class(M, core, Queue, handled), Queue)
  return M
end
