/*
 * Questions to the cluster that are asked until there is an answer.
 *
 * librdkafka gives up a question early for reasons that pass (no coordinator yet, a leader that
 * moves), and cannot be interrupted while it waits. So a question is asked in slices, again and
 * again, and between two of them the caller's reasons to end are looked at.
 */
#ifndef KCA_KAFKA_ASK_H
#define KCA_KAFKA_ASK_H

#include <librdkafka/rdkafka.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Asks once, and waits for the answer `timeout_ms` at most. 0: it is there. */
typedef rd_kafka_resp_err_t (*kca__question)(rd_kafka_t *rk, void *about, int timeout_ms);

typedef struct kca__asking {
    rd_kafka_t *rk;
    int64_t deadline;
    const atomic_bool *closing;                /* ends it when it is set; NULL: nothing does */
    int slice_ms;                              /* the longest that one question waits */
    bool (*may_pass)(rd_kafka_resp_err_t err); /* whether another question may be answered */
} kca__asking;

/* Why it ended. KCA__ASK_LATE: the deadline is over, or the call is interrupted. */
typedef enum kca__ask_end {
    KCA__ASK_ANSWERED,
    KCA__ASK_REFUSED,
    KCA__ASK_LATE,
    KCA__ASK_CLOSING
} kca__ask_end;

/* Asks until one of these, at least once. `out` is the last answer's error. */
kca__ask_end kca__ask(rd_kafka_resp_err_t *out, const kca__asking *asking, kca__question question,
                      void *about);

/* ---- questions ---- */

/* Fills the group's committed offsets into `about`, a list of partitions. */
rd_kafka_resp_err_t kca__ask_committed(rd_kafka_t *rk, void *about, int timeout_ms);

/* Commits `about`, a list of offsets. rd_kafka_commit itself may wait for ever when the coordinator
 * is gone. */
rd_kafka_resp_err_t kca__ask_commit(rd_kafka_t *rk, void *about, int timeout_ms);

typedef struct kca__topic_look {
    rd_kafka_topic_t *topic;
    int partitions; /* the answer, else 0 */
} kca__topic_look;

/* Counts a topic's partitions; `about` is a kca__topic_look. */
rd_kafka_resp_err_t kca__ask_partitions(rd_kafka_t *rk, void *about, int timeout_ms);

/* `err`, or else the first error that a partition of the list has. */
rd_kafka_resp_err_t kca__ask_error(rd_kafka_resp_err_t err,
                                   const rd_kafka_topic_partition_list_t *list);

#endif
