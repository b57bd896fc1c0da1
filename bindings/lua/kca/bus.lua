--- Buses: what messages are published through.

local classes = require("kca.classes")
local errors = require("kca.errors")
local types = require("kca.types")

local SLICE_MS = 250 -- a wait in C ends at least this often, so that Lua sees Ctrl-C

return function(M, core, Message, Work, hooks)
  local Bus = classes.new()
  Bus.hooks = hooks

  --- The message made of the arguments of `publish`, and its fields; or nil and the error.
  -- @local
  function Bus.message_of(message, payload, fields)
    if getmetatable(message) ~= Message then
      local made, err = M.message(message, payload, fields)
      return made, made and fields or err
    elseif message.mistake then
      return nil, message.mistake
    end
    return message, payload
  end

  --- The token in these fields, in the form that the core takes; or nil and the error.
  -- @local
  function Bus.token_of(fields)
    if type(fields) ~= "table" or fields.token == nil then
      return 0
    end
    local token, problem = types.take(core, "uint64_t ", "token", fields.token)
    return token, problem and errors.new(core.KCA_ERROR_ARGUMENT, "argument", "bus: " .. problem)
  end

  --- The receipt of a message that is stored.
  local function receipt_of(event)
    local receipt = {
      kind = "receipt",
      token = core.kca_event_token(event),
      topic = core.kca_event_topic(event),
      partition = core.kca_event_partition(event),
      offset = core.kca_event_offset(event),
    }
    core.kca_event_free(event)
    return receipt
  end

  --- Takes back what a message has of the handled one: it may be published again, with its own fields only.
  local function forget_cause(handle, had_baggage)
    core.kca_message_set_trace_context(handle, nil, nil)
    if not had_baggage then
      core.kca_message_set_header(handle, "baggage", nil)
    end
  end

  --- Publishes the message with this token, and gives the receipt, or true when the publisher is async; inside a handler
  -- it continues the trace of the handled message.
  -- @local
  function Bus:put(message, token)
    local cause = Work.handled()
    cause = cause and cause.handle and message:traceparent() == "" and cause
    local had_baggage = cause and message:header("baggage")
    if cause then
      message:follow(cause)
    end
    local ok, result = core.kca_bus_publish_for_receipt(self.handle, message.handle, token)
    if cause then
      forget_cause(message.handle, had_baggage)
    end
    if ok and result ~= nil then
      return receipt_of(result)
    end
    return errors.fallible(ok, not ok and result or nil)
  end

  --- Publishes as `put` does, through the hooks, which get a copy of a message that is the program's.
  local function put_through_hooks(bus, message, is_programs, token)
    local hooked = is_programs and message:copied() or message
    local ok, err, is_dropped = hooks.publish(bus.system.work.publish_hooks, bus.channel, hooked, nil, function(m)
      return bus:put(m, token)
    end)
    if is_programs then
      core.kca_message_free(hooked.handle)
    end
    if not is_dropped then
      return ok, err
    end
    local fine, receipt = core.kca_bus_drop(bus.handle, token)
    if fine and receipt ~= nil then
      return receipt_of(receipt)
    end
    return errors.fallible(fine, not fine and receipt or nil)
  end

  --- Publishes a message, or one made of a name, a payload (a table is JSON) and the fields of `kca.message`.
  --
  -- When the publisher is not async, this returns the receipt (topic, partition, offset) once the broker has stored the
  -- message. Else it returns true; a receipt follows on the system's queue if `fields.token` is not 0, and a failure
  -- without a token is a fault. Inside a handler the message
  -- continues the trace of the handled message, unless it has a trace context.
  function Bus:publish(message, payload, fields)
    local made, more = Bus.message_of(message, payload, fields)
    if not made then
      return nil, more
    end
    local token, wrong = Bus.token_of(more)
    if not token then
      return nil, wrong
    end
    local ok, err
    if hooks.apply(self.system.work.publish_hooks) then
      ok, err = put_through_hooks(self, made, made == message, token)
    else
      ok, err = self:put(made, token)
    end
    if made ~= message then
      core.kca_message_free(made.handle) -- Lua's collector does not see how much memory a handle holds
    end
    return ok, err
  end

  --- Waits until all messages published so far are answered.
  function Bus:flush(timeout_ms)
    local left_ms = timeout_ms or -1
    local ok, err
    repeat
      local slice_ms = (left_ms == -1 or left_ms > SLICE_MS) and SLICE_MS or left_ms
      ok, err = core.kca_bus_flush(self.handle, slice_ms)
      left_ms = left_ms == -1 and -1 or left_ms - slice_ms
    until ok or err.code ~= core.KCA_ERROR_TIMEOUT or left_ms == 0
    return errors.fallible(ok, err)
  end
  return Bus
end
