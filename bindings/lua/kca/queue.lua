--- Queues and the events that wait in them.
--
-- Lua's collector does not see how much memory a handle holds, so events and deliveries are freed early: a delivery
-- lives until its handler returns, or, when that returned DEFERRED, until it is settled.

local classes = require("kca.classes")
local errors = require("kca.errors")

local SLICE_MS = 250 -- a wait in C ends at least this often, so that Lua sees Ctrl-C

local function maker_of(core, Message, Delivery)
  local words = {
    [core.KCA_REBALANCE_ASSIGNED] = "assigned",
    [core.KCA_REBALANCE_REVOKED] = "revoked",
    [core.KCA_REBALANCE_LOST] = "lost",
  }

  local function delivery_of(event)
    local delivery = core.kca_event_into_delivery(event)
    return setmetatable({ delivery = delivery, handle = core.kca_delivery_message(delivery) }, Delivery)
  end

  local function batch_of(event)
    local deliveries = core.into_batch(event)
    for i, delivery in ipairs(deliveries) do
      deliveries[i] = setmetatable({ delivery = delivery, handle = core.kca_delivery_message(delivery) }, Delivery)
    end
    return { kind = "batch", deliveries = deliveries }
  end

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

  local states = {
    [core.KCA_STATE_CONNECTING] = "connecting",
    [core.KCA_STATE_CONNECTED] = "connected",
    [core.KCA_STATE_JOINED] = "joined",
    [core.KCA_STATE_RECONNECTING] = "reconnecting",
  }

  local function state_of(event)
    return {
      kind = "state",
      what = states[core.kca_event_state(event)],
      connection = core.kca_event_connection(event),
      consumer = core.kca_event_consumer(event),
      since_ms = core.kca_event_since_ms(event),
      error = errors.of(core.kca_event_error(event)),
    }
  end

  -- Where reading went on, and instead of where.
  local function add_reset(taken, event)
    if taken.error.code == core.KCA_ERROR_OFFSET then
      taken.reset_from = core.kca_event_reset_from(event)
      taken.reset_to = core.kca_event_reset_to(event)
      taken.reset_count = core.kca_event_reset_count(event)
    end
  end

  local function log_of(event)
    return {
      kind = "log",
      level = core.kca_event_log_level(event),
      component = core.kca_event_log_component(event),
      text = core.kca_event_log_text(event),
    }
  end

  --- The message has its memory from the event, which the collector frees.
  local function reply_of(event)
    local handle = core.kca_event_reply(event)
    local taken = {
      kind = "reply",
      token = core.kca_event_token(event),
      error = errors.of(core.kca_event_error(event)),
      message = handle and setmetatable({ handle = handle, event = event }, Message) or nil,
    }
    if not handle then
      core.kca_event_free(event)
    end
    return taken
  end

  return function(event)
    local kind = core.kca_event_type(event)
    if kind == core.KCA_EVENT_DELIVERY then
      return delivery_of(event)
    elseif kind == core.KCA_EVENT_REPLY then
      return reply_of(event)
    elseif kind == core.KCA_EVENT_BATCH then
      return batch_of(event)
    end
    local taken
    if kind == core.KCA_EVENT_LOG then
      taken = log_of(event)
    elseif kind == core.KCA_EVENT_REBALANCE then
      taken = rebalance_of(event)
    elseif kind == core.KCA_EVENT_STATE then
      taken = state_of(event)
    else
      taken = {
        kind = kind == core.KCA_EVENT_RECEIPT and "receipt" or kind == core.KCA_EVENT_END and "end" or "fault",
        token = core.kca_event_token(event),
        error = errors.of(core.kca_event_error(event)),
        topic = core.kca_event_topic(event),
        partition = core.kca_event_partition(event),
        offset = core.kca_event_offset(event),
        dropped = kind == core.KCA_EVENT_FAULT and core.kca_event_dropped(event) or nil,
      }
    end
    if taken.kind == "fault" then
      add_reset(taken, event)
    end
    core.kca_event_free(event)
    return taken
  end
end

return function(core, Message, Delivery, translators)
  local Queue = classes.new()
  local take = maker_of(core, Message, Delivery)
  Queue.take = take -- turns one event of the core into a table or delivery

  --- As `next`; a delivery that could not be translated is among them no more, so there may be none though some came.
  -- @return the events, and whether some came; or nil and the error
  local function next_of(self, max, slice_ms)
    local ok, events = core.kca_queue_next(self.handle, max or 1, slice_ms)
    if not ok then
      return nil, errors.of(events)
    end
    local came = events[1] ~= nil
    for i, event in ipairs(events) do
      events[i] = take(event)
    end
    if came and self.work and next(self.work.translators) then
      events = translators.read_all(self.work, events)
    end
    return events, came
  end

  --- Up to `max` events (at most 1024); none if none came in time; `timeout_ms` -1 waits for ever. Each has a `kind`:
  -- "delivery", "batch" (with its `deliveries`), "receipt", "reply", "fault", "rebalance", "state", "end" or "log". A
  -- fault whose error is "offset" says where reading went on: at `reset_to` instead of `reset_from`; `reset_count`
  -- offsets between are gone unread.
  -- @return an array, or nil and the error ("stopped": the consumer has stopped, and nothing is left)
  function Queue:next(max, timeout_ms)
    local left_ms = timeout_ms or -1
    repeat
      local slice_ms = (left_ms == -1 or left_ms > SLICE_MS) and SLICE_MS or left_ms
      local events, came = next_of(self, max, slice_ms)
      if not events then
        return nil, came
      elseif events[1] then
        return events
      end
      left_ms = (left_ms == -1 or came) and left_ms or left_ms - slice_ms
    until left_ms == 0 and not came
    return {}
  end

  --- Takes events as `next` does and handles each: deliveries and batches by the handlers of their names, other events
  -- by the functions of `system:on`.
  -- @return their number, or nil and the error
  function Queue:dispatch(max, timeout_ms)
    local events, err = self:next(max, timeout_ms)
    if not events then
      return nil, err
    end
    for _, event in ipairs(events) do
      self.work:dispatch(event)
    end
    return #events
  end

  --- Every event as it comes, until the consumer has stopped; a system's queue never ends.
  function Queue:events()
    return function() -- one at a time: when the loop is left early, the other events stay in the queue
      local events = self:next(1, -1)
      return events and events[1]
    end
  end

  --- A descriptor that is readable while something waits: only poll it.
  function Queue:fd()
    return core.kca_queue_fd(self.handle)
  end

  --- The error for which `next` fails: what ended the consumer; nil while the queue goes on.
  function Queue:error()
    local ok, err = core.kca_queue_error(self.handle)
    return not ok and errors.of(err) or nil
  end

  --- Whether the consumer has stopped, has stored and committed all that is settled, and has left its group: then
  -- `close` does not wait. An event loop calls `consumer:stop`, and this until it is true.
  function Queue:has_left()
    return core.kca_queue_has_left(self.handle) == 1
  end

  --- Frees the queue now; its consumer leaves the group. It waits up to 5 s for dead letters of what is settled, and for
  -- the last commit.
  function Queue:close()
    core.kca_queue_free(self.handle)
    self.handle = nil
  end
  return Queue
end
