/* The partitions assigned to an inbound engine, and those it had before as long as it holds records
 * of them. The owner locks. */
#ifndef KCA_ENGINE_ASSIGNED_H
#define KCA_ENGINE_ASSIGNED_H

#include <stdbool.h>

#include "base/list.h"
#include "engine/frontier.h"
#include "engine/offset_map.h"
#include "engine/origin.h"
#include "engine/parking.h"
#include "engine/standing.h"

struct kca_delivery;

/* A topic's partition, whoever has it: it stays in the list when its assignment ends, and so the
 * next one finds the lanes and the pause of the last. */
typedef struct kca__topic_partition {
    struct kca__topic_partition *next;
    char *topic;
    int number;
    bool paused; /* nothing of it is given out until it is resumed */
    int delayed; /* its deliveries whose time has not come */
    kca__origin origin;
    kca__parking carried; /* from the last assignment to the next one: a seek comes between */
} kca__topic_partition;

/* Its records are kept back in librdkafka's queue; those that the engine holds take no room from
 * other partitions. */
static inline bool kca__topic_partition_is_kept_back(const kca__topic_partition *tp) {
    return tp->paused || tp->delayed > 0;
}

/* One assignment of a topic's partition. */
typedef struct kca__assigned {
    struct kca__assigned *next;
    kca__topic_partition *topic_partition;
    kca__frontier frontier;
    kca__offset_map known; /* finished beyond `base` by the consumer that had it before */
    kca__parking parking;
    int64_t base;           /* the group's committed offset when it began; -1: none */
    int64_t begin;          /* `base`, or the first record that came; -1: not known yet */
    int64_t last_offset;    /* of the last record that came; -1: none */
    int64_t reset_from;     /* a place that was out of range: what comes next beyond it tells; -1 */
    uint64_t told;          /* frontier.changes when the group was last told; KCA__NOT_TOLD */
    int64_t sought;         /* it ended by a seek to there; 0: it did not */
    int64_t committed;      /* what the group was told; -1: nothing in this assignment */
    kca__list set_aside;    /* deliveries whose turn has come, but it is paused or draining */
    bool draining;          /* nothing more of it is given out */
    bool is_anew;           /* its offsets went back: it began anew */
    bool revoked;           /* settling its deliveries no longer counts */
    int held;               /* records of it that the engine holds */
    int out;                /* of these, given out and not settled */
    int writing;            /* of these, to be dead-lettered or answered now or soon */
    kca__standing standing; /* when it was looked at last */
} kca__assigned;

#define KCA__NOT_TOLD UINT64_MAX

typedef struct kca__assigned_list {
    kca__assigned *first;
    kca__assigned *found; /* by the last look-up: records come in runs of one partition */
    kca__topic_partition *topic_partitions;
} kca__assigned_list;

void kca__assigned_list_close(kca__assigned_list *list);

/* The topic's partition, made when it is new; NULL when memory is out. */
kca__topic_partition *kca__assigned_list_topic_partition(kca__assigned_list *list,
                                                         const char *topic, int number);

/* The assignment that is not revoked. NULL: none. */
kca__assigned *kca__assigned_list_find(kca__assigned_list *list, const char *topic, int number);

/* NULL when memory is out. */
kca__assigned *kca__assigned_list_add(kca__assigned_list *list, const char *topic, int number);
void kca__assigned_list_remove(kca__assigned_list *list, kca__assigned *a);

/* How many deliveries of draining assignments are out, or to be dead-lettered or answered now. */
int kca__assigned_list_count_draining(const kca__assigned_list *list);

#endif
