/*
 * The low-level module kca._kca: the functions of kca_abi.h under their own names, with Python's ways of failing,
 * returning and freeing. The package kca is written over it.
 */
%module(package = "kca") swig

%{
#include <kca.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* kca.errors.make(code, name, text, rdkafka_code, retriable, fatal): an exception. */
static PyObject *kca_py_exception(int code, const char *name, const char *text, int rdkafka_code, int retriable,
                                  int fatal) {
  PyObject *module = PyImport_ImportModule("kca.errors");
  if (!module)
    return NULL;
  PyObject *exception = PyObject_CallMethod(module, "make", "issiii", code, name, text, rdkafka_code, retriable, fatal);
  Py_DECREF(module);
  return exception;
}

static PyObject *kca_py_error(const kca_error *e) {
  return kca_py_exception(kca_error_code(e), kca_error_name(e), kca_error_text(e), kca_error_rdkafka_code(e),
                          kca_error_retriable(e), kca_error_fatal(e));
}

/* kca_queue_next fails with a code only. */
static PyObject *kca_py_queue_error(int code) {
  switch (code) {
  case KCA_ERROR_STOPPED:
    return kca_py_exception(code, "stopped", "queue: the consumer has stopped", 0, 0, 0);
  case KCA_ERROR_FORKED:
    return kca_py_exception(code, "forked", "queue: it belongs to the parent process", 0, 0, 0);
  default:
    return kca_py_exception(code, "argument", "queue: it is closed, or max is below 1 or timeout_ms below -1", 0, 0, 0);
  }
}

static void kca_py_raise(PyObject *exception) {
  if (!exception)
    return;
  PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
  Py_DECREF(exception);
}

static PyObject *kca_py_bytes(const void *bytes, size_t len) {
  if (!bytes)
    Py_RETURN_NONE;
  return PyBytes_FromStringAndSize(bytes, (Py_ssize_t)len);
}

/* What a function gives in place of None, which says that it went well. */
static PyObject *kca_py_result(PyObject *none, PyObject *value) {
  Py_DECREF(none);
  return value;
}

/* Bytes that hold what `value` does; a new reference. */
static PyObject *kca_py_held(PyObject *value) {
  if (PyBytes_Check(value)) {
    Py_INCREF(value);
    return value;
  }
  PyObject *view = PyMemoryView_FromObject(value);
  if (!view)
    return NULL;
  PyObject *bytes = PyBytes_FromObject(view);
  Py_DECREF(view);
  return bytes;
}

/* Whether a call that waits is to end, by the system's flag (heed, tell), or because Python handled a signal, whose
 * exception stays set. Only the main thread handles signals; others could be ended while they ask for the
 * interpreter's lock, when it exits. */
static int kca_py_interrupted(void *user) {
  if (atomic_load((atomic_int *)user))
    return 1;
  if (syscall(SYS_gettid) != getpid())
    return 0;
  PyGILState_STATE state = PyGILState_Ensure();
  int told = PyErr_CheckSignals() != 0;
  PyGILState_Release(state);
  return told;
}

/* heed(system): Ctrl-C ends the system's waits, and so does its flag, whose address it gives. */
static PyObject *kca_py_heed(PyObject *self, PyObject *args);

/* tell(address, value): sets the flag; while it is other than 0, the system's waits end. */
static PyObject *kca_py_tell(PyObject *self, PyObject *args) {
  PyObject *address;
  int value;
  (void)self;
  if (!PyArg_ParseTuple(args, "Oi:tell", &address, &value))
    return NULL;
  atomic_int *flag = PyLong_AsVoidPtr(address);
  if (!flag)
    return NULL;
  atomic_store(flag, value);
  Py_RETURN_NONE;
}
%}

/* ---- arguments: an exception for a value of a wrong type speaks of what Python gave, not of a function of C ---- */

%{
/* A text without NUL; None: NULL. */
static bool kca_py_text(const char **out, PyObject *value, const char *what) {
  Py_ssize_t len;
  *out = NULL;
  if (value == Py_None)
    return true;
  if (!PyUnicode_Check(value)) {
    PyErr_Format(PyExc_TypeError, "%s must be a text, got one of %R", what, (PyObject *)Py_TYPE(value));
    return false;
  }
  *out = PyUnicode_AsUTF8AndSize(value, &len);
  if (!*out && PyErr_ExceptionMatches(PyExc_UnicodeError)) {
    PyErr_Clear();
    PyErr_Format(PyExc_ValueError, "%s must be UTF-8, got one with other bytes", what);
  }
  if (*out && strlen(*out) != (size_t)len) {
    PyErr_Format(PyExc_ValueError, "%s has a NUL in it", what);
    return false;
  }
  return *out != NULL;
}

enum { KCA_PY_WORDS = 96 };

/* What an argument is called: the option that a setter sets, and its parameter unless the option's name says it. */
static void kca_py_words(char words[KCA_PY_WORDS], const char *function, const char *parameter) {
  const char *option = strstr(function, "_with_");
  option = option ? option + strlen("_with_") : strstr(function, "_set_");
  if (option && strncmp(option, "_set_", strlen("_set_")) == 0)
    option += strlen("_set_");
  size_t len = option ? strlen(option) : 0, own = strlen(parameter);
  if (len >= own && strcmp(option + len - own, parameter) == 0)
    snprintf(words, KCA_PY_WORDS, "%s", option);
  else
    snprintf(words, KCA_PY_WORDS, "%s%s%s", option ? option : "", option ? ": " : "", parameter);
}

static bool kca_py_refuse(PyObject *exception, const char *function, const char *parameter, const char *wanted,
                          PyObject *got) {
  char words[KCA_PY_WORDS];
  kca_py_words(words, function, parameter);
  PyErr_Format(exception, "%s must be %s, got %R", words, wanted, got);
  return false;
}

/* The value of a wrong text may be a secret: its type is shown. */
static bool kca_py_take_text(char **out, PyObject *value, const char *function, const char *parameter) {
  char words[KCA_PY_WORDS];
  const char *text;
  kca_py_words(words, function, parameter);
  bool ok = kca_py_text(&text, value, words);
  *out = (char *)(uintptr_t)text;
  return ok;
}

static bool kca_py_take_integer(long long *out, PyObject *value, long long least, long long most, const char *function,
                                const char *parameter) {
  if (!PyLong_Check(value))
    return kca_py_refuse(PyExc_TypeError, function, parameter, "a whole number", value);
  *out = PyLong_AsLongLong(value);
  bool fits = !(*out == -1 && PyErr_Occurred()) && *out >= least && *out <= most;
  PyErr_Clear();
  return fits || kca_py_refuse(PyExc_OverflowError, function, parameter,
                               most == INT_MAX ? "a number of 32 bits" : "a number of 64 bits", value);
}

static bool kca_py_take_double(double *out, PyObject *value, const char *function, const char *parameter) {
  if (!PyFloat_Check(value) && !PyLong_Check(value))
    return kca_py_refuse(PyExc_TypeError, function, parameter, "a number", value);
  *out = PyFloat_AsDouble(value);
  return !PyErr_Occurred();
}
%}

%typemap(in) const char * %{
  if (!kca_py_take_text(&$1, $input, "$symname", "$1_name"))
    SWIG_fail;
%}
%typemap(freearg) const char * "";
%typemap(in) int (long long taken) %{
  if (!kca_py_take_integer(&taken, $input, INT_MIN, INT_MAX, "$symname", "$1_name"))
    SWIG_fail;
  $1 = (int)taken;
%}
%typemap(in) int64_t (long long taken) %{
  if (!kca_py_take_integer(&taken, $input, LLONG_MIN, LLONG_MAX, "$symname", "$1_name"))
    SWIG_fail;
  $1 = taken;
%}
%typemap(in) uint64_t %{
  $1 = PyLong_AsUnsignedLongLong($input);
  if (PyErr_Occurred()) {
    PyErr_Clear();
    kca_py_refuse(PyLong_Check($input) ? PyExc_OverflowError : PyExc_TypeError, "$symname", "$1_name",
                  "a whole number, 0 or above, of 64 bits", $input);
    SWIG_fail;
  }
%}
%typemap(in) double %{
  if (!kca_py_take_double(&$1, $input, "$symname", "$1_name"))
    SWIG_fail;
%}

/* ---- failures ---- */

%typemap(out) kca_error * %{
  if (PyErr_Occurred()) { /* it was interrupted */
    kca_error_free($1);
    SWIG_fail;
  }
  if ($1) {
    PyObject *exception = kca_py_error($1);
    kca_error_free($1);
    kca_py_raise(exception);
    SWIG_fail;
  }
  $result = SWIG_Py_Void();
%}
%typemap(out) const kca_error * %{
  if ($1) {
    $result = kca_py_error($1);
    if (!$result)
      SWIG_fail;
  } else {
    $result = SWIG_Py_Void();
  }
%}

/* ---- results ---- */

%typemap(argout) SWIGTYPE **out %{
  $result = kca_py_result($result, SWIG_NewPointerObj(*$1, $*1_descriptor, SWIG_POINTER_OWN));
%}
%typemap(argout) char **out %{
  $result = kca_py_result($result, SWIG_FromCharPtr(*$1));
%}
%typemap(freearg) char **out %{
  kca_string_free(*$1);
%}
%typemap(argout) const char **out %{
  $result = kca_py_result($result, SWIG_FromCharPtr(*$1));
%}
%typemap(argout) int64_t *out %{
  $result = kca_py_result($result, PyLong_FromLongLong(*$1));
%}
%typemap(argout) double *out %{
  $result = kca_py_result($result, PyFloat_FromDouble(*$1));
%}
%typemap(argout) int *out %{
  $result = kca_py_result($result, PyLong_FromLong(*$1));
%}
%typemap(out) const void *kca_message_payload %{
  $result = kca_py_bytes($1, kca_message_payload_len(arg1));
%}
%typemap(out) const void *kca_message_key %{
  $result = kca_py_bytes($1, kca_message_key_len(arg1));
%}
%typemap(out) const void *kca_message_header_value %{
  $result = kca_py_bytes($1, kca_message_header_value_len(arg1, arg2));
%}
%typemap(out) const void *kca_delivery_header_value %{
  $result = kca_py_bytes($1, kca_delivery_header_value_len(arg1, arg2));
%}

/* ---- bytes in: bytes as they are, of anything else with a buffer a copy (the stable ABI of 3.10 has no more to offer);
 * None takes the value away ---- */

%typemap(in) (const void *BYTES, size_t len) (PyObject *held = NULL) {
  if ($input != Py_None) {
    char *bytes = NULL;
    Py_ssize_t len = 0;
    held = kca_py_held($input);
    if (!held && PyErr_ExceptionMatches(PyExc_TypeError)) {
      PyErr_Clear();
      kca_py_refuse(PyExc_TypeError, "$symname", "$1_name", "a text or bytes", $input);
    }
    if (!held || PyBytes_AsStringAndSize(held, &bytes, &len) != 0)
      SWIG_fail;
    $1 = bytes;
    $2 = (size_t)len;
  }
}
%typemap(freearg) (const void *BYTES, size_t len) %{
  Py_XDECREF(held$argnum);
%}
%apply (const void *BYTES, size_t len) {
  (const void *payload, size_t len), (const void *key, size_t len), (const void *value, size_t len)
};

/* ---- names: what was read with bytes that are not UTF-8 goes back as it was, and the library says what is allowed ---- */

%typemap(in) const char *name (PyObject *held = NULL) {
  if ($input != Py_None) {
    char *text = NULL;
    if (!PyUnicode_Check($input)) {
      PyErr_Format(PyExc_TypeError, "a name must be a text, got %R", $input);
      SWIG_fail;
    }
    held = PyUnicode_AsEncodedString($input, "utf-8", "surrogateescape");
    if (!held || PyBytes_AsStringAndSize(held, &text, NULL) != 0)
      SWIG_fail;
    $1 = text;
  }
}
%typemap(freearg) const char *name %{
  Py_XDECREF(held$argnum);
%}

/* ---- freeing now ---- */

%typemap(in) SWIGTYPE *RELEASED {
  void *released = NULL;
  int res = SWIG_ConvertPtr($input, &released, $1_descriptor, SWIG_POINTER_RELEASE);
  if (!SWIG_IsOK(res) && res != SWIG_ERROR_RELEASE_NOT_OWNED)
    SWIG_exception_fail(SWIG_ArgError(res), "$symname: argument 1 is of another type");
  $1 = ($1_ltype)released;
}
%typemap(argout) kca_event *USED_UP %{
  void *used;
  if (result)
    SWIG_ConvertPtr(swig_obj[0], &used, $1_descriptor, SWIG_POINTER_RELEASE);
%}

/* ---- events ---- */

%typemap(in) (kca_event **out, int max) {
  long max = PyLong_AsLong($input);
  if (max == -1 && PyErr_Occurred())
    SWIG_fail;
  $2 = max > 1024 ? 1024 : (int)max;
  $1 = calloc($2 > 0 ? (size_t)$2 : 1, sizeof *$1);
}
%typemap(freearg) (kca_event **out, int max) %{
  free($1);
%}
%typemap(out) int kca_queue_next %{
  if ($1 < 0) {
    kca_py_raise(kca_py_queue_error(-$1));
    SWIG_fail;
  }
  $result = PyList_New($1);
%}
%typemap(argout) (kca_event **out, int max) %{
  for (int i = 0; $result && i < result; i++)
    PyList_SetItem($result, i, SWIG_NewPointerObj($1[i], $descriptor(kca_event *), SWIG_POINTER_OWN));
%}

%include "../kca.i"

%include "hot_path.i"
%include "serving.i"
%include "translators.i"

%{
static PyObject *kca_py_heed(PyObject *self, PyObject *args) {
  void *system;
  PyObject *handle;
  (void)self;
  if (!PyArg_ParseTuple(args, "O:heed", &handle) || !kca_py_handle(&system, handle, SWIGTYPE_p_kca_system, "system"))
    return NULL;
  atomic_int *flag = calloc(1, sizeof *flag);
  if (!flag)
    return PyErr_NoMemory();
  kca_error *e = kca_system_set_interrupt(system, kca_py_interrupted, flag, free);
  if (e)
    return kca_py_outcome(e);
  return PyLong_FromVoidPtr(flag);
}
%}

%native(heed) PyObject *kca_py_heed(PyObject *self, PyObject *args);
%native(tell) PyObject *kca_py_tell(PyObject *self, PyObject *args);
