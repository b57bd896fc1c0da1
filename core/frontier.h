/*
 * Frontier of one partition: the offset below which everything is settled; the only thing ever
 * committed.
 *
 * Records enter in offset order and are numbered 0, 1, 2 ... (offsets themselves have gaps:
 * compaction, transactions). A ring keeps those from the first unsettled one on. Settling the first
 * moves the frontier over all that are settled behind it; it never moves back.
 *
 * Pure: no threads, no librdkafka. The owner locks.
 */
#ifndef KCA_CORE_FRONTIER_H
#define KCA_CORE_FRONTIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct kca__frontier_record {
    int64_t offset;
    bool settled;
} kca__frontier_record;

typedef struct kca__frontier {
    kca__frontier_record *records; /* ring; NULL until the first record */
    uint64_t size;                 /* of the ring, a power of two */
    uint64_t first;                /* number of the first unsettled record */
    uint64_t end;                  /* number of the next record to come */
    int64_t offset;                /* the frontier; -1: nothing settled yet */
} kca__frontier;

void kca__frontier_init(kca__frontier *f);
void kca__frontier_close(kca__frontier *f);

/* A record of this offset came; gives its number. False when memory is out. */
bool kca__frontier_add(uint64_t *out_number, kca__frontier *f, int64_t offset);

/* Record `number` is settled. True when the frontier moved. */
bool kca__frontier_settle(kca__frontier *f, uint64_t number);

/* Records that came and are not below the frontier. */
uint64_t kca__frontier_open(const kca__frontier *f);

#endif
