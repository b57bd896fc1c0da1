/*
 * Notes: what waits for the application besides receipts and deliveries: faults, rebalances, ends,
 * and log lines, in the order of their coming. The newest KCA__NOTES_MOST log lines are kept, and
 * as many of the others: a flood of log lines drops no fault. How many faults made room is told
 * with the next fault that is taken. The owner locks; {0} is empty.
 */
#ifndef KCA_BASE_NOTES_H
#define KCA_BASE_NOTES_H

#include "base/event.h"

enum { KCA__NOTES_MOST = 1000 };

typedef struct kca__notes {
    kca__list events;
    kca__list logs;
    uint64_t added;
    int64_t dropped; /* faults, since one was taken */
} kca__notes;

/* Takes `e`; if there are too many now, the oldest of its kind is released. */
void kca__notes_add(kca__notes *n, kca_event *e);

/* The oldest, which is the caller's then; NULL: none waits. */
kca_event *kca__notes_take(kca__notes *n);

int kca__notes_count(const kca__notes *n);

/* Releases all. */
void kca__notes_close(kca__notes *n);

#endif
