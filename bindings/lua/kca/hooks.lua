--- Hooks: what an application puts before and after each publish, and before and after the handling of each delivery.
--
-- A hook is a function before, a function after, or both. They are called with a table that says what is hooked:
-- `delivery`, or `message` and `channel`; after also the outcome. `kept` is what the hook's function before leaves there
-- for the one after; each hook has its own. The functions before are called in order, until one says something else than
-- nil; then, in reverse, the functions after of the hooks that let it go on.

local errors = require("kca.errors")

local MAIN = {}

--- Coroutines that are inside a hook on publishing: what that publishes goes without hooks, or they would have no end.
local inside = setmetatable({}, { __mode = "k" })

local function here()
  return coroutine.running() or MAIN
end

--- Whether nil, err was returned, or an error raised; then also the error.
local function failed(ok, said, err)
  if not ok then
    return true, said
  elseif not said and err ~= nil then
    return true, err
  end
  return false
end

return function(M, core)
  local hooks = {}

  local function call(fn, h)
    if not h.message then
      return pcall(fn, h)
    end
    local place = here()
    inside[place] = true
    local ok, said, name, text = pcall(fn, h)
    inside[place] = nil
    return ok, said, name, text
  end

  --- Whether what is published here goes through these hooks.
  function hooks.apply(list)
    return list[1] ~= nil and not inside[here()]
  end

  --- Calls the functions before. Returns how many hooks let it go on, what each keeps, and what the next said: "said"
  -- and its values, or "failed" and the error; nil: all let it go on.
  local function enter(list, h)
    local kept = {}
    for i, hook in ipairs(list) do
      h.kept = nil
      if hook.before then
        local ok, said, name, text = call(hook.before, h)
        local is_failure, err = failed(ok, said, name)
        if is_failure then
          return i - 1, kept, "failed", err
        elseif said then
          return i - 1, kept, "said", { said, name, text }
        end
      end
      kept[i] = h.kept
    end
    return #list, kept
  end

  --- Begins what is hooked: calls the functions before.
  -- @param decide gives the outcome, a table, of what a function before said
  -- @param fail gives the outcome when a hook failed, of the error and the outcome so far (nil: none)
  -- @return what `hooks.leave` wants, and the outcome if a hook has decided
  function hooks.enter(list, h, decide, fail)
    local entered = { list = list, h = h, fail = fail, began_us = core.kca_monotonic_us() }
    local how, what
    entered.count, entered.kept, how, what = enter(list, h)
    if how == "failed" then
      return entered, fail(what)
    elseif how == "said" then
      return entered, decide(what)
    end
    return entered
  end

  --- What is hooked has this outcome; its fields are those of `h` for the functions after, which are called.
  -- @return the outcome that counts
  function hooks.leave(entered, outcome)
    local h, list = entered.h, entered.list
    h.duration_ms = (core.kca_monotonic_us() - entered.began_us) / 1000
    for i = entered.count, 1, -1 do
      local after = list[i].after
      if after then
        for field, value in pairs(outcome) do
          h[field] = value
        end
        h.kept = entered.kept[i]
        local is_failure, err = failed(call(after, h))
        if is_failure then
          outcome = entered.fail(err, outcome)
        end
      end
    end
    return outcome
  end

  --- Does what is hooked: `act` gives the outcome of it; for the others see `hooks.enter`.
  function hooks.around(list, h, decide, act, fail)
    local entered, outcome = hooks.enter(list, h, decide, fail)
    return hooks.leave(entered, outcome or act())
  end

  --- The outcome of a publish when a hook failed or refused: an error as `err`.
  local function refusal(err)
    if type(err) == "table" and err.code then
      return { error = err }
    end
    local _, name, text = errors.explain(err)
    local said = ("a hook refused the message, or failed after it was published: %s: %s"):format(name, text)
    return { error = errors.new(core.KCA_ERROR_HOOK, "hook", said) }
  end

  --- What a function before publishing said.
  local function dropped_by(said)
    if said[1] == M.DROP then
      return { is_dropped = true }
    end
    return refusal(("a function before publishing returned %s, which is not kca.DROP"):format(tostring(said[1])))
  end

  --- Publishes a message, which hooks may change, through hooks.
  -- @param put publishes it: returns its result, or nil and the error
  -- @return that, or nil and the error of a hook; and whether it was dropped
  function hooks.publish(list, channel, message, delivery, put)
    local h = { message = message, channel = channel, delivery = delivery }
    local result
    local outcome = hooks.around(list, h, dropped_by, function()
      if h.message.mistake then
        return { error = h.message.mistake }
      end
      local ok, err = put(h.message)
      result = ok
      return { error = not ok and err or nil, receipt = type(ok) == "table" and ok or nil }
    end, refusal)
    if outcome.error then
      return nil, outcome.error
    end
    return result or true, nil, h.is_dropped or outcome.is_dropped
  end

  return hooks
end
