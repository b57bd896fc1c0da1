/*
 * Frontier of one partition: the offset below which everything is settled; the only thing ever
 * committed.
 *
 * Records come in offset order (with gaps: compaction, transactions). Those that are not settled
 * yet, the open ones, are a list; whatever lies between them is finished. So the memory is that of
 * the open records, however much was finished ahead of a slow one, and nothing is allocated.
 *
 * Pure: no threads, no librdkafka. The owner locks, and keeps an entry's memory as long as it is
 * open.
 */
#ifndef KCA_ENGINE_FRONTIER_H
#define KCA_ENGINE_FRONTIER_H

#include <stdint.h>

typedef struct kca__frontier_entry {
    struct kca__frontier_entry *previous;
    struct kca__frontier_entry *next;
    int64_t offset;
} kca__frontier_entry;

typedef struct kca__frontier {
    kca__frontier_entry *first; /* open ones, by offset */
    kca__frontier_entry *last;
    int64_t end;      /* one past the last record that came, or beyond; -1: none */
    uint64_t changes; /* records settled, also ahead of the frontier, and other moves */
} kca__frontier;

void kca__frontier_init(kca__frontier *f);

/* The frontier; -1: nothing is settled yet. */
int64_t kca__frontier_offset(const kca__frontier *f);

/* What is committed with it has changed, though it has not moved. It stands at `base`, if no record
 * has come; -1: not known, then there is nothing to commit. */
void kca__frontier_tell_again(kca__frontier *f, int64_t base);

/* A record of this offset, greater than all before it, came. */
void kca__frontier_add(kca__frontier *f, kca__frontier_entry *entry, int64_t offset);

/* A record of this offset, greater than all before it, came and is settled already. */
void kca__frontier_pass(kca__frontier *f, int64_t offset);

/* Whatever comes from now on is at `end` or beyond: what no record came for below it is finished.
 */
void kca__frontier_reach(kca__frontier *f, int64_t end);

/* An open record is settled: its entry is the owner's again. */
void kca__frontier_settle(kca__frontier *f, kca__frontier_entry *entry);

/* `by` takes the place of an open one. */
void kca__frontier_replace(kca__frontier *f, kca__frontier_entry *entry, kca__frontier_entry *by);

#endif
