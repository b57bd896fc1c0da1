#include "cluster.h"

#include "behaviour.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATIENCE_MS = 100000, ASK_MS = 5000, SET_MS = 100000 };

static const char *environment(const char *name) {
    const char *value = getenv(name);
    if (!value || !*value)
        fail_msg("%s is not set: these tests need a broker; run tests/run, or tests/broker/kafka "
                 "start and eval \"$(tests/broker/kafka env)\"",
                 name);
    return value;
}

const char *listener(const char *name) {
    char variable[60];
    snprintf(variable, sizeof variable, "KCA_BROKER_%s", name);
    return environment(variable);
}

const char *certificate_file(const char *name) {
    enum { MOST = 64, LONGEST = 400 };
    static char paths[MOST][LONGEST];
    static int used;
    assert_true(used < MOST);
    snprintf(paths[used], LONGEST, "%s/%s", environment("KCA_CERTS"), name);
    if (access(paths[used], R_OK) != 0)
        fail_msg("%s is not there", paths[used]);
    return paths[used++];
}

char *text_of(const char *path) {
    FILE *file = fopen(path, "r");
    if (!file)
        fail_msg("%s cannot be read", path);
    char *text = calloc(1, 65536);
    assert_non_null(text);
    assert_true(fread(text, 1, 65535, file) > 0);
    fclose(file);
    return text;
}

void cluster_do(const char *words) {
    char command[1000];
    snprintf(command, sizeof command, "timeout 400 '%s' %s >/dev/null", environment("KCA_KAFKA"),
             words);
    if (system(command) != 0)
        fail_msg("%s did not work", command);
}

/* ---- clients: one to ask, for the life of the process ---- */

static void set(rd_kafka_conf_t *conf, const char *name, const char *value) {
    char reason[300];
    if (rd_kafka_conf_set(conf, name, value, reason, sizeof reason) != RD_KAFKA_CONF_OK)
        fail_msg("%s", reason);
}

static rd_kafka_t *open_client(rd_kafka_type_t type, rd_kafka_conf_t *conf) {
    char reason[300];
    set(conf, "bootstrap.servers", listener("PLAINTEXT"));
    set(conf, "reconnect.backoff.max.ms", "500");
    set(conf, "log_level", "0");
    rd_kafka_t *rk = rd_kafka_new(type, conf, reason, sizeof reason);
    if (!rk)
        fail_msg("%s", reason);
    return rk;
}

rd_kafka_t *cluster_client(void) {
    static rd_kafka_t *rk;
    static pid_t owner;
    if (!rk || owner != getpid())
        rk = open_client(RD_KAFKA_PRODUCER, rd_kafka_conf_new());
    owner = getpid();
    return rk;
}

static void check(rd_kafka_resp_err_t err, const char *what, const char *topic) {
    if (err)
        fail_msg("%s %s: %s", what, topic, rd_kafka_err2str(err));
}

/* ---- topics ---- */

static rd_kafka_event_t *wait_for_answer(rd_kafka_queue_t *queue, const char *what,
                                         const char *topic) {
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, PATIENCE_MS);
    if (!event)
        fail_msg("%s %s: no answer", what, topic);
    check(rd_kafka_event_error(event), what, topic);
    rd_kafka_queue_destroy(queue);
    return event;
}

typedef struct growth {
    const char *topic;
    int partitions;
} growth;

static int has_partitions(void *argument) {
    growth *wanted = argument;
    const struct rd_kafka_metadata *answer;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(cluster_client(), wanted->topic, NULL);
    bool has = false;
    if (rd_kafka_metadata(cluster_client(), 0, handle, &answer, 1000) ==
        RD_KAFKA_RESP_ERR_NO_ERROR) {
        has = !answer->topics[0].err && answer->topics[0].partition_cnt == wanted->partitions;
        for (int i = 0; has && i < wanted->partitions; i++)
            has = answer->topics[0].partitions[i].leader >= 0;
        rd_kafka_metadata_destroy(answer);
    }
    rd_kafka_topic_destroy(handle);
    return has;
}

void topic_create(const char *topic, int partitions) {
    topic_create_with(topic, partitions, NULL, NULL);
}

void topic_create_with(const char *topic, int partitions, const char *setting, const char *value) {
    char reason[300];
    rd_kafka_NewTopic_t *wish = rd_kafka_NewTopic_new(topic, partitions, -1, reason, sizeof reason);
    assert_non_null(wish);
    if (setting)
        check(rd_kafka_NewTopic_set_config(wish, setting, value), setting, topic);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(cluster_client());
    rd_kafka_CreateTopics(cluster_client(), &wish, 1, NULL, queue);
    rd_kafka_event_t *answer = wait_for_answer(queue, "create", topic);
    size_t count;
    const rd_kafka_topic_result_t **results =
        rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(answer), &count);
    check(rd_kafka_topic_result_error(results[0]), "create", topic);
    rd_kafka_event_destroy(answer);
    rd_kafka_NewTopic_destroy(wish);
    must_become(has_partitions, &(growth){topic, partitions}, PATIENCE_MS, "the topic is there");
}

void topic_grow(const char *topic, int partitions) {
    char reason[300];
    rd_kafka_NewPartitions_t *wish =
        rd_kafka_NewPartitions_new(topic, (size_t)partitions, reason, sizeof reason);
    assert_non_null(wish);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(cluster_client());
    rd_kafka_CreatePartitions(cluster_client(), &wish, 1, NULL, queue);
    rd_kafka_event_destroy(wait_for_answer(queue, "grow", topic));
    rd_kafka_NewPartitions_destroy(wish);
    must_become(has_partitions, &(growth){topic, partitions}, PATIENCE_MS, "the topic has grown");
}

typedef struct change {
    const char *topic, *setting, *value;
    rd_kafka_resp_err_t err;
} change;

static rd_kafka_resp_err_t result_of(rd_kafka_event_t *answer) {
    size_t count;
    if (rd_kafka_event_error(answer))
        return rd_kafka_event_error(answer);
    return rd_kafka_ConfigResource_error(rd_kafka_AlterConfigs_result_resources(
        rd_kafka_event_AlterConfigs_result(answer), &count)[0]);
}

/* A client of its own each time: one that has been asking a node which is frozen goes on with it.
 */
static int is_set(void *argument) {
    change *c = argument;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "api.version.request.timeout.ms", "1000");
    rd_kafka_t *rk = open_client(RD_KAFKA_PRODUCER, conf);
    rd_kafka_ConfigResource_t *wish =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, c->topic);
    assert_non_null(wish);
    check(rd_kafka_ConfigResource_set_config(wish, c->setting, c->value), c->setting, c->topic);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_AlterConfigs(rk, &wish, 1, NULL, queue);
    rd_kafka_event_t *answer = rd_kafka_queue_poll(queue, ASK_MS);
    c->err = answer ? result_of(answer) : RD_KAFKA_RESP_ERR__TIMED_OUT;
    if (answer)
        rd_kafka_event_destroy(answer);
    rd_kafka_queue_destroy(queue);
    rd_kafka_ConfigResource_destroy(wish);
    rd_kafka_destroy(rk);
    return !c->err;
}

void topic_set(const char *topic, const char *setting, const char *value) {
    change c = {.topic = topic, .setting = setting, .value = value};
    if (!wait_until(is_set, &c, SET_MS))
        check(c.err, "set", topic);
}

void topic_delete(const char *topic) {
    rd_kafka_DeleteTopic_t *wish = rd_kafka_DeleteTopic_new(topic);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(cluster_client());
    rd_kafka_DeleteTopics(cluster_client(), &wish, 1, NULL, queue);
    rd_kafka_event_t *answer = wait_for_answer(queue, "delete", topic);
    size_t count;
    const rd_kafka_topic_result_t **results =
        rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(answer), &count);
    check(rd_kafka_topic_result_error(results[0]), "delete", topic);
    rd_kafka_event_destroy(answer);
    rd_kafka_DeleteTopic_destroy(wish);
}

/* Asks for all topics: a question for this one would make it anew. */
static int is_gone(void *argument) {
    const char *topic = argument;
    const struct rd_kafka_metadata *answer;
    if (rd_kafka_metadata(cluster_client(), 1, NULL, &answer, 1000) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return false;
    bool gone = true;
    for (int i = 0; i < answer->topic_cnt; i++)
        gone &= strcmp(answer->topics[i].topic, topic) != 0;
    rd_kafka_metadata_destroy(answer);
    return gone;
}

void topic_must_be_gone(const char *topic) {
    must_become(is_gone, (void *)(uintptr_t)topic, PATIENCE_MS, "the topic is gone");
}

void topic_trim(const char *topic, int partition, int64_t before) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = before;
    rd_kafka_DeleteRecords_t *wish = rd_kafka_DeleteRecords_new(list);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(cluster_client());
    rd_kafka_DeleteRecords(cluster_client(), &wish, 1, NULL, queue);
    rd_kafka_event_t *answer = wait_for_answer(queue, "trim", topic);
    check(rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(answer))
              ->elems[0]
              .err,
          "trim", topic);
    rd_kafka_event_destroy(answer);
    rd_kafka_DeleteRecords_destroy(wish);
    rd_kafka_topic_partition_list_destroy(list);
}

typedef struct end_of {
    const char *topic;
    int partition;
    int64_t low, high;
    rd_kafka_resp_err_t err;
} end_of;

/* A broker that has just come back does not know its partitions yet. */
static int knows_end(void *argument) {
    end_of *e = argument;
    e->err = rd_kafka_query_watermark_offsets(cluster_client(), e->topic, e->partition, &e->low,
                                              &e->high, PATIENCE_MS);
    return !e->err;
}

int64_t topic_end(const char *topic, int partition) {
    end_of e = {.topic = topic, .partition = partition};
    if (!wait_until(knows_end, &e, PATIENCE_MS))
        check(e.err, "end of", topic);
    return e.high;
}

int64_t topic_count(const char *topic, int partitions) {
    int64_t count = 0;
    for (int i = 0; i < partitions; i++)
        count += topic_end(topic, i);
    return count;
}

int64_t topic_bytes(const char *topic, int partition) {
    char path[600];
    struct stat about;
    snprintf(path, sizeof path, "%s/node-1/data/%s-%d/00000000000000000000.log",
             environment("KCA_KAFKA_DIR"), topic, partition);
    if (stat(path, &about) != 0)
        fail_msg("%s is not there", path);
    return about.st_size;
}
