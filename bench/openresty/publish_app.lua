--- Publishing from a light thread with @client@: as many messages as are asked for, until all are stored.
local BODY = '{"orderId":"ORD-000001","amount":299.99,"customer":{"id":"CUST-1042","name":"Maria Silva",'
  .. '"email":"maria@ex.com"},"items":[{"sku":"SKU-001","qty":1,"price":99.99},{"sku":"SKU-002","qty":2,"price":101.36}]}'
local A_TURN = 1000 -- messages, then requests have a turn
local KEYS = {}
for i = 1, 100 do
  KEYS[i] = "customer-" .. i
end

--- For each client: a function that sends one message (true or nil), and one that counts the stored ones.
local clients = {}

function clients.kca()
  local kca = require("resty.kca")
  local system = assert(kca.system(
    kca.connection("kafka", "@brokers@"),
    kca.publisher("kafka", "@topic@", { required_acks = 1 })
  ))
  assert(system:start())
  local bus = assert(system:event_bus("@topic@"))
  return function(i)
    return bus:fire("orderCreated", BODY, { key = KEYS[i % 100 + 1] })
  end, function()
    local counts = system:counts()
    assert(counts.failed == 0, counts.last_error)
    return counts.stored
  end
end

clients["lua-resty-kafka"] = function()
  local host, port = ("@brokers@"):match("^(.*):(%d+)$")
  local settings = { producer_type = "async", required_acks = 1 }
  local found, module = pcall(require, "resty.kafka.producer")
  if not found then
    module = require("nginx.kafka.producer") -- as Debian has it
  end
  local producer = module:new({ { host = host, port = tonumber(port) } }, settings)
  return function(i)
    return producer:send("@topic@", KEYS[i % 100 + 1], BODY)
  end, function()
    return tonumber((producer:offset())) -- the next one of each partition: the topic was empty
  end
end

local app = {}

--- Publishes `count` messages; answers when they are stored.
function app.publish(count)
  if not app.send then
    app.send, app.stored = clients["@client@"]()
    app.sent = 0
  end
  for i = 1, count do
    while not app.send(i) do
      ngx.sleep(0.001)
    end
    if i % A_TURN == 0 then
      ngx.sleep(0.001)
    end
  end
  app.sent = app.sent + count
  while app.stored() < app.sent do
    ngx.sleep(0.02)
  end
  ngx.say(app.stored())
end

return app
