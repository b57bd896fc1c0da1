--- A system's life in a worker: from init_worker_by_lua to exit_worker_by_lua.

local errors = require("kca.errors")

local START_MS = 5000
local RETRY_MS = 300 -- blocks the worker while nobody answers, so it is short, and doubles for clusters that are far
local LONGEST_RETRY_MS = 2400
local PAUSES = 10 -- the pause before it, in its own length
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
      system.places, system.free = {}, {}
      system.runs, system.consumers, system.buses = {}, {}, {}
      system.refused = 0
    end
    return system, err
  end

  for _, kind in ipairs({ "event_bus", "command_bus", "query_bus" }) do
    local of = System[kind]
    --- The bus of a publisher's channel, the same one each time.
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

  --- Queues are read by the worker, and waiting for them would block it; use `on` and `run`.
  local queue = System.queue
  local function is_not_pulled()
    local text = "queue: events are given to the functions of `on` and to handlers here, and are not pulled"
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

  --- Checks what is declared, reaches each cluster, and opens the publishers; in init_worker_by_lua. It waits up to
  -- `timeout_ms`, 5000, before the worker takes requests. A cluster that does not answer by then is tried again from
  -- time to time; meanwhile publish answers with an error.
  -- @return true, or nil and the error
  function System:start(timeout_ms)
    if ngx.get_phase() == "init" then
      local text = "system: it is started in each worker, by init_worker_by_lua, not by init_by_lua"
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

  --- The worker is told to exit: consumers stop, what they are at is waited for.
  function System:leave()
    self.given_up = true
    for _, consumer in pairs(self.consumers) do
      if consumer.running then
        consumer:stop()
      end
    end
  end

  --- Stops, commits, sends what is buffered, and closes; blocks the worker meanwhile.
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

  --- Sends what is buffered before anything else: shutdown waits for handlers first, and those of a worker that is
  -- terminated never come back.
  local function flush(system, until_s)
    for _, bus in pairs(system.buses) do
      local left_ms = (until_s - now_s()) * 1000
      bus:flush_now(left_ms > 1 and left_ms or 1)
    end
  end

  --- For exit_worker_by_lua: what was accepted is sent, what was handled is committed.
  function M.exit_worker()
    local until_s = now_s() + EXIT_MS / 1000
    for system in pairs(worker.systems) do
      flush(system, until_s)
    end
    for system in pairs(worker.systems) do
      local ok, err = system:shutdown(math.max((until_s - now_s()) * 1000, LEAST_MS))
      if not ok then
        ngx.log(ngx.ERR, "kca: ", tostring(err))
      end
    end
    worker.finish()
  end
end
