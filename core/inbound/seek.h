/* Going on reading elsewhere while a consumer runs: what is asked for on any thread, and done by
 * the adapter's poller. */
#ifndef KCA_INBOUND_SEEK_H
#define KCA_INBOUND_SEEK_H

#include <stdbool.h>
#include <stdint.h>

#include "kca.h"

struct kca__inbound;
typedef struct kca__seek kca__seek;

/* Waits until it is done, or the deadline. `partition` -1: all of the topic. `to`: an offset or
 * KCA_OFFSET_..., or with `is_time` milliseconds since 1970. */
kca_error *kca__seek_and_wait(struct kca__inbound *in, const char *topic, int partition, int64_t to,
                              bool is_time, int64_t deadline);

/* The poller: does what was asked for. At the end the rest is answered with KCA_ERROR_STOPPED. */
void kca__seek_all(struct kca__inbound *in);
void kca__seek_none(struct kca__inbound *in);

#endif
