--- Consumers in a worker: each processor is a light thread.

local A_TIMER = 10000 -- deliveries, then a new timer goes on, for what nginx keeps as long as one lives
local IDLE_S = 60
local AGAIN_S = 5

return function(core, classes, worker)
  local Consumer, System = classes.Consumer, classes.System

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

  --- The last processor: what ended it is told, and what may work later is tried again.
  local function finish(run)
    local consumer, why = run.consumer, end_of(run)
    worker.forget(run.mark)
    run.queue:close()
    consumer.running, consumer.ended_by = nil, why
    if why then
      ngx.log(ngx.ERR, "kca: consumer ", consumer.name, " has ended: ", why.text)
    end
    if why and why.retriable and not ngx.worker.exiting() then
      ngx.timer.at(AGAIN_S, function(premature)
        if not premature and not consumer.running then
          consumer:run(run.options)
        end
      end)
    end
  end

  local function wait(run)
    if not worker.hears then
      ngx.sleep(0.01)
      return
    end
    run.idle = run.idle + 1
    run.semaphore:wait(IDLE_S)
    run.idle = run.idle - 1
  end

  --- Handles deliveries until the consumer has stopped (true), or this timer has done enough.
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

  local function processor(_, run)
    local ok, over = pcall(process, run)
    if not ok then
      ngx.log(ngx.ERR, "kca: consumer ", run.consumer.name, ": ", over)
    elseif not over and ngx.timer.at(0, processor, run) then
      return
    end
    run.processors = run.processors - 1
    if run.processors == 0 then
      finish(run)
    end
    worker.busy = worker.busy - 1
    worker.nudge()
  end

  local function begin(consumer, options)
    local queue, err = consumer:queue()
    if not queue then
      return nil, err
    end
    local run = {
      consumer = consumer,
      options = options,
      queue = queue,
      semaphore = require("ngx.semaphore").new(0),
      idle = 0,
      processors = consumer.processors or 1,
    }
    local mark, why = worker.watch(queue, function()
      if run.idle > 0 then
        run.semaphore:post(run.idle)
      end
    end)
    if not mark then
      queue:close()
      return nil, why
    end
    run.mark = mark
    consumer.running, consumer.ended_by = run, nil
    for _ = 1, run.processors do
      worker.busy = worker.busy + 1
      assert(ngx.timer.at(0, processor, run))
    end
    return true
  end

  --- Joins the group and handles deliveries in light threads, as many as amount_of_processors; returns at once. In the
  -- first worker only, or, with `{ workers = "every" }`, in each one, as one more member of the group; `{ worker = N }`:
  -- in that one. It begins when the system is started.
  function Consumer:run(options)
    options = options or {}
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

  --- Starts what was told to run before the system was.
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

  --- What ended it; nil: it runs, or was stopped.
  function Consumer:error()
    return self.ended_by
  end

  local consumer_of = System.consumer

  --- The consumer of this name, the same one each time.
  function System:consumer(name, options)
    local known = self.consumers[name]
    if known and not options then
      return known
    end
    local consumer, err = consumer_of(self, name, options)
    if consumer and known then
      known.processors = consumer.processors or known.processors
      return known
    end
    self.consumers[name] = consumer
    return consumer, err
  end
end
