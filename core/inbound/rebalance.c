#include "inbound/rebalance.h"

#include "base/error.h"
#include "inbound/beginnings.h"
#include "inbound/dead_letter_channel.h"
#include "inbound/every_partition.h"
#include "inbound/fetch.h"
#include "inbound/offsets.h"
#include "inbound/poller.h"
#include "inbound/remade.h"
#include "kafka/ask.h"
#include "kafka/quirks.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    SEEK_MS = 5000, /* for librdkafka to begin fetching, and to seek */
    SEEK_PAUSE_MS = 5,
    LONGEST_DRAIN_MS = 30000, /* the group's other members wait meanwhile */
    DRAIN_SLICE_MS = 100      /* between looks for dead letters to be written, and for a stop */
};

/* ---- assignments ---- */

static void fail(kca__inbound *in, kca_error *e) {
    if (e)
        kca__engine_fail(in->engine, e);
}

/* Without the maps, records finished beyond the offsets would be handled, and their results
 * published, once more. */
static void end_without_offsets(kca__inbound *in) {
    kca__engine_fail_unless_stopping(
        in->engine, kca__error_new(KCA_ERROR_BROKER,
                                   "consumer %s: the group's committed offsets cannot be read, and "
                                   "exactly once cannot go on without them",
                                   in->options->name));
}

static bool add_to_engine(kca__inbound *in, rd_kafka_topic_partition_t *p,
                          const rd_kafka_topic_partition_list_t *committed) {
    const rd_kafka_topic_partition_t *found = NULL;
    if (committed)
        found = rd_kafka_topic_partition_list_find(
            (rd_kafka_topic_partition_list_t *)(uintptr_t)committed, p->topic, p->partition);
    bool known = found && found->offset >= 0;
    if (known)
        p->offset = found->offset; /* the one that the map goes with */
    const char *text = known ? found->metadata : NULL;
    size_t len = known ? found->metadata_size : 0;
    if (!kca__engine_assign(in->engine, p->topic, p->partition, known ? found->offset : -1, text,
                            len))
        return false;
    kca__origin origin;
    kca__origin_read(&origin, kca__beginnings_place(in, p->topic), text, len, p->offset);
    kca__remade_name(in, p->topic, &origin);
    kca__engine_set_origin(in->engine, p->topic, p->partition, &origin);
    return true;
}

/* The group is to be told of these. Takes the list. */
static void begin_at(kca__inbound *in, rd_kafka_topic_partition_list_t *list) {
    for (int i = 0; i < list->cnt; i++)
        kca__engine_begin_at(in->engine, list->elems[i].topic, list->elems[i].partition,
                             list->elems[i].offset);
    rd_kafka_topic_partition_list_destroy(list);
}

static kca_error *take_on(kca__inbound *in, rd_kafka_topic_partition_list_t *list) {
    if (list->cnt == 0)
        return NULL;
    bool put_out;
    rd_kafka_topic_partition_list_t *committed = kca__offsets_look_up(in, list, &put_out);
    if (!committed && in->transaction && !put_out)
        end_without_offsets(in);
    kca__remade_begin(in);
    rd_kafka_topic_partition_list_t *remade = kca__remade_find(in, committed);
    rd_kafka_topic_partition_list_t *untold = kca__beginnings_choose(in, list, committed);
    bool added = true;
    for (int i = 0; i < list->cnt && added; i++) {
        rd_kafka_topic_partition_t *p = &list->elems[i];
        added = add_to_engine(in, p, committed);
        /* Records bypass the main queue, see inbound.h: before the assignment, so that none gets
         * there. */
        kca__engine_see_paused(in->engine, p->topic, p->partition, kca__inbound_forward, in);
    }
    begin_at(in, remade);
    begin_at(in, untold);
    if (committed)
        rd_kafka_topic_partition_list_destroy(committed);
    return added ? NULL : kca__error_memory();
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
    kca__engine_await_fetch(in->engine);
    fail(in, take_on(in, list));
    if (is_cooperative(rk))
        check(in, "assign", 0, rd_kafka_incremental_assign(rk, list));
    else
        check(in, "assign", rd_kafka_assign(rk, list), NULL);
    kca__fetch_nudge(in);
}

/* Lets what is out of them be settled, up to half the time that the group waits for us. */
static void drain(kca__inbound *in) {
    int bound = in->options->rebalance_timeout_ms / 2;
    int64_t end = kca__clock_deadline(bound < LONGEST_DRAIN_MS ? bound : LONGEST_DRAIN_MS);
    while (kca__clock_left_ms(end = kca__inbound_clip_deadline(in, end)) != 0) {
        int64_t slice = kca__clock_deadline(DRAIN_SLICE_MS);
        kca__engine_see_to_due(in->engine, kca__clock_ms(), slice);
        if (kca__dead_letter_channel_send(in))
            slice = KCA__CLOCK_OVER;
        if (kca__engine_await_drained(in->engine, slice < end ? slice : end) == 0)
            return;
    }
}

static void revoke(kca__inbound *in, rd_kafka_topic_partition_list_t *list) {
    rd_kafka_t *rk = in->client->rk;
    bool lost = rd_kafka_assignment_lost(rk);
    for (int i = 0; i < list->cnt; i++)
        kca__engine_begin_drain(in->engine, list->elems[i].topic, list->elems[i].partition);
    if (!lost && list->cnt > 0) {
        drain(in);
        kca__offsets_commit(in, kca__inbound_close_timeout_ms(in));
    }
    for (int i = 0; i < list->cnt; i++) {
        kca__engine_revoke(in->engine, list->elems[i].topic, list->elems[i].partition);
        kca__engine_disown(in->engine, list->elems[i].topic, list->elems[i].partition);
    }
    kca__engine_sweep(in->engine);
    if (is_cooperative(rk))
        check(in, "unassign", 0, rd_kafka_incremental_unassign(rk, list));
    else
        check(in, "unassign", rd_kafka_assign(rk, NULL), NULL);
}

/* The application hears of it when it is done. */
static void tell(kca__inbound *in, int what, const rd_kafka_topic_partition_list_t *list) {
    if (list->cnt == 0)
        return;
    kca_event *note = kca__event_new_rebalance(what, in->options->name, list->cnt);
    for (int i = 0; i < list->cnt && note; i++)
        if (!kca__event_set_assignment(note, i, list->elems[i].topic, list->elems[i].partition)) {
            note->release(note);
            note = NULL;
        }
    kca__engine_note(in->engine, note);
}

static void tell_state(kca__inbound *in, int what) {
    kca__watch *w = in->setup.connection->watch;
    if (what == KCA_REBALANCE_ASSIGNED)
        kca__watch_joined(w, &in->watched);
    else if (what == KCA_REBALANCE_LOST)
        kca__watch_lost(w, &in->watched);
}

static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t err,
                         rd_kafka_topic_partition_list_t *list, void *opaque) {
    kca__client *client = opaque;
    kca__inbound *in = client->owner;
    int what = err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS ? KCA_REBALANCE_ASSIGNED
               : rd_kafka_assignment_lost(rk)              ? KCA_REBALANCE_LOST
                                                           : KCA_REBALANCE_REVOKED;
    static const char *const words[] = {"", "assigned", "revoked", "lost"};
    kca__log_write(in->log, KCA_LOG_INFO, "consumer", in->options->name, "%d partitions %s",
                   list->cnt, words[what]);
    if (what == KCA_REBALANCE_ASSIGNED)
        assign(in, list);
    else
        revoke(in, list);
    tell(in, what, list);
    tell_state(in, what);
    rd_kafka_queue_yield(in->main_queue); /* what fell due meanwhile has waited long enough */
}

void kca__rebalance_configure(rd_kafka_conf_t *conf) {
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
}

static void subscribe(kca__inbound *in) {
    const kca_consumer_builder *o = in->options;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(o->topic_count);
    for (int i = 0; i < o->topic_count; i++)
        rd_kafka_topic_partition_list_add(list, o->topics[i], RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t err = rd_kafka_subscribe(in->client->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (err)
        fail(in,
             kca__error_new(KCA_ERROR_BROKER, "consumer %s: %s", o->name, rd_kafka_err2str(err)));
}

static void take_partitions(kca__inbound *in, rd_kafka_topic_partition_list_t *list) {
    fail(in, take_on(in, list));
    rd_kafka_resp_err_t err = rd_kafka_assign(in->client->rk, list);
    if (err)
        fail(in, kca__error_new(KCA_ERROR_BROKER, "consumer %s: %s", in->options->name,
                                rd_kafka_err2str(err)));
    kca__fetch_nudge(in);
}

/* Without a group. */
static void take_declared(kca__inbound *in) {
    const kca_consumer_builder *o = in->options;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    kca_error *e = NULL;
    if (o->partition == KCA_PARTITION_EVERY)
        e = kca__every_partition_find(list, in->client->rk, o);
    else
        for (int i = 0; i < o->topic_count; i++)
            rd_kafka_topic_partition_list_add(list, o->topics[i], o->partition);
    if (e)
        fail(in, e);
    else
        take_partitions(in, list);
    rd_kafka_topic_partition_list_destroy(list);
}

void kca__rebalance_begin(kca__inbound *in) {
    if (in->options->partition == KCA_PARTITION_ASSIGNED)
        subscribe(in);
    else
        take_declared(in);
}

/* ---- going elsewhere ---- */

static rd_kafka_resp_err_t seek_once(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list) {
    int timeout_ms = kca__has_quirk(KCA__QUIRK_SEEK_TIMEOUT) ? SEEK_MS * 1000 : SEEK_MS;
    rd_kafka_error_t *error = rd_kafka_seek_partitions(rk, list, timeout_ms);
    rd_kafka_resp_err_t err = error ? rd_kafka_error_code(error) : RD_KAFKA_RESP_ERR_NO_ERROR;
    if (error)
        rd_kafka_error_destroy(error);
    return kca__ask_error(err, list);
}

/* librdkafka drops what it has fetched at the call. It refuses partitions that were assigned just
 * now, until it has begun to fetch them. */
static rd_kafka_resp_err_t seek(kca__inbound *in, rd_kafka_topic_partition_list_t *list) {
    const struct timespec pause = {0, SEEK_PAUSE_MS * 1000000};
    int64_t end = kca__clock_deadline(SEEK_MS);
    rd_kafka_resp_err_t err;
    while ((err = seek_once(in->client->rk, list)) == RD_KAFKA_RESP_ERR__STATE &&
           kca__clock_left_ms(kca__inbound_clip_deadline(in, end)) != 0)
        nanosleep(&pause, NULL);
    return err;
}

static rd_kafka_resp_err_t go_to(kca__inbound *in, rd_kafka_topic_partition_list_t *list) {
    kca__engine *e = in->engine;
    kca__engine_hold_fetch(e);
    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *p = &list->elems[i];
        kca__engine_revoke_for(e, p->topic, p->partition, p->offset);
    }
    kca__engine_sweep(e);
    rd_kafka_resp_err_t err = seek(in, list);
    bool assigned = true;
    for (int i = 0; i < list->cnt && assigned; i++)
        assigned = kca__engine_assign(e, list->elems[i].topic, list->elems[i].partition, -1, "", 0);
    for (int i = 0; i < list->cnt && !err; i++)
        if (list->elems[i].offset >= 0)
            kca__engine_begin_at(e, list->elems[i].topic, list->elems[i].partition,
                                 list->elems[i].offset);
    if (err)
        fail(in, kca__error_new(KCA_ERROR_BROKER, "consumer %s: seek: %s", in->options->name,
                                rd_kafka_err2str(err)));
    else if (!assigned)
        fail(in, kca__error_memory());
    kca__engine_release_fetch(e);
    kca__fetch_nudge(in);
    return err;
}

/* In transactions: what was done is committed before it goes elsewhere, and where it went at once
 * after: an abort would undo it. False: there was one. */
static bool commit_whole(kca__inbound *in) {
    if (!in->transaction)
        return true;
    int aborts = in->transaction->aborts;
    kca__transaction_commit(in->transaction);
    return in->transaction->aborts <= aborts;
}

rd_kafka_resp_err_t kca__rebalance_go_to(kca__inbound *in, rd_kafka_topic_partition_list_t *list) {
    rd_kafka_resp_err_t err =
        commit_whole(in) ? go_to(in, list) : RD_KAFKA_RESP_ERR_INVALID_TXN_STATE;
    return err || commit_whole(in) ? err : RD_KAFKA_RESP_ERR_INVALID_TXN_STATE;
}

static void add_place(void *user, const kca__partition_look *look) {
    rd_kafka_topic_partition_list_add(user, look->topic, look->partition)->offset = look->begin;
}

/* A partition without a committed offset is read again from where its reading began; one whose
 * reading had not begun stays where it is. */
static void choose_beginnings(rd_kafka_topic_partition_list_t *list,
                              rd_kafka_topic_partition_list_t *committed) {
    for (int i = list->cnt - 1; i >= 0; i--) {
        rd_kafka_topic_partition_t *p = &list->elems[i];
        const rd_kafka_topic_partition_t *found =
            rd_kafka_topic_partition_list_find(committed, p->topic, p->partition);
        if (found && found->offset >= 0)
            p->offset = found->offset;
        if (p->offset < 0)
            rd_kafka_topic_partition_list_del_by_idx(list, i);
    }
}

static void read_again(kca__inbound *in, rd_kafka_topic_partition_list_t *list) {
    bool put_out;
    rd_kafka_topic_partition_list_t *committed = kca__offsets_look_up(in, list, &put_out);
    if (!committed) {
        if (!put_out)
            end_without_offsets(in);
        return;
    }
    bool added = true;
    for (int i = 0; i < list->cnt && added; i++) {
        rd_kafka_topic_partition_t copy = list->elems[i];
        added = add_to_engine(in, &copy, committed);
    }
    choose_beginnings(list, committed);
    rd_kafka_resp_err_t err = list->cnt > 0 ? seek(in, list) : 0;
    if (err)
        fail(in, kca__error_new(KCA_ERROR_BROKER, "consumer %s: after an aborted transaction: %s",
                                in->options->name, rd_kafka_err2str(err)));
    else if (!added)
        fail(in, kca__error_memory());
    rd_kafka_topic_partition_list_destroy(committed);
}

void kca__rebalance_begin_again(kca__inbound *in) {
    kca__engine *e = in->engine;
    kca__engine_hold_fetch(e);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);
    kca__engine_look(e, add_place, list);
    kca__engine_revoke_all(e);
    if (list->cnt > 0)
        read_again(in, list);
    rd_kafka_topic_partition_list_destroy(list);
    kca__engine_release_fetch(e);
    kca__fetch_nudge(in);
}

/* Runs on librdkafka's threads. */
static void on_record(rd_kafka_t *rk, void *opaque) {
    (void)rk;
    kca__inbound *in = opaque;
    kca__engine_raise(in->engine);
}

void kca__rebalance_watch(kca__inbound *in) {
    rd_kafka_queue_cb_event_enable(in->fetch_queue, on_record, in);
}
