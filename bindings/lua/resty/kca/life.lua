--- A system's life in a worker: from init_worker_by_lua to exit_worker_by_lua.

local errors = require("kca.errors")

local START_MS = 5000
local RETRY_MS = 300 -- a try blocks the worker while nobody answers, so it is short; it doubles for distant clusters
local LONGEST_RETRY_MS = 2400
local PAUSES = 10 -- the pause before a try is this many times its length
local EXIT_MS = 2000 -- nginx kills a worker that takes longer than some seconds to exit
local LEAST_MS = 300

local function now_s()
  ngx.update_time()
  return ngx.now()
end

return function(M, core, classes, worker)
  local System = classes.System
  local start, shutdown = System.start, System.shutdown

  local make = M.system
  function M.system(...)
    local system, err = make(...)
    if system then
      system.places, system.free, system.woken = {}, {}, {} -- see publishing.lua
      system.runs, system.consumers, system.buses = {}, {}, {}
      system.refused = 0
    end
    return system, err
  end

  for _, kind in ipairs({ "event_bus", "command_bus", "query_bus" }) do
    local of = System[kind]
    --- The bus of a publisher's channel, one object for all calls.
    System[kind] = function(self, channel)
      local name = kind .. " " .. tostring(channel)
      local bus, err = self.buses[name], nil
      if not bus then
        bus, err = of(self, channel)
        self.buses[name] = bus
        if bus then
          bus.kept, bus.kept_count = {}, 0
        end
      end
      return bus, err
    end
  end

  --- Refuses: the worker itself reads the queues, and waiting for them would block it; use `on` and `run`.
  local queue = System.queue
  local function is_not_pulled()
    local text = "queue: in a worker events are not pulled, but given to handlers and to the functions of `on`"
    return nil, errors.new(core.KCA_ERROR_STATE, "state", text)
  end
  System.queue, System.log_queue, classes.Consumer.queue = is_not_pulled, is_not_pulled, is_not_pulled

  local function is_started(self)
    self.events = self.events or assert(queue(self))
    local mark, err = worker.watch(self.events, function()
      self:drain()
    end)
    if not mark then
      return nil, errors.new(core.KCA_ERROR_STATE, "state", "system: " .. tostring(err))
    end
    self.mark, self.started = mark, true
    worker.systems[self] = true
    self:begin_runs()
    return true
  end

  local function try_again(self, timeout_ms)
    ngx.timer.at(timeout_ms * PAUSES / 1000, function(premature)
      if premature or self.started or self.given_up then
        return
      end
      local ok, err = start(self, timeout_ms)
      if ok then
        ok, err = is_started(self)
      end
      if not ok then
        ngx.log(ngx.WARN, "kca: ", tostring(err))
        try_again(self, math.min(timeout_ms * 2, LONGEST_RETRY_MS))
      end
    end)
  end

  --- Checks the declarations, reaches each cluster, and opens the publishers; for init_worker_by_lua. It waits up to
  -- `timeout_ms` (default 5000) before the worker takes requests. If a cluster does not answer by then, start is tried
  -- again from time to time; meanwhile publish returns an error.
  -- @return true, or nil and the error
  function System:start(timeout_ms)
    if ngx.get_phase() == "init" then
      local text = "system: start it in init_worker_by_lua, in each worker, not in init_by_lua"
      return nil, errors.new(core.KCA_ERROR_STATE, "state", text)
    end
    local began, why = worker.begin()
    if not began then
      return nil, errors.new(core.KCA_ERROR_STATE, "state", why)
    end
    self.given_up = false
    local ok, err = start(self, timeout_ms or START_MS)
    if ok then
      return is_started(self)
    end
    if err.code ~= core.KCA_ERROR_ARGUMENT and err.code ~= core.KCA_ERROR_FORKED then
      try_again(self, RETRY_MS)
    end
    return nil, err
  end

  --- Called when the worker is told to exit: stops the consumers, whose handlers at work are waited for.
  -- @local
  function System:leave()
    self.given_up = true
    for _, consumer in pairs(self.consumers) do
      if consumer.running then
        consumer:stop()
      end
    end
  end

  --- Whether all messages that were accepted are stored, or have failed.
  -- @local
  function System:is_all_answered()
    for _, bus in pairs(self.buses) do
      local ok, err = bus:flush_now(0)
      if not ok and err.code == core.KCA_ERROR_TIMEOUT then
        return false
      end
    end
    return true
  end

  --- Stops the consumers, commits, sends what is buffered, and closes; blocks the worker meanwhile.
  function System:shutdown(timeout_ms)
    self.given_up = true
    local was_started = self.started
    self.started = false
    if self.mark then
      worker.forget(self.mark)
      self.mark = nil
    end
    worker.systems[self] = nil
    local ok, err = shutdown(self, timeout_ms or EXIT_MS)
    while was_started and self:take_events() > 0 do -- the last receipts
    end
    return ok, err
  end

  --- Sends what is buffered, before anything else: shutdown waits for handlers first, and in a worker that is
  -- terminated those never return.
  local function flush(system, until_s)
    for _, bus in pairs(system.buses) do
      local left_ms = (until_s - now_s()) * 1000
      bus:flush_now(left_ms > 1 and left_ms or 1)
    end
  end

  --- For exit_worker_by_lua: sends the accepted messages, and commits the handled ones. What was not confirmed is said
  -- in the error log. After a reload or QUIT the listening thread has waited for the messages before.
  function M.exit_worker()
    local until_s = now_s() + (worker.is_cut and LEAST_MS or EXIT_MS) / 1000
    for system in pairs(worker.systems) do
      flush(system, until_s)
    end
    for system in pairs(worker.systems) do
      local ok, err = system:shutdown(math.max((until_s - now_s()) * 1000, LEAST_MS))
      if not ok then
        ngx.log(ngx.ERR, "kca: the worker leaves: ", tostring(err))
      end
    end
    worker.finish()
  end
end
