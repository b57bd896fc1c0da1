--- Tables and JSON, with nothing lost on the way: empty arrays stay arrays, null is `json.null`, and integers keep all
-- their digits (see kca.integer).
--
-- lua-cjson reads the texts that it reads without loss, and its marks are understood: cjson.null, and in OpenResty also
-- empty_array, array_mt and empty_array_mt. lua-cjson writes only 14 digits of a number, so writing is done here, and
-- so is reading texts with long numbers or empty arrays.

local integer = require("kca.integer")

local DEEPEST = 1000
local has_cjson, cjson = pcall(require, "cjson")
if not has_cjson then
  cjson = {}
end

local json = {}

--- The value that stands for null: cjson.null where lua-cjson is there; in OpenResty that is ngx.null.
json.null = cjson.null or (ngx and ngx.null) or setmetatable({}, {
  __tostring = function()
    return "null"
  end,
})

--- The metatable of tables that are arrays even when they are empty.
json.array_mt = cjson.array_mt or {}

--- Marks a table as an array; needed when it may be empty.
function json.array(list)
  if list ~= nil and type(list) ~= "table" then
    error("array: it must be a table, got a " .. type(list), 2)
  end
  return setmetatable(list or {}, json.array_mt)
end

-- ---- writing ----

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }
for byte = 0, 31 do
  local char = string.char(byte)
  ESCAPES[char] = ESCAPES[char] or ("\\u%04x"):format(byte)
end

local function quoted(text)
  if text:find('[%c"\\]') then
    text = text:gsub('[%z\1-\31"\\]', ESCAPES)
  end
  return '"' .. text .. '"'
end

local function number_text(value)
  if value ~= value or value >= math.huge or value <= -math.huge then
    return nil
  end
  if math.type and math.type(value) == "integer" then
    return tostring(value)
  end
  if value % 1 == 0 and value > -integer.EXACT and value < integer.EXACT then
    return ("%.0f"):format(value) .. (math.type and ".0" or "")
  end
  for precision = 15, 17 do
    local text = ("%%.%dg"):format(precision):format(value)
    if tonumber(text) == value then
      return text
    end
  end
end

local function is_array(value)
  local mt = getmetatable(value)
  return mt and (mt == json.array_mt or mt == cjson.empty_array_mt) or #value > 0
end

--- A place in the value, to begin an error text with; "" for the whole value.
local function label(place)
  return place == "" and "" or place .. ": "
end

local write

local function write_array(list, out, place, depth)
  out[#out + 1] = "["
  local count = #list
  for key in pairs(list) do
    if type(key) ~= "number" or key < 1 or key > count or key % 1 ~= 0 then
      return nil, label(place) .. ("an array has the key %s"):format(tostring(key))
    end
  end
  for i = 1, count do
    if i > 1 then
      out[#out + 1] = ","
    end
    local ok, why = write(list[i], out, ("%s[%d]"):format(place, i), depth)
    if not ok then
      return nil, why
    end
  end
  out[#out + 1] = "]"
  return true
end

local function write_object(object, out, place, depth)
  out[#out + 1] = "{"
  local comma
  for key, value in pairs(object) do
    local name = type(key) == "number" and number_text(key) or key
    if type(name) ~= "string" then
      return nil, label(place) .. ("an object has a key that is a %s"):format(type(key))
    end
    out[#out + 1] = (comma and "," or "") .. quoted(name) .. ":"
    comma = true
    local ok, why = write(value, out, place == "" and name or place .. "." .. name, depth)
    if not ok then
      return nil, why
    end
  end
  out[#out + 1] = "}"
  return true
end

local function scalar(value)
  local kind = type(value)
  if kind == "string" then
    return quoted(value)
  elseif kind == "number" then
    return number_text(value)
  elseif kind == "boolean" then
    return value and "true" or "false"
  elseif value == json.null then
    return "null"
  elseif integer.is(value) then
    return integer.digits(value)
  elseif value == cjson.empty_array and value ~= nil then
    return "[]"
  end
end

function write(value, out, place, depth)
  local text = scalar(value)
  if text then
    out[#out + 1] = text
    return true
  elseif type(value) ~= "table" then
    local kind = type(value) == "number" and tostring(value) or "a " .. type(value)
    return nil, ("%s%s cannot be written as JSON"):format(label(place), kind)
  elseif depth == DEEPEST then
    return nil, "it is nested deeper than " .. DEEPEST
  end
  return (is_array(value) and write_array or write_object)(value, out, place, depth + 1)
end

--- The JSON text of a value, or nil and why there is none. A table is an array when it has a first element or is marked
-- as one, else an object.
function json.encode(value)
  local out = {}
  local ok, why = write(value, out, "", 0)
  if not ok then
    return nil, why
  end
  return table.concat(out)
end

-- ---- reading ----

local CHARS = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", ['"'] = '"', ["\\"] = "\\", ["/"] = "/" }
local read

local function fail(at, what)
  error({ json = ("%s at byte %d"):format(what, at) }, 0)
end

local function utf8_of(code)
  local char = string.char
  if code < 0x80 then
    return char(code)
  elseif code < 0x800 then
    return char(0xC0 + math.floor(code / 64), 0x80 + code % 64)
  elseif code < 0x10000 then
    return char(0xE0 + math.floor(code / 4096), 0x80 + math.floor(code / 64) % 64, 0x80 + code % 64)
  end
  return char(
    0xF0 + math.floor(code / 262144),
    0x80 + math.floor(code / 4096) % 64,
    0x80 + math.floor(code / 64) % 64,
    0x80 + code % 64
  )
end

--- One escape sequence, and where it ends.
local function escape(text, at)
  local char = text:sub(at + 1, at + 1)
  if CHARS[char] then
    return CHARS[char], at + 2
  end
  local code = tonumber(text:match("^u(%x%x%x%x)", at + 1) or fail(at, "a wrong escape"), 16)
  if code < 0xD800 or code > 0xDFFF then
    return utf8_of(code), at + 6
  end
  local low = tonumber(text:match("^\\u([dD][c-fC-F]%x%x)", at + 6) or fail(at, "half a surrogate pair"), 16)
  if code > 0xDBFF then
    fail(at, "half a surrogate pair")
  end
  return utf8_of(0x10000 + (code - 0xD800) * 1024 + low - 0xDC00), at + 12
end

local function read_string(text, at)
  local parts = {}
  local begin = at + 1
  while true do
    local stop = text:find('[%z\1-\31"\\]', begin) or fail(#text + 1, "a string that does not end")
    local char = text:sub(stop, stop)
    parts[#parts + 1] = text:sub(begin, stop - 1)
    if char == '"' then
      return table.concat(parts), stop + 1
    elseif char ~= "\\" then
      fail(stop, "a control character in a string")
    end
    parts[#parts + 1], begin = escape(text, stop)
  end
end

local function read_number(text, at)
  local whole = text:match("^%-?%d+", at) or fail(at, "no JSON value")
  if whole:find("^%-?0%d") then
    fail(at, "a number with a leading zero")
  end
  local stop = at + #whole
  local rest = text:match("^%.%d+[eE][+-]?%d+", stop) or text:match("^%.%d+", stop) or text:match("^[eE][+-]?%d+", stop)
  if rest then
    return (tonumber(whole .. rest) or fail(at, "a number out of range")) + 0.0, stop + #rest
  end
  return integer.of(whole), stop
end

local function skip(text, at)
  return text:find("[^ \t\r\n]", at) or #text + 1
end

local function read_array(text, at, depth)
  local list = {}
  at = skip(text, at + 1)
  if text:sub(at, at) == "]" then
    return json.array(list), at + 1
  end
  while true do
    list[#list + 1], at = read(text, at, depth)
    at = skip(text, at)
    local char = text:sub(at, at)
    if char == "]" then
      return list, at + 1
    elseif char ~= "," then
      fail(at, "no , or ] in an array")
    end
    at = skip(text, at + 1)
  end
end

local function read_object(text, at, depth)
  local object = {}
  at = skip(text, at + 1)
  if text:sub(at, at) == "}" then
    return object, at + 1
  end
  while true do
    if text:sub(at, at) ~= '"' then
      fail(at, "no name in an object")
    end
    local name
    name, at = read_string(text, at)
    at = skip(text, at)
    if text:sub(at, at) ~= ":" then
      fail(at, "no : in an object")
    end
    object[name], at = read(text, skip(text, at + 1), depth)
    at = skip(text, at)
    local char = text:sub(at, at)
    if char == "}" then
      return object, at + 1
    elseif char ~= "," then
      fail(at, "no , or } in an object")
    end
    at = skip(text, at + 1)
  end
end

local WORDS = { t = { "true", true }, f = { "false", false }, n = { "null", json.null } }

function read(text, at, depth)
  local char = text:sub(at, at)
  if depth == DEEPEST then
    fail(at, "nested deeper than " .. DEEPEST)
  elseif char == '"' then
    return read_string(text, at)
  elseif char == "{" then
    return read_object(text, at, depth + 1)
  elseif char == "[" then
    return read_array(text, at, depth + 1)
  end
  local word = WORDS[char]
  if word and text:sub(at, at + #word[1] - 1) == word[1] then
    return word[2], at + #word[1]
  end
  return read_number(text, at)
end

local function read_all(text)
  local value, at = read(text, skip(text, 1), 0)
  at = skip(text, at)
  if at <= #text then
    fail(at, "something after the value")
  end
  return value
end

--- lua-cjson's reader, if it distinguishes integers from floats as this Lua does.
local function reader_of_cjson()
  if not cjson.new or (math.type and math.type(cjson.decode("[1]")[1]) ~= "integer") then
    return nil
  end
  local own = cjson.new()
  own.decode_invalid_numbers(false)
  return own.decode
end

local fast = reader_of_cjson()

--- Patterns of texts that lua-cjson reads differently, or takes although they are not JSON: empty arrays, numbers that
-- are long or end or begin with their point, and control characters in strings.
local UNLIKE = { "%[%s*%]", ("%d"):rep(16), "%d%.%D", "%d%.$", "%-%.", "%c" }

local function is_alike(text)
  for i = 1, #UNLIKE do
    if text:find(UNLIKE[i]) then
      return false
    end
  end
  return true
end

--- The value of a JSON text, or nil and where it breaks.
function json.decode(text)
  if fast and is_alike(text) then
    local ok, value = pcall(fast, text)
    if ok then
      return value
    end
  end
  local ok, value = pcall(read_all, text)
  if ok then
    return value
  end
  return nil, type(value) == "table" and value.json or tostring(value)
end

return json
