#include "end_to_end.h"

#include "options.h"

#include <errno.h>
#include <string.h>
#include <time.h>

static void publish_one(end_to_end *run) {
    run->sent = measure_now();
    run->publish(run->user);
}

/* By the clock, not by pauses: after a delay the thread catches up, so the pace stays as asked. */
static void wait_for_turn(const struct timespec *begin, long turn) {
    struct timespec at = *begin;
    at.tv_sec += turn / END_TO_END_PER_SECOND;
    at.tv_nsec += turn % END_TO_END_PER_SECOND * (1000000000 / END_TO_END_PER_SECOND);
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
        continue;
}

static void *pace(void *argument) {
    end_to_end *run = argument;
    struct timespec begin;
    publish_one(run);
    while (sem_wait(&run->joined) && errno == EINTR)
        continue;
    (void)clock_gettime(CLOCK_MONOTONIC, &begin);
    for (long i = 0; i < END_TO_END_WARM_UP + run->messages; i++) {
        wait_for_turn(&begin, i);
        publish_one(run);
    }
    return NULL;
}

void end_to_end_start(end_to_end *run, long messages, void (*publish)(void *user), void *user) {
    *run = (end_to_end){.messages = messages, .publish = publish, .user = user};
    measure_latencies(&run->measure, messages);
    if (sem_init(&run->joined, 0, 0) || pthread_create(&run->pacer, NULL, pace, run))
        die("end to end: no thread can be started");
}

bool end_to_end_arrived(end_to_end *run, const void *sent, size_t size) {
    double now = measure_now();
    double then;
    if (!sent || size != sizeof then)
        die("end to end: a message without its header " END_TO_END_HEADER);
    memcpy(&then, sent, sizeof then);
    long number = run->seen++; /* 0: the one before the warm-up */
    if (number == 0)
        (void)sem_post(&run->joined);
    if (number == END_TO_END_WARM_UP)
        measure_start(&run->measure);
    if (number <= END_TO_END_WARM_UP)
        return false;
    measure_latency(&run->measure, now - then);
    if (number < END_TO_END_WARM_UP + run->messages)
        return false;
    measure_stop(&run->measure);
    return true;
}

void end_to_end_finish(end_to_end *run) {
    pthread_join(run->pacer, NULL);
    (void)sem_destroy(&run->joined);
}
