/*
 * What in an aborted transaction is refused for good. Part of transaction.c.
 *
 * A broker refuses a batch as a whole, and the first refusal drops all that follows it. So each
 * record that was not stored is written once more, alone, in transactions that are all aborted: the
 * guilty ones are those that are refused even so. Their deliveries fail; all others come again
 * without them. When none is guilty, it was their company: from then on less is sent together.
 */
#include "inbound/transaction.h"

#include "inbound/dead_letter_channel.h"
#include "inbound/inbound.h"
#include "inbound/retry_channel.h"
#include "kafka/kafka_error.h"
#include "message/record_size.h"

#include <string.h>

typedef struct trial {
    kca__transaction *t;
    kca__held_records *batch;
    bool open;    /* a transaction is */
    bool ended;   /* the adapter */
    bool stopped; /* by the end, or by trouble that passes: no more is tried */
} trial;

static kca__refusal refusal_of(const kca__held_record *r) {
    return kca__error_refusal(r->error);
}

static bool is_guilty(const kca__held_record *r) {
    return r->certain && refusal_of(r) != KCA__REFUSAL_NONE;
}

static void abort_one(trial *x) {
    if (x->open && !kca__transaction_abort(x->t))
        x->ended = true;
    x->open = false;
}

/* It meets the same refusal: one for a partition that is not there is of that partition alone. */
static bool is_refused_alike(const kca__held_record *guilty, const kca__held_record *r) {
    return guilty->error != RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION ||
           r->partition == guilty->partition;
}

/* Others of its topic are as guilty: all, or those that are as large. */
static void judge(trial *x, const kca__held_record *guilty) {
    size_t size = kca__record_size(&guilty->record);
    bool too_large = kca__error_code_of_record(guilty->error, 0) == KCA_ERROR_TOO_LARGE;
    if (too_large)
        kca__transaction_note_size(x->t, guilty->channel, guilty->topic, size);
    for (kca__held_record *r = kca__list_first(x->batch); r; r = kca__list_next(&r->link)) {
        bool alike = (refusal_of(guilty) == KCA__REFUSAL_TOPIC && is_refused_alike(guilty, r)) ||
                     (too_large && kca__record_size(&r->record) >= size);
        if (strcmp(r->topic, guilty->topic) != 0 || !alike || r->certain)
            continue;
        r->error = guilty->error;
        r->certain = true;
    }
}

/* Why the record that was alone is not stored: its report tells, or, when it did not get as far as
 * to the topic, the transaction, which takes nothing more. */
static int reason(trial *x, const kca__held_record *r) {
    if (refusal_of(r) != KCA__REFUSAL_NONE)
        return r->error;
    rd_kafka_error_t *error = kca__transaction_send_offsets(x->t);
    int code = error ? (int)rd_kafka_error_code(error) : 0;
    if (error)
        rd_kafka_error_destroy(error);
    return code;
}

static rd_kafka_error_t *write_alone(trial *x, kca__held_record *r) {
    rd_kafka_error_t *error = x->open ? NULL : kca__transaction_start(x->t);
    x->open = true;
    if (!error)
        error = kca__transaction_write(x->t, r);
    return error ? error : kca__transaction_confirm(x->t);
}

/* What comes after a refusal needs a new producer: KCA__QUIRK_REFUSAL_LEAVES_GAP. */
static void try_one(trial *x, kca__held_record *r) {
    rd_kafka_error_t *error = write_alone(x, r);
    if (!error && !r->error)
        return;
    if (error)
        rd_kafka_error_destroy(error);
    r->error = reason(x, r);
    r->certain = kca__error_refusal(r->error) != KCA__REFUSAL_NONE;
    x->stopped = !r->certain;
    if (r->certain)
        judge(x, r);
    error = rd_kafka_error_new((rd_kafka_resp_err_t)r->error, "to %s, alone", r->topic);
    x->ended = !kca__transaction_begin_anew(x->t, error);
    x->open = false;
}

/* It must not time out meanwhile. */
static void keep_short(trial *x) {
    if (x->open && kca__clock_ms() - x->t->begun_ms > x->t->in->options->transaction_timeout_ms / 2)
        abort_one(x);
}

/* What is refused whatever its company. */
static void judge_beforehand(trial *x) {
    for (kca__held_record *r = kca__list_first(x->batch); r; r = kca__list_next(&r->link)) {
        r->certain |= refusal_of(r) == KCA__REFUSAL_TOPIC;
        if (is_guilty(r))
            judge(x, r);
    }
}

static void try_all(trial *x) {
    judge_beforehand(x);
    for (kca__held_record *r = kca__list_first(x->batch); r && !x->stopped && !x->ended;
         r = kca__list_next(&r->link)) {
        x->stopped = kca__engine_is_stopping(x->t->in->engine);
        if (r->error && !r->certain && !x->stopped)
            try_one(x, r);
        keep_short(x);
    }
    abort_one(x);
}

/* Takes what the broker said of it to its delivery. */
static void tell_engine(const trial *x, const kca__held_record *r) {
    kca__inbound *in = x->t->in;
    kca_error *e = kca__publisher_refusal(r->channel, kca__record_size(&r->record), r->error);
    bool is_letter = r->kind == KCA__HELD_LETTER;
    bool is_retry = r->kind == KCA__HELD_RETRY;
    bool for_good =
        r->letter.trimmed || ((is_letter || is_retry) && e->code != KCA_ERROR_TOO_LARGE);
    if (for_good && is_retry)
        e = kca__retry_channel_explain(in, r->source, r->offset, r->topic, e);
    else if (for_good && is_letter)
        e = kca__dead_letter_channel_explain(in, r->source, r->offset, &r->letter, e);
    kca__log_write(in->log, KCA_LOG_WARN, "consumer", in->options->name, "%s", e->text);
    kca__engine_refuse(in->engine, r, for_good, e);
}

/* The largest that was taken alone is as much as may be sent together. */
static bool send_less_together(trial *x) {
    size_t largest = 1;
    for (const kca__held_record *r = kca__list_first(x->batch); r; r = kca__list_next(&r->link)) {
        size_t size = kca__record_size(&r->record);
        largest = size > largest ? size : largest;
    }
    x->t->batch_bytes = (int)largest;
    return kca__transaction_begin_anew(
        x->t, rd_kafka_error_new(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
                                 "from now on %zu bytes are sent together at most", largest));
}

bool kca__transaction_try(kca__transaction *t, kca__held_records *batch, int *out_guilty) {
    trial x = {.t = t, .batch = batch};
    bool in_company = false;
    for (const kca__held_record *r = kca__list_first(batch); r; r = kca__list_next(&r->link))
        in_company |= !r->certain && refusal_of(r) == KCA__REFUSAL_RECORD;
    try_all(&x);
    *out_guilty = 0;
    for (const kca__held_record *r = kca__list_first(batch); r; r = kca__list_next(&r->link)) {
        if (!is_guilty(r))
            continue;
        tell_engine(&x, r);
        (*out_guilty)++;
    }
    if (x.ended)
        return false;
    x.stopped |= kca__engine_is_stopping(t->in->engine);
    return *out_guilty > 0 || !in_company || x.stopped || send_less_together(&x);
}
