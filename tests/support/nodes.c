#include "nodes.h"

#include "behaviour.h"
#include "cluster.h"

#include <stdio.h>

enum { PATIENCE_MS = 30000, ASK_MS = 2000 };

int node_count(void) {
    int count = 1;
    for (const char *at = listener("PLAINTEXT"); (at = strchr(at, ',')); at++)
        count++;
    return count;
}

static void do_to(const char *what, int node) {
    char words[40];
    snprintf(words, sizeof words, "%s %d", what, node);
    cluster_do(words);
}

void node_kill(int node) {
    do_to("kill", node);
}

void node_restart(int node) {
    do_to("restart-node", node);
}

void node_pause(int node) {
    do_to("pause", node);
}

void node_continue(int node) {
    do_to("cont", node);
}

void nodes_heal(void) {
    cluster_do("heal");
}

/* ---- who leads ---- */

typedef struct place {
    const char *topic;
    int partition;
    int leader; /* wanted, or found */
} place;

/* The topic's metadata; NULL: nobody answered, or it is not there. */
static const struct rd_kafka_metadata *ask(const char *topic) {
    const struct rd_kafka_metadata *answer = NULL;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(cluster_client(), topic, NULL);
    rd_kafka_metadata(cluster_client(), 0, handle, &answer, ASK_MS);
    rd_kafka_topic_destroy(handle);
    if (answer && (answer->topic_cnt != 1 || answer->topics[0].err)) {
        rd_kafka_metadata_destroy(answer);
        answer = NULL;
    }
    return answer;
}

static int leads_now(const place *p) {
    int leader = -1;
    const struct rd_kafka_metadata *answer = ask(p->topic);
    for (int i = 0; answer && i < answer->topics[0].partition_cnt; i++)
        if (answer->topics[0].partitions[i].id == p->partition)
            leader = answer->topics[0].partitions[i].leader;
    if (answer)
        rd_kafka_metadata_destroy(answer);
    return leader;
}

static int has_leader(void *argument) {
    place *p = argument;
    p->leader = leads_now(p);
    return p->leader > 0;
}

int partition_leader(const char *topic, int partition) {
    place p = {topic, partition, -1};
    must_become(has_leader, &p, PATIENCE_MS, "the partition has a leader");
    return p.leader;
}

static int all_in_sync(void *argument) {
    const place *wanted = argument; /* partition: how many there are */
    const struct rd_kafka_metadata *answer = ask(wanted->topic);
    if (!answer)
        return 0;
    int in_sync = 0;
    for (int i = 0; i < answer->topics[0].partition_cnt; i++) {
        const struct rd_kafka_metadata_partition *p = &answer->topics[0].partitions[i];
        in_sync += p->leader > 0 && p->isr_cnt == p->replica_cnt;
    }
    rd_kafka_metadata_destroy(answer);
    return in_sync == wanted->partition;
}

void must_be_in_sync(const char *topic, int partitions) {
    must_become(all_in_sync, &(place){topic, partitions, 0}, PATIENCE_MS, "replicas are in sync");
}

/* ---- who coordinates ---- */

typedef struct seat {
    const char *group;
    int coordinator;
} seat;

static int described_coordinator(rd_kafka_event_t *answer) {
    size_t count = 0;
    const rd_kafka_ConsumerGroupDescription_t **groups =
        rd_kafka_DescribeConsumerGroups_result_groups(
            rd_kafka_event_DescribeConsumerGroups_result(answer), &count);
    if (count != 1 || rd_kafka_ConsumerGroupDescription_error(groups[0]))
        return -1;
    const rd_kafka_Node_t *node = rd_kafka_ConsumerGroupDescription_coordinator(groups[0]);
    return node ? rd_kafka_Node_id(node) : -1;
}

static int has_coordinator(void *argument) {
    seat *s = argument;
    const char *groups[] = {s->group};
    rd_kafka_queue_t *queue = rd_kafka_queue_new(cluster_client());
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(cluster_client(), RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS);
    rd_kafka_AdminOptions_set_request_timeout(options, ASK_MS, NULL, 0);
    rd_kafka_DescribeConsumerGroups(cluster_client(), groups, 1, options, queue);
    rd_kafka_event_t *answer = rd_kafka_queue_poll(queue, 2 * ASK_MS);
    s->coordinator = answer && !rd_kafka_event_error(answer) ? described_coordinator(answer) : -1;
    if (answer)
        rd_kafka_event_destroy(answer);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
    return s->coordinator > 0;
}

int group_coordinator(const char *group) {
    seat s = {group, -1};
    must_become(has_coordinator, &s, PATIENCE_MS, "the group has a coordinator");
    return s.coordinator;
}

/* ---- topics that take no writes ---- */

void topic_refuse_records(const char *topic) {
    topic_set(topic, "max.message.bytes", "1");
}

void topic_accept_records(const char *topic) {
    topic_set(topic, "max.message.bytes", "1048588");
}

void topic_create_for_all_nodes(const char *topic, int partitions) {
    char all[12];
    snprintf(all, sizeof all, "%d", node_count());
    topic_create_with(topic, partitions, "min.insync.replicas", all);
}
