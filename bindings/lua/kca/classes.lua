--- Helpers that all classes of this binding share.

local errors = require("kca.errors")
local types = require("kca.types")

local classes = {}

function classes.new(parent)
  local class = setmetatable({}, { __index = parent })
  class.__index = class
  return class
end

--- Makes an object of a core's `true, handle`, or gives nil and the error.
function classes.wrap(class, ok, handle)
  if not ok then
    return nil, errors.of(handle)
  end
  return setmetatable({ handle = handle }, class)
end

--- Adds a method that sets an option and returns its object, for each function of the core whose name starts with
-- `prefix` and `verb`. A value that the option cannot have becomes the object's mistake, which is returned when the
-- object is used.
function classes.add_setters(class, core, prefix, verb)
  for name in pairs(core) do
    local method, option = name:match("^" .. prefix .. "(" .. verb .. "_(.+))$")
    if method then
      local set = types.setter(core, name, option)
      class[method] = function(self, ...)
        local problem = set(self.handle, ...)
        if problem then
          self:mistaken(problem)
        end
        return self
      end
    end
  end

  --- Keeps the first mistake.
  -- @local
  function class:mistaken(problem)
    local text = ("%s: %s"):format(self:title(), tostring(problem))
    self.mistake = self.mistake or errors.new(core.KCA_ERROR_ARGUMENT, "argument", text)
  end
end

return classes
