#include "engine/retry.h"

#include <string.h>

static bool is_rejected(const kca__retry_plan *plan, const char *error_name) {
    for (int i = 0; error_name && i < plan->rejected_count; i++)
        if (strcmp(plan->rejected_errors[i], error_name) == 0)
            return true;
    return false;
}

bool kca__retry_is_due(const kca__retry_plan *plan, int attempts_made, const char *error_name) {
    if (plan->max_attempts > 0 && attempts_made >= plan->max_attempts)
        return false;
    return !is_rejected(plan, error_name);
}

/* Infinite when it is too great; a loop over the exponent would be one of 2^31 steps. */
static double power(double base, int exponent) {
    double result = 1;
    for (; exponent > 0; exponent /= 2, base *= base)
        if (exponent % 2)
            result *= base;
    return result;
}

static int64_t exponential_ms(const kca__retry_plan *plan, int retries) {
    if (plan->backoff_ms == 0)
        return 0; /* 0 times infinite would be no number */
    double delay = plan->backoff_ms * power(plan->multiplier, retries);
    return delay < plan->backoff_max_ms ? (int64_t)(delay + 0.5) : plan->backoff_max_ms;
}

int64_t kca__retry_delay_ms(const kca__retry_plan *plan, int attempts_made, uint64_t random) {
    int retries = attempts_made > 1 ? attempts_made - 1 : 0;
    bool listed = plan->delay_count > 0;
    int last = plan->delay_count - 1;
    int64_t delay =
        listed ? plan->delays_ms[retries < last ? retries : last] : exponential_ms(plan, retries);
    int64_t spread = delay * plan->jitter_percent / 100;
    int64_t least = delay - spread, most = delay + spread;
    if (!listed && most > plan->backoff_max_ms)
        most = plan->backoff_max_ms;
    return least + (int64_t)(random % (uint64_t)(most - least + 1));
}
