--- What a gateway takes from a request: its body, and fields for `publish`.

local errors = require("kca.errors")

return function(M, core)
  --- The whole body of the request, also of one that nginx keeps in a file; "": it has none. In the phases rewrite, access
  -- and content. A file is read at once, which holds up the worker as long as the disk does.
  -- @return the body, or nil and the error "state": it cannot be read
  function M.request_body()
    ngx.req.read_body()
    local body = ngx.req.get_body_data()
    local path = not body and ngx.req.get_body_file()
    if not path then
      return body or ""
    end
    local file, why = io.open(path, "rb")
    if file then
      body, why = file:read("*a")
      file:close()
    end
    if not body then
      return nil, errors.new(core.KCA_ERROR_STATE, "state", "request: its body cannot be read: " .. tostring(why))
    end
    return body
  end

  local _, probe = assert(core.kca_message_new(nil))

  local function is_trace(traceparent, tracestate)
    core.kca_message_set_trace_context(probe, traceparent, tracestate)
    local is_valid = core.kca_message_error(probe) == nil
    core.kca_message_reset(probe, nil)
    return is_valid
  end

  --- Fields for `publish` of the request: its trace, if that is valid as W3C defines it; and as custom headers those of
  -- `names`, and no others: { "tenant", ["X-Request-Id"] = "requestId" } takes the first as it is called, and renames the
  -- second. A header that the request has several times is published as often. Add a key and other fields to the table.
  function M.request_fields(names)
    local given, list, fields = ngx.req.get_headers(0), {}, {}
    for name, published in pairs(names or {}) do
      local value = given[type(name) == "number" and published or name]
      for _, each in ipairs(type(value) == "table" and value or { value }) do
        if type(each) == "string" then
          list[#list + 1] = { published, each }
        end
      end
    end
    fields.headers = #list > 0 and list or nil
    local traceparent, tracestate = ngx.var.http_traceparent, ngx.var.http_tracestate
    if traceparent and is_trace(traceparent, tracestate) then
      fields.traceparent, fields.tracestate = traceparent, tracestate
    end
    return fields
  end
end
