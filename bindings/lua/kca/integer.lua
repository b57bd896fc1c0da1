--- Integers of any size, as exactly as this Lua can hold them.
--
-- What a number holds exactly is one: Lua 5.4's integers, elsewhere up to 2^53. Beyond that LuaJIT has int64_t and
-- uint64_t, and what is left, in 5.1 all of it, is a table of this module: it equals another one of the same digits,
-- `tostring` gives the digits, and JSON is written with them.

local has_ffi, ffi = pcall(require, "ffi")
local EXACT = 9007199254740992 -- 2^53
local MOST_UNSIGNED = "18446744073709551615"

local Integer = {}
Integer.__index = Integer
Integer.__tostring = function(integer)
  return integer.text
end
Integer.__eq = function(one, other)
  return one.text == other.text
end

local integer = { EXACT = EXACT }

--- Whether the one text of digits is not above the other.
local function not_above(digits, limit)
  return #digits < #limit or (#digits == #limit and digits <= limit)
end

local function native(sign, digits)
  if not has_ffi then
    return nil
  end
  if not_above(digits, sign == "-" and "9223372036854775808" or "9223372036854775807") then
    return assert(loadstring(("return %s%sLL"):format(sign, digits)))()
  end
  return sign == "" and not_above(digits, MOST_UNSIGNED) and assert(loadstring(("return %sULL"):format(digits)))() or nil
end

--- The integer of this text, as this Lua holds it best; nil: it is none.
function integer.of(text)
  local sign, digits = text:match("^(%-?)0*(%d+)$")
  if not sign then
    return nil
  end
  local number = tonumber(sign .. digits)
  local exact = math.type and math.type(number) == "integer" or (number < EXACT and number > -EXACT)
  return exact and number or native(sign, digits) or setmetatable({ text = sign .. digits }, Integer)
end

--- Whether it is an integer that is no number of Lua's.
function integer.is(value)
  return getmetatable(value) == Integer
    or (has_ffi and type(value) == "cdata" and (ffi.istype("int64_t", value) or ffi.istype("uint64_t", value)))
end

--- The digits of an integer of any kind.
function integer.digits(value)
  if type(value) == "number" then
    return ("%.0f"):format(value)
  end
  return (tostring(value):gsub("U?LL$", ""))
end
if math.type then
  function integer.digits(value)
    return math.type(value) == "float" and ("%.0f"):format(value) or tostring(value)
  end
end

return integer
