--- What the classes of this binding have in common.

local errors = require("kca.errors")
local integer = require("kca.integer")

local classes = {}

function classes.new(parent)
  local class = setmetatable({}, { __index = parent })
  class.__index = class
  return class
end

--- An object of a core's `true, handle`, or nil and the error.
function classes.wrap(class, ok, handle)
  if not ok then
    return nil, errors.of(handle)
  end
  return setmetatable({ handle = handle }, class)
end

--- A value as the core takes it: booleans are 1 and 0, integers that are no numbers their digits or what LuaJIT has.
function classes.given(core)
  return function(value)
    if type(value) == "boolean" then
      return value and 1 or 0
    elseif type(value) ~= "number" and type(value) ~= "string" and integer.is(value) then
      return core.int64(value)
    end
    return value
  end
end

--- A method that sets and returns its object, for each function of the core whose name starts so.
function classes.add_setters(class, core, prefix, verb)
  local given = classes.given(core)
  for name, fn in pairs(core) do
    local option = name:match("^" .. prefix .. "(" .. verb .. "_.+)$")
    if option then
      class[option] = function(self, value, ...)
        fn(self.handle, given(value), ...)
        return self
      end
    end
  end
end

return classes
