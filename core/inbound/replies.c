#include "inbound/replies.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "inbound/inbound.h"
#include "kafka/kafka_error.h"
#include "kafka/record_headers.h"
#include "message/cloud_event.h"
#include "message/reply.h"

#include <stdlib.h>
#include <string.h>

void kca__replies_init(kca__replies *r) {
    *r = (kca__replies){0};
    pthread_mutex_init(&r->lock, NULL);
}

void kca__replies_close(kca__replies *r) {
    for (int i = 0; i < r->told_count; i++)
        free(r->told[i]);
    pthread_mutex_destroy(&r->lock);
}

/* ---- who is asked ---- */

/* What it writes into its retry channel comes back to it. A transaction cannot span connections. */
static bool may_answer(const kca__inbound *in, const kca__publisher *p) {
    return p && kca__consumer_builder_retry_channel(in->options, p->options->topic) < 0 &&
           (!in->options->transactional_id ||
            strcmp(p->options->connection, in->options->connection) == 0);
}

static const char *asked_channel(const kca_message *m) {
    return m->texts[KCA__TEXT_REPLY_TO];
}

/* False: it was told of before, or there are too many. */
static bool is_news(kca__replies *r, const char *channel) {
    int i = 0;
    pthread_mutex_lock(&r->lock);
    while (i < r->told_count && strcmp(r->told[i], channel) != 0)
        i++;
    bool news = i == r->told_count && i < KCA__UNKNOWN_CHANNELS;
    if (news && (r->told[i] = kca__text_copy(channel)))
        r->told_count++;
    pthread_mutex_unlock(&r->lock);
    return news;
}

static kca_error *why_not(const kca__inbound *in, const char *channel, const kca__publisher *p) {
    const char *name = in->options->name;
    if (!p)
        return kca__error_new(
            KCA_ERROR_NOT_FOUND,
            "consumer %s: replies to channel %.249s are not sent: no publisher is "
            "declared for it",
            name, channel);
    if (kca__consumer_builder_retry_channel(in->options, channel) >= 0)
        return kca__error_new(KCA_ERROR_ARGUMENT,
                              "consumer %s: replies to channel %s are not sent: it is the "
                              "consumer's retry_channel",
                              name, channel);
    return kca__error_new(KCA_ERROR_ARGUMENT,
                          "consumer %s: replies to channel %s are not sent: it is over connection "
                          "%s; with transactional_id it must be over the consumer's, %s",
                          name, channel, p->options->connection, in->options->connection);
}

static void tell(kca__inbound *in, const kca_delivery *d, const kca__publisher *p) {
    const char *channel = asked_channel(&d->message);
    const kca__topic_partition *tp = d->assigned->topic_partition;
    kca__engine_count_not_replied(in->engine);
    if (is_news(&in->replies, channel))
        kca__engine_fault(in->engine, why_not(in, channel, p), tp->topic, tp->number, d->offset);
}

void kca__replies_look(kca__inbound *in, kca_delivery *d) {
    const char *channel = asked_channel(&d->message);
    const kca__publisher *p = *channel ? kca__inbound_find_publisher(in, channel) : NULL;
    bool asked = may_answer(in, p);
    if (*channel && !asked && d->attempt == 1)
        tell(in, d, p);
    if (atomic_load_explicit(&d->asked, memory_order_relaxed) == KCA__ASKED_UNKNOWN)
        atomic_store_explicit(&d->asked, asked ? KCA__ASKED_YES : KCA__ASKED_NO,
                              memory_order_relaxed);
}

void kca__replies_look_again(kca__inbound *in, kca_delivery *d) {
    atomic_store_explicit(&d->asked, KCA__ASKED_UNKNOWN, memory_order_relaxed);
    kca__replies_look(in, d);
}

/* ---- the message that asks, read from its record ---- */

typedef struct question {
    kca_message message;
    kca__header *headers;    /* the message's, to be freed */
    kca__publisher *channel; /* NULL: it cannot be answered */
} question;

static bool read_record(question *out, const kca__inbound *in, const rd_kafka_message_t *m) {
    kca__record record = {.value = m->payload, .value_len = m->len, .timestamp_ms = -1};
    kca__message_init_inbound(&out->message);
    if (!kca__record_headers(&out->headers, &record.header_count, m, NULL, 0))
        return false;
    record.headers = out->headers;
    if (kca__cloud_event_read(&out->message, in->dialect, &record, 0))
        return true;
    free(out->headers);
    return false;
}

/* False when memory is out. */
static bool read_question(question *out, const kca__inbound *in, const kca_delivery *d) {
    *out = (question){.channel = NULL};
    if (d->question)
        kca__message_view(&out->message, d->question);
    else if (!read_record(out, in, d->record))
        return false;
    kca__publisher *p = kca__inbound_find_publisher(in, asked_channel(&out->message));
    out->channel = may_answer(in, p) ? p : NULL;
    return true;
}

static void clear_question(question *q) {
    kca__message_clear_inbound(&q->message);
    free(q->headers);
}

bool kca__replies_is_asked(void *inbound, const kca_delivery *d) {
    question q;
    if (!read_question(&q, inbound, d))
        return false;
    bool asked = q.channel != NULL;
    clear_question(&q);
    return asked;
}

/* ---- what the handler answers ---- */

bool kca__replies_are_wanted(const kca_delivery *d) {
    return atomic_load_explicit(&d->asked, memory_order_relaxed) == KCA__ASKED_YES;
}

static kca__reply_frame frame_of(const kca_message *asked, const kca__publisher *channel) {
    return (kca__reply_frame){.asked = asked,
                              .channel = channel ? channel->options->topic : "",
                              .dialect = channel ? channel->dialect : KCA__DIALECT_GOMES,
                              .now_ms = kca__clock_unix_coarse_ms()};
}

static kca_error *check_open(kca_delivery *d) {
    if (kca__engine_has_out(d))
        return NULL;
    return kca__error_new(
        KCA_ERROR_STATE, "consumer %s: the delivery at %s[%d] offset %lld no longer counts",
        kca__engine_consumer(d->engine), d->event.topic, d->event.partition, (long long)d->offset);
}

/* Takes `reply`, instead of the last. */
static void keep(kca_delivery *d, kca__held_record *reply) {
    if (d->reply)
        kca__held_record_free(d->reply);
    d->reply = reply;
}

/* NULL: a local one's reply goes to who waits for it. */
static const kca__publisher *channel_of(const kca_delivery *d) {
    if (kca__engine_is_local(d->engine))
        return NULL;
    return kca__inbound_find_publisher(kca__engine_owner(d->engine), asked_channel(&d->message));
}

kca_error *kca__replies_give(kca_delivery *d, const void *payload, size_t len) {
    kca_error *e = check_open(d);
    if (e || !kca__replies_are_wanted(d))
        return e;
    kca__held_record *reply;
    const kca__trace_context context = kca__delivery_context(d);
    kca__reply_frame frame = frame_of(&d->message, channel_of(d));
    frame.context = &context;
    e = kca__reply_hold_payload(&reply, &frame, payload, len);
    if (!e)
        keep(d, reply);
    return e;
}

kca_error *kca__replies_give_message(kca_delivery *d, const kca_message *m) {
    kca_error *e = check_open(d);
    if (e || !kca__replies_are_wanted(d))
        return e;
    kca__held_record *reply;
    const kca__trace_context context = kca__delivery_context(d);
    kca__reply_frame frame = frame_of(&d->message, channel_of(d));
    frame.context = &context;
    e = kca__reply_hold(&reply, &frame, m);
    if (!e)
        keep(d, reply);
    return e;
}

/* ---- what is not stored ---- */

static kca_error *explain(const kca_delivery *d, kca_error *refusal) {
    const kca__topic_partition *tp = d->assigned->topic_partition;
    kca_error *e = kca__error_from_kafka(
        refusal->code, refusal->rdkafka_code, 0,
        "consumer %s: the reply of %s[%d] offset %lld cannot be stored%s: %s",
        kca__engine_consumer(d->engine), tp->topic, tp->number, (long long)d->offset,
        d->answers_error ? ", not even as an error" : "", refusal->text);
    kca__error_free(refusal);
    return e;
}

/* The asker is told why there is no other answer. */
static void answer_refusal(kca_delivery *d, const kca_error *e) {
    const kca__topic_partition *tp = d->assigned->topic_partition;
    kca__engine_fault(d->engine, explain(d, kca__error_copy(e)), tp->topic, tp->number, d->offset);
    keep(d, NULL);
    kca__text_set(&d->failure_text, e->text);
    d->answers_error = d->reply_form.trimmed = true;
    d->reply_form.alone = false;
}

/* The error would not be taken either. A partition that is missing may be the reply's own. */
static bool is_refused_anyhow(const kca_delivery *d, const kca_error *error) {
    bool own_partition = error->rdkafka_code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION && d->reply &&
                         d->reply->partition >= 0;
    return d->answers_error ||
           (kca__error_refusal(error->rdkafka_code) == KCA__REFUSAL_TOPIC && !own_partition);
}

void kca__replies_not_stored(kca_delivery *d, kca_error *error, bool certain) {
    kca__refusal refusal = kca__error_refusal(error->rdkafka_code);
    bool alone = refusal == KCA__REFUSAL_RECORD && !certain;
    if (refusal == KCA__REFUSAL_NONE) {
        kca__engine_letter_failed(d, error);
        return;
    }
    if (!alone && is_refused_anyhow(d, error)) {
        kca__engine_letter_refused(d, explain(d, error));
        return;
    }
    if (alone)
        d->reply_form.alone = true;
    else
        answer_refusal(d, error);
    kca__error_free(error);
    kca__engine_letter_postponed(d, 0);
}

/* ---- writing ---- */

/* The publisher's answer. */
static void on_written(void *user, kca_error *error) {
    kca_delivery *d = user;
    if (error)
        kca__replies_not_stored(d, error, d->reply_form.alone);
    else
        kca__engine_letter_stored(d);
}

static const char *reason_of(const kca_delivery *d) {
    if (d->failure_text && *d->failure_text)
        return d->failure_text;
    return d->failure_name && *d->failure_name ? d->failure_name : "no reason given";
}

/* What the handler gave; or else what is known of it, in the same form as long as it is written. */
static kca_error *make_reply(kca_delivery *d, const question *q) {
    if (d->reply)
        return NULL;
    kca__reply_frame frame = frame_of(&q->message, q->channel);
    if (!d->answers_error)
        return kca__reply_hold_payload(&d->reply, &frame, NULL, 0);
    return kca__reply_hold_error(&d->reply, &frame, reason_of(d));
}

/* With the next transaction, and so with the offset. */
static kca_error *hold(kca__transaction *t, kca_delivery *d, kca__publisher *channel) {
    kca_error *e =
        kca__transaction_check_size(t, channel, channel->options->topic, &d->reply->record);
    if (e)
        return e;
    d->reply->channel = channel;
    d->reply->letter.trimmed = d->answers_error;
    kca__list_add(&d->published, &d->reply->link);
    d->reply = NULL;
    kca__engine_letter_stored(d);
    return NULL;
}

static kca_error *give(kca__inbound *in, kca_delivery *d, kca__publisher *channel) {
    const kca__held_record *r = d->reply;
    if (in->transaction)
        return hold(in->transaction, d, channel);
    if (!d->reply_form.alone && channel->options->required_acks != 0)
        return kca__publisher_write(channel, &r->record, r->partition, on_written, d);
    kca__publisher *alone;
    kca_error *e = kca__lone_publishers_find(&alone, &in->alone, channel);
    return e ? e : kca__publisher_write(alone, &r->record, r->partition, on_written, d);
}

kca_error *kca__replies_write(kca__inbound *in, kca_delivery *d) {
    question q;
    if (!read_question(&q, in, d))
        return kca__error_memory();
    kca_error *e = make_reply(d, &q);
    if (!e)
        e = give(in, d, q.channel);
    clear_question(&q);
    return e;
}
