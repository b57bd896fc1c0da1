/* W3C trace context: checks the form of the texts; only the tracer reads their meaning. */
#ifndef KCA_MESSAGE_TRACE_CONTEXT_H
#define KCA_MESSAGE_TRACE_CONTEXT_H

#include <stdbool.h>

/* True for "00-<32 hex>-<16 hex>-<2 hex>" by W3C's rules: lowercase hex, no zero ids, version not
 * ff, any flags; a higher version may have more after another "-". */
bool kca__trace_context_is_valid(const char *traceparent);

/* The context of the delivery that this thread handles inside kca_consumer_run; "" outside. Set by
 * the processors; the texts are borrowed until the next call. */
void kca__trace_context_set_current(const char *traceparent, const char *tracestate);
const char *kca__trace_context_current_traceparent(void);
const char *kca__trace_context_current_tracestate(void);

#endif
