--- The application of nginx.conf: the functions that its locations call.
local gateway = require("gateway")
local json = require("kca.json")
local kca = require("resty.kca")

local HOSTS = os.getenv("KCA_HOSTS") or "embedded://"

local say, complain = gateway.say, gateway.complain
local app = { invoiced = 0 }

local system = assert(kca.system(
  kca.connection("kafka", HOSTS),
  kca.publisher("kafka", "orders", { required_acks = -1, buffer_messages = 50000 }), -- linger_ms 5, for throughput
  kca.publisher("kafka", "orders.dead", { required_acks = -1 }),
  kca.publisher("kafka", "access", { required_acks = 1, linger_ms = 100, buffer_messages = 10000 }),
  kca.consumer("kafka", "orders", "invoicing", {
    max_attempts = 5,
    rejected_error = "refused",
    dead_letter_channel = "orders.dead",
  })
))

-- ---- HTTP -> Kafka ----

function app.publish(name)
  gateway.publish(assert(system:event_bus("orders")), name)
end

-- ---- access log -> Kafka ----

--- Never waits; a message that finds no room in the buffer is counted as refused.
function app.ship()
  if system.started then
    assert(system:event_bus("access")):fire("requestServed", {
      method = ngx.req.get_method(),
      uri = ngx.var.uri,
      status = ngx.status,
      bytes = tonumber(ngx.var.bytes_sent),
      seconds = tonumber(ngx.var.request_time),
    })
  end
end

-- ---- Kafka -> upstream ----

--- POSTs JSON and gives the status; lua-resty-http, for example, can do more.
local function post(host, port, uri, body)
  local socket = ngx.socket.tcp()
  socket:settimeouts(1000, 5000, 5000)
  local ok, err = socket:connect(host, port)
  if not ok then
    return nil, err
  end
  local head = "POST %s HTTP/1.0\r\nHost: %s\r\nContent-Length: %d\r\n\r\n"
  local sent, line
  sent, err = socket:send({ head:format(uri, host, #body), body })
  if sent then
    line, err = socket:receive("*l")
  end
  socket:close()
  return line and tonumber(line:match("^HTTP/%S+ (%d+)")), err
end

--- When the upstream fails, the message is tried again, and at last dead-lettered; when it refuses, dead-lettered at once.
assert(system:handler("orderCreated", function(_, message)
  local status, err = post("127.0.0.1", app.port or 8080, "/upstream/invoices", message:payload())
  if status == 422 then
    return kca.REJECTED, "refused", "the upstream does not take it"
  elseif status ~= 200 then
    return kca.FAILED, "upstream", err or ("it answered " .. tostring(status))
  end
end))

assert(system:handler("*", function(_, message)
  ngx.log(ngx.NOTICE, "nobody needs ", message:name())
end))

--- The upstream: takes orders with an amount.
function app.invoice()
  ngx.req.read_body()
  local order = json.decode(ngx.req.get_body_data() or "")
  if type(order) ~= "table" or type(order.amount) ~= "number" then
    return say(422, { error = "amount" })
  end
  app.invoiced = app.invoiced + 1
  say(200, { invoiced = order.orderId })
end

-- ---- operation ----

local consumer = assert(system:consumer("invoicing", { amount_of_processors = 8, message_processing_timeout_ms = 30000 }))

--- State, lag and counters of this worker; the consumer runs in worker 0.
function app.status()
  local description = assert(system:description())
  for _, endpoints in pairs({ description.publishers, description.consumers }) do
    for _, endpoint in ipairs(endpoints) do
      endpoint.properties = nil -- librdkafka's, some hundred
    end
  end
  say(system.started and 200 or 503, {
    worker = ngx.worker.id(),
    started = system.started or false,
    counts = system:counts(),
    consumer = {
      running = consumer.running ~= nil,
      error = consumer:error() and consumer:error().text,
      lag = kca.array(consumer:lag()),
    },
    publishers = description.publishers,
    consumers = description.consumers,
  })
end

--- For probes: 200 or 503, of all workers together; "live" or "ready" is what is asked. See docs/telemetry.md.
function app.health(what)
  local health = assert(system:shared_health())
  say(health[what] and 200 or 503, health)
end

function app.steer(what)
  if ngx.req.get_method() ~= "POST" then
    return say(405, { error = "method", text = "POST it: it changes what the consumer does" })
  end
  local done, err
  if what == "replay" then
    done, err = consumer:seek_to_time("orders", tonumber(ngx.var.arg_from) or 0)
  else
    done, err = consumer[what](consumer, "orders")
  end
  if not done then
    return complain(err)
  end
  say(200, { done = what })
end

--- For exit_worker_by_lua.
function app.exit()
  kca.exit_worker()
end

app.port = tonumber(os.getenv("KCA_HTTP_PORT"))
assert(consumer:run())
local started, problem = system:start()
if not started then
  ngx.log(ngx.ERR, "not started, tried again from now on: ", problem.text)
end
assert(system:share_health("kca_health"))
return app
