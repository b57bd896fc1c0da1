/* Of the exporter's own files. */
#ifndef KCA_TELEMETRY_EXPORTER_PRIVATE_H
#define KCA_TELEMETRY_EXPORTER_PRIVATE_H

#include "telemetry/exporter.h"
#include "telemetry/sampler.h"

/* The span has ended now. Takes it. */
void kca__exporter_add(kca__exporter *x, kca__span *span);

/* False: a span would be dropped, and counts as such. */
bool kca__exporter_has_room(kca__exporter *x);

const kca__sampler *kca__exporter_sampler(const kca__exporter *x);

#endif
