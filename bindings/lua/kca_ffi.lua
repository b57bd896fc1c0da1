--- Kafka channel adapters for LuaJIT, over its FFI. Described in kca.api.
return (require("kca.api")(require("kca.ffi_core")))
