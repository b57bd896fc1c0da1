/* Going on reading elsewhere while a consumer runs: asked for on any thread, done by the adapter's
 * poller. */
#ifndef KCA_INBOUND_SEEK_H
#define KCA_INBOUND_SEEK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "kca.h"

struct kca__inbound;
typedef struct kca__seek kca__seek;

/* Those that wait for the poller, in the order in which they were asked for. */
typedef struct kca__seeks {
    pthread_mutex_t lock; /* guards the list and the seeks in it */
    pthread_cond_t done;  /* one of them is */
    kca__seek *first;
    bool closed; /* the poller has ended */
} kca__seeks;

void kca__seeks_init(kca__seeks *seeks);
void kca__seeks_close(kca__seeks *seeks);

/* Waits until it is done, or the deadline. `partition` -1: all of the topic. `to`: an offset or
 * KCA_OFFSET_..., or with `is_time` milliseconds since 1970. */
kca_error *kca__seek_and_wait(struct kca__inbound *in, const char *topic, int partition, int64_t to,
                              bool is_time, int64_t deadline);

/* The poller: does what was asked for. */
void kca__seek_all(struct kca__inbound *in);

/* The poller, at its end: what is and will be asked for is answered with KCA_ERROR_STOPPED. */
void kca__seek_none(struct kca__inbound *in);

#endif
