/* Notes for the checker of the fault tests, for the tests of it. */
#ifndef KCA_TESTS_CHECKER_LOG_H
#define KCA_TESTS_CHECKER_LOG_H

#include "behaviour.h"
#include "checker.h"

typedef struct log {
    checker *checker;
    int64_t time_ns;
} log;

static inline log new_log(int published) {
    log l = {checker_new(), 0};
    for (int id = 0; id < published; id++) {
        checker_sent(l.checker, 9, id);
        checker_stored(l.checker, id, 0, id);
    }
    return l;
}

static inline void handle_at(log *l, int process, int id, int64_t offset, const char *key) {
    handled h = {.process = process,
                 .begin_ns = l->time_ns,
                 .time_ns = l->time_ns += 1000000,
                 .id = id,
                 .offset = offset,
                 .attempt = 1};
    strcpy(h.key, key);
    checker_handled(l->checker, &h);
}

/* Ids stand at the offset of the same number; a key for the even, one for the odd. */
static inline void handle(log *l, int process, int id) {
    handle_at(l, process, id, id, id % 2 ? "odd" : "even");
}

static inline void handle_all(log *l, int process, int from, int to) {
    for (int id = from; id <= to; id++)
        handle(l, process, id);
}

static inline account close_log(log *l) {
    account a = checker_account(l->checker);
    checker_free(l->checker);
    return a;
}

#endif
