--- Hooks on publishing and on handling.
local check = require("check")
local systems = require("systems")
local kca = check.kca
local tests = {}

local SPAN = "00-4bf92f3577b34da6a3ce929d0e0e4736-1111111111111111-01"

--- Functions before and after that note their calls.
local function noting(calls, name)
  return function(h)
    check.equal(h.kept, nil)
    calls[#calls + 1] = name .. "<"
    h.kept = name
  end, function(h)
    check.equal(h.kept, name)
    check.equal(h.duration_ms >= 0, true)
    calls[#calls + 1] = name .. ">"
  end
end

--- Publishes the messages, and handles until "last".
local function handle(system, ...)
  local consumer
  assert(system:handler("last", function()
    consumer:stop()
  end))
  assert(system:start(10000))
  local bus = assert(system:event_bus("orders"))
  for _, name in ipairs({ ... }) do
    assert(bus:publish(name, {}, { key = systems.KEY, message_id = name }))
  end
  assert(bus:publish("last", {}, { key = systems.KEY }))
  consumer = assert(system:consumer("shop"))
  assert(consumer:run())
  local described = assert(system:description()).consumers[1]
  assert(system:shutdown(10000))
  return described
end

function tests.a_handler_is_inside_its_hooks()
  local system, calls = systems.declared(), {}
  assert(system:handling_hook(noting(calls, "a")))
  assert(system:handling_hook(nil, function(h)
    calls[#calls + 1] = ("b> %s %d %s"):format(h.delivery:name(), h.verdict, h.error_name)
  end))
  assert(system:handling_hook(noting(calls, "c")))
  assert(system:handler("orderCreated", function()
    calls[#calls + 1] = "handler"
  end))
  handle(system, "orderCreated")
  check.equal(table.concat(calls, ", ", 1, 6), "a<, c<, handler, c>, b> orderCreated 0 , a>")
end

function tests.a_before_settles_and_a_hook_that_fails_fails_the_delivery()
  local system, calls, marked = systems.declared(), {}, 0
  assert(system:set_deduplication_store("shop", {
    seen = function()
      return false
    end,
    mark = function(_, id)
      marked = marked + (id == "late" and 1 or 0)
    end,
  }))
  assert(system:handling_hook(nil, function(h)
    if h.delivery:name() ~= "last" then
      calls[#calls + 1] = ("%s %d %s: %s"):format(h.delivery:name(), h.verdict, h.error_name, h.error_text)
    end
  end))
  assert(system:handling_hook(function(h)
    local name = h.delivery:name()
    if name == "again" then
      return kca.DUPLICATE
    elseif name == "no" then
      return kca.REJECTED, "NoTenant", "it has no tenant"
    elseif name == "raise" then
      error(kca.rejected("Locked", "it is locked"))
    elseif name == "err" then
      return nil, { name = "Broken", text = "it is broken" }
    elseif name == "odd" then
      return 7
    elseif name == "yes" then
      return true
    end
  end, function(h)
    if h.delivery:name() == "late" then
      error({ name = "Late", text = "too late" })
    end
  end))
  assert(system:handler("*", function() end))
  local described = handle(system, "again", "no", "raise", "err", "odd", "yes", "late")
  check.equal(
    table.concat(calls, "; "),
    "again 4 : ; no 2 NoTenant: it has no tenant; raise 2 Locked: it is locked; err 1 Broken: it is broken; "
      .. "odd 1 handler: it returned 7, which is not a verdict; "
      .. "yes 1 hook: a function before handling returned true, which is not a verdict; late 1 Late: too late"
  )
  check.equal(described.handled, 1)
  check.equal(described.skipped, 6)
  check.equal(marked, 0)
end

function tests.hooks_change_what_is_published_and_not_the_message()
  local system, seen = systems.declared(), {}
  assert(system:publish_hook(function(h)
    check.equal(h.channel, "orders")
    h.message:set_header("tenant", "acme")
  end, function(h)
    check.equal(h.error, nil)
    check.equal(h.kept, nil)
  end))
  assert(system:publish_hook(function(h)
    check.equal(h.message:header("tenant"), "acme")
    h.message:set_payload({ id = 2 }):set_trace_context(SPAN)
  end))
  assert(system:handler("orderCreated", function(order, message)
    seen[#seen + 1] =
      table.concat({ tostring(order.id), message:header("tenant"), message:header("own"), message:traceparent() }, " ")
  end))
  local own = assert(kca.message("orderCreated", { id = 1 }, { key = systems.KEY, headers = { own = "1" } }))
  local consumer
  assert(system:handler("last", function()
    consumer:stop()
  end))
  assert(system:start(10000))
  local bus = assert(system:event_bus("orders"))
  assert(bus:publish(own))
  check.equal(own:header("tenant"), nil)
  check.equal(own:payload(), '{"id":1}')
  assert(bus:publish("orderCreated", { id = 1 }, { key = systems.KEY, headers = { own = "2" } }))
  assert(bus:publish("last", {}, { key = systems.KEY }))
  consumer = assert(system:consumer("shop"))
  assert(consumer:run())
  check.equal(table.concat(seen, ", "), ("2 acme 1 %s, 2 acme 2 %s"):format(SPAN, SPAN))
  assert(system:shutdown(10000))
end

function tests.a_hook_drops_or_refuses_a_message()
  local system, calls = systems.declared(), {}
  assert(system:publish_hook(noting(calls, "a")))
  assert(system:publish_hook(function(h)
    local name = h.message:name()
    if name == "drop" then
      return kca.DROP
    elseif name == "odd" then
      return 5
    elseif name == "refuse" then
      return nil, kca.rejected("NoTenant", "it has no tenant")
    end
  end, function(h)
    if h.message:name() == "late" then
      error("too late")
    end
    check.equal(h.error == nil, h.message:name() ~= "nameless")
  end))
  assert(system:handler("*", function() end))
  assert(system:start(10000))
  local bus = assert(system:event_bus("orders"))
  assert(bus:publish("drop", {}, { token = 7 }))
  local receipt = systems.next(assert(system:queue()))
  check.equal(receipt.kind, "receipt")
  check.equal(receipt.token, 7)
  check.equal(receipt.partition, -1)
  check.equal(table.concat(calls, " "), "a< a>")
  check.contains(check.fails("hook", bus:publish("refuse", {})), "NoTenant: it has no tenant")
  check.contains(check.fails("hook", bus:publish("odd", {})), "returned 5, which is not kca.DROP")
  check.contains(check.fails("hook", bus:publish("late", {})), "too late")
  check.equal(table.concat(calls, " "), "a< a> a< a> a< a> a< a>")
  assert(bus:flush(30000))
  check.equal(assert(system:description()).publishers[1].stored, 1)
  assert(system:shutdown(10000))
end

function tests.what_a_hook_publishes_goes_without_hooks()
  local system, calls, bus = systems.declared(), {}, nil
  local function audit(h)
    calls[#calls + 1] = h.message:name()
    assert(bus:publish("audit", {}))
  end
  assert(system:publish_hook(audit, audit))
  assert(system:handler("*", function() end))
  assert(system:start(10000))
  bus = assert(system:event_bus("orders"))
  assert(bus:publish("a", {}))
  assert(bus:flush(30000))
  check.equal(table.concat(calls, " "), "a a")
  check.equal(assert(system:description()).publishers[1].stored, 3)
  assert(system:shutdown(10000))
end

function tests.a_declaration_says_what_is_wrong()
  local system = systems.declared()
  check.contains(check.fails("argument", system:publish_hook()), "a function before, after, or both")
  check.contains(check.fails("argument", system:handling_hook(5)), "before must be a function, got 5")
  assert(system:handler("*", function() end))
  assert(system:start(10000))
  check.contains(check.fails("state", system:handling_hook(function() end)), "before start")
  assert(system:shutdown(10000))
end

--- A delivery's trace is that of its span, and what nobody takes at the end is counted.
function tests.an_exporter_makes_spans_of_publishes_and_handlings()
  local system, seen = systems.declared(), nil
  local none, err = system:set_exporter({ OTEL_TRACES_SAMPLER = "often" })
  check.equal(none, nil)
  check.contains(err, "OTEL_TRACES_SAMPLER must be always_on")
  none, err = system:set_exporter("OTEL_SERVICE_NAME=shop")
  check.equal(none, nil)
  check.contains(err, "settings must be a table, got string")
  none, err = system:set_exporter({ OTEL_SERVICE_NAME = "a\nb" })
  check.equal(none, nil)
  check.contains(err, "OTEL_SERVICE_NAME must be one line")
  local url = "http://127.0.0.1:1"
  assert(system:set_exporter({ OTEL_EXPORTER_OTLP_ENDPOINT = url, OTEL_BSP_SCHEDULE_DELAY = 3600000 }))
  local consumer
  assert(system:handler("orderCreated", function(_, d)
    seen = d:traceparent()
    consumer:stop()
  end))
  assert(system:start())
  systems.publish(system, {})
  consumer = assert(system:consumer("shop"))
  assert(consumer:run())
  assert(seen:match("^00%-%x+%-%x+%-01$"), seen)
  assert(system:shutdown())
  local exporter = assert(system:description()).exporter
  check.equal(exporter.url, url .. "/v1/traces")
  check.equal(exporter.failed, 3)
end

return tests
