#include "inbound/inbound.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "base/thread.h"
#include "inbound/fetch.h"
#include "inbound/poller.h"
#include "inbound/rebalance.h"
#include "inbound/translation.h"
#include "kafka/record_headers.h"
#include "message/cloud_event.h"

#include <stdlib.h>
#include <string.h>

/* ---- records ---- */

static void release_record(void *record) {
    rd_kafka_message_destroy(record);
}

static int fetch(void *owner, kca__inbound_record *out, int room, int timeout_ms) {
    return kca__fetch(owner, out, room, timeout_ms);
}

static void wake_fetcher(void *owner) {
    kca__inbound *in = owner;
    rd_kafka_queue_yield(in->fetch_queue);
}

bool kca__inbound_has_come(const kca__inbound *in) {
    return rd_kafka_queue_length(in->fetch_queue) > 0;
}

static int64_t first_offset(void *owner, const char *topic, int partition) {
    const kca__inbound *in = owner;
    int64_t low = -1, high = -1;
    rd_kafka_get_watermark_offsets(in->client->rk, topic, partition, &low, &high);
    return low;
}

static int64_t high_watermark(void *owner, const char *topic, int partition) {
    const kca__inbound *in = owner;
    int64_t low = -1, high = -1;
    rd_kafka_get_watermark_offsets(in->client->rk, topic, partition, &low, &high);
    return high;
}

static void wake_poller(void *owner) {
    kca__inbound *in = owner;
    rd_kafka_queue_yield(in->main_queue);
}

/* The record's headers as the translator reads them; false when memory is out. */
static bool read_headers(kca_delivery *d, kca__record *out, const rd_kafka_message_t *m) {
    if (!kca__record_headers(&out->headers, &out->header_count, m, d->headers,
                             KCA__DELIVERY_HEADERS))
        return false;
    if (out->headers != d->headers)
        d->more_headers = out->headers;
    return true;
}

static void told_place(void *owner, const kca_delivery *d, kca__parked_place *out) {
    const kca__inbound *in = owner;
    const kca__topic_partition *tp = d->assigned->topic_partition;
    rd_kafka_headers_t *headers;
    const void *text;
    size_t len;
    if (rd_kafka_message_headers(d->record, &headers) ||
        rd_kafka_header_get_last(headers, KCA__PARKED_HEADER, &text, &len) || !text)
        return;
    *out = kca__parked_place_read(text, len, tp->topic, tp->number,
                                  kca__consumer_builder_group(in->options));
}

/* The message's context becomes that of the attempt's span, so that whatever follows the message is
 * its child. */
static void begin_span(const kca__inbound *in, kca_delivery *d) {
    const kca__span_owner owner = {d->event.topic, in->setup.client_id,
                                   kca__consumer_builder_group(in->options)};
    kca__span *span =
        kca__exporter_begin_process(d->process, in->setup.exporter, &d->message, &owner);
    d->message.texts[KCA__TEXT_TRACEPARENT] = d->process;
    if (!span)
        return;
    span->partition = d->event.partition;
    span->offset = d->offset;
    span->attempt = d->attempt;
    kca__engine_begin_span(d, span);
}

/* Makes the delivery's message readable, in the consumer's dialect. */
static bool read_message(kca__inbound *in, kca_delivery *d) {
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
    int64_t now_ms = d->timestamp_ms >= 0 ? d->timestamp_ms : kca__clock_unix_ms();
    return kca__cloud_event_read(&d->message, in->dialect, &record, now_ms);
}

/* What a record is when its message cannot be had: a half-read one must not be handed out. */
enum { NO_MEMORY = -1 };

/* Makes the delivery readable. Outside the lock: only its taker knows it. KCA_DONE: it is to be
 * handed out; KCA_FAILED or KCA_REJECTED: the application's translator failed, and it is explained.
 */
static int prepare(kca__inbound *in, kca_delivery *d) {
    if (!read_message(in, d))
        return NO_MEMORY;
    d->event.topic = d->assigned->topic_partition->topic;
    d->event.partition = d->assigned->topic_partition->number;
    d->event.offset = d->offset;
    int verdict = KCA_DONE;
    if (in->setup.translators->count > 0 && !kca__translation_read(&verdict, in, d))
        return NO_MEMORY;
    if (in->options->reply && verdict == KCA_DONE)
        kca__replies_look(in, d);
    if (in->setup.exporter)
        begin_span(in, d);
    return verdict;
}

/* ---- taking ---- */

/* The consumer ends with it unsettled. */
static void give_up_reading(kca__engine *e, kca_delivery *d) {
    kca__engine_fail(e, kca__error_memory());
    kca__engine_withdraw(d);
}

bool kca__inbound_is_duplicate(const kca__inbound *in, const kca_delivery *d) {
    kca__deduplication *memory = in->setup.deduplication;
    size_t len;
    const char *id = memory ? kca__message_identity(&len, &d->message) : NULL;
    return id && kca__deduplication_has(memory, id, len);
}

static void put_away(kca_delivery *d, int verdict) {
    kca__engine_settle(d, verdict);
    kca__engine_give_back(d);
}

/* Whether it is handed out: else `verdict` is what becomes of it. */
static bool is_for_handlers(const kca__inbound *in, const kca_delivery *d, int *verdict) {
    if (*verdict == KCA_DONE && kca__inbound_is_duplicate(in, d))
        *verdict = KCA_DUPLICATE;
    return *verdict == KCA_DONE;
}

/* Its name says in which batch it is handled, so it is read already when it comes. */
int kca__inbound_batch_of(kca__inbound *in, const rd_kafka_message_t *m) {
    const kca__handlers *handlers = in->setup.handlers;
    kca__header room[KCA__DELIVERY_HEADERS];
    kca_message message;
    kca__record record = {.key = m->key,
                          .key_len = m->key_len,
                          .value = m->payload,
                          .value_len = m->len,
                          .timestamp_ms = -1};
    if (handlers->batch_count == 0 ||
        !kca__record_headers(&record.headers, &record.header_count, m, room, KCA__DELIVERY_HEADERS))
        return 0;
    kca__message_init_inbound(&message);
    bool readable = kca__cloud_event_read(&message, in->dialect, &record, 0);
    if (readable && in->setup.translators->count > 0)
        readable = kca__translation_look(in, m, &message);
    const kca__handler *handler =
        readable ? kca__handlers_find(handlers, message.texts[KCA__TEXT_NAME]) : NULL;
    int batch = handler ? handler->batch : 0;
    kca__message_clear_inbound(&message);
    if (record.headers != room)
        free(record.headers);
    return batch;
}

/* Settles those of a batch that are not to be handled. When one could not be translated, those of
 * its key behind it no longer count, and come again after it. False: memory is out. */
static bool prepare_chain(kca__inbound *in, kca_delivery **at) {
    bool failed = false;
    kca_delivery *d;
    while ((d = *at)) {
        int verdict = prepare(in, d);
        if (verdict == NO_MEMORY)
            return false;
        if (is_for_handlers(in, d, &verdict) && (!failed || kca__engine_has_out(d))) {
            at = &d->batch_next;
            continue;
        }
        failed |= verdict == KCA_FAILED || verdict == KCA_REJECTED;
        *at = d->batch_next;
        put_away(d, verdict);
    }
    return true;
}

/* The batch without those that were handled before or cannot be translated; NULL: none is left, or
 * some of it cannot be read, which ends the consumer. */
static kca_event *prepare_batch(kca__inbound *in, kca_event *batch) {
    kca_delivery *first = kca__batch_open(batch);
    if (!prepare_chain(in, &first)) {
        kca__engine_fail(in->engine, kca__error_memory());
        kca__engine_withdraw_batch(first);
        return NULL;
    }
    return first ? kca__batch_close(first) : NULL;
}

/* NULL: it is settled, or could not be read. */
static kca_event *prepare_single(kca__inbound *in, kca_event *event) {
    kca_delivery *d = (kca_delivery *)event;
    int verdict = prepare(in, d);
    if (verdict == NO_MEMORY)
        give_up_reading(in->engine, d);
    else if (!is_for_handlers(in, d, &verdict))
        put_away(d, verdict);
    else
        return event;
    return NULL;
}

/* Gives how many are ready to be read; 0: all are settled, as duplicates for example, or could not
 * be read, which ends the consumer: the next look tells. */
static int prepare_all(kca__inbound *in, kca_event **all, int count) {
    int prepared = 0;
    for (int i = 0; i < count; i++) {
        kca_event *event = all[i];
        if (event->type == KCA_EVENT_BATCH)
            event = prepare_batch(in, event);
        else if (event->type == KCA_EVENT_DELIVERY)
            event = prepare_single(in, event);
        if (event)
            all[prepared++] = event;
    }
    return prepared;
}

int kca__inbound_take(kca__inbound *in, kca__returned *returned, kca_event **out, int max,
                      int64_t deadline) {
    kca__returned none = {0};
    returned = returned ? returned : &none;
    int count;
    int prepared = 0;
    while (prepared == 0 &&
           (count = kca__engine_take(in->engine, returned, out, max, deadline)) > 0)
        prepared = prepare_all(in, out, count);
    return count > 0 ? prepared : count;
}

int kca__inbound_fd(kca__inbound *in) {
    bool first;
    int fd = kca__engine_fd(in->engine, &first);
    if (first) {
        kca__rebalance_watch(in);
        /* Another thread may have looked before it was told of records. */
        kca__engine_raise(in->engine);
    }
    return fd;
}

kca__publisher *kca__inbound_find_publisher(const kca__inbound *in, const char *channel) {
    for (int i = 0; i < in->setup.publisher_count; i++)
        if (strcmp(in->setup.publishers[i]->options->topic, channel) == 0)
            return in->setup.publishers[i];
    return NULL;
}

/* ---- pausing ---- */

/* The records kept back come to the fetch queue when they are no more. */
void kca__inbound_forward(void *adapter, const char *topic, int partition, bool kept_back) {
    const kca__inbound *in = adapter;
    rd_kafka_queue_t *queue = rd_kafka_queue_get_partition(in->client->rk, topic, partition);
    if (!queue)
        return;
    rd_kafka_queue_forward(queue, kept_back ? NULL : in->fetch_queue);
    rd_kafka_queue_destroy(queue);
}

kca_error *kca__inbound_set_paused(kca__inbound *in, const char *topic, int partition,
                                   bool paused) {
    if (!kca__engine_set_paused(in->engine, topic, partition, paused, kca__inbound_forward, in))
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
    if (in->topic_ids)
        rd_kafka_queue_destroy(in->topic_ids);
    kca__transaction_close(in->transaction);
    kca__client_close(in->client);
    kca__engine_free(in->engine);
    kca__seeks_close(&in->seeks);
    kca__replies_close(&in->replies);
    kca__inbound_setup setup = in->setup;
    free(in->beginnings);
    free(in);
    setup.let_go(setup.user);
}

static void hold(void *inbound) {
    kca__engine_hold(((kca__inbound *)inbound)->engine);
}

static void release(void *inbound) {
    kca__engine_release(((kca__inbound *)inbound)->engine);
}

static void tell(void *inbound, kca_event *e) {
    kca__engine_note(((kca__inbound *)inbound)->engine, e);
}

/* In a group it is well once it has joined; else at once, for start has reached the cluster. */
static void begin_watching(kca__inbound *in, kca_connection *connection) {
    bool in_group = in->options->partition == KCA_PARTITION_ASSIGNED;
    in->watched = (kca__watched){.kind = "consumer",
                                 .name = in->options->name,
                                 .connection = connection,
                                 .well = in_group ? KCA_STATE_JOINED : KCA_STATE_CONNECTED,
                                 .owner = in,
                                 .hold = hold,
                                 .release = release,
                                 .tell = tell};
    kca__watch_listen(&in->watched, in->client);
    kca__watch_add(connection->watch, &in->watched, in->client,
                   in_group ? KCA_STATE_CONNECTING : KCA_STATE_CONNECTED);
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
    in->topic_ids = rd_kafka_queue_new(in->client->rk);
    if (in->options->transactional_id)
        e = kca__transaction_open(&in->transaction, in, in->setup.largest_bytes);
    if (e)
        return e;
    begin_watching(in, connection);
    if (!kca__thread_start(&in->poller, kca__poller_run, in)) {
        kca__watch_remove(connection->watch, &in->watched);
        return kca__error_new(KCA_ERROR_MEMORY, "consumer %s: no thread can be started",
                              in->options->name);
    }
    in->has_poller = true;
    return NULL;
}

static kca__engine *new_engine(kca__inbound *in, const kca__inbound_setup *setup) {
    const kca_consumer_builder *options = setup->options;
    const kca__engine_setup engine = {.consumer = options->name,
                                      .capacity = kca__consumer_builder_capacity(options),
                                      .order = kca__consumer_builder_order(options),
                                      .retry = kca__consumer_builder_retry(options),
                                      .retry_channels = options->retry_channel.count > 0,
                                      .relays = options->relay != 0,
                                      .dead_letters = setup->dead_letters != NULL,
                                      .park_max_keys = options->park ? options->park_max_keys : 0,
                                      .park_max_ms = options->park_max_ms,
                                      .told_place = told_place,
                                      .skip = kca__consumer_builder_skips(options),
                                      .abandon = kca__consumer_builder_abandons(options),
                                      .processing_timeout_ms = setup->processing_timeout_ms,
                                      .batches = setup->handlers->batches,
                                      .batch_count = setup->handlers->batch_count,
                                      .deduplication = setup->deduplication,
                                      .note_queue = setup->note_queue,
                                      .owner = in,
                                      .fetch = fetch,
                                      .is_asked = options->reply ? kca__replies_is_asked : NULL,
                                      .first_offset = first_offset,
                                      .high_watermark = high_watermark,
                                      .keep_back = kca__inbound_forward,
                                      .wake_fetcher = wake_fetcher,
                                      .wake_poller = wake_poller,
                                      .release_record = release_record,
                                      .let_go = let_go};
    return kca__engine_new(&engine);
}

kca_error *kca__inbound_open(kca__inbound **out, const kca__inbound_setup *setup) {
    const kca_consumer_builder *options = setup->options;
    *out = NULL;
    kca__inbound *in = calloc(1, sizeof *in);
    if (in)
        in->beginnings = calloc((size_t)options->topic_count, sizeof *in->beginnings);
    if (!in || !in->beginnings || !(in->engine = new_engine(in, setup))) {
        if (in)
            free(in->beginnings);
        free(in);
        setup->let_go(setup->user);
        return kca__error_memory();
    }
    in->setup = *setup;
    in->options = options;
    in->log = setup->log;
    in->dialect = kca__consumer_builder_dialect(options);
    in->tells_end = kca__consumer_builder_tells_end(options);
    in->needs_nudges = !kca__property_is_known("fetch.queue.backoff.ms");
    kca__seeks_init(&in->seeks);
    kca__replies_init(&in->replies);
    kca_error *e = join(in, setup->connection);
    if (e)
        let_go(in);
    else
        *out = in;
    return e;
}

void kca__inbound_stop(kca__inbound *in, int64_t deadline) {
    kca__engine_stop(in->engine, deadline);
    rd_kafka_queue_yield(in->main_queue);
}

void kca__inbound_leave_out(kca__inbound *in, int64_t deadline) {
    kca__engine_leave_out(in->engine, deadline);
    rd_kafka_queue_yield(in->main_queue);
}

int kca__inbound_close(kca__inbound *in, int64_t deadline, kca_error **out_failure) {
    kca__inbound_stop(in, deadline);
    pthread_join(in->poller, NULL);
    int unsettled = in->unsettled;
    *out_failure = kca__engine_failure(in->engine);
    kca__engine_release(in->engine);
    return unsettled;
}
