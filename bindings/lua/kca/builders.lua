--- Declarations: options are a table, or chained methods `with_<option>`.
--
--    kca.publisher("kafka", "orders", { required_acks = -1, linger_ms = 0 })
--    kca.publisher("kafka", "orders"):with_required_acks(-1):with_linger_ms(0)
--
-- Options that may be repeated take a list: `retry_delay_ms = {100, 1000}`; `property` takes a table of names and
-- values. A declaration is an object even after a mistake, so that a chain never breaks: it keeps its first failure,
-- and adding it to a system returns that. kca_abi.h says what each option means.

local classes = require("kca.classes")
local errors = require("kca.errors")
local integer = require("kca.integer")
local types = require("kca.types")

local PARTS = { tls = { ca = 1, certificate = 2, key = 3 }, sasl = { mechanism = 1, user = 2, password = 3 } }

--- The arguments of an option that has parts, given by name or in order; or nil and what is wrong.
local function arguments_of(option, value)
  local arguments = { n = 3 }
  for part, each in pairs(value) do
    local at = PARTS[option][part] or part
    if at ~= 1 and at ~= 2 and at ~= 3 then
      return nil, ("%s has no %s"):format(option, tostring(part))
    end
    arguments[at] = each
  end
  return arguments
end

--- The arguments of each call of the option's method; or nil and what is wrong.
local function calls(option, value)
  if type(value) ~= "table" or integer.is(value) then
    return { { value } }
  elseif PARTS[option] then
    local arguments, problem = arguments_of(option, value)
    return arguments and { arguments }, problem
  end
  local all = {}
  if option == "property" then
    for name, setting in pairs(value) do
      all[#all + 1] = { name, type(setting) == "boolean" and tostring(setting) or setting }
    end
    return all
  end
  for i, each in ipairs(value) do
    all[i] = { each }
  end
  if #all == 0 and next(value) ~= nil then
    return nil, option .. " must be a value or a list of them, got a table with names"
  end
  return all
end

local function sorted_names(options)
  local names = {}
  for name in pairs(options) do
    names[#names + 1] = tostring(name)
  end
  table.sort(names)
  return names
end

return function(M, core)
  local unpack = unpack or table.unpack -- luacheck: ignore 143

  local function new_class(kind, prefix, add)
    local class = classes.new()
    classes.add_setters(class, core, prefix, "with")
    class.kind, class.add = kind, add
    local first = core[prefix .. "error"]

    --- The declaration's first failure; nil: none.
    function class:error()
      return self.mistake or errors.of(first(self.handle))
    end

    --- @local
    function class:title()
      return ("%s %s"):format(kind, tostring(self.name))
    end

    local function take_one(self, name, value)
      local method = self["with_" .. name]
      if not method then
        return self:mistaken("there is no option " .. name)
      end
      local all, problem = calls(name, value)
      if not all then
        return self:mistaken(problem)
      end
      for _, arguments in ipairs(all) do
        method(self, unpack(arguments, 1, arguments.n or #arguments))
      end
    end

    --- @local
    function class:take(options)
      if options ~= nil and type(options) ~= "table" then
        self:mistaken("its options must be a table, got a " .. type(options))
        options = nil
      end
      for _, name in ipairs(sorted_names(options or {})) do
        take_one(self, name, options[name])
      end
      return self
    end
    return class
  end

  local Connection = new_class("connection", "kca_connection_", "kca_system_add_connection")
  local Publisher = new_class("publisher", "kca_publisher_builder_", "kca_system_add_publisher")
  local Consumer = new_class("consumer", "kca_consumer_builder_", "kca_system_add_consumer")
  local Redrive = new_class("redrive", "kca_redrive_")

  --- Makes a declaration from its texts; `words` names them in error texts.
  local function declare(class, name, options, new, words, ...)
    local made, texts = setmetatable({ name = name }, class), {}
    for i, word in ipairs(words) do
      local problem
      texts[i], problem = types.take(core, "const char *", word, (select(i, ...)))
      if problem then
        made:mistaken(problem)
      end
    end
    if not made.mistake then
      local ok, handle = new(unpack(texts, 1, #words))
      made.handle = ok and handle or nil
      made.mistake = not ok and errors.of(handle) or nil
    end
    return made:take(options)
  end

  local with_tls = Connection.with_tls

  --- TLS; each argument is a file's path or PEM text, nil leaves it out. As an option: true, the authority, or all
  -- three.
  function Connection:with_tls(ca, certificate, key)
    if ca == false then
      return self
    end
    return with_tls(self, ca ~= true and ca or nil, certificate, key)
  end

  --- Hosts of a list, as one text; anything else as it is.
  local function joined(hosts)
    if type(hosts) ~= "table" or integer.is(hosts) then
      return hosts
    end
    for _, host in ipairs(#hosts > 0 and hosts or { hosts }) do
      if type(host) ~= "string" then
        return hosts
      end
    end
    return table.concat(hosts, ",")
  end

  --- A cluster and how to reach it; `hosts`: "host:port", several with commas or as a list.
  function M.connection(name, hosts, options)
    hosts = joined(hosts)
    return declare(Connection, name, options, core.kca_connection_new, { "name", "hosts" }, name, hosts)
  end

  --- The builder of a publisher of `topic` over the connection named `connection`.
  function M.publisher(connection, topic, options)
    local words = { "connection", "topic" }
    return declare(Publisher, topic, options, core.kca_publisher_builder_new, words, connection, topic)
  end

  --- The builder of a consumer of `topic`; `consumer` is its name and its group.
  function M.consumer(connection, topic, consumer, options)
    local words = { "connection", "topic", "consumer" }
    return declare(Consumer, consumer, options, core.kca_consumer_builder_new, words, connection, topic, consumer)
  end

  --- A redrive of the dead letters of `topic`; a dry run unless `dry_run = false`.
  function M.redrive(connection, topic, options)
    local words = { "connection", "topic" }
    return declare(Redrive, topic, options, core.kca_redrive_new, words, connection, topic)
  end
end
