/*
 * Transactions of an inbound channel adapter: what its deliveries published and their offsets, in
 * one. Only the poller's thread uses it.
 *
 * A transaction is written when it is due: what was settled since the last one is collected under
 * the engine's lock, offsets with their maps and all that was published, so that neither is without
 * the other. Then it is begun, filled, and committed. When it has to be aborted, the engine forgets
 * all partitions and reads them again from what is committed.
 */
#ifndef KCA_INBOUND_TRANSACTION_H
#define KCA_INBOUND_TRANSACTION_H

#include "engine/delivery.h"
#include "kafka/client.h"

struct kca__inbound;
struct kca__publisher;

typedef struct kca__transaction {
    struct kca__inbound *in;
    int largest_bytes;   /* of a record */
    kca__client *client; /* the transactional producer */
    bool ready;          /* initialised: older ones of the id are fenced */
    bool unconfirmed;    /* something in the one that is being written */
    int aborts;          /* since the last one that was committed */
    const rd_kafka_topic_partition_list_t *offsets; /* of the one that is being written */
} kca__transaction;

/* `largest_bytes`: of a record. */
kca_error *kca__transaction_open(kca__transaction **out, struct kca__inbound *in,
                                 int largest_bytes);
void kca__transaction_close(kca__transaction *t);

/* Fences who used the id before; waits for the cluster. False: it failed, and the adapter ends. */
bool kca__transaction_begin(kca__transaction *t);

/* Polls the producer for its errors, which nobody else does. Call it now and then. */
void kca__transaction_serve(kca__transaction *t);

/* Commits what is settled. Blocks until the outcome is known, which may be only when the cluster
 * answers again; once the adapter stops, no longer than kca__inbound_close_timeout_ms. Deliveries
 * of an aborted transaction come again; those that a commit cannot tell of whole go with a later
 * one. */
void kca__transaction_commit(kca__transaction *t);

/* See kca_delivery_publish. `type`: of the bus. */
kca_error *kca__transaction_publish(kca_delivery *d, struct kca__publisher *p, const kca_message *m,
                                    int type);

/* ---- for transaction_commit.c ---- */

/* Another process has taken the id over, or the cluster refuses: the adapter must not go on. */
bool kca__transaction_is_final(const rd_kafka_error_t *error);

/* Takes `error`. */
void kca__transaction_end_by(kca__transaction *t, rd_kafka_error_t *error);

/* The producer is of no use after `error`, which is taken: a new producer with the same id aborts
 * its transaction. False: the adapter ends, or stops. */
bool kca__transaction_begin_anew(kca__transaction *t, rd_kafka_error_t *error);

/* Calls until it succeeds or librdkafka says that another try is of no use, for timeout_ms at most
 * (-1: for ever); once the adapter stops, no longer than kca__inbound_close_timeout_ms. */
rd_kafka_error_t *kca__transaction_retry(kca__transaction *t,
                                         rd_kafka_error_t *(*call)(kca__transaction *),
                                         int timeout_ms);

#endif
