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
#include <stdlib.h>
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
