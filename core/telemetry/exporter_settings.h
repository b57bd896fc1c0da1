/*
 * OpenTelemetry's settings of an exporter: each by its name, OTEL_..., from a text of lines
 * NAME=value, or else from the environment. An empty value is none.
 */
#ifndef KCA_TELEMETRY_EXPORTER_SETTINGS_H
#define KCA_TELEMETRY_EXPORTER_SETTINGS_H

#include "telemetry/sampler.h"

typedef struct kca__exporter_settings {
    bool off;      /* OTEL_SDK_DISABLED, or OTEL_TRACES_EXPORTER is none */
    char *url;     /* of the spans */
    char *headers; /* a=b,c=d; values percent-encoded */
    char *ca_file; /* NULL: none, as the next */
    char *cert_file, *key_file;
    char *service_name;
    char *resource; /* attributes, as the headers */
    bool gzip;
    int timeout_ms; /* of one request */
    int delay_ms, queue_most, batch_most, export_timeout_ms;
    kca__sampler sampler;
} kca__exporter_settings;

/* For kca__exporter_settings_close, also after an error. `text` may be NULL. */
kca_error *kca__exporter_settings_read(kca__exporter_settings *out, const char *text);
void kca__exporter_settings_close(kca__exporter_settings *s);

/* Calls fn for each pair of a list a=b,c=d, with its value decoded, until it says false, or memory
 * is out: then this says false. */
typedef bool (*kca__setting_fn)(void *user, const char *name, const char *value);
bool kca__exporter_settings_each(const char *list, kca__setting_fn fn, void *user);

#endif
