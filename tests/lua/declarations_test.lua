--- Declarations chain and keep their first failure; messages keep what they are given.
local check = require("check")
local kca = check.kca
local tests = {}

local SAMPLES = {
  reply_channel = "c",
  compression = "gzip",
  property = "p",
  group_topic = "t",
  start_offset = "latest",
  group_instance_id = "i",
  assignment_strategy = "range",
  order = "none",
  rejected_error = "e",
  dead_letter_channel = "d",
  dead_letter_format = "kca",
  transactional_id = "t",
  to_topic = "t",
  only_topic = "t",
  only_error = "e",
}

function tests.every_option_returns_the_same_object()
  local builders = {
    connection = kca.connection("local", "embedded://"),
    publisher_builder = kca.publisher_builder("local", "orders"),
    consumer_builder = kca.consumer_builder("local", "orders", "shop"),
    redrive = kca.redrive("local", "orders.dead"),
  }
  local count = 0
  for kind, builder in pairs(builders) do
    for name in pairs(kca.core) do
      local option = name:match("^kca_" .. kind .. "_(with_.+)$")
      if option then
        local text = kind == "connection" or option:match("isolation") or option:match("policy")
          or option:match("group_id") or SAMPLES[option:sub(6)]
        local value = text and "1" or 1
        local result
        if option == "with_sasl" then
          result = builder:with_sasl("PLAIN", "user", "password")
        elseif option == "with_property" then
          result = builder:with_property("name", "value")
        else
          result = builder[option](builder, value)
        end
        assert(rawequal(result, builder), option)
        count = count + 1
      end
    end
  end
  assert(count > 30, count)
end

function tests.a_boolean_is_an_option_too()
  local builder = kca.publisher_builder("local", "orders"):with_async(false):with_idempotence(true)
  check.fails("argument", assert(kca.system()):add_publisher(builder)) -- idempotence needs acks -1
end

function tests.first_failure_of_a_builder_comes_out_when_it_is_added()
  local builder = kca.publisher_builder("local", "orders"):with_batch_size(0):with_compression("zip")
  local err = check.fails("argument", assert(kca.system()):add_publisher(builder))
  check.equal(err.text, "publisher orders: batch_size must be 1 to 1000000, got 0")
  check.equal(tostring(err), err.text)
  check.equal(err.code, kca.ERROR_ARGUMENT)
  check.equal(err.retriable, false)
  check.equal(err.fatal, false)
end

function tests.a_chain_on_a_bad_name_goes_on_and_fails_when_it_is_added()
  local builder = kca.publisher_builder("local", ""):with_batch_size(1):with_property("name", "value")
  check.fails("argument", assert(kca.system()):add_publisher(builder))
  check.fails("argument", assert(kca.system()):add_connection(kca.connection("", "embedded://"):with_tls()))
end

function tests.taken_and_unknown_names_are_refused()
  local system = assert(kca.system())
  assert(system:add_connection(kca.connection("local", "embedded://")))
  check.fails("duplicate", system:add_connection(kca.connection("local", "embedded://")))
  check.fails("not_found", system:consumer("shop"))
  assert(system:handler("orderCreated", print))
  check.fails("duplicate", system:handler("orderCreated", print))
  assert(system:add_publisher(kca.publisher_builder("nowhere", "orders")))
  check.contains(select(2, system:start(1000)), "nowhere")
end

function tests.messages_keep_what_they_are_given()
  local trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
  local message = kca.message("orderCreated", '{"id":"ä","n":9007199254740991,"yes":true,"list":[1,2]}', {
    key = "k\0k",
    type = kca.TYPE_COMMAND,
    message_id = "m-1",
    correlation_id = "c-1",
    timestamp_ms = 1767225600123,
    headers = { tenant = "acme", bin = "\0\255" },
    traceparent = trace,
    tracestate = "a=1",
  })
  check.equal(message:name(), "orderCreated")
  check.equal(message:type(), kca.TYPE_COMMAND)
  check.equal(message:key(), "k\0k")
  check.equal(message:message_id(), "m-1")
  check.equal(message:correlation_id(), "c-1")
  check.equal(message:timestamp_ms(), 1767225600123)
  check.equal(message:header("tenant"), "acme")
  check.equal(message:header("none"), nil)
  check.equal(message:headers().bin, "\0\255")
  check.equal(message:traceparent(), trace)
  check.equal(message:tracestate(), "a=1")
  check.equal(message:json_string("/id"), "ä")
  check.equal(message:json_int64("/n"), 9007199254740991)
  check.equal(message:json_bool("/yes"), true)
  check.equal(message:json_count("/list"), 2)
  check.equal(message:json_type("/list"), kca.JSON_ARRAY)
  check.fails("not_found", message:json_string("/none"))
  check.fails("payload", message:json_string("/n"))
  check.equal(message:is_json(), true)
  check.equal(message:set_payload("{"):is_json(), false)
  check.fails("payload", message:check_json())
  check.equal(message:set_payload(nil):payload(), nil)
end

function tests.numbers_are_integers_where_lua_has_them()
  if math.type then
    check.equal(math.type(kca.message("m"):timestamp_ms()), "integer")
    check.equal(math.type(kca.ERROR_BROKER), "integer")
  end
end

--- Both cores offer the same functions and constants.
function tests.the_ffi_has_what_the_swig_module_has()
  if not (jit and os.getenv("KCA_LUA_MODULE") == "kca_ffi") then
    return
  end
  local swig = require("kca_core")
  for name, value in pairs(swig) do
    if name:match("^KCA_") then
      check.equal(kca.core[name], value)
    elseif type(value) == "function" and name:match("^kca_") and not name:match("^kca_error_") then
      assert(kca.core[name], name .. " is not in the FFI's core")
    end
  end
  for name in pairs(kca.core) do
    assert(swig[name] ~= nil, name .. " is not in the SWIG module")
  end
end

return tests
