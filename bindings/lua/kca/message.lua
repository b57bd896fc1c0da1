--- Messages, and deliveries: messages handed to the application. Accessors have the names of kca_abi.h without their
-- prefix.

local classes = require("kca.classes")
local errors = require("kca.errors")
local integer = require("kca.integer")
local json = require("kca.json")

local fallible = errors.fallible

local function new_message_class(core)
  local Message = classes.new()
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
  classes.add_setters(Message, core, "kca_message_", "set")

  --- Its first failure; nil: none.
  function Message:error()
    return errors.of(core.kca_message_error(self.handle))
  end

  function Message:is_json()
    return core.kca_message_is_json(self.handle) == 1
  end

  function Message:json_bool(pointer)
    local ok, value = core.kca_message_json_bool(self.handle, pointer)
    if not ok then
      return nil, errors.of(value)
    end
    return value == 1
  end

  --- The payload's values, see kca.json; nil: it has none; or nil and the error of what is no JSON.
  function Message:json()
    local payload = core.kca_message_payload(self.handle)
    if not payload then
      return nil
    end
    local value, why = json.decode(payload)
    if why then
      return nil, errors.new(core.KCA_ERROR_PAYLOAD, "payload", "payload: " .. why)
    end
    return value
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

local function add_message(M, core, Message)
  local given = classes.given(core)
  local setters = {}
  for name, fn in pairs(core) do
    local field = name:match("^kca_message_set_(.+)$")
    if field and not field:match("header") and field ~= "payload" and field ~= "trace_context" then
      setters[field] = fn
    end
  end
  local others = { headers = true, traceparent = true, tracestate = true, check_json = true }
  others.token, others.timeout_ms = true, true

  local function refuse(name, code, kind, text)
    return nil, errors.new(core[code], kind, ("message %s: %s"):format(tostring(name), text))
  end

  local function set_fields(handle, name, fields)
    for field, value in pairs(fields) do
      local setter = setters[field]
      if setter then
        setter(handle, given(value))
      elseif not others[field] then
        return refuse(name, "KCA_ERROR_ARGUMENT", "argument", "there is no field " .. tostring(field))
      end
    end
    for header, value in pairs(fields.headers or {}) do
      core.kca_message_set_binary_header(handle, header, value)
    end
    if fields.traceparent then
      core.kca_message_set_trace_context(handle, fields.traceparent, fields.tracestate)
    end
    if fields.check_json then
      return fallible(core.kca_message_check_json(handle))
    end
    return true
  end

  --- A message of this name. `payload`: a string as it is, nil none, anything else as JSON. `fields`: key, type,
  -- message_id, correlation_id, timestamp_ms, origin, version, reply_to, traceparent, tracestate, headers (a table); and
  -- check_json: true refuses a string that is no JSON.
  function M.message(name, payload, fields)
    local ok, handle = core.kca_message_new(name)
    if not ok then
      return nil, errors.of(handle)
    end
    if type(payload) ~= "string" and payload ~= nil then
      local text, why = json.encode(payload)
      if not text then
        return refuse(name, "KCA_ERROR_PAYLOAD", "payload", why)
      end
      payload = text
    end
    core.kca_message_set_payload(handle, payload)
    if fields then
      local set, err = set_fields(handle, name, fields)
      if not set then
        return nil, err
      end
    end
    return setmetatable({ handle = handle }, Message)
  end
end

--- Deliveries: messages that also know where they came from, and must be settled.
local function new_delivery_class(M, core, Message)
  local Delivery = classes.new(Message)
  Delivery.kind = "delivery"

  --- Publishes through the bus' channel in this delivery's transaction: it goes out with its offset. For consumers with a
  -- transactional_id; a message, or one made of a name, a payload and the fields of `kca.message`.
  function Delivery:publish(bus, message, payload, fields)
    if getmetatable(message) ~= Message then
      local err
      message, err = M.message(message, payload, fields)
      if not message then
        return nil, err
      end
    end
    return fallible(core.kca_delivery_publish(self.delivery, bus.handle, message.handle))
  end

  for _, word in ipairs({ "consumer", "topic", "partition", "offset", "attempt" }) do
    local fn = core["kca_delivery_" .. word]
    Delivery[word] = function(self)
      return fn(self.delivery)
    end
  end

  --- The record's own timestamp, which the broker or the publisher's client set.
  function Delivery:record_timestamp_ms()
    return core.kca_delivery_timestamp_ms(self.delivery)
  end

  --- Settles it: kca.DONE, FAILED, REJECTED or DUPLICATE, with a short name and a line of text that say why. It cannot
  -- be read afterwards.
  function Delivery:settle(verdict, error_name, text)
    if error_name or text then
      core.kca_delivery_explain(self.delivery, error_name, text or "")
    end
    local ok, err = core.kca_delivery_settle(self.delivery, verdict)
    core.kca_delivery_free(self.delivery)
    self.delivery, self.handle = nil, nil
    return fallible(ok, err)
  end

  --- Settles it: handled.
  function Delivery:done()
    return self:settle(core.KCA_DONE)
  end

  --- Settles it: it may work another time.
  function Delivery:failed(error_name, text)
    return self:settle(core.KCA_FAILED, error_name, text)
  end

  --- Settles it: it will never work.
  function Delivery:rejected(error_name, text)
    return self:settle(core.KCA_REJECTED, error_name, text)
  end
  return Delivery
end

return function(M, core)
  local Message = new_message_class(core)
  add_message(M, core, Message)
  M.null, M.array, M.integer, M.digits = json.null, json.array, integer.of, integer.digits
  return Message, new_delivery_class(M, core, Message)
end
