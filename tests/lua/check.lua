--- Runs a test file, which returns its tests by name, with luaunit. When all have passed the Lua state closes with all
-- that is left in it.
--
--   KCA_LUA_MODULE=kca|kca_ffi lua tests/lua/check.lua NAME_test.lua

package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path

local luaunit = require("luaunit")

local check = {}

function check.equal(got, wanted)
  luaunit.assertTrue(got == wanted, ("got %s, wanted %s"):format(tostring(got), tostring(wanted)))
end

function check.contains(text, part)
  luaunit.assertStrContains(tostring(text), part)
end

--- A fallible call's results: it must have failed, with this name.
function check.fails(name, value, err)
  check.equal(value, nil)
  check.equal(err.name, name)
  check.contains(err, err.text)
  return err
end

check.kca = require(assert(os.getenv("KCA_LUA_MODULE"), "KCA_LUA_MODULE: kca or kca_ffi"))
package.loaded.check = check

local tests = {}
for name, test in pairs(dofile(arg[1])) do
  tests[#tests + 1] = { name, test }
end
table.sort(tests, function(one, other)
  return one[1] < other[1]
end)
local runner = luaunit.LuaUnit.new()
runner:setOutputType("tap")
if runner:runSuiteByInstances(tests) > 0 then
  os.exit(1)
end
