/* The partitions that an inbound engine has, and had as long as records of them are held. The owner
 * locks. */
#ifndef KCA_ENGINE_ASSIGNED_H
#define KCA_ENGINE_ASSIGNED_H

#include <stdbool.h>

#include "engine/frontier.h"
#include "engine/offset_map.h"

struct kca_delivery;

/* A topic's partition as such: it stays when the partition goes and comes again, and so do the
 * lanes that are told apart by it. */
typedef struct kca__place {
    struct kca__place *next;
    char *topic;
    int number;
    bool paused; /* nothing of it is given out until it is resumed */
} kca__place;

/* One assignment of a place, from its coming to its going. */
typedef struct kca__partition {
    struct kca__partition *next;
    kca__place *place;
    kca__frontier frontier;
    kca__offset_map known; /* finished by who had it before, beyond `base` */
    int64_t base;          /* where the group had it; -1: nowhere */
    int64_t begin;         /* `base`, or the first record that came; -1: not known yet */
    int64_t last_offset;   /* of the last record that came; -1: none */
    uint64_t told;         /* frontier.changes when the group was last told; KCA__NOT_TOLD */
    int64_t committed;     /* what the group was told; -1: nothing in this assignment */
    struct kca_delivery *parked_first; /* their turn has come, but it is paused or draining */
    struct kca_delivery *parked_last;
    bool draining; /* nothing more of it is given out */
    bool revoked;  /* settling its deliveries no longer counts */
    int held;      /* records of it that the engine holds */
    int out;       /* of these, given out and not settled */
    int writing;   /* of these, being dead-lettered */
} kca__partition;

#define KCA__NOT_TOLD UINT64_MAX

typedef struct kca__partitions {
    kca__partition *first;
    kca__partition *found; /* by the last look-up: records come in runs of one partition */
    kca__place *places;
} kca__partitions;

void kca__partitions_close(kca__partitions *list);

/* The place of this name, made when it is new; NULL when memory is out. */
kca__place *kca__partitions_place(kca__partitions *list, const char *topic, int number);

/* Not the revoked ones. NULL: none. */
kca__partition *kca__partitions_find(kca__partitions *list, const char *topic, int number);

/* NULL when memory is out. */
kca__partition *kca__partitions_add(kca__partitions *list, const char *topic, int number);
void kca__partitions_remove(kca__partitions *list, kca__partition *p);

/* How many deliveries of draining partitions are out, or being dead-lettered. */
int kca__partitions_count_draining(const kca__partitions *list);

#endif
