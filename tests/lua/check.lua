--- A tiny runner: a test file returns its tests by name; a failed one is told, and the file exits with 1. Else the
-- Lua state closes with all that is left in it.
--
--   KCA_LUA_MODULE=kca|kca_ffi lua tests/lua/check.lua NAME_test.lua

package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path

local check = {}

function check.equal(got, wanted)
  if got ~= wanted then
    error(("got %s, wanted %s"):format(tostring(got), tostring(wanted)), 2)
  end
end

function check.contains(text, part)
  if not tostring(text):find(part, 1, true) then
    error(("%q is not in %q"):format(part, tostring(text)), 2)
  end
end

--- A fallible call's results: it must have failed, with this name.
function check.fails(name, value, err)
  check.equal(value, nil)
  check.equal(err.name, name)
  check.contains(tostring(err), err.text)
  return err
end

check.kca = require(assert(os.getenv("KCA_LUA_MODULE"), "KCA_LUA_MODULE: kca or kca_ffi"))
package.loaded.check = check

local tests = dofile(arg[1])
local names, failed = {}, 0
for name in pairs(tests) do
  names[#names + 1] = name
end
table.sort(names)
for _, name in ipairs(names) do
  local ok, why = xpcall(tests[name], debug.traceback)
  print((ok and "ok      " or "FAILED  ") .. name .. (ok and "" or "\n" .. tostring(why)))
  failed = failed + (ok and 0 or 1)
end
if failed > 0 then
  os.exit(1)
end
