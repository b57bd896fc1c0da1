/*
 * A librdkafka client (rd_kafka_t) with its logs, errors and, for producers, its reports.
 *
 * Who polls a producer's queue: its service thread, but an application's thread that waits for what
 * comes out of it anyway (the answer to its own message, receipts, room in the buffer) polls
 * itself, and the service thread steps aside. A hop through another thread would cost a synchronous
 * publish a tenth of its time, and freeing a message on another thread than the one that made it
 * costs the allocator more than all of kca does. One thread polls at a time; those who wait beside
 * it are woken when it has handled something.
 */
#ifndef KCA_CORE_CLIENT_H
#define KCA_CORE_CLIENT_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>

#include "log.h"

typedef struct kca__client {
    struct kca__client *next; /* of the connection's list */
    rd_kafka_t *rk;
    char *name;        /* in logs */
    char *fingerprint; /* settings, to find it again; NULL: not shared */
    kca__log *log;
    kca__event_queue *receipts;
    void *owner; /* of a consumer: its inbound channel adapter; of a redrive's: its run */

    pthread_mutex_t lock;
    char trouble[512]; /* last error librdkafka told of, "" none since the last success */
    int trouble_code;
    bool partition_went; /* one that was read is not in the cluster any more */

    /* producers */
    rd_kafka_queue_t *queue;
    pthread_t thread;
    bool has_thread;
    bool stopping;
    bool polling;
    int waiters;
    int64_t last_wait_ms;
    struct kca__slot *handed, *last_handed; /* in the order of their coming */
    int handing; /* short polls until the service thread sleeps again, and has to be woken */
    pthread_cond_t turn;    /* a waiter may poll, or its answer is there */
    pthread_cond_t service; /* the service thread has to stop */
} kca__client;

/* Takes `conf`, also on failure. A producer with `receipts` gets its service thread; one without is
 * polled by its owner, through the delivery report callback that `conf` has. */
kca_error *kca__client_open(kca__client **out, rd_kafka_type_t type, rd_kafka_conf_t *conf,
                            const char *name, const char *who, kca__log *log,
                            kca__event_queue *receipts);

/* Drops what is buffered; a consumer must have been closed. */
void kca__client_close(kca__client *client);

/* Waits until *done, which delivery reports set under client->lock; false when the deadline is over
 * first. */
bool kca__client_wait(kca__client *client, const bool *done, int64_t deadline);

/* Waits for one event, at most timeout_ms, and handles it. */
void kca__client_serve(kca__client *client, int timeout_ms);

/* The service thread hands the slot's message to librdkafka, soon: see kca__publisher_hand_over. */
void kca__client_hand(kca__client *client, struct kca__slot *slot);

/* Of a delivery report: librdkafka takes for stored, without an answer of the broker's, what comes
 * before a record that is stored. A broker which knows nothing of the producer yet takes any record
 * for its first, however. */
bool kca__client_is_unconfirmed(const rd_kafka_message_t *m);

/* The last trouble; its code, 0 for none. `out` has room for 512. */
int kca__client_trouble(kca__client *client, char *out);
void kca__client_forget_trouble(kca__client *client);

#endif
