--- Buses without a channel: each message goes to its handler in this process, and the call gives what came of it.

local errors = require("kca.errors")

local SLICE_MS = 250 -- a wait in C ends at least this often, so that Lua sees Ctrl-C

return function(core, Bus, Queue, parts)
  --- Has the methods of the bus as they are here: a worker's wait in another way.
  local LocalBus = {}
  for name, method in pairs(Bus) do
    LocalBus[name] = method
  end
  LocalBus.__index = LocalBus

  --- Waits for the message's next event.
  -- @return true and a list of one or no event; or false and the error
  -- @local
  function LocalBus.next_of(queue)
    return core.kca_queue_next(queue, 1, SLICE_MS)
  end

  --- Hands the message to its handler, again if that fails and the retries say so.
  -- @return true and the event of its end, nil with a token; or false and a plain error
  -- @local
  function LocalBus:finish(message, wants_reply, token, timeout_ms)
    local cause, had_baggage = parts.follow_cause(message)
    local ok, queue = core.kca_bus_deliver(self.handle, message.handle, wants_reply, token, timeout_ms or -1)
    if cause then
      parts.forget_cause(message.handle, had_baggage)
    end
    if not ok then
      return false, queue
    end
    local ended
    while true do
      local going_on, events = self.next_of(queue)
      if not going_on then
        core.kca_queue_free(queue)
        if ended or events.code == core.KCA_ERROR_STOPPED then
          return true, ended
        end
        return false, events
      elseif events[1] and core.kca_event_type(events[1]) == core.KCA_EVENT_DELIVERY then
        self.system.work:handle_here(Queue.take(events[1]))
      else
        ended = events[1] or ended
      end
    end
  end

  --- In place of Bus.put: gives a receipt of no topic; or nil and why the handler has failed.
  -- @local
  function LocalBus:put(message, token, timeout_ms)
    local ok, ended = self:finish(message, 0, token, timeout_ms)
    if not ok then
      return errors.fallible(ok, ended)
    end
    local err = errors.of(core.kca_event_error(ended))
    local receipt = parts.receipt_of(ended)
    if err then
      return nil, err
    end
    return receipt
  end

  --- In place of Bus.ask.
  -- @local
  function LocalBus:ask(message, token, timeout_ms)
    local ok, ended = self:finish(message, 1, token, timeout_ms)
    local err = ok and ended and core.kca_event_error(ended) or nil
    if err then
      core.kca_event_free(ended)
      return false, err
    end
    return ok, ended
  end
  return LocalBus
end
