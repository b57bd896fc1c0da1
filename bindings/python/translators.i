/* Own translators: functions of Python's that the library calls on the threads that publish or take deliveries. */

%{
/* The verdict, with `out` as what was made, from the result of Translator.translate; -1: it raised. */
static int kca_py_translated(kca_message *out, PyObject *result) {
  int verdict;
  PyObject *made;
  const char *name, *text;
  void *message;
  if (!result || !PyArg_ParseTuple(result, "iOss:translate", &verdict, &made, &name, &text) ||
      !kca_py_handle(&message, made, SWIGTYPE_p_kca_message, "message"))
    return -1;
  if (verdict == KCA_DONE)
    kca_message_set_all(out, message);
  else
    kca_message_explain(out, name, text);
  return verdict;
}

/* A message of its own, for Python may keep it. NULL: an exception is set. */
static PyObject *kca_py_copied(const kca_message *m) {
  kca_message *copy;
  kca_error *e = kca_message_copy(&copy, m);
  if (e)
    return kca_py_outcome(e);
  return SWIG_NewPointerObj(copy, SWIGTYPE_p_kca_message, SWIG_POINTER_OWN);
}

/* `user` is a weak reference: the system must not keep alive what may hold the system. */
static int kca_py_translate(kca_message *out, const kca_message *in, PyObject *user, PyObject *to_record) {
  PyObject *translator = PyObject_CallFunctionObjArgs(user, NULL);
  PyObject *made = translator ? kca_py_copied(out) : NULL;
  PyObject *of = made ? kca_py_copied(in) : NULL;
  PyObject *name = of ? PyUnicode_FromString("translate") : NULL;
  PyObject *result = name ? PyObject_CallMethodObjArgs(translator, name, to_record, made, of, NULL) : NULL;
  int verdict = kca_py_translated(out, result);
  if (verdict < 0) {
    PyErr_Clear();
    kca_message_explain(out, NULL, "the translator is gone, or memory is out");
    verdict = KCA_FAILED;
  }
  Py_XDECREF(result);
  Py_XDECREF(name);
  Py_XDECREF(of);
  Py_XDECREF(made);
  Py_XDECREF(translator);
  return verdict;
}

/* What the calling thread has raised stays raised. */
static int kca_py_translate_held(kca_message *out, const kca_message *in, void *user, bool to_record) {
  PyObject *type, *value, *traceback;
  PyGILState_STATE state = PyGILState_Ensure();
  PyErr_Fetch(&type, &value, &traceback);
  int verdict = kca_py_translate(out, in, user, to_record ? Py_True : Py_False);
  PyErr_Restore(type, value, traceback);
  PyGILState_Release(state);
  return verdict;
}

static int kca_py_to_record(kca_message *out, const kca_message *in, void *user) {
  return kca_py_translate_held(out, in, user, true);
}

static int kca_py_to_message(kca_message *out, const kca_message *in, void *user) {
  return kca_py_translate_held(out, in, user, false);
}

static void kca_py_forget(void *user) {
  if (!Py_IsInitialized())
    return;
  PyGILState_STATE state = PyGILState_Ensure();
  Py_DECREF((PyObject *)user);
  PyGILState_Release(state);
}

/* set_translator(system, channel, translator, to_record, to_message): has the library call translator.translate. */
static PyObject *kca_py_set_translator(PyObject *self, PyObject *args) {
  void *system;
  PyObject *handle, *name, *translator;
  const char *channel;
  int to_record, to_message;
  (void)self;
  if (!PyArg_ParseTuple(args, "OOOpp:set_translator", &handle, &name, &translator, &to_record, &to_message) ||
      !kca_py_handle(&system, handle, SWIGTYPE_p_kca_system, "system") || !kca_py_text(&channel, name, "channel"))
    return NULL;
  PyObject *user = PyWeakref_NewRef(translator, NULL);
  if (!user)
    return NULL;
  return kca_py_outcome(kca_system_set_translator(system, channel, to_record ? kca_py_to_record : NULL,
                                                  to_message ? kca_py_to_message : NULL, user, kca_py_forget));
}
%}

%native(set_translator) PyObject *kca_py_set_translator(PyObject *self, PyObject *args);
