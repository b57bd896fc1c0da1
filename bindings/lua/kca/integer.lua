--- Integers of any size, as exactly as this Lua can hold them.
--
-- An integer that a number holds exactly is a number: in Lua 5.4 all of 64 bits, elsewhere up to 2^53. For larger ones
-- LuaJIT has int64_t and uint64_t; all others, in 5.1 all larger ones, are tables of this module: two with equal digits
-- are equal, `tostring` gives the digits, and JSON is written with them.

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

--- Whether the number that `digits` writes is at most that of `limit`.
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

--- The integer that the text writes, in the best form that this Lua has; nil: the text is not an integer.
function integer.of(text)
  local sign, digits = tostring(text):match("^(%-?)0*(%d+)$")
  if not sign then
    return nil
  end
  local number = tonumber(sign .. digits)
  local exact = math.type and math.type(number) == "integer" or (number < EXACT and number > -EXACT)
  return exact and number or native(sign, digits) or setmetatable({ text = sign .. digits }, Integer)
end

--- Whether the value is an integer that is not a Lua number.
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
