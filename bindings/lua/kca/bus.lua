--- Buses: what messages are published through.

local classes = require("kca.classes")
local errors = require("kca.errors")
local json = require("kca.json")
local types = require("kca.types")

local SEND_MS = 30000
local SLICE_MS = 250 -- a wait in C ends at least this often, so that Lua sees Ctrl-C

return function(M, core, Message, Work, hooks, translators)
  local Bus = classes.new()
  Bus.hooks, Bus.translators = hooks, translators

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

  --- Gives a message what it goes on with of the handled one; returns that, nil: none, and whether it had baggage.
  local function follow_cause(message)
    local cause = Work.handled()
    cause = cause and cause.handle and message:traceparent() == "" and cause
    local had_baggage = cause and message:header("baggage")
    if cause then
      message:follow(cause)
    end
    return cause, had_baggage
  end

  --- Takes back what a message has of the handled one: it may be published again, with its own fields only.
  local function forget_cause(handle, had_baggage)
    core.kca_message_set_trace_context(handle, nil, nil)
    if not had_baggage then
      core.kca_message_set_header(handle, "baggage", nil)
    end
  end

  --- The limit of the call's time in these fields, nil: none of its own; or nil and the error.
  local function timeout_of(fields)
    if type(fields) ~= "table" or fields.timeout_ms == nil then
      return nil
    end
    local timeout_ms, problem = types.take(core, "int ", "timeout_ms", fields.timeout_ms)
    return timeout_ms, problem and errors.new(core.KCA_ERROR_ARGUMENT, "argument", "bus: " .. problem)
  end

  --- Publishes the message with this token, and gives the receipt, or true when the publisher is async; inside a handler
  -- it continues the trace of the handled message. `timeout_ms` nil: as long as the publisher's options say.
  -- @local
  function Bus:put(message, token, timeout_ms)
    local cause, had_baggage = follow_cause(message)
    local ok, result = translators.write(self, message)
    if ok and timeout_ms then
      ok, result = core.kca_bus_publish_within(self.handle, message.handle, token, timeout_ms)
    elseif ok then
      ok, result = core.kca_bus_publish_for_receipt(self.handle, message.handle, token)
    end
    translators.release(self, message)
    if cause then
      forget_cause(message.handle, had_baggage)
    end
    if ok and result ~= nil then
      return receipt_of(result)
    end
    return errors.fallible(ok, not ok and result or nil)
  end

  --- Publishes as `put` does, through the hooks, which get a copy of a message that is the program's.
  local function put_through_hooks(bus, message, is_programs, token, timeout_ms)
    local hooked = is_programs and message:copied() or message
    local ok, err, is_dropped = hooks.publish(bus.system.work.publish_hooks, bus.channel, hooked, nil, function(m)
      return bus:put(m, token, timeout_ms)
    end)
    if is_programs then
      core.kca_message_free(hooked.handle)
      hooked.handle = nil -- a hook may have kept the message
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
  -- without a token is a fault. Inside a handler the message continues the trace of the handled message, unless it has a
  -- trace context.
  --
  -- `fields.timeout_ms` limits the call's time, -1: for ever: the wait for room, in place of buffer_timeout_ms, and that
  -- for the broker's answer, after which the error has the name "timeout", and the message may be stored nevertheless.
  function Bus:publish(message, payload, fields)
    local made, more = Bus.message_of(message, payload, fields)
    if not made then
      return nil, more
    end
    local token, wrong = Bus.token_of(more)
    if not token then
      return nil, wrong
    end
    local timeout_ms, problem = timeout_of(more)
    if problem then
      return nil, problem
    end
    local ok, err
    if hooks.apply(self.system.work.publish_hooks) then
      ok, err = put_through_hooks(self, made, made == message, token, timeout_ms)
    else
      ok, err = self:put(made, token, timeout_ms)
    end
    if made ~= message then
      core.kca_message_free(made.handle) -- Lua's collector does not see how much memory a handle holds
      made.handle = nil -- a hook may have kept the message
    end
    return ok, err
  end

  --- Sends the message; without a token (0) it waits for the reply.
  -- @return true, and the event of the reply if it waited; or false and a plain error
  -- @local
  function Bus:ask(message, token, timeout_ms)
    local cause, had_baggage = follow_cause(message)
    local ok, result = translators.write(self, message)
    if ok and token == 0 then
      ok, result = core.kca_bus_send_for_reply(self.handle, message.handle, timeout_ms)
    elseif ok then
      ok, result = core.kca_bus_send(self.handle, message.handle, token, timeout_ms)
    end
    translators.release(self, message)
    if cause then
      forget_cause(message.handle, had_baggage)
    end
    return ok, result
  end

  --- The error of a send whose message a hook has dropped.
  -- @local
  function Bus.dropped()
    return errors.new(core.KCA_ERROR_HOOK, "hook", "bus: a hook dropped the message, which nobody can answer then")
  end

  --- Calls `put` with the message to send, through the hooks, which get a copy of one that is the program's.
  -- @return true, or nil and the error
  -- @local
  function Bus:through(message, is_programs, put)
    if not hooks.apply(self.system.work.publish_hooks) then
      return put(message)
    end
    local hooked = is_programs and message:copied() or message
    local ok, err, is_dropped = hooks.publish(self.system.work.publish_hooks, self.channel, hooked, nil, put)
    if is_programs then
      core.kca_message_free(hooked.handle)
      hooked.handle = nil -- a hook may have kept the message
    end
    if is_dropped then
      return nil, Bus.dropped()
    end
    return ok, err
  end

  --- How long these fields let `send` wait, in ms; or nil and the error.
  -- @local
  function Bus.patience_of(fields)
    if type(fields) ~= "table" or fields.timeout_ms == nil then
      return SEND_MS
    end
    local timeout_ms, problem = types.take(core, "int ", "timeout_ms", fields.timeout_ms)
    return timeout_ms, problem and errors.new(core.KCA_ERROR_ARGUMENT, "argument", "bus: " .. problem)
  end

  --- The values of a reply's payload; kca.null: it has none; or nil and the error.
  -- @local
  function Bus.values_of(reply)
    local value, err = reply:json()
    if value == nil and not err then
      return json.null
    end
    return value, err
  end

  --- Sends a message, given as to `publish`, and waits for its reply on the publisher's reply_channel: of a command or
  -- query bus. `fields.timeout_ms`: how long (30000); -1 for ever. With `fields.token` other than 0 it does not wait,
  -- and a "reply" event with this token follows on the system's queue.
  -- @return the values of the reply's payload (kca.null: none), or nil and the error: "reply": the reply is an error,
  -- whose text this is; "timeout": none came in time, and the message may have been handled nevertheless
  function Bus:send(message, payload, fields)
    local made, more = Bus.message_of(message, payload, fields)
    if not made then
      return nil, more
    end
    local token, wrong = Bus.token_of(more)
    local timeout_ms, mistake = Bus.patience_of(more)
    if not token or not timeout_ms then
      return nil, wrong or mistake
    end
    local value
    local function put(m)
      local ok, result = self:ask(m, token, timeout_ms)
      if not ok and result.code == core.KCA_ERROR_BUFFER_FULL then -- replies that nobody has any more may fill it
        collectgarbage()
        ok, result = self:ask(m, token, timeout_ms)
      end
      if not ok or token ~= 0 then
        value = ok
        return ok or nil, not ok and errors.of(result) or nil
      end
      local wrong_payload
      value, wrong_payload = Bus.values_of(setmetatable({ handle = core.kca_event_reply(result) }, Message))
      core.kca_event_free(result)
      return wrong_payload == nil or nil, wrong_payload
    end
    local ok, err = self:through(made, made == message, put)
    if made ~= message then
      core.kca_message_free(made.handle)
      made.handle = nil -- a hook may have kept the message
    end
    if not ok then
      return nil, err
    end
    return value
  end

  local cancel = types.checked(core, "kca_bus_cancel", "bus: cancel")

  --- Ends what was sent with this token: its "reply" event has the error "cancelled".
  function Bus:cancel(token)
    return errors.fallible(cancel(self.handle, token))
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
  -- For buses without a channel.
  local parts = { follow_cause = follow_cause, forget_cause = forget_cause, receipt_of = receipt_of }
  return Bus, parts
end
