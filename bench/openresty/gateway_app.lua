--- The gateway of examples/openresty alone, and locations of this nginx that answer without Kafka.
local gateway = require("gateway")
local kca = require("resty.kca")

local app = {}

local system = assert(kca.system(
  kca.connection("kafka", "@brokers@"),
  kca.publisher("kafka", "@topic@", { required_acks = -1, buffer_messages = 50000 })
))
assert(system:start())
local bus = assert(system:event_bus("@topic@"))

function app.publish()
  gateway.publish(bus, "orderCreated")
end

--- Does as much HTTP as the gateway: reads its body, and answers with one as large as its answer.
function app.plain()
  ngx.req.read_body()
  if not ngx.req.get_body_data() then
    return ngx.exit(400)
  end
  if ngx.var.arg_wait == "no" then
    return gateway.say(202, { accepted = true })
  end
  gateway.say(201, { topic = "@topic@", partition = 0, offset = 100000 })
end

function app.counts()
  gateway.say(200, system:counts())
end

return app
