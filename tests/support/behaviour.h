/* The base of every test of the whole library: cmocka, kca, and words for "this must work". */
#ifndef KCA_TESTS_BEHAVIOUR_H
#define KCA_TESTS_BEHAVIOUR_H

#include "testing.h"
#include <kca.h>
#include <stdlib.h>
#include <string.h>

#include "wait.h"

/* Fails with the error's text unless the error is NULL. */
#define must(call) must_be_fine((call), #call, __FILE__, __LINE__)
void must_be_fine(kca_error *e, const char *call, const char *file, int line);

/* Fails unless the error has this code, and its text each of the parts given; frees it. */
#define must_fail(call, code, ...)                                                                 \
    must_be_error((call), #call, __FILE__, __LINE__, (code), (const char *[]){__VA_ARGS__, NULL})
void must_be_error(kca_error *e, const char *call, const char *file, int line, int code,
                   const char *const *parts);

/* Fails unless `text` has `part`. */
void must_have(const char *text, const char *part);
void must_lack(const char *text, const char *part);

/* A name that no other test, run or process has; borrowed, for the life of the process. */
const char *unique(const char *prefix);

/* Fails with `what` unless the condition comes true in time. */
void must_become(int (*condition)(void *), void *argument, int timeout_ms, const char *what);

#endif
