--- The functions of kca_abi.h for LuaJIT, over its FFI.
--
-- The core is made from the declarations of kca_abi.h: one Lua function for each, with the results that the function of
-- the SWIG module kca_core has. Their source is written here, so that each is a plain function that the JIT compiles.
-- No C function calls back into Lua.

local ffi = require("ffi")
local integer = require("kca.integer")
local declarations = require("kca.abi")

-- Another module of this Lua state may have declared it already.
if not pcall(ffi.typeof, "kca_system") then
  ffi.cdef(declarations)
end

--- Loads libkca from beside the other modules, where package.cpath finds those, or from where it is installed with them
-- (lib/lua/5.1 and lib), else from where the system looks.
local function load_library()
  for template in package.cpath:gmatch("[^;]*%?[^;]*") do
    for _, name in ipairs({ "libkca.so.1", "../../libkca.so.1" }) do
      local path = template:gsub("[^/]*%?[^/]*$", name)
      local file = path:find("/", 1, true) and io.open(path, "rb")
      if file then
        file:close()
        return ffi.load(path)
      end
    end
  end
  return ffi.load("libkca.so.1")
end

local C = load_library()
local UNUSED = {
  kca_consumer_run = true,
  kca_queue_dispatch = true,
  kca_queue_turn = true,
  kca_system_set_event_handler = true,
  kca_system_set_deduplication_store = true,
  kca_system_set_interrupt = true,
  kca_system_add_publish_hook = true,
  kca_system_add_handling_hook = true,
  kca_message_explain = true,
  kca_event_batch_count = true,
  kca_event_into_batch = true, -- into_batch
  kca_batch_settle = true, -- settle_batch
}

local support = { ffi = ffi, C = C, tonumber = tonumber }

function support.text(chars)
  return chars ~= nil and ffi.string(chars) or nil
end

--- A 64-bit integer: a number where that is exact.
function support.wide(value)
  local number = tonumber(value)
  if number < integer.EXACT and number > -integer.EXACT then
    return number
  end
  return value
end

function support.bytes(bytes, len)
  return bytes ~= nil and ffi.string(bytes, len) or nil
end

function support.pointer(p)
  return p ~= nil and p or nil
end

function support.error(e)
  return e ~= nil
      and {
        code = C.kca_error_code(e),
        name = ffi.string(C.kca_error_name(e)),
        text = ffi.string(C.kca_error_text(e)),
        rdkafka_code = C.kca_error_rdkafka_code(e),
        retriable = C.kca_error_retriable(e) == 1,
        fatal = C.kca_error_fatal(e) == 1,
      }
    or nil
end

function support.failure(e)
  local failure = support.error(e)
  C.kca_error_free(e)
  return false, failure
end

local COLLECT_MS = 5000

--- The collector, also at the end of the program: sends what is buffered, for a bounded time, and says what was left.
function support.collect_system(system)
  local e = C.kca_system_shutdown(system, COLLECT_MS)
  if e ~= nil and C.kca_error_code(e) == C.KCA_ERROR_TIMEOUT then
    io.stderr:write("kca: a system was collected that was not shut down: ", ffi.string(C.kca_error_text(e)), "\n")
  end
  C.kca_error_free(e)
  C.kca_system_free(system)
end

--- How an out parameter of this type becomes a result.
local function out_result(kind)
  local handle = kind:match("^(kca_[%w_]+) %*$")
  if handle == "kca_system" then
    return "ffi.gc(out[0], collect_system)"
  elseif handle then
    return ("ffi.gc(out[0], C.%s_free)"):format(handle)
  elseif kind == "char *" then
    return "taken(out[0])"
  elseif kind == "const char *" then
    return "text(out[0])"
  elseif kind == "int64_t " then
    return "wide(out[0])"
  end
  return "out[0]"
end

function support.taken(chars)
  local text = ffi.string(chars)
  C.kca_string_free(chars)
  return text
end

--- How a result of this type becomes one of Lua.
local function plain_result(kind, call, name, parameters)
  if kind == "const char *" then
    return ("text(%s)"):format(call)
  elseif kind == "const void *" then
    return ("bytes(%s, C.%s_len(%s))"):format(call, name, parameters)
  elseif kind == "const kca_error *" then
    return ("error(%s)"):format(call)
  elseif kind == "size_t " then
    return ("tonumber(%s)"):format(call)
  elseif kind == "int64_t " or kind == "uint64_t " then
    return ("wide(%s)"):format(call)
  elseif kind:match("%*$") then
    return ("pointer(%s)"):format(call)
  end
  return call
end

--- Lua's parameters, C's arguments and the type of `out`, of a C parameter list.
local function translate(list)
  local parameters, arguments, out = {}, {}, nil
  local bytes
  for kind, name in list:gmatch("%s*([^,]-)([%w_]+)%s*%f[,%z]") do
    name = name == "in" and "in_" or name
    if name == "out" then
      out = kind:match("^(.*)%*$")
      arguments[#arguments + 1] = "out"
    elseif kind:match("^kca_%w+_fn ") or kind == "void *" then
      arguments[#arguments + 1] = "nil"
    elseif name == "len" and bytes then
      arguments[#arguments + 1] = ("%s and #%s or 0"):format(bytes, bytes)
    elseif name ~= "void" then
      parameters[#parameters + 1] = name
      arguments[#arguments + 1] = name
      bytes = kind == "const void *" and name
    end
  end
  return table.concat(parameters, ", "), table.concat(arguments, ", "), out
end

--- The Lua function for one declaration, as source.
local function write(kind, name, list)
  local parameters, arguments, out = translate(list)
  local call = ("C.%s(%s)"):format(name, arguments)
  local body
  if name:match("_free$") then
    call = ("if %s ~= nil then C.%s(ffi.gc(%s, nil)) end"):format(arguments, name, arguments)
    body = call
  elseif kind == "kca_error *" then
    body = ("%s local e = %s if e ~= nil then return failure(e) end return true%s"):format(
      out and ("local out = ffi.new('%s[1]')"):format(out) or "",
      call,
      out and ", " .. out_result(out) or ""
    )
  elseif kind == "void " then
    body = call
  else
    body = "return " .. plain_result(kind, call, name, parameters)
  end
  return ("function(%s) %s end"):format(parameters, body)
end

local function compile(source, name)
  local names = {}
  for word in pairs(support) do
    names[#names + 1] = word
  end
  local head = ("local support = ... local %s = support.%s "):format(
    table.concat(names, ", "),
    table.concat(names, ", support.")
  )
  return assert(loadstring(head .. "return " .. source, "=" .. name))(support)
end

local function new_core()
  local core = {}
  local plain = declarations:gsub("/%*.-%*/", "")
  for constant in plain:gmatch("(KCA_[%w_]+) =") do
    core[constant] = tonumber(C[constant])
  end
  for statement in plain:gmatch("%s*([^;]+);") do
    local kind, name, list = statement:match("^([%w_][%w_ ]-[ %*]+)(kca_[%w_]+)(%b())$")
    local is_unused = name and (UNUSED[name] or name:match("^kca_error_") or name:match("^kca_hooked_"))
    if kind and not kind:match("^typedef") and not is_unused then
      list = list:sub(2, -2):gsub("%s+", " ")
      core[name] = compile(write(kind, name, list), name)
    end
  end
  core.kca_string_free = nil
  core.C = C
  return core
end

local core = new_core()

--- Casts const away: setters do nothing to a delivery's message, so no check is needed here.
function core.kca_delivery_message(delivery)
  return ffi.cast("kca_message *", C.kca_delivery_message(delivery))
end

function core.kca_event_reply(event)
  local reply = C.kca_event_reply(event)
  return reply ~= nil and ffi.cast("kca_message *", reply) or nil
end

function core.kca_event_into_delivery(event)
  local delivery = C.kca_event_into_delivery(event)
  if delivery == nil then
    return nil
  end
  ffi.gc(event, nil)
  return ffi.gc(delivery, C.kca_delivery_free)
end

--- The deliveries of a batch's event, which is used up.
function core.into_batch(event)
  local count = C.kca_event_batch_count(event)
  local out, deliveries = ffi.new("kca_delivery *[?]", count), {}
  C.kca_event_into_batch(event, out, count)
  ffi.gc(event, nil)
  for i = 1, count do
    deliveries[i] = ffi.gc(out[i - 1], C.kca_delivery_free)
  end
  return deliveries
end

--- Settles deliveries of one batch together.
function core.settle_batch(deliveries, verdict)
  local e = C.kca_batch_settle(ffi.new("kca_delivery *[?]", #deliveries, deliveries), #deliveries, verdict)
  if e ~= nil then
    return support.failure(e)
  end
  return true
end

--- A 64-bit integer of any kind, in the form that C takes.
function core.int64(value)
  if type(value) == "string" then
    value = integer.of(value)
  end
  return value
end

local QUEUE_TEXTS = { -- kca_queue_next fails with a code only
  [core.KCA_ERROR_STOPPED] = { "stopped", "queue: the consumer has stopped" },
  [core.KCA_ERROR_FORKED] = { "forked", "queue: it belongs to the parent process" },
  [core.KCA_ERROR_ARGUMENT] = { "argument", "queue: it is closed, or max is below 1 or timeout_ms below -1" },
}

function core.kca_queue_next(queue, max, timeout_ms)
  max = max > 1024 and 1024 or max
  local out = ffi.new("kca_event *[?]", max > 0 and max or 1)
  local count = C.kca_queue_next(queue, out, max, timeout_ms)
  if count < 0 then
    local said = QUEUE_TEXTS[-count]
    return false, { code = -count, name = said[1], text = said[2] }
  end
  local events = {}
  for i = 1, count do
    events[i] = ffi.gc(out[i - 1], C.kca_event_free)
  end
  return true, events
end

return core
