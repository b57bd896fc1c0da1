--- Declarations chain and keep their first failure; messages keep what they are given.
local check = require("check")
local kca = check.kca
local tests = {}

local SAMPLES = {
  reply_channel = "c",
  compression = "gzip",
  delay_channel = "d",
  property = "p",
  group_topic = "t",
  start_offset = "latest",
  group_instance_id = "i",
  assignment_strategy = "range",
  order = "none",
  rejected_error = "e",
  retry_channel = "r",
  dead_letter_channel = "d",
  dead_letter_format = "kca",
  transactional_id = "t",
  to_topic = "t",
  only_topic = "t",
  only_error = "e",
}

function tests.the_ffi_module_says_that_it_needs_luajit()
  if not jit then
    local loaded, err = pcall(require, "kca_ffi")
    assert(not loaded and tostring(err):find("needs LuaJIT", 1, true), err)
  end
end

function tests.every_option_returns_the_same_object()
  local builders = {
    connection = kca.connection("local", "embedded://"),
    publisher_builder = kca.publisher("local", "orders"),
    consumer_builder = kca.consumer("local", "orders", "shop"),
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
  local builder = kca.publisher("local", "orders"):with_async(false):with_idempotence(true)
  check.fails("argument", assert(kca.system()):add_publisher(builder)) -- idempotence needs acks -1
end

function tests.first_failure_of_a_builder_comes_out_when_it_is_added()
  local builder = kca.publisher("local", "orders"):with_batch_size(0):with_compression("zip")
  local err = check.fails("argument", assert(kca.system()):add_publisher(builder))
  check.equal(err.text, "publisher orders: batch_size must be 1 to 1000000, got 0")
  check.equal(tostring(err), err.text)
  check.equal(err.code, kca.ERROR_ARGUMENT)
  check.equal(err.retriable, false)
  check.equal(err.fatal, false)
end

function tests.a_chain_on_a_bad_name_goes_on_and_fails_when_it_is_added()
  local builder = kca.publisher("local", ""):with_batch_size(1):with_property("name", "value")
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
  assert(system:add_publisher(kca.publisher("nowhere", "orders")))
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
  check.equal(message:set_payload(kca.null):payload(), nil)
  check.equal(message:json(), nil)
end

function tests.numbers_are_integers_where_lua_has_them()
  if math.type then
    check.equal(math.type(kca.message("m", kca.null):timestamp_ms()), "integer")
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
    assert(swig[name] ~= nil or not name:match("^kca_"), name .. " is not in the SWIG module")
  end
end

--- What the contract has and this binding does in a way of its own.
local OWN = {
  abi = true,
  string_free = true,
  consumer_run = true, -- pulled: consumer:run is Lua's own
  queue_dispatch = true,
  delivery_header_value_len = true, -- comes with the value
  wake_socket_accept = true, -- resty.kca
  wake_socket_new = true,
  wake_socket_path = true,
  wake_socket_wake = true,
  wake_socket_watch = true,
  event_delivery = true, -- event_into_delivery
  system_health_code = true, -- system:health().code
  system_set_event_handler = true, -- system:on
  system_set_deduplication_store = true,
}

--- Every function of kca_abi.h is called somewhere in the modules, or built into a class by its name.
function tests.every_function_of_the_contract_is_reachable()
  local sources = {}
  local modules = {
    "api", "builders", "bus", "consumer", "errors", "hooks", "local", "message", "queue", "system", "translators",
  }
  for _, name in ipairs(modules) do
    local path = assert(package.path:match("[^;]*bindings/lua/")) .. "kca/" .. name .. ".lua"
    local file = assert(io.open(path))
    sources[#sources + 1] = file:read("*a")
    file:close()
  end
  local text = table.concat(sources)
  local system = assert(kca.system(kca.connection("c", "embedded://"), kca.consumer("c", "t", "g")))
  local classes = {
    consumer = assert(system:consumer("g")),
    connection = kca.connection("c", "embedded://"),
    publisher_builder = kca.publisher("c", "t"),
    consumer_builder = kca.consumer("c", "t", "g"),
    redrive = kca.redrive("c", "t"),
    message = kca.message("m", kca.null),
    system = system,
  }
  local count = 0
  for name, value in pairs(kca.core) do
    local word = type(value) == "function" and name:match("^kca_(.+)$")
    local class, method = (word or ""):match("^(%l+)_(.+)$")
    if (word or ""):match("^%l+_builder_") then
      class, method = word:match("^(%l+_builder)_(.+)$")
    end
    local object = class and classes[class]
    if word and not OWN[word] and not word:match("_free$") and not word:match("^error_") then
      local called = text:find(name, 1, true) or (class == "delivery" and text:find('"' .. method .. '"', 1, true))
      assert(called or (object and object[method]) or method == "new" or name:match("set_"), name)
      count = count + 1
    end
  end
  assert(count > 130, count)
end

local function text_of(path)
  local file = assert(io.open(path))
  local text = file:read("*a")
  file:close()
  return text
end

--- Every method that an object has is in docs/lua-api.md, unless its comment says that it is not public.
function tests.every_public_name_is_in_the_document()
  local folder = assert(package.path:match("[^;]*bindings/lua/"))
  local root = arg[0]:match("^(.*/)tests/lua/") or "./"
  local document, sources = text_of(root .. "docs/lua-api.md"), {}
  for _, name in ipairs({ "bus", "builders", "classes", "consumer", "message", "system" }) do
    sources[#sources + 1] = text_of(folder .. "kca/" .. name .. ".lua")
  end
  local hidden = {}
  for name in table.concat(sources):gmatch("@local\n *function %w+[.:]([%w_]+)") do
    hidden[name] = true
  end
  local system = assert(kca.system(kca.connection("c", "embedded://"), kca.publisher("c", "t"), kca.consumer("c", "t", "g")))
  local objects = {
    system, assert(system:event_bus("t")), assert(system:consumer("g")), assert(system:queue()),
    kca.message("m", "{}"), kca.connection("c", "h:1"), kca.publisher("c", "t"), kca.consumer("c", "t", "g"),
    kca.redrive("c", "t"),
  }
  local count = 0
  local function look(class)
    for name, value in pairs(class) do
      if type(value) == "function" and not name:match("^__") and not hidden[name] and name ~= "take" then
        assert(document:find("[`.:]" .. name .. "%("), name .. " is not in docs/lua-api.md")
        count = count + 1
      end
    end
  end
  look(kca)
  for _, object in ipairs(objects) do
    look(getmetatable(object).__index)
  end
  assert(count > 150, count)
end

function tests.options_of_a_table_are_the_setters()
  local delays = kca.consumer("local", "orders", "shop", { retry_delay_ms = { 1, 2, 100000000 } })
  check.contains(delays:error(), "retry_delay_ms")
  check.equal(kca.consumer("local", "orders", "shop", { retry_delay_ms = { 1, 2 }, group_topic = "more" }):error(), nil)
  check.contains(kca.publisher("local", "orders", { batch_size = 0 }):error(), "batch_size must be 1 to 1000000, got 0")
  local odd = kca.publisher("local", "orders", { linger = 0 })
  check.equal(odd:error().name, "argument")
  check.contains(select(2, kca.system(odd)), "publisher orders: there is no option linger")
  local kept = { async = false, property = { ["socket.keepalive.enable"] = true } }
  check.equal(kca.publisher("local", "orders", kept):error(), nil)
  check.contains(kca.publisher("local", "orders", { property = { ["linger.ms"] = 1 } }):error(), "linger_ms")
  local tls = kca.connection("local", "localhost:9", { tls = { ca = "/none" }, sasl = { "PLAIN", "user", "password" } })
  check.equal(tls:error(), nil)
  check.contains(kca.connection("local", "localhost:9", { sasl = { "MAGIC", "user", "password" } }):error(), "MAGIC")
end

local function mistake(options)
  return tostring(kca.publisher("local", "orders", options):error())
end

function tests.a_value_of_a_wrong_type_names_its_option()
  check.contains(mistake({ batch_size = "many" }), "publisher orders: batch_size must be a whole number of 32 bits, got a s")
  check.contains(mistake({ batch_size = 1.5 }), "batch_size must be a whole number of 32 bits, got 1.5")
  check.contains(mistake({ batch_size = 0 / 0 }), "batch_size must be a whole number of 32 bits, got ")
  check.contains(mistake({ buffer_bytes = 5e9 }), "buffer_bytes must be a whole number of 32 bits, got 5000000000")
  check.contains(mistake({ compression = print }), "compression must be a text, got a function")
  check.contains(mistake({ batch_size = { most = 1 } }), "batch_size must be a value or a list of them")
  check.contains(mistake("fast"), "its options must be a table, got a string")
  check.contains(kca.publisher("local", "orders"):with_batch_size(nil):error(), "batch_size must be a whole number")
  check.contains(kca.connection("local", {}):error(), "connection local: hosts must be a text, got a table")
  check.contains(kca.connection("local", "h:1", { tls = { cert = "x" } }):error(), "tls has no cert")
  local without = kca.connection("local", "h:1", { sasl = { "PLAIN", "user", {} } })
  check.contains(without:error(), "sasl: password must be a text, got a table")
  local late = kca.consumer("local", "orders", "shop", { start_offset = 1767225600000 })
  check.equal(late:error(), nil) -- a number is a text as everywhere in Lua
  check.fails("argument", kca.system(kca.publisher("local", "orders", { batch_size = "many" })))
end

function tests.what_is_no_declaration_handler_or_store_is_refused()
  check.contains(check.fails("argument", kca.system(nil)), "declared by connections, publishers and consumers, got nil")
  check.fails("argument", kca.system(kca.redrive("local", "orders.dead")))
  local system = assert(kca.system(kca.connection("local", "embedded://"), kca.consumer("local", "orders", "shop")))
  check.contains(check.fails("argument", system:handler("orderCreated")), "handler orderCreated must be a function, got nil")
  check.fails("argument", system:on("fault", "loudly"))
  assert(system:on("end", print))
  check.fails("argument", system:set_deduplication_store("shop", {}))
  check.fails("not_found", system:set_deduplication_store("shopp", { seen = print, mark = print }))
  check.fails("argument", system:consumer("shop", { amount_of_processors = "4" }))
  check.contains(select(2, system:consumer("shop"):with_amount_of_processors("4"):queue()), "amount_of_processors must be")
end

function tests.a_log_level_that_does_not_exist_is_refused()
  local system = assert(kca.system())
  for _, target in ipairs({ "log_to_queue", "log_to_stderr" }) do
    check.contains(check.fails("argument", system[target](system, 5)), "log: level must be 0 (off) to 4 (debug)")
    check.contains(check.fails("argument", system[target](system, "loud")), "log: level must be a whole number")
    check.equal(system[target](system, kca.LOG_ERROR), system)
  end
end

function tests.a_field_of_a_wrong_type_names_itself()
  local function refused(...)
    return check.fails("argument", kca.message("m", "{}", ...))
  end
  check.contains(refused({ key = {} }), "message m: key must be a text, got a table")
  check.contains(refused({ headers = { tenant = false } }), "message m: header tenant must be a text, got false")
  check.contains(refused({ headers = "tenant" }), "headers must be a table, got a string")
  check.contains(refused({ timestamp_ms = "now" }), "timestamp_ms must be a whole number, got a string")
  check.contains(refused({ traceparent = {} }), "traceparent must be a text, got a table")
  check.contains(refused("key"), "its fields must be a table, got a string")
  check.contains(check.fails("argument", kca.message({}, "{}")), "name must be a text, got a table")
  local message = kca.message("m", "{}", { key = 42, headers = { count = 5, id = kca.integer("9007199254740993") } })
  check.equal(message:key(), "42")
  check.equal(message:header("count"), "5")
  check.equal(message:header("id"), "9007199254740993")
  check.contains(message:set_key({}):error(), "key must be a text")
  check.equal(assert(kca.message("m", kca.null)):reset("n"), true)
end

--- A variable that was never set must not delete a record.
function tests.nil_is_no_payload_and_null_is_none()
  check.contains(check.fails("argument", kca.message("m")), "message m: payload must be a text, a value for JSON, or")
  check.contains(check.fails("argument", kca.message("m", nil, { key = "k" })), "kca.null for none, got nil")
  check.contains(assert(kca.message("m", "{}")):set_payload(nil):error(), "or kca.null for none, got nil")
  local wrong = check.fails("argument", kca.message("m", "{}", { headers = { { "x", nil } } }))
  check.contains(wrong, "header x must be a text, or kca.null for no value, got nil")
  local message = assert(kca.message("m", kca.null, { headers = { none = kca.null } })):add_header("none", kca.null)
  check.equal(message:payload(), nil)
  check.equal(message:header_count(), 2)
  check.contains(message:add_header("x", nil):error(), "header x must be a text")
end

function tests.a_message_without_a_name_is_asked_for()
  local system = assert(kca.system(kca.connection("c", "embedded://"), kca.publisher("c", "t")))
  local bus = assert(system:event_bus("t"))
  for _, name in ipairs({ kca.null, "" }) do
    local err = check.fails("argument", bus:publish(name ~= kca.null and name or nil, "{}"))
    check.contains(err, "it has no name, by which its handler is found")
  end
  check.fails("state", bus:publish(nil, "{}", { unnamed = true })) -- it comes as far as to the start
  check.fails("state", bus:publish(nil, "{}", { raw = true }))
end

function tests.what_a_terminal_would_obey_is_shown()
  local visible = require("kca.errors").visible
  check.equal(visible("a\nb\27[31m\127\0c"), "a\\nb\\x1b[31m\\x7f\\x00c")
  check.equal(visible("\194\155m \226\128\174x\226\129\166 \216\156"), "\\u009bm \\u202ex\\u2066 \\u061c")
  check.equal(visible("sch\195\182n \226\130\172"), "sch\195\182n \226\130\172")
end

function tests.hosts_may_be_a_list()
  local function hosts_of(connection)
    local system = assert(kca.system(connection))
    return assert(system:description()).connections[1].hosts
  end
  check.equal(hosts_of(kca.connection("c", { "a:9092", "b:9093" })), hosts_of(kca.connection("c", "a:9092,b:9093")))
  check.contains(kca.connection("c", { "a:9092", 5 }):error(), "connection c: hosts must be a text, got a table")
end

--- Whatever a function is given, what it says is wrong is in this binding's words.
function tests.no_text_has_names_of_c()
  local system = assert(kca.system(
    kca.connection("c", "embedded://"),
    kca.publisher("c", "t"),
    kca.consumer("c", "t", "g")
  ))
  local message = assert(kca.message("m", "{}"))
  local objects = { kca, system, assert(system:event_bus("t")), assert(system:consumer("g")), message }
  for _, declared in ipairs({ kca.connection("c", "h:1"), kca.publisher("c", "t"), kca.consumer("c", "t", "g") }) do
    objects[#objects + 1] = declared
  end
  local values = { 5, -1, 1.5, "x", {}, print, true, "a\0b", "\255" }
  local waits = { run = true, start = true, shutdown = true, flush = true, warn = true, loop = true }
  local inner = { put = true, ask = true, through = true, values_of = true }
  local count = 0

  local function look(name, ok, result, err)
    local texts = { not ok and result or nil, result == nil and err or nil }
    if ok and type(result) == "table" and result.mistake then
      texts[3] = result.mistake
    end
    for _, text in pairs(texts) do
      text = tostring(text)
      for _, word in ipairs({ "kca_%l", "KCA_", "Error in", "bad argument", "attempt to", "cdata", "const char" }) do
        assert(not text:find(word), name .. ": " .. text)
      end
    end
    count = count + 1
  end

  for _, object in ipairs(objects) do
    local class = object == kca and kca or getmetatable(object).__index
    while class do
      for name, fn in pairs(class) do
        if type(fn) == "function" and not waits[name] and not name:match("^__") and not inner[name] then
          local first = object ~= kca and object or nil
          for _, value in ipairs(values) do
            local given = first == nil and value or first
            look(name, pcall(fn, given, value, value, value, value))
            look(name, pcall(fn, given, value))
          end
          look(name, pcall(fn, first))
        end
      end
      local parent = getmetatable(class)
      class = parent and parent.__index
    end
  end
  assert(count > 2000, count)
end

function tests.a_field_that_does_not_exist_is_refused()
  local err = check.fails("argument", kca.message("m", "{}", { corelation_id = "c" }))
  check.contains(err, "there is no field corelation_id")
end

function tests.a_value_that_json_does_not_have_is_refused()
  check.contains(check.fails("payload", kca.message("m", { list = { 1, print } })), "message m: list[2]: a function")
  check.fails("payload", kca.message("m", { 0 / 0 }))
end

return tests
