/* Spans as OTLP's JSON: ids are hex, numbers of 64 bits are texts. */
#ifndef KCA_TELEMETRY_OTLP_H
#define KCA_TELEMETRY_OTLP_H

#include "telemetry/exporter_settings.h"

/* The body of one request; free with free(). NULL: memory is out. */
char *kca__otlp_write(const kca__list *spans, const kca__exporter_settings *settings);

/* How many spans the collector refused, by the body of an answer that says all is well. */
int64_t kca__otlp_read_refused(const char *answer);

#endif
