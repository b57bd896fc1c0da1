/*
 * Handling one delivery after another, written by hand as hot_path.i is, whose parts it uses. Functions of _kca:
 *
 *   serve(queue, timeout_ms, served): has deliveries handled until none comes: None; or an event of another kind:
 *       (type, handle). served: what Work.served gives. A handler is called from here, unless there are hooks, a store is
 *       to be asked or a span to be made: then by served's answer(delivery) -> (verdict, name, text)
 *   own(address): the handle of a delivery
 */
%{
/* What kca.work.Work gives to serve, borrowed, and what is remembered of the delivery before. */
typedef struct kca_py_served {
  PyObject *make, *handlers, *stores, *set_handled, *answer, *broken_off, *done, *told, *reply, *failure, *misfit;
  int spans, hooked; /* of OpenTelemetry, and with hooks: they are Work.answer's */
  PyObject *name;
  const char *text; /* of the name; NULL: it is not UTF-8 */
  PyObject *handler, *function, *arguments;
  long takes;
} kca_py_served;

/* What Handler.takes says: the values of the payload, and that they are to be a dict. */
enum { KCA_PY_TAKES_VALUES = 1, KCA_PY_TAKES_DICT = 2 };

/* What is at hand while a delivery is handled. `object` is the kca.Delivery, when somebody asked for one; while its
 * _raw is there, serve frees the delivery, and not the object. */
typedef struct kca_py_hand {
  kca_delivery *delivery;
  PyObject *object;
  int verdict;
  bool settle, free;
} kca_py_hand;

static PyObject *kca_py_call(PyObject *function, PyObject *argument) {
  return PyObject_CallFunctionObjArgs(function, argument, NULL);
}

/* ---- the handler of a delivery ---- */

static bool kca_py_know_name(kca_py_served *s, const char *text) {
  if (s->text && strcmp(s->text, text) == 0)
    return true;
  Py_XDECREF(s->name);
  s->text = NULL;
  s->name = PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "surrogateescape");
  if (!s->name)
    return false;
  s->text = PyUnicode_AsUTF8AndSize(s->name, NULL);
  PyErr_Clear();
  return true;
}

static void kca_py_forget_handler(kca_py_served *s) {
  Py_CLEAR(s->handler);
  Py_CLEAR(s->function);
  Py_CLEAR(s->arguments);
}

static bool kca_py_know_handler(kca_py_served *s, PyObject *handler) {
  if (handler == s->handler)
    return true;
  kca_py_forget_handler(s);
  PyObject *takes = PyObject_GetAttrString(handler, "takes");
  s->takes = takes ? PyLong_AsLong(takes) : -1;
  Py_XDECREF(takes);
  s->function = PyObject_GetAttrString(handler, "function");
  s->arguments = PyObject_GetAttrString(handler, "arguments");
  if (s->takes < 0 || !s->function || !s->arguments)
    return false;
  Py_INCREF(handler);
  s->handler = handler;
  return true;
}

static bool kca_py_find_handler(kca_py_served *s, const kca_message *m) {
  if (!kca_py_know_name(s, kca_message_name(m)))
    return false;
  PyObject *handler = PyDict_GetItemWithError(s->handlers, s->name);
  if (!handler && !PyErr_Occurred())
    handler = PyDict_GetItemString(s->handlers, "*");
  return handler && kca_py_know_handler(s, handler);
}

/* ---- the call ---- */

/* The message goes on with somebody's trace or baggage. */
static bool kca_py_is_traced(const kca_message *m) {
  return kca_message_traceparent(m)[0] || kca_message_header(m, "baggage");
}

/* make(None, name, payload, address, traced) */
static bool kca_py_present(kca_py_served *s, kca_py_hand *hand) {
  const kca_message *m = kca_delivery_message(hand->delivery);
  if (hand->object)
    return true;
  if (!kca_py_know_name(s, kca_message_name(m)))
    return false;
  PyObject *payload = kca_py_bytes(kca_message_payload(m), kca_message_payload_len(m));
  PyObject *raw = PyLong_FromVoidPtr(hand->delivery);
  PyObject *traced = kca_py_is_traced(m) ? Py_True : Py_False;
  if (payload && raw)
    hand->object = PyObject_CallFunctionObjArgs(s->make, Py_None, s->name, payload, raw, traced, NULL);
  Py_XDECREF(payload);
  Py_XDECREF(raw);
  return hand->object != NULL;
}

/* The values that the handler takes, and nothing else; NULL without an exception: it is to be asked how it is called. */
static PyObject *kca_py_values(const kca_py_served *s, const kca_message *m) {
  if (s->takes == 0 || !kca_message_payload(m))
    return NULL;
  PyObject *payload = kca_py_bytes(kca_message_payload(m), kca_message_payload_len(m));
  PyObject *value = payload ? kca_py_json_fast(payload) : NULL;
  Py_XDECREF(payload);
  if (value && s->takes == KCA_PY_TAKES_DICT && !PyDict_CheckExact(value))
    Py_CLEAR(value);
  PyErr_Clear();
  return value;
}

/* The exception that was set. */
static PyObject *kca_py_caught(void) {
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);
  PyErr_NormalizeException(&type, &value, &trace);
  if (trace)
    PyException_SetTraceback(value, trace);
  Py_XDECREF(type);
  Py_XDECREF(trace);
  return value;
}

/* What `function` makes of the exception; NULL: it is set still, for it ends the process. */
static PyObject *kca_py_excused(PyObject *function) {
  if (PyErr_ExceptionMatches(PyExc_KeyboardInterrupt) || PyErr_ExceptionMatches(PyExc_SystemExit))
    return NULL;
  PyObject *value = kca_py_caught();
  PyObject *said = kca_py_call(function, value);
  Py_XDECREF(value);
  return said;
}

/* Keeps the JSON of a reply. An error of state: its time is over, or its partition gone: it comes again. */
static bool kca_py_keep_reply(const kca_py_hand *hand, PyObject *json) {
  char *bytes;
  Py_ssize_t len;
  if (PyBytes_AsStringAndSize(json, &bytes, &len) < 0)
    return false;
  kca_error *e = kca_delivery_reply(hand->delivery, bytes, (size_t)len);
  bool kept = !e || kca_error_code(e) == KCA_ERROR_STATE;
  PyObject *exception = kept ? NULL : kca_py_error(e);
  kca_error_free(e);
  if (exception)
    kca_py_raise(exception);
  return kept;
}

/* What comes of a result that is not None. */
static PyObject *kca_py_take_result(kca_py_served *s, kca_py_hand *hand, PyObject *result) {
  PyObject *wanted = kca_delivery_wants_reply(hand->delivery) ? Py_True : Py_False;
  PyObject *said = PyObject_CallFunctionObjArgs(s->told, s->handler, result, wanted, NULL);
  if (said == Py_None) {
    Py_DECREF(said);
    return kca_py_present(s, hand) ? PyObject_CallFunctionObjArgs(s->reply, hand->object, result, NULL) : NULL;
  }
  if (!said || !PyBytes_Check(said))
    return said;
  bool kept = kca_py_keep_reply(hand, said);
  Py_DECREF(said);
  if (kept)
    Py_INCREF(s->done);
  return kept ? s->done : NULL;
}

/* Calls the handler; gives what came of it as Work.answer does, or NULL: something was raised. */
static PyObject *kca_py_call_handler(kca_py_served *s, kca_py_hand *hand) {
  PyObject *result, *value = kca_py_values(s, kca_delivery_message(hand->delivery));
  if (value) {
    result = kca_py_call(s->function, value);
  } else {
    value = kca_py_present(s, hand) ? kca_py_call(s->arguments, hand->object) : NULL;
    if (!value)
      return kca_py_excused(s->misfit);
    result = PyObject_Call(s->function, value, NULL);
  }
  Py_DECREF(value);
  if (!result)
    return NULL;
  if (result == Py_None)
    Py_INCREF(s->done);
  PyObject *said = result == Py_None ? s->done : kca_py_take_result(s, hand, result);
  Py_DECREF(result);
  return said;
}

/* The exception that is set stays. */
static void kca_py_unset_handled(kca_py_served *s) {
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);
  Py_XDECREF(kca_py_call(s->set_handled, Py_None));
  PyErr_Restore(type, value, trace);
}

/* Likewise, by the shortest way: what has no trace needs no `handled`, which hands on nothing else. */
static PyObject *kca_py_answer(kca_py_served *s, kca_py_hand *hand) {
  const kca_message *m = kca_delivery_message(hand->delivery);
  bool traced = kca_py_is_traced(m);
  if (s->hooked || PyDict_Size(s->stores) > 0 || (traced && s->spans) || !kca_py_find_handler(s, m)) {
    PyErr_Clear();
    return kca_py_present(s, hand) ? kca_py_call(s->answer, hand->object) : NULL;
  }
  if (!traced)
    return kca_py_call_handler(s, hand);
  PyObject *token = kca_py_present(s, hand) ? kca_py_call(s->set_handled, hand->object) : NULL;
  PyObject *said = token ? kca_py_call_handler(s, hand) : NULL;
  Py_XDECREF(token);
  kca_py_unset_handled(s);
  return said;
}

/* ---- what comes of it ---- */

/* Explains, and says how it is settled. */
static bool kca_py_understand(kca_py_hand *hand, PyObject *answer) {
  PyObject *verdict = PyTuple_GetItem(answer, 0), *name = PyTuple_GetItem(answer, 1), *text = PyTuple_GetItem(answer, 2);
  long number = verdict && name && text ? PyLong_AsLong(verdict) : -1;
  if (number < 0)
    return false;
  hand->verdict = (int)number;
  hand->settle = number != KCA_DEFERRED;
  if (number == KCA_FAILED || number == KCA_REJECTED) {
    PyObject *error_name = PyUnicode_AsEncodedString(name, "utf-8", "backslashreplace");
    PyObject *told = PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace");
    if (told && error_name)
      kca_delivery_explain(hand->delivery, PyBytes_AsString(error_name), PyBytes_AsString(told));
    PyErr_Clear();
    Py_XDECREF(error_name);
    Py_XDECREF(told);
  }
  return true;
}

/* The process is to end: the delivery is settled as failed, or left to come again if its handler has not begun or was
 * interrupted. The exception that is set stays. */
static void kca_py_break_off(kca_py_served *s, kca_py_hand *hand, bool begun) {
  PyObject *why = kca_py_caught();
  PyObject *told = begun ? why : Py_None;
  if (kca_py_present(s, hand))
    Py_XDECREF(PyObject_CallFunctionObjArgs(s->broken_off, hand->object, told, NULL));
  PyErr_Clear();
  kca_py_raise(why);
}

/* Whose the delivery is from now on: when somebody may still ask the object for it, the object's; else nobody's. */
static void kca_py_part(kca_py_hand *hand, bool ended) {
  static PyObject *raw_name;
  PyObject *type, *value, *trace;
  hand->free = true;
  if (!hand->object)
    return;
  PyErr_Fetch(&type, &value, &trace);
  if (!raw_name)
    raw_name = PyUnicode_InternFromString("_raw");
  PyObject *raw = PyObject_GetAttr(hand->object, raw_name);
  hand->free = raw && raw != Py_None;
  Py_XDECREF(raw);
  if (hand->free && !(ended && Py_REFCNT(hand->object) == 1)) {
    PyObject *handle = PyObject_GetAttrString(hand->object, "_delivery");
    hand->free = handle == NULL;
    Py_XDECREF(handle);
  }
  PyErr_Clear();
  PyErr_Restore(type, value, trace);
}

static bool kca_py_handle_delivery(kca_py_served *s, kca_py_hand *hand) {
  bool ok, begun = PyErr_CheckSignals() == 0;
  PyObject *said = begun ? kca_py_answer(s, hand) : NULL;
  if (!said && begun)
    said = kca_py_excused(s->failure);
  if (said == s->done) {
    hand->verdict = KCA_DONE;
    ok = hand->settle = true;
  } else {
    ok = said && kca_py_understand(hand, said);
  }
  if (!ok)
    kca_py_break_off(s, hand, begun);
  Py_XDECREF(said);
  kca_py_part(hand, ok && hand->settle);
  return ok;
}

/* ---- the turns ---- */

/* Settles and frees, where the next turn does not. The interpreter's lock is let go. */
static void kca_py_put_away(kca_py_hand *hand) {
  Py_BEGIN_ALLOW_THREADS
  if (hand->settle) /* an error: its time is over, or its partition gone: it comes again */
    kca_error_free(kca_delivery_settle(hand->delivery, hand->verdict));
  if (hand->free)
    kca_delivery_free(hand->delivery);
  Py_END_ALLOW_THREADS
  Py_XDECREF(hand->object);
  *hand = (kca_py_hand){0};
}

/* Settles the last, unless that is done, and takes the next event. */
static int kca_py_turn(kca_queue *queue, kca_py_hand *hand, kca_event **out, int timeout_ms) {
  int count;
  if (hand->delivery && !(hand->settle && hand->free))
    kca_py_put_away(hand);
  Py_BEGIN_ALLOW_THREADS
  count = kca_queue_turn(queue, hand->delivery, hand->verdict, out, timeout_ms);
  Py_END_ALLOW_THREADS
  Py_XDECREF(hand->object);
  *hand = (kca_py_hand){0};
  return count;
}

/* Gives what kca_queue_next does when no further delivery came; KCA_PY_INTERRUPTED: an exception is set. */
static int kca_py_serve_all(kca_py_served *s, kca_queue *queue, kca_event **out, int timeout_ms) {
  kca_py_hand hand = {0};
  int count;
  while ((count = kca_py_turn(queue, &hand, out, timeout_ms)) == 1 && kca_event_type(*out) == KCA_EVENT_DELIVERY) {
    hand.delivery = kca_event_into_delivery(*out);
    if (!kca_py_handle_delivery(s, &hand)) {
      kca_py_put_away(&hand);
      return KCA_PY_INTERRUPTED;
    }
  }
  return count;
}

static PyObject *kca_py_serve(PyObject *self, PyObject *args) {
  PyObject *handle;
  kca_py_served s = {0};
  kca_event *e;
  void *queue;
  int timeout_ms;
  (void)self;
  if (!PyArg_ParseTuple(args, "Oi(OOOppOOOOOOOO):serve", &handle, &timeout_ms, &s.make, &s.handlers, &s.stores, &s.spans,
                        &s.hooked, &s.set_handled, &s.answer, &s.broken_off, &s.done, &s.told, &s.reply, &s.failure,
                        &s.misfit) ||
      !kca_py_handle(&queue, handle, SWIGTYPE_p_kca_queue, "queue"))
    return NULL;
  int count = kca_py_serve_all(&s, queue, &e, timeout_ms);
  Py_CLEAR(s.name);
  kca_py_forget_handler(&s);
  if (count == KCA_PY_INTERRUPTED)
    return NULL;
  if (count < 0) {
    kca_py_raise(kca_py_queue_error(-count));
    return NULL;
  }
  if (count == 0)
    Py_RETURN_NONE;
  return kca_py_taken(e);
}

/* The handle that owns a delivery, by its address. */
static PyObject *kca_py_own(PyObject *self, PyObject *args) {
  PyObject *raw = PyTuple_GetItem(args, 0);
  void *delivery = raw ? PyLong_AsVoidPtr(raw) : NULL;
  (void)self;
  if (PyErr_Occurred())
    return NULL;
  return SWIG_NewPointerObj(delivery, SWIGTYPE_p_kca_delivery, SWIG_POINTER_OWN);
}
%}

%native(serve) PyObject *kca_py_serve(PyObject *self, PyObject *args);
%native(own) PyObject *kca_py_own(PyObject *self, PyObject *args);
