--- Tables and JSON, with lua-cjson and without it.
local check = require("check")
local kca = check.kca
local tests = {}

local function json_without_cjson()
  local kept = { json = package.loaded["kca.json"], cjson = package.loaded.cjson }
  package.loaded["kca.json"], package.loaded.cjson = nil, { null = kept.json.null }
  local own = require("kca.json")
  package.loaded["kca.json"], package.loaded.cjson = kept.json, kept.cjson
  return own
end

local readers = { require("kca.json"), json_without_cjson() }

local SAME = {
  "[]",
  "{}",
  "[[],{},[[]]]",
  "null",
  "[null,true,false]",
  '"\\"\\\\/ä😀\\n\\u0000\\u001f"',
  "[9007199254740993,-9223372036854775808,18446744073709551615]",
  "[123456789012345678901234567890]",
  "[0.1,299.99,0.30000000000000004,1e+300,-5]",
}

function tests.a_text_comes_back_byte_for_byte()
  for _, text in ipairs(SAME) do
    for _, json in ipairs(readers) do
      local value, why = json.decode(text)
      assert(not why, why)
      check.equal(json.encode(value), text)
    end
  end
end

function tests.escapes_are_read()
  for _, json in ipairs(readers) do
    check.equal(json.decode('"\\u00e4\\ud83d\\ude00\\/\\b\\f"'), "ä😀/\b\f")
    check.equal(json.decode(' { "a" : [ 1 , 2 ] } ').a[2], 2)
    check.equal(json.decode("[1.5e3]")[1], 1500)
    check.equal(json.decode('{"a":1,"a":2}').a, 2)
  end
end

function tests.what_is_no_json_is_refused()
  local wrong = {
    "", " ", "{", "[1,]", '{"a":1,}', "[1 2]", '{"a" 1}', "{a:1}", "01", "[1.]", "-", "+1", ".5", "0x10", "NaN", "-Infinity",
    "tru", "nulls", '"a', '"\t"', '"\\x"', '"\\ud800"', '"\\udc00\\ud800"', "[1]]", "1 2", ("["):rep(2000),
    "1.", "-1.", "-.5", "[-.5]",
  }
  for _, text in ipairs(wrong) do
    for i, json in ipairs(readers) do
      local value, why = json.decode(text)
      assert(value == nil and why, ("reader %d takes %q"):format(i, text))
    end
  end
end

function tests.what_json_does_not_have_is_refused()
  local json = readers[1]
  local loop = {}
  loop.loop = loop
  for _, value in ipairs({ 0 / 0, math.huge, print, { a = print }, { 1, 2, x = 3 }, { [{}] = 1 }, loop }) do
    local text, why = json.encode(value)
    assert(text == nil and why, tostring(text))
  end
  check.equal(select(2, json.encode({ a = { 1, { b = print } } })), "a[2].b: a function cannot be written as JSON")
  check.equal(select(2, json.encode({ 1, x = 1 })), "an array has the key x")
  check.equal(select(2, json.encode({ a = { 1, x = 1 } })), "a: an array has the key x")
  check.equal(select(2, json.encode({ a = { [{}] = 1 } })), "a: an object has a key that is a table")
  assert(not json.encode({ 1, nil, 3, x = 1 }))
end

function tests.arrays_may_be_marked()
  check.equal(kca.message("m", kca.array()):payload(), "[]")
  check.equal(kca.message("m", { list = kca.array({}) }):payload(), '{"list":[]}')
  check.equal(kca.message("m", {}):payload(), "{}")
end

function tests.integers_are_what_this_lua_holds_best()
  check.equal(type(kca.integer("5")), "number")
  check.equal(kca.integer("9007199254740993"), kca.integer("9007199254740993"))
  assert(kca.integer("9007199254740993") ~= kca.integer("9007199254740995"))
  check.equal(kca.digits(kca.integer("-9007199254740993")), "-9007199254740993")
  check.equal(kca.digits(12), "12")
  check.equal(kca.integer("1.5"), nil)
  if math.type then
    check.equal(math.type(kca.integer("9223372036854775807")), "integer")
    check.equal(math.type(readers[1].decode("[1]")[1]), "integer")
    check.equal(readers[1].encode({ 1.0 }), "[1.0]")
  elseif jit then
    check.equal(type(kca.integer("9223372036854775807")), "cdata")
    check.equal(type(kca.integer("18446744073709551615")), "cdata")
  end
  check.equal(tostring(kca.integer("18446744073709551616")), "18446744073709551616")
end

return tests
