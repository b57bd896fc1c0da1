/* W3C trace context: checks the form of the texts; only the tracer reads their meaning. */
#ifndef KCA_MESSAGE_TRACE_CONTEXT_H
#define KCA_MESSAGE_TRACE_CONTEXT_H

#include <stdbool.h>

/* True for "00-<32 hex>-<16 hex>-<2 hex>" by W3C's rules: lowercase hex, no zero ids, version not
 * ff, any flags; a higher version may have more after another "-". */
bool kca__trace_context_is_valid(const char *traceparent);

/* What a message takes over from another: of each text "" or NULL is none. */
typedef struct kca__trace_context {
    const char *traceparent;
    const char *tracestate;
    const char *baggage; /* W3C's header of that name */
} kca__trace_context;

/* The context of the delivery that this thread handles inside kca_consumer_run; nothing outside.
 * Set by the processors; the texts are borrowed until the next call. */
void kca__trace_context_set_current(const kca__trace_context *context);
const kca__trace_context *kca__trace_context_current(void);

/* Writes a traceparent as Gomes' reader takes it: of version 00 it refuses flags above 02, whose
 * bits but the first (sampled) are therefore left out. `room` has place for one of version 00.
 * Gives the text to write, which may be `traceparent` itself. */
enum { KCA__TRACEPARENT_ROOM = 56 };
const char *kca__trace_context_for_gomes(char room[KCA__TRACEPARENT_ROOM], const char *traceparent);

#endif
