#include "transaction.h"

#include "error.h"
#include "inbound_channel_adapter.h"
#include "keeper.h"
#include "offsets.h"
#include "rebalance.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SOCKET_TIMEOUT_MS = 10000,
    SLICE_MS = 5000,
    ROOM_MS = 10,
    MOST_PAUSE_MS = 30000,
    ABORT_MS = 120000
};

/* ---- opening ---- */

static kca_error *set_number(rd_kafka_conf_t *conf, const char *who, const char *name, int value) {
    char text[16];
    snprintf(text, sizeof text, "%d", value);
    return kca__property_apply(conf, who, name, text);
}

static kca_error *configure(rd_kafka_conf_t *conf, const kca__inbound *in, const char *who,
                            int largest_bytes) {
    const kca_consumer_builder *o = in->options;
    kca_error *e = kca__connection_configure(in->setup.connection, conf, true, who);
    if (!e)
        e = kca__property_apply(conf, who, "transactional.id", o->transactional_id);
    if (!e)
        e = kca__property_apply(conf, who, "partitioner", "murmur2_random");
    if (!e)
        e = set_number(conf, who, "transaction.timeout.ms", o->transaction_timeout_ms);
    /* librdkafka wants a request to end before its transaction does. */
    if (!e && o->transaction_timeout_ms < 2 * SOCKET_TIMEOUT_MS)
        e = set_number(conf, who, "socket.timeout.ms", o->transaction_timeout_ms / 2);
    if (!e)
        e = set_number(conf, who, "message.max.bytes", largest_bytes);
    return e;
}

kca_error *kca__transaction_open(kca__transaction **out, kca__inbound *in, int largest_bytes) {
    *out = NULL;
    kca__transaction *t = calloc(1, sizeof *t);
    char *who = kca__text_format("consumer %s", in->options->name);
    if (!t || !who) {
        free(t);
        free(who);
        return kca__error_memory();
    }
    t->in = in;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    kca_error *e = configure(conf, in, who, largest_bytes);
    if (e)
        rd_kafka_conf_destroy(conf);
    else
        e = kca__client_open(&t->client, RD_KAFKA_PRODUCER, conf, in->options->name, who, in->log,
                             NULL);
    free(who);
    if (e)
        free(t);
    else
        *out = t;
    return e;
}

void kca__transaction_close(kca__transaction *t) {
    if (!t)
        return;
    kca__client_close(t->client);
    free(t);
}

void kca__transaction_serve(kca__transaction *t) {
    rd_kafka_poll(t->client->rk, 0);
}

/* ---- errors ---- */

/* Another process has taken the id over, or the cluster refuses: this one must not go on. Takes
 * `error`. */
static void end_by(kca__transaction *t, rd_kafka_error_t *error) {
    kca__inbound *in = t->in;
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    bool fenced = code == RD_KAFKA_RESP_ERR__FENCED || code == RD_KAFKA_RESP_ERR_PRODUCER_FENCED ||
                  code == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH;
    kca_error *e =
        fenced ? kca__error_new(KCA_ERROR_BROKER,
                                "consumer %s: fenced: another process uses transactional_id %s",
                                in->options->name, in->options->transactional_id)
               : kca__error_new(KCA_ERROR_BROKER, "consumer %s: transaction: %s: %s",
                                in->options->name, rd_kafka_err2name(code),
                                rd_kafka_error_string(error));
    if (e->code != KCA_ERROR_MEMORY) {
        e->rdkafka_code = code;
        e->fatal = 1;
    }
    rd_kafka_error_destroy(error);
    kca__log_write(in->log, KCA_LOG_ERROR, "consumer", in->options->name, "%s", e->text);
    pthread_mutex_lock(&in->engine.lock);
    kca__engine_fail_locked(&in->engine, e);
    pthread_mutex_unlock(&in->engine.lock);
}

static bool is_stopping(kca__inbound *in) {
    pthread_mutex_lock(&in->engine.lock);
    bool stopping = in->engine.stopping;
    pthread_mutex_unlock(&in->engine.lock);
    return stopping;
}

/* Calls again while librdkafka says that this may help, so long (-1: for ever); once the adapter
 * stops, no longer than the keeper's patience. */
static rd_kafka_error_t *insist(kca__transaction *t, rd_kafka_error_t *(*call)(kca__transaction *),
                                int timeout_ms) {
    int64_t end = kca__clock_deadline(timeout_ms);
    for (bool stopping = false;;) {
        if (!stopping && is_stopping(t->in)) {
            int64_t sooner = kca__clock_deadline(kca__keeper_patience_ms(t->in));
            end = sooner < end ? sooner : end;
            stopping = true;
        }
        rd_kafka_error_t *error = call(t);
        if (!error || !rd_kafka_error_is_retriable(error) || kca__clock_left_ms(end) == 0)
            return error;
        rd_kafka_error_destroy(error);
    }
}

static rd_kafka_error_t *initialise(kca__transaction *t) {
    return rd_kafka_init_transactions(t->client->rk, SLICE_MS);
}

bool kca__transaction_begin(kca__transaction *t) {
    rd_kafka_error_t *error;
    while ((error = initialise(t)) && rd_kafka_error_is_retriable(error) && !is_stopping(t->in))
        rd_kafka_error_destroy(error);
    if (error && rd_kafka_error_is_retriable(error))
        rd_kafka_error_destroy(error);
    else if (error)
        end_by(t, error);
    else
        t->ready = true;
    return t->ready;
}

/* ---- filling ---- */

static rd_kafka_headers_t *headers_of(const kca__record *r) {
    rd_kafka_headers_t *list = rd_kafka_headers_new((size_t)r->header_count);
    for (int i = 0; i < r->header_count; i++)
        rd_kafka_header_add(list, r->headers[i].name, -1, r->headers[i].value,
                            (ssize_t)r->headers[i].value_len);
    return list;
}

static rd_kafka_error_t *produce_once(kca__transaction *t, const kca__held_record *held) {
    const kca__record *r = &held->record;
    rd_kafka_headers_t *headers = headers_of(r);
    rd_kafka_vu_t fields[5];
    fields[0].vtype = RD_KAFKA_VTYPE_TOPIC;
    fields[0].u.cstr = held->topic;
    fields[1].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
    fields[1].u.i = RD_KAFKA_MSG_F_COPY;
    fields[2].vtype = RD_KAFKA_VTYPE_VALUE;
    fields[2].u.mem.ptr = (void *)(uintptr_t)r->value;
    fields[2].u.mem.size = r->value_len;
    fields[3].vtype = RD_KAFKA_VTYPE_KEY;
    fields[3].u.mem.ptr = (void *)(uintptr_t)r->key;
    fields[3].u.mem.size = r->key_len;
    fields[4].vtype = RD_KAFKA_VTYPE_HEADERS;
    fields[4].u.headers = headers;
    rd_kafka_error_t *error = rd_kafka_produceva(t->client->rk, fields, 5);
    if (error)
        rd_kafka_headers_destroy(headers);
    return error;
}

static rd_kafka_error_t *produce(kca__transaction *t, const kca__held_record *held) {
    rd_kafka_error_t *error;
    while ((error = produce_once(t, held)) &&
           rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        rd_kafka_error_destroy(error);
        rd_kafka_flush(t->client->rk, ROOM_MS);
    }
    return error;
}

typedef struct contents {
    rd_kafka_topic_partition_list_t *offsets;
    kca__held_records batch;
} contents;

static void add_offset(void *user, const char *topic, int partition, int64_t offset,
                       const char *map) {
    kca__offsets_add(((contents *)user)->offsets, topic, partition, offset, map);
}

/* One that the group has put out has no name there any more, and the broker takes offsets of a
 * transaction from the nameless without a question. It gets no new name before the rebalance that
 * tells of it, which comes to this thread. */
static bool has_been_put_out(kca__inbound *in) {
    if (in->options->partition != KCA_PARTITION_ASSIGNED)
        return false;
    char *member = rd_kafka_memberid(in->client->rk);
    bool put_out = !member || !*member;
    if (member)
        rd_kafka_mem_free(in->client->rk, member);
    return put_out;
}

static rd_kafka_error_t *send_offsets(kca__transaction *t) {
    kca__inbound *in = t->in;
    rd_kafka_consumer_group_metadata_t *group = rd_kafka_consumer_group_metadata(in->client->rk);
    rd_kafka_error_t *error =
        has_been_put_out(in)
            ? rd_kafka_error_new(RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, "the group has put it out")
            : rd_kafka_send_offsets_to_transaction(t->client->rk, t->offsets, group, SLICE_MS);
    rd_kafka_consumer_group_metadata_destroy(group);
    return error;
}

static rd_kafka_error_t *commit(kca__transaction *t) {
    return rd_kafka_commit_transaction(t->client->rk, SLICE_MS);
}

static rd_kafka_error_t *fill(kca__transaction *t, const contents *c) {
    rd_kafka_error_t *error = rd_kafka_begin_transaction(t->client->rk);
    for (const kca__held_record *r = c->batch.first; r && !error; r = r->next)
        error = produce(t, r);
    t->offsets = c->offsets;
    return error ? error : insist(t, send_offsets, t->in->options->transaction_timeout_ms);
}

/* ---- committing ---- */

static rd_kafka_error_t *abort_it(kca__transaction *t) {
    return rd_kafka_abort_transaction(t->client->rk, SLICE_MS);
}

static void tell(kca__inbound *in, rd_kafka_error_t *error) {
    kca_error *e = kca__error_new(
        KCA_ERROR_BROKER, "consumer %s: transaction aborted, what was in it comes again: %s: %s",
        in->options->name, rd_kafka_err2name(rd_kafka_error_code(error)),
        rd_kafka_error_string(error));
    if (e->code != KCA_ERROR_MEMORY) {
        e->rdkafka_code = rd_kafka_error_code(error);
        e->retriable = 1;
    }
    kca__log_write(in->log, KCA_LOG_WARN, "consumer", in->options->name, "%s", e->text);
    pthread_mutex_lock(&in->engine.lock);
    kca__engine_fault_locked(&in->engine, e, NULL, -1, -1);
    pthread_mutex_unlock(&in->engine.lock);
}

/* What makes it fail may last: the next one has time until then. */
static void pause_commits(kca__transaction *t) {
    int pause = kca__consumer_builder_commit_interval_ms(t->in->options);
    for (int i = 0; i < t->aborts && pause < MOST_PAUSE_MS; i++)
        pause *= 2;
    t->in->next_commit_ms = kca__clock_ms() + (pause < MOST_PAUSE_MS ? pause : MOST_PAUSE_MS);
    t->aborts++;
}

/* Nothing of it has happened: the engine reads again from what is committed. Takes `error`. */
static void give_up(kca__transaction *t, rd_kafka_error_t *error) {
    kca__inbound *in = t->in;
    /* Without its map an offset would tell too little, so that it cannot be left out. */
    if (rd_kafka_error_is_fatal(error) ||
        rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE) {
        end_by(t, error);
        return;
    }
    tell(in, error);
    rd_kafka_error_destroy(error);
    error = insist(t, abort_it, ABORT_MS);
    if (error) {
        end_by(t, error);
        return;
    }
    kca__rebalance_begin_again(in);
    pause_commits(t);
}

void kca__transaction_commit(kca__transaction *t) {
    kca__inbound *in = t->in;
    if (!t->ready)
        return;
    contents c = {rd_kafka_topic_partition_list_new(8), {0}};
    if (!kca__engine_collect_transaction(&in->engine, add_offset, &c, &c.batch))
        kca__log_write(in->log, KCA_LOG_WARN, "consumer", in->options->name,
                       "transaction put off: more is finished ahead of the frontier than a commit "
                       "can tell");
    if (c.offsets->cnt > 0 || c.batch.first) {
        rd_kafka_error_t *error = fill(t, &c);
        bool filled = !error;
        if (filled)
            error = insist(t, commit, -1);
        if (filled && error && rd_kafka_error_is_retriable(error))
            end_by(t, error); /* it may be committed, or not yet: librdkafka cannot abort it now */
        else if (error)
            give_up(t, error);
        else
            t->aborts = 0;
    }
    kca__held_records_free(c.batch.first);
    rd_kafka_topic_partition_list_destroy(c.offsets);
}

/* ---- publishing ---- */

kca_error *kca__transaction_publish(kca_delivery *d, kca__publisher *p, const kca_message *m,
                                    int type) {
    kca__inbound *in = d->engine->owner;
    const char *consumer = d->engine->consumer;
    if (!d->engine->transactional)
        return kca__error_new(KCA_ERROR_STATE,
                              "consumer %s: it has no transactional_id: publish through the bus",
                              consumer);
    if (strcmp(p->options->connection, in->options->connection) != 0)
        return kca__error_new(
            KCA_ERROR_ARGUMENT,
            "consumer %s: channel %s is over connection %s, the consumer over %s: "
            "a transaction is of one cluster",
            consumer, p->options->topic, p->options->connection, in->options->connection);
    if (!kca__engine_has_out(d))
        return kca__error_new(KCA_ERROR_STATE,
                              "consumer %s: the delivery at %s[%d] offset %lld no longer counts",
                              consumer, d->event.topic, d->event.partition, (long long)d->offset);
    kca__held_record *record;
    kca_error *e = kca__publisher_hold(&record, p, m, type, &d->message);
    if (!e)
        kca__held_records_add(&d->published, record);
    return e;
}
