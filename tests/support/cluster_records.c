/* Reading and writing records from outside. */
#include "behaviour.h"
#include "cluster.h"

#include <stdio.h>

/* A node that is frozen holds a write up until the cluster has put it out. */
enum { PATIENCE_MS = 20000, FLUSH_MS = 60000 };

static void set(rd_kafka_conf_t *conf, const char *name, const char *value) {
    char reason[300];
    if (rd_kafka_conf_set(conf, name, value, reason, sizeof reason) != RD_KAFKA_CONF_OK)
        fail_msg("%s", reason);
}

static char *copy(const void *data, size_t len) {
    char *text = malloc(len + 1);
    assert_non_null(text);
    if (len)
        memcpy(text, data, len);
    text[len] = '\0';
    return text;
}

static void take(raw_record *out, const rd_kafka_message_t *m) {
    rd_kafka_headers_t *headers;
    *out = (raw_record){.partition = m->partition,
                        .offset = m->offset,
                        .timestamp_ms = rd_kafka_message_timestamp(m, NULL),
                        .key = m->key ? copy(m->key, m->key_len) : NULL,
                        .key_len = m->key_len,
                        .value = m->payload ? copy(m->payload, m->len) : NULL,
                        .value_len = m->len};
    if (rd_kafka_message_headers(m, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    size_t count = rd_kafka_header_cnt(headers);
    assert_true(count <= sizeof out->headers / sizeof *out->headers);
    for (size_t i = 0; i < count; i++) {
        const char *name;
        const void *value;
        size_t len;
        rd_kafka_header_get_all(headers, i, &name, &value, &len);
        out->headers[i].name = copy(name, strlen(name));
        out->headers[i].value = value ? copy(value, len) : NULL;
        out->headers[i].value_len = len;
    }
    out->header_count = (int)count;
}

static rd_kafka_t *open_reader(void) {
    char reason[300];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", listener("PLAINTEXT"));
    set(conf, "group.id", "kca-tests-outside");
    set(conf, "enable.auto.commit", "false");
    set(conf, "enable.partition.eof", "true");
    set(conf, "fetch.wait.max.ms", "20"); /* the end is told of when nothing came within it */
    set(conf, "auto.offset.reset", "earliest");
    set(conf, "log_level", "0");
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof reason);
    if (!rk)
        fail_msg("%s", reason);
    return rk;
}

typedef struct reading {
    raw_record *records;
    int count, room;
} reading;

static raw_record *room_for_one(reading *r) {
    if (r->count == r->room) {
        r->room = 2 * r->room + 100;
        r->records = realloc(r->records, (size_t)r->room * sizeof *r->records);
        assert_non_null(r->records);
    }
    return &r->records[r->count++];
}

/* To its end, which librdkafka tells of. Asked for it, a client waits without end for a node that
 * is gone. */
static void read_partition(reading *r, rd_kafka_t *rk, const char *topic, int partition) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = 0;
    rd_kafka_assign(rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    for (bool at_end = false; !at_end;) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, PATIENCE_MS);
        if (!m)
            fail_msg("%s[%d]: neither record %d nor the end comes", topic, partition, r->count);
        at_end = m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
        if (m->err && !at_end)
            fail_msg("%s[%d]: %s", topic, partition, rd_kafka_message_errstr(m));
        if (!at_end)
            take(room_for_one(r), m);
        rd_kafka_message_destroy(m);
    }
    rd_kafka_assign(rk, NULL);
}

raw_record *topic_read(int *out_count, const char *topic, int partitions) {
    rd_kafka_t *rk = open_reader();
    reading r = {0};
    for (int i = 0; i < partitions; i++)
        read_partition(&r, rk, topic, i);
    rd_kafka_destroy(rk);
    *out_count = r.count;
    return r.records;
}

void records_free(raw_record *records, int count) {
    for (int i = 0; i < count; i++) {
        free(records[i].key);
        free(records[i].value);
        for (int h = 0; h < records[i].header_count; h++) {
            free(records[i].headers[h].name);
            free(records[i].headers[h].value);
        }
    }
    free(records);
}

const char *record_header(const raw_record *r, const char *name) {
    for (int i = r->header_count - 1; i >= 0; i--)
        if (strcmp(r->headers[i].name, name) == 0)
            return r->headers[i].value;
    return NULL;
}

/* ---- writing ---- */

struct raw_writer {
    rd_kafka_t *rk;
};

raw_writer *raw_writer_open(const char *transactional_id) {
    char reason[300];
    raw_writer *w = calloc(1, sizeof *w);
    assert_non_null(w);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", listener("PLAINTEXT"));
    set(conf, "linger.ms", "5");
    set(conf, "log_level", "0");
    set(conf, "partitioner", "murmur2_random");
    /* Without it, a batch that is retried (a new topic's leader is not there yet) changes places.
     */
    set(conf, "enable.idempotence", "true");
    if (transactional_id)
        set(conf, "transactional.id", transactional_id);
    w->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    if (!w->rk)
        fail_msg("%s", reason);
    return w;
}

void raw_write(raw_writer *w, const char *topic, int partition, const char *route, const char *key,
               const char *value) {
    rd_kafka_resp_err_t err = rd_kafka_producev(
        w->rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY | RD_KAFKA_MSG_F_BLOCK),
        RD_KAFKA_V_KEY(key, (key ? strlen(key) : 0)),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)value, (value ? strlen(value) : 0)),
        RD_KAFKA_V_HEADER("route", (route ? route : "thing"), -1), RD_KAFKA_V_END);
    if (err)
        fail_msg("%s: %s", topic, rd_kafka_err2str(err));
}

void raw_write_headers(raw_writer *w, const char *topic, const char *key, const char *value,
                       const char *const (*headers)[2], int count) {
    rd_kafka_headers_t *list = rd_kafka_headers_new((size_t)count);
    for (int i = 0; i < count; i++)
        rd_kafka_header_add(list, headers[i][0], -1, headers[i][1], -1);
    rd_kafka_resp_err_t err =
        rd_kafka_producev(w->rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                          RD_KAFKA_V_KEY(key, (key ? strlen(key) : 0)),
                          RD_KAFKA_V_VALUE((void *)(uintptr_t)value, (value ? strlen(value) : 0)),
                          RD_KAFKA_V_HEADERS(list), RD_KAFKA_V_END);
    if (err)
        fail_msg("%s: %s", topic, rd_kafka_err2str(err));
}

void raw_write_bytes(raw_writer *w, const char *topic, const void *key, size_t key_len,
                     const void *value, size_t value_len, rd_kafka_headers_t *headers) {
    rd_kafka_resp_err_t err = rd_kafka_producev(
        w->rk, RD_KAFKA_V_TOPIC(topic),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY | RD_KAFKA_MSG_F_BLOCK),
        RD_KAFKA_V_KEY(key, key_len), RD_KAFKA_V_VALUE((void *)(uintptr_t)value, value_len),
        RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
    if (err)
        fail_msg("%s: %s", topic, rd_kafka_err2str(err));
}

rd_kafka_t *raw_writer_client(raw_writer *w) {
    return w->rk;
}

void raw_writer_close(raw_writer *w) {
    rd_kafka_resp_err_t err = rd_kafka_flush(w->rk, FLUSH_MS);
    if (err)
        fail_msg("writing from outside: %s", rd_kafka_err2str(err));
    rd_kafka_destroy(w->rk);
    free(w);
}

void topic_fill(const char *topic, int partition, int count, int keys) {
    raw_writer *w = raw_writer_open(NULL);
    for (int i = 0; i < count; i++) {
        char key[20], value[40];
        snprintf(key, sizeof key, "k%d", keys ? i % keys : 0);
        snprintf(value, sizeof value, "{\"id\":%d}", i);
        raw_write(w, topic, partition, NULL, keys ? key : NULL, value);
    }
    raw_writer_close(w);
}
