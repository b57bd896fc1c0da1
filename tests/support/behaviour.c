#include "behaviour.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

void must_be_fine(kca_error *e, const char *call, const char *file, int line) {
    if (!e)
        return;
    print_error("%s: %s: %s\n", call, kca_error_name(e), kca_error_text(e));
    kca_error_free(e);
    _fail(file, line);
}

void must_be_error(kca_error *e, const char *call, const char *file, int line, int code,
                   const char *const *parts) {
    int wrong = kca_error_code(e) != code;
    for (const char *const *part = parts; *part && !wrong; part++)
        wrong = !strstr(kca_error_text(e), *part);
    if (wrong) {
        print_error("%s: %s (%d, wanted %d): %s\n", call, kca_error_name(e), kca_error_code(e),
                    code, kca_error_text(e));
        for (const char *const *part = parts; *part; part++)
            print_error("  wanted in it: %s\n", *part);
    }
    kca_error_free(e);
    if (wrong)
        _fail(file, line);
}

void must_have(const char *text, const char *part) {
    if (!strstr(text, part))
        fail_msg("\"%s\" has no \"%s\"", text, part);
}

void must_lack(const char *text, const char *part) {
    if (strstr(text, part))
        fail_msg("\"%s\" has \"%s\"", text, part);
}

const char *unique(const char *prefix) {
    enum { MOST = 1000, LONGEST = 80 };
    static char names[MOST][LONGEST];
    static atomic_int used;
    int i = atomic_fetch_add(&used, 1);
    assert_true(i < MOST);
    snprintf(names[i], LONGEST, "%s-%lx-%d-%d", prefix, (long)time(NULL) & 0xfffff, (int)getpid(),
             i);
    return names[i];
}

void must_become(int (*condition)(void *), void *argument, int timeout_ms, const char *what) {
    if (!wait_until(condition, argument, timeout_ms))
        fail_msg("after %d ms still not: %s", timeout_ms, what);
}
