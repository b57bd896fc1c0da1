#include "outbound/producer.h"

#include "base/error.h"
#include "base/text.h"
#include "base/thread.h"
#include "outbound/publisher.h"

#include <stdlib.h>
#include <string.h>

enum {
    SERVICE_POLL_MS = 1000, /* one poll of the service thread; what needs it sooner ends the poll */
    /* While callers poll in its place, the service thread looks this often; and it stays aside for
     * this long after the last one: a caller that publishes in a loop is back before. */
    STEP_ASIDE_MS = 50
};

/* After a deferred slot the service thread looks for more DEFERRED_POLLS times, each after
 * DEFERRED_POLL_MS, before it sleeps: waking it for each message would cost the publisher more than
 * the deferring saves. */
enum { DEFERRED_POLL_MS = 1, DEFERRED_POLLS = 16 };

static void handle_event(kca__producer *p, rd_kafka_event_t *event) {
    if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR)
        kca__publisher_take_reports(p, event);
    else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR)
        kca__client_take_error(p->client, event);
    rd_kafka_event_destroy(event);
}

/* Waits for one event and handles it; gives up the lock meanwhile. */
static void poll_once_locked(kca__producer *p, int timeout_ms) {
    p->polling = true;
    pthread_mutex_unlock(&p->lock);
    rd_kafka_event_t *event = rd_kafka_queue_poll(p->queue, timeout_ms);
    if (event)
        handle_event(p, event);
    pthread_mutex_lock(&p->lock);
    p->polling = false;
    pthread_cond_broadcast(&p->turn);
}

static bool callers_poll_locked(const kca__producer *p) {
    return p->polling || p->waiters > 0 || kca__clock_ms() < p->last_wait_ms + STEP_ASIDE_MS;
}

static void produce_deferred_locked(kca__producer *p) {
    if (p->hurry_polls > 0)
        p->hurry_polls--;
    if (p->deferred.count == 0)
        return;
    kca__list slots = {0};
    kca__list_move(&slots, &p->deferred);
    p->hurry_polls = DEFERRED_POLLS;
    pthread_mutex_unlock(&p->lock);
    kca__publisher_produce_deferred(p, &slots);
    pthread_mutex_lock(&p->lock);
}

static void *serve(void *argument) {
    kca__producer *p = argument;
    pthread_mutex_lock(&p->lock);
    while (!p->stopping) {
        produce_deferred_locked(p);
        if (callers_poll_locked(p))
            kca__clock_wait(&p->service, &p->lock,
                            kca__clock_deadline(p->hurry_polls ? DEFERRED_POLL_MS : STEP_ASIDE_MS));
        else
            poll_once_locked(p, p->hurry_polls ? DEFERRED_POLL_MS : SERVICE_POLL_MS);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* Makes the service thread step aside for a caller. */
static void begin_waiting_locked(kca__producer *p) {
    p->waiters++;
    if (p->polling && p->waiters == 1)
        rd_kafka_queue_yield(p->queue);
}

static void end_waiting_locked(kca__producer *p) {
    p->waiters--;
    p->last_wait_ms = kca__clock_ms();
    if (p->waiters > 0)
        pthread_cond_broadcast(&p->turn);
}

/* Polls, or waits for the thread that polls. */
static void wait_once_locked(kca__producer *p, int timeout_ms) {
    if (!p->polling)
        poll_once_locked(p, timeout_ms);
    else if (timeout_ms > 0)
        kca__clock_wait(&p->turn, &p->lock, kca__clock_deadline(timeout_ms));
}

bool kca__producer_wait(kca__producer *p, const bool *done, int64_t deadline) {
    pthread_mutex_lock(&p->lock);
    begin_waiting_locked(p);
    for (int left; !*done && (left = kca__clock_left_ms(deadline)) != 0;)
        wait_once_locked(p, left < 0 || left > SERVICE_POLL_MS ? SERVICE_POLL_MS : left);
    end_waiting_locked(p);
    bool was_done = *done;
    pthread_mutex_unlock(&p->lock);
    return was_done;
}

void kca__producer_serve(kca__producer *p, int timeout_ms) {
    pthread_mutex_lock(&p->lock);
    begin_waiting_locked(p);
    wait_once_locked(p, timeout_ms);
    end_waiting_locked(p);
    pthread_mutex_unlock(&p->lock);
}

void kca__producer_defer(kca__producer *p, kca__slot *slot) {
    pthread_mutex_lock(&p->lock);
    kca__list_add(&p->deferred, &slot->receipt.link);
    if (!p->hurry_polls) {
        p->hurry_polls = DEFERRED_POLLS;
        pthread_cond_signal(&p->service);
        if (p->polling)
            rd_kafka_queue_yield(p->queue);
    }
    pthread_mutex_unlock(&p->lock);
}

void kca__producer_wake(kca__producer *p) {
    rd_kafka_queue_yield(p->queue);
}

/* ---- life ---- */

static void stop_service(kca__producer *p) {
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_cond_signal(&p->service);
    pthread_mutex_unlock(&p->lock);
    rd_kafka_queue_yield(p->queue);
    pthread_join(p->thread, NULL);
}

static void close_producer(kca__producer *p) {
    if (p->has_thread)
        stop_service(p);
    if (p->queue)
        rd_kafka_queue_destroy(p->queue);
    kca__client_close(p->client);
    pthread_cond_destroy(&p->turn);
    pthread_cond_destroy(&p->service);
    pthread_mutex_destroy(&p->lock);
    free(p->fingerprint);
    free(p);
}

static kca_error *start_service(kca__producer *p, const char *who) {
    p->queue = rd_kafka_queue_get_main(p->client->rk);
    if (!kca__thread_start(&p->thread, serve, p))
        return kca__error_new(KCA_ERROR_MEMORY, "%s: no thread can be started", who);
    p->has_thread = true;
    return NULL;
}

static kca_error *open_producer(kca__producer **out, kca_connection *c, bool lone,
                                rd_kafka_conf_t *conf, const char *fingerprint, const char *who) {
    *out = NULL;
    kca__producer *p = calloc(1, sizeof *p);
    char *copy = kca__text_copy(fingerprint);
    if (!p || !copy) {
        free(p);
        free(copy);
        rd_kafka_conf_destroy(conf);
        return kca__error_memory();
    }
    *p = (kca__producer){
        .connection = c, .fingerprint = copy, .receipts = c->queue, .last_wait_ms = -STEP_ASIDE_MS};
    pthread_mutex_init(&p->lock, NULL);
    kca__clock_condition_init(&p->turn);
    kca__clock_condition_init(&p->service);
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR);
    kca_error *e = kca__client_open(&p->client, RD_KAFKA_PRODUCER, conf, c->name, who, c->log, p);
    if (!e && !lone)
        kca__watch_listen(&c->watched, p->client);
    if (!e)
        e = start_service(p, who);
    if (e)
        close_producer(p);
    else
        *out = p;
    return e;
}

/* ---- all producers ---- */

kca_error *kca__producers_share(kca__producer **out, kca__producers *all, kca_connection *c,
                                rd_kafka_conf_t *conf, const char *fingerprint, const char *who) {
    for (kca__producer *p = all->first; p; p = p->next) {
        if (p->connection == c && strcmp(p->fingerprint, fingerprint) == 0) {
            rd_kafka_conf_destroy(conf);
            *out = p;
            return NULL;
        }
    }
    kca_error *e = open_producer(out, c, all->lone, conf, fingerprint, who);
    if (e)
        return e;
    (*out)->next = all->first;
    all->first = *out;
    return NULL;
}

kca_error *kca__producers_client(kca__client **out, kca__producers *all, kca_connection *c) {
    *out = NULL;
    kca__producer *p = all->first;
    while (p && p->connection != c)
        p = p->next;
    kca_error *e = NULL;
    if (!p) {
        char *who = kca__text_format("connection %s", c->name);
        if (!who)
            return kca__error_memory();
        rd_kafka_conf_t *conf = rd_kafka_conf_new();
        e = kca__connection_configure(c, conf, true, who);
        if (e)
            rd_kafka_conf_destroy(conf);
        else
            e = kca__producers_share(&p, all, c, conf, "", who);
        free(who);
    }
    if (!e)
        *out = p->client;
    return e;
}

void kca__producers_close(kca__producers *all) {
    while (all->first) {
        kca__producer *p = all->first;
        all->first = p->next;
        close_producer(p);
    }
}
