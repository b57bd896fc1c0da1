#include "telemetry/exporter_settings.h"

#include "base/error.h"
#include "base/text.h"
#include "base/utf8.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const known[] = {"OTEL_SDK_DISABLED",
                                    "OTEL_SERVICE_NAME",
                                    "OTEL_RESOURCE_ATTRIBUTES",
                                    "OTEL_TRACES_EXPORTER",
                                    "OTEL_TRACES_SAMPLER",
                                    "OTEL_TRACES_SAMPLER_ARG",
                                    "OTEL_BSP_SCHEDULE_DELAY",
                                    "OTEL_BSP_EXPORT_TIMEOUT",
                                    "OTEL_BSP_MAX_QUEUE_SIZE",
                                    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
                                    "OTEL_EXPORTER_OTLP_ENDPOINT",
                                    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
                                    "OTEL_EXPORTER_OTLP_PROTOCOL",
                                    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
                                    "OTEL_EXPORTER_OTLP_HEADERS",
                                    "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
                                    "OTEL_EXPORTER_OTLP_TIMEOUT",
                                    "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
                                    "OTEL_EXPORTER_OTLP_COMPRESSION",
                                    "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
                                    "OTEL_EXPORTER_OTLP_CERTIFICATE",
                                    "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
                                    "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
                                    "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE",
                                    "OTEL_EXPORTER_OTLP_CLIENT_KEY",
                                    "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY"};

enum { KNOWN = sizeof known / sizeof *known };

/* What is given: the text's values, which are owned, before the environment's. */
typedef struct given {
    char *values[KNOWN];
} given;

static int find(const char *name, size_t len) {
    for (int i = 0; i < KNOWN; i++)
        if (strlen(known[i]) == len && memcmp(known[i], name, len) == 0)
            return i;
    return -1;
}

/* ---- the text ---- */

static kca_error *read_line(given *g, const char *line, size_t len) {
    const char *equals = memchr(line, '=', len);
    size_t name_len = equals ? (size_t)(equals - line) : len;
    int at = equals ? find(line, name_len) : -1;
    if (at < 0)
        return kca__error_new(
            KCA_ERROR_ARGUMENT,
            "exporter: a line of the settings must be NAME=value with the name of a setting that "
            "kca has, OTEL_SERVICE_NAME for example, got \"%.*s\"",
            (int)(name_len > 80 ? 80 : name_len), line);
    char *value = strndup(equals + 1, len - name_len - 1);
    if (!value)
        return kca__error_memory();
    free(g->values[at]);
    g->values[at] = value;
    return NULL;
}

static kca_error *read_text(given *g, const char *text) {
    kca_error *e = NULL;
    while (text && *text && !e) {
        size_t len = strcspn(text, "\n");
        if (len > 0)
            e = read_line(g, text, len);
        text += len + (text[len] == '\n');
    }
    return e;
}

static void forget(given *g) {
    for (int i = 0; i < KNOWN; i++)
        free(g->values[i]);
}

/* NULL: there is none. */
static const char *value_of(const given *g, const char *name) {
    int at = find(name, strlen(name));
    const char *value = at >= 0 && g->values[at] ? g->values[at] : getenv(name);
    return value && *value ? value : NULL;
}

/* OTEL_EXPORTER_OTLP_TRACES_..., or else OTEL_EXPORTER_OTLP_...; `*out_name` says which. */
static const char *value_for_traces(const given *g, const char *end, char out_name[64]) {
    static const char *const beginnings[] = {"OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_"};
    const char *value = NULL;
    for (int i = 0; i < 2 && !value; i++) {
        strcpy(out_name, beginnings[i]);
        strcat(out_name, end);
        value = value_of(g, out_name);
    }
    return value;
}

/* ---- values ---- */

/* `*out` stays as it is when there is no value. */
static kca_error *set_number(int *out, const char *name, const char *value, int least) {
    if (!value)
        return NULL;
    char *end;
    errno = 0;
    long number = strtol(value, &end, 10);
    if (*end || errno || number < least || number > INT_MAX)
        return kca__error_new(KCA_ERROR_ARGUMENT, "exporter: %s must be %d to %d, got \"%s\"", name,
                              least, INT_MAX, value);
    *out = (int)number;
    return NULL;
}

static kca_error *set_text(char **out, const char *value) {
    return kca__text_set(out, value) ? NULL : kca__error_memory();
}

static kca_error *bad_value(const char *name, const char *allowed, const char *value) {
    return kca__error_new(KCA_ERROR_ARGUMENT, "exporter: %s must be %s, got \"%s\"", name, allowed,
                          value);
}

static kca_error *set_url(kca__exporter_settings *s, const given *g) {
    const char *name = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
    const char *url = value_of(g, name);
    bool whole = url != NULL;
    if (!url) {
        name = "OTEL_EXPORTER_OTLP_ENDPOINT";
        url = value_of(g, name);
    }
    if (!url)
        url = "http://localhost:4318";
    if (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0)
        return bad_value(name, "a URL of http or https", url);
    size_t len = strlen(url);
    while (!whole && len > 0 && url[len - 1] == '/')
        len--;
    s->url = kca__text_format("%.*s%s", (int)len, url, whole ? "" : "/v1/traces");
    return s->url ? NULL : kca__error_memory();
}

/* A collector takes JSON where it takes HTTP at all. */
static kca_error *check_protocol(const given *g) {
    char name[64];
    const char *value = value_for_traces(g, "PROTOCOL", name);
    if (value && strcmp(value, "http/json") != 0 && strcmp(value, "http/protobuf") != 0)
        return bad_value(name, "http/json", value);
    return NULL;
}

static kca_error *set_compression(kca__exporter_settings *s, const given *g) {
    char name[64];
    const char *value = value_for_traces(g, "COMPRESSION", name);
    if (value && strcmp(value, "gzip") != 0 && strcmp(value, "none") != 0)
        return bad_value(name, "gzip or none", value);
    s->gzip = value && strcmp(value, "gzip") == 0;
    return NULL;
}

/* A line break would begin another header. */
static bool is_good_pair(void *user, const char *name, const char *value) {
    (void)user;
    return *name != '\0' && !strpbrk(name, "\r\n") && !strpbrk(value, "\r\n");
}

static kca_error *set_list(char **out, const char *name, const char *value) {
    if (value && !kca__exporter_settings_each(value, is_good_pair, NULL))
        return kca__error_new(KCA_ERROR_ARGUMENT,
                              "exporter: %s must be a list of name=value, with a comma between two",
                              name);
    return set_text(out, value);
}

static kca_error *set_sampler(kca__exporter_settings *s, const given *g) {
    const char *bad, *name = value_of(g, "OTEL_TRACES_SAMPLER"),
                     *argument = value_of(g, "OTEL_TRACES_SAMPLER_ARG");
    if (kca__sampler_read(&s->sampler, name, argument, &bad))
        return NULL;
    if (strcmp(bad, "argument") == 0)
        return bad_value("OTEL_TRACES_SAMPLER_ARG", "0 to 1", argument);
    return bad_value("OTEL_TRACES_SAMPLER",
                     "always_on, always_off or traceidratio, or one of them after parentbased_",
                     name);
}

static kca_error *set_files(kca__exporter_settings *s, const given *g) {
    char name[64];
    kca_error *e = set_text(&s->ca_file, value_for_traces(g, "CERTIFICATE", name));
    if (!e)
        e = set_text(&s->cert_file, value_for_traces(g, "CLIENT_CERTIFICATE", name));
    return e ? e : set_text(&s->key_file, value_for_traces(g, "CLIENT_KEY", name));
}

static kca_error *set_numbers(kca__exporter_settings *s, const given *g) {
    static const char *const names[] = {"OTEL_BSP_SCHEDULE_DELAY", "OTEL_BSP_EXPORT_TIMEOUT",
                                        "OTEL_BSP_MAX_QUEUE_SIZE",
                                        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"};
    int *const fields[] = {&s->delay_ms, &s->export_timeout_ms, &s->queue_most, &s->batch_most};
    char name[64];
    const char *timeout = value_for_traces(g, "TIMEOUT", name);
    kca_error *e = set_number(&s->timeout_ms, name, timeout, 1);
    for (int i = 0; i < 4 && !e; i++)
        e = set_number(fields[i], names[i], value_of(g, names[i]), 1);
    if (s->batch_most > s->queue_most)
        s->batch_most = s->queue_most;
    return e;
}

static kca_error *set_all(kca__exporter_settings *s, const given *g) {
    char name[64];
    const char *disabled = value_of(g, "OTEL_SDK_DISABLED");
    const char *to = value_of(g, "OTEL_TRACES_EXPORTER");
    if (to && strcmp(to, "otlp") != 0 && strcmp(to, "none") != 0)
        return bad_value("OTEL_TRACES_EXPORTER", "otlp or none", to);
    s->off = (disabled && strcasecmp(disabled, "true") == 0) || (to && strcmp(to, "none") == 0);
    kca_error *e = set_url(s, g);
    if (!e)
        e = check_protocol(g);
    if (!e)
        e = set_compression(s, g);
    const char *headers = value_for_traces(g, "HEADERS", name);
    if (!e)
        e = set_list(&s->headers, name, headers);
    if (!e)
        e = set_text(&s->service_name, value_of(g, "OTEL_SERVICE_NAME"));
    if (!e)
        e = set_list(&s->resource, "OTEL_RESOURCE_ATTRIBUTES",
                     value_of(g, "OTEL_RESOURCE_ATTRIBUTES"));
    if (!e)
        e = set_sampler(s, g);
    if (!e)
        e = set_files(s, g);
    return e ? e : set_numbers(s, g);
}

kca_error *kca__exporter_settings_read(kca__exporter_settings *out, const char *text) {
    given g = {{NULL}};
    *out = (kca__exporter_settings){.timeout_ms = 10000,
                                    .delay_ms = 5000,
                                    .queue_most = 2048,
                                    .batch_most = 512,
                                    .export_timeout_ms = 30000};
    kca_error *e = read_text(&g, text);
    if (!e)
        e = set_all(out, &g);
    forget(&g);
    return e;
}

void kca__exporter_settings_close(kca__exporter_settings *s) {
    free(s->url);
    free(s->headers);
    free(s->ca_file);
    free(s->cert_file);
    free(s->key_file);
    free(s->service_name);
    free(s->resource);
    *s = (kca__exporter_settings){0};
}

/* ---- lists ---- */

static int hex(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-encoding, in place. */
static void decode(char *text) {
    char *to = text;
    for (; *text; text++) {
        int high = *text == '%' ? hex(text[1]) : -1;
        int low = high >= 0 ? hex(text[2]) : -1;
        *to++ = low >= 0 ? (char)(high << 4 | low) : *text;
        text += low >= 0 ? 2 : 0;
    }
    *to = '\0';
}

static char *trim(char *text) {
    static const char blanks[] = " \t";
    text += strspn(text, blanks);
    size_t len = strlen(text);
    while (len > 0 && strchr(blanks, text[len - 1]))
        text[--len] = '\0';
    return text;
}

/* False: it is no pair. */
static bool split(char **out_name, char **out_value, char *pair) {
    char *equals = strchr(pair, '=');
    if (!equals)
        return false;
    *equals = '\0';
    *out_name = trim(pair);
    *out_value = trim(equals + 1);
    decode(*out_value);
    return true;
}

bool kca__exporter_settings_each(const char *list, kca__setting_fn fn, void *user) {
    char *copy = kca__text_copy(list ? list : "");
    bool good = copy != NULL;
    for (char *at = copy, *pair, *name, *value; good && (pair = strsep(&at, ","));)
        if (*trim(pair))
            good = split(&name, &value, pair) && fn(user, name, value);
    free(copy);
    return good;
}
