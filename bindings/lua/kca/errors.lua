--- Errors: tables with code, name, text, rdkafka_code, retriable and fatal; `tostring` gives the text.

local Error = {}
Error.__index = Error
Error.__tostring = function(err)
  return err.text
end

local errors = {}

--- Makes a plain table an error; nil for nil.
function errors.of(plain)
  return plain and setmetatable(plain, Error)
end

--- An error of this module's own.
function errors.new(code, name, text)
  return errors.of({ code = code, name = name, text = text, rdkafka_code = 0, retriable = false, fatal = false })
end

--- Turns a core's `true, result` or `false, failure` into `result` or `nil, err`.
function errors.fallible(ok, result)
  if not ok then
    return nil, errors.of(result)
  end
  if result == nil then
    return true
  end
  return result
end

--- The text of a value of any kind; its `__tostring` may raise an error, or give something else than a text.
function errors.text(value)
  local ok, text = pcall(tostring, value)
  if ok and (type(text) == "string" or type(text) == "number") then
    return tostring(text)
  end
  return ("a %s that has no text"):format(type(value))
end

local SHORT = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

--- What a terminal would obey in the text of others, made visible as the library does it in its own texts.
function errors.visible(text)
  local function control(char)
    return SHORT[char] or ("\\x%02x"):format(char:byte())
  end
  local function far(one, two)
    return ("\\u%04x"):format(0x2000 + (one:byte() - 128) * 64 + two:byte() - 128)
  end
  return (
    text
      :gsub("%c", control)
      :gsub("\194([\128-\159])", function(char)
        return ("\\u%04x"):format(char:byte())
      end)
      :gsub("\216\156", "\\u061c")
      :gsub("\226(\128)([\142\143\168-\174])", far)
      :gsub("\226(\129)([\166-\169])", far)
  )
end

local function parts(err)
  if type(err) == "table" then
    return err.verdict, err.name, err.text
  end
end

--- The verdict (nil: none), name and text of an error; a value of any kind may have been raised or returned, and to read
-- it may raise another.
function errors.explain(err)
  local ok, verdict, name, text = pcall(parts, err)
  if ok and text then
    return verdict, name and errors.text(name) or "handler", errors.text(text)
  end
  return ok and verdict or nil, "handler", errors.text(err)
end

return errors
