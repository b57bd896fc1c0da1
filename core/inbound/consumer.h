/*
 * Consumer: what lives as long as its system. While it runs, in callback or pull form, it has an
 * inbound channel adapter; after a stop it may run again, with a new one.
 */
#ifndef KCA_INBOUND_CONSUMER_H
#define KCA_INBOUND_CONSUMER_H

#include "inbound/handlers.h"
#include "inbound/inbound.h"
#include "message/hooks.h"
#include "message/own_translator.h"

/* What a consumer needs of its system; all of it outlives the consumer. */
typedef struct kca__consumer_setup {
    const kca__handlers *handlers;
    const kca__hooks *hooks; /* on handling */
    const kca__own_translators *translators;
    kca__log *log;
    kca__event_queue *events; /* faults and rebalances of the callback form go there */
    void (*hold)(void *user); /* the system's memory is needed until `release` */
    void (*release)(void *user);
    void *user;
} kca__consumer_setup;

typedef struct kca__consumer {
    kca_consumer_builder *options;
    kca_connection *connection; /* the system's copy. Set by start */
    kca__consumer_setup setup;
    int largest_bytes; /* of a message that a publisher over its connection takes. Set by start */
    kca__publisher *dead_letters;      /* of their channel; NULL: none. Set by start */
    kca__publisher *const *publishers; /* of the system. Set by start */
    int publisher_count;
    kca__exporter *exporter; /* NULL: none. Set by start, as the next */
    kca__client_id client_id;
    kca__deduplication *deduplication; /* NULL: none */
    kca__deduplication_store store;
    int processors;
    int processing_timeout_ms;
    kca_error *error; /* first failure of the setters */
    char *properties; /* effective librdkafka settings, for describe; NULL before the first start */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open;    /* the system is started */
    bool running; /* inside kca__consumer_run */
    int users;    /* threads that use `inbound` outside the lock */
    kca__inbound *inbound;
    kca__inbound *closing; /* the last `inbound`, while it closes: a shutdown may want it sooner */
    uint64_t run_number; /* of the present or last inbound: a queue left over from an earlier one is
                            stopped */
    kca__engine_counts counts; /* of inbounds that are closed */
    kca_error *failure;        /* that ended the last run; NULL: it was stopped, or runs */
    int64_t failed_ms;
} kca__consumer;

/* Takes `options`. */
kca_error *kca__consumer_new(kca__consumer **out, kca_consumer_builder *options,
                             const kca__consumer_setup *setup);
void kca__consumer_free(kca__consumer *c);

/* The properties are right; checked when the system starts, not when the consumer runs. */
kca_error *kca__consumer_check(kca__consumer *c);

/* The system is started: it may run. */
void kca__consumer_open(kca__consumer *c);

/* The system shuts down. Gives how many deliveries the application has not settled. */
int kca__consumer_close(kca__consumer *c, int64_t deadline);

/* See kca_consumer_run and kca_consumer_stop. What is out is waited for until the deadline. */
kca_error *kca__consumer_run(kca__consumer *c);
void kca__consumer_stop(kca__consumer *c, int64_t deadline);

/* See kca__engine_spare; for one that has been stopped. */
void kca__consumer_spare(kca__consumer *c);

/* Deliveries of it are out. */
bool kca__consumer_is_handling(kca__consumer *c);

/* Pull form: joins; takes; leaves. See kca_consumer_queue and kca_queue_next. `run_number` is the
 * queue's; `returned` may be NULL, and keeps what it has when the consumer has stopped. */
kca_error *kca__consumer_start_pulling(uint64_t *out_run_number, kca__consumer *c);
int kca__consumer_pull(kca__consumer *c, uint64_t run_number, kca__returned *returned,
                       kca_event **out, int max, int timeout_ms);
void kca__consumer_stop_pulling(kca__consumer *c, uint64_t run_number);

/* As kca__consumer_stop, if that run still goes on. */
void kca__consumer_stop_run(kca__consumer *c, uint64_t run_number);
int kca__consumer_fd(kca__consumer *c, uint64_t run_number);
kca_error *kca__consumer_why_ended(kca__consumer *c, uint64_t run_number);
bool kca__consumer_has_left(kca__consumer *c, uint64_t run_number);

/* Runs the handler of the delivery's name; gives its verdict. False: it has deferred the delivery,
 * which is the application's now, and may be freed already. */
bool kca__consumer_handle(const kca__consumer *c, kca_delivery *d, int *out_verdict);

/* Runs the handler of a batch's name, settles the deliveries and gives them back. */
void kca__consumer_handle_batch(const kca__consumer *c, kca_event *batch);

/* See kca_consumer_pause, kca_consumer_resume, kca_consumer_unpark and kca_consumer_seek. */
kca_error *kca__consumer_set_paused(kca__consumer *c, const char *topic, int partition,
                                    bool paused);
kca_error *kca__consumer_unpark(kca__consumer *c, const char *topic, int partition, const void *key,
                                size_t key_len);
kca_error *kca__consumer_seek(kca__consumer *c, const char *topic, int partition, int64_t to,
                              bool is_time, int timeout_ms);

kca__engine_counts kca__consumer_count(kca__consumer *c);

/* Of its run; stopped while none runs. */
kca__state kca__consumer_state(kca__consumer *c);

/* How its run is doing. */
typedef struct kca__vitals {
    bool runs; /* it has an adapter, and has not failed */
    kca__state state;
    kca__engine_pulse pulse;
    bool records_come;  /* some lie in the fetch queue, to be taken by whoever handles them */
    kca_error *failure; /* that ended it, the caller's; NULL: none */
    int64_t failed_ms;
} kca__vitals;

/* Looks at its standings, too: kca__consumer_look gives them as they are now. */
kca__vitals kca__consumer_vitals(kca__consumer *c, int64_t now_ms);

/* "idle", "running" or "pulling". */
const char *kca__consumer_form(kca__consumer *c);

/* Each assigned partition, with its last known high watermark (-1: unknown). */
typedef void (*kca__consumer_look_fn)(void *user, const kca__partition_look *look, int64_t high);
void kca__consumer_look(kca__consumer *c, kca__consumer_look_fn fn, void *user);

#endif
