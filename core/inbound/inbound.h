/*
 * Inbound channel adapter: a consumer while it runs, from joining the group to leaving it.
 *
 * Threads. The poller, one for each adapter, polls librdkafka's main queue without pause:
 * rebalances, errors, commits at the interval, processing timeouts; so the group never takes a slow
 * handler for a dead member. The records themselves bypass it: each partition's queue is forwarded
 * to one fetch queue (not the main one), from which whoever has nothing to do takes a burst, one
 * thread at a time. With one processor nothing is handed between threads at all, and what is not
 * taken stays in librdkafka's own bounded queue: that is the whole back-pressure.
 *
 * Life. Opened by the consumer; closes by itself after kca__inbound_stop, when nothing is out any
 * more or the deadline is over. Its memory, and librdkafka's client, stay until the last delivery
 * that the application holds is freed.
 */
#ifndef KCA_INBOUND_INBOUND_H
#define KCA_INBOUND_INBOUND_H

#include <librdkafka/rdkafka.h>
#include <stdatomic.h>

#include "engine/engine.h"
#include "inbound/consumer_builder.h"
#include "inbound/handlers.h"
#include "inbound/replies.h"
#include "inbound/seek.h"
#include "inbound/transaction.h"
#include "kafka/client.h"
#include "message/own_translator.h"
#include "outbound/lone_publisher.h"

/* What an adapter is opened with; all of it outlives the adapter. */
typedef struct kca__inbound_setup {
    const kca_consumer_builder *options; /* the consumer's, which the system keeps */
    kca_connection *connection;
    kca__log *log;
    int processing_timeout_ms;
    kca__event_queue *note_queue;      /* see kca__engine */
    kca__publisher *dead_letters;      /* their channel; NULL: none */
    kca__publisher *const *publishers; /* of the system: replies and retries go through them */
    int publisher_count;
    kca__deduplication *deduplication;
    const kca__handlers *handlers; /* which of them take batches */
    const kca__own_translators *translators;
    int largest_bytes;       /* of a record that is published in a transaction */
    kca__exporter *exporter; /* NULL: none */
    const char *client_id;
    void (*let_go)(void *user); /* runs once, after the adapter's memory is gone; also on failure */
    void *user;
} kca__inbound_setup;

/* When the group began to read a topic, as far as this adapter knows. */
typedef struct kca__topic_beginning {
    kca__origin origin;
    bool is_committed; /* the group has offsets of it */
    bool has_id;
    bool is_remade; /* since it was looked at last */
    unsigned char id[KCA__TOPIC_ID_BYTES];
} kca__topic_beginning;

typedef struct kca__inbound {
    kca__engine *engine;
    kca__inbound_setup setup;
    const kca_consumer_builder *options; /* setup's */
    kca__log *log;

    kca__client *client;
    kca__watched watched;          /* its state */
    kca__transaction *transaction; /* NULL: none */
    kca__lone_publishers alone;    /* the poller's: for letters that were refused in company */
    kca__replies replies;
    rd_kafka_queue_t *fetch_queue;
    rd_kafka_queue_t *main_queue;
    rd_kafka_queue_t *commit_answers; /* to commits, of which */
    rd_kafka_queue_t *topic_ids;      /* answers to questions for them */
    bool ids_are_asked;               /* the poller's, as the next */
    int64_t next_ids_ms;
    int commits_out;                  /* the poller's: this number is not answered yet */
    kca__topic_beginning *beginnings; /* the poller's, one for each topic of the options */
    bool needs_nudges; /* see fetch.c; `taken` and `taken_bytes` since the last, the fetching
                          thread's */
    int taken;
    int64_t taken_bytes;
    bool told_of_others; /* the fetching thread's: of their records in a retry channel */
    bool tells_end;      /* to the application, too, which asked for it */
    kca__dialect dialect;
    pthread_t poller;
    bool has_poller;
    atomic_bool has_left; /* the poller has ended: closing waits for nothing */
    atomic_bool topic_unknown;
    kca__seeks seeks;         /* wait for the poller */
    int unsettled;            /* the poller's, when it has ended: deliveries left behind */
    int64_t next_look_ms;     /* the poller's: when to look for unknown topics */
    int64_t next_commit_ms;   /* the poller's */
    int64_t next_standing_ms; /* likewise: when to look at what the frontiers wait for */
    int64_t stop_ms; /* the poller's: when it saw the end, also one that nobody asked for */
} kca__inbound;

/* Joins. */
kca_error *kca__inbound_open(kca__inbound **out, const kca__inbound_setup *setup);

/* Up to `max` events: notes, which only the pull form has, or else deliveries and batches of them,
 * ready to be read.
 * Waits for the first until the deadline. 0: none came; -KCA_ERROR_STOPPED. `returned` may be NULL.
 */
int kca__inbound_take(kca__inbound *in, kca__returned *returned, kca_event **out, int max,
                      int64_t deadline);

/* Like kca_queue_next: deliveries, faults and rebalances as events. `returned` may be NULL, or have
 * a delivery of any adapter; nothing is left in it. */
int kca__inbound_pull(kca__inbound *in, kca__returned *returned, kca_event **out, int max,
                      int timeout_ms);

/* Begins the end; what is out is waited for until the deadline. Later calls can only shorten it. */
void kca__inbound_stop(kca__inbound *in, int64_t deadline);

/* kca__inbound_stop, but what is out is not waited for. */
void kca__inbound_leave_out(kca__inbound *in, int64_t deadline);

/* Stops, waits for the end, and lets go. Gives how many deliveries the application has not settled,
 * and the error that ended it (the caller's; NULL: it was stopped). */
int kca__inbound_close(kca__inbound *in, int64_t deadline, kca_error **out_failure);

int kca__inbound_fd(kca__inbound *in);

/* Records lie in the fetch queue, for whoever takes deliveries. */
bool kca__inbound_has_come(const kca__inbound *in);

/* The system's publisher of this channel; NULL: none. */
kca__publisher *kca__inbound_find_publisher(const kca__inbound *in, const char *channel);

/* The number of the batch that a record is handled in; 0: it is handled by itself. */
int kca__inbound_batch_of(kca__inbound *in, const rd_kafka_message_t *m);

/* Its message was handled before, as far as the process remembers. */
bool kca__inbound_is_duplicate(const kca__inbound *in, const kca_delivery *d);

/* Sends a partition's records to the fetch queue, or leaves those of a paused one in its own queue,
 * which is bounded. */
void kca__inbound_forward(void *adapter, const char *topic, int partition, bool kept_back);

/* See kca_consumer_pause and kca_consumer_resume. */
kca_error *kca__inbound_set_paused(kca__inbound *in, const char *topic, int partition, bool paused);

#endif
