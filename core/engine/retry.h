/*
 * Retry: whether and when a failed delivery is tried again.
 *
 * `attempts_made` counts the attempt that has just failed: it is 1 after the first.
 *
 * Without a list the delay grows exponentially: backoff_ms * multiplier^(attempts_made - 1), at
 * most backoff_max_ms. A list of delays stands in place of that, its last one repeats; what the
 * list says is not capped. Jitter spreads the delay evenly over what is allowed of +-
 * jitter_percent: at the cap only downwards, so that deliveries which failed together do not come
 * back together.
 *
 * Pure: no clock, no random source; both are arguments. The plan is only read, so any number of
 * threads may share one.
 */
#ifndef KCA_ENGINE_RETRY_H
#define KCA_ENGINE_RETRY_H

#include <stdbool.h>
#include <stdint.h>

typedef struct kca__retry_plan {
    int max_attempts; /* with the first; 1: no retry, 0: without end */
    int backoff_ms;
    int backoff_max_ms;
    double multiplier;      /* 1 or more */
    int jitter_percent;     /* 0 to 100 */
    int *delays_ms;         /* in place of the exponential backoff */
    int delay_count;        /* 0: no list */
    char **rejected_errors; /* names of errors that are not retried */
    int rejected_count;
} kca__retry_plan;

/* False: the delivery is given up now. `error_name` may be NULL: an error without a name. */
bool kca__retry_is_due(const kca__retry_plan *plan, int attempts_made, const char *error_name);

/* From the failure to the next attempt. `random`: any 64 random bits. */
int64_t kca__retry_delay_ms(const kca__retry_plan *plan, int attempts_made, uint64_t random);

#endif
