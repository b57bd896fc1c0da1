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

--- Publishes the body as the payload, unchanged; answers with the receipt.
function gateway.publish(bus, name)
  if ngx.req.get_method() ~= "POST" then
    return gateway.say(405, { error = "method", text = "POST a JSON body" })
  end
  local body, why = kca.request_body()
  if not body then
    return gateway.complain(why)
  end
  local var, fields = ngx.var, kca.request_fields({ "tenant" })
  fields.key, fields.correlation_id, fields.check_json = var.http_key, var.http_correlation_id, true
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
