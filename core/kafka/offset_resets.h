/*
 * Offset resets: when a place is out of range, librdkafka goes on reading at the earliest record
 * left (auto.offset.reset), and tells of it in nothing but a line of its log. With "error" instead
 * it would stop reading the partition until it is assigned again, which in a group takes away what
 * was fetched of all others. So these lines are noted, until the record comes that was read next.
 */
#ifndef KCA_KAFKA_OFFSET_RESETS_H
#define KCA_KAFKA_OFFSET_RESETS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct kca__offset_reset kca__offset_reset;

typedef struct kca__offset_resets {
    pthread_mutex_t lock; /* guards the list; nothing is taken under it */
    kca__offset_reset *first;
    atomic_int count; /* without the lock: whether to look */
} kca__offset_resets;

void kca__offset_resets_init(kca__offset_resets *resets);
void kca__offset_resets_close(kca__offset_resets *resets);

/* Notes a line of the log that tells of one. Any thread, also under librdkafka's locks. */
void kca__offset_resets_see(kca__offset_resets *resets, const char *facility, const char *line);

/* The place that was out of range, when it is noted of the partition, which forgets it; -1: none.
 */
int64_t kca__offset_resets_take(kca__offset_resets *resets, const char *topic, int partition);

#endif
