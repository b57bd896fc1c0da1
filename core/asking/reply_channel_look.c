/* Where a reply channel's partitions are, and from where they are read. */
#include "asking/reply_channel.h"

#include "base/error.h"
#include "kafka/ask.h"
#include "kafka/kafka_error.h"

enum {
    SLICE_MS = 500,
    CREATION_MS = 1000, /* a broker that makes topics on demand takes a moment */
    LOOK_MS = 10000,    /* between looks for partitions that were added */
    HURRY_MS = 1000     /* ... for a channel that is not read yet */
};

/* Whether asking again at once may help. */
static bool may_come(rd_kafka_resp_err_t err) {
    return err != RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED &&
           err != RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION;
}

/* ... of a topic that was not made in a while. */
static bool may_pass(rd_kafka_resp_err_t err) {
    return may_come(err) && !kca__error_is_missing_topic(err);
}

static rd_kafka_resp_err_t ask(kca__reply_channel *r, rd_kafka_t *rk, kca__question question,
                               void *about, bool (*again)(rd_kafka_resp_err_t err),
                               int64_t deadline) {
    rd_kafka_resp_err_t err;
    const kca__asking asking = {.rk = rk,
                                .deadline = deadline,
                                .closing = &r->stopping,
                                .slice_ms = SLICE_MS,
                                .may_pass = again};
    kca__ask(&err, &asking, question, about);
    return err;
}

static rd_kafka_resp_err_t count_partitions(kca__reply_channel *r, int *out, int64_t deadline) {
    kca__topic_look look = {rd_kafka_topic_new(r->finder->rk, r->channel, NULL), 0};
    int64_t patience = kca__clock_deadline(CREATION_MS);
    if (!look.topic)
        return rd_kafka_last_error();
    rd_kafka_resp_err_t err = ask(r, r->finder->rk, kca__ask_partitions, &look, may_come,
                                  patience < deadline ? patience : deadline);
    if (err && may_pass(err) && patience < deadline)
        err = ask(r, r->finder->rk, kca__ask_partitions, &look, may_pass, deadline);
    rd_kafka_topic_destroy(look.topic);
    *out = look.partitions;
    return err;
}

/* Of RD_KAFKA_OFFSET_END, which to the broker is a time like others. */
static rd_kafka_resp_err_t ask_ends(rd_kafka_t *rk, void *about, int timeout_ms) {
    rd_kafka_topic_partition_list_t *list = about;
    for (int i = 0; i < list->cnt; i++)
        list->elems[i].offset = RD_KAFKA_OFFSET_END;
    return kca__ask_error(rd_kafka_offsets_for_times(rk, list, timeout_ms), list);
}

static rd_kafka_resp_err_t begin(kca__reply_channel *r, int count, bool at_end, int64_t deadline) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(count);
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_NO_ERROR;
    for (int i = r->partitions; i < count; i++)
        rd_kafka_topic_partition_list_add(list, r->channel, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    /* It is known to be there: a node that knows nothing of it has not heard of it yet. */
    if (at_end)
        err = ask(r, r->reader->rk, ask_ends, list, may_come, deadline);
    for (int i = 0; i < list->cnt && !err; i++) {
        const rd_kafka_topic_partition_t *p = &list->elems[i];
        if (rd_kafka_consume_start_queue(r->topic, p->partition, p->offset, r->records) != 0)
            err = rd_kafka_last_error();
        else
            r->partitions = p->partition + 1;
    }
    rd_kafka_topic_partition_list_destroy(list);
    return err;
}

kca_error *kca__reply_channel_unreadable(const kca__reply_channel *r, rd_kafka_resp_err_t err) {
    int code = err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ? KCA_ERROR_AUTHORIZATION
                                                                   : KCA_ERROR_BROKER;
    return kca__error_from_kafka(code, err, KCA__RETRIABLE,
                                 "reply channel %s cannot be read, so no answer comes: %s",
                                 r->channel, rd_kafka_err2str(err));
}

void kca__reply_channel_tell(const kca__reply_channel *r, kca_error *e) {
    kca__log_write(r->log, KCA_LOG_ERROR, "connection", r->connection, "%s", e->text);
    kca__event_queue_push_note(r->queue, kca__event_new_fault(e, r->channel, -1, -1));
}

/* Told once; asks are refused meanwhile. */
static void refuse_asks(kca__reply_channel *r, rd_kafka_resp_err_t err) {
    kca_error *e = kca__reply_channel_unreadable(r, err);
    if (!r->has_told)
        kca__reply_channel_tell(r, kca__error_copy(e));
    r->has_told = true;
    kca__asks_refuse(r->asks, e);
}

static void open_asks(kca__reply_channel *r, bool missing) {
    if (missing && !r->has_told)
        kca__log_write(r->log, KCA_LOG_WARN, "connection", r->connection,
                       "reply channel %s does not exist yet, or is hidden from this user",
                       r->channel);
    r->has_told = missing;
    r->is_open = true;
    kca__asks_open(r->asks);
}

bool kca__reply_channel_look(kca__reply_channel *r, int64_t deadline) {
    int count = 0;
    rd_kafka_resp_err_t err = count_partitions(r, &count, deadline);
    bool missing = kca__error_is_missing_topic(err);
    if (!err && count > r->partitions)
        err = begin(r, count, !r->is_open, deadline);
    if (!r->is_open && (!err || missing))
        open_asks(r, missing);
    else if (!r->is_open)
        refuse_asks(r, err);
    bool found = !err && count > 0;
    r->look_ms = kca__clock_ms() + (found ? LOOK_MS : HURRY_MS);
    return found;
}
