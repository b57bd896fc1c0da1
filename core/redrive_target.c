/* Where a redrive publishes: an idempotent producer of its own, and the topics. */
#include "redrive_run.h"

#include "error.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SERVE_SLICE_MS = 100, DROP_MS = 1000 };

/* ---- reports ---- */

static int code_of(rd_kafka_resp_err_t err) {
    switch (err) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
        return KCA_ERROR_TOO_LARGE;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
        return KCA_ERROR_AUTHORIZATION;
    default:
        return KCA_ERROR_NOT_STORED;
    }
}

static void not_stored(kca__redrive_run *run, const kca__redrive_letter *letter,
                       rd_kafka_resp_err_t err, const char *topic) {
    int code = code_of(err);
    if (!run->failure)
        run->too_large = code == KCA_ERROR_TOO_LARGE;
    kca__redrive_fail(run,
                      kca__redrive_error(run, code, err,
                                         "%s[%d] offset %lld is not stored in "
                                         "topic %s: %s",
                                         run->options->topic, letter->partition->number,
                                         (long long)letter->offset, topic, rd_kafka_err2str(err)));
}

static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque) {
    (void)rk;
    kca__redrive_run *run = ((kca__client *)opaque)->owner;
    kca__redrive_letter *letter = m->_private;
    run->under_way--;
    if (!m->err) {
        letter->settled = true;
        kca__redrive_source_advance(letter->partition);
    } else if (m->err != RD_KAFKA_RESP_ERR__PURGE_QUEUE &&
               m->err != RD_KAFKA_RESP_ERR__PURGE_INFLIGHT) {
        not_stored(run, letter, m->err, rd_kafka_topic_name(m->rkt));
        rd_kafka_purge(run->writer->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    }
}

void kca__redrive_target_serve(kca__redrive_run *run, int timeout_ms) {
    if (run->writer)
        rd_kafka_poll(run->writer->rk, timeout_ms);
}

void kca__redrive_target_drain(kca__redrive_run *run, int64_t deadline) {
    while (run->under_way > 0 && !atomic_load(run->leaving)) {
        int left = kca__clock_left_ms(deadline);
        if (left == 0)
            break;
        kca__redrive_target_serve(run, left < 0 || left > SERVE_SLICE_MS ? SERVE_SLICE_MS : left);
    }
    int64_t drop = kca__clock_deadline(DROP_MS);
    while (run->under_way > 0 && kca__clock_left_ms(drop) != 0) {
        rd_kafka_purge(run->writer->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        kca__redrive_target_serve(run, SERVE_SLICE_MS);
    }
}

/* ---- life ---- */

/* The broker's limits decide, not the producer's; the letters bound what is under way. */
static kca_error *configure(kca__redrive_run *run, rd_kafka_conf_t *conf) {
    const char *const properties[][2] = {
        {"acks", "-1"},
        {"enable.idempotence", "true"},
        {"partitioner", "murmur2_random"},
        {"message.max.bytes", "1000000000"},
        {"queue.buffering.max.messages", "10000000"},
        {"queue.buffering.max.kbytes", "2147483647"},
        {"linger.ms", "5"},
        {"batch.num.messages", run->singly ? "1" : "10000"},
    };
    kca_error *e = kca__connection_configure(run->connection, conf, true, run->who);
    for (size_t i = 0; i < sizeof properties / sizeof *properties && !e; i++)
        e = kca__property_apply(conf, run->who, properties[i][0], properties[i][1]);
    return e;
}

kca_error *kca__redrive_target_open(kca__redrive_run *run) {
    if (run->options->dry_run)
        return NULL;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    kca_error *e = configure(run, conf);
    if (e) {
        rd_kafka_conf_destroy(conf);
        return e;
    }
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    e = kca__client_open(&run->writer, RD_KAFKA_PRODUCER, conf, run->options->topic, run->who,
                         run->log, NULL);
    if (!e)
        run->writer->owner = run;
    return e;
}

void kca__redrive_target_close(kca__redrive_run *run) {
    while (run->topics) {
        kca__redrive_topic *t = run->topics;
        run->topics = t->next;
        if (t->handle)
            rd_kafka_topic_destroy(t->handle);
        free(t->name);
        free(t);
    }
    kca__client_close(run->writer);
    run->writer = NULL;
    run->under_way = 0;
}

/* ---- topics ---- */

static kca_error *add_topic(kca__redrive_topic **out, kca__redrive_run *run, const char *name,
                            int partitions) {
    kca__redrive_topic *t = calloc(1, sizeof *t);
    if (!t || !(t->name = kca__text_copy(name))) {
        free(t);
        return kca__error_memory();
    }
    t->partitions = partitions;
    t->next = run->topics;
    run->topics = *out = t;
    if (run->writer && !(t->handle = rd_kafka_topic_new(run->writer->rk, name, NULL)))
        return kca__redrive_error(run, KCA_ERROR_BROKER, rd_kafka_last_error(), "topic %s: %s",
                                  name, rd_kafka_err2str(rd_kafka_last_error()));
    return NULL;
}

kca_error *kca__redrive_target_find(kca__redrive_topic **out, kca__redrive_run *run,
                                    const char *name) {
    for (*out = run->topics; *out; *out = (*out)->next)
        if (strcmp((*out)->name, name) == 0)
            return NULL;
    int partitions;
    kca_error *e = kca__redrive_count_partitions(run, name, &partitions);
    return e ? e : add_topic(out, run, name, partitions);
}

/* ---- messages ---- */

static rd_kafka_headers_t *headers_of(const kca__dead_letter *d, int redrives) {
    char text[16];
    int len = snprintf(text, sizeof text, "%d", redrives);
    rd_kafka_headers_t *list = rd_kafka_headers_new((size_t)d->header_count + 1);
    for (int i = 0; i < d->header_count; i++) {
        const kca__header *h = &d->headers[i];
        if (strcmp(h->name, KCA__REDRIVES) != 0)
            rd_kafka_header_add(list, h->name, -1, h->value, (ssize_t)h->value_len);
    }
    rd_kafka_header_add(list, KCA__REDRIVES, -1, text, len);
    return list;
}

void kca__redrive_target_send(kca__redrive_run *run, const kca__redrive_topic *topic, int partition,
                              const kca__dead_letter *d, int redrives,
                              kca__redrive_letter *letter) {
    rd_kafka_headers_t *headers = headers_of(d, redrives);
    const rd_kafka_vu_t fields[] = {
        {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = topic->handle},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = partition},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = letter},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {(void *)(uintptr_t)d->value, d->value_len}},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {(void *)(uintptr_t)d->key, d->key_len}},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
    };
    rd_kafka_error_t *error =
        rd_kafka_produceva(run->writer->rk, fields, sizeof fields / sizeof *fields);
    if (!error) {
        run->under_way++;
        return;
    }
    rd_kafka_headers_destroy(headers);
    not_stored(run, letter, rd_kafka_error_code(error), topic->name);
    rd_kafka_error_destroy(error);
}
