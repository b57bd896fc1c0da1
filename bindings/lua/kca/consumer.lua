--- Consumers of a started system.

local classes = require("kca.classes")
local errors = require("kca.errors")
local types = require("kca.types")

local fallible = errors.fallible
local SLICE_MS = 250 -- a wait in C ends at least this often, so that Lua sees Ctrl-C
local LAG = { "topic", "partition", "frontier", "committed", "high_watermark", "lag", "held", "paused" }

return function(M, core, Queue)
  local Consumer = classes.new()
  classes.add_setters(Consumer, core, "kca_consumer_", "with")

  --- @local
  function Consumer:title()
    return "consumer " .. self.name
  end

  local pause = types.checked(core, "kca_consumer_pause", "pause")
  local resume = types.checked(core, "kca_consumer_resume", "resume")
  local unpark = types.checked(core, "kca_consumer_unpark", "unpark")
  local seek = types.checked(core, "kca_consumer_seek", "seek")
  local seek_to_time = types.checked(core, "kca_consumer_seek_to_time", "seek")

  --- Pauses a partition: none of its messages is handed out until `resume`. Partition nil: all partitions of the topic;
  -- topic nil: of all topics.
  function Consumer:pause(topic, partition)
    return fallible(pause(self.handle, topic, partition or -1))
  end

  --- Ends a pause.
  function Consumer:resume(topic, partition)
    return fallible(resume(self.handle, topic, partition or -1))
  end

  --- Lets a parked key go: its messages are handled again from now on, before its dead letters are, which stay in the
  -- dead-letter channel. Key nil: all that are parked; partition nil: in any of the topic; topic nil: of any topic. Which
  -- are parked stands in `description`, as `parked_lines` of a consumer's partitions. The error "not_found": none is.
  function Consumer:unpark(key, topic, partition)
    return fallible(unpark(self.handle, topic, partition or -1, key))
  end

  --- Continues reading at this offset; kca.OFFSET_END: at the partition's end, OFFSET_BEGINNING: at its beginning.
  -- The error "offset": it lies outside the partition.
  function Consumer:seek(topic, partition, offset, timeout_ms)
    return fallible(seek(self.handle, topic, partition, offset, timeout_ms or 10000))
  end

  --- Continues reading at the first message at or after this time; partition nil: in all partitions of the topic.
  function Consumer:seek_to_time(topic, ms_since_1970, partition, timeout_ms)
    return fallible(seek_to_time(self.handle, topic, partition or -1, ms_since_1970, timeout_ms or 10000))
  end

  --- How far the consumer is in each partition that is assigned to it now: topic, partition, frontier (all offsets
  -- below it are settled), committed, high_watermark, lag, held, paused; nil: not known.
  function Consumer:lag()
    local description, err = self.system:description()
    if not description then
      return nil, err
    end
    local found = {}
    for _, described in ipairs(description.consumers) do
      for _, partition in ipairs(described.name == self.name and described.partitions or {}) do
        local one = {}
        for _, word in ipairs(LAG) do
          if partition[word] ~= M.null then
            one[word] = partition[word]
          end
        end
        found[#found + 1] = one
      end
    end
    return found
  end

  --- Joins the group and gives the queue of deliveries and faults, for programs that do not use `run`.
  function Consumer:queue()
    if self.mistake then
      return nil, self.mistake
    end
    local queue, err = classes.wrap(Queue, core.kca_consumer_queue(self.handle))
    if queue then
      queue.work = self.work
    end
    return queue, err
  end

  --- True when there is a handler to run; or nil and the error.
  -- @local
  function Consumer:check_handlers()
    if next(self.work.handlers) or next(self.work.batch_handlers) then
      return true
    end
    local text = ("consumer %s has no handler: declare one for the names it reads"):format(self.name)
    return nil, errors.new(core.KCA_ERROR_ARGUMENT, "argument", text)
  end

  --- Joins the group and handles deliveries one by one until `stop` or shutdown. A handler that returns has done its
  -- work; one that raises an error or returns `nil, err` has failed, or, if the error comes from `kca.rejected`,
  -- rejects the message; a handler may also return a verdict, an error's name and a text. In between, the events of
  -- the system's queue go to the functions of `system:on`, unless the program takes them itself.
  -- @return true, or nil and what ended the consumer
  function Consumer:run()
    local ready, why = self:check_handlers()
    if not ready then
      return nil, why
    end
    local queue, err = self:queue()
    if not queue then
      return nil, err
    end
    local count
    repeat
      self.system:dispatch_unpulled()
      count, err = queue:dispatch(1, SLICE_MS)
    until not count
    self.system:dispatch_unpulled()
    if err.code == core.KCA_ERROR_STOPPED then
      why = queue:error()
      err = why and why.code ~= core.KCA_ERROR_STOPPED and why or nil
    end
    queue:close()
    if err then
      return nil, err
    end
    return true
  end

  --- Ends `run`; may be called inside a handler. Does not wait for the end.
  function Consumer:stop()
    core.kca_consumer_stop(self.handle)
  end
  return Consumer
end
