/* Writing what is settled in a transaction. Part of transaction.c, which says what it is for. */
#include "inbound/transaction.h"

#include "inbound/inbound.h"
#include "inbound/offsets.h"
#include "inbound/poller.h"
#include "inbound/rebalance.h"
#include "kafka/kafka_error.h"
#include "kafka/produce.h"
#include "kafka/record_headers.h"

enum {
    SLICE_MS = 5000, /* of one call, so that a stop is seen */
    ROOM_MS = 10,
    MOST_PAUSE_MS = 30000,
    ABORT_MS = 120000 /* then a new producer ends the transaction */
};

/* ---- filling ---- */

static rd_kafka_error_t *produce_once(kca__transaction *t, kca__held_record *held) {
    const kca__record *r = &held->record;
    const kca__parcel parcel = {.topic_name = held->topic,
                                .partition = held->partition,
                                .key = r->key,
                                .key_len = r->key_len,
                                .value = r->value,
                                .value_len = r->value_len,
                                .timestamp_ms = r->timestamp_ms,
                                .headers = kca__record_headers_new(r->headers, r->header_count),
                                .opaque = held};
    return kca__produce(t->client->rk, &parcel);
}

rd_kafka_error_t *kca__transaction_write(kca__transaction *t, kca__held_record *held) {
    rd_kafka_error_t *error;
    held->error = 0;
    held->certain = false;
    while ((error = produce_once(t, held)) &&
           rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        rd_kafka_error_destroy(error);
        rd_kafka_flush(t->client->rk, ROOM_MS);
    }
    if (error) {
        held->error = rd_kafka_error_code(error);
        held->certain = true;
    }
    return error;
}

typedef struct contents {
    rd_kafka_topic_partition_list_t *offsets;
    kca__held_records batch;
} contents;

static void add_offset(void *user, const char *topic, int partition, int64_t offset,
                       const char *metadata) {
    kca__offsets_add(((contents *)user)->offsets, topic, partition, offset, metadata);
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

static rd_kafka_error_t *flush(kca__transaction *t) {
    rd_kafka_resp_err_t err = rd_kafka_flush(t->client->rk, SLICE_MS);
    return err ? rd_kafka_error_new(err, "what is in it is not confirmed") : NULL;
}

/* librdkafka would commit what it only takes for stored, too. */
rd_kafka_error_t *kca__transaction_confirm(kca__transaction *t) {
    rd_kafka_error_t *error =
        kca__transaction_retry(t, flush, t->in->options->transaction_timeout_ms);
    return error || !t->unconfirmed ? error
                                    : rd_kafka_error_new(RD_KAFKA_RESP_ERR__INCONSISTENT,
                                                         "what is in it is not confirmed");
}

rd_kafka_error_t *kca__transaction_send_offsets(kca__transaction *t) {
    return kca__transaction_retry(t, send_offsets, t->in->options->transaction_timeout_ms);
}

rd_kafka_error_t *kca__transaction_start(kca__transaction *t) {
    t->unconfirmed = false;
    rd_kafka_error_t *error = rd_kafka_begin_transaction(t->client->rk);
    t->writing = !error;
    t->begun_ms = kca__clock_ms();
    return error;
}

static rd_kafka_error_t *fill(kca__transaction *t, contents *c) {
    rd_kafka_error_t *error = kca__transaction_start(t);
    for (kca__held_record *r = kca__list_first(&c->batch); r && !error;
         r = kca__list_next(&r->link))
        error = kca__transaction_write(t, r);
    if (!error)
        error = kca__transaction_confirm(t);
    t->offsets = c->offsets;
    return error ? error : kca__transaction_send_offsets(t);
}

static rd_kafka_error_t *abort_it(kca__transaction *t) {
    return rd_kafka_abort_transaction(t->client->rk, SLICE_MS);
}

static bool collect(kca__transaction *t, contents *c) {
    bool whole = kca__engine_collect_transaction(t->in->engine, add_offset, c, &c->batch);
    if (!whole)
        kca__log_write(t->in->log, KCA_LOG_WARN, "consumer", t->in->options->name,
                       "transaction put off: more is finished ahead of the frontier than a commit "
                       "can record");
    return whole;
}

/* With what has been settled meanwhile. False: it cannot be, or is put off. */
static bool collect_shorter(kca__transaction *t, contents *c) {
    for (int i = 0; i < c->offsets->cnt; i++)
        kca__engine_commit_failed(t->in->engine, c->offsets->elems[i].topic,
                                  c->offsets->elems[i].partition);
    rd_kafka_topic_partition_list_destroy(c->offsets);
    c->offsets = rd_kafka_topic_partition_list_new(8);
    return kca__engine_shorten_metadata(t->in->engine) && collect(t, c);
}

static bool is_too_long(const rd_kafka_error_t *error) {
    return error && rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE &&
           !rd_kafka_error_is_fatal(error);
}

/* Without its map an offset would tell too little, so that it is not left out: where the broker
 * takes less, parked keys go, and what is finished ahead waits. */
static rd_kafka_error_t *fill_what_fits(kca__transaction *t, contents *c) {
    rd_kafka_error_t *error = fill(t, c);
    while (is_too_long(error) && collect_shorter(t, c)) {
        rd_kafka_error_destroy(error);
        error = kca__transaction_retry(t, abort_it, ABORT_MS);
        if (!error)
            error = fill(t, c);
    }
    return error;
}

/* ---- committing ---- */

static rd_kafka_error_t *commit(kca__transaction *t) {
    return rd_kafka_commit_transaction(t->client->rk, SLICE_MS);
}

static kca_error *why_aborted(kca__transaction *t, rd_kafka_error_t *error) {
    const kca_consumer_builder *o = t->in->options;
    rd_kafka_resp_err_t err = rd_kafka_error_code(error);
    if (kca__transaction_is_overdue(t))
        return kca__error_from_kafka(
            KCA_ERROR_TIMEOUT, err, KCA__RETRIABLE,
            "consumer %s: transaction timed out: it was open for longer than "
            "transaction_timeout_ms, %d; what was in it comes again: %s: %s",
            o->name, o->transaction_timeout_ms, rd_kafka_err2name(err),
            rd_kafka_error_string(error));
    return kca__error_from_kafka(
        KCA_ERROR_BROKER, err, KCA__RETRIABLE,
        "consumer %s: transaction aborted, what was in it comes again: %s: %s", o->name,
        rd_kafka_err2name(err), rd_kafka_error_string(error));
}

static void tell(kca__transaction *t, rd_kafka_error_t *error) {
    kca_error *e = why_aborted(t, error);
    kca__log_write(t->in->log, KCA_LOG_WARN, "consumer", t->in->options->name, "%s", e->text);
    kca__engine_fault(t->in->engine, e, NULL, -1, -1);
}

/* The cause of an abort may last: each one in a row doubles the pause before the next try. */
static void pause_commits(kca__transaction *t) {
    int pause = kca__consumer_builder_commit_interval_ms(t->in->options);
    for (int i = 0; i < t->aborts && pause < MOST_PAUSE_MS; i++)
        pause *= 2;
    t->in->next_commit_ms = kca__clock_ms() + (pause < MOST_PAUSE_MS ? pause : MOST_PAUSE_MS);
    t->aborts++;
}

bool kca__transaction_abort(kca__transaction *t) {
    rd_kafka_error_t *error = kca__transaction_retry(t, abort_it, ABORT_MS);
    return !error || kca__transaction_begin_anew(t, error);
}

/* False: the adapter ends, or stops. Takes `error`. */
static bool undo(kca__transaction *t, rd_kafka_error_t *error) {
    if (rd_kafka_error_is_fatal(error))
        return kca__transaction_begin_anew(t, error);
    rd_kafka_error_destroy(error);
    return kca__transaction_abort(t);
}

static bool has_refused(const kca__held_records *batch) {
    for (const kca__held_record *r = kca__list_first(batch); r; r = kca__list_next(&r->link))
        if (kca__error_refusal(r->error) != KCA__REFUSAL_NONE)
            return true;
    return false;
}

/* Nothing of it has happened: the engine reads again from what is committed. Takes `error`. */
static void give_up(kca__transaction *t, contents *c, rd_kafka_error_t *error) {
    if (kca__transaction_is_final(t, error)) {
        kca__transaction_end_by(t, error);
        return;
    }
    tell(t, error);
    bool refused = kca__error_refusal(rd_kafka_error_code(error)) != KCA__REFUSAL_NONE ||
                   has_refused(&c->batch);
    int guilty = 0;
    /* See KCA__QUIRK_REFUSAL_LEAVES_GAP. */
    bool goes_on = refused ? kca__transaction_begin_anew(t, error) : undo(t, error);
    if (!goes_on || (refused && !kca__transaction_try(t, &c->batch, &guilty)))
        return;
    kca__rebalance_begin_again(t->in);
    if (guilty > 0) /* the next one is without them */
        t->aborts = 0;
    pause_commits(t);
}

void kca__transaction_commit(kca__transaction *t) {
    if (!t->ready)
        return;
    contents c = {rd_kafka_topic_partition_list_new(8), {0}};
    collect(t, &c);
    if (c.offsets->cnt > 0 || c.batch.count > 0) {
        rd_kafka_error_t *error = fill_what_fits(t, &c);
        bool filled = !error;
        if (filled)
            error = kca__transaction_retry(t, commit, -1);
        /* It may be committed, or not yet: librdkafka cannot abort it now. */
        if (filled && error && rd_kafka_error_is_retriable(error))
            kca__transaction_end_by(t, error);
        else if (error)
            give_up(t, &c, error);
        else
            t->aborts = 0;
        if (!error)
            t->begun_ms = 0;
        t->writing = false;
    }
    kca__held_records_free(&c.batch);
    rd_kafka_topic_partition_list_destroy(c.offsets);
}
