#include "inbound/transaction.h"

#include "base/text.h"
#include "inbound/inbound.h"
#include "inbound/poller.h"
#include "kafka/kafka_error.h"
#include "message/record_size.h"
#include "outbound/publisher_hooks.h"

#include <stdlib.h>
#include <string.h>

enum { SOCKET_TIMEOUT_MS = 10000, SLICE_MS = 5000 };

/* ---- opening ---- */

static kca_error *configure(rd_kafka_conf_t *conf, const kca__transaction *t, const char *who) {
    const kca__inbound *in = t->in;
    const kca_consumer_builder *o = in->options;
    const char *const texts[][2] = {
        {"transactional.id", o->transactional_id},
        {"partitioner", "murmur2_random"},
    };
    kca_error *e = kca__connection_configure(in->setup.connection, conf, true, who);
    if (!e)
        e = kca__property_apply_all(conf, who, texts, sizeof texts / sizeof *texts);
    if (!e)
        e = kca__property_apply_int(conf, who, "transaction.timeout.ms", o->transaction_timeout_ms);
    /* librdkafka wants a request to end before its transaction does. */
    if (!e && o->transaction_timeout_ms < 2 * SOCKET_TIMEOUT_MS)
        e = kca__property_apply_int(conf, who, "socket.timeout.ms", o->transaction_timeout_ms / 2);
    if (!e)
        e = kca__property_apply_int(conf, who, "message.max.bytes", t->largest_bytes);
    if (!e && t->batch_bytes > 0)
        e = kca__property_apply_int(conf, who, "batch.size", t->batch_bytes);
    return e;
}

static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque) {
    (void)rk;
    kca__transaction *t = ((kca__client *)opaque)->owner;
    t->unconfirmed |= kca__client_is_unconfirmed(m);
    if (t->writing && m->err)
        ((kca__held_record *)m->_private)->error = m->err;
}

static kca_error *open_client(kca__transaction *t) {
    char *who = kca__text_format("consumer %s", t->in->options->name);
    if (!who)
        return kca__error_memory();
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    kca_error *e = configure(conf, t, who);
    if (e)
        rd_kafka_conf_destroy(conf);
    else
        e = kca__client_open(&t->client, RD_KAFKA_PRODUCER, conf, t->in->options->name, who,
                             t->in->log, t);
    free(who);
    return e;
}

kca_error *kca__transaction_open(kca__transaction **out, kca__inbound *in, int largest_bytes) {
    *out = NULL;
    kca__transaction *t = calloc(1, sizeof *t);
    if (!t)
        return kca__error_memory();
    t->in = in;
    t->largest_bytes = largest_bytes;
    kca__refused_sizes_init(&t->refused_sizes);
    kca_error *e = open_client(t);
    if (e)
        kca__transaction_close(t);
    else
        *out = t;
    return e;
}

void kca__transaction_close(kca__transaction *t) {
    if (!t)
        return;
    kca__client_close(t->client);
    kca__refused_sizes_close(&t->refused_sizes);
    free(t);
}

void kca__transaction_serve(kca__transaction *t) {
    if (t->ready)
        rd_kafka_poll(t->client->rk, 0);
}

/* ---- errors ---- */

static void end_by(kca__inbound *in, kca_error *e) {
    kca__log_write(in->log, KCA_LOG_ERROR, "consumer", in->options->name, "%s", e->text);
    kca__engine_fail(in->engine, e);
}

static bool is_fence(rd_kafka_resp_err_t code) {
    return code == RD_KAFKA_RESP_ERR__FENCED || code == RD_KAFKA_RESP_ERR_PRODUCER_FENCED ||
           code == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH;
}

/* See "time-out or fence" in transaction.h. */
bool kca__transaction_is_overdue(const kca__transaction *t) {
    return t->begun_ms > 0 &&
           kca__clock_ms() - t->begun_ms >= t->in->options->transaction_timeout_ms;
}

void kca__transaction_end_by(kca__transaction *t, rd_kafka_error_t *error) {
    kca__inbound *in = t->in;
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    kca_error *e =
        is_fence(code)
            ? kca__error_from_kafka(KCA_ERROR_BROKER, code, KCA__FATAL,
                                    "consumer %s: fenced: another process uses transactional_id %s",
                                    in->options->name, in->options->transactional_id)
            : kca__error_from_kafka(KCA_ERROR_BROKER, code, KCA__FATAL,
                                    "consumer %s: transaction: %s: %s", in->options->name,
                                    rd_kafka_err2name(code), rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    end_by(in, e);
}

static bool may_help(const rd_kafka_error_t *error) {
    return rd_kafka_error_is_retriable(error) ||
           rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR__TIMED_OUT;
}

rd_kafka_error_t *kca__transaction_retry(kca__transaction *t,
                                         rd_kafka_error_t *(*call)(kca__transaction *),
                                         int timeout_ms) {
    int64_t end = kca__clock_deadline(timeout_ms);
    for (bool stopping = false;;) {
        if (!stopping && kca__engine_is_stopping(t->in->engine)) {
            int64_t sooner = kca__clock_deadline(kca__inbound_close_timeout_ms(t->in));
            end = sooner < end ? sooner : end;
            stopping = true;
        }
        rd_kafka_error_t *error = call(t);
        if (!error || !may_help(error) || kca__clock_left_ms(end) == 0)
            return error;
        rd_kafka_error_destroy(error);
    }
}

static rd_kafka_error_t *initialise(kca__transaction *t) {
    return rd_kafka_init_transactions(t->client->rk, SLICE_MS);
}

bool kca__transaction_begin(kca__transaction *t) {
    rd_kafka_error_t *error;
    while ((error = initialise(t)) && rd_kafka_error_is_retriable(error) &&
           !kca__engine_is_stopping(t->in->engine))
        rd_kafka_error_destroy(error);
    if (error && rd_kafka_error_is_retriable(error))
        rd_kafka_error_destroy(error);
    else if (error)
        kca__transaction_end_by(t, error);
    else
        t->ready = true;
    return t->ready;
}

bool kca__transaction_is_final(const kca__transaction *t, const rd_kafka_error_t *error) {
    switch (rd_kafka_error_code(error)) {
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        return rd_kafka_error_is_fatal(error);
    default:
        return is_fence(rd_kafka_error_code(error)) && !kca__transaction_is_overdue(t);
    }
}

bool kca__transaction_begin_anew(kca__transaction *t, rd_kafka_error_t *error) {
    if (kca__transaction_is_final(t, error) || kca__engine_is_stopping(t->in->engine)) {
        kca__transaction_end_by(t, error);
        return false;
    }
    kca__log_write(t->in->log, KCA_LOG_WARN, "consumer", t->in->options->name,
                   "a new transactional producer takes over: %s: %s",
                   rd_kafka_err2name(rd_kafka_error_code(error)), rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    t->ready = false;
    kca__client_close(t->client);
    t->client = NULL;
    kca_error *e = open_client(t);
    if (e)
        end_by(t->in, e);
    return !e && kca__transaction_begin(t);
}

/* ---- publishing ---- */

/* The same text, which lasts as long as the publisher. */
static const char *lasting(const kca__publisher *p, const char *topic) {
    return strcmp(topic, p->options->topic) == 0 ? p->options->topic : topic;
}

void kca__transaction_note_size(kca__transaction *t, const kca__publisher *p, const char *topic,
                                size_t bytes) {
    kca__refused_sizes_add(&t->refused_sizes, lasting(p, topic), bytes, kca__clock_ms());
}

kca_error *kca__transaction_check_size(kca__transaction *t, const kca__publisher *p,
                                       const char *topic, const kca__record *record) {
    size_t bytes = kca__record_size(record);
    kca_error *e = kca__publisher_check_size(p, bytes);
    if (!e && kca__refused_sizes_has(&t->refused_sizes, lasting(p, topic), bytes, kca__clock_ms()))
        e = kca__publisher_refusal(p, bytes, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    return e;
}

static kca_error *no_longer_counts(const kca_delivery *d) {
    const kca__inbound *in = kca__engine_owner(d->engine);
    return kca__error_new(
        KCA_ERROR_STATE, "consumer %s: the delivery at %s[%d] offset %lld no longer counts",
        in->options->name, d->event.topic, d->event.partition, (long long)d->offset);
}

static kca_error *hold(kca__held_record **out, kca_delivery *d, kca__publisher *p,
                       const kca_message *m, int type) {
    const kca__inbound *in = kca__engine_owner(d->engine);
    const char *consumer = in->options->name;
    if (!in->options->transactional_id)
        return kca__error_new(KCA_ERROR_STATE,
                              "consumer %s: it has no transactional_id: publish through the bus",
                              consumer);
    if (strcmp(p->options->connection, in->options->connection) != 0)
        return kca__error_new(
            KCA_ERROR_ARGUMENT,
            "consumer %s: channel %s is over connection %s, the consumer over %s: "
            "a transaction cannot span connections",
            consumer, p->options->topic, p->options->connection, in->options->connection);
    if (!kca__engine_has_out(d))
        return no_longer_counts(d);
    kca__trace_context context = kca__delivery_context(d);
    kca_error *e = kca__publisher_hold(out, p, m, type, &context);
    return e ? e : kca__transaction_check_size(in->transaction, p, (*out)->topic, &(*out)->record);
}

/* A hook may settle the delivery: what is published with it then goes nowhere. */
static kca_error *hold_hooked(kca__held_record **out, kca_delivery *d, kca__publisher *p,
                              const kca_message *m, int type) {
    kca_hooked h;
    kca_error *e = NULL;
    if (kca__publisher_enter(&h, p, m, d))
        e = hold(out, d, p, h.message, type);
    e = kca__publishing_leave(&h, e);
    return !e && *out && !kca__engine_has_out(d) ? no_longer_counts(d) : e;
}

kca_error *kca__transaction_publish(kca_delivery *d, kca__publisher *p, const kca_message *m,
                                    int type) {
    kca__held_record *record = NULL; /* that a hook drops */
    kca_error *e = kca__publisher_is_hooked(p) ? hold_hooked(&record, d, p, m, type)
                                               : hold(&record, d, p, m, type);
    if (record && e)
        kca__held_record_free(record);
    else if (record)
        kca__list_add(&d->published, &record->link);
    return e;
}
