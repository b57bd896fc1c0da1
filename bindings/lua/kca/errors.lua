--- What goes wrong: tables with code, name, text, rdkafka_code, retriable and fatal; `tostring` gives the text.

local Error = {}
Error.__index = Error
Error.__tostring = function(err)
  return err.text
end

local errors = {}

--- An error of a plain table; nil of nil.
function errors.of(plain)
  return plain and setmetatable(plain, Error)
end

--- An error of this module's own.
function errors.new(code, name, text)
  return errors.of({ code = code, name = name, text = text, rdkafka_code = 0, retriable = false, fatal = false })
end

--- A core's `true, result` or `false, failure` as `result` or `nil, err`.
function errors.fallible(ok, result)
  if not ok then
    return nil, errors.of(result)
  end
  if result == nil then
    return true
  end
  return result
end

--- An error's name and text, of whatever was raised or returned as one.
function errors.explain(err)
  if type(err) == "table" and err.text then
    return tostring(err.name or "handler"), tostring(err.text)
  end
  return "handler", tostring(err)
end

return errors
