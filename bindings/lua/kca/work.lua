--- What a system does with events: handlers by the messages' names, deduplication, functions for faults and others.

local classes = require("kca.classes")
local errors = require("kca.errors")
local json = require("kca.json")

local MAIN = {}
local UNNAMED = "its record has no `route` header that is a name for a handler to have"

--- By coroutine, the delivery that its handler works on: messages that the handler publishes continue its trace.
local handled = setmetatable({}, { __mode = "k" })
local at_work = 0 -- handlers; while it is 0, `handled` need not be looked up

local function here()
  return coroutine.running() or MAIN
end

return function(M, core, hooks)
  local Work = classes.new()

  function Work.new()
    local work = { handlers = {}, batch_handlers = {}, stores = {}, listeners = {}, told = {}, translators = {} }
    work.publish_hooks, work.handling_hooks = {}, {}
    return setmetatable(work, Work)
  end

  --- The delivery that is handled here, or nil; inside a batch handler that is no message's: one without a handle.
  function Work.handled()
    return at_work > 0 and handled[here()] or nil
  end

  --- An error for `error` or `return nil, err` in a handler: the message will never work.
  function M.rejected(name, text)
    return errors.of({ name = name, text = text, verdict = M.REJECTED })
  end

  --- Writes a warning, for example about a fault that has no listener.
  function M.warn(text)
    io.stderr:write("kca: ", errors.visible(errors.text(text)), "\n")
  end

  local function failure(err)
    local verdict, name, text = errors.explain(err)
    return verdict == M.REJECTED and M.REJECTED or M.FAILED, name, text
  end

  --- An answer's error name and text, as strings.
  local function texts(name, text)
    return name ~= nil and errors.text(name) or nil, text ~= nil and errors.text(text) or nil
  end

  --- Whether somebody waits for what a handler returned. A warning tells once of a handler whose results nobody gets;
  -- `true` is how much of Lua says that all went well.
  local function is_wanted(work, handler, d, result)
    if d:wants_reply() then
      return true
    elseif d:consumer() == "" then -- of a bus without a channel: it was published, not sent
      return false
    elseif result ~= true and not work.told[handler] then
      work.told[handler] = true
      M.warn(
        (
          "a handler of %s returned a %s that nobody gets: a reply is sent when the consumer's reply is on, and the "
          .. "message has a replyTo of which the system has a publisher"
        ):format(d:name() ~= "" and d:name() or "messages without a name", type(result))
      )
    end
    return false
  end

  --- The verdict, error name and text for what a handler returned or raised.
  local function answer(ok, verdict, second, third)
    if not ok then
      return failure(verdict)
    elseif type(verdict) == "number" then
      if verdict < M.DONE or verdict > M.DUPLICATE or verdict % 1 ~= 0 then
        return M.FAILED, "handler", ("it returned %s, which is not a verdict"):format(verdict)
      end
      return verdict, texts(second, third)
    elseif not verdict and second ~= nil then
      return failure(second)
    end
    return M.DONE
  end

  --- As `answer`; what is no verdict is the reply.
  local function answered(work, handler, d, ok, result, ...)
    local verdict, name, text = answer(ok, result, ...)
    local is_result = ok and verdict == M.DONE and result ~= nil and type(result) ~= "number"
    if not is_result or not d.delivery or not is_wanted(work, handler, d, result) then
      return verdict, name, text
    end
    local kept, err = d:reply(result)
    if kept or err.name == "state" then -- its time is over, or its partition gone: the message comes again
      return verdict
    end
    return M.FAILED, "reply", errors.text(err)
  end

  --- The payload in the form that the handler gets, or nil and why there is none.
  local function payload_of(handler_is_for_all, d)
    local payload = d:payload()
    if payload == nil then
      return nil
    end
    local value, why = json.decode(payload)
    if why and handler_is_for_all then
      return payload
    end
    return value, why
  end

  --- Runs the handler, unless the store has seen the message; returns the verdict, error name and text.
  function Work:answer_once(d)
    local handler = self.handlers[d:name()]
    local for_all = not handler
    handler = handler or self.handlers["*"]
    if not handler then
      return M.REJECTED, "unhandled", d:name() ~= "" and "no handler has its name" or UNNAMED
    end
    local payload, why = payload_of(for_all, d)
    if why then
      return M.REJECTED, "payload", why
    end
    local store, id = self:store_of(d)
    if store then
      local known, seen = pcall(store.seen, store, id)
      if not known then
        return M.FAILED, "deduplication", (select(3, errors.explain(seen)))
      elseif seen then
        return M.DUPLICATE
      end
    end
    return answered(self, handler, d, pcall(handler, payload, d))
  end

  --- The store that is to be asked whether the message was handled, and the message's id.
  function Work:store_of(d)
    local id = next(self.stores) and d.handle and d:message_id() or ""
    return id ~= "" and self.stores[d:consumer()], id
  end

  local function outcome_of(verdict, name, text)
    return { verdict = verdict, error_name = name or "", error_text = text or "" }
  end

  --- The outcome that a function before has decided. What is no verdict is a failure: the handler has not run.
  local function decided(said)
    if type(said[1]) ~= "number" then
      local odd = ("a function before handling returned %s, which is not a verdict"):format(errors.text(said[1]))
      return outcome_of(M.FAILED, "hook", odd)
    end
    return outcome_of(answer(true, said[1], said[2], said[3]))
  end

  --- A hook failed; who deferred the delivery may have settled it by now.
  local function failed_by(err, outcome)
    if outcome and (outcome.verdict == M.DEFERRED or outcome.is_final) then
      local when = outcome.is_final and "settled: " or "deferred: "
      M.warn("a hook failed after the delivery was " .. when .. errors.text(err))
      return outcome
    end
    return outcome_of(failure(err))
  end

  --- Runs the hooks and the handler; returns the verdict, error name and text. A store learns of it at the end: a hook
  -- may still fail what was handled.
  function Work:answer(d)
    local verdict, name, text
    if self.handling_hooks[1] then
      local outcome = hooks.around(self.handling_hooks, { delivery = d }, decided, function()
        return outcome_of(self:answer_once(d))
      end, failed_by)
      verdict, name, text = outcome.verdict, outcome.error_name, outcome.error_text
    else
      verdict, name, text = self:answer_once(d)
    end
    local store, id
    if verdict == M.DONE then
      store, id = self:store_of(d)
    end
    if store then
      local marked, problem = pcall(store.mark, store, id)
      if not marked then
        M.warn(("message %s was handled, but could not be marked: %s"):format(id, errors.text(problem)))
      end
    end
    return verdict, name, text
  end

  --- Runs the handler and settles the delivery by its verdict.
  function Work:handle(d)
    local place = here()
    local outside = handled[place]
    d.work, d.outside = self, outside
    handled[place], at_work = d, at_work + 1
    local ran, verdict, name, text = pcall(self.answer, self, d)
    handled[place], at_work = outside, at_work - 1
    if not ran then
      verdict, name, text = M.FAILED, "handler", errors.text(verdict)
    end
    if verdict ~= M.DEFERRED and d.delivery then
      d:settle(verdict, name, text) -- when this fails, the verdict no longer counts, and the message comes again
    end
  end

  --- What the store says of a message: nil when it is to be handled, or the answer.
  local function answer_of_store(store, id)
    local known, seen = pcall(store.seen, store, id)
    if not known then
      return { M.FAILED, "deduplication", (select(3, errors.explain(seen))) }
    elseif seen then
      return { M.DUPLICATE }
    end
  end

  --- Calls a function of hooks; what that publishes continues the delivery's trace.
  local function inside(work, d, fn, ...)
    local place = here()
    local outside = handled[place]
    d.work, d.outside = work, outside
    handled[place], at_work = d, at_work + 1
    local first, second = fn(...)
    handled[place], at_work = outside, at_work - 1
    return first, second
  end

  --- How the application itself has settled one of a batch; nil: not.
  local function settled_outcome(d)
    local outcome = d.settled and outcome_of(d.settled[1], d.settled[2], d.settled[3])
    if outcome then
      outcome.is_final = true
    end
    return outcome
  end

  --- One that does not count any more: unsettled, it comes again.
  local function let_go(d)
    if d.delivery then
      core.kca_delivery_free(d.delivery)
      d.delivery, d.handle = nil, nil
    end
  end

  --- Takes a delivery into the batch that is handled, unless its hooks, the store or its payload settle it first.
  local function take(work, member, for_all, store)
    local d, entered, outcome, is_late = member.delivery, nil, nil, false
    local may_be_called_off = store or work.handling_hooks[1]
    if may_be_called_off and not d:is_out() then
      let_go(d)
      return false
    end
    if work.handling_hooks[1] then
      entered, outcome = inside(work, d, hooks.enter, work.handling_hooks, { delivery = d }, decided, failed_by)
    end
    if not outcome then
      local why
      member.payload, why = payload_of(for_all, d)
      local id = store and d.delivery and d:message_id() or ""
      local said = why and { M.REJECTED, "payload", why } or id ~= "" and answer_of_store(store, id) or nil
      if not said and may_be_called_off and not d:is_out() then
        said, is_late = { M.FAILED }, true
      end
      if not said then
        member.entered = entered
        return true
      end
      outcome = settled_outcome(d) or outcome_of(said[1], said[2], said[3])
    end
    outcome = entered and inside(work, d, hooks.leave, entered, outcome) or outcome
    if is_late then
      let_go(d)
    elseif outcome.verdict ~= M.DEFERRED and d.delivery then
      d:settle(outcome.verdict, outcome.error_name, outcome.error_text)
    end
    return false
  end

  --- The members of the batch that its handler gets; the others are settled.
  local function members_of(work, batch, for_all, store)
    local members = {}
    for _, d in ipairs(batch.deliveries) do
      local member = { delivery = d }
      if take(work, member, for_all, store) then
        members[#members + 1] = member
      end
    end
    return members
  end

  --- Calls the functions after, the last delivery's first. Those that a hook has failed are settled by themselves. A
  -- failure of several does not say which of them failed: each comes again, whatever its hooks say of it now.
  -- @return the deliveries that are settled together
  local function leave(work, members, verdict, name, text)
    local changed, unsettled, together = {}, 0, {}
    for i = #members, 1, -1 do
      local member = members[i]
      local d = member.delivery
      unsettled = unsettled + (d.settled and 0 or 1)
      if member.entered then
        local own = settled_outcome(d) or outcome_of(verdict, name, text)
        local outcome = inside(work, d, hooks.leave, member.entered, own)
        changed[i] = outcome ~= own and outcome or nil
      end
    end
    local is_split = unsettled > 1 and (verdict == M.FAILED or verdict == M.REJECTED)
    for i, member in ipairs(members) do
      local outcome = not is_split and changed[i]
      if outcome then
        member.delivery:settle(outcome.verdict, outcome.error_name, outcome.error_text)
      else
        together[#together + 1] = member.delivery
      end
    end
    return together
  end

  local function mark_all(store, deliveries)
    for _, d in ipairs(deliveries) do
      local id = d:is_out() and d:message_id() or ""
      if id ~= "" then
        local marked, problem = pcall(store.mark, store, id)
        if not marked then
          M.warn(("message %s was handled, but could not be marked: %s"):format(id, errors.text(problem)))
        end
      end
    end
  end

  --- Settles those that the handler has not settled itself, together, and frees them.
  local function settle_together(deliveries, verdict, name, text)
    local handles = {}
    for _, d in ipairs(deliveries) do
      if d.delivery then
        handles[#handles + 1] = d.delivery
        if name or text then
          core.kca_delivery_explain(d.delivery, name, text or "")
        end
      end
    end
    if handles[1] then
      core.settle_batch(handles, verdict)
    end
    for _, d in ipairs(deliveries) do
      let_go(d)
    end
  end

  --- Runs the handler of a batch, and settles its deliveries.
  function Work:handle_batch(batch)
    local handler = self.batch_handlers[batch.deliveries[1]:name()]
    local store = self.stores[batch.deliveries[1]:consumer()]
    local members = members_of(self, batch, not handler, store)
    if not members[1] then
      return
    end
    local payloads, deliveries = {}, {}
    for i, member in ipairs(members) do
      payloads[i] = member.payload == nil and json.null or member.payload
      deliveries[i] = member.delivery
    end
    local place = here()
    local outside = handled[place]
    handled[place], at_work = { work = self, outside = outside }, at_work + 1
    local verdict, name, text = answer(pcall(handler or self.batch_handlers["*"], payloads, deliveries))
    handled[place], at_work = outside, at_work - 1
    local together = leave(self, members, verdict, name, text)
    if store and verdict == M.DONE then
      mark_all(store, together)
    end
    if verdict ~= M.DEFERRED then
      settle_together(together, verdict, name, text)
    end
  end

  --- Handles a delivery of a bus without a channel.
  function Work:handle_here(d)
    if self.batch_handlers[d:name()] or not self.handlers[d:name()] and self.batch_handlers["*"] then
      self:handle_batch({ deliveries = { d } })
    else
      self:handle(d)
    end
  end

  --- Whether this coroutine is inside a handler of this system.
  function Work:is_inside()
    local d = Work.handled()
    while d and d.work ~= self do
      d = d.outside
    end
    return d ~= nil
  end

  --- Gives an event to its listener; a fault without a listener becomes a warning.
  function Work:tell(event)
    local listener = self.listeners[event.kind]
    if listener then
      local ok, why = pcall(listener, event)
      if not ok then
        M.warn(("a listener to %ss failed: %s"):format(event.kind, errors.text(why)))
      end
    elseif event.kind == "fault" then
      M.warn(tostring(event.error))
    end
  end

  function Work:dispatch(event)
    if event.kind == "delivery" then
      self:handle(event)
    elseif event.kind == "batch" then
      self:handle_batch(event)
    else
      self:tell(event)
    end
  end

  return Work
end
