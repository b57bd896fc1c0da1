--- Systems: connections, publishers, consumers and handlers that are started and shut down together.

local classes = require("kca.classes")
local errors = require("kca.errors")
local json = require("kca.json")
local types = require("kca.types")

local fallible = errors.fallible
local EVENTS = { receipt = true, reply = true, fault = true, rebalance = true, state = true, log = true, ["end"] = true }

local function is_callable(fn)
  local meta = getmetatable(fn)
  return type(fn) == "function" or (type(meta) == "table" and meta.__call ~= nil)
end

return function(M, core, Work, buses, Consumer, Queue)
  local System = classes.new()

  local add_batch_handler = types.checked(core, "kca_system_add_batch_handler", "batch handler")

  local function refuse(text, ...)
    return nil, errors.new(core.KCA_ERROR_ARGUMENT, "argument", text:format(...))
  end

  --- Adds a copy of a declaration; returns the system, or nil and the declaration's first failure.
  function System:add(declared)
    if type(declared) ~= "table" or not declared.add then
      return refuse("system: it is declared by connections, publishers and consumers, got %s", tostring(declared))
    elseif declared.mistake then
      return nil, declared.mistake
    end
    local ok, err = fallible(core[declared.add](self.handle, declared.handle))
    return ok and self or nil, err
  end

  for _, kind in ipairs({ "connection", "publisher", "consumer" }) do
    --- The same as `add`.
    System["add_" .. kind] = function(self, declared)
      return self:add(declared)
    end
  end

  for _, kind in ipairs({ "event_bus", "command_bus", "query_bus" }) do
    local fn = types.checked(core, "kca_system_" .. kind, "system")
    --- The bus of a publisher's channel; of a command or query bus nil: that of the handlers in this process.
    System[kind] = function(self, channel)
      local bus, err = classes.wrap(channel == nil and buses.LocalBus or buses.Bus, fn(self.handle, channel))
      if bus then
        bus.system, bus.channel = self, channel or ""
      end
      return bus, err
    end
  end

  --- How often messages of buses without a channel are tried, by a consumer's options max_attempts, retry_... and
  -- rejected_error, before the start. Default: once.
  function System:set_local_retries(options)
    local retries = M.consumer("local", "local", "local", options)
    if retries.mistake then
      return nil, retries.mistake
    end
    local ok, err = fallible(core.kca_system_set_local_retries(self.handle, retries.handle))
    return ok and self or nil, err
  end

  --- Sets the handler of the messages of this name ("*": of those that no other handler takes), which is called with
  -- the payload's values and the delivery. A message whose payload is not JSON is rejected; "*" gets the payload as a
  -- string.
  function System:handler(name, fn)
    local problem = types.text_problem("handler: name", name)
    if problem then
      return refuse("%s", problem)
    elseif not is_callable(fn) then
      return refuse("handler %s must be a function, got %s", tostring(name), tostring(fn))
    end
    if not (self.pulls and name == "*" and not self.work.handlers["*"]) then
      local ok, err = fallible(core.kca_system_add_handler(self.handle, name))
      if not ok then
        return nil, err
      end
    end
    self.work.handlers[name] = fn
    return self
  end

  --- Sets the handler of many messages of this name: it is called with a list of their payloads' values (kca.null: there
  -- is none) and the list of their deliveries, as soon as there are `max` of them (default 100, at most the consumer's
  -- queue_capacity), or the first has waited for `wait_ms` (default 100). Messages of one key come in their order. It may
  -- settle any of the deliveries itself; the others are settled by what it returns. When it fails, or rejects, several,
  -- that does not say which of them failed: each comes again at once in a batch of its own.
  function System:batch_handler(name, options, fn)
    local problem = types.text_problem("batch handler: name", name)
    if problem then
      return refuse("%s", problem)
    elseif type(options) ~= "table" then
      return refuse("batch handler %s: options must be a table, got %s", tostring(name), tostring(options))
    elseif not is_callable(fn) then
      return refuse("batch handler %s must be a function, got %s", tostring(name), tostring(fn))
    end
    for option in pairs(options) do
      if option ~= "max" and option ~= "wait_ms" then
        return refuse("batch handler %s: there is no option %s", tostring(name), tostring(option))
      end
    end
    local ok, err = fallible(add_batch_handler(self.handle, name, options.max or 100, options.wait_ms or 100))
    if not ok then
      return nil, err
    end
    self.work.batch_handlers[name] = fn
    return self
  end

  --- Sets the function that gets the events of a kind, "fault", "rebalance", "state", "receipt", "reply", "end" or "log",
  -- if they are not pulled; nil: none. Faults without a function are written to stderr.
  function System:on(kind, fn)
    if not EVENTS[kind] then
      return refuse("system: on must be receipt, reply, fault, rebalance, state, end or log, got %s", tostring(kind))
    elseif fn ~= nil and not is_callable(fn) then
      return refuse("system: on %s must be given a function, got %s", kind, tostring(fn))
    end
    self.work.listeners[kind] = fn
    return self
  end

  for _, kind in ipairs({ "publish_hook", "handling_hook" }) do
    --- Adds a hook, before the start: functions that are called before and after each publish or handling with a table,
    -- see kca.hooks; one of them may be nil. A function before a publish may change `h.message`, drop it (`return
    -- kca.DROP`), or refuse it by an error; one before a handling may return a verdict, an error's name and a text. One
    -- that raises an error, or returns nil and an error, fails the publish or the delivery.
    System[kind] = function(self, before, after)
      if before == nil and after == nil then
        return refuse("system: %s must be given a function before, after, or both", kind)
      end
      for place, fn in pairs({ before = before, after = after }) do
        if not is_callable(fn) then
          return refuse("system: %s: %s must be a function, got %s", kind, place, tostring(fn))
        end
      end
      local description, err = self:description()
      if not description then
        return nil, err
      elseif description.started then
        local text = "hook: the system is started: declare it before start"
        return nil, errors.new(core.KCA_ERROR_STATE, "state", text)
      end
      local list = self.work[kind .. "s"]
      list[#list + 1] = { before = before, after = after }
      return self
    end
  end

  local consumer_of = types.checked(core, "kca_system_consumer", "system")

  --- Sets a deduplication store for the consumer of this name: `store:seen(message_id)` is asked before a handler runs
  -- (when it raises an error, the delivery fails), and `store:mark(message_id)` is called once the handler is done.
  function System:set_deduplication_store(consumer, store)
    local known, err = consumer_of(self.handle, consumer)
    if not known then
      return nil, errors.of(err)
    elseif type(store) ~= "table" or not (is_callable(store.seen) and is_callable(store.mark)) then
      return refuse("deduplication store of %s must have the functions seen and mark", consumer)
    end
    self.work.stores[consumer] = store
    return self
  end

  local set_translator = types.checked(core, "kca_system_set_translator", "translator")

  --- Gives a channel its own translator, before the start: `functions` has `to_record`, `to_message`, or both, see
  -- kca.translators; for payloads that are not JSON, and for records of others. What it cannot translate is an error
  -- of the publish ("translator"), or fails the delivery without a handler; a dead letter has the record's bytes as
  -- they are. A retry channel has one of its own. Batches are gathered by the names that the consumer's dialect
  -- reads. Replies, dead letters and answers to `send` go without it.
  function System:set_translator(channel, functions)
    functions = type(functions) == "table" and functions or {}
    for place, fn in pairs(functions) do
      if (place ~= "to_record" and place ~= "to_message") or not is_callable(fn) then
        return refuse("translator of %s: %s must be a function to_record or to_message", tostring(channel), tostring(place))
      end
    end
    if next(functions) == nil then
      return refuse("translator of %s must have a function to_record, to_message, or both", tostring(channel))
    end
    local ok, err = set_translator(self.handle, channel)
    if not ok then
      return nil, errors.of(err)
    end
    self.work.translators[channel] = functions
    return self
  end

  --- An error inside a handler of this system, for which the call would wait; else nil.
  local function inside(self, call)
    if not self.work:is_inside() then
      return nil
    end
    local text = call .. ": not inside a handler of this system: return from it first"
    return errors.new(core.KCA_ERROR_STATE, "state", text)
  end

  --- Checks the declarations, reaches each cluster, and opens the publishers.
  function System:start(timeout_ms)
    local problem = inside(self, "start")
    if problem then
      return nil, problem
    end
    local work = self.work
    if not (self.pulls or next(work.handlers) or next(work.batch_handlers)) then -- who pulls needs none; `run` checks
      self.pulls = core.kca_system_add_handler(self.handle, "*")
    end
    return fallible(core.kca_system_start(self.handle, timeout_ms or 10000))
  end

  --- Stops the consumers, commits, sends what is buffered, and closes; an error says what was left.
  function System:shutdown(timeout_ms)
    local problem = inside(self, "shutdown")
    if problem then
      return nil, problem
    end
    return fallible(core.kca_system_shutdown(self.handle, timeout_ms or 10000))
  end

  --- The consumer of this name, as given to its builder. Options: amount_of_processors, message_processing_timeout_ms.
  function System:consumer(name, options)
    local consumer, err = classes.wrap(Consumer, consumer_of(self.handle, name))
    if not consumer then
      return nil, err
    end
    consumer.name, consumer.work, consumer.system = name, self.work, self
    for option, value in pairs(options or {}) do
      local method = consumer["with_" .. tostring(option)]
      if not method then
        consumer:mistaken("there is no option " .. tostring(option))
      else
        method(consumer, value)
      end
    end
    if consumer.mistake then
      return nil, consumer.mistake
    end
    return consumer
  end

  local function queue_of(self, ok, handle)
    local queue, err = classes.wrap(Queue, ok, handle)
    if queue then
      queue.work = self.work
    end
    return queue, err
  end

  --- The system's queue: receipts, faults, logs.
  function System:queue()
    self.is_pulled = true
    return queue_of(self, core.kca_system_queue(self.handle))
  end

  --- Gives the events in the system's queue to the functions of `on`, unless the program pulls them.
  -- @local
  function System:dispatch_unpulled()
    if self.is_pulled then
      return
    end
    self.unpulled = self.unpulled or queue_of(self, core.kca_system_queue(self.handle))
    local count = self.unpulled and self.unpulled:dispatch(64, 0)
    while count and count > 0 do
      count = self.unpulled:dispatch(64, 0)
    end
  end

  --- A queue for the system's logs alone: from now on they come here and not among the receipts.
  function System:log_queue()
    return queue_of(self, core.kca_system_log_queue(self.handle))
  end

  local describe = types.checked(core, "kca_system_describe", "describe")

  --- The active endpoints with counters: FORMAT_TEXT or FORMAT_JSON.
  function System:describe(format)
    return fallible(describe(self.handle, format or core.KCA_FORMAT_TEXT))
  end

  --- What `describe` says, as a table.
  function System:description()
    local text, err = self:describe(core.KCA_FORMAT_JSON)
    if not text then
      return nil, err
    end
    return json.decode(text)
  end

  local set_exporter = types.checked(core, "kca_system_set_exporter", "exporter")

  --- Exports spans of what is published and handled to a collector of OpenTelemetry, from the start on. `settings`: a
  -- table of OpenTelemetry's settings by their names, OTEL_SERVICE_NAME for example, that come before those of the
  -- environment, of which nginx gives its workers nothing. kca_abi.h lists them and the spans. A library that was built
  -- without libcurl has no exporter, which is an error.
  function System:set_exporter(settings)
    if settings ~= nil and type(settings) ~= "table" then
      return refuse("exporter: settings must be a table, got %s", type(settings))
    end
    local lines = {}
    for name, value in pairs(settings or {}) do
      lines[#lines + 1] = ("%s=%s"):format(tostring(name), tostring(value))
      if lines[#lines]:find("[%z\n]") then
        return refuse("exporter: %s must be one line", tostring(name))
      end
    end
    local ok, err = fallible(set_exporter(self.handle, table.concat(lines, "\n")))
    return ok and self or nil, err
  end

  local health = types.checked(core, "kca_system_health", "health")

  --- Whether the system is ready, and whether it is stuck: the object described in kca_abi.h, with "code" (a HEALTH_),
  -- "live", "ready", "stuck", and in "reasons" one line each: the thing, what is wrong, since when. stuck_after_ms: how
  -- long something may wait; default 60000; -1: for ever. Nobody is asked for it: it comes at once.
  function System:health(stuck_after_ms)
    local text, err = fallible(health(self.handle, stuck_after_ms or 0))
    if not text then
      return nil, err
    end
    return json.decode(text)
  end

  local metrics = types.checked(core, "kca_system_metrics", "metrics")

  --- What the system counts, as text that Prometheus reads: METRICS_PROMETHEUS, the default, or METRICS_OPENMETRICS.
  -- Nobody is asked for it: it comes at once.
  function System:metrics(format)
    return fallible(metrics(self.handle, format or core.KCA_METRICS_PROMETHEUS))
  end

  local describe_cluster = types.checked(core, "kca_system_describe_cluster", "describe cluster")

  --- Describes the connection's cluster, all topics or one; with a group, which need not be one of the system's, also
  -- how far that has come. Returns the object described in kca_abi.h: "brokers", "topics" with their offsets, "group".
  function System:describe_cluster(connection, topic, group, timeout_ms)
    local text, err = fallible(describe_cluster(self.handle, connection, topic, group, timeout_ms or 10000))
    if not text then
      return nil, err
    end
    return json.decode(text)
  end

  --- Publishes dead letters again, or says what it would publish. Returns the report described in kca_abi.h; if the
  -- time is over first, its "complete" is false, and another call goes on from there.
  function System:redrive(redrive, timeout_ms)
    if type(redrive) ~= "table" or not redrive.take then
      return refuse("redrive: it is declared by kca.redrive, got %s", tostring(redrive))
    elseif redrive.mistake then
      return nil, redrive.mistake
    end
    local text, err = fallible(core.kca_system_redrive(self.handle, redrive.handle, timeout_ms or 60000))
    if not text then
      return nil, err
    end
    return json.decode(text)
  end

  for _, target in ipairs({ "queue", "stderr" }) do
    local fn = core["kca_system_log_to_" .. target]
    --- Log lines up to this level (kca.LOG_...) become "log" events, or are written to stderr. Returns the system.
    System["log_to_" .. target] = function(self, level)
      local taken, problem = types.take(core, "int ", "log: level", level)
      if problem then
        return refuse("%s", problem)
      end
      local ok, err = fallible(fn(self.handle, taken))
      return ok and self or nil, err
    end
  end

  --- A system of these connections, publishers and consumers; `add` adds more.
  function M.system(...)
    local system, err = classes.wrap(System, core.kca_system_new())
    if not system then
      return nil, err
    end
    system.work = Work.new()
    for i = 1, select("#", ...) do
      local added, why = system:add((select(i, ...)))
      if not added then
        return nil, why
      end
    end
    return system
  end
  return System
end
