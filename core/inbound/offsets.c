#include "inbound/offsets.h"

#include "inbound/poller.h"
#include "kafka/ask.h"
#include "kafka/kafka_error.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LOOK_UP_MS = 5000, LOOK_UP_SLICE_MS = 50, SLICE_MS = 1000, AGAIN_MS = 10 };

/* ---- commits ---- */

/* Without memory for the metadata what its map tells of is repeated after a restart. */
void kca__offsets_add(rd_kafka_topic_partition_list_t *list, const char *topic, int partition,
                      int64_t offset, const char *metadata) {
    rd_kafka_topic_partition_t *p = rd_kafka_topic_partition_list_add(list, topic, partition);
    p->offset = offset;
    p->metadata = *metadata ? strdup(metadata) : NULL; /* freed with the list */
    /* With its NUL: some clients (confluent-kafka for Python) read it as far as one. */
    p->metadata_size = p->metadata ? strlen(metadata) + 1 : 0;
}

static void add_commit(void *user, const char *topic, int partition, int64_t offset,
                       const char *metadata) {
    kca__offsets_add(user, topic, partition, offset, metadata);
}

/* Offsets that the broker refused are tried again at the next interval: those of all partitions, or
 * of the refused ones. True: try at once, for the metadata is shorter now, or librdkafka asks for
 * the epoch in which the broker has this member since a moment ago. */
static bool commit_failed(kca__inbound *in, rd_kafka_resp_err_t err,
                          const rd_kafka_topic_partition_list_t *list) {
    if (err == RD_KAFKA_RESP_ERR__NO_OFFSET)
        return false;
    rd_kafka_resp_err_t why = err;
    for (int i = 0; list && i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *p = &list->elems[i];
        if (!err && !p->err)
            continue;
        why = err ? err : p->err;
        kca__engine_commit_failed(in->engine, p->topic, p->partition);
    }
    if (why)
        kca__log_write(in->log, KCA_LOG_WARN, "consumer", in->options->name, "commit: %s",
                       rd_kafka_err2str(why));
    if (why == RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE)
        kca__engine_shorten_metadata(in->engine);
    return why == RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE ||
           (int)why == KCA__STALE_MEMBER_EPOCH;
}

static void ask(kca__inbound *in) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);
    kca__engine_collect_commits(in->engine, add_commit, list);
    if (list->cnt > 0) {
        rd_kafka_resp_err_t err =
            rd_kafka_commit_queue(in->client->rk, list, in->commit_answers, NULL, NULL);
        if (err)
            commit_failed(in, err, list);
        else
            in->commits_out++;
    }
    rd_kafka_topic_partition_list_destroy(list);
}

/* Those of the broker that come until the deadline, to all that was asked for: with the last one
 * that failed there may be nothing to commit but what it was about. rd_kafka_commit itself may wait
 * for ever when the coordinator is gone. True: one more try at once may do. */
static bool hear(kca__inbound *in, int64_t deadline) {
    bool again = false;
    while (in->commits_out > 0) {
        rd_kafka_event_t *answer =
            rd_kafka_queue_poll(in->commit_answers, kca__clock_left_ms(deadline));
        if (!answer)
            break;
        in->commits_out--;
        again |= commit_failed(in, rd_kafka_event_error(answer),
                               rd_kafka_event_topic_partition_list(answer));
        rd_kafka_event_destroy(answer);
    }
    return again;
}

void kca__offsets_commit(kca__inbound *in, int wait_ms) {
    if (!kca__consumer_builder_commits(in->options))
        return;
    if (in->transaction) {
        kca__transaction_commit(in->transaction);
        return;
    }
    const struct timespec pause = {0, AGAIN_MS * 1000000};
    int64_t deadline = kca__clock_deadline(wait_ms);
    while (true) {
        hear(in, deadline);
        ask(in);
        if (wait_ms == 0 || !hear(in, deadline) || kca__clock_left_ms(deadline) == 0)
            break;
        nanosleep(&pause, NULL);
    }
    if (wait_ms > 0 && in->commits_out > 0)
        kca__log_write(in->log, KCA_LOG_WARN, "consumer", in->options->name,
                       "commit: no answer within %d ms", wait_ms);
}

void kca__offsets_hear(kca__inbound *in) {
    hear(in, kca__clock_deadline(0));
}

/* It may be otherwise soon. Offsets are unstable while somebody's transaction is open over them, be
 * it that of a process that has died. */
static bool may_pass(rd_kafka_resp_err_t err) {
    switch ((int)err) {
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__WAIT_COORD:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION:
    case RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT:
    case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
    case KCA__STALE_MEMBER_EPOCH:
        return true;
    default:
        return false;
    }
}

/* The group has put this member out, and librdkafka gives its partitions back in a moment. */
static bool is_put_out(rd_kafka_resp_err_t err) {
    return err == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID || (int)err == KCA__FENCED_MEMBER_EPOCH;
}

bool kca__offsets_commit_now(kca__inbound *in, rd_kafka_topic_partition_list_t *list) {
    rd_kafka_resp_err_t err;
    kca__asking asking = {.rk = in->client->rk,
                          .deadline =
                              kca__inbound_clip_deadline(in, kca__clock_deadline(LOOK_UP_MS)),
                          .slice_ms = SLICE_MS,
                          .may_pass = may_pass};
    if (list->cnt == 0 || kca__ask(&err, &asking, kca__ask_commit, list) == KCA__ASK_ANSWERED)
        return true;
    kca__log_write(in->log, KCA_LOG_WARN, "consumer", in->options->name, "commit: %s",
                   rd_kafka_err2str(err));
    return false;
}

/* ---- looking up ---- */

/* The group's committed offsets with their maps. NULL: the broker gave none for some partition.
 * librdkafka then asks for the offsets by itself, and records finished beyond them are repeated;
 * with transactions, which must not repeat, it waits longer. */
rd_kafka_topic_partition_list_t *kca__offsets_look_up(kca__inbound *in,
                                                      const rd_kafka_topic_partition_list_t *list,
                                                      bool *out_put_out) {
    *out_put_out = false;
    if (!kca__consumer_builder_commits(in->options))
        return rd_kafka_topic_partition_list_new(0);
    rd_kafka_topic_partition_list_t *found = rd_kafka_topic_partition_list_copy(list);
    int64_t end =
        kca__clock_deadline(in->transaction ? in->options->rebalance_timeout_ms / 2 : LOOK_UP_MS);
    rd_kafka_resp_err_t err;
    do /* librdkafka does not look at once when it has found the coordinator: hence slices */
        err = kca__ask_committed(in->client->rk, found, LOOK_UP_SLICE_MS);
    while (may_pass(err) && kca__clock_left_ms(kca__inbound_clip_deadline(in, end)) != 0);
    if (!err)
        return found;
    *out_put_out = is_put_out(err);
    kca__log_write(in->log, KCA_LOG_WARN, "consumer", in->options->name,
                   "committed offsets: %s: what was finished ahead of them comes again",
                   rd_kafka_err2str(err));
    rd_kafka_topic_partition_list_destroy(found);
    return NULL;
}

/* Times, or RD_KAFKA_OFFSET_BEGINNING and _END, which to the broker are times like others;
 * librdkafka's own question for these would undo a seek that comes before its answer. */
typedef struct times {
    const rd_kafka_topic_partition_list_t *all;
    rd_kafka_topic_partition_list_t *found; /* the answer */
} times;

static rd_kafka_resp_err_t ask_times(rd_kafka_t *rk, void *about, int timeout_ms) {
    times *t = about;
    if (t->found)
        rd_kafka_topic_partition_list_destroy(t->found);
    t->found = rd_kafka_topic_partition_list_copy(t->all);
    return kca__ask_error(rd_kafka_offsets_for_times(rk, t->found, timeout_ms), t->found);
}

static bool is_not_forbidden(rd_kafka_resp_err_t err) {
    return err != RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
}

/* The caller's; NULL: the broker gave none. */
static rd_kafka_topic_partition_list_t *look_up_times(kca__inbound *in,
                                                      const rd_kafka_topic_partition_list_t *all) {
    times t = {all, NULL};
    rd_kafka_resp_err_t err;
    kca__asking asking = {.rk = in->client->rk,
                          .deadline =
                              kca__inbound_clip_deadline(in, kca__clock_deadline(LOOK_UP_MS)),
                          .slice_ms = SLICE_MS,
                          .may_pass = is_not_forbidden};
    if (kca__ask(&err, &asking, ask_times, &t) == KCA__ASK_ANSWERED)
        return t.found;
    kca__log_write(in->log, KCA_LOG_ERROR, "consumer", in->options->name,
                   "where to begin cannot be looked up: %s", rd_kafka_err2str(err));
    rd_kafka_topic_partition_list_destroy(t.found);
    return NULL;
}

/* The end is looked up before the time is: what comes meanwhile is not before it. */
static rd_kafka_topic_partition_list_t *look_up_ends(kca__inbound *in,
                                                     const rd_kafka_topic_partition_list_t *list) {
    rd_kafka_topic_partition_list_t *ends = rd_kafka_topic_partition_list_copy(list);
    for (int i = 0; i < ends->cnt; i++)
        ends->elems[i].offset = RD_KAFKA_OFFSET_END;
    rd_kafka_topic_partition_list_t *found = look_up_times(in, ends);
    rd_kafka_topic_partition_list_destroy(ends);
    return found;
}

bool kca__offsets_find(kca__inbound *in, rd_kafka_topic_partition_list_t *list) {
    if (list->cnt == 0)
        return true;
    rd_kafka_topic_partition_list_t *ends = look_up_ends(in, list);
    rd_kafka_topic_partition_list_t *found = ends ? look_up_times(in, list) : NULL;
    for (int i = 0; found && i < list->cnt; i++)
        list->elems[i].offset =
            found->elems[i].offset >= 0 ? found->elems[i].offset : ends->elems[i].offset;
    if (ends)
        rd_kafka_topic_partition_list_destroy(ends);
    if (found)
        rd_kafka_topic_partition_list_destroy(found);
    return found != NULL;
}
