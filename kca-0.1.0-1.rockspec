-- `luarocks make` here builds the module for one Lua, with libkca beside it. It needs CMake, pkg-config, SWIG and the
-- headers of librdkafka, cJSON and OpenSSL; with those of libcurl and zlib it can export spans.
rockspec_format = "3.0"
package = "kca"
version = "0.1.0-1"
source = { url = "git+file://." }
description = {
  summary = "Kafka channel adapters: declare publishers and consumers, handle messages by their names",
  license = "Apache-2.0",
}
dependencies = { "lua >= 5.1, < 5.5", "lua-cjson >= 2.1.0" }
build = {
  type = "cmake",
  variables = {
    CMAKE_BUILD_TYPE = "Release",
    CMAKE_INSTALL_PREFIX = "$(PREFIX)",
    KCA_BUILD_LUA = "ON",
    KCA_BUILD_EXAMPLES = "OFF",
    KCA_LUA_INCDIR = "$(LUA_INCDIR)",
    KCA_LUA_LIBDIR = "$(LIBDIR)",
    KCA_LUA_LUADIR = "$(LUADIR)",
  },
}
