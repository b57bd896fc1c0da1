/* Monotonic time for deadlines, condition variables that use it, and the time of day. */
#ifndef KCA_BASE_CLOCK_H
#define KCA_BASE_CLOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define KCA__CLOCK_NEVER INT64_MAX
#define KCA__CLOCK_OVER  0 /* a deadline that has always passed */

int64_t kca__clock_ms(void);
int64_t kca__clock_us(void);

/* Milliseconds since 1970. The coarse time is some milliseconds behind and costs a fraction. */
int64_t kca__clock_unix_ms(void);
int64_t kca__clock_unix_coarse_ms(void);
int64_t kca__clock_unix_ns(void);

/* As kca__clock_ms, but some milliseconds behind, at a fraction of its cost. */
int64_t kca__clock_coarse_ms(void);

/* The deadline for a timeout: now + timeout_ms, or KCA__CLOCK_NEVER for -1. */
int64_t kca__clock_deadline(int timeout_ms);

/* Milliseconds left until `deadline`, 0 to INT_MAX; -1 for KCA__CLOCK_NEVER. */
int kca__clock_left_ms(int64_t deadline);

void kca__clock_condition_init(pthread_cond_t *condition);

/* Waits for the condition until `deadline` at most; false when that has passed. Wakes may be
 * spurious. */
bool kca__clock_wait(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t deadline);

#endif
