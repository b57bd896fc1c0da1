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

local declared -- for each function of kca_abi.h: its parameters, and whether it can fail

local function read_declarations()
  declared = {}
  local text = require("kca.abi"):gsub("/%*.-%*/", "")
  for kind, name, list in text:gmatch("\n([%w_][%w_ ]-[ %*]+)(kca_[%w_]+)(%b());") do
    declared[name] = { list = list:sub(2, -2):gsub("%s+", " "), fails = kind == "kca_error *" }
  end
end

local function declaration_of(fn)
  if not declared then
    read_declarations()
  end
  return declared[fn]
end

--- The parameters that take a value, not a handle: the type and name of each.
local function parameters_of(fn)
  local parameters = {}
  for kind, name in declaration_of(fn).list:gmatch("([%w_][%w_ ]-[ %*]+)([%w_]+)%f[,%z]") do
    if TAKE[kind] then
      parameters[#parameters + 1] = { kind = kind, name = name }
    end
  end
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

--- A function of the core for values of any type: one of a wrong type is an error, which says what the value is called
-- and not the function of C, and `what` was asked; more values than it takes are left out.
function types.checked(core, name, what)
  local unpack = unpack or table.unpack -- luacheck: ignore 143
  local fn, parameters, fails = core[name], parameters_of(name), declaration_of(name).fails
  local count = #parameters

  local function refuse(problem)
    local text = ("%s: %s"):format(what, problem)
    if not fails then
      error(text, 4)
    end
    return false, { code = core.KCA_ERROR_ARGUMENT, name = "argument", text = text, rdkafka_code = 0,
      retriable = false, fatal = false }
  end

  if count == 0 then
    return function(handle)
      return fn(handle)
    end
  elseif count == 1 then
    local parameter = parameters[1]
    return function(handle, value)
      local taken, problem = types.take(core, parameter.kind, parameter.name, value)
      if problem then
        return refuse(problem)
      end
      return fn(handle, taken)
    end
  end
  return function(handle, ...)
    local values, given = {}, { ... }
    for i, parameter in ipairs(parameters) do
      local problem
      values[i], problem = types.take(core, parameter.kind, parameter.name, given[i])
      if problem then
        return refuse(problem)
      end
    end
    return fn(handle, unpack(values, 1, count))
  end
end

return types
