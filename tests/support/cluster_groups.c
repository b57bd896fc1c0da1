/* What groups committed, seen and done from outside. */
#include "behaviour.h"
#include "cluster.h"

enum { PATIENCE_MS = 100000, ASK_MS = 5000 };

static void set(rd_kafka_conf_t *conf, const char *name, const char *value) {
    char reason[300];
    if (rd_kafka_conf_set(conf, name, value, reason, sizeof reason) != RD_KAFKA_CONF_OK)
        fail_msg("%s", reason);
}

static void check(rd_kafka_resp_err_t err, const char *what, const char *topic) {
    if (err)
        fail_msg("%s %s: %s", what, topic, rd_kafka_err2str(err));
}

/* A client of the group that does not join it. */
static rd_kafka_t *open_client(const char *group) {
    char reason[300];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", listener("PLAINTEXT"));
    set(conf, "reconnect.backoff.max.ms", "500");
    set(conf, "log_level", "0");
    set(conf, "group.id", group);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof reason);
    if (!rk)
        fail_msg("%s", reason);
    return rk;
}

/* The partitions first .. first + count - 1. */
static rd_kafka_topic_partition_list_t *list_of(const char *topic, int first, int count) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(count);
    for (int i = 0; i < count; i++)
        rd_kafka_topic_partition_list_add(list, topic, first + i);
    return list;
}

typedef struct question {
    rd_kafka_t *rk;
    rd_kafka_topic_partition_list_t *list;
    rd_kafka_resp_err_t err;
} question;

/* Not yet while the coordinator moves, or starts. */
static int is_answered(void *argument) {
    question *q = argument;
    q->err = rd_kafka_committed(q->rk, q->list, ASK_MS);
    return q->err != RD_KAFKA_RESP_ERR_NOT_COORDINATOR &&
           q->err != RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE &&
           q->err != RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS &&
           q->err != RD_KAFKA_RESP_ERR__TRANSPORT && q->err != RD_KAFKA_RESP_ERR__TIMED_OUT;
}

static rd_kafka_topic_partition_list_t *committed(const char *group, const char *topic, int first,
                                                  int count) {
    rd_kafka_t *rk = open_client(group);
    rd_kafka_topic_partition_list_t *list = list_of(topic, first, count);
    question q = {rk, list, 0};
    wait_until(is_answered, &q, PATIENCE_MS);
    check(q.err, "committed", topic);
    rd_kafka_destroy(rk);
    return list;
}

static int64_t offset_at(const rd_kafka_topic_partition_list_t *list, int index) {
    return list->elems[index].offset < 0 ? -1 : list->elems[index].offset;
}

int64_t group_committed(const char *group, const char *topic, int partition) {
    rd_kafka_topic_partition_list_t *list = committed(group, topic, partition, 1);
    int64_t offset = offset_at(list, 0);
    rd_kafka_topic_partition_list_destroy(list);
    return offset;
}

void group_committed_all(int64_t *out, const char *group, const char *topic, int partitions) {
    rd_kafka_topic_partition_list_t *list = committed(group, topic, 0, partitions);
    for (int i = 0; i < partitions; i++)
        out[i] = offset_at(list, i);
    rd_kafka_topic_partition_list_destroy(list);
}

int64_t group_committed_sum(const char *group, const char *topic, int partitions) {
    rd_kafka_topic_partition_list_t *list = committed(group, topic, 0, partitions);
    int64_t sum = 0;
    for (int i = 0; i < partitions; i++)
        sum += offset_at(list, i) > 0 ? offset_at(list, i) : 0;
    rd_kafka_topic_partition_list_destroy(list);
    return sum;
}

char *group_metadata(const char *group, const char *topic, int partition) {
    rd_kafka_topic_partition_list_t *list = committed(group, topic, partition, 1);
    const rd_kafka_topic_partition_t *p = &list->elems[0];
    char *text = strndup(p->metadata ? p->metadata : "", p->metadata_size);
    assert_non_null(text);
    rd_kafka_topic_partition_list_destroy(list);
    return text;
}

void group_commit(const char *group, const char *topic, int partition, int64_t offset,
                  const char *metadata) {
    rd_kafka_t *rk = open_client(group);
    rd_kafka_topic_partition_list_t *list = list_of(topic, partition, 1);
    rd_kafka_topic_partition_t *p = &list->elems[0];
    p->offset = offset;
    p->metadata = metadata ? strdup(metadata) : NULL; /* freed with the list */
    p->metadata_size = metadata ? strlen(metadata) : 0;
    check(rd_kafka_commit(rk, list, 0), "commit", topic);
    check(list->elems[0].err, "commit", topic);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(rk);
}
