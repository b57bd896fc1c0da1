--- Kafka channel adapters for Lua 5.1, 5.4 and LuaJIT, over the SWIG module. Described in kca_api.
return require("kca_api")(require("kca_core"))
