--- Buses: what messages are published through.

local classes = require("kca.classes")
local errors = require("kca.errors")

return function(M, core, Message, Work)
  local Bus = classes.new()
  local given = classes.given(core)

  --- The message of what `publish` was given, its fields, and the message it continues the trace of; or nil and the error.
  function Bus.message_of(message, payload, fields)
    local err
    if getmetatable(message) ~= Message then
      message, err = M.message(message, payload, fields)
      if not message then
        return nil, err
      end
    else
      fields = payload
    end
    local cause = Work.handled()
    return message, fields, cause and cause.handle and message:traceparent() == "" and cause
  end

  --- Publishes it with this token.
  function Bus:put(message, token, cause)
    if cause then
      message:follow(cause)
    end
    local ok, err = core.kca_bus_publish(self.handle, message.handle, token)
    if cause then
      message:set_trace_context(nil, nil) -- a message keeps what it was given, and may be published again
    end
    return errors.fallible(ok, err)
  end

  --- Publishes a message, or one made of a name, a payload (a table is JSON) and the fields of `kca.message`.
  --
  -- Of a publisher that is not async it returns when the broker has stored it; else a receipt follows on the system's
  -- queue when `fields.token` is not 0, and a failure without a token is a fault. Inside a handler the message continues
  -- the trace of what is handled, unless it has a trace context.
  function Bus:publish(message, payload, fields)
    local made, more, cause = Bus.message_of(message, payload, fields)
    if not made then
      return nil, more
    end
    return self:put(made, more and more.token and core.int64(given(more.token)) or 0, cause)
  end

  --- Waits until all that was published is answered.
  function Bus:flush(timeout_ms)
    return errors.fallible(core.kca_bus_flush(self.handle, timeout_ms or -1))
  end
  return Bus
end
