/* Records for tests, as a consumer gets them: each value has exactly one NUL beyond its length. */
#ifndef KCA_TESTS_RECORDS_H
#define KCA_TESTS_RECORDS_H

#include <stdlib.h>
#include <string.h>

#include "message/translator.h"

enum { RECORD_MOST = 64 };

typedef struct test_record {
    kca__record record;
    kca__header headers[RECORD_MOST]; /* what the translator rearranges */
    kca__header given[RECORD_MOST];   /* what it was given, to free it */
    int count;
} test_record;

static inline char *record_copy(const void *bytes, size_t len) {
    char *copy = malloc(len + 1);
    if (len > 0)
        memcpy(copy, bytes, len);
    copy[len] = '\0';
    return copy;
}

static inline void record_init(test_record *r) {
    memset(r, 0, sizeof *r);
    r->record.timestamp_ms = -1;
    r->record.headers = r->headers;
}

/* `name` and `value` may be NULL. */
static inline void record_add_bytes(test_record *r, const char *name, const void *value,
                                    size_t len) {
    kca__header h = {name ? record_copy(name, strlen(name)) : NULL,
                     value ? record_copy(value, len) : NULL, len};
    r->headers[r->count] = r->given[r->count] = h;
    r->record.header_count = ++r->count;
}

static inline void record_add(test_record *r, const char *name, const char *value) {
    record_add_bytes(r, name, value, value ? strlen(value) : 0);
}

static inline void record_free(test_record *r) {
    for (int i = 0; i < r->count; i++) {
        free((char *)r->given[i].name);
        free((char *)r->given[i].value);
    }
}

/* The value that was written under a name; NULL: none. */
static inline const char *written(const kca__wire *wire, const char *name) {
    for (int i = 0; i < wire->header_count; i++)
        if (strcmp(wire->headers[i].name, name) == 0)
            return wire->headers[i].value;
    return NULL;
}

#endif
