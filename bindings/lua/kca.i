/*
 * The low-level module kca_core for Lua 5.1, LuaJIT and 5.4: the functions of kca_abi.h under their own names. A function
 * that can fail returns true and its result, or false and a table {code, name, text, rdkafka_code, retriable, fatal}.
 */
%module kca_core

%{
#include <kca.h>
#include <stdio.h>
#include <stdlib.h>

#define KCA_LUA_EXACT ((int64_t)1 << 53)

/* Integers of 64 bits: Lua 5.3 and later have them. In older ones a number is exact up to 2^53; a larger integer becomes
 * a text. */
static void kca_lua_push_digits(lua_State *L, const char *format, unsigned long long value) {
  char digits[24];
  snprintf(digits, sizeof digits, format, value);
  lua_pushstring(L, digits);
}

static void kca_lua_push_int64(lua_State *L, int64_t value) {
#if LUA_VERSION_NUM >= 503
  lua_pushinteger(L, (lua_Integer)value);
#else
  if (value > -KCA_LUA_EXACT && value < KCA_LUA_EXACT)
    lua_pushnumber(L, (lua_Number)value);
  else
    kca_lua_push_digits(L, "%lld", (unsigned long long)value);
#endif
}

static void kca_lua_push_uint64(lua_State *L, uint64_t value) {
  if (value <= INT64_MAX)
    kca_lua_push_int64(L, (int64_t)value);
  else
    kca_lua_push_digits(L, "%llu", value);
}

/* A number, or a text of digits. */
static int64_t kca_lua_to_int64(lua_State *L, int index) {
  if (lua_type(L, index) == LUA_TSTRING) {
    const char *text = lua_tostring(L, index);
    return text[0] == '-' ? strtoll(text, NULL, 10) : (int64_t)strtoull(text, NULL, 10);
  }
#if LUA_VERSION_NUM >= 503
  if (lua_isinteger(L, index))
    return lua_tointeger(L, index);
#endif
  return (int64_t)lua_tonumber(L, index);
}

static void kca_lua_push_failure(lua_State *L, int code, const char *name, const char *text) {
  lua_createtable(L, 0, 6);
  lua_pushinteger(L, code);
  lua_setfield(L, -2, "code");
  lua_pushstring(L, name);
  lua_setfield(L, -2, "name");
  lua_pushstring(L, text);
  lua_setfield(L, -2, "text");
}

static void kca_lua_push_error(lua_State *L, const kca_error *e) {
  kca_lua_push_failure(L, kca_error_code(e), kca_error_name(e), kca_error_text(e));
  lua_pushinteger(L, kca_error_rdkafka_code(e));
  lua_setfield(L, -2, "rdkafka_code");
  lua_pushboolean(L, kca_error_retriable(e));
  lua_setfield(L, -2, "retriable");
  lua_pushboolean(L, kca_error_fatal(e));
  lua_setfield(L, -2, "fatal");
}

enum { KCA_LUA_COLLECT_MS = 5000 };

/* The collector, also at the end of the program: sends what is buffered, for a bounded time, and says what was left. */
static void kca_lua_collect_system(kca_system *s) {
  kca_error *e = s ? kca_system_shutdown(s, KCA_LUA_COLLECT_MS) : NULL;
  if (kca_error_code(e) == KCA_ERROR_TIMEOUT)
    fprintf(stderr, "kca: a system was collected that was not shut down: %s\n", kca_error_text(e));
  kca_error_free(e);
  kca_system_free(s);
}

/* kca_queue_next fails with a code only. */
static void kca_lua_push_queue_error(lua_State *L, int code) {
  if (code == KCA_ERROR_STOPPED)
    kca_lua_push_failure(L, code, "stopped", "queue: the consumer has stopped");
  else if (code == KCA_ERROR_FORKED)
    kca_lua_push_failure(L, code, "forked", "queue: it belongs to the parent process");
  else
    kca_lua_push_failure(L, code, "argument", "queue: it is closed, or max is below 1 or timeout_ms below -1");
}

static void kca_lua_push_bytes(lua_State *L, const void *bytes, size_t len) {
  if (bytes)
    lua_pushlstring(L, bytes, len);
  else
    lua_pushnil(L);
}
%}

/* ---- failures ---- */

%typemap(out) kca_error * %{
  if ($1) {
    lua_pushboolean(L, 0);
    kca_lua_push_error(L, $1);
    kca_error_free($1);
    return 2;
  }
  lua_pushboolean(L, 1);
  SWIG_arg++;
%}
%typemap(out) const kca_error * %{
  if ($1)
    kca_lua_push_error(L, $1);
  else
    lua_pushnil(L);
  SWIG_arg++;
%}

/* ---- numbers ---- */

%typemap(out) int, size_t %{
  lua_pushinteger(L, (lua_Integer)$1);
  SWIG_arg++;
%}
%typemap(out) int64_t %{
  kca_lua_push_int64(L, $1);
  SWIG_arg++;
%}
%typemap(out) uint64_t %{
  kca_lua_push_uint64(L, $1);
  SWIG_arg++;
%}
%typemap(in, checkfn = "lua_isnumber") int64_t, uint64_t %{
  $1 = ($1_ltype)kca_lua_to_int64(L, $input);
%}

/* ---- results ---- */

%typemap(argout) SWIGTYPE **out %{
  SWIG_NewPointerObj(L, *$1, $*1_descriptor, 1);
  SWIG_arg++;
%}
%typemap(argout) char **out %{
  lua_pushstring(L, *$1);
  kca_string_free(*$1);
  SWIG_arg++;
%}
%typemap(argout) const char **out %{
  lua_pushstring(L, *$1);
  SWIG_arg++;
%}
%typemap(argout) int64_t *out %{
  kca_lua_push_int64(L, *$1);
  SWIG_arg++;
%}
%typemap(argout) double *out %{
  lua_pushnumber(L, *$1);
  SWIG_arg++;
%}
%typemap(argout) int *out %{
  lua_pushinteger(L, *$1);
  SWIG_arg++;
%}
%typemap(out) const void *kca_message_payload %{
  kca_lua_push_bytes(L, $1, kca_message_payload_len(arg1));
  SWIG_arg++;
%}
%typemap(out) const void *kca_message_key %{
  kca_lua_push_bytes(L, $1, kca_message_key_len(arg1));
  SWIG_arg++;
%}
%typemap(out) const void *kca_message_header_value %{
  kca_lua_push_bytes(L, $1, kca_message_header_value_len(arg1, arg2));
  SWIG_arg++;
%}
%typemap(out) const void *kca_delivery_header_value %{
  kca_lua_push_bytes(L, $1, kca_delivery_header_value_len(arg1, arg2));
  SWIG_arg++;
%}

/* ---- bytes in: a string, nil takes the value away ---- */

%typemap(in, checkfn = "SWIG_lua_isnilstring", fragment = "SWIG_lua_isnilstring") (const void *BYTES, size_t len) %{
  $1 = (void *)lua_tolstring(L, $input, &$2);
  if (!$1)
    $2 = 0;
%}
%apply (const void *BYTES, size_t len) {
  (const void *payload, size_t len), (const void *key, size_t len), (const void *value, size_t len)
};

/* ---- freeing now ---- */

%typemap(in, checkfn = "SWIG_isptrtype") SWIGTYPE *RELEASED %{
  if (SWIG_ConvertPtr(L, $input, (void **)&$1, $1_descriptor, SWIG_POINTER_RELEASE) != SWIG_OK)
    $1 = NULL;
%}
%typemap(argout) kca_event *USED_UP %{
  if (result) {
    void *used;
    SWIG_ConvertPtr(L, 1, &used, $1_descriptor, SWIG_POINTER_RELEASE);
  }
%}

/* ---- events: the room for them is Lua's, so that nothing is left when it runs out of memory ---- */

%typemap(in, checkfn = "lua_isnumber") (kca_event **out, int max) %{
  $2 = lua_tonumber(L, $input) > 1024 ? 1024 : (int)lua_tonumber(L, $input);
  $1 = lua_newuserdata(L, sizeof *$1 * ($2 > 0 ? (size_t)$2 : 1));
%}
%typemap(out) int kca_queue_next %{
  lua_pushboolean(L, $1 >= 0);
  SWIG_arg++;
%}
%typemap(argout) (kca_event **out, int max) %{
  if (result < 0)
    kca_lua_push_queue_error(L, -result);
  else
    lua_createtable(L, result, 0);
  for (int i = 0; i < result; i++) {
    SWIG_NewPointerObj(L, $1[i], $descriptor(kca_event *), 1);
    lua_rawseti(L, -2, i + 1);
  }
  SWIG_arg++;
%}

#define KCA_COLLECT_SYSTEM kca_lua_collect_system
%include "../kca.i"

/* ---- batches: lists of deliveries ---- */

%{
/* into_batch(event): its deliveries; the event is used up. */
static int kca_lua_into_batch(lua_State *L) {
  kca_event *e = NULL;
  if (SWIG_ConvertPtr(L, 1, (void **)&e, SWIGTYPE_p_kca_event, 0) != SWIG_OK || kca_event_batch_count(e) == 0)
    return luaL_error(L, "into_batch: argument 1 is no batch");
  int count = kca_event_batch_count(e);
  kca_delivery **all = lua_newuserdata(L, sizeof *all * (size_t)count);
  lua_createtable(L, count, 0);
  SWIG_ConvertPtr(L, 1, (void **)&e, SWIGTYPE_p_kca_event, SWIG_POINTER_RELEASE);
  kca_event_into_batch(e, all, count);
  for (int i = 0; i < count; i++) {
    SWIG_NewPointerObj(L, all[i], SWIGTYPE_p_kca_delivery, 1);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* settle_batch(deliveries, verdict) */
static int kca_lua_settle_batch(lua_State *L) {
  int count = 0;
  luaL_checktype(L, 1, LUA_TTABLE);
  for (lua_rawgeti(L, 1, 1); !lua_isnil(L, -1); lua_rawgeti(L, 1, count + 1)) {
    count++;
    lua_pop(L, 1);
  }
  kca_delivery **all = lua_newuserdata(L, sizeof *all * (size_t)(count + 1));
  for (int i = 0; i < count; i++) {
    lua_rawgeti(L, 1, i + 1);
    if (SWIG_ConvertPtr(L, -1, (void **)&all[i], SWIGTYPE_p_kca_delivery, 0) != SWIG_OK)
      all[i] = NULL;
    lua_pop(L, 1);
  }
  kca_error *failure = kca_batch_settle(all, count, (int)luaL_checkinteger(L, 2));
  lua_pushboolean(L, failure == NULL);
  if (!failure)
    return 1;
  kca_lua_push_error(L, failure);
  kca_error_free(failure);
  return 2;
}
%}

%native(into_batch) int kca_lua_into_batch(lua_State *L);
%native(settle_batch) int kca_lua_settle_batch(lua_State *L);
