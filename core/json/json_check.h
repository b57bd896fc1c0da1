/* Whether text is JSON: a strict check (RFC 8259), without memory or a tree. */
#ifndef KCA_JSON_JSON_CHECK_H
#define KCA_JSON_JSON_CHECK_H

#include <stdbool.h>
#include <stddef.h>

enum { KCA__JSON_DEPTH = 1000 }; /* most arrays and objects inside one another, as in cJSON */

typedef struct kca__json_fault {
    size_t offset;
    const char *text; /* what is wrong there; static */
} kca__json_fault;

/* True when the text is one JSON value in UTF-8 with nothing but white space around it; else false,
 * and `fault` is filled. */
bool kca__json_check(const char *text, size_t len, kca__json_fault *fault);

/* Checks a value that is to stand inside `around` arrays and objects. */
bool kca__json_check_inside(const char *text, size_t len, int around, kca__json_fault *fault);

#endif
