/*
 * Due queue: entries by the time at which they are due; equal times in the order of adding.
 *
 * A pairing heap: each entry is due no later than its children, which are chained by `sibling`.
 * Adding is one comparison. Taking the first merges its children in pairs, then the pairs into one,
 * in two loops: O(log n) amortised, and no recursion however many children an entry has. The links
 * are in the entries, so nothing is ever allocated and adding cannot fail.
 *
 * Pure: no threads, no clock. The owner locks. An empty queue is all zeros.
 */
#ifndef KCA_ENGINE_DUE_QUEUE_H
#define KCA_ENGINE_DUE_QUEUE_H

#include <stdint.h>

typedef struct kca__due_entry {
    int64_t due_ms; /* set by the owner before kca__due_queue_add; not changed while in the queue */

    /* private to due_queue.c */
    uint64_t number; /* of the adding */
    struct kca__due_entry *child;
    struct kca__due_entry *sibling;
} kca__due_entry;

typedef struct kca__due_queue {
    kca__due_entry *first;
    uint64_t added; /* entries so far */
} kca__due_queue;

/* An entry is in one queue at a time; one that was taken may be added again. */
void kca__due_queue_add(kca__due_queue *q, kca__due_entry *e);

/* When the first is due; INT64_MAX: the queue is empty. */
int64_t kca__due_queue_next_ms(const kca__due_queue *q);

/* The first, if its time has come; else NULL. */
kca__due_entry *kca__due_queue_take(kca__due_queue *q, int64_t now_ms);

/* The first, whatever its time; NULL: the queue is empty. */
kca__due_entry *kca__due_queue_take_any(kca__due_queue *q);

#endif
