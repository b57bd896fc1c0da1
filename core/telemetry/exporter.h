/*
 * The exporter: makes spans where they are sampled, and sends them to a collector.
 *
 * Whoever ends a span only puts it into a bounded queue; when that is full the span is dropped and
 * counted. A thread of its own sends batches, tries again what the collector could not take, and
 * gives up what it refuses. The thread lives while the system is started; what is ended before or
 * after is dropped.
 */
#ifndef KCA_TELEMETRY_EXPORTER_H
#define KCA_TELEMETRY_EXPORTER_H

#include "base/log.h"
#include "telemetry/span.h"

typedef struct kca__exporter kca__exporter;

typedef struct kca__exporter_counts {
    int64_t sent;    /* that the collector took */
    int64_t dropped; /* the queue was full, or nobody sent any more */
    int64_t failed;  /* that the collector refused, or did not take in several tries */
    int waiting;
} kca__exporter_counts;

/* `settings`: see kca_system_set_exporter. NULL without an error: they say that it is off. `log`
 * outlives it. */
kca_error *kca__exporter_new(kca__exporter **out, const char *settings, kca__log *log);
void kca__exporter_free(kca__exporter *x);

/* False: no thread can be started. */
bool kca__exporter_start(kca__exporter *x);

/* Sends what waits, until the deadline at the longest, and ends the thread. */
void kca__exporter_stop(kca__exporter *x, int64_t deadline);

kca__exporter_counts kca__exporter_count(kca__exporter *x);

/* Where it sends to, without user and password; borrowed. */
const char *kca__exporter_url(const kca__exporter *x);

/* Whose publish or handling it is. */
typedef struct kca__span_owner {
    const char *destination; /* channel or topic */
    const char *client_id;
    const char *group; /* NULL: it publishes */
} kca__span_owner;

/* One publish: the context that its message goes on with, and its span `send`. */
typedef struct kca__publish_trace {
    kca__trace_context context;
    char traceparent[KCA__TRACEPARENT_ROOM];
    kca__span *send; /* NULL: it is not sampled */
} kca__publish_trace;

/* A message without a trace context gets one, and `create` is its span; it goes on from the context
 * of this thread, or begins a trace. `x` may be NULL: then it is the thread's context alone. */
void kca__exporter_begin_publish(kca__publish_trace *out, kca__exporter *x, const kca_message *m,
                                 const kca__span_owner *owner);

/* The message is answered; NULL: without an error. Takes `send`, which may be NULL. */
void kca__span_end_send(kca__span *send, const kca_error *error, int partition, int64_t offset);

/* One attempt of a handler. Writes the context that the handler goes on with, which is that of the
 * span; NULL: it is not sampled. */
kca__span *kca__exporter_begin_process(char out_traceparent[KCA__TRACEPARENT_ROOM],
                                       kca__exporter *x, const kca_message *m,
                                       const kca__span_owner *owner);

/* `verdict` KCA_GO_ON: it has none, since nobody counts it. Takes `process`, which may be NULL. */
void kca__span_end_process(kca__span *process, int verdict, const char *error_name,
                           const char *error_text);

#endif
