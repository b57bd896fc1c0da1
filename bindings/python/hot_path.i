/*
 * What runs for each message, written by hand: one call from Python makes and publishes a message, one takes a batch
 * of events. Within Python's stable ABI of 3.10. Functions of _kca:
 *
 *   publish(bus, delivery, cause, token, name, payload, key, type, message_id, correlation_id, timestamp_ms, origin,
 *           version, reply_to, headers, traceparent, tracestate, partition, unnamed, timeout_ms)
 *       bus and delivery: handles; delivery not None: in its transaction. cause: the message whose trace it continues.
 *       timeout_ms not None: of kca_bus_publish_within.
 *       The others are those of kca.Message, None leaves one out. Gives None, or the receipt of a publisher that is not
 *       async, as take does.
 *   take(queue, max, timeout_ms): a list of events, each a tuple:
 *       (EVENT_RECEIPT, token, error, topic, partition, offset), (EVENT_DELIVERY, handle, name, payload),
 *       (EVENT_BATCH, a list of (handle, name, payload)), or (another type, handle)
 *   settle_batch(handles, verdict): settles a list of deliveries of one batch together
 *   json_traits(text): what of a JSON text libraries write or read in different ways: 1 an exponent or a small
 *       fraction, 2 null, which may be NaN, 4 an integer of 19 digits or more
 *   json_by(read, surely[, fast[, option[, option]]]): how JSON is read, fast; and written: surely(value), or
 *       fast(value, options...) where that gives the same bytes
 *   json_read(bytes): the values, or a ValueError: then the strict way is to be taken
 *   json_write(value): the value as JSON; a payload that is a dict is written so by publish
 */
%{
/* ---- arguments ---- */

static bool kca_py_handle(void **out, PyObject *value, swig_type_info *type, const char *what) {
  if (SWIG_IsOK(SWIG_ConvertPtr(value, out, type, 0)))
    return true;
  PyErr_Format(PyExc_TypeError, "%s is of another type", what);
  return false;
}

/* Bytes, or a text as UTF-8, or anything with a buffer, of which `*held` is then a copy to be let go. `what` it is, and
 * whose, says the exception for anything else. */
static bool kca_py_octets(const char **out, Py_ssize_t *len, PyObject **held, PyObject *value, const char *what,
                          const char *whose) {
  *held = NULL;
  if (PyUnicode_Check(value)) {
    *out = PyUnicode_AsUTF8AndSize(value, len);
    return *out != NULL;
  }
  char *bytes = NULL;
  *held = kca_py_held(value);
  if (!*held && PyErr_ExceptionMatches(PyExc_TypeError)) {
    PyErr_Clear();
    PyErr_Format(PyExc_TypeError, "%s%s must be a text or bytes, got %R", what, whose, value);
  }
  if (!*held || PyBytes_AsStringAndSize(*held, &bytes, len) != 0)
    return false;
  *out = bytes;
  return true;
}

typedef void (*kca_py_octets_setter)(kca_message *m, const void *octets, size_t len);

static bool kca_py_set_octets(kca_message *m, kca_py_octets_setter set, PyObject *value, const char *what) {
  const char *octets;
  Py_ssize_t len;
  PyObject *held;
  if (value == Py_None)
    return true;
  bool ok = kca_py_octets(&octets, &len, &held, value, what, "");
  if (ok)
    set(m, octets, (size_t)len);
  Py_XDECREF(held);
  return ok;
}

static bool kca_py_add_header(kca_message *m, PyObject *key, PyObject *value) {
  const char *name, *octets;
  Py_ssize_t len;
  PyObject *held;
  if (!kca_py_text(&name, key, "a header's name"))
    return false;
  bool ok = kca_py_octets(&octets, &len, &held, value, "header ", name ? name : "");
  if (ok)
    kca_message_add_header(m, name, octets, (size_t)len);
  Py_XDECREF(held);
  return ok;
}

/* A list of pairs, whose values may be None. */
static bool kca_py_add_pairs(kca_message *m, PyObject *pairs) {
  for (Py_ssize_t i = 0; i < PyList_Size(pairs); i++) {
    PyObject *pair = PyList_GetItem(pairs, i), *key, *value;
    const char *name;
    if (!PyTuple_Check(pair) || PyTuple_Size(pair) != 2) {
      PyErr_Format(PyExc_TypeError, "a header must be a pair of a name and a value, got %R", pair);
      return false;
    }
    key = PyTuple_GetItem(pair, 0);
    value = PyTuple_GetItem(pair, 1);
    if (value == Py_None && !kca_py_text(&name, key, "a header's name"))
      return false;
    if (value == Py_None)
      kca_message_add_header(m, name, NULL, 0);
    else if (!kca_py_add_header(m, key, value))
      return false;
  }
  return true;
}

static bool kca_py_set_headers(kca_message *m, PyObject *headers) {
  PyObject *key, *value;
  Py_ssize_t at = 0;
  if (headers == Py_None)
    return true;
  if (PyList_Check(headers))
    return kca_py_add_pairs(m, headers);
  if (!PyDict_Check(headers)) {
    PyErr_SetString(PyExc_TypeError, "headers must be a dict or a list of pairs");
    return false;
  }
  while (PyDict_Next(headers, &at, &key, &value))
    if (!kca_py_add_header(m, key, value))
      return false;
  return true;
}

/* ---- JSON ---- */

/* The quote that ends a text, or `end`. */
static const char *kca_py_end_of_text(const char *at, const char *end) {
  while (at < end) {
    const char *quote = memchr(at, '"', (size_t)(end - at)), *before = quote;
    if (!quote)
      return end;
    while (before > at && before[-1] == '\\')
      before--;
    if ((quote - before) % 2 == 0)
      return quote;
    at = quote + 1;
  }
  return end;
}

static const char *kca_py_end_of_digits(const char *at, const char *end) {
  while (at < end && *at >= '0' && *at <= '9')
    at++;
  return at;
}

enum { KCA_PY_EXPONENT = 1, KCA_PY_NULL = 2, KCA_PY_LONG = 4, KCA_PY_LONG_DIGITS = 19 };

/* Adds to the traits those of the number at `at`; gives its last character. */
static const char *kca_py_number(int *traits, const char *at, const char *end) {
  const char *first = at;
  at = kca_py_end_of_digits(at, end);
  if (at - first >= KCA_PY_LONG_DIGITS)
    *traits |= KCA_PY_LONG;
  if (end - first > 6 && memcmp(first, "0.0000", 6) == 0)
    *traits |= KCA_PY_EXPONENT;
  if (at < end && *at == '.')
    at = kca_py_end_of_digits(at + 1, end);
  if (at < end && (*at == 'e' || *at == 'E'))
    *traits |= KCA_PY_EXPONENT;
  return at - 1;
}

static int kca_py_traits(const char *text, Py_ssize_t len) {
  int traits = 0;
  const char *end = text + len;
  for (const char *at = text; at < end; at++) {
    if (*at == '"') {
      at = kca_py_end_of_text(at + 1, end);
    } else if (*at == 'n') {
      traits |= KCA_PY_NULL;
      at += 3;
    } else if (*at >= '0' && *at <= '9') {
      at = kca_py_number(&traits, at, end);
    }
  }
  return traits;
}

static PyObject *kca_py_json_traits(PyObject *self, PyObject *args) {
  char *text;
  Py_ssize_t len;
  PyObject *value = PyTuple_GetItem(args, 0);
  (void)self;
  if (!value || PyBytes_AsStringAndSize(value, &text, &len) != 0)
    return NULL;
  return PyLong_FromLong(kca_py_traits(text, len));
}

/* The writers that json_by gave; guarded by the interpreter's lock. */
static struct {
  PyObject *read;                      /* NULL: the standard library's has to check */
  PyObject *surely, *fast, *option[2]; /* the last three may be NULL, from the right */
} kca_py_json;

static void kca_py_exchange(PyObject **place, PyObject *value) {
  PyObject *former = *place;
  *place = value == Py_None ? NULL : value;
  Py_XINCREF(*place);
  Py_XDECREF(former);
}

static PyObject *kca_py_json_by(PyObject *self, PyObject *args) {
  PyObject *read, *surely, *fast = NULL, *first = NULL, *second = NULL;
  (void)self;
  if (!PyArg_ParseTuple(args, "OO|OOO:json_by", &read, &surely, &fast, &first, &second))
    return NULL;
  kca_py_exchange(&kca_py_json.read, read);
  kca_py_exchange(&kca_py_json.surely, surely);
  kca_py_exchange(&kca_py_json.fast, fast);
  kca_py_exchange(&kca_py_json.option[0], first);
  kca_py_exchange(&kca_py_json.option[1], second);
  Py_RETURN_NONE;
}

/* Whether there may be an integer of so many digits: the faster readers make floats of the longest. Such a run has a
 * digit at one of the places that are looked at. */
static bool kca_py_may_have_long(const char *text, Py_ssize_t len) {
  for (Py_ssize_t at = KCA_PY_LONG_DIGITS - 1; at < len; at += KCA_PY_LONG_DIGITS) {
    Py_ssize_t first = at, end = at;
    while (first > 0 && text[first - 1] >= '0' && text[first - 1] <= '9')
      first--;
    while (end < len && text[end] >= '0' && text[end] <= '9')
      end++;
    if (end - first >= KCA_PY_LONG_DIGITS)
      return true;
  }
  return false;
}

/* What the fast reader makes of a payload; a ValueError when it does not read it, or not surely right. */
static PyObject *kca_py_json_fast(PyObject *payload) {
  char *text;
  Py_ssize_t len;
  if (PyBytes_AsStringAndSize(payload, &text, &len) != 0)
    return NULL;
  if (kca_py_json.read && !(kca_py_may_have_long(text, len) && kca_py_traits(text, len) & KCA_PY_LONG))
    return PyObject_CallFunctionObjArgs(kca_py_json.read, payload, NULL);
  PyErr_SetString(PyExc_ValueError, "not to be read fast");
  return NULL;
}

static PyObject *kca_py_json_read(PyObject *self, PyObject *args) {
  PyObject *value = PyTuple_GetItem(args, 0);
  (void)self;
  return value ? kca_py_json_fast(value) : NULL;
}

/* What a fast writer raises for what the sure one may well write: an integer of any size, a key that is no text. */
static bool kca_py_json_refused(void) {
  return PyErr_ExceptionMatches(PyExc_TypeError) || PyErr_ExceptionMatches(PyExc_ValueError) ||
         PyErr_ExceptionMatches(PyExc_OverflowError) || PyErr_ExceptionMatches(PyExc_RecursionError);
}

/* The value as bytes of JSON, the same as the sure writer's. */
static PyObject *kca_py_json_of(PyObject *value) {
  char *bytes;
  Py_ssize_t len;
  if (kca_py_json.fast) {
    PyObject *text = PyObject_CallFunctionObjArgs(kca_py_json.fast, value, kca_py_json.option[0],
                                                  kca_py_json.option[1], NULL);
    if (!text && !kca_py_json_refused())
      return NULL;
    if (text && PyBytes_AsStringAndSize(text, &bytes, &len) == 0 &&
        !(kca_py_traits(bytes, len) & (KCA_PY_EXPONENT | KCA_PY_NULL)))
      return text;
    PyErr_Clear();
    Py_XDECREF(text);
  }
  return PyObject_CallFunctionObjArgs(kca_py_json.surely, value, NULL);
}

static PyObject *kca_py_json_write(PyObject *self, PyObject *args) {
  PyObject *value = PyTuple_GetItem(args, 0);
  (void)self;
  return value ? kca_py_json_of(value) : NULL;
}

/* ---- publishing ---- */

enum {
  KCA_PY_BUS,
  KCA_PY_DELIVERY,
  KCA_PY_CAUSE,
  KCA_PY_TOKEN,
  KCA_PY_NAME,
  KCA_PY_PAYLOAD,
  KCA_PY_KEY,
  KCA_PY_TYPE,
  KCA_PY_MESSAGE_ID,
  KCA_PY_CORRELATION_ID,
  KCA_PY_TIMESTAMP,
  KCA_PY_ORIGIN,
  KCA_PY_VERSION,
  KCA_PY_REPLY_TO,
  KCA_PY_HEADERS,
  KCA_PY_TRACEPARENT,
  KCA_PY_TRACESTATE,
  KCA_PY_PARTITION,
  KCA_PY_UNNAMED,
  KCA_PY_TIMEOUT,
  KCA_PY_PUBLISH_COUNT
};

static const struct {
  int argument;
  const char *what;
  void (*set)(kca_message *m, const char *text);
} kca_py_texts[] = {
    {KCA_PY_MESSAGE_ID, "message_id", kca_message_set_message_id},
    {KCA_PY_CORRELATION_ID, "correlation_id", kca_message_set_correlation_id},
    {KCA_PY_ORIGIN, "origin", kca_message_set_origin},
    {KCA_PY_VERSION, "version", kca_message_set_version},
    {KCA_PY_REPLY_TO, "reply_to", kca_message_set_reply_to},
};

/* After a conversion that failed. */
static bool kca_py_no_number(const char *what, PyObject *value) {
  bool large = PyErr_ExceptionMatches(PyExc_OverflowError);
  PyErr_Clear();
  PyErr_Format(large ? PyExc_OverflowError : PyExc_TypeError,
               large ? "%s is out of range, got %R" : "%s must be an integer, got %R", what, value);
  return false;
}

static bool kca_py_set_numbers(kca_message *m, PyObject *type, PyObject *timestamp, PyObject *partition) {
  if (type != Py_None) {
    long number = PyLong_AsLong(type);
    if (number == -1 && PyErr_Occurred())
      return kca_py_no_number("type", type);
    kca_message_set_type(m, number < INT_MIN || number > INT_MAX ? -1 : (int)number);
  }
  if (timestamp != Py_None) {
    long long ms = PyLong_AsLongLong(timestamp);
    if (ms == -1 && PyErr_Occurred())
      return kca_py_no_number("timestamp_ms", timestamp);
    kca_message_set_timestamp_ms(m, ms);
  }
  if (partition != Py_None) {
    long number = PyLong_AsLong(partition);
    if (number == -1 && PyErr_Occurred())
      return kca_py_no_number("partition", partition);
    kca_message_set_partition(m, number < INT_MIN || number > INT_MAX ? INT_MIN : (int)number);
  }
  return true;
}

static bool kca_py_set_trace(kca_message *m, PyObject *cause, PyObject *parent, PyObject *state) {
  const char *traceparent, *tracestate;
  void *followed;
  if (!kca_py_text(&traceparent, parent, "traceparent") || !kca_py_text(&tracestate, state, "tracestate"))
    return false;
  if (traceparent) {
    kca_message_set_trace_context(m, traceparent, tracestate);
  } else if (cause != Py_None) {
    if (!kca_py_handle(&followed, cause, SWIGTYPE_p_kca_message, "cause"))
      return false;
    kca_message_follow(m, followed);
  }
  return true;
}

/* A dict becomes JSON. */
static bool kca_py_set_payload(kca_message *m, PyObject *value) {
  if (!PyDict_Check(value))
    return kca_py_set_octets(m, kca_message_set_payload, value, "payload");
  PyObject *text = kca_py_json_of(value);
  bool ok = text && kca_py_set_octets(m, kca_message_set_payload, text, "payload");
  Py_XDECREF(text);
  return ok;
}

static bool kca_py_fill(kca_message *m, PyObject **a) {
  for (size_t i = 0; i < sizeof kca_py_texts / sizeof *kca_py_texts; i++) {
    const char *text;
    if (a[kca_py_texts[i].argument] == Py_None)
      continue;
    if (!kca_py_text(&text, a[kca_py_texts[i].argument], kca_py_texts[i].what))
      return false;
    kca_py_texts[i].set(m, text);
  }
  if (a[KCA_PY_UNNAMED] != Py_False)
    kca_message_set_unnamed(m, PyObject_IsTrue(a[KCA_PY_UNNAMED]) == 1);
  return kca_py_set_payload(m, a[KCA_PY_PAYLOAD]) &&
         kca_py_set_octets(m, kca_message_set_key, a[KCA_PY_KEY], "key") &&
         kca_py_set_numbers(m, a[KCA_PY_TYPE], a[KCA_PY_TIMESTAMP], a[KCA_PY_PARTITION]) && kca_py_set_headers(m, a[KCA_PY_HEADERS]) &&
         kca_py_set_trace(m, a[KCA_PY_CAUSE], a[KCA_PY_TRACEPARENT], a[KCA_PY_TRACESTATE]);
}

/* None, or NULL with the exception of `e`, which is freed. */
static PyObject *kca_py_outcome(kca_error *e) {
  if (PyErr_Occurred()) { /* it was interrupted */
    kca_error_free(e);
    return NULL;
  }
  if (!e)
    Py_RETURN_NONE;
  PyObject *exception = kca_py_error(e);
  kca_error_free(e);
  kca_py_raise(exception);
  return NULL;
}

/* The message of the last call, for the next one: taking its memory each time costs as much as publishing. Guarded by
 * the interpreter's lock. */
static kca_message *kca_py_spare;

enum { KCA_PY_MOST_KEPT = 65536 };

static kca_error *kca_py_take_message(kca_message **out, const char *name) {
  *out = kca_py_spare;
  if (!*out)
    return kca_message_new(out, name);
  kca_py_spare = NULL;
  kca_error *e = kca_message_reset(*out, name);
  if (e)
    kca_message_free(*out);
  return e;
}

static void kca_py_keep_message(kca_message *m) {
  if (kca_py_spare || kca_message_payload_len(m) > KCA_PY_MOST_KEPT)
    kca_message_free(m);
  else
    kca_py_spare = m;
}

static PyObject *kca_py_receipt(kca_event *e) {
  const kca_error *why = kca_event_error(e);
  PyObject *error = Py_None;
  if (why)
    error = kca_py_error(why);
  else
    Py_INCREF(error);
  PyObject *made = error ? Py_BuildValue("iKNsiL", KCA_EVENT_RECEIPT, (unsigned long long)kca_event_token(e), error,
                                         kca_event_topic(e), kca_event_partition(e), (long long)kca_event_offset(e))
                         : NULL;
  kca_event_free(e);
  return made;
}

enum { KCA_PY_NO_TIMEOUT = INT_MIN };

/* The limit of the call's time; KCA_PY_NO_TIMEOUT: none of its own. */
static bool kca_py_take_timeout(int *out, PyObject *value) {
  *out = KCA_PY_NO_TIMEOUT;
  if (value == Py_None)
    return true;
  long ms = PyLong_AsLong(value);
  if (ms == -1 && PyErr_Occurred())
    return kca_py_no_number("timeout_ms", value);
  *out = ms > INT_MAX ? INT_MAX : ms < -1 ? -2 : (int)ms;
  return true;
}

static kca_error *kca_py_put(kca_event **out, kca_delivery *delivery, kca_bus *bus, const kca_message *m,
                             uint64_t token, int timeout_ms) {
  if (delivery)
    return kca_delivery_publish(delivery, bus, m);
  if (timeout_ms == KCA_PY_NO_TIMEOUT)
    return kca_bus_publish_for_receipt(out, bus, m, token);
  return kca_bus_publish_within(out, bus, m, token, timeout_ms);
}

static PyObject *kca_py_publish(PyObject *self, PyObject *args) {
  PyObject *a[KCA_PY_PUBLISH_COUNT];
  void *bus, *delivery = NULL;
  const char *name;
  kca_message *m;
  int timeout_ms;
  (void)self;
  if (PyTuple_Size(args) != KCA_PY_PUBLISH_COUNT) {
    PyErr_SetString(PyExc_TypeError, "publish takes other arguments");
    return NULL;
  }
  for (int i = 0; i < KCA_PY_PUBLISH_COUNT; i++)
    a[i] = PyTuple_GetItem(args, i);
  uint64_t token = PyLong_AsUnsignedLongLong(a[KCA_PY_TOKEN]);
  if (token == (uint64_t)-1 && PyErr_Occurred()) {
    kca_py_no_number("token", a[KCA_PY_TOKEN]);
    return NULL;
  }
  if (!kca_py_take_timeout(&timeout_ms, a[KCA_PY_TIMEOUT]) || !kca_py_text(&name, a[KCA_PY_NAME], "name") ||
      !kca_py_handle(&bus, a[KCA_PY_BUS], SWIGTYPE_p_kca_bus, "bus"))
    return NULL;
  if (a[KCA_PY_DELIVERY] != Py_None &&
      !kca_py_handle(&delivery, a[KCA_PY_DELIVERY], SWIGTYPE_p_kca_delivery, "delivery"))
    return NULL;

  kca_error *e = kca_py_take_message(&m, name);
  if (e)
    return kca_py_outcome(e);
  kca_event *receipt = NULL;
  bool ok = kca_py_fill(m, a);
  if (ok) {
    Py_BEGIN_ALLOW_THREADS
    e = kca_py_put(&receipt, delivery, bus, m, token, timeout_ms);
    Py_END_ALLOW_THREADS
  }
  kca_py_keep_message(m);
  if (ok && receipt && !PyErr_Occurred())
    return kca_py_receipt(receipt);
  kca_event_free(receipt);
  return ok ? kca_py_outcome(e) : NULL;
}

/* ---- taking ---- */

/* (handle, name, payload) */
static PyObject *kca_py_parts(kca_delivery *d) {
  const kca_message *m = kca_delivery_message(d);
  PyObject *handle = SWIG_NewPointerObj(d, SWIGTYPE_p_kca_delivery, SWIG_POINTER_OWN);
  PyObject *payload = kca_py_bytes(kca_message_payload(m), kca_message_payload_len(m));
  const char *name = kca_message_name(m);
  PyObject *route = PyUnicode_DecodeUTF8(name, (Py_ssize_t)strlen(name), "surrogateescape");
  if (!handle || !payload || !route) {
    Py_XDECREF(handle);
    Py_XDECREF(payload);
    Py_XDECREF(route);
    return NULL;
  }
  return Py_BuildValue("NNN", handle, route, payload);
}

static PyObject *kca_py_delivery(kca_event *e) {
  PyObject *handle, *route, *payload, *parts = kca_py_parts(kca_event_into_delivery(e));
  if (!parts)
    return NULL;
  handle = PyTuple_GetItem(parts, 0);
  route = PyTuple_GetItem(parts, 1);
  payload = PyTuple_GetItem(parts, 2);
  PyObject *taken = Py_BuildValue("iOOO", KCA_EVENT_DELIVERY, handle, route, payload);
  Py_DECREF(parts);
  return taken;
}

static PyObject *kca_py_batch(kca_event *e) {
  int count = kca_event_batch_count(e);
  kca_delivery **all = malloc((size_t)count * sizeof *all);
  PyObject *list = PyList_New(count);
  if (!all || !list) {
    free(all);
    Py_XDECREF(list);
    kca_event_free(e);
    return PyErr_NoMemory();
  }
  kca_event_into_batch(e, all, count);
  for (int i = 0; i < count; i++) {
    PyObject *parts = list ? kca_py_parts(all[i]) : NULL;
    if (parts)
      PyList_SetItem(list, i, parts);
    else if (list)
      Py_CLEAR(list);
    else
      kca_delivery_free(all[i]);
  }
  free(all);
  return list ? Py_BuildValue("iN", KCA_EVENT_BATCH, list) : NULL;
}

static PyObject *kca_py_settle_batch(PyObject *self, PyObject *args) {
  PyObject *list;
  int verdict;
  (void)self;
  if (!PyArg_ParseTuple(args, "Oi:settle_batch", &list, &verdict))
    return NULL;
  Py_ssize_t count = PyList_Size(list);
  kca_delivery **all = count < 1 ? NULL : malloc((size_t)count * sizeof *all);
  if (!all)
    return PyErr_Occurred() ? NULL : PyErr_NoMemory();
  bool ok = true;
  for (Py_ssize_t i = 0; i < count && ok; i++) {
    void *delivery;
    ok = kca_py_handle(&delivery, PyList_GetItem(list, i), SWIGTYPE_p_kca_delivery, "delivery");
    all[i] = delivery;
  }
  kca_error *e = NULL;
  if (ok) {
    Py_BEGIN_ALLOW_THREADS
    e = kca_batch_settle(all, (int)count, verdict);
    Py_END_ALLOW_THREADS
  }
  free(all);
  return ok ? kca_py_outcome(e) : NULL;
}

static PyObject *kca_py_taken(kca_event *e) {
  switch (kca_event_type(e)) {
  case KCA_EVENT_RECEIPT:
    return kca_py_receipt(e);
  case KCA_EVENT_DELIVERY:
    return kca_py_delivery(e);
  case KCA_EVENT_BATCH:
    return kca_py_batch(e);
  default:
    return Py_BuildValue("iN", kca_event_type(e), SWIG_NewPointerObj(e, SWIGTYPE_p_kca_event, SWIG_POINTER_OWN));
  }
}

enum { KCA_PY_MOST = 1024, KCA_PY_SLICE_MS = 250, KCA_PY_INTERRUPTED = INT_MIN };

/* kca_queue_next, in slices, so that Python sees Ctrl-C; KCA_PY_INTERRUPTED: an exception is set. */
static int kca_py_next(kca_queue *queue, kca_event **events, int max, int timeout_ms) {
  for (;;) {
    int count, slice = timeout_ms == -1 || timeout_ms > KCA_PY_SLICE_MS ? KCA_PY_SLICE_MS : timeout_ms;
    Py_BEGIN_ALLOW_THREADS
    count = kca_queue_next(queue, events, max, slice);
    Py_END_ALLOW_THREADS
    if (count != 0 || timeout_ms == 0)
      return count;
    if (PyErr_CheckSignals() != 0)
      return KCA_PY_INTERRUPTED;
    if (timeout_ms > 0)
      timeout_ms -= slice;
  }
}

static PyObject *kca_py_take(PyObject *self, PyObject *args) {
  kca_event *events[KCA_PY_MOST];
  PyObject *handle;
  void *queue;
  int max, timeout_ms, count;
  (void)self;
  if (!PyArg_ParseTuple(args, "Oii:take", &handle, &max, &timeout_ms) ||
      !kca_py_handle(&queue, handle, SWIGTYPE_p_kca_queue, "queue"))
    return NULL;
  count = kca_py_next(queue, events, max > KCA_PY_MOST ? KCA_PY_MOST : max, timeout_ms);
  if (count == KCA_PY_INTERRUPTED)
    return NULL;
  if (count < 0) {
    kca_py_raise(kca_py_queue_error(-count));
    return NULL;
  }
  PyObject *list = PyList_New(count);
  for (int i = 0; i < count; i++) {
    if (!list) {
      kca_event_free(events[i]); /* memory is out: what is left goes unsettled */
      continue;
    }
    PyObject *taken = kca_py_taken(events[i]);
    if (taken)
      PyList_SetItem(list, i, taken);
    else
      Py_CLEAR(list);
  }
  return list;
}
%}

%native(publish) PyObject *kca_py_publish(PyObject *self, PyObject *args);
%native(settle_batch) PyObject *kca_py_settle_batch(PyObject *self, PyObject *args);
%native(take) PyObject *kca_py_take(PyObject *self, PyObject *args);
%native(json_read) PyObject *kca_py_json_read(PyObject *self, PyObject *args);
%native(json_by) PyObject *kca_py_json_by(PyObject *self, PyObject *args);
%native(json_write) PyObject *kca_py_json_write(PyObject *self, PyObject *args);
%native(json_traits) PyObject *kca_py_json_traits(PyObject *self, PyObject *args);
