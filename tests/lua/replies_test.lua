--- What handlers return is their reply.
local check = require("check")
local systems = require("systems")
local kca = check.kca
local tests = {}

local function ask(system, count)
  assert(system:start(10000))
  local bus = assert(system:query_bus("orders"))
  for i = 1, count do
    assert(bus:publish("question", { i = i }, { key = systems.KEY, correlation_id = tostring(i) }))
  end
  assert(bus:publish("end", {}, { key = systems.KEY, correlation_id = "end" }))
  assert(bus:flush(10000))
  assert(system:consumer("shop"):run())
end

local function shop(options)
  local system = assert(kca.system(
    kca.connection("local", "embedded://"),
    kca.publisher("local", "orders", { reply_channel = "answers", required_acks = -1, linger_ms = 0 }),
    kca.publisher("local", "answers", { required_acks = -1, linger_ms = 0 }),
    kca.consumer("local", "orders", "shop", options),
    kca.consumer("local", "answers", "asker", { partition = kca.PARTITION_EVERY })
  ))
  assert(system:handler("end", function()
    system:consumer("shop"):stop()
  end))
  return system
end

--- The payloads of replies by correlation id, and the headers of the last.
local function replies(system, count)
  local queue = assert(system:consumer("asker"):queue())
  local found, headers = {}, nil
  for _ = 1, count do
    local d = systems.next(queue)
    check.equal(found[d:correlation_id()], nil)
    found[d:correlation_id()], headers = d:payload(), d:header("colour") or headers
    assert(d:done())
  end
  queue:close()
  return found, headers
end

--- What each handler does, and the payload of its reply.
local CASES = {
  { function() return { a = 1 } end, '{"a":1}' },
  { function() return "text" end, '"text"' },
  { function() return true end, "true" },
  { function() return false end, "false" },
  { function() return kca.null end, "null" },
  { function() end, "null" },
  { function() return kca.DONE end, "null" },
  { function(d) assert(d:wants_reply()) assert(d:reply(7)) end, "7" },
  { function(d) assert(d:reply(7)) return { b = 2 } end, '{"b":2}' },
  { function() return assert(kca.message(nil, "[1]", { unnamed = true, headers = { colour = "blue" } })) end, "[1]" },
  { function() return kca.REJECTED, "NegativeAmount", "negative amount" end, '{"error":"negative amount"}' },
  { function() return nil, kca.rejected("NegativeAmount", "negative") end, '{"error":"negative"}' },
  { function() return { print } end, '{"error":"reply: ' },
} -- luacheck: ignore

function tests.what_a_handler_returns_is_its_reply()
  local system = shop({ partition = 0, failure_policy = "skip", reply = true })
  assert(system:handler("question", function(question, d)
    return CASES[question.i][1](d)
  end))
  ask(system, #CASES)
  local found, colour = replies(system, #CASES + 1)
  for i, case in ipairs(CASES) do
    check.equal(found[tostring(i)]:sub(1, #case[2]), case[2])
  end
  check.equal(found["end"], "null")
  check.equal(colour, "blue")
  check.equal(assert(system:description()).consumers[1].replied, #CASES + 1)
  assert(system:shutdown(10000))
end

--- `true` is how much of Lua says that all went well.
function tests.a_result_that_nobody_gets_is_told_once_for_each_handler()
  local system = shop({ partition = 0, failure_policy = "skip" })
  local told, warn = {}, kca.warn
  kca.warn = function(text)
    told[#told + 1] = text
  end
  assert(system:handler("question", function(question)
    return question.i == 1 or { i = question.i }
  end))
  ask(system, 3)
  kca.warn = warn
  check.equal(#told, 1)
  check.contains(told[1], "a handler of question returned a table that nobody gets: ")
  assert(system:shutdown(10000))
end

return tests
