/*
 * The description of a cluster. A client of its own asks. The client is a consumer, because a
 * group's committed offsets are asked for in the group's name, but it joins no group. It first asks
 * what there is, then for all offsets; only then is the description written, so that it shows one
 * moment, as far as that is possible in a cluster.
 */
#include "connection/cluster_description.h"

#include "base/clock.h"
#include "connection/cluster_group.h"
#include "kafka/ask.h"
#include "kafka/kafka_error.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SLICE_MS = 500, /* of one question, so that a stop or an interrupt is seen soon */
    COMMITTED_SLICE_MS = 50,
    COURTESY_MS = 2000 /* longest wait for the group's members, which may be left out */
};

typedef struct asking {
    kca_connection *connection;
    kca__client *client;
    const char *topic; /* NULL: all */
    const char *group; /* NULL: none */
    const atomic_bool *closing;
    int64_t deadline;
    char who[300]; /* "connection kafka", as error texts begin */

    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_partition_list_t *begins, *ends, *committed; /* the last NULL: no group */
    cJSON *told_group;                                          /* NULL: no group */
} asking;

/* ---- questions ---- */

static bool may_pass(rd_kafka_resp_err_t err) {
    switch (err) {
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
        return false;
    default:
        return true;
    }
}

static kca_error *refused(asking *a, rd_kafka_resp_err_t err, const char *what, const char *name) {
    char trouble[512];
    kca__client_trouble(a->client, trouble);
    bool missing = kca__error_is_missing_topic(err);
    int code = missing         ? KCA_ERROR_NOT_FOUND
               : may_pass(err) ? KCA_ERROR_TIMEOUT
                               : KCA_ERROR_AUTHORIZATION;
    if (atomic_load(a->closing))
        code = KCA_ERROR_STOPPED;
    return kca__error_from_kafka(code, err, code == KCA_ERROR_TIMEOUT ? KCA__RETRIABLE : 0,
                                 "%s: %s%s: %s%s%s%s", a->who, what, name,
                                 missing                     ? "it does not exist"
                                 : code == KCA_ERROR_STOPPED ? "the system shuts down"
                                                             : rd_kafka_err2str(err),
                                 *trouble ? " (" : "", trouble, *trouble ? ")" : "");
}

static kca_error *ask(asking *a, kca__question question, void *about, int slice_ms,
                      const char *what, const char *name) {
    const kca__asking how = {.rk = a->client->rk,
                             .deadline = a->deadline,
                             .closing = a->closing,
                             .slice_ms = slice_ms,
                             .may_pass = may_pass};
    rd_kafka_resp_err_t err;
    return kca__ask(&err, &how, question, about) == KCA__ASK_ANSWERED ? NULL
                                                                      : refused(a, err, what, name);
}

static rd_kafka_resp_err_t ask_metadata(rd_kafka_t *rk, void *about, int timeout_ms) {
    asking *a = about;
    rd_kafka_topic_t *only = a->topic ? rd_kafka_topic_new(rk, a->topic, NULL) : NULL;
    if (a->topic && !only)
        return rd_kafka_last_error();
    rd_kafka_resp_err_t err = rd_kafka_metadata(rk, !only, only, &a->metadata, timeout_ms);
    if (only)
        rd_kafka_topic_destroy(only);
    if (err)
        return err;
    err = a->topic ? a->metadata->topics[0].err : RD_KAFKA_RESP_ERR_NO_ERROR;
    if (err) {
        rd_kafka_metadata_destroy(a->metadata);
        a->metadata = NULL;
    }
    return err;
}

/* The broker takes beginning and end for times. An offset that it does not give stays as it is:
 * below 0. */
static rd_kafka_resp_err_t ask_bounds(rd_kafka_t *rk, void *about, int timeout_ms) {
    return rd_kafka_offsets_for_times(rk, about, timeout_ms);
}

/* All partitions that there are, with this offset. */
static rd_kafka_topic_partition_list_t *partitions(const asking *a, int64_t offset) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);
    for (int i = 0; i < a->metadata->topic_cnt; i++) {
        const struct rd_kafka_metadata_topic *t = &a->metadata->topics[i];
        for (int p = 0; p < t->partition_cnt && !t->err; p++)
            rd_kafka_topic_partition_list_add(list, t->topic, t->partitions[p].id)->offset = offset;
    }
    return list;
}

static kca_error *ask_group(asking *a) {
    a->committed = partitions(a, RD_KAFKA_OFFSET_INVALID);
    kca_error *e = a->committed->cnt > 0 ? ask(a, kca__ask_committed, a->committed,
                                               COMMITTED_SLICE_MS, "offsets of group ", a->group)
                                         : NULL;
    /* A failure to list the group's members is no error: not everyone may ask for them, and not
     * every broker answers. */
    int left = kca__clock_left_ms(a->deadline);
    int courtesy = left < 0 || left > COURTESY_MS ? COURTESY_MS : left;
    if (!e)
        a->told_group = kca__cluster_group_ask(a->client->rk, a->group, courtesy);
    return e;
}

static kca_error *ask_all(asking *a) {
    kca_error *e = ask(a, ask_metadata, a, SLICE_MS, a->topic ? "topic " : "the cluster's topics",
                       a->topic ? a->topic : "");
    if (e)
        return e;
    a->begins = partitions(a, RD_KAFKA_OFFSET_BEGINNING);
    a->ends = partitions(a, RD_KAFKA_OFFSET_END);
    if (a->begins->cnt > 0)
        e = ask(a, ask_bounds, a->begins, SLICE_MS, "first offsets", "");
    if (!e && a->ends->cnt > 0)
        e = ask(a, ask_bounds, a->ends, SLICE_MS, "last offsets", "");
    return e || !a->group ? e : ask_group(a);
}

/* ---- answers ---- */

static int64_t offset_of(const rd_kafka_topic_partition_list_t *list, const char *topic,
                         int number) {
    const rd_kafka_topic_partition_t *p =
        list ? rd_kafka_topic_partition_list_find(
                   (rd_kafka_topic_partition_list_t *)(uintptr_t)list, topic, number)
             : NULL;
    return p && !p->err && p->offset >= 0 ? p->offset : -1;
}

static void add_offset(cJSON *o, const char *name, int64_t offset) {
    if (offset >= 0)
        cJSON_AddNumberToObject(o, name, (double)offset);
    else
        cJSON_AddNullToObject(o, name);
}

/* The lag, from where the group would go on to the end. Without a committed offset its members'
 * settings decide where that is, so the lag is not known. */
static void add_offsets(const asking *a, cJSON *o, const char *topic, int number) {
    int64_t begin = offset_of(a->begins, topic, number), end = offset_of(a->ends, topic, number);
    add_offset(o, "begin", begin);
    add_offset(o, "end", end);
    if (!a->group)
        return;
    int64_t committed = offset_of(a->committed, topic, number);
    int64_t at = committed < begin ? begin : committed;
    add_offset(o, "committed", committed);
    add_offset(o, "lag", committed < 0 || end < 0 ? -1 : end > at ? end - at : 0);
}

static void add_partition(const asking *a, cJSON *list, const char *topic,
                          const struct rd_kafka_metadata_partition *p) {
    cJSON *o = cJSON_CreateObject();
    cJSON_AddItemToArray(list, o);
    cJSON_AddNumberToObject(o, "partition", p->id);
    cJSON_AddNumberToObject(o, "leader", p->leader);
    cJSON_AddItemToObject(o, "replicas", cJSON_CreateIntArray(p->replicas, p->replica_cnt));
    cJSON_AddItemToObject(o, "in_sync", cJSON_CreateIntArray(p->isrs, p->isr_cnt));
    add_offsets(a, o, topic, p->id);
}

/* Of all topics, only those that the group has committed offsets of. */
static bool is_wanted(const asking *a, const struct rd_kafka_metadata_topic *t) {
    for (int i = 0; i < t->partition_cnt && a->group && !a->topic; i++)
        if (offset_of(a->committed, t->topic, t->partitions[i].id) >= 0)
            return true;
    return !a->group || a->topic;
}

static void add_topics(const asking *a, cJSON *list) {
    for (int i = 0; i < a->metadata->topic_cnt; i++) {
        const struct rd_kafka_metadata_topic *t = &a->metadata->topics[i];
        if (!is_wanted(a, t))
            continue;
        cJSON *o = cJSON_CreateObject();
        cJSON_AddItemToArray(list, o);
        cJSON_AddStringToObject(o, "name", t->topic);
        if (t->err)
            cJSON_AddStringToObject(o, "error", rd_kafka_err2str(t->err));
        cJSON *all = cJSON_AddArrayToObject(o, "partitions");
        for (int p = 0; p < t->partition_cnt; p++)
            add_partition(a, all, t->topic, &t->partitions[p]);
    }
}

static void add_brokers(const asking *a, cJSON *list) {
    for (int i = 0; i < a->metadata->broker_cnt; i++) {
        const struct rd_kafka_metadata_broker *b = &a->metadata->brokers[i];
        cJSON *o = cJSON_CreateObject();
        cJSON_AddItemToArray(list, o);
        cJSON_AddNumberToObject(o, "id", b->id);
        cJSON_AddStringToObject(o, "host", b->host);
        cJSON_AddNumberToObject(o, "port", b->port);
    }
}

static char *write(const asking *a) {
    cJSON *root = cJSON_CreateObject();
    char *id = rd_kafka_clusterid(a->client->rk, 0);
    cJSON_AddStringToObject(root, "connection", a->connection->name);
    if (id)
        cJSON_AddStringToObject(root, "cluster_id", id);
    else
        cJSON_AddNullToObject(root, "cluster_id");
    add_offset(root, "controller", rd_kafka_controllerid(a->client->rk, 0));
    add_brokers(a, cJSON_AddArrayToObject(root, "brokers"));
    add_topics(a, cJSON_AddArrayToObject(root, "topics"));
    if (a->told_group)
        cJSON_AddItemReferenceToObject(root, "group", a->told_group);
    char *text = cJSON_PrintUnformatted(root);
    cJSON_Delete(root);
    if (id)
        rd_kafka_mem_free(a->client->rk, id);
    return text;
}

/* ---- life ---- */

static kca_error *open_client(asking *a, kca__log *log) {
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    kca_error *e = kca__connection_configure(a->connection, conf, false, a->who);
    if (!e)
        e = kca__property_apply(conf, a->who, "allow.auto.create.topics", "false");
    if (!e && a->group)
        e = kca__property_apply(conf, a->who, "group.id", a->group);
    if (e) {
        rd_kafka_conf_destroy(conf);
        return e;
    }
    e = kca__client_open(&a->client, RD_KAFKA_CONSUMER, conf, a->connection->name, a->who, log,
                         NULL);
    if (!e)
        rd_kafka_poll_set_consumer(a->client->rk);
    return e;
}

static void close_all(asking *a) {
    rd_kafka_topic_partition_list_t *const lists[] = {a->begins, a->ends, a->committed};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        if (lists[i])
            rd_kafka_topic_partition_list_destroy(lists[i]);
    if (a->metadata)
        rd_kafka_metadata_destroy(a->metadata);
    cJSON_Delete(a->told_group);
    kca__client_close(a->client);
}

kca_error *kca__cluster_describe(char **out, kca_connection *c, kca__log *log, const char *topic,
                                 const char *group, const atomic_bool *closing, int64_t deadline) {
    asking a = {
        .connection = c, .topic = topic, .group = group, .closing = closing, .deadline = deadline};
    snprintf(a.who, sizeof a.who, "connection %s", c->name);
    kca_error *e = open_client(&a, log);
    if (!e)
        e = ask_all(&a);
    *out = e ? NULL : write(&a);
    close_all(&a);
    return e || *out ? e : kca__error_memory();
}
