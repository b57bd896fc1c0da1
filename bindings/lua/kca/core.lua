--- The SWIG module kca_core, as this binding uses it.
--
-- What Lua cannot hold exactly as a number comes out of it as the text of its digits, and goes in likewise.

local integer = require("kca.integer")
local swig = require("kca_core")

local core = {}
for name, value in pairs(swig) do
  core[name] = value
end

--- A 64-bit integer of any kind as the module takes it.
function core.int64(value)
  return type(value) == "number" and value or integer.digits(value)
end

--- Calls the function, whose result is a 64-bit integer.
local function widened(fn)
  return function(...)
    local value = fn(...)
    return type(value) == "string" and integer.of(value) or value
  end
end

for _, name in ipairs({
  "kca_delivery_offset",
  "kca_delivery_timestamp_ms",
  "kca_event_offset",
  "kca_event_token",
  "kca_message_timestamp_ms",
}) do
  core[name] = widened(swig[name])
end

function core.kca_message_json_int64(...)
  local ok, value = swig.kca_message_json_int64(...)
  return ok, type(value) == "string" and integer.of(value) or value
end

return core
