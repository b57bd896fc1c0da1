#include "inbound/inbound.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "inbound/fetch.h"
#include "inbound/poller.h"
#include "inbound/rebalance.h"
#include "message/translator.h"

#include <stdlib.h>
#include <string.h>

enum { BURST = 64, NAP_MS = 1 };

/* ---- records ---- */

static void release_record(void *record) {
    rd_kafka_message_destroy(record);
}

static void wake_fetcher(void *owner) {
    kca__inbound *in = owner;
    rd_kafka_queue_yield(in->fetch_queue);
}

static void wake_poller(void *owner) {
    kca__inbound *in = owner;
    rd_kafka_queue_yield(in->main_queue);
}

/* The record's headers as the translator reads them; false when memory is out. */
static bool read_headers(kca_delivery *d, kca__record *out, const rd_kafka_message_t *m) {
    rd_kafka_headers_t *headers;
    out->headers = d->headers;
    if (rd_kafka_message_headers(m, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return true;
    size_t count = rd_kafka_header_cnt(headers);
    if (count > KCA__DELIVERY_HEADERS) {
        d->more_headers = malloc(count * sizeof *d->more_headers);
        if (!d->more_headers)
            return false;
        out->headers = d->more_headers;
    }
    for (size_t i = 0; i < count; i++) {
        kca__header *h = &out->headers[i];
        const void *value = NULL;
        rd_kafka_header_get_all(headers, i, &h->name, &value, &h->value_len);
        h->value = value;
    }
    out->header_count = (int)count;
    return true;
}

/* Makes the delivery readable. Outside the lock: only its taker knows it. */
static bool prepare(kca_delivery *d) {
    const rd_kafka_message_t *m = d->record;
    rd_kafka_timestamp_type_t type;
    d->timestamp_ms = rd_kafka_message_timestamp(m, &type);
    kca__record record = {.key = m->key,
                          .key_len = m->key_len,
                          .value = m->payload,
                          .value_len = m->len,
                          .timestamp_ms = d->timestamp_ms};
    kca__message_init_inbound(&d->message);
    if (!read_headers(d, &record, m))
        return false;
    kca__translator_read(&d->message, &record,
                         d->timestamp_ms >= 0 ? d->timestamp_ms : kca__clock_unix_ms());
    d->event.topic = d->partition->place->topic;
    d->event.partition = d->partition->place->number;
    d->event.offset = d->offset;
    return true;
}

/* ---- taking ---- */

/* With the lock held: settles and puts away what the processor brings back, as far as that needs no
 * more than the lock. */
static void put_away(kca__engine *e, kca__returned *returned) {
    if (returned->spent) {
        kca__engine_free_locked(e, returned->spent);
        e->holders--;
        returned->spent = NULL;
    }
    if (returned->done)
        kca__engine_settle_locked(e, returned->done, returned->verdict);
}

/* The record goes outside the lock, the place at the next one; what has more to come goes back to
 * the engine at once. */
static void release_done(kca__returned *returned) {
    kca_delivery *d = returned->done;
    returned->done = NULL;
    if (!kca__engine_has_ended(d)) {
        kca__engine_recycle(d);
        return;
    }
    kca__engine_release_record(d);
    returned->spent = d;
}

static int take_notes(kca__engine *e, kca_event **out, int max) {
    int count = 0;
    while (count < max && (out[count] = kca__event_list_take(&e->notes)))
        count++;
    return count;
}

static int take_ready(kca__engine *e, kca_event **out, int max) {
    int count = take_notes(e, out, max);
    if (count > 0)
        return count;
    kca_delivery *d;
    while (count < max && (d = kca__engine_take_locked(e)))
        out[count++] = &d->event;
    return count;
}

/* A half-read message must not be handed out: the consumer ends with it unsettled. */
static void give_up_reading(kca__engine *e, kca_delivery *d) {
    pthread_mutex_lock(&e->lock);
    kca__engine_fail_locked(e, kca__error_memory());
    pthread_mutex_unlock(&e->lock);
    kca__engine_withdraw(d);
}

static bool is_duplicate(kca__engine *e, const kca_delivery *d) {
    const char *id = d->message.texts[KCA__TEXT_MESSAGE_ID];
    return e->deduplication && *id && kca__deduplication_has(e->deduplication, id);
}

/* Gives how many are ready to be read; 0: all were duplicates, which are settled, or could not be
 * read, which ends the consumer: the next look tells. */
static int prepare_all(kca__engine *e, kca_event **all, int count) {
    int prepared = 0;
    for (int i = 0; i < count; i++) {
        if (all[i]->type != KCA_EVENT_DELIVERY) {
            all[prepared++] = all[i];
            continue;
        }
        kca_delivery *d = (kca_delivery *)all[i];
        if (!prepare(d)) {
            give_up_reading(e, d);
        } else if (is_duplicate(e, d)) {
            kca__engine_settle(d, KCA_DUPLICATE);
            kca__engine_recycle(d);
        } else {
            all[prepared++] = all[i];
        }
    }
    return prepared;
}

/* With the lock held, given up meanwhile: this thread fetches, the others go on. */
static void fetch_burst(kca__inbound *in, int64_t deadline) {
    kca__engine *e = &in->engine;
    kca__inbound_record records[BURST];
    int room = kca__engine_room_locked(e);
    e->fetching = true;
    pthread_mutex_unlock(&e->lock);
    int left = kca__clock_left_ms(deadline);
    int count =
        kca__fetch(in, records, room < BURST ? room : BURST, left < 0 || left > 1000 ? 1000 : left);
    pthread_mutex_lock(&e->lock);
    kca__engine_accept_locked(e, records, count);
    kca__engine_end_fetch_locked(e);
}

/* With the lock held: one step towards something to take; false when the deadline is over. */
static bool wait_for_work(kca__inbound *in, int64_t deadline) {
    kca__engine *e = &in->engine;
    if (!e->fetching && !e->fetch_held && kca__engine_room_locked(e) > 0) {
        fetch_burst(in, deadline);
        return kca__clock_left_ms(deadline) != 0;
    }
    /* Full: handlers may make room faster than a thread is woken for each record, so one naps. When
     * nothing changed meanwhile, it waits to be woken. */
    bool nap = e->may_nap && !e->fetching;
    e->may_nap &= !nap;
    e->napping |= nap;
    e->idle++;
    int64_t soon = kca__clock_deadline(NAP_MS);
    bool in_time = kca__clock_wait(&e->work, &e->lock, nap && soon < deadline ? soon : deadline);
    e->idle--;
    e->waking = false;
    e->napping &= !nap;
    return in_time || (nap && kca__clock_left_ms(deadline) != 0);
}

/* Notes, or deliveries that are not prepared yet. */
static int take_some(kca__inbound *in, kca__returned *returned, kca_event **out, int max,
                     int64_t deadline) {
    kca__engine *e = &in->engine;
    pthread_mutex_lock(&e->lock);
    put_away(e, returned);
    int count = take_ready(e, out, max);
    if (count == 0 && returned->done) {
        /* Before waiting, nothing is kept: the record's memory, its place in the bounded queue. */
        pthread_mutex_unlock(&e->lock);
        release_done(returned);
        pthread_mutex_lock(&e->lock);
        put_away(e, returned);
        count = take_ready(e, out, max);
    }
    for (bool in_time = true; count == 0 && !e->stopping && in_time;) {
        in_time = wait_for_work(in, deadline);
        count = take_ready(e, out, max);
    }
    if (count == 0 && e->stopping)
        count = -KCA_ERROR_STOPPED;
    kca__engine_wake_locked(e);
    pthread_mutex_unlock(&e->lock);

    if (returned->done)
        release_done(returned);
    return count;
}

int kca__inbound_take(kca__inbound *in, kca__returned *returned, kca_event **out, int max,
                      int64_t deadline) {
    kca__returned none = {0};
    returned = returned ? returned : &none;
    int count;
    int prepared = 0;
    while (prepared == 0 && (count = take_some(in, returned, out, max, deadline)) > 0)
        prepared = prepare_all(&in->engine, out, count);
    return count > 0 ? prepared : count;
}

void kca__inbound_put_away(kca__inbound *in, kca__returned *returned) {
    kca__engine *e = &in->engine;
    while (returned->done || returned->spent) {
        pthread_mutex_lock(&e->lock);
        put_away(e, returned);
        pthread_mutex_unlock(&e->lock);
        if (returned->done)
            release_done(returned);
    }
}

void kca__returned_settle(kca__returned *returned) {
    kca_delivery *d = returned->done;
    returned->done = NULL;
    if (!d)
        return;
    kca__engine_settle(d, returned->verdict);
    kca__engine_recycle(d);
}

int kca__inbound_out(kca__inbound *in) {
    pthread_mutex_lock(&in->engine.lock);
    int out = in->engine.out;
    pthread_mutex_unlock(&in->engine.lock);
    return out;
}

int kca__inbound_fd(kca__inbound *in) {
    kca__engine *e = &in->engine;
    pthread_mutex_lock(&e->lock);
    int fd = kca__notifier_fd(&e->notifier);
    bool first = !in->watched;
    in->watched = true;
    pthread_mutex_unlock(&e->lock);
    if (first) {
        kca__rebalance_watch(in);
        /* Another thread may have looked before it was told of records. */
        kca__notifier_raise(&e->notifier);
    }
    return fd;
}

/* ---- pausing ---- */

typedef struct pausing {
    kca__inbound *in;
    bool paused;
} pausing;

/* What is fetched of a paused partition stays in its own queue, which is bounded, and comes to the
 * fetch queue when it is resumed. */
static void forward(void *user, const char *topic, int partition) {
    const pausing *p = user;
    rd_kafka_queue_t *queue = rd_kafka_queue_get_partition(p->in->client->rk, topic, partition);
    if (!queue)
        return;
    rd_kafka_queue_forward(queue, p->paused ? NULL : p->in->fetch_queue);
    rd_kafka_queue_destroy(queue);
}

kca_error *kca__inbound_set_paused(kca__inbound *in, const char *topic, int partition,
                                   bool paused) {
    pausing p = {in, paused};
    if (!kca__engine_set_paused(&in->engine, topic, partition, paused, forward, &p))
        return kca__error_memory();
    wake_fetcher(in);
    return NULL;
}

/* ---- life ---- */

static void let_go(void *owner) {
    kca__inbound *in = owner;
    if (in->fetch_queue)
        rd_kafka_queue_destroy(in->fetch_queue);
    if (in->main_queue)
        rd_kafka_queue_destroy(in->main_queue);
    if (in->commit_answers)
        rd_kafka_queue_destroy(in->commit_answers);
    kca__transaction_close(in->transaction);
    kca__client_close(in->client);
    kca__engine_close(&in->engine);
    kca__inbound_setup setup = in->setup;
    free(in);
    setup.let_go(setup.user);
}

static kca_error *open_client(kca__inbound *in, kca_connection *connection) {
    char *who = kca__text_format("consumer %s", in->options->name);
    if (!who)
        return kca__error_memory();
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    kca_error *e = kca__connection_configure(connection, conf, false, who);
    if (!e)
        e = kca__consumer_builder_configure(in->options, connection->embedded != NULL, conf);
    if (e) {
        rd_kafka_conf_destroy(conf);
    } else {
        kca__rebalance_configure(conf);
        e = kca__client_open(&in->client, RD_KAFKA_CONSUMER, conf, in->options->name, who, in->log,
                             in);
    }
    free(who);
    return e;
}

static kca_error *join(kca__inbound *in, kca_connection *connection) {
    kca_error *e = open_client(in, connection);
    if (e)
        return e;
    rd_kafka_poll_set_consumer(in->client->rk);
    in->fetch_queue = rd_kafka_queue_new(in->client->rk);
    in->main_queue = rd_kafka_queue_get_consumer(in->client->rk);
    in->commit_answers = rd_kafka_queue_new(in->client->rk);
    if (in->options->transactional_id)
        e = kca__transaction_open(&in->transaction, in, in->setup.largest_bytes);
    if (e)
        return e;
    if (pthread_create(&in->poller, NULL, kca__poller_run, in) != 0)
        return kca__error_new(KCA_ERROR_MEMORY, "consumer %s: no thread can be started",
                              in->options->name);
    in->has_poller = true;
    return NULL;
}

static void set_up_engine(kca__engine *e, const kca__inbound_setup *setup) {
    const kca_consumer_builder *options = setup->options;
    e->order = kca__consumer_builder_order(options);
    e->retry = kca__consumer_builder_retry(options);
    e->dead_letters = setup->dead_letters != NULL;
    e->transactional = options->transactional_id != NULL;
    e->skip = kca__consumer_builder_skips(options);
    e->abandon = kca__consumer_builder_abandons(options);
    e->processing_timeout_ms = setup->processing_timeout_ms;
    e->deduplication = setup->deduplication;
    e->note_queue = setup->note_queue;
    e->release_record = release_record;
    e->wake_fetcher = wake_fetcher;
    e->wake_poller = wake_poller;
    e->let_go = let_go;
}

kca_error *kca__inbound_open(kca__inbound **out, const kca__inbound_setup *setup) {
    const kca_consumer_builder *options = setup->options;
    *out = NULL;
    kca__inbound *in = calloc(1, sizeof *in);
    if (!in ||
        !kca__engine_init(&in->engine, options->name, kca__consumer_builder_capacity(options))) {
        free(in);
        setup->let_go(setup->user);
        return kca__error_memory();
    }
    in->setup = *setup;
    in->options = options;
    in->log = setup->log;
    in->needs_nudges = !kca__property_is_known("fetch.queue.backoff.ms");
    in->drain_deadline = KCA__CLOCK_NEVER;
    in->engine.owner = in;
    set_up_engine(&in->engine, setup);
    kca_error *e = join(in, setup->connection);
    if (e)
        let_go(in);
    else
        *out = in;
    return e;
}

void kca__inbound_stop(kca__inbound *in, int64_t deadline) {
    pthread_mutex_lock(&in->engine.lock);
    if (deadline < in->drain_deadline)
        in->drain_deadline = deadline;
    pthread_mutex_unlock(&in->engine.lock);
    kca__engine_stop(&in->engine);
    rd_kafka_queue_yield(in->main_queue);
}

int kca__inbound_close(kca__inbound *in, int64_t deadline, kca_error **out_failure) {
    kca__inbound_stop(in, deadline);
    pthread_join(in->poller, NULL);
    pthread_mutex_lock(&in->engine.lock);
    int unsettled = in->engine.unsettled;
    *out_failure = kca__error_copy(in->engine.failure);
    pthread_mutex_unlock(&in->engine.lock);
    kca__engine_release(&in->engine);
    return unsettled;
}
