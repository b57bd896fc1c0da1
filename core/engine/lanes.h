/*
 * Lanes: deliveries of one key one after another, of different keys side by side.
 *
 * An entry is in one of three states: ready (in the ready queue), out (given to a processor), or
 * behind another entry of its lane. A lane exists while it has entries: its head is ready or out,
 * the others are chained behind the head, and the head is found by partition and key in a hash
 * table. So memory is that of the entries, however many keys there are; nothing is allocated after
 * kca__lanes_init. An entry without a key is a lane of its own.
 *
 * Entries behind a head that is out may go along with it, in their order: they are out, too, and
 * keep their places. A head is not ready again before all those are back.
 *
 * Pure: no threads, no time, no librdkafka. The owner locks. An entry's key must stay readable
 * until it is finished.
 */
#ifndef KCA_ENGINE_LANES_H
#define KCA_ENGINE_LANES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

/* Which deliveries are in one lane, and so wait for one another. */
typedef enum kca__order { KCA__ORDER_KEY, KCA__ORDER_PARTITION, KCA__ORDER_NONE } kca__order;

typedef struct kca__lane_entry {
    kca__link link; /* private to lanes.c: in the ready queue, or behind the head of its lane */

    /* set by the owner before kca__lanes_add */
    const void *topic_partition; /* equal keys of different ones are different lanes */
    const void *key;
    size_t key_len; /* 0: no key */

    /* private to lanes.c */
    struct kca__lane_entry *in_bucket; /* of heads: the next head of the bucket */
    kca__list behind;                  /* of heads: the others of its lane */
    int along;                         /* of heads: how many of those are out */
    bool is_behind;                    /* another one is the head */
    bool is_out;
    uint64_t hash;
} kca__lane_entry;

typedef struct kca__lanes {
    kca__lane_entry **buckets;
    uint64_t mask;
    kca__list ready;
} kca__lanes;

/* For about `capacity` entries at a time; false when memory is out. */
bool kca__lanes_init(kca__lanes *l, int capacity);
void kca__lanes_close(kca__lanes *l);

/* A new entry, last of its lane; ready when it is the only one. Gives the entry before it; NULL:
 * it is the head. */
kca__lane_entry *kca__lanes_add(kca__lanes *l, kca__lane_entry *e);

/* The entry that has been ready longest, which is then out; NULL: none is ready. */
kca__lane_entry *kca__lanes_take(kca__lanes *l);

/* The entry behind this one in its lane; NULL: it is the last. */
kca__lane_entry *kca__lanes_behind(const kca__lane_entry *e);

/* An entry goes along: all those before it in its lane are out. */
void kca__lanes_go_along(kca__lanes *l, kca__lane_entry *e);

/* An entry that is out is back, still at its place: the head is ready again. */
void kca__lanes_put_back(kca__lanes *l, kca__lane_entry *e);

/* `by`, of the same key, takes the place of an entry that is out. */
void kca__lanes_replace(kca__lanes *l, kca__lane_entry *e, kca__lane_entry *by);

/* An entry that is out leaves; when it is the head the next of its lane becomes ready, unless that
 * is out: returns true then. */
bool kca__lanes_finish(kca__lanes *l, kca__lane_entry *e);

/* Forgets all entries. */
void kca__lanes_clear(kca__lanes *l);

#endif
