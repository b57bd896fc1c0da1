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

--- The name and text of an error; a value of any kind may have been raised or returned.
function errors.explain(err)
  if type(err) == "table" and err.text then
    return tostring(err.name or "handler"), tostring(err.text)
  end
  return "handler", tostring(err)
end

return errors
