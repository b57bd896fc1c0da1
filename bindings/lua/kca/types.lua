--- The types that the setters of kca_abi.h take, read from its text: a value of a wrong type is an error of one line
-- that names the option, alike over either core, and no value is cut to fit.

local integer = require("kca.integer")

local types = {}

local function shown(value)
  local kind = type(value)
  if kind == "number" or kind == "boolean" or integer.is(value) then
    return tostring(value)
  end
  return value == nil and "nil" or "a " .. kind
end

local function is_whole(value, least, most)
  return type(value) == "number" and value % 1 == 0 and value >= least and value <= most
end

local function flag(value)
  return type(value) == "boolean" and (value and 1 or 0) or value
end

-- For each type in C: says whether a value fits it, and gives the value in the form that the core takes.
local TAKE = {
  ["int "] = function(value)
    value = flag(value)
    return is_whole(value, -2 ^ 31, 2 ^ 31 - 1), value
  end,
  ["int64_t "] = function(value, core)
    local digits = type(value) == "string" and integer.of(value) or value
    return integer.is(digits) or is_whole(digits, -2 ^ 63, 2 ^ 63), core.int64(digits)
  end,
  ["double "] = function(value)
    return type(value) == "number" and value == value, value
  end,
  ["const char *"] = function(value)
    if type(value) == "number" or integer.is(value) then
      value = (integer.is(value) or value % 1 == 0) and integer.digits(value) or tostring(value)
    end
    return value == nil or type(value) == "string", value
  end,
}
TAKE["uint64_t "] = function(value, core)
  local digits = type(value) == "string" and integer.of(value) or value
  return integer.is(digits) or is_whole(digits, 0, 2 ^ 64), core.int64(digits)
end
TAKE["const void *"] = TAKE["const char *"]
TAKE["const char *"] = function(value)
  local fine, taken = TAKE["const void *"](value)
  return fine and not (taken and taken:find("\0", 1, true)), taken
end

local WANTED = {
  ["int "] = "a whole number of 32 bits",
  ["int64_t "] = "a whole number",
  ["uint64_t "] = "a whole number, 0 or above",
  ["double "] = "a number",
  ["const char *"] = "a text",
  ["const void *"] = "a text",
}

--- The value in the form that the core takes; or nil and what is wrong.
function types.take(core, kind, name, value)
  local fine, taken = TAKE[kind](value, core)
  if fine then
    return taken
  elseif kind == "const char *" and type(taken) == "string" then
    return nil, name .. " must be a text without NUL, got one with NUL"
  end
  return nil, ("%s must be %s, got %s"):format(name, WANTED[kind], shown(value))
end

--- What is wrong with a text that may be left out; nil: nothing.
function types.text_problem(name, value)
  return value ~= nil and select(2, types.take(nil, "const char *", name, value)) or nil
end

local lists -- of parameters, by the function's name

local function read_lists()
  lists = {}
  for name, list in require("kca.abi"):gsub("/%*.-%*/", ""):gmatch("\nvoid (kca_[%w_]+)(%b())") do
    lists[name] = list:sub(2, -2):gsub("%s+", " ")
  end
end

--- The parameters of a setter except its object: the type and name of each.
local function parameters_of(fn)
  if not lists then
    read_lists()
  end
  local parameters = {}
  for kind, name in lists[fn]:gmatch("([%w_][%w_ ]-[ %*]+)([%w_]+)%f[,%z]") do
    if kind ~= "size_t " then
      parameters[#parameters + 1] = { kind = kind, name = name }
    end
  end
  table.remove(parameters, 1)
  return parameters
end

--- A setter of one value, as most are; texts, the most frequent values, skip the check.
local function single_setter(core, fn, kind, option)
  local takes_bytes = TAKE[kind] == TAKE["const void *"]
  return function(handle, value)
    if not takes_bytes or type(value) ~= "string" then
      local problem
      value, problem = types.take(core, kind, option, value)
      if problem then
        return problem
      end
    end
    fn(handle, value)
  end
end

--- A setter of the core for values of any type: called with the handle and the values, it returns what is wrong, if
-- anything.
function types.setter(core, name, option)
  local unpack = unpack or table.unpack -- luacheck: ignore 143
  local fn, parameters = core[name], parameters_of(name)
  local count = #parameters
  if count == 1 then
    return single_setter(core, fn, parameters[1].kind, option)
  end
  return function(handle, ...)
    local values, given = {}, { ... }
    for i, parameter in ipairs(parameters) do
      local problem
      values[i], problem = types.take(core, parameter.kind, option .. ": " .. parameter.name, given[i])
      if problem then
        return problem
      end
    end
    fn(handle, unpack(values, 1, count))
  end
end

return types
