/*
 * Producer: a librdkafka producer client and the thread that serves it. Publishers of equal
 * settings over one connection share one producer.
 *
 * The service thread polls the producer's queue. A caller that already waits for something that
 * comes out of it (the answer to its own message, receipts, room in the buffer) polls in its place,
 * and the service thread steps aside: a hop through another thread would cost a synchronous publish
 * a tenth of its time, and freeing a message on another thread than the one that made it costs the
 * allocator more than all of kca does. One thread polls at a time; callers that wait beside it are
 * woken when it has handled an event.
 */
#ifndef KCA_OUTBOUND_PRODUCER_H
#define KCA_OUTBOUND_PRODUCER_H

#include "connection/connection.h"
#include "outbound/in_flight.h"

typedef struct kca__producer {
    struct kca__producer *next; /* of kca__producers */
    kca_connection *connection;
    kca__client *client;
    char *fingerprint; /* its settings, to find it again */
    kca__event_queue *receipts;
    rd_kafka_queue_t *queue;
    pthread_t thread;
    bool has_thread;

    pthread_mutex_t lock;
    pthread_cond_t turn;    /* a waiter may poll, or its answer is there */
    pthread_cond_t service; /* the service thread has to look: it ends, or a slot was deferred */
    bool stopping;
    bool polling; /* some thread polls */
    int waiters;  /* callers that wait, one of them polling */
    int64_t last_wait_ms;
    kca__list deferred; /* slots */
    int hurry_polls;    /* short polls until the service thread sleeps again, and has to be woken */
} kca__producer;

/* All producers of a started system. Only start and shutdown change the list. */
typedef struct kca__producers {
    kca__producer *first;
    bool lone; /* they are closed before their connection: its watch must not know them */
} kca__producers;

/* The producer with these settings: a new one, unless one has them already. Takes `conf`; `who`
 * begins the error's text. */
kca_error *kca__producers_share(kca__producer **out, kca__producers *all, kca_connection *c,
                                rd_kafka_conf_t *conf, const char *fingerprint, const char *who);

/* A client through which to ask the connection's cluster: that of one of its producers, or of a new
 * producer. */
kca_error *kca__producers_client(kca__client **out, kca__producers *all, kca_connection *c);

/* Ends and frees all producers. */
void kca__producers_close(kca__producers *all);

/* Waits until *done, which delivery reports set under p->lock; false when the deadline is over
 * first. */
bool kca__producer_wait(kca__producer *p, const bool *done, int64_t deadline);

/* Waits for one event, at most timeout_ms, and handles it. */
void kca__producer_serve(kca__producer *p, int timeout_ms);

/* Makes a waiting kca__producer_serve return. */
void kca__producer_wake(kca__producer *p);

/* The service thread produces the slot's message, soon: see kca__publisher_produce_deferred. */
void kca__producer_defer(kca__producer *p, kca__slot *slot);

#endif
