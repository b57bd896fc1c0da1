/* The partitions that an inbound engine has, and had as long as records of them are held. The owner
 * locks. */
#ifndef KCA_CORE_PARTITION_H
#define KCA_CORE_PARTITION_H

#include <stdbool.h>

#include "frontier.h"

typedef struct kca__partition {
    struct kca__partition *next;
    char *topic;
    int number;
    kca__frontier frontier;
    int64_t last_offset; /* of the last record that came; -1: none */
    int64_t committed;   /* what the group was last told; -1: nothing */
    bool draining;       /* nothing more of it is given out */
    bool revoked;        /* settling its deliveries no longer counts */
    int held;            /* records of it that the engine holds */
    int out;             /* of these, given out and not settled */
} kca__partition;

typedef struct kca__partitions {
    kca__partition *first;
    kca__partition *found; /* by the last look-up: records come in runs of one partition */
} kca__partitions;

void kca__partitions_close(kca__partitions *list);

/* Not the revoked ones. NULL: none. */
kca__partition *kca__partitions_find(kca__partitions *list, const char *topic, int number);

/* NULL when memory is out. */
kca__partition *kca__partitions_add(kca__partitions *list, const char *topic, int number);
void kca__partitions_remove(kca__partitions *list, kca__partition *p);

/* How many deliveries of draining partitions are out. */
int kca__partitions_count_draining(const kca__partitions *list);

#endif
