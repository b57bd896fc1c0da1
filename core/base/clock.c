#include "base/clock.h"

#include <errno.h>
#include <limits.h>
#include <time.h>

static int64_t read_ms(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t kca__clock_ms(void) {
    return read_ms(CLOCK_MONOTONIC);
}

int64_t kca__clock_coarse_ms(void) {
    return read_ms(CLOCK_MONOTONIC_COARSE);
}

int64_t kca__clock_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t kca__clock_unix_ms(void) {
    return read_ms(CLOCK_REALTIME);
}

int64_t kca__clock_unix_coarse_ms(void) {
    return read_ms(CLOCK_REALTIME_COARSE);
}

int64_t kca__clock_unix_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t kca__clock_deadline(int timeout_ms) {
    return timeout_ms < 0 ? KCA__CLOCK_NEVER : kca__clock_ms() + timeout_ms;
}

int kca__clock_left_ms(int64_t deadline) {
    if (deadline == KCA__CLOCK_NEVER)
        return -1;
    int64_t left = deadline - kca__clock_ms();
    if (left <= 0)
        return 0;
    return left > INT_MAX ? INT_MAX : (int)left;
}

void kca__clock_condition_init(pthread_cond_t *condition) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

bool kca__clock_wait(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t deadline) {
    if (deadline == KCA__CLOCK_NEVER)
        return pthread_cond_wait(condition, lock) == 0;
    struct timespec until = {deadline / 1000, deadline % 1000 * 1000000};
    return pthread_cond_timedwait(condition, lock, &until) != ETIMEDOUT;
}
