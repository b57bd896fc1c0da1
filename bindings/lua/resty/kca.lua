--- Kafka channel adapters for OpenResty and for nginx with its Lua module; nothing blocks the worker.
--
-- The words are those of `kca` (see kca.api); what differs:
--
--   * `system:start()` belongs in init_worker_by_lua, `kca.exit_worker()` in exit_worker_by_lua.
--   * `bus:publish` waits for the receipt as a cosocket does, and returns it. `bus:fire` does not wait, for log_by_lua
--     and wherever no receipt is needed: what becomes of the message is counted later (`system:counts()`).
--   * `consumer:run()` returns at once: handlers are light threads, which may use cosockets, ngx.sleep and publish.
--   * Events are not pulled: `system:on` sets functions for them, and faults go to the error log.

local api = require("kca.api")
local core = require("kca.ffi_core")
local errors = require("kca.errors")

local M, classes = api(core)
M.warn = function(text)
  ngx.log(ngx.WARN, "kca: ", errors.visible(errors.text(text)))
end

local worker = require("resty.kca.worker")(core)
require("resty.kca.publishing")(M, core, classes, worker)
require("resty.kca.consuming")(core, classes, worker)
require("resty.kca.requests")(M, core)
require("resty.kca.health")(core, classes)
require("resty.kca.life")(M, core, classes, worker)
return M
