/* A collector of OpenTelemetry on loopback: takes OTLP over HTTP, JSON, plain or gzipped, and keeps
 * the spans; as good or as bad as the test wants it. */
#ifndef KCA_TESTS_COLLECTOR_H
#define KCA_TESTS_COLLECTOR_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "certificates.h"

typedef struct collector collector;

/* Each request is answered with 200, unless the test says otherwise. */
collector *collector_start(void);
collector *collector_start_tls(const identity *own);
void collector_stop(collector *c);

/* Lines of settings that lead to it: its endpoint, a short delay, and `more`. Borrowed, until the
 * next call. */
const char *collector_settings(collector *c, const char *more);

/* The next `times` requests are answered with this status, and these lines of headers. */
void collector_refuse(collector *c, int status, const char *headers, int times);

/* From now on it takes requests, and answers none. */
void collector_hush(collector *c);

int collector_requests(collector *c);

/* The head of the last request. Borrowed, until the next one. */
const char *collector_head(collector *c);

/* How many spans came in requests that were answered with 200. */
int collector_spans(collector *c);
void must_collect(collector *c, int spans);

/* The span of this name, the n-th of those that came, n from 0; fails when there is none. */
const cJSON *collected(collector *c, const char *name, int n);

/* A text or number of a span, as a text; "" : it has none. */
const char *span_text(const cJSON *span, const char *name);
const char *span_attribute(const cJSON *span, const char *key);

/* Of the resource of the last request. */
const char *collector_resource(collector *c, const char *key);

#endif
