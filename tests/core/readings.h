/* A record and the message that the translator reads from it. Include cmocka.h first. */
#ifndef KCA_TESTS_READINGS_H
#define KCA_TESTS_READINGS_H

#include "records.h"

#define TRACEPARENT       "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
#define OTHER_TRACEPARENT "00-11111111111111111111111111111111-2222222222222222-00"
#define ZERO_TRACEPARENT  "00-00000000000000000000000000000000-00f067aa0ba902b7-01"

static const int64_t NOW = 1795406431596;
static const int64_t TEN = 1771236000000; /* 2026-02-16 10:00:00 UTC */

typedef struct reading {
    test_record source;
    kca_message m;
} reading;

static inline int reading_setup(void **state) {
    reading *r = malloc(sizeof *r);
    record_init(&r->source);
    kca__message_init_inbound(&r->m);
    *state = r;
    return 0;
}

static inline int reading_teardown(void **state) {
    reading *r = *state;
    kca__message_clear_inbound(&r->m);
    record_free(&r->source);
    free(r);
    return 0;
}

/* Name, value, name, value ..., NULL. */
static inline void add(reading *r, ...) {
    va_list args;
    va_start(args, r);
    for (const char *name; (name = va_arg(args, const char *));) {
        const char *value = va_arg(args, const char *);
        record_add(&r->source, name, value);
    }
    va_end(args);
}

static inline const kca_message *read_record(reading *r) {
    kca__translator_read(&r->m, &r->source.record, NOW);
    return &r->m;
}

static inline void assert_headers(const kca_message *m, ...) {
    va_list args;
    int i = 0;
    va_start(args, m);
    for (const char *name; (name = va_arg(args, const char *)); i++) {
        assert_true(i < kca_message_header_count(m));
        assert_string_equal(kca_message_header_name(m, i), name);
        const char *value = va_arg(args, const char *);
        if (value)
            assert_string_equal(kca_message_header_value(m, i), value);
        else
            assert_null(kca_message_header_value(m, i));
    }
    va_end(args);
    assert_int_equal(kca_message_header_count(m), i);
}

#endif
