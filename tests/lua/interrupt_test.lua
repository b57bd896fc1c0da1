--- Ctrl-C ends each wait for events.
local check = require("check")
local tests = {}

local SETUP = [[
local kca = require(os.getenv("KCA_LUA_MODULE"))
local system = assert(kca.system(
  kca.connection("local", "embedded://"),
  kca.consumer("local", "orders", "shop")))
system:handler("*", print)
assert(system:start())
os.execute("(sleep 0.2; kill -INT $PPID) &")
]]

--- What a program says that gets the signal while it waits so; it is killed when that does not end it.
local function interrupted(wait)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(SETUP, wait)
  file:close()
  local program = assert(io.popen(("timeout -s KILL 20 %s %s 2>&1"):format(arg[-1], path)))
  local said = program:read("*a")
  program:close()
  os.remove(path)
  return said
end

function tests.a_wait_for_the_next_event_is_interrupted()
  check.contains(interrupted("system:queue():next()"), "interrupted!")
end

function tests.a_loop_over_events_is_interrupted()
  check.contains(interrupted("for _ in system:queue():events() do end"), "interrupted!")
end

function tests.a_run_is_interrupted()
  check.contains(interrupted("system:consumer('shop'):run()"), "interrupted!")
end

return tests
