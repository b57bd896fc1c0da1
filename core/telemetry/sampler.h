/* Which traces are exported: OpenTelemetry's samplers, decided by parent and trace id alone. */
#ifndef KCA_TELEMETRY_SAMPLER_H
#define KCA_TELEMETRY_SAMPLER_H

#include "telemetry/span.h"

typedef struct kca__sampler {
    bool follows_parent; /* where there is one, as it is sampled */
    uint64_t below;      /* else: the last 63 bits of its id are below */
} kca__sampler;

/* OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG; NULL: not given. False: there is no such sampler
 * (`*out_bad` "name"), or its argument is no ratio ("argument"). */
bool kca__sampler_read(kca__sampler *out, const char *name, const char *argument,
                       const char **out_bad);

/* `parent` NULL: there is none. */
bool kca__sampler_takes(const kca__sampler *s, const kca__span_place *parent,
                        const unsigned char trace_id[KCA__TRACE_ID_BYTES]);

#endif
