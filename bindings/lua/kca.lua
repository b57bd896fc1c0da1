--- Kafka channel adapters for Lua 5.1, 5.4 and LuaJIT, over the SWIG module. Described in kca.api.
return (require("kca.api")(require("kca.core")))
