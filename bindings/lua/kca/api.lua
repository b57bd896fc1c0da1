--- Kafka channel adapters for Lua, over either core: the SWIG module (`kca`) or LuaJIT's FFI (`kca_ffi`, `resty.kca`).
--
-- A function that can fail returns its result, or `nil, err`; `err` has code, name, text, rdkafka_code, retriable and
-- fatal, and tostring gives its text. Options, defaults and events are described in kca_abi.h.

local errors = require("kca.errors")

--- Makes the module over a core, and its classes.
return function(core)
  assert(core.kca_abi() == 1, "kca: this module speaks ABI 1, libkca another")
  local M = { _VERSION = core.kca_version(), core = core, rdkafka_version = function()
    return core.kca_rdkafka_version()
  end }
  for name, value in pairs(core) do
    local constant = type(value) == "number" and name:match("^KCA_(.+)$")
    if constant then
      M[constant] = value
    end
  end
  --- As Lua's `assert`, which in Lua 5.1 takes no error object: raises the error's text.
  function M.assert(...)
    local value, err = ...
    if not value then
      error(errors.text(err == nil and "assertion failed!" or err), 2)
    end
    return ...
  end

  local Message, Delivery = require("kca.message")(M, core)
  require("kca.builders")(M, core)
  local hooks = require("kca.hooks")(M, core)
  local Work = require("kca.work")(M, core, hooks)
  local translators = require("kca.translators")(M, core, Message)
  local Queue = require("kca.queue")(core, Message, Delivery, translators)
  local Bus, parts = require("kca.bus")(M, core, Message, Work, hooks, translators)
  local LocalBus = require("kca.local")(core, Bus, Queue, parts)
  local Consumer = require("kca.consumer")(M, core, Queue)
  local buses = { Bus = Bus, LocalBus = LocalBus }
  local System = require("kca.system")(M, core, Work, buses, Consumer, Queue)
  local classes = { hooks = hooks, Work = Work, Queue = Queue, Consumer = Consumer, System = System }
  classes.Bus, classes.LocalBus = Bus, LocalBus
  return M, classes
end
