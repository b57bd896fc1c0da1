--- Publishing from a worker: `publish` waits for the receipt as a cosocket waits, `fire` only counts it later.

local ffi = require("ffi")
local errors = require("kca.errors")
local json = require("kca.json")
local semaphore = require("ngx.semaphore")

local has_nkeys, nkeys = pcall(require, "table.nkeys") -- of OpenResty's LuaJIT; the JIT compiles it, but not `pairs`
if not has_nkeys then
  function nkeys(fields)
    local count = 0
    for _ in pairs(fields) do
      count = count + 1
    end
    return count
  end
end

local AT_ONCE = 256
local A_TURN = 1024 -- events, then other light threads have a turn
local WAIT_MS = 30000
local LOOK_S = 0.002 -- pause between looks where no wake-up comes
local LONGEST_LOOK_S = 0.05 -- for a message that is handled here
local MOST_KEPT = 64 -- names for which a bus keeps a message

local YIELDS = {}
for phase in ([[server_rewrite rewrite access precontent content timer ssl_client_hello ssl_cert ssl_session_fetch
                preread]]):gmatch("%S+") do
  YIELDS[phase] = true
end

return function(M, core, classes, worker)
  local Bus, System, Work, hooks = classes.Bus, classes.System, classes.Work, classes.hooks
  local LocalBus = classes.LocalBus
  local C = core.C

  local function error_of(event)
    return errors.of(core.kca_event_error(event))
  end

  local function receipt_of(event)
    return {
      kind = "receipt",
      topic = ffi.string(C.kca_event_topic(event)),
      partition = C.kca_event_partition(event),
      offset = core.kca_event_offset(event),
      error = error_of(event),
    }
  end

  -- ---- places: each publish that waits has one, whose number is its token; free again once the receipt came ----
  --
  -- The light thread that waits may be killed, by ngx.thread.kill or with its request. It then waits at its semaphore no
  -- more, which that counts: so the place is free when the receipt finds nobody there.

  local free_place

  --- Replies hold room in the library until they are freed, and the collector may be late.
  local function drop_reply(receipt)
    if receipt and receipt.message then
      core.kca_event_free(receipt.message.event)
    end
  end

  --- Frees the places of those that were killed between their wake-up and their turn: nobody took what woke them.
  local function free_abandoned(system)
    for place in pairs(system.woken) do
      if place.semaphore:count() > 0 then
        place.semaphore:wait(0)
        drop_reply(place.receipt)
        free_place(system, place)
      end
    end
  end

  local function take_place(system)
    local places, free = system.places, system.free
    if #free == 0 then
      free_abandoned(system)
    end
    local place = free[#free]
    if place then
      free[#free] = nil
    else
      place = { token = #places + 1, semaphore = semaphore.new(0) }
      places[place.token] = place
    end
    return place
  end

  function free_place(system, place)
    place.receipt, place.gone, place.told = nil, nil, nil
    system.woken[place] = nil
    system.free[#system.free + 1] = place
  end

  --- Gives a receipt or reply to the call that waits for it; returns it if a listener wants it.
  local function take_receipt(system, token, receipt)
    local place = system.places[token]
    if receipt.error and receipt.kind == "receipt" then
      system.last_error = receipt.error.text
    end
    if place.told then
      receipt.token = place.told.token
      free_place(system, place)
      return receipt
    elseif place.gone then
      drop_reply(receipt)
      free_place(system, place)
    elseif place.semaphore:count() < 0 then
      worker.busy = worker.busy - 1
      place.receipt = receipt
      system.woken[place] = true
      place.semaphore:post(1)
    elseif place == system.looker then
      worker.busy = worker.busy - 1
      place.receipt = receipt
    else
      worker.busy = worker.busy - 1
      drop_reply(receipt)
      free_place(system, place)
    end
  end

  local out = ffi.new("kca_event *[?]", AT_ONCE)

  --- Takes some events from the system's queue; returns how many; 0: none is left.
  -- @local
  function System:take_events()
    local count = C.kca_queue_next(self.events.handle, out, AT_ONCE, 0)
    local told
    for i = 0, count - 1 do
      local event = out[i]
      local taken
      local kind = C.kca_event_type(event)
      if kind == core.KCA_EVENT_RECEIPT then
        taken = take_receipt(self, tonumber(C.kca_event_token(event)), receipt_of(event))
        C.kca_event_free(event)
      elseif kind == core.KCA_EVENT_REPLY then
        local reply = self.events.take(ffi.gc(event, C.kca_event_free))
        take_receipt(self, reply.token, reply)
      else
        taken = self.events.take(ffi.gc(event, C.kca_event_free))
      end
      if taken and taken.kind == "fault" then
        self.last_error = taken.error.text
      end
      if taken then
        told = told or {}
        told[#told + 1] = taken
      end
    end
    for _, event in ipairs(told or {}) do -- after the loop: a listener may yield, and others then use `out`
      self.work:tell(event)
    end
    return math.max(count, 0)
  end

  --- Takes all events from the system's queue, in turns; called by the worker's listening thread.
  -- @local
  function System:drain()
    local taken = 0
    repeat
      local count = self:take_events()
      taken = taken + count
      if taken >= A_TURN then
        taken = 0
        ngx.sleep(0.001)
      end
    until count == 0
  end

  local function wait_for(system, place, timeout_ms)
    local deadline = ngx.now() + timeout_ms / 1000
    while not place.receipt do
      local left = deadline - ngx.now()
      if left < 0.001 then -- nginx waits whole milliseconds, and its clock stands still meanwhile
        return nil
      end
      if not worker.hears then
        system.looker = place
        system:take_events()
        system.looker = nil
      end
      if not place.receipt then
        place.semaphore:wait(worker.hears and math.min(left, 1) or LOOK_S)
      end
    end
    return place.receipt
  end

  --- The error for a caller that may not wait here; nil: it may.
  local function problem_of_waiting(call)
    local place = ngx.get_phase()
    if worker.is_telling() then
      place = "a function of system:on"
    elseif YIELDS[place] then
      return nil
    end
    return errors.new(core.KCA_ERROR_STATE, "state", ("bus: %s waits, which %s may not; use fire"):format(call, place))
  end

  --- The fields among the arguments: a ready message comes without a payload.
  local function fields_of(message, payload, fields)
    return type(message) == "table" and payload or fields
  end

  --- How long these fields let publish wait, in ms; or nil and the error.
  local function patience(fields)
    local timeout_ms = type(fields) == "table" and fields.timeout_ms
    if not timeout_ms then
      return WAIT_MS
    elseif type(timeout_ms) ~= "number" then
      local text = "bus: timeout_ms must be a number, got a " .. type(timeout_ms)
      return nil, errors.new(core.KCA_ERROR_ARGUMENT, "argument", text)
    end
    return timeout_ms < 0 and math.huge or timeout_ms
  end

  --- Publishes; while the buffer is full it waits for room, if there is time, and has no place meanwhile: it may be
  -- killed there. `wants_place`: with a place, to which `told` belongs. `put`: in place of Bus.put.
  -- @return true and the place; or nil and the error
  local function make_and_put(bus, message, payload, fields, timeout_ms, wants_place, told, put)
    local made, more = Bus.message_of(message, payload, fields)
    if not made then
      return nil, more
    end
    local system, deadline = bus.system, ngx.now() + timeout_ms / 1000
    while true do
      local place = wants_place and take_place(system)
      local ok, err = (put or bus.put)(bus, made, place and place.token or 0)
      if ok and place then
        place.told = told
      elseif place then
        free_place(system, place)
      end
      if ok or err.code ~= core.KCA_ERROR_BUFFER_FULL or ngx.now() >= deadline then
        if made ~= message then
          core.kca_message_free(made.handle) -- see Bus:publish in kca.bus
        end
        return ok, ok and place or err
      end
      if not worker.hears then
        system:take_events()
      end
      ngx.sleep(LOOK_S)
    end
  end

  -- ---- kept messages: one per name is used again, for making a message is most of its cost ----

  local function one_if(value)
    return value ~= nil and 1 or 0
  end

  local function is_bytes(value)
    return value == nil or type(value) == "string"
  end

  local function is_text(value)
    return value == nil or type(value) == "string" and not value:find("\0", 1, true)
  end

  --- Whether a kept message can take these fields, and be as before once they are taken back; the fields of the second
  -- line only say how to publish. No loop, so that it is compiled into its caller.
  local function is_simple(f)
    return nkeys(f)
        == one_if(f.key) + one_if(f.message_id) + one_if(f.correlation_id) + one_if(f.traceparent) + one_if(f.tracestate)
          + one_if(f.check_json) + one_if(f.token) + one_if(f.timeout_ms)
      and is_bytes(f.key)
      and is_text(f.message_id)
      and is_text(f.correlation_id)
      and is_text(f.traceparent)
      and is_text(f.tracestate)
  end

  local function kept_message(bus, name)
    local kept = bus.kept[name]
    if not kept and bus.kept_count < MOST_KEPT and is_text(name) then
      local ok, handle = core.kca_message_new(name)
      if ok then
        kept = { handle = handle }
        bus.kept[name], bus.kept_count = kept, bus.kept_count + 1
      end
    end
    return kept
  end

  local NONE = {}

  --- Sets the given fields, and takes back those of the message before; the caller may use one table for both.
  local function set_fields(kept, fields)
    local handle = kept.handle
    if fields.key or kept.key then
      core.kca_message_set_key(handle, fields.key)
    end
    if fields.message_id or kept.message_id then
      core.kca_message_set_message_id(handle, fields.message_id)
    end
    if fields.correlation_id or kept.correlation_id then
      core.kca_message_set_correlation_id(handle, fields.correlation_id)
    end
    if fields.traceparent or kept.traceparent then
      core.kca_message_set_trace_context(handle, fields.traceparent, fields.tracestate)
    end
    kept.key, kept.message_id = fields.key, fields.message_id
    kept.correlation_id, kept.traceparent = fields.correlation_id, fields.traceparent
  end

  --- Publishes at once, through the kept message of this name; nil: that was not possible.
  local function put_kept(bus, name, payload, fields, token)
    if fields == nil then
      fields = NONE
    end
    if bus.system.work.translators[bus.channel] then
      return nil
    end
    if type(name) ~= "string" or type(fields) ~= "table" or Work.handled() or not is_simple(fields) then
      return nil
    end
    if type(payload) == "table" and payload ~= json.null then
      payload = json.encode(payload)
    end
    local kept = type(payload) == "string" and kept_message(bus, name)
    if not kept then
      return nil
    end
    set_fields(kept, fields)
    core.kca_message_set_payload(kept.handle, payload)
    if fields.check_json and not core.kca_message_check_json(kept.handle) then
      return nil
    end
    local ok, err = core.kca_bus_publish(bus.handle, kept.handle, token)
    if not ok and err.code ~= core.KCA_ERROR_BUFFER_FULL then -- it may keep a failure
      bus.kept[name], bus.kept_count = nil, bus.kept_count - 1
    end
    return ok
  end

  local function refuse(system, err)
    system.refused = system.refused + 1
    return nil, err
  end

  --- Publishes through the hooks, with a copy of a message that is the application's.
  -- @param put publishes a message, with the fields
  -- @return what `put` does, or nil and the error of a hook; and whether a hook dropped it
  local function through_hooks(bus, message, payload, fields, put)
    local made, more = Bus.message_of(message, payload, fields)
    if not made then
      return refuse(bus.system, more)
    end
    local own = made == message and made:copied() or made
    local ok, err, is_dropped = hooks.publish(bus.system.work.publish_hooks, bus.channel, own, nil, function(m)
      return put(bus, m, more)
    end)
    core.kca_message_free(own.handle)
    own.handle = nil -- a hook may have kept the message
    return ok, err, is_dropped
  end

  --- The receipt of a message that a hook dropped.
  local function nowhere(bus)
    return { kind = "receipt", topic = bus.channel, partition = -1, offset = -1 }
  end

  local function publish(self, message, payload, fields)
    local system = self.system
    local problem = problem_of_waiting("publish")
    if problem then
      return refuse(system, problem)
    end
    local timeout_ms, wrong = patience(fields_of(message, payload, fields))
    if not timeout_ms then
      return refuse(system, wrong)
    end
    local place = take_place(system)
    if not put_kept(self, message, payload, fields, place.token) then
      free_place(system, place)
      local ok, made = make_and_put(self, message, payload, fields, timeout_ms, true)
      if not ok then
        return refuse(system, made)
      end
      place = made
    end
    worker.busy = worker.busy + 1
    local receipt = wait_for(system, place, timeout_ms)
    if not receipt then
      place.gone = true
      worker.busy = worker.busy - 1
      worker.nudge()
      local text = ("bus: no receipt came within %d ms; the message may still be stored"):format(timeout_ms)
      return nil, errors.new(core.KCA_ERROR_TIMEOUT, "timeout", text)
    end
    free_place(system, place)
    if receipt.error then
      return nil, receipt.error
    end
    return receipt
  end

  --- Publishes and waits for the receipt, without blocking the worker.
  -- @param fields those of `kca.message`, and timeout_ms: how long to wait (30000); the message may still be stored
  -- @return the receipt (topic, partition, offset; partition -1: a hook dropped the message), or nil and the error
  function Bus:publish(message, payload, fields)
    if not hooks.apply(self.system.work.publish_hooks) then
      return publish(self, message, payload, fields)
    end
    local ok, err, is_dropped = through_hooks(self, message, payload, fields, publish)
    return is_dropped and nowhere(self) or ok, err
  end

  local function send(self, message, payload, fields)
    local system = self.system
    local problem = problem_of_waiting("send")
    if problem then
      return nil, problem
    end
    local timeout_ms, wrong = Bus.patience_of(fields_of(message, payload, fields))
    if not timeout_ms then
      return nil, wrong
    end
    if timeout_ms < 0 then -- nothing else would end what a light thread that was killed has sent
      local text = "bus: send: timeout_ms must be 0 or more in a worker, got " .. timeout_ms
      return nil, errors.new(core.KCA_ERROR_ARGUMENT, "argument", text)
    end
    local ok, place = make_and_put(self, message, payload, fields, timeout_ms, true, nil, function(bus, made, token)
      local taken, err = bus:ask(made, token, timeout_ms)
      return taken, not taken and errors.of(err) or nil
    end)
    if not ok then
      return nil, place
    end
    worker.busy = worker.busy + 1
    local reply = wait_for(system, place, math.huge) -- the library ends it in time
    free_place(system, place)
    local value, err
    if reply.error then
      err = reply.error
    else
      value, err = Bus.values_of(reply.message)
    end
    drop_reply(reply)
    return value, err
  end

  --- Sends a message, given as to `publish`, and waits for its reply on the publisher's reply_channel, without blocking
  -- the worker: of a command or query bus. A worker that exits waits for it.
  -- @param fields those of `kca.message`, and timeout_ms: how long to wait (30000), 0 or more
  -- @return the values of the reply's payload (kca.null: none), or nil and the error: "reply": the reply is an error,
  -- whose text this is; "timeout": none came in time, and the message may have been handled nevertheless
  function Bus:send(message, payload, fields)
    if not hooks.apply(self.system.work.publish_hooks) then
      return send(self, message, payload, fields)
    end
    local value
    local function put(...)
      local err
      value, err = send(...)
      return err == nil or nil, err
    end
    local ok, err, is_dropped = through_hooks(self, message, payload, fields, put)
    if is_dropped then
      return nil, Bus.dropped()
    elseif not ok then
      return nil, err
    end
    return value
  end

  local function fire(self, message, payload, fields)
    local system, given = self.system, fields_of(message, payload, fields)
    local token = type(given) == "table" and given.token or nil
    if not worker.hears and system.started then
      system:take_events() -- nobody else takes the receipts, and unread ones fill the buffer
    end
    local told = (token or system.work.listeners.receipt) and { token = token }
    local place = told and take_place(system)
    if put_kept(self, message, payload, fields, place and place.token or 0) then
      if place then
        place.told = told
      end
      return true
    end
    if place then
      free_place(system, place)
    end
    local ok, err = make_and_put(self, message, payload, fields, 0, told ~= nil and told ~= false, told)
    if not ok then
      return refuse(system, err)
    end
    return true
  end

  --- Publishes and does not wait, in any phase. The message's outcome is counted, and a failure is a fault; with a
  -- token, or when there is a listener, the receipt is given to the function of `system:on("receipt")`.
  -- @return true: accepted; or nil and the error, also when the buffer is full
  function Bus:fire(message, payload, fields)
    if not hooks.apply(self.system.work.publish_hooks) then
      return fire(self, message, payload, fields)
    end
    local ok, err, is_dropped = through_hooks(self, message, payload, fields, fire)
    if is_dropped and self.system.work.listeners.receipt then
      local receipt, given = nowhere(self), fields_of(message, payload, fields)
      receipt.token = type(given) == "table" and given.token or nil
      self.system.work:tell(receipt)
    end
    return ok, err
  end

  local flush = Bus.flush

  --- Waits until all messages published so far are answered, without blocking the worker; at most `timeout_ms`, or for
  -- ever without it.
  function Bus:flush(timeout_ms)
    local problem = problem_of_waiting("flush")
    if problem then
      return nil, problem
    end
    local deadline = ngx.now() + (timeout_ms and timeout_ms >= 0 and timeout_ms / 1000 or math.huge)
    while true do
      local ok, err = flush(self, 0)
      if ok or err.code ~= core.KCA_ERROR_TIMEOUT or ngx.now() >= deadline then
        return ok, err
      end
      if not worker.hears then
        self.system:take_events()
      end
      ngx.sleep(LOOK_S)
    end
  end

  --- For exit_worker_by_lua, where nothing can wait: blocks.
  -- @local
  function Bus:flush_now(timeout_ms)
    return flush(self, timeout_ms)
  end

  -- ---- buses without a channel: handlers run in the light thread that publishes or sends ----

  --- A pause before the next attempt, or what a handler has deferred, is waited for as ngx.sleep does.
  -- @local
  function LocalBus.next_of(queue)
    local pause_s = LOOK_S
    while true do
      local ok, events = core.kca_queue_next(queue, 1, 0)
      if not ok or events[1] then
        return ok, events
      end
      ngx.sleep(pause_s)
      pause_s = math.min(pause_s + LOOK_S, LONGEST_LOOK_S)
    end
  end

  for _, call in ipairs({ "publish", "send" }) do
    local plain = LocalBus[call]
    --- Hands the message to its handler, in this light thread.
    LocalBus[call] = function(self, ...)
      local problem = problem_of_waiting(call)
      if problem then
        return nil, problem
      end
      return plain(self, ...)
    end
  end

  --- Hands the message to its handler in a light thread of its own; a failure is counted, and a fault.
  function LocalBus:fire(...)
    local arguments, count = { ... }, select("#", ...)
    local ok, why = ngx.timer.at(0, function()
      local receipt, err = self:publish(unpack(arguments, 1, count))
      if not receipt then
        refuse(self.system, err)
        self.system.work:tell({ kind = "fault", error = err, topic = "", partition = -1, offset = -1 })
      end
    end)
    if not ok then
      return refuse(self.system, errors.new(core.KCA_ERROR_STATE, "state", "bus: fire: " .. tostring(why)))
    end
    return true
  end

  --- @local
  function LocalBus.flush_now()
    return true
  end

  --- Counts of this worker's messages: accepted, stored, failed, unanswered, refused (never accepted); and last_error.
  function System:counts()
    local counts = { stored = 0, failed = 0, unanswered = 0, refused = self.refused, last_error = self.last_error }
    for _, channel in ipairs(assert(self:description()).publishers) do
      for _, what in ipairs({ "stored", "failed", "unanswered" }) do
        counts[what] = counts[what] + channel[what]
      end
    end
    counts.accepted = counts.stored + counts.failed + counts.unanswered
    return counts
  end

  local publisher = M.publisher

  --- The builder of a publisher; a thread of the library does its work (`background`). A full buffer never blocks the
  -- worker: `publish` waits for room, `fire` is refused. `publish` waits in any case, so `async` false only means that
  -- no batch timer delays a message.
  function M.publisher(connection, topic, options)
    local builder = publisher(connection, topic):with_buffer_timeout_ms(0):with_background(true)
    local with_linger_ms = builder.with_linger_ms
    function builder:with_buffer_timeout_ms()
      self:mistaken("buffer_timeout_ms would block the worker; publish waits for room, at most its timeout_ms")
      return self
    end
    function builder:with_async(async)
      return async == false and with_linger_ms(self, 0) or self
    end
    return builder:take(options)
  end
end
