/* An event waits in a queue for the application. The owner of its memory sets how it is released.
 */
#ifndef KCA_BASE_EVENT_H
#define KCA_BASE_EVENT_H

#include <stdbool.h>

#include "base/list.h"
#include "kca.h"

struct kca_event {
    kca__link link;                /* in the list that it waits in */
    void (*release)(kca_event *e); /* returns it to its owner */
    bool borrowed;                 /* by an event handler: only the library releases it now */
    unsigned generation;           /* of forks; a child leaves its parent's events alone */
    int type;                      /* KCA_EVENT_... */
    int level;                     /* of a log line */
    kca_error *error;              /* owned; release frees it */
    int64_t reset_from;            /* of a fault that tells of a reset, as the next; else -1 */
    int64_t reset_to;
    uint64_t token;
    const kca_message *reply; /* the answer to an ask; its owner's */
    int64_t dropped;          /* faults, for want of room, before this one */
    uint64_t number;          /* of a note, in the order of their coming */
    const char *topic;
    int64_t offset;
    int partition;
    const char *component;
    const char *text;
    const char *consumer;   /* of a rebalance, an end or a state */
    const char *connection; /* of a state, as the next two */
    int state;              /* KCA_STATE_... */
    int64_t since_ms;
    int rebalance; /* KCA_REBALANCE_...; of a rebalance, as the next two */
    int assignment_count;
    struct kca__assignment *assignments;
};

/* A partition that came or went. */
typedef struct kca__assignment {
    char *topic;
    int partition;
} kca__assignment;

/* A fault or a log line, in memory of its own; NULL when memory is out. Takes `error` in any case.
 */
kca_event *kca__event_new_fault(kca_error *error, const char *topic, int partition, int64_t offset);
kca_event *kca__event_new_log(int level, const char *component, const char *text);

/* A receipt of a message that is stored; NULL when memory is out. */
kca_event *kca__event_new_receipt(uint64_t token, const char *topic);

/* A fault that tells where reading goes on instead of `from`. */
kca_event *kca__event_new_reset(kca_error *error, const char *topic, int partition, int64_t from,
                                int64_t to);

/* The end of a partition; NULL when memory is out. */
kca_event *kca__event_new_end(const char *consumer, const char *topic, int partition,
                              int64_t offset);

/* A state of a consumer, or for "" of the connection itself; NULL when memory is out. Takes `error`
 * in any case. */
kca_event *kca__event_new_state(int state, int64_t since_ms, const char *connection,
                                const char *consumer, kca_error *error);

/* A rebalance of `count` partitions, NULL when memory is out; kca__event_set_assignment then sets
 * each partition, false when memory is out. */
kca_event *kca__event_new_rebalance(int rebalance, const char *consumer, int count);
bool kca__event_set_assignment(kca_event *e, int index, const char *topic, int partition);

#endif
