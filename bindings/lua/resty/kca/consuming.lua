--- Consumers in a worker: each processor is a light thread.

local A_TIMER = 10000 -- deliveries, then a new timer takes over: nginx frees a timer's memory only when the timer ends
local IDLE_S = 60
local AGAIN_S = 5
local LEAVE_S = 30 -- the longest wait for deliveries that a handler deferred and for dead letters
local LOOK_S = 0.01
local HAND_OVER_S = 0.05 -- a new timer begins in the next turn of nginx' event loop, or never

local errors = require("kca.errors")
local semaphore = require("ngx.semaphore")

return function(core, classes, worker)
  local Consumer, System, Work = classes.Consumer, classes.System, classes.Work
  local queue_of = Consumer.queue

  -- In a timer ngx.exit ends the light thread, and so the processor, whose delivery nobody would settle.
  local exit = ngx.exit
  rawset(ngx, "exit", function(status)
    if Work.handled() then
      error("ngx.exit: not in a handler: return or raise an error instead", 2)
    end
    return exit(status)
  end)

  local with_processors = Consumer.with_amount_of_processors
  function Consumer:with_amount_of_processors(processors)
    self.processors = processors
    return with_processors(self, processors)
  end

  --- Why the run has ended; nil: it was stopped.
  local function end_of(run)
    local why = run.queue:error()
    return why and why.code ~= core.KCA_ERROR_STOPPED and why or nil
  end

  local function try_again(consumer, options)
    ngx.timer.at(AGAIN_S, function(premature)
      if premature or consumer.running then
        return
      end
      local ok, err = consumer:run(options)
      if not ok then
        ngx.log(ngx.ERR, "kca: consumer ", consumer.name, " does not run: ", err.text)
        if err.retriable then
          try_again(consumer, options)
        end
      end
    end)
  end

  --- Waits, without blocking the worker, until all that is settled is stored and committed: closing the queue before
  -- would block.
  local function await_leaving(run)
    local left_s = LEAVE_S
    while left_s > 0 and not worker.is_cut and not run.queue:has_left() do
      ngx.sleep(LOOK_S)
      left_s = left_s - LOOK_S
    end
  end

  --- Called by the last processor: logs what ended the run, and runs the consumer again later if that may help.
  local function finish(run)
    local consumer, why = run.consumer, end_of(run)
    run.is_over = true
    await_leaving(run)
    worker.forget(run.mark)
    run.queue:close()
    consumer.running, consumer.ended_by = nil, why
    if why then
      ngx.log(ngx.ERR, "kca: consumer ", consumer.name, " has ended: ", why.text)
    end
    if why and why.retriable and not ngx.worker.exiting() then
      try_again(consumer, run.options)
    end
  end

  local function wait(run)
    if not worker.hears then
      worker.leave()
      ngx.sleep(0.01)
      return
    end
    run.idle = run.idle + 1
    run.semaphore:wait(IDLE_S)
    run.idle = run.idle - 1
  end

  --- Handles deliveries until the consumer has stopped (returns a code), or this timer has handled A_TIMER of them.
  local function process(run)
    local handled = 0
    while handled < A_TIMER do
      local events, err = run.queue:next(1, 0)
      if not events then
        return err.code
      end
      if events[1] then
        run.consumer.work:dispatch(events[1])
        handled = handled + 1
        worker.end_turn()
      else
        wait(run)
        worker.begin_turn()
      end
    end
  end

  local processor

  --- Hands over to a new timer; true once that runs: nginx drops timers in excess of lua_max_running_timers.
  local function hand_over(run)
    local follower = { semaphore = semaphore.new(0) }
    if not ngx.timer.at(0, processor, run, follower) then
      return false
    end
    follower.semaphore:wait(HAND_OVER_S)
    follower.is_late = not follower.has_begun
    return follower.has_begun
  end

  local function process_in_timers(run)
    local ok, over
    repeat
      ok, over = pcall(process, run)
      if not ok then
        ngx.log(ngx.ERR, "kca: consumer ", run.consumer.name, ": ", over)
      elseif not over and hand_over(run) then
        return
      end
    until over
    run.processors = run.processors - 1
    if run.processors == 0 and not run.is_over then
      finish(run)
    end
    worker.busy = worker.busy - 1
    worker.nudge()
  end

  --- The function of a processor's timer: a new processor, or with `follower` one that continues here.
  function processor(_, run, follower)
    if follower then
      if follower.is_late then
        return
      end
      follower.has_begun = true
      follower.semaphore:post(1)
    elseif run.is_over or run.processors == run.wanted then
      return
    else
      run.processors = run.processors + 1
      worker.busy = worker.busy + 1
    end
    process_in_timers(run)
  end

  local function begin(consumer, options)
    local ready, why = consumer:check_handlers()
    if not ready then
      return nil, why
    end
    local queue, err = queue_of(consumer)
    if not queue then
      return nil, err
    end
    local run = {
      consumer = consumer,
      options = options,
      queue = queue,
      semaphore = semaphore.new(0),
      idle = 0,
      processors = 0, -- that run now: nginx may drop the timer of one
      wanted = consumer.processors or 1,
    }
    run.mark, why = worker.watch(queue, function()
      if run.processors == 0 then
        ngx.timer.at(0, processor, run)
      elseif run.idle > 0 then
        run.semaphore:post(run.idle)
      end
    end)
    if not run.mark then
      queue:close()
      return nil, errors.new(core.KCA_ERROR_STATE, "state", ("consumer %s: %s"):format(consumer.name, why))
    end
    consumer.running, consumer.ended_by = run, nil
    for _ = 1, run.wanted do
      ngx.timer.at(0, processor, run)
    end
    return true
  end

  --- What is wrong with the options of `run`; nil: nothing.
  local function problem_of(options)
    for name in pairs(options) do
      if name ~= "worker" and name ~= "workers" then
        return "run has no option " .. tostring(name)
      end
    end
    local workers, chosen = options.workers, options.worker
    if workers ~= nil and workers ~= "every" then
      return 'workers must be "every", got ' .. tostring(workers)
    elseif chosen ~= nil and (type(chosen) ~= "number" or chosen < 0 or chosen >= ngx.worker.count()) then
      return ("worker must be 0 to %d, got %s"):format(ngx.worker.count() - 1, tostring(chosen))
    end
  end

  --- Joins the group and handles deliveries in light threads, as many as amount_of_processors; returns at once. Runs in
  -- worker 0 only; with `{ worker = N }` in worker N; with `{ workers = "every" }` in every worker, each as one more
  -- member of the group. The run begins when the system is started.
  function Consumer:run(options)
    options = options or {}
    local problem = problem_of(options)
    if problem then
      local text = ("consumer %s: %s"):format(self.name, problem)
      return nil, errors.new(core.KCA_ERROR_ARGUMENT, "argument", text)
    end
    if options.workers ~= "every" and ngx.worker.id() ~= (options.worker or 0) then
      return true
    end
    if self.running then
      return true
    end
    if not self.system.started then
      self.system.runs[#self.system.runs + 1] = { self, options }
      return true
    end
    local ok, err = begin(self, options)
    if not ok then
      self.ended_by = err
    end
    return ok, err
  end

  --- Begins the runs that were asked for before the system was started.
  -- @local
  function System:begin_runs()
    local runs = self.runs
    self.runs = {}
    for _, run in ipairs(runs) do
      local ok, err = run[1]:run(run[2])
      if not ok then
        ngx.log(ngx.ERR, "kca: consumer ", run[1].name, " does not run: ", tostring(err))
      end
    end
  end

  --- What ended the consumer; nil: it runs, or was stopped.
  function Consumer:error()
    return self.ended_by
  end

  local consumer_of = System.consumer

  --- The consumer of this name, one object for all calls.
  function System:consumer(name, options)
    local known = self.consumers[name]
    if known and not options then
      return known
    end
    local consumer, err = consumer_of(self, name, options)
    if not consumer then
      return nil, err
    elseif known then
      known.processors = consumer.processors or known.processors
      return known
    end
    self.consumers[name] = consumer
    return consumer
  end
end
