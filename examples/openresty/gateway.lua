--- HTTP -> Kafka: publishes the body of a POST, and answers with the receipt.
local json = require("kca.json")
local kca = require("resty.kca")

local STATUS = { payload = 400, argument = 400, too_large = 413, buffer_full = 503, timeout = 504, state = 503 }

local gateway = {}

function gateway.say(status, value)
  ngx.status = status
  ngx.header.content_type = "application/json"
  ngx.say(json.encode(value))
end

function gateway.complain(err)
  gateway.say(STATUS[err.name] or 502, { error = err.name, text = err.text, retriable = err.retriable })
end

--- The request's trace; a header that breaks W3C's form is left out, as W3C says.
local function trace_of(traceparent, tracestate)
  if not traceparent then
    return nil
  end
  return not kca.message("probe", kca.null):set_trace_context(traceparent, tracestate):error() and traceparent or nil
end

--- Publishes the body as the payload, unchanged; answers with the receipt.
function gateway.publish(bus, name)
  if ngx.req.get_method() ~= "POST" then
    return gateway.say(405, { error = "method", text = "POST a JSON body" })
  end
  ngx.req.read_body()
  local var = ngx.var
  local body, fields = ngx.req.get_body_data() or "", {
    key = var.http_key,
    correlation_id = var.http_correlation_id,
    traceparent = trace_of(var.http_traceparent, var.http_tracestate),
    tracestate = var.http_tracestate,
    check_json = true,
  }
  if var.arg_wait == "no" then
    local accepted, err = bus:fire(name, body, fields)
    if not accepted then
      return gateway.complain(err)
    end
    return gateway.say(202, { accepted = true })
  end
  local receipt, err = bus:publish(name, body, fields)
  if not receipt then
    return gateway.complain(err)
  end
  gateway.say(201, { topic = receipt.topic, partition = receipt.partition, offset = receipt.offset })
end

return gateway
