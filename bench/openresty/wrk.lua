-- For wrk: GETs, or with the argument "post" POSTs of one body. Prints the figures as JSON, behind a mark.
local BODY = '{"orderId":"ORD-000001","amount":299.99,"customer":{"id":"CUST-1042","name":"Maria Silva",'
  .. '"email":"maria@ex.com"},"items":[{"sku":"SKU-001","qty":1,"price":99.99},{"sku":"SKU-002","qty":2,"price":101.36}]}'
local FIGURES = 'FIGURES {"requests": %d, "seconds": %f, "p50_us": %d, "p99_us": %d, "failures": %d}'

function init(arguments)
  if arguments[1] == "post" then
    wrk.method, wrk.body = "POST", BODY
    wrk.headers["Content-Type"] = "application/json"
  end
end

function done(summary, latency)
  local e = summary.errors
  local failures = e.connect + e.read + e.write + e.status + e.timeout
  local p50, p99 = latency:percentile(50), latency:percentile(99)
  print(FIGURES:format(summary.requests, summary.duration / 1e6, p50, p99, failures))
end
