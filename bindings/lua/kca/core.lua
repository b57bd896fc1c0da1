--- The SWIG module kca_core, as this binding uses it.
--
-- An integer that a number of this Lua cannot hold exactly is passed as the text of its digits, in both directions.

local integer = require("kca.integer")
local swig = require("kca_core")

local core = {}
for name, value in pairs(swig) do
  core[name] = value
end

--- A 64-bit integer of any kind, in the form that the module takes.
function core.int64(value)
  return type(value) == "number" and value or integer.digits(value)
end

--- A function whose result, a 64-bit integer, is made of the text of its digits where `fn` gives one.
local function widened(fn)
  return function(...)
    local value = fn(...)
    return type(value) == "string" and integer.of(value) or value
  end
end

for _, name in ipairs({
  "kca_delivery_offset",
  "kca_delivery_timestamp_ms",
  "kca_event_dropped",
  "kca_event_offset",
  "kca_event_reset_count",
  "kca_event_reset_from",
  "kca_event_reset_to",
  "kca_event_since_ms",
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
