--- The health of all workers, which tell one another through a shared dictionary.

local errors = require("kca.errors")
local json = require("kca.json")

local EVERY_S = 1
local LATE_S = 10 -- a worker that has told nothing for so long is blocked, or gone
local DEFAULT_MS = 60000

return function(core, classes)
  local System = classes.System
  local shared = 0 -- systems of this worker; each worker has the same ones

  local function key_of(self, worker)
    return ("kca health %d %d"):format(self.shared.number, worker)
  end

  local function tell(self)
    local health = assert(self:health(self.shared.stuck_after_ms))
    local told = { code = health.code, reasons = json.array(health.reasons), at = ngx.now() }
    local ok, err = self.shared.dict:set(key_of(self, ngx.worker.id()), assert(json.encode(told)))
    if not ok then
      ngx.log(ngx.ERR, "kca: health is not shared: ", err)
    end
  end

  --- Tells this worker's health to the others, about once a second, through a dictionary of lua_shared_dict (by name);
  -- for init_worker_by_lua. `stuck_after_ms`: as in `health`.
  -- @return true, or nil and the error
  function System:share_health(dictionary, stuck_after_ms)
    local dict = ngx.shared[dictionary]
    if not dict then
      local text = ("share_health: %s must be a dictionary of lua_shared_dict"):format(tostring(dictionary))
      return nil, errors.new(core.KCA_ERROR_ARGUMENT, "argument", text)
    end
    shared = shared + 1
    stuck_after_ms = stuck_after_ms or 0
    self.shared = {
      dict = dict,
      number = shared,
      stuck_after_ms = stuck_after_ms == 0 and DEFAULT_MS or stuck_after_ms,
    }
    tell(self)
    assert(ngx.timer.every(EVERY_S, function(premature)
      if not premature and not ngx.worker.exiting() then -- after a reload another one has its number
        tell(self)
      end
    end))
    return true
  end

  --- What a worker told last, and how long it is ago; nil: it has told nothing.
  local function told_by(self, worker)
    local text = self.shared.dict:get(key_of(self, worker))
    local told = text and json.decode(text)
    return told, told and ngx.now() - told.at
  end

  --- A worker that tells nothing is not ready; if that lasts, it is blocked, and so not live.
  local function judged(self, worker)
    local told, age_s = told_by(self, worker)
    if not told then
      return core.KCA_HEALTH_NOT_READY, { "it has told nothing yet" }
    elseif age_s < LATE_S then
      return told.code, told.reasons
    end
    local bound_ms = self.shared.stuck_after_ms
    local is_blocked = bound_ms >= 0 and age_s * 1000 >= bound_ms
    local code = is_blocked and core.KCA_HEALTH_NOT_LIVE or core.KCA_HEALTH_NOT_READY
    return math.max(code, told.code), { ("it has told nothing for %d s"):format(age_s) }
  end

  --- The health of all workers together, after `share_health`: "code", the worst of them, "live", "ready" and "stuck" as
  -- in `health`, "reasons", each with its worker's number, and "workers", the code of each.
  -- @return the table, or nil and the error
  function System:shared_health()
    if not self.shared then
      return nil, errors.new(core.KCA_ERROR_STATE, "state", "shared_health: call share_health first")
    end
    tell(self)
    local all = { code = core.KCA_HEALTH_READY, reasons = json.array(), workers = json.array() }
    for worker = 0, ngx.worker.count() - 1 do
      local code, reasons = judged(self, worker)
      all.code = math.max(all.code, code)
      all.workers[worker + 1] = code
      for _, reason in ipairs(reasons) do
        all.reasons[#all.reasons + 1] = ("worker %d: %s"):format(worker, reason)
      end
    end
    all.live = all.code < core.KCA_HEALTH_NOT_LIVE
    all.ready = all.code == core.KCA_HEALTH_READY
    all.stuck = all.code >= core.KCA_HEALTH_STUCK
    return all
  end
end
