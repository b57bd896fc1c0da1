/*
 * Transactions of an inbound channel adapter: what its deliveries published and their offsets, in
 * one. Only the poller's thread uses it.
 *
 * A transaction is written when it is due: what was settled since the last one is collected under
 * the engine's lock, offsets with their maps and all that was published, so that neither is without
 * the other. Then it is begun, filled, and committed. When it has to be aborted, the engine forgets
 * all partitions and reads them again from what is committed.
 *
 * When the broker has refused something in it for good, transaction_trial.c finds out what: those
 * deliveries fail, each alone, and do not put it into the next one.
 *
 * Time-out or fence? Both bump the producer's epoch, and the broker answers alike. One that has
 * been open for as long as the broker allows has timed out, and a new producer goes on; before that
 * only another producer can have taken the id, and the adapter ends. A process that was frozen for
 * so long cannot know whether another took the id meanwhile: it takes it back, and the other one,
 * whose transactions are young, ends. So no two go on fencing each other in silence.
 */
#ifndef KCA_INBOUND_TRANSACTION_H
#define KCA_INBOUND_TRANSACTION_H

#include "engine/delivery.h"
#include "inbound/refused_sizes.h"
#include "kafka/client.h"

struct kca__inbound;
struct kca__publisher;

typedef struct kca__transaction {
    struct kca__inbound *in;
    int largest_bytes;   /* of a record */
    kca__client *client; /* the transactional producer */
    bool ready;          /* initialised: older ones of the id are fenced */
    bool writing;        /* reports are of the records at hand, which their opaque points to */
    bool unconfirmed;    /* something in the one that is being written */
    int batch_bytes;     /* most that is sent together; 0: librdkafka's own limit */
    int64_t begun_ms;    /* the one at hand, or the last that was not committed; 0: none */
    kca__refused_sizes refused_sizes;
    int aborts;                                     /* since the last one that was committed */
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

/* An error for a record that would have its transaction aborted for its size. `topic`: the
 * publisher's, or one of its delay channels. Any thread. */
kca_error *kca__transaction_check_size(kca__transaction *t, const struct kca__publisher *p,
                                       const char *topic, const kca__record *record);

/* See kca_delivery_publish. `type`: of the bus. */
kca_error *kca__transaction_publish(kca_delivery *d, struct kca__publisher *p, const kca_message *m,
                                    int type);

/* ---- for transaction_commit.c and transaction_trial.c ---- */

/* Another process has taken the id over, or the cluster refuses: the adapter must not go on. */
bool kca__transaction_is_final(const kca__transaction *t, const rd_kafka_error_t *error);

/* It was open for longer than the broker allows. */
bool kca__transaction_is_overdue(const kca__transaction *t);

/* In this order, in a transaction: begin it, write records, wait until they are answered, send the
 * offsets; abort it, if need be with a new producer (false: the adapter ends, or stops). */
rd_kafka_error_t *kca__transaction_start(kca__transaction *t);
rd_kafka_error_t *kca__transaction_write(kca__transaction *t, kca__held_record *held);
rd_kafka_error_t *kca__transaction_confirm(kca__transaction *t);
rd_kafka_error_t *kca__transaction_send_offsets(kca__transaction *t);
bool kca__transaction_abort(kca__transaction *t);

/* The transaction was aborted. If that was because something in it is refused for good, finds out
 * what, and tells the engine. False: the adapter ends, or stops. `out_guilty`: how many records. */
bool kca__transaction_try(kca__transaction *t, kca__held_records *batch, int *out_guilty);

/* Remembers that the broker refused a record of this size, alone. */
void kca__transaction_note_size(kca__transaction *t, const struct kca__publisher *p,
                                const char *topic, size_t bytes);

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
