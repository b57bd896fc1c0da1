/*
 * System: connections, publishers, consumers and handlers, started and shut down together.
 *
 * Two counts. `users`: the application's handles (system, buses, consumers, queues), and its calls
 * that may call it back; when the last is gone, a started system is shut down. `holders`: the parts
 * that need this memory; a consumer's adapter is one as long as the application keeps one of its
 * deliveries.
 */
#ifndef KCA_SYSTEM_SYSTEM_H
#define KCA_SYSTEM_SYSTEM_H

#include <stdatomic.h>

#include "asking/reply_channel.h"
#include "base/interrupt.h"
#include "inbound/consumer.h"
#include "inbound/local.h"
#include "outbound/publisher.h"
#include "redrive/redrive.h"

typedef struct kca__event_handler {
    kca_event_fn fn;
    void *user;
    kca_free_fn free_user;
} kca__event_handler;

enum { KCA__EVENT_TYPES = 10 };

#define KCA__SYSTEM_CALL (INT64_C(1) << 32)

/* A redrive that runs, for `describe`. */
typedef struct kca__redrive_visit {
    kca__link link;
    const kca_redrive *options;
    kca__redrive_progress progress;
} kca__redrive_visit;

/* Messages of buses without a channel: how they ended. */
typedef struct kca__local_counts {
    int64_t handled, failed, rejected, timed_out, cancelled, stopped;
    int64_t retried; /* attempts that failed and were made again */
} kca__local_counts;

typedef struct kca__system {
    _Atomic(int64_t) users; /* handles, and calls by KCA__SYSTEM_CALL each */
    atomic_int holders;
    unsigned generation; /* of forks; see generation.h */
    kca__event_queue events;
    kca__event_queue logs; /* used once the application has asked for it */
    kca__log log;
    kca__watch watch;         /* states of its connections and consumers */
    kca__producers producers; /* while the system is started */

    pthread_mutex_t lifecycle_lock; /* held through start and shutdown; before `lock` */
    bool started;

    pthread_mutex_t lock; /* guards the lists; held briefly */
    kca_connection **connections;
    int connection_count;
    kca__publisher **publishers;
    int publisher_count;
    kca__reply_channel *
        *reply_channels; /* one for each channel that publishers read answers from */
    int reply_channel_count;
    kca__consumer **consumers;
    int consumer_count;
    kca__consumer *local; /* joins no group: of what buses without a channel hand over */
    kca__handlers handlers;
    kca__hooks publish_hooks, handling_hooks;
    kca__own_translators translators;
    kca__event_handler event_handlers[KCA__EVENT_TYPES];
    kca__exporter *exporter;  /* NULL: none */
    kca__interrupt interrupt; /* asked by calls that wait */

    bool open;                  /* visits to the clusters may begin; under `lock` */
    int visits;                 /* redrives and questions that run; under `lock` */
    kca__list redrives;         /* those that run; under `lock` */
    atomic_bool closing;        /* visits are to end soon */
    pthread_cond_t visits_done; /* the last visit has ended */

    bool takes_locals; /* under `lock`, as the next three */
    kca__local_counts local_counts;
    kca__local *locals;         /* that have not ended */
    pthread_cond_t locals_done; /* the last of them has */
} kca__system;

kca_error *kca__system_new(kca__system **out);

void kca__system_hold(kca__system *s);
void kca__system_release(kca__system *s);

/* NULL, or KCA_ERROR_FORKED. */
kca_error *kca__system_check_process(const kca__system *s);
bool kca__system_is_foreign(const kca__system *s);

/* Count a new handle of the application, and the end of one. */
void kca__system_hold_handle(kca__system *s);
void kca__system_release_handle(kca__system *s);

kca_error *kca__system_add_connection(kca__system *s, const kca_connection *c);
kca_error *kca__system_add_publisher(kca__system *s, const kca_publisher_builder *b);
kca_error *kca__system_add_consumer(kca__system *s, const kca_consumer_builder *b);
kca_error *kca__system_add_batch_handler(kca__system *s, const char *name,
                                         const kca__batch_plan *plan, kca_batch_fn fn, void *user,
                                         kca_free_fn free_user);
kca_error *kca__system_add_handler(kca__system *s, const char *name, kca_handler_fn fn, void *user,
                                   kca_free_fn free_user);

/* Take `user`: on failure free_user has run. */
/* On failure frees the translator's user, too. */
kca_error *kca__system_set_translator(kca__system *s, kca__own_translator translator);

kca_error *kca__system_add_publish_hook(kca__system *s, kca__hook hook);
kca_error *kca__system_add_handling_hook(kca__system *s, kca__hook hook);

kca_error *kca__system_start(kca__system *s, int timeout_ms);
kca_error *kca__system_shutdown(kca__system *s, int timeout_ms);

/* NULL: none of that name. For the first, either of the locks. */
kca_connection *kca__system_find_connection_locked(const kca__system *s, const char *name);
kca__publisher *kca__system_find_publisher(kca__system *s, const char *channel);
kca__consumer *kca__system_find_consumer(kca__system *s, const char *name);

/* Where answers to what this publisher sends are read; NULL: nowhere. */
kca__reply_channel *kca__system_find_reply_channel(kca__system *s, const kca__publisher *p);

/* The endpoints, as kca_system_describe gives them. Free with free(). */
kca_error *kca__system_describe(char **out, kca__system *s, int format);

/* See kca_system_health: the JSON text (NULL: not wanted), freed with free(), and the code. */
kca_error *kca__system_health(char **out, int *out_code, kca__system *s, int stuck_after_ms);

/* See kca_system_redrive. */
kca_error *kca__system_redrive(char **out, kca__system *s, const kca_redrive *r, int timeout_ms);

/* See kca_system_describe_cluster. */
kca_error *kca__system_describe_cluster(char **out, kca__system *s, const char *connection_name,
                                        const char *topic, const char *group, int timeout_ms);

/* admit, by start: visits may begin. dismiss, by shutdown: visits are to end soon, and none may
 * begin. await, by shutdown: waits until the last has ended. */
void kca__system_admit_visits(kca__system *s);
void kca__system_dismiss_visits(kca__system *s);
void kca__system_await_visits(kca__system *s);

/* See kca_system_set_local_retries. */
kca_error *kca__system_set_local_retries(kca__system *s, const kca_consumer_builder *b);

/* Takes `user`: on failure free_user has run. */
kca_error *kca__system_set_event_handler(kca__system *s, int event_type, kca_event_fn fn,
                                         void *user, kca_free_fn free_user);

/* See kca_system_set_exporter. */
kca_error *kca__system_set_exporter(kca__system *s, const char *settings);

/* Takes its `user`: on failure free_user has run. */
kca_error *kca__system_set_interrupt(kca__system *s, kca__interrupt interrupt);

/* Takes the store's `user`: on failure free_user has run. */
kca_error *kca__system_set_deduplication_store(kca__system *s, const char *consumer,
                                               kca__deduplication_store store);

/* NULL: none set. */
const kca__event_handler *kca__system_event_handler(const kca__system *s, int event_type);

#endif
