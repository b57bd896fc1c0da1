#include "wait.h"

#include <time.h>

int64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int wait_until(int (*condition)(void *), void *argument, int timeout_ms) {
    int64_t deadline = now_ms() + timeout_ms;
    struct timespec pause = {0, 2000000};
    while (!condition(argument)) {
        if (now_ms() > deadline)
            return 0;
        nanosleep(&pause, NULL);
    }
    return 1;
}
