/*
 * What the SWIG modules of all languages share; included last, after the language's typemaps. kca_abi.h is read as it
 * is: here is only what it cannot say, which types are handles that a garbage collector frees, and what no binding
 * calls.
 */

/* Callbacks stay in C: the languages pull. A handler is declared without a function. */
%ignore kca_consumer_run;
%ignore kca_queue_dispatch;
%ignore kca_system_set_event_handler;
%ignore kca_system_set_interrupt;
%ignore kca_system_set_deduplication_store;

/* For translators in C. */
%ignore kca_message_explain;

/* Each language calls its own hooks. */
%rename("$ignore", regexmatch$name="^kca_hooked_|^kca_system_add_(publish|handling)_hook$") "";

/* For loops that are written in C. */
%ignore kca_queue_turn;

/* With arrays of deliveries: each language has its own. */
%ignore kca_event_batch_count;
%ignore kca_event_into_batch;
%ignore kca_batch_settle;

%typemap(in, numinputs=0) (kca_handler_fn fn, void *user, kca_free_fn free_user),
                          (kca_batch_fn fn, void *user, kca_free_fn free_user) %{
  $1 = NULL;
  $2 = NULL;
  $3 = NULL;
%}
%typemap(in, numinputs=0) (kca_translator_fn to_record, kca_translator_fn to_message, void *user,
                           kca_free_fn free_user) %{
  $1 = NULL;
  $2 = NULL;
  $3 = NULL;
  $4 = NULL;
%}

/* Failures and texts belong to the typemaps. */
%ignore kca_error_free;
%ignore kca_string_free;

/* What a function gives as `T **out` or `T *out` is a result. */
%typemap(in, numinputs=0) SWIGTYPE **out ($*1_ltype made = NULL), char **out ($*1_ltype made = NULL),
                          const char **out ($*1_ltype made = NULL) %{
  $1 = &made;
%}
%typemap(in, numinputs=0) int64_t *out ($*1_ltype made = 0), double *out ($*1_ltype made = 0),
                          int *out ($*1_ltype made = 0) %{
  $1 = &made;
%}

/*
 * The collector frees a handle it owns. kca_T_free does it now and leaves the script an empty handle (NULL), which
 * every function of the ABI takes; kca_event_into_delivery does so with the event that it used up.
 */
%define KCA_HANDLE_COLLECTED_BY(T, COLLECT)
%nodefaultctor T;
struct T {};
%extend T { ~T() { COLLECT($self); } }
void T##_free(T *RELEASED);
%enddef

%define KCA_HANDLE(T)
KCA_HANDLE_COLLECTED_BY(T, T##_free)
%enddef

/* What a language does when it collects a system that was not shut down. */
#ifndef KCA_COLLECT_SYSTEM
#define KCA_COLLECT_SYSTEM kca_system_free
#endif

KCA_HANDLE(kca_connection)
KCA_HANDLE(kca_publisher_builder)
KCA_HANDLE(kca_consumer_builder)
KCA_HANDLE_COLLECTED_BY(kca_system, KCA_COLLECT_SYSTEM)
KCA_HANDLE(kca_bus)
KCA_HANDLE(kca_consumer)
KCA_HANDLE(kca_queue)
KCA_HANDLE(kca_event)
KCA_HANDLE(kca_delivery)
KCA_HANDLE(kca_message)
KCA_HANDLE(kca_redrive)
KCA_HANDLE(kca_wake_socket)

%newobject kca_event_into_delivery;
kca_delivery *kca_event_into_delivery(kca_event *USED_UP);

%include <stdint.i>
%include <kca_abi.h>
