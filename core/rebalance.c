#include "rebalance.h"

#include "error.h"
#include "keeper.h"

#include <string.h>

enum { LOOK_UP_MS = 5000, LONGEST_DRAIN_MS = 30000, DRAIN_SLICE_MS = 100 };

/* ---- commits ---- */

static void add_commit(void *user, const char *topic, int partition, int64_t offset) {
    rd_kafka_topic_partition_list_t *list = user;
    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = offset;
}

/* What the broker did not take is tried again at the next interval: all of it, or, when only some
 * partitions were refused, those. */
static void commit_failed(kca__inbound *in, rd_kafka_resp_err_t err,
                          const rd_kafka_topic_partition_list_t *list) {
    if (err == RD_KAFKA_RESP_ERR__NO_OFFSET)
        return;
    rd_kafka_resp_err_t why = err;
    for (int i = 0; list && i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *p = &list->elems[i];
        if (!err && !p->err)
            continue;
        why = err ? err : p->err;
        kca__engine_commit_failed(&in->engine, p->topic, p->partition);
    }
    if (why)
        kca__log_write(in->log, KCA_LOG_WARN, "consumer", in->options->name, "commit: %s",
                       rd_kafka_err2str(why));
}

static void on_commit(rd_kafka_t *rk, rd_kafka_resp_err_t err,
                      rd_kafka_topic_partition_list_t *list, void *opaque) {
    (void)rk;
    kca__client *client = opaque;
    commit_failed(client->owner, err, list);
}

/* rd_kafka_commit itself may wait for ever when the coordinator is gone. */
static void commit_and_wait(kca__inbound *in, const rd_kafka_topic_partition_list_t *list,
                            int wait_ms) {
    rd_kafka_queue_t *answers = rd_kafka_queue_new(in->client->rk);
    rd_kafka_resp_err_t err = rd_kafka_commit_queue(in->client->rk, list, answers, NULL, NULL);
    rd_kafka_event_t *answer = err ? NULL : rd_kafka_queue_poll(answers, wait_ms);
    if (!err)
        err = answer ? rd_kafka_event_error(answer) : RD_KAFKA_RESP_ERR__TIMED_OUT;
    commit_failed(in, err, err ? list : rd_kafka_event_topic_partition_list(answer));
    if (answer)
        rd_kafka_event_destroy(answer);
    rd_kafka_queue_destroy(answers);
}

void kca__rebalance_commit(kca__inbound *in, int wait_ms) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);
    kca__engine_collect_commits(&in->engine, add_commit, list);
    if (list->cnt > 0 && wait_ms > 0)
        commit_and_wait(in, list, wait_ms);
    else if (list->cnt > 0)
        commit_failed(in, rd_kafka_commit(in->client->rk, list, 1), list);
    rd_kafka_topic_partition_list_destroy(list);
}

/* ---- where a group without a committed offset begins ---- */

/* Gives those partitions of `list` without a committed offset the first offset at or after the
 * start time. */
static rd_kafka_resp_err_t look_up_times(kca__inbound *in, rd_kafka_topic_partition_list_t *list,
                                         int64_t start_time) {
    rd_kafka_topic_partition_list_t *wanted = rd_kafka_topic_partition_list_copy(list);
    rd_kafka_resp_err_t err = rd_kafka_committed(in->client->rk, wanted, LOOK_UP_MS);
    for (int i = wanted->cnt - 1; !err && i >= 0; i--) {
        if (wanted->elems[i].offset >= 0)
            rd_kafka_topic_partition_list_del_by_idx(wanted, i);
        else
            wanted->elems[i].offset = start_time;
    }
    if (!err && wanted->cnt > 0)
        err = rd_kafka_offsets_for_times(in->client->rk, wanted, LOOK_UP_MS);
    for (int i = 0; !err && i < wanted->cnt; i++) {
        const rd_kafka_topic_partition_t *found = &wanted->elems[i];
        rd_kafka_topic_partition_list_find(list, found->topic, found->partition)->offset =
            found->offset;
    }
    rd_kafka_topic_partition_list_destroy(wanted);
    return err;
}

static void set_start(kca__inbound *in, rd_kafka_topic_partition_list_t *list) {
    int64_t start_time = kca__consumer_builder_start_time(in->options);
    if (start_time < 0 || list->cnt == 0)
        return;
    rd_kafka_resp_err_t err = look_up_times(in, list, start_time);
    if (err)
        kca__log_write(in->log, KCA_LOG_ERROR, "consumer", in->options->name,
                       "start_offset: no offsets by time (%s): beginning at the earliest record",
                       rd_kafka_err2str(err));
}

/* ---- assignments ---- */

/* Records bypass the main queue: see inbound_channel_adapter.h. Before the assignment, so that none
 * gets there. */
static void forward_records(kca__inbound *in, const rd_kafka_topic_partition_t *p) {
    rd_kafka_queue_t *queue = rd_kafka_queue_get_partition(in->client->rk, p->topic, p->partition);
    if (!queue)
        return;
    rd_kafka_queue_forward(queue, in->fetch_queue);
    rd_kafka_queue_destroy(queue);
}

static kca_error *take_on(kca__inbound *in, rd_kafka_topic_partition_list_t *list) {
    for (int i = 0; i < list->cnt; i++) {
        if (!kca__engine_assign(&in->engine, list->elems[i].topic, list->elems[i].partition))
            return kca__error_memory();
        forward_records(in, &list->elems[i]);
    }
    set_start(in, list);
    return NULL;
}

static bool is_cooperative(rd_kafka_t *rk) {
    const char *protocol = rd_kafka_rebalance_protocol(rk);
    return protocol && strcmp(protocol, "COOPERATIVE") == 0;
}

static void check(kca__inbound *in, const char *what, rd_kafka_resp_err_t err,
                  rd_kafka_error_t *error) {
    if (error || err)
        kca__log_write(in->log, KCA_LOG_ERROR, "consumer", in->options->name, "%s: %s", what,
                       error ? rd_kafka_error_string(error) : rd_kafka_err2str(err));
    if (error)
        rd_kafka_error_destroy(error);
}

static void assign(kca__inbound *in, rd_kafka_topic_partition_list_t *list) {
    rd_kafka_t *rk = in->client->rk;
    kca__engine_await_fetch(&in->engine);
    kca_error *e = take_on(in, list);
    if (e) {
        pthread_mutex_lock(&in->engine.lock);
        kca__engine_fail_locked(&in->engine, e);
        pthread_mutex_unlock(&in->engine.lock);
    }
    if (is_cooperative(rk))
        check(in, "assign", 0, rd_kafka_incremental_assign(rk, list));
    else
        check(in, "assign", rd_kafka_assign(rk, list), NULL);
}

/* A stop that came meanwhile may want it sooner. */
static int64_t sooner_stop(kca__inbound *in, int64_t end) {
    pthread_mutex_lock(&in->engine.lock);
    if (in->engine.stopping && in->drain_deadline < end)
        end = in->drain_deadline;
    pthread_mutex_unlock(&in->engine.lock);
    return end;
}

/* Lets what is out of them be settled, up to half the time that the group waits for us. */
static void drain(kca__inbound *in) {
    int bound = in->options->rebalance_timeout_ms / 2;
    int64_t end = kca__clock_deadline(bound < LONGEST_DRAIN_MS ? bound : LONGEST_DRAIN_MS);
    while (kca__clock_left_ms(end = sooner_stop(in, end)) != 0) {
        int64_t slice = kca__clock_deadline(DRAIN_SLICE_MS);
        if (kca__engine_drain_revoked(&in->engine, slice < end ? slice : end) == 0)
            return;
        kca__engine_expire(&in->engine, kca__clock_ms());
    }
}

static void revoke(kca__inbound *in, rd_kafka_topic_partition_list_t *list) {
    rd_kafka_t *rk = in->client->rk;
    bool lost = rd_kafka_assignment_lost(rk);
    for (int i = 0; i < list->cnt; i++)
        kca__engine_revoke(&in->engine, list->elems[i].topic, list->elems[i].partition);
    if (!lost && list->cnt > 0) {
        drain(in);
        kca__rebalance_commit(in, kca__keeper_patience_ms(in));
    }
    for (int i = 0; i < list->cnt; i++)
        kca__engine_forget(&in->engine, list->elems[i].topic, list->elems[i].partition);
    if (is_cooperative(rk))
        check(in, "unassign", 0, rd_kafka_incremental_unassign(rk, list));
    else
        check(in, "unassign", rd_kafka_assign(rk, NULL), NULL);
}

static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t err,
                         rd_kafka_topic_partition_list_t *list, void *opaque) {
    kca__client *client = opaque;
    kca__inbound *in = client->owner;
    bool assigned = err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    kca__log_write(in->log, KCA_LOG_INFO, "consumer", in->options->name, "%d partitions %s",
                   list->cnt,
                   assigned                       ? "assigned"
                   : rd_kafka_assignment_lost(rk) ? "lost"
                                                  : "revoked");
    if (assigned)
        assign(in, list);
    else
        revoke(in, list);
}

void kca__rebalance_configure(rd_kafka_conf_t *conf) {
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    rd_kafka_conf_set_offset_commit_cb(conf, on_commit);
}

kca_error *kca__rebalance_begin(kca__inbound *in) {
    const kca_consumer_builder *o = in->options;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(o->topic_count);
    for (int i = 0; i < o->topic_count; i++)
        rd_kafka_topic_partition_list_add(list, o->topics[i],
                                          o->partition >= 0 ? o->partition : RD_KAFKA_PARTITION_UA);
    kca_error *e = NULL;
    rd_kafka_resp_err_t err;
    if (o->partition >= 0) {
        e = take_on(in, list);
        err = rd_kafka_assign(in->client->rk, list);
    } else {
        err = rd_kafka_subscribe(in->client->rk, list);
    }
    rd_kafka_topic_partition_list_destroy(list);
    if (!e && err)
        e = kca__error_new(KCA_ERROR_BROKER, "consumer %s: %s", o->name, rd_kafka_err2str(err));
    return e;
}

/* Runs on librdkafka's threads. */
static void on_record(rd_kafka_t *rk, void *opaque) {
    (void)rk;
    kca__inbound *in = opaque;
    kca__notifier_raise(&in->engine.notifier);
}

void kca__rebalance_watch(kca__inbound *in) {
    rd_kafka_queue_cb_event_enable(in->fetch_queue, on_record, in);
}
