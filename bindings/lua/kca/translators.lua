--- Own translators: an application's pairs of functions between the messages of a channel and its records.
--
-- `to_record(record, message)` is called with each message that is published. `record` is the raw message that would be
-- written: the function changes it, or returns another. `to_message(message, record)` is called with each record that a
-- consumer takes: `message` is what its dialect reads. One that raises an error, or returns nil and an error, fails the
-- publish or the delivery. They must not yield.

local errors = require("kca.errors")

local MAIN = {}

--- Coroutines that are inside a translator: what that publishes is not translated, or it would have no end.
local inside = setmetatable({}, { __mode = "k" })

local function here()
  return coroutine.running() or MAIN
end

return function(M, core, Message)
  local translators = {}

  local function message_of(handle)
    return setmetatable({ handle = handle }, Message)
  end

  --- Has `fn` make `made` out of `of`.
  -- @return the message that it made; or nil and what went wrong
  local function call(fn, made, of)
    local place = here()
    inside[place] = true
    local ok, result, err = pcall(fn, made, of)
    inside[place] = nil
    if not ok then
      return nil, result
    elseif result == nil and err ~= nil then
      return nil, err
    elseif result ~= nil and getmetatable(result) ~= Message then
      return nil, "a translator returns a message or nothing, got a " .. type(result)
    end
    local message = result or made
    local wrong = message:error()
    return not wrong and message or nil, wrong
  end

  --- The verdict, and a name and a text for what went wrong.
  local function explained(err)
    local verdict, name, text = errors.explain(err)
    return verdict == M.REJECTED and M.REJECTED or M.FAILED, name == "handler" and "translator" or name, text
  end

  local function forget(message)
    core.kca_message_free(message.handle)
    message.handle = nil -- the function may have kept it
  end

  --- Whether what is published here through this bus has its record from the application.
  function translators.apply(bus)
    local translator = bus.system.work.translators[bus.channel]
    return translator and translator.to_record and not inside[here()]
  end

  --- Gives a message the record that it is published as, if the channel has a translator.
  -- @return true, or nil and the error
  function translators.write(bus, message)
    if not translators.apply(bus) then
      return true
    end
    local ok, handle = core.kca_bus_record(bus.handle, message.handle)
    if not ok then
      return nil, errors.of(handle)
    elseif handle == nil then
      return true -- it is raw
    end
    local record = message_of(handle)
    local made, err = call(bus.system.work.translators[bus.channel].to_record, record, message)
    if made then
      core.kca_message_set_record(message.handle, made.handle)
      forget(record)
      return true
    end
    forget(record)
    local _, name, text = explained(err)
    text = ("publisher %s: its translator failed: %s: %s"):format(bus.channel, name, text)
    return nil, errors.new(core.KCA_ERROR_TRANSLATOR, "translator", text)
  end

  --- Takes the record back: the message may be published elsewhere.
  function translators.release(bus, message)
    if translators.apply(bus) then
      core.kca_message_set_record(message.handle, nil)
    end
  end

  --- The delivery's record as a raw message.
  local function record_of(d)
    local ok, handle = core.kca_delivery_record(d.delivery)
    return ok and message_of(handle) or nil, not ok and errors.of(handle) or nil
  end

  --- Makes the delivery's message; or returns false, the verdict, and why.
  local function read(fn, d)
    local record, err = record_of(d)
    local ok, handle
    if record then
      ok, handle = core.kca_message_copy(d.handle)
    end
    if not ok then
      return false, M.FAILED, "memory", errors.text(err or errors.of(handle))
    end
    local message = message_of(handle)
    local made, why = call(fn, message, record)
    local taken, problem = true, nil
    if made then
      taken, problem = core.kca_delivery_translate(d.delivery, made.handle)
    end
    forget(message)
    forget(record)
    if not made then
      return false, explained(why)
    elseif not taken then
      return false, problem.code == core.KCA_ERROR_DUPLICATE and M.DUPLICATE or M.FAILED, "translator", problem.text
    end
    return true
  end

  --- Makes the message of a delivery. False: it is settled, for there is none.
  local function is_readable(work, d)
    local translator = work.translators[d:topic()]
    if not translator or not translator.to_message then
      return true
    end
    local ok, verdict, name, text = read(translator.to_message, d)
    if not ok then
      d:settle(verdict, name, text)
    end
    return ok
  end

  --- The events without the deliveries that could not be translated, which are settled.
  function translators.read_all(work, events)
    local kept = {}
    for _, event in ipairs(events) do
      local readable = true
      if event.kind == "delivery" then
        readable = is_readable(work, event)
      elseif event.kind == "batch" then
        local deliveries = {}
        for _, d in ipairs(event.deliveries) do
          if is_readable(work, d) then
            deliveries[#deliveries + 1] = d
          end
        end
        event.deliveries = deliveries
        readable = deliveries[1] ~= nil
      end
      if readable then
        kept[#kept + 1] = event
      end
    end
    return kept
  end
  return translators
end
