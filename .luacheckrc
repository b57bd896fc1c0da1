std = "max"
max_line_length = 125
files["bindings/lua/resty"] = { std = "ngx_lua" }
files["bindings/lua/kca/json.lua"] = { read_globals = { "ngx" } }
files["examples/openresty"] = { std = "ngx_lua" }
files["tests/openresty"] = { std = "ngx_lua" }
files["bench/openresty"] = { std = "ngx_lua" }
files["bench/openresty/wrk.lua"] = { globals = { "init", "done", "wrk" } }
