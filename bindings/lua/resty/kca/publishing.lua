--- Publishing from a worker: waiting for the receipt as a cosocket waits, or counting it later.

local ffi = require("ffi")
local errors = require("kca.errors")
local json = require("kca.json")

local AT_ONCE = 256
local A_TURN = 1024 -- events, then others have a turn
local WAIT_MS = 30000
local LOOK_S = 0.002 -- how often one looks that is not woken
local FIRST_WAITED = 2 ^ 32 -- tokens below belong to buses

local SIMPLE = { key = true, token = true, timeout_ms = true } -- fields that a kept message can have
local MOST_KEPT = 64 -- names, each bus

local YIELDS = {}
for phase in ([[server_rewrite rewrite access precontent content timer ssl_client_hello ssl_cert ssl_session_fetch
                preread]]):gmatch("%S+") do
  YIELDS[phase] = true
end

return function(M, core, classes, worker)
  local Bus, System, Work = classes.Bus, classes.System, classes.Work
  local C = core.C
  local next_token = FIRST_WAITED

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

  --- A receipt goes to who waits for it, or is counted; one that a listener wants is returned.
  local function take_receipt(system, event)
    local token = tonumber(C.kca_event_token(event))
    local waiting = system.waiting[token]
    local counts = system.tally
    if C.kca_event_error(event) == nil then
      counts.stored = counts.stored + 1
    else
      counts.failed = counts.failed + 1
      counts.last_error = tostring(error_of(event))
    end
    if waiting then
      system.waiting[token] = nil
      if waiting.semaphore then
        if not waiting.gone then
          worker.busy = worker.busy - 1
          waiting.receipt = receipt_of(event)
          waiting.semaphore:post(1)
        end
        return nil
      end
    end
    if system.work.listeners.receipt then
      local receipt = receipt_of(event)
      receipt.token = waiting and waiting.token
      return receipt
    end
  end

  local out = ffi.new("kca_event *[?]", AT_ONCE)

  --- Takes what is in the system's queue; true: there may be more.
  function System:take_events()
    local count = C.kca_queue_next(self.events.handle, out, AT_ONCE, 0)
    local told
    for i = 0, count - 1 do
      local event = out[i]
      local taken
      if C.kca_event_type(event) == core.KCA_EVENT_RECEIPT then
        taken = take_receipt(self, event)
        C.kca_event_free(event)
      else
        taken = self.events.take(ffi.gc(event, C.kca_event_free))
      end
      if taken then
        told = told or {}
        told[#told + 1] = taken
      end
    end
    for _, event in ipairs(told or {}) do -- which may yield, and others then use `out`
      self.work:tell(event)
    end
    return count == AT_ONCE
  end

  --- All of it, in turns; the worker's listening thread does so.
  function System:drain()
    local taken = 0
    while self:take_events() do
      taken = taken + AT_ONCE
      if taken % A_TURN == 0 then
        ngx.sleep(0.001)
      end
    end
  end

  local function wait_for(system, waiting, timeout_ms)
    local deadline = ngx.now() + timeout_ms / 1000
    while not waiting.receipt do
      local left = deadline - ngx.now()
      if left < 0.001 then -- nginx waits whole milliseconds, and its clock stands still meanwhile
        return nil
      end
      if worker.hears then
        waiting.semaphore:wait(left < 1 and left or 1)
      else
        system:take_events()
        if not waiting.receipt then
          ngx.sleep(LOOK_S)
        end
      end
    end
    return waiting.receipt
  end

  --- Why who is here may not wait; nil: it may.
  local function problem_of_waiting(call)
    local place = ngx.get_phase()
    if worker.is_telling() then
      place = "a function of system:on"
    elseif YIELDS[place] then
      return nil
    end
    return errors.new(core.KCA_ERROR_STATE, "state", ("bus: %s waits, which %s may not; use fire"):format(call, place))
  end

  --- The fields among the arguments: a message that is made already comes without a payload.
  local function fields_of(message, payload, fields)
    return type(message) == "table" and payload or fields
  end

  --- How long to wait by these fields, in ms; or nil and the error.
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

  --- Publishes; while the buffer is full it waits for room, if there is time.
  local function make_and_put(bus, message, payload, fields, token, timeout_ms)
    local made, more = Bus.message_of(message, payload, fields)
    if not made then
      return nil, more
    end
    local deadline = ngx.now() + timeout_ms / 1000
    while true do
      local ok, err = bus:put(made, token)
      if ok or err.code ~= core.KCA_ERROR_BUFFER_FULL or ngx.now() >= deadline then
        if made ~= message then
          core.kca_message_free(made.handle) -- what the collector does not see, as Bus:publish of kca
        end
        return ok, err
      end
      if not worker.hears then
        bus.system:take_events()
      end
      ngx.sleep(LOOK_S)
    end
  end

  -- ---- messages of a name and a payload, used again: most of what a message costs is making it ----

  local function is_simple(fields)
    if fields == nil then
      return true
    elseif type(fields) ~= "table" or (fields.key ~= nil and type(fields.key) ~= "string") then
      return false
    end
    for field in pairs(fields) do
      if not SIMPLE[field] then
        return false
      end
    end
    return true
  end

  local function kept_message(bus, name)
    local kept = bus.kept[name]
    if not kept and bus.kept_count < MOST_KEPT then
      local ok, handle = core.kca_message_new(name)
      if ok then
        kept = { handle = handle }
        bus.kept[name], bus.kept_count = kept, bus.kept_count + 1
      end
    end
    return kept
  end

  --- Publishes at once, through the kept message of this name; nil: not possible so.
  local function put_kept(bus, name, payload, fields, token)
    if type(name) ~= "string" or Work.handled() or not is_simple(fields) then
      return nil
    end
    if type(payload) == "table" then
      payload = json.encode(payload)
    end
    local kept = type(payload) == "string" and kept_message(bus, name)
    if not kept then
      return nil
    end
    local key = fields and fields.key
    if key or kept.key then
      core.kca_message_set_key(kept.handle, key)
      kept.key = key
    end
    core.kca_message_set_payload(kept.handle, payload)
    return (core.kca_bus_publish(bus.handle, kept.handle, token))
  end

  local function refuse(system, err)
    system.tally.refused = system.tally.refused + 1
    return nil, err
  end

  --- Publishes and waits for the receipt, without blocking the worker.
  -- @param fields those of `kca.message`, and timeout_ms: how long to wait (30000); the message may still be stored
  -- @return the receipt (topic, partition, offset), or nil and the error
  function Bus:publish(message, payload, fields)
    local system = self.system
    local problem = problem_of_waiting("publish")
    if problem then
      return refuse(system, problem)
    end
    local timeout_ms, wrong = patience(fields_of(message, payload, fields))
    if not timeout_ms then
      return refuse(system, wrong)
    end
    next_token = next_token + 1
    local token = next_token
    if not put_kept(self, message, payload, fields, token) then
      local ok, err = make_and_put(self, message, payload, fields, token, timeout_ms)
      if not ok then
        return refuse(system, err)
      end
    end
    local waiting = { semaphore = worker.semaphore() } -- receipts are taken by other light threads, so not before this
    system.waiting[token] = waiting
    system.tally.accepted = system.tally.accepted + 1
    worker.busy = worker.busy + 1
    local receipt = wait_for(system, waiting, timeout_ms)
    if not receipt then
      waiting.gone = true
      worker.busy = worker.busy - 1
      worker.nudge()
      local text = ("bus: no receipt came within %d ms; the message may still be stored"):format(timeout_ms)
      return nil, errors.new(core.KCA_ERROR_TIMEOUT, "timeout", text)
    end
    worker.give_back(waiting.semaphore)
    if receipt.error then
      return nil, receipt.error
    end
    return receipt
  end

  --- Publishes and does not wait, in any phase: the receipt is counted later, or given to `system:on("receipt")`.
  -- @return true: accepted; or nil and the error, also when the buffer is full
  function Bus:fire(message, payload, fields)
    local system, token = self.system, 1
    local given = fields_of(message, payload, fields)
    given = type(given) == "table" and given.token or nil
    if given then
      next_token = next_token + 1
      token = next_token
    end
    if not worker.hears and system.started then
      system:take_events() -- nobody else does, and they take up the buffer
    end
    if not put_kept(self, message, payload, fields, token) then
      local ok, err = make_and_put(self, message, payload, fields, token, 0)
      if not ok then
        return refuse(system, err)
      end
    end
    if given then
      system.waiting[token] = { token = given }
    end
    system.tally.accepted = system.tally.accepted + 1
    return true
  end

  local flush = Bus.flush

  --- Waits until all that was published is answered, without blocking the worker; for ever, unless timeout_ms says else.
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
  function Bus:flush_now(timeout_ms)
    return flush(self, timeout_ms)
  end

  --- What became of the messages of this worker: accepted, stored, failed, refused (never accepted), unanswered, and
  -- last_error.
  function System:counts()
    local counts = {}
    for name, count in pairs(self.tally) do
      counts[name] = count
    end
    counts.unanswered = counts.accepted - counts.stored - counts.failed
    return counts
  end

  local publisher = M.publisher

  --- The builder of a publisher. A full buffer never blocks the worker: `publish` waits for room, `fire` is refused.
  -- `async` false: no batch timer delays a message, for `publish` waits in any case.
  function M.publisher(connection, topic, options)
    local builder = publisher(connection, topic):with_buffer_timeout_ms(0)
    local with_linger_ms = builder.with_linger_ms
    function builder:with_buffer_timeout_ms()
      self:mistaken("buffer_timeout_ms would block the worker; publish waits for room, as long as its timeout_ms says")
      return self
    end
    function builder:with_async(async)
      return async == false and with_linger_ms(self, 0) or self
    end
    return builder:take(options)
  end
end
