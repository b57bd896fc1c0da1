--- Kafka channel adapters for LuaJIT, over its FFI. Described in kca.api.
if not jit then
  error("kca_ffi needs LuaJIT: in this Lua require \"kca\", which has the same functions", 0)
end
return (require("kca.api")(require("kca.ffi_core")))
