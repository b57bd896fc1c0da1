/* Where a redrive begins and ends: the group's offsets, times, and the partitions' watermarks. */
#include "redrive/redrive_run.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>

static kca_error *open_reader(kca__redrive_run *run) {
    const char *const properties[][2] = {
        {"group.id", run->options->group_id},  {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"}, {"enable.partition.eof", "true"},
        {"auto.offset.reset", "earliest"},     {"isolation.level", "read_committed"},
        {"allow.auto.create.topics", "false"}, {"queued.max.messages.kbytes", "16384"},
    };
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    kca_error *e = kca__connection_configure(run->connection, conf, false, run->who);
    if (!e)
        e = kca__property_apply_all(conf, run->who, properties,
                                    sizeof properties / sizeof *properties);
    /* see KCA__QUIRK_FULL_QUEUE_SLEEPS */
    if (!e && kca__property_is_known("fetch.queue.backoff.ms"))
        e = kca__property_apply(conf, run->who, "fetch.queue.backoff.ms", "2");
    if (e) {
        rd_kafka_conf_destroy(conf);
        return e;
    }
    e = kca__client_open(&run->reader, RD_KAFKA_CONSUMER, conf, run->options->topic, run->who,
                         run->log, NULL);
    if (!e)
        rd_kafka_poll_set_consumer(run->reader->rk);
    return e;
}

/* ---- questions ---- */

/* The list's offsets are times, and become offsets; nothing that late: RD_KAFKA_OFFSET_END. */
static rd_kafka_resp_err_t ask_times(rd_kafka_t *rk, void *about, int timeout_ms) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_copy(about);
    rd_kafka_resp_err_t err =
        kca__ask_error(rd_kafka_offsets_for_times(rk, list, timeout_ms), list);
    for (int i = 0; i < list->cnt && !err; i++)
        ((rd_kafka_topic_partition_list_t *)about)->elems[i].offset = list->elems[i].offset;
    rd_kafka_topic_partition_list_destroy(list);
    return err;
}

typedef struct watermarks {
    const char *topic;
    int partition;
    int64_t low, high;
} watermarks;

static rd_kafka_resp_err_t ask_watermarks(rd_kafka_t *rk, void *about, int timeout_ms) {
    watermarks *w = about;
    return rd_kafka_query_watermark_offsets(rk, w->topic, w->partition, &w->low, &w->high,
                                            timeout_ms);
}

/* ---- answers ---- */

static rd_kafka_topic_partition_list_t *all_partitions(const kca__redrive_run *run,
                                                       int64_t offset) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(run->partition_count);
    for (int i = 0; i < run->partition_count; i++)
        rd_kafka_topic_partition_list_add(list, run->options->topic, i)->offset = offset;
    return list;
}

/* The first offsets at or after a time; all -1 when the time is -1. */
static kca_error *find_time(kca__redrive_run *run, rd_kafka_topic_partition_list_t **out,
                            int64_t time_ms) {
    *out = all_partitions(run, time_ms);
    return time_ms < 0 ? NULL
                       : kca__redrive_ask(run, ask_times, *out, "offsets by time", run->deadline);
}

typedef struct findings {
    rd_kafka_topic_partition_list_t *committed, *starts, *ends; /* in the order of partitions */
} findings;

/* The first record that is to be read, by the options. */
static int64_t first_wanted(const kca__redrive_partition *p, const findings *f) {
    const kca_redrive *options = p->run->options;
    int64_t first = 0, start = f->starts->elems[p->number].offset;
    if (options->start_time_ms >= 0)
        first = start >= 0 ? start : p->high;
    if (p->number < options->start_partition)
        first = p->high;
    else if (p->number == options->start_partition && options->start_offset > first)
        first = options->start_offset;
    return first;
}

/* A committed offset before the partition's beginning is of letters that are gone. `known`: what is
 * committed is of this topic. */
static kca_error *open_memory(kca__redrive_partition *p, const findings *f, const watermarks *w,
                              bool known) {
    const rd_kafka_topic_partition_t *committed = &f->committed->elems[p->number];
    int64_t end = f->ends->elems[p->number].offset;
    int64_t base = known && committed->offset > w->low ? committed->offset : w->low;
    p->high = w->high;
    p->read = first_wanted(p, f);
    if (p->read < base)
        p->read = base;
    if (p->read > p->high)
        p->read = p->high;
    p->end = p->run->options->end_time_ms >= 0 && end >= 0 && end < p->high ? end : p->high;
    if (p->end < p->read)
        p->end = p->read;
    if (!kca__redrive_memory_open(&p->memory, known ? committed->metadata : NULL,
                                  known ? committed->metadata_size : 0, committed->offset, base,
                                  p->read))
        return kca__error_memory();
    p->left_below = kca__redrive_memory_count_left(&p->memory, base, p->read);
    return NULL;
}

/* A committed offset, or a letter told to be done, beyond the partition is of a topic that was
 * deleted and made anew. */
static kca_error *set_limits(kca__redrive_partition *p, const findings *f, const watermarks *w) {
    int64_t committed = f->committed->elems[p->number].offset;
    kca_error *e = open_memory(p, f, w, committed >= 0 && committed <= w->high);
    if (!e && kca__redrive_memory_known_end(&p->memory) > w->high) {
        kca__redrive_memory_close(&p->memory);
        e = open_memory(p, f, w, false);
    }
    p->changed = true; /* to find out whether it may be committed */
    if (e)
        return e;
    p->run->progress->records += kca__redrive_memory_count_left(&p->memory, p->read, p->end);
    return NULL;
}

static kca_error *find_limits(kca__redrive_run *run, const findings *f) {
    kca_error *e = NULL;
    for (int i = 0; i < run->partition_count && !e; i++) {
        char what[300];
        watermarks w = {run->options->topic, i, 0, 0};
        kca__redrive_partition *p = &run->partitions[i];
        snprintf(what, sizeof what, "topic %s[%d]", run->options->topic, i);
        e = kca__redrive_ask(run, ask_watermarks, &w, what, run->deadline);
        if (!e)
            e = set_limits(p, f, &w);
    }
    return e;
}

static kca_error *find(kca__redrive_run *run) {
    char what[400];
    findings f = {all_partitions(run, RD_KAFKA_OFFSET_INVALID), NULL, NULL};
    snprintf(what, sizeof what, "offsets of group %s", run->options->group_id);
    kca_error *e = kca__redrive_ask(run, kca__ask_committed, f.committed, what, run->deadline);
    if (!e)
        e = find_time(run, &f.starts, run->options->start_time_ms);
    if (!e)
        e = find_time(run, &f.ends, run->options->end_time_ms);
    if (!e)
        e = find_limits(run, &f);
    rd_kafka_topic_partition_list_destroy(f.committed);
    if (f.starts)
        rd_kafka_topic_partition_list_destroy(f.starts);
    if (f.ends)
        rd_kafka_topic_partition_list_destroy(f.ends);
    return e;
}

static kca_error *assign(kca__redrive_run *run) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(run->partition_count);
    for (int i = 0; i < run->partition_count; i++) {
        kca__redrive_partition *p = &run->partitions[i];
        p->finished = p->read >= p->end;
        if (!p->finished)
            rd_kafka_topic_partition_list_add(list, run->options->topic, i)->offset = p->read;
    }
    rd_kafka_resp_err_t err = rd_kafka_assign(run->reader->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    return err ? kca__redrive_error(run, KCA_ERROR_BROKER, err, "%s", rd_kafka_err2str(err)) : NULL;
}

kca_error *kca__redrive_source_open(kca__redrive_run *run) {
    bool times = run->options->start_time_ms >= 0 || run->options->end_time_ms >= 0;
    if (times && run->connection->embedded)
        return kca__redrive_error(run, KCA_ERROR_ARGUMENT, 0,
                                  "the embedded broker cannot find offsets by time: leave "
                                  "start_time_ms and end_time_ms out");
    kca_error *e = open_reader(run);
    int count = 0;
    if (!e)
        e = kca__redrive_count_partitions(run, run->options->topic, &count);
    if (e)
        return e;
    run->partitions = calloc((size_t)count, sizeof *run->partitions);
    run->left = calloc(KCA__REDRIVE_LETTERS, sizeof *run->left);
    if (!run->partitions || !run->left)
        return kca__error_memory();
    run->partition_count = count;
    for (int i = 0; i < count; i++) {
        kca__redrive_partition *p = &run->partitions[i];
        *p = (kca__redrive_partition){.run = run, .number = i, .not_listed = -1};
        p->listed = cJSON_CreateArray();
    }
    e = find(run);
    return e ? e : assign(run);
}
