/* Redrives in a few lines, their reports, and dead letters written by hand. */
#ifndef KCA_TESTS_REDRIVING_H
#define KCA_TESTS_REDRIVING_H

#include "behaviour.h"
#include "cluster.h"
#include "recorder.h"
#include "systems.h"

#include <cjson/cJSON.h>
#include <stdio.h>

enum { REDRIVE_MS = 60000 };

/* A redrive of the topic that is meant; for the caller to set up and give to `redrive`. */
static inline kca_redrive *redrive_of(const char *dead) {
    kca_redrive *r;
    must(kca_redrive_new(&r, "kafka", dead));
    kca_redrive_with_dry_run(r, 0);
    return r;
}

/* Runs it, frees it, and gives the report. */
static inline cJSON *redrive(kca_system *s, kca_redrive *r) {
    char *text;
    must(kca_system_redrive(s, r, REDRIVE_MS, &text));
    kca_redrive_free(r);
    cJSON *report = cJSON_Parse(text);
    assert_non_null(report);
    kca_string_free(text);
    return report;
}

static inline int number_in(const cJSON *o, const char *name) {
    const cJSON *number = cJSON_GetObjectItemCaseSensitive(o, name);
    if (!cJSON_IsNumber(number))
        fail_msg("the report has no number %s", name);
    return (int)number->valuedouble;
}

static inline bool truth_in(const cJSON *o, const char *name) {
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(o, name);
    if (!cJSON_IsBool(value))
        fail_msg("the report has no truth value %s", name);
    return cJSON_IsTrue(value);
}

static inline const char *text_in(const cJSON *o, const char *name) {
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, name));
}

typedef struct numbers {
    int redriven, left_out, guarded, not_dead_letters, unknown_target, not_allowed, missing_target,
        refused, remaining;
    bool stopped; /* before all was read */
} numbers;

/* Each of the report's numbers is as wanted. */
static inline void must_report(const cJSON *report, numbers wanted) {
    assert_int_equal(number_in(report, "redriven"), wanted.redriven);
    assert_int_equal(number_in(report, "left_out"), wanted.left_out);
    assert_int_equal(number_in(report, "guarded"), wanted.guarded);
    assert_int_equal(number_in(report, "not_dead_letters"), wanted.not_dead_letters);
    assert_int_equal(number_in(report, "unknown_target"), wanted.unknown_target);
    assert_int_equal(number_in(report, "not_allowed"), wanted.not_allowed);
    assert_int_equal(number_in(report, "missing_target"), wanted.missing_target);
    assert_int_equal(number_in(report, "refused"), wanted.refused);
    assert_int_equal(number_in(report, "remaining"), wanted.remaining);
    assert_int_equal(number_in(report, "read"), wanted.redriven + wanted.left_out + wanted.guarded +
                                                    wanted.not_dead_letters +
                                                    wanted.unknown_target + wanted.not_allowed +
                                                    wanted.missing_target + wanted.refused);
    assert_int_equal(truth_in(report, "complete"), !wanted.stopped);
}

/* Runs it, frees it; only the numbers matter. */
static inline void must_redrive(kca_system *s, kca_redrive *r, numbers wanted) {
    cJSON *report = redrive(s, r);
    must_report(report, wanted);
    cJSON_Delete(report);
}

/* Runs it, frees it: it must fail. */
#define must_not_redrive(system, redrive, code, ...)                                               \
    do {                                                                                           \
        char *text_ = (char *)"";                                                                  \
        kca_redrive *redrive_ = (redrive);                                                         \
        must_fail(kca_system_redrive((system), redrive_, REDRIVE_MS, &text_), (code),              \
                  __VA_ARGS__);                                                                    \
        assert_null(text_);                                                                        \
        kca_redrive_free(redrive_);                                                                \
    } while (0)

/* A dead letter of kca's format as it is written. */
typedef struct letter {
    const char *topic; /* NULL: none, so it is no dead letter */
    const char *error;
    const char *key, *value;
    int partition; /* original */
    int to;        /* of the dead-letter topic */
    int64_t written_ms;
} letter;

static inline void write_letter(raw_writer *w, const char *dead, letter l) {
    char partition[12];
    snprintf(partition, sizeof partition, "%d", l.partition);
    rd_kafka_headers_t *headers = rd_kafka_headers_new(4);
    rd_kafka_header_add(headers, "route", -1, "thing", -1);
    if (l.topic) {
        rd_kafka_header_add(headers, "kca-dead-letter-topic", -1, l.topic, -1);
        rd_kafka_header_add(headers, "kca-dead-letter-partition", -1, partition, -1);
        rd_kafka_header_add(headers, "kca-dead-letter-error-name", -1,
                            l.error ? l.error : "handler", -1);
    }
    rd_kafka_resp_err_t err = rd_kafka_producev(
        raw_writer_client(w), RD_KAFKA_V_TOPIC(dead), RD_KAFKA_V_PARTITION(l.to),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY | RD_KAFKA_MSG_F_BLOCK),
        RD_KAFKA_V_KEY(l.key, (l.key ? strlen(l.key) : 0)),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)l.value, (l.value ? strlen(l.value) : 0)),
        RD_KAFKA_V_TIMESTAMP(l.written_ms), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
    if (err)
        fail_msg("%s: %s", dead, rd_kafka_err2str(err));
}

/* `count` letters {"id":0} ... of partition 0 of `topic`, on `partitions` partitions in turn. */
static inline void fill_with_letters(const char *dead, int partitions, const char *topic,
                                     int count) {
    raw_writer *w = raw_writer_open(NULL);
    for (int i = 0; i < count; i++) {
        char value[40];
        snprintf(value, sizeof value, "{\"id\":%d}", i);
        write_letter(w, dead, (letter){.topic = topic, .value = value, .to = i % partitions});
    }
    raw_writer_close(w);
}

/* How often each of {"id":0} ... is in the topic's partitions; freed with free(). */
static inline int *times_of_ids(const char *topic, int partitions, int ids) {
    int count;
    int *times = calloc((size_t)ids, sizeof *times);
    raw_record *records = topic_read(&count, topic, partitions);
    for (int i = 0; i < count; i++) {
        int id = -1;
        assert_int_equal(sscanf(records[i].value, "{\"id\":%d", &id), 1);
        assert_in_range(id, 0, ids - 1);
        times[id]++;
    }
    records_free(records, count);
    return times;
}

static inline void must_have_each_once(const char *topic, int partitions, int ids) {
    int *times = times_of_ids(topic, partitions, ids);
    for (int id = 0; id < ids; id++)
        assert_int_equal(times[id], 1);
    free(times);
}

/* A started system on the real Kafka that has nothing but the connection. */
static inline kca_system *bare_system(void) {
    kca_system *s = system_on(listener("PLAINTEXT"));
    start(s);
    return s;
}

#endif
