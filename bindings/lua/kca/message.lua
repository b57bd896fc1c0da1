--- Messages, and deliveries: messages handed to the application. Accessors have the names of kca_abi.h without their
-- prefix.

local classes = require("kca.classes")
local errors = require("kca.errors")
local integer = require("kca.integer")
local json = require("kca.json")
local types = require("kca.types")

local fallible = errors.fallible

--- Headers as a list of pairs {name, value}, from the functions that give their count, a name and a value.
local function pairs_of(handle, count, name, value)
  local list = {}
  for i = 0, count(handle) - 1 do
    list[i + 1] = { name(handle, i), value(handle, i) or json.null }
  end
  return list
end

-- Functions of a message that are no accessors.
local OTHERS = { new = true, free = true, copy = true, error = true, follow = true, json_bool = true, add_header = true }

local function new_message_class(core)
  local Message = classes.new()
  for name in pairs(core) do
    local word = name:match("^kca_message_(.+)$")
    local fn = word and not word:match("^set_") and not OTHERS[word] and types.checked(core, name, word)
    if fn and word:match("^json_") and word ~= "json_type" or word == "check_json" or word == "reset" then
      Message[word] = function(self, ...)
        return fallible(fn(self.handle, ...))
      end
    elseif fn then
      Message[word] = function(self, ...)
        return fn(self.handle, ...)
      end
    end
  end
  classes.add_setters(Message, core, "kca_message_", "set")
  Message.set_record, Message.set_all = nil, nil -- see kca.translators

  --- @local
  function Message:title()
    return "message " .. tostring(core.kca_message_name(self.handle))
  end

  --- A message to publish that is as this one.
  -- @local
  function Message:copied()
    local ok, handle = core.kca_message_copy(self.handle)
    if not ok then
      error(handle.text)
    end
    return setmetatable({ handle = handle, mistake = self.mistake }, Message)
  end

  --- The message's first failure; nil: none.
  function Message:error()
    return self.mistake or errors.of(core.kca_message_error(self.handle))
  end

  --- Whether the payload is JSON.
  function Message:is_json()
    return core.kca_message_is_json(self.handle) == 1
  end

  local json_bool = types.checked(core, "kca_message_json_bool", "json_bool")

  --- The bool at this JSON pointer; or nil and the error.
  function Message:json_bool(pointer)
    local ok, value = json_bool(self.handle, pointer)
    if not ok then
      return nil, errors.of(value)
    end
    return value == 1
  end

  --- The payload's values, see kca.json; nil: there is no payload; or nil and the error: the payload is not JSON.
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

  --- Takes over the trace context of `cause`.
  function Message:follow(cause)
    if type(cause) ~= "table" or not cause.handle then
      self:mistaken("follow wants a message, got a " .. type(cause))
      return self
    end
    core.kca_message_follow(self.handle, cause.handle)
    return self
  end

  --- The custom headers by name: of several with one name the last; one without a value is empty.
  function Message:headers()
    local headers = {}
    for i = 0, core.kca_message_header_count(self.handle) - 1 do
      local name = core.kca_message_header_name(self.handle, i)
      headers[name] = core.kca_message_header_value(self.handle, i) or ""
    end
    return headers
  end

  --- The custom headers in their order, each {name, value}; names may come again, and kca.null is no value.
  function Message:header_list()
    return pairs_of(
      self.handle,
      core.kca_message_header_count,
      core.kca_message_header_name,
      core.kca_message_header_value
    )
  end
  return Message
end

local function add_message(M, core, Message)
  local setters = {}
  for name in pairs(core) do
    local field = name:match("^kca_message_set_(.+)$")
    if field and not field:match("header") and field ~= "payload" and field ~= "trace_context" then
      setters[field] = types.setter(core, name, field)
    end
  end
  local set_trace_context = types.setter(core, "kca_message_set_trace_context", "trace context")
  local others = { headers = true, traceparent = true, tracestate = true, check_json = true }
  others.token, others.timeout_ms = true, true

  local function refuse(name, code, kind, text)
    return nil, errors.new(core[code], kind, ("message %s: %s"):format(tostring(name), text))
  end

  --- Adds a header; returns what is wrong with it, if anything.
  local function add_header(handle, header, value)
    local problem = type(header) ~= "string" and "header name must be a text, got a " .. type(header)
      or types.text_problem("the name of a header", header)
    local text
    if not problem and value == nil then
      problem = ("header %s must be a text, or kca.null for no value, got nil"):format(header)
    elseif not problem and value ~= json.null then
      text, problem = types.take(core, "const void *", "header " .. header, value)
    end
    if not problem then
      core.kca_message_add_header(handle, header, text)
    end
    return problem
  end

  --- Adds one more header of this name; kca.null is no value. Returns the message.
  function Message:add_header(name, value)
    local problem = add_header(self.handle, name, value)
    if problem then
      self:mistaken(problem)
    end
    return self
  end

  --- The payload as the core takes it, nil: none; or nil, what is wrong, and the kind of the error.
  local function payload_of(payload)
    if payload == json.null then
      return nil
    elseif payload == nil then
      return nil, "payload must be a text, a value for JSON, or kca.null for none, got nil", "argument"
    elseif type(payload) == "string" then
      return payload
    end
    local text, why = json.encode(payload)
    return text, not text and why or nil, "payload"
  end

  --- Sets the payload: a string as it is, kca.null for none, anything else as JSON. Returns the message.
  function Message:set_payload(payload)
    local text, problem = payload_of(payload)
    if problem then
      self:mistaken(problem)
    else
      core.kca_message_set_payload(self.handle, text)
    end
    return self
  end

  --- Sets the headers, by name or a list of pairs {name, value}; returns what is wrong with one, if anything.
  local function set_headers(handle, headers)
    if type(headers) ~= "table" then
      return "headers must be a table, got a " .. type(headers)
    end
    for header, value in pairs(headers) do
      if type(header) == "number" and type(value) == "table" then
        header, value = value[1], value[2]
      end
      local problem = add_header(handle, type(header) == "number" and tostring(header) or header, value)
      if problem then
        return problem
      end
    end
  end

  --- Sets the fields; returns what is wrong with one, if anything.
  local function set_fields(handle, fields)
    if type(fields) ~= "table" then
      return "its fields must be a table, got a " .. type(fields)
    end
    if fields.raw ~= nil then -- it allows other times and headers
      setters.raw(handle, fields.raw)
    end
    for field, value in pairs(fields) do
      local setter = setters[field]
      if not setter and not others[field] then
        return "there is no field " .. tostring(field)
      end
      local problem = setter and setter(handle, value)
      if problem then
        return problem
      end
    end
    return fields.headers ~= nil and set_headers(handle, fields.headers)
      or fields.traceparent ~= nil and set_trace_context(handle, fields.traceparent, fields.tracestate)
  end

  --- A message of this name. `payload`: a string is taken as it is, kca.null is none, anything else becomes JSON; nil is
  -- a mistake. A message without a name is published only with the field raw or unnamed. `fields`:
  -- key, type, message_id, correlation_id, timestamp_ms, origin, version, reply_to, partition, raw, unnamed, deliver_at_ms,
  -- traceparent, tracestate, headers (a table); and check_json: true refuses a string that is not JSON.
  function M.message(name, payload, fields)
    local taken, problem = types.take(core, "const char *", "name", name)
    if problem then
      return refuse("", "KCA_ERROR_ARGUMENT", "argument", problem)
    end
    local ok, handle = core.kca_message_new(taken)
    if not ok then
      return nil, errors.of(handle)
    end
    local text, why, kind = payload_of(payload)
    if why then
      return refuse(name, kind == "payload" and "KCA_ERROR_PAYLOAD" or "KCA_ERROR_ARGUMENT", kind, why)
    end
    core.kca_message_set_payload(handle, text)
    problem = fields ~= nil and set_fields(handle, fields)
    if problem then
      return refuse(name, "KCA_ERROR_ARGUMENT", "argument", problem)
    end
    if fields ~= nil and fields.check_json then
      local fine, err = core.kca_message_check_json(handle)
      if not fine then
        return nil, errors.of(err)
      end
    end
    return setmetatable({ handle = handle }, Message)
  end
end

--- Deliveries: messages that also say where they came from, and must be settled.
local function new_delivery_class(M, core, Message)
  local Delivery = classes.new(Message)
  local set_trace_context = types.checked(core, "kca_delivery_set_trace_context", "trace context")
  Delivery.kind = "delivery"

  --- Publishes through the bus' channel in this delivery's transaction: the message is sent with the delivery's offset.
  -- For consumers with a transactional_id. Takes a message, or a name, a payload and the fields of `kca.message`.
  function Delivery:publish(bus, message, payload, fields)
    local made, err = message, nil
    if getmetatable(message) ~= Message then
      made, err = M.message(message, payload, fields)
    end
    if not made then
      return nil, err
    elseif made.mistake then
      return nil, made.mistake
    end
    local function put(m)
      local fine, wrong = bus.translators.write(bus, m)
      if not fine then
        return nil, wrong
      end
      fine, wrong = core.kca_delivery_publish(self.delivery, bus.handle, m.handle)
      bus.translators.release(bus, m)
      return fallible(fine, wrong)
    end
    local ok
    if bus.hooks.apply(bus.system.work.publish_hooks) then
      local own = made == message and made:copied() or made
      ok, err = bus.hooks.publish(bus.system.work.publish_hooks, bus.channel, own, self, put)
    else
      ok, err = put(made)
    end
    if made ~= message then
      core.kca_message_free(made.handle)
      made.handle = nil -- a hook may have kept the message
    end
    return ok, err
  end

  --- Whether somebody waits for the reply, and it will be sent: the consumer's `reply` is on, the message has a replyTo,
  -- and the system has a publisher of that channel.
  function Delivery:wants_reply()
    return core.kca_delivery_wants_reply(self.delivery) == 1
  end

  --- Keeps the reply, which is sent when the delivery is settled as done; another call replaces it. What a handler returns
  -- does the same, unless it is a number, which is a verdict. Anything becomes JSON, a string too; a message of
  -- `kca.message`, which may be unnamed, is sent as it is. Where nobody waits for it nothing happens.
  function Delivery:reply(result)
    if getmetatable(result) == Message then
      if result.mistake then
        return nil, result.mistake
      end
      return fallible(core.kca_delivery_reply_message(self.delivery, result.handle))
    end
    local text, why = json.encode(result)
    if not text then
      return nil, errors.new(core.KCA_ERROR_PAYLOAD, "payload", "reply: " .. why)
    end
    return fallible(core.kca_delivery_reply(self.delivery, text))
  end

  --- All headers of the record as they are, the wire's included, each {name, value}; kca.null is no value.
  function Delivery:record_headers()
    return pairs_of(
      self.delivery,
      core.kca_delivery_header_count,
      core.kca_delivery_header_name,
      core.kca_delivery_header_value
    )
  end

  for _, word in ipairs({ "consumer", "topic", "partition", "offset", "attempt" }) do
    local fn = core["kca_delivery_" .. word]
    --- Where the delivery comes from, and the number of this attempt: 1, 2, ...
    Delivery[word] = function(self)
      return fn(self.delivery)
    end
  end

  for _, word in ipairs({ "left_ms", "deadline_ms" }) do
    local fn = core["kca_delivery_" .. word]
    --- How long the handler may still take, 0: its time is over; and when that is, in milliseconds since 1970. nil: there
    -- is no limit (message_processing_timeout_ms).
    Delivery[word] = function(self)
      local ms = fn(self.delivery)
      return ms >= 0 and ms or nil
    end
  end

  --- Whether it need be handled. False: it was settled, its time is over, its partition is gone, or one before it of its
  -- key in its batch has failed: without being settled, it comes again after that.
  function Delivery:is_out()
    return self.delivery ~= nil and core.kca_delivery_is_out(self.delivery) == 1
  end

  --- The record's own timestamp, which the broker or the publisher's client set.
  function Delivery:record_timestamp_ms()
    return core.kca_delivery_timestamp_ms(self.delivery)
  end

  --- Sets the trace context that its reply, and what is published with `publish`, go on with: that of a span of the
  -- handling, in place of the message's. Returns true, or nil and the error.
  function Delivery:set_trace_context(traceparent, tracestate)
    return fallible(set_trace_context(self.delivery, traceparent, tracestate))
  end

  --- Settles the delivery: kca.DONE, FAILED, REJECTED or DUPLICATE, with a short name and a line of text that say why.
  -- The delivery cannot be read afterwards.
  function Delivery:settle(verdict, error_name, text)
    if error_name or text then
      core.kca_delivery_explain(self.delivery, error_name, text or "")
    end
    local ok, err = core.kca_delivery_settle(self.delivery, verdict)
    self.settled = { verdict, error_name, text } -- for hooks around a batch
    core.kca_delivery_free(self.delivery)
    self.delivery, self.handle = nil, nil
    return fallible(ok, err)
  end

  --- Settles the delivery: handled.
  function Delivery:done()
    return self:settle(core.KCA_DONE)
  end

  --- Settles the delivery: it may work another time.
  function Delivery:failed(error_name, text)
    return self:settle(core.KCA_FAILED, error_name, text)
  end

  --- Settles the delivery: it will never work.
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
