#include "outbound/publisher.h"

#include "base/callback.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "base/text.h"
#include "kafka/kafka_error.h"
#include "kafka/produce.h"
#include "kafka/record_headers.h"
#include "message/cloud_event.h"
#include "message/record_size.h"
#include "message/trace_context.h"
#include "outbound/detour.h"
#include "outbound/publisher_hooks.h"

#include <stdlib.h>
#include <string.h>

enum { FLUSH_SLICE_MS = 100, ROOM_SLICE_MS = 20 };

/* How long a publish may take. */
typedef struct patience {
    int timeout_ms; /* or KCA__PUBLISHER_OWN_LIMIT */
    int64_t deadline;
} patience;

kca_error *kca__publisher_new(kca__publisher **out, kca_publisher_builder *options,
                              kca_connection *connection, kca__log *log) {
    *out = NULL;
    kca__publisher *p = calloc(1, sizeof *p);
    kca__in_flight *in_flight =
        kca__in_flight_new(options->topic, options->buffer_messages, (size_t)options->buffer_bytes);
    if (!p || !in_flight) {
        kca__publisher_builder_free(options);
        kca__in_flight_release(in_flight);
        free(p);
        return kca__error_memory();
    }
    *p = (kca__publisher){
        .options = options,
        .connection = connection,
        .log = log,
        .in_flight = in_flight,
        .dialect = kca__publisher_builder_dialect(options),
    };
    *out = p;
    return NULL;
}

void kca__publisher_free(kca__publisher *p) {
    if (!p)
        return;
    kca__publisher_builder_free(p->options);
    kca__in_flight_release(p->in_flight);
    free(p->properties);
    free(p);
}

/* Takes `conf`. */
static kca_error *open_producer(kca__publisher *p, kca__producers *all, rd_kafka_conf_t *conf,
                                const char *who) {
    char *fingerprint = NULL;
    kca_error *e = kca__connection_configure(p->connection, conf, true, who);
    if (!e)
        e = kca__publisher_builder_configure(&fingerprint, p->options, conf);
    if (!e) {
        free(p->properties);
        p->properties = kca__property_dump(conf);
        if (!p->client_id.text[0])
            kca__property_client_id(&p->client_id, conf);
    }
    if (e)
        rd_kafka_conf_destroy(conf);
    else
        e = kca__producers_share(&p->producer, all, p->connection, conf, fingerprint, who);
    free(fingerprint);
    return e;
}

kca_error *kca__publisher_open(kca__publisher *p, kca__producers *all) {
    if (p->translators)
        atomic_store(&p->own_translator,
                     kca__own_translators_find(p->translators, p->options->topic));
    char *who = kca__text_format("publisher %s", p->options->topic);
    if (!who)
        return kca__error_memory();
    kca_error *e = open_producer(p, all, rd_kafka_conf_new(), who);
    atomic_store(&p->partitions, 0);
    atomic_store(&p->no_ask_ms, 0);
    if (!e) {
        /* Declared now, so that the first message need not wait for the topic's metadata. */
        p->topic = rd_kafka_topic_new(p->producer->client->rk, p->options->topic, NULL);
        if (!p->topic)
            e = kca__error_new(KCA_ERROR_BROKER, "%s: %s", who,
                               rd_kafka_err2str(rd_kafka_last_error()));
    }
    free(who);
    if (!e)
        kca__in_flight_open(p->in_flight);
    return e;
}

/* librdkafka's flush only makes batches go at once: the producer's service thread takes the
 * reports. */
static int flush(kca__publisher *p, int64_t deadline) {
    while (true) {
        int left = kca__interrupt_left_ms(deadline);
        int slice = left < 0 || left > FLUSH_SLICE_MS ? FLUSH_SLICE_MS : left;
        int unanswered = kca__in_flight_count(p->in_flight).unanswered;
        if (unanswered == 0 || left == 0)
            return unanswered;
        rd_kafka_flush(p->producer->client->rk, slice);
    }
}

int kca__publisher_flush(kca__publisher *p, int64_t deadline) {
    if (!kca__in_flight_enter(p->in_flight))
        return kca__in_flight_count(p->in_flight).unanswered;
    int left = flush(p, deadline);
    kca__in_flight_leave(p->in_flight);
    return left;
}

int kca__publisher_close(kca__publisher *p, int64_t deadline) {
    kca__in_flight_shut(p->in_flight);
    int left = 0;
    if (p->producer) {
        left = flush(p, deadline);
        /* Purges until all is answered: a publish that has its slot already may come after a
         * purge. */
        for (int waiting = left; waiting > 0;) {
            rd_kafka_purge(p->producer->client->rk,
                           RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
            waiting =
                kca__in_flight_wait_answered(p->in_flight, kca__clock_deadline(FLUSH_SLICE_MS));
        }
        kca__in_flight_wait_left(p->in_flight);
    }
    if (p->topic)
        rd_kafka_topic_destroy(p->topic);
    p->topic = NULL;
    p->producer = NULL;
    return left;
}

static kca_error *too_large(const kca__publisher *p, size_t bytes) {
    return kca__error_from_kafka(
        KCA_ERROR_TOO_LARGE, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, 0,
        "publisher %s: a record of %zu bytes, with key, headers and framing, is larger than "
        "batch_bytes, %d",
        p->options->topic, bytes, p->options->batch_bytes);
}

kca_error *kca__publisher_check_size(const kca__publisher *p, size_t bytes) {
    return bytes > (size_t)p->options->batch_bytes ? too_large(p, bytes) : NULL;
}

kca_error *kca__publisher_refusal(const kca__publisher *p, size_t bytes, rd_kafka_resp_err_t err) {
    int code = kca__error_code_of_record(err, KCA_ERROR_NOT_STORED);
    return kca__error_from_kafka(
        code, err, 0, "publisher %s: a record of %zu bytes, with key, headers and framing, %s%s",
        p->options->topic, bytes,
        code == KCA_ERROR_TOO_LARGE ? "is larger than the topic takes (max.message.bytes)"
                                    : "is refused: ",
        code == KCA_ERROR_TOO_LARGE ? "" : rd_kafka_err2str(err));
}

/* A fatal error is of the producer, whatever record it came of. */
static int refusal_code(rd_kafka_resp_err_t err, bool fatal) {
    if (err == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        return KCA_ERROR_BUFFER_FULL;
    return fatal ? KCA_ERROR_BROKER : kca__error_code_of_record(err, KCA_ERROR_BROKER);
}

/* librdkafka did not take the record. */
static kca_error *refused(const kca__publisher *p, int partition, size_t bytes,
                          rd_kafka_error_t *error) {
    rd_kafka_resp_err_t err = rd_kafka_error_code(error);
    bool fatal = rd_kafka_error_is_fatal(error);
    int marks =
        (err == RD_KAFKA_RESP_ERR__QUEUE_FULL ? KCA__RETRIABLE : 0) | (fatal ? KCA__FATAL : 0);
    rd_kafka_error_destroy(error);
    if (err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE && !fatal)
        return too_large(p, bytes);
    if (err == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION && !fatal)
        return kca__publisher_no_partition(p->options->topic, partition);
    return kca__error_from_kafka(refusal_code(err, fatal), err, marks, "publisher %s: %s",
                                 p->options->topic, rd_kafka_err2str(err));
}

/* The message as it is written, with what the channel adds, in this context; for kca__wire_clear.
 * False: memory is out. */
static bool translate(kca__wire *out, const kca__publisher *p, const kca_message *m, int type,
                      const kca__trace_context *context) {
    const kca__channel_defaults defaults = {
        .dialect = p->dialect,
        .channel = p->options->topic,
        .reply_to = p->options->reply_channel ? p->options->reply_channel : "",
        .type = type,
        .context = *context,
    };
    return kca__cloud_event_write(out, m, &defaults, kca__clock_unix_coarse_ms());
}

/* ---- own translators ---- */

/* Whether the application makes its record. A raw message is one, and what a translator itself
 * publishes goes without one, or it would have no end. */
static bool is_translated(const kca__publisher *p, const kca_message *m) {
    return atomic_load_explicit(&p->own_translator, memory_order_acquire) && !m->raw &&
           !kca__callback_is_inside(KCA__CALLBACK_TRANSLATOR);
}

kca_error *kca__publisher_record(kca_message **out, const kca__publisher *p, const kca_message *m,
                                 int type, const kca__trace_context *context) {
    *out = NULL;
    kca_error *e = kca__message_check(m);
    kca__wire wire;
    if (e)
        return e;
    if (!translate(&wire, p, m, type, context))
        return kca__error_memory();
    e = kca__raw_record_new(out, m, &wire);
    kca__wire_clear(&wire);
    return e;
}

/* The record that the application makes, or has made already. */
static kca_error *make_record(kca_message **out, const kca__publisher *p, const kca_message *m,
                              int type, const kca__trace_context *context) {
    const kca__own_translator *t = atomic_load(&p->own_translator);
    if (m->store && m->store->record)
        return kca__message_clone(out, m->store->record);
    kca_error *e = kca__publisher_record(out, p, m, type, context);
    if (e || !t->to_record)
        return e;
    kca__translated said = kca__own_translator_call(p->translators, t, t->to_record, *out, m);
    (*out)->raw = true;
    if (said.verdict == KCA_DONE)
        return NULL;
    e = kca__error_new(KCA_ERROR_TRANSLATOR, "publisher %s: its translator failed: %s: %s",
                       p->options->topic, said.name, said.text);
    kca__error_mark(e, 0, said.verdict == KCA_FAILED ? KCA__RETRIABLE : 0);
    kca__message_free(*out);
    *out = NULL;
    return e;
}

/* ---- producing ---- */

/* Gives librdkafka the message's record. */
static kca_error *produce(kca__publisher *p, const kca_message *m, int type, kca__slot *slot,
                          const kca__trace_context *context) {
    kca_error *e = kca__publisher_check_partition(p, m->partition);
    if (e)
        return e;
    kca__wire wire;
    if (!translate(&wire, p, m, type, context))
        return kca__error_memory();

    rd_kafka_headers_t *headers =
        rd_kafka_headers_new((size_t)wire.header_count + (size_t)wire.custom_count);
    kca__record_headers_add(headers, wire.custom, wire.custom_count);
    kca__record_headers_add(headers, wire.headers, wire.header_count);
    kca__detour by;
    kca__detour_find(&by, p, m);
    kca__record_headers_add(headers, by.headers, by.header_count);

    const kca__parcel parcel = {.topic = by.topic ? NULL : p->topic,
                                .topic_name = by.topic,
                                .partition = by.topic ? -1 : m->partition,
                                .key = wire.key,
                                .key_len = wire.key_len,
                                .value = wire.value,
                                .value_len = wire.value_len,
                                .timestamp_ms = by.topic ? -1 : kca__message_record_time_ms(m),
                                .headers = headers,
                                .opaque = slot};
    rd_kafka_error_t *error = kca__produce(p->producer->client->rk, &parcel);
    if (error) {
        size_t bytes = kca__record_size_bare(wire.key_len, wire.value_len) +
                       kca__record_size_headers(wire.headers, wire.header_count) +
                       kca__record_size_headers(wire.custom, wire.custom_count);
        e = refused(p, m->partition, bytes, error);
    }
    kca__wire_clear(&wire);
    return e;
}

/* Of a message that is not published now, so that its caller is no visitor. */
static kca_error *check_partition(kca__publisher *p, int partition) {
    if (partition < 0 || !kca__in_flight_enter(p->in_flight))
        return NULL;
    kca_error *e = kca__publisher_check_partition(p, partition);
    kca__in_flight_leave(p->in_flight);
    return e;
}

static kca_error *hold_plain(kca__held_record **out, kca__publisher *p, const kca_message *m,
                             int type, const kca__trace_context *context) {
    kca_error *e = kca__message_check(m);
    if (!e)
        e = kca__detour_check(p, m);
    if (!e)
        e = check_partition(p, m->partition);
    if (e)
        return e;
    kca__wire wire;
    if (!translate(&wire, p, m, type, context))
        return kca__error_memory();
    kca__detour by;
    kca__detour_find(&by, p, m);
    kca__held_record *held = kca__held_record_of(by.topic ? by.topic : p->options->topic, m, &wire,
                                                 by.headers, by.header_count);
    kca__wire_clear(&wire);
    if (!held)
        return kca__error_memory();
    if (by.topic) {
        held->partition = -1;
        held->record.timestamp_ms = -1;
    }
    e = kca__publisher_check_size(p, kca__record_size(&held->record));
    if (e) {
        kca__held_record_free(held);
        return e;
    }
    held->channel = p;
    *out = held;
    return NULL;
}

kca_error *kca__publisher_hold(kca__held_record **out, kca__publisher *p, const kca_message *m,
                               int type, const kca__trace_context *context) {
    *out = NULL;
    if (!is_translated(p, m))
        return hold_plain(out, p, m, type, context);
    kca_message *record;
    kca_error *e = make_record(&record, p, m, type, context);
    if (!e)
        e = hold_plain(out, p, record, type, context);
    kca__message_free(record);
    return e;
}

kca_error *kca__publisher_write(kca__publisher *p, const kca__record *r, int partition,
                                kca__written_fn fn, void *user) {
    return kca__publisher_write_to(p, NULL, r, partition, fn, user);
}

kca_error *kca__publisher_write_to(kca__publisher *p, const char *topic, const kca__record *r,
                                   int partition, kca__written_fn fn, void *user) {
    kca__slot *slot;
    kca_error *e = kca__in_flight_take(&slot, p->in_flight, r->value_len + r->key_len);
    if (!slot)
        return e ? e : kca__in_flight_full(p->in_flight, 0);
    slot->written = fn;
    slot->user = user;
    const kca__parcel parcel = {.topic = topic ? NULL : p->topic,
                                .topic_name = topic,
                                .partition = partition,
                                .key = r->key,
                                .key_len = r->key_len,
                                .value = r->value,
                                .value_len = r->value_len,
                                .timestamp_ms = r->timestamp_ms,
                                .headers = kca__record_headers_new(r->headers, r->header_count),
                                .opaque = slot};
    rd_kafka_error_t *error = kca__produce(p->producer->client->rk, &parcel);
    if (error) {
        e = refused(p, partition, kca__record_size(r), error);
        kca__in_flight_give_back(slot);
    }
    kca__in_flight_leave(p->in_flight);
    return e;
}

static kca_error *interrupted(const kca__publisher *p) {
    kca_error *e = kca__error_new(KCA_ERROR_NOT_STORED,
                                  "publisher %s: interrupted before the broker confirmed the "
                                  "message, which may be stored nevertheless",
                                  p->options->topic);
    return kca__error_mark(e, 0, KCA__RETRIABLE);
}

static kca_error *timed_out(const kca__publisher *p, int timeout_ms) {
    kca_error *e = kca__error_new(KCA_ERROR_TIMEOUT,
                                  "publisher %s: the broker did not confirm the message within "
                                  "%d ms; it may be stored nevertheless",
                                  p->options->topic, timeout_ms);
    return kca__error_mark(e, 0, KCA__RETRIABLE);
}

/* Gives up the wait for an answer, which then becomes a receipt, or a fault. False: the answer is
 * there already. */
static bool forsake(kca__producer *producer, kca__slot *slot, const kca__answer *answer) {
    kca__in_flight *o = slot->in_flight;
    kca__in_flight_begin_answers(o);
    pthread_mutex_lock(&producer->lock);
    bool done = answer->done;
    pthread_mutex_unlock(&producer->lock);
    if (!done)
        slot->answer = NULL;
    kca__in_flight_end_answers(o);
    return !done;
}

/* The message was not accepted after all. Gives `e`. */
static kca_error *take_back(kca__slot *slot, kca_error *e) {
    kca__span_end_send(slot->span, e, -1, -1);
    kca__in_flight_give_back(slot);
    return e;
}

static kca_error *publish_and_wait(kca__publisher *p, const kca_message *m, int type,
                                   kca__slot *slot, const kca__trace_context *context,
                                   kca_event *receipt, const patience *limit) {
    kca__answer answer = {false, NULL, -1, -1};
    kca__producer *producer = p->producer;
    slot->answer = &answer;
    kca_error *e = produce(p, m, type, slot, context);
    if (e)
        return take_back(slot, e);
    /* This loop ends by itself: librdkafka answers each message within message.timeout.ms. */
    int left;
    do {
        bool told = kca__interrupted();
        left = kca__clock_left_ms(limit->deadline);
        if ((told || left == 0) && forsake(producer, slot, &answer))
            return told ? interrupted(p) : timed_out(p, limit->timeout_ms);
    } while (!kca__producer_wait(producer, &answer.done,
                                 kca__clock_deadline(kca__interrupt_slice_ms(left))));
    if (receipt) {
        receipt->partition = answer.partition;
        receipt->offset = answer.offset;
    }
    return answer.error;
}

/* The receipt is made first: later its want of memory would look like a failure to publish. */
static kca_error *publish_for_receipt(kca_event **out, kca__publisher *p, const kca_message *m,
                                      int type, kca__slot *slot, const kca__trace_context *context,
                                      const patience *limit) {
    kca_event *receipt = kca__event_new_receipt(slot->receipt.token, p->options->topic);
    if (!receipt)
        return take_back(slot, kca__error_memory());
    kca_error *e = publish_and_wait(p, m, type, slot, context, receipt, limit);
    if (e)
        receipt->release(receipt);
    else
        *out = receipt;
    return e;
}

/* One wait for room. If the broker has to answer, it polls the producer, whose reports make room;
 * if the application has to free receipts, it just waits. */
static void wait_for_room(kca__publisher *p, size_t bytes, int64_t deadline) {
    int64_t slice = kca__clock_deadline(ROOM_SLICE_MS);
    if (deadline < slice)
        slice = deadline;
    if (kca__in_flight_filled_by(p->in_flight) == KCA__FILLED_BY_RECEIPTS)
        kca__in_flight_wait_for_room(p->in_flight, bytes, slice);
    else
        kca__producer_serve(p->producer, kca__clock_left_ms(slice));
}

/* Nobody makes room while this thread waits: receipts fill the buffer, and it is in the middle of
 * handing them out. */
static bool waits_for_itself(kca__publisher *p) {
    return kca__callback_is_inside(KCA__CALLBACK_EVENT_HANDLER) &&
           kca__in_flight_filled_by(p->in_flight) == KCA__FILLED_BY_RECEIPTS;
}

static kca_error *take_slot(kca__slot **out, kca__publisher *p, size_t bytes,
                            const patience *limit) {
    kca_error *e = kca__in_flight_take(out, p->in_flight, bytes);
    if (*out || e)
        return e;
    if (waits_for_itself(p))
        return kca__in_flight_full(p->in_flight, 0);
    bool own = limit->timeout_ms != KCA__PUBLISHER_OWN_LIMIT;
    int timeout_ms = own ? limit->timeout_ms : p->options->buffer_timeout_ms;
    int64_t deadline = own ? limit->deadline : kca__clock_deadline(timeout_ms);
    while (!*out && !e && kca__interrupt_left_ms(deadline) != 0) {
        if (kca__in_flight_enter(p->in_flight)) {
            wait_for_room(p, bytes, deadline);
            kca__in_flight_leave(p->in_flight);
        }
        e = kca__in_flight_take(out, p->in_flight, bytes);
        if (!*out && !e && waits_for_itself(p))
            break;
    }
    return *out || e ? e : kca__in_flight_full(p->in_flight, timeout_ms);
}

static kca_error *publish_and_go(kca__publisher *p, const kca_message *m, int type, kca__slot *slot,
                                 const kca__trace_context *context) {
    kca_error *e = produce(p, m, type, slot, context);
    return e ? take_back(slot, e) : NULL;
}

/* Defers the message to the service thread; until that has produced it, the slot is a visitor. */
static kca_error *publish_later(kca__publisher *p, const kca_message *m, int type, kca__slot *slot,
                                const kca__trace_context *context) {
    if (!kca__message_copy_make(&slot->copy, m, context)) {
        kca_error *e = take_back(slot, kca__error_memory());
        kca__in_flight_leave(p->in_flight);
        return e;
    }
    slot->copy->publisher = p;
    slot->copy->type = type;
    kca__producer_defer(p->producer, slot);
    return NULL;
}

void kca__publisher_produce_deferred(kca__producer *producer, kca__list *slots) {
    kca__slot *slot;
    while ((slot = kca__list_take(slots))) {
        /* All that is needed of the slot: once librdkafka has the message, the slot may be another
         * message's at any time. */
        const kca__message_copy *copy = slot->copy;
        kca__message_copy *large = kca__message_copy_take_large(&slot->copy);
        kca__publisher *p = copy->publisher;
        kca__in_flight *in_flight = p->in_flight;
        kca_error *e = produce(p, &copy->message, copy->type, slot, &copy->context);
        free(large);
        if (e)
            kca__publisher_report_refusal(producer, slot, e);
        kca__in_flight_leave(in_flight);
    }
}

static bool goes_later(const kca__publisher *p) {
    return p->options->background && p->options->async;
}

static void begin_trace(kca__publish_trace *out, const kca__publisher *p, const kca_message *m) {
    const kca__span_owner owner = {p->options->topic, p->client_id.text, NULL};
    kca__exporter_begin_publish(out, atomic_load_explicit(&p->exporter, memory_order_acquire), m,
                                &owner);
}

/* Takes a slot for a message that may be published; the trace's span goes with it. */
static kca_error *admit(kca__slot **out, kca__publisher *p, const kca_message *m,
                        const kca__publish_trace *trace, const patience *limit) {
    kca_error *e = kca__message_check(m);
    if (!e)
        e = kca__detour_check(p, m);
    if (!e && goes_later(p))
        e = kca__publisher_check_size(p, kca__record_size_bare(m->key_len, m->payload_len) +
                                             kca__record_size_headers(m->headers, m->header_count));
    if (!e)
        e = take_slot(out, p, m->payload_len + m->key_len, limit);
    if (e)
        kca__span_end_send(trace->send, e, -1, -1);
    else
        (*out)->span = trace->send;
    return e;
}

kca_error *kca__publisher_publish(kca_event **out, kca__publisher *p, const kca_message *m,
                                  int type, uint64_t token, int timeout_ms) {
    if (kca__publisher_is_hooked(p))
        return kca__publisher_publish_hooked(out, p, m, type, token, timeout_ms);
    return kca__publisher_put(out, p, m, type, token, timeout_ms);
}

static kca_error *put_plain(kca_event **out, kca__publisher *p, const kca_message *m, int type,
                            uint64_t token, int timeout_ms) {
    const patience limit = {timeout_ms,
                            timeout_ms < 0 ? KCA__CLOCK_NEVER : kca__clock_deadline(timeout_ms)};
    kca__publish_trace trace;
    kca__slot *slot;
    begin_trace(&trace, p, m);
    kca_error *e = admit(&slot, p, m, &trace, &limit);
    if (e)
        return e;
    slot->receipt.token = token;
    if (goes_later(p))
        return publish_later(p, m, type, slot, &trace.context);
    if (p->options->async)
        e = publish_and_go(p, m, type, slot, &trace.context);
    else
        e = out ? publish_for_receipt(out, p, m, type, slot, &trace.context, &limit)
                : publish_and_wait(p, m, type, slot, &trace.context, NULL, &limit);
    kca__in_flight_leave(p->in_flight);
    return e;
}

kca_error *kca__publisher_put(kca_event **out, kca__publisher *p, const kca_message *m, int type,
                              uint64_t token, int timeout_ms) {
    if (!is_translated(p, m))
        return put_plain(out, p, m, type, token, timeout_ms);
    kca_message *record;
    kca_error *e = make_record(&record, p, m, type, kca__trace_context_current());
    if (!e)
        e = put_plain(out, p, record, type, token, timeout_ms);
    kca__message_free(record);
    return e;
}

static kca_error *send_plain(kca__publisher *p, const kca_message *m, int type, kca__written_fn fn,
                             void *user) {
    const patience own = {KCA__PUBLISHER_OWN_LIMIT, KCA__CLOCK_NEVER};
    kca__publish_trace trace;
    kca__slot *slot;
    begin_trace(&trace, p, m);
    kca_error *e = admit(&slot, p, m, &trace, &own);
    if (e)
        return e;
    slot->written = fn;
    slot->user = user;
    if (goes_later(p))
        return publish_later(p, m, type, slot, &trace.context);
    e = publish_and_go(p, m, type, slot, &trace.context);
    kca__in_flight_leave(p->in_flight);
    return e;
}

kca_error *kca__publisher_send(kca__publisher *p, const kca_message *m, int type,
                               kca__written_fn fn, void *user) {
    if (!is_translated(p, m))
        return send_plain(p, m, type, fn, user);
    kca_message *record;
    kca_error *e = make_record(&record, p, m, type, kca__trace_context_current());
    if (!e)
        e = send_plain(p, record, type, fn, user);
    kca__message_free(record);
    return e;
}
