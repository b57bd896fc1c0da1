--- Declarations: options are a table, or `with_` methods of the same names that chain.
--
--    kca.publisher("kafka", "orders", { required_acks = -1, linger_ms = 0 })
--    kca.publisher("kafka", "orders"):with_required_acks(-1):with_linger_ms(0)
--
-- Options that may be repeated take a list: `retry_delay_ms = {100, 1000}`; `property` takes a table of names and
-- values. What is declared exists in any case, so that a chain never breaks: it keeps the first failure of its making,
-- and adding it to a system returns that. What each option means is said in kca_abi.h.

local classes = require("kca.classes")
local errors = require("kca.errors")

--- The arguments of each call of the option's method.
local function calls(option, value)
  if type(value) ~= "table" or getmetatable(value) then
    return { { value } }
  end
  local all = {}
  if option == "property" then
    for name, setting in pairs(value) do
      all[#all + 1] = { name, tostring(setting) }
    end
  elseif option == "tls" then
    all[1] = { value.ca or value[1], value.certificate or value[2], value.key or value[3], n = 3 }
  elseif option == "sasl" then
    all[1] = { value.mechanism or value[1], value.user or value[2], value.password or value[3] }
  else
    for i, each in ipairs(value) do
      all[i] = { each }
    end
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

    --- The first failure of its making; nil: none.
    function class:error()
      return self.failure or errors.of(first(self.handle))
    end

    function class:take(options)
      for _, name in ipairs(sorted_names(options or {})) do
        local method = class["with_" .. name]
        if not method then
          local text = ("%s %s: there is no option %s"):format(kind, self.name, name)
          self.failure = self.failure or errors.new(core.KCA_ERROR_ARGUMENT, "argument", text)
        else
          for _, arguments in ipairs(calls(name, options[name])) do
            method(self, unpack(arguments, 1, arguments.n or #arguments))
          end
        end
      end
      return self
    end
    return class
  end

  local Connection = new_class("connection", "kca_connection_", "kca_system_add_connection")
  local Publisher = new_class("publisher", "kca_publisher_builder_", "kca_system_add_publisher")
  local Consumer = new_class("consumer", "kca_consumer_builder_", "kca_system_add_consumer")
  local Redrive = new_class("redrive", "kca_redrive_")

  local function declare(class, name, options, ok, handle)
    local made = ok and { handle = handle, name = name } or { failure = errors.of(handle), name = name }
    return setmetatable(made, class):take(options)
  end

  --- TLS; each is a file's path or PEM text, nil leaves it out. As an option: true, the authority, or all three.
  function Connection:with_tls(ca, certificate, key)
    if ca ~= false then
      core.kca_connection_with_tls(self.handle, ca ~= true and ca or nil, certificate, key)
    end
    return self
  end

  --- A cluster and how to reach it.
  function M.connection(name, hosts, options)
    return declare(Connection, name, options, core.kca_connection_new(name, hosts))
  end

  --- The builder of a publisher of `topic` over the connection of that name.
  function M.publisher(connection, topic, options)
    return declare(Publisher, topic, options, core.kca_publisher_builder_new(connection, topic))
  end

  --- The builder of a consumer of `topic`; `consumer` is its name and its group.
  function M.consumer(connection, topic, consumer, options)
    return declare(Consumer, consumer, options, core.kca_consumer_builder_new(connection, topic, consumer))
  end

  --- A redrive of the dead letters of `topic`; a dry run unless it is told otherwise.
  function M.redrive(connection, topic, options)
    return declare(Redrive, topic, options, core.kca_redrive_new(connection, topic))
  end
end
