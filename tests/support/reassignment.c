/* AlterPartitionReassignments (key 45, version 0), which librdkafka has no call for. */
#include "nodes.h"

#include "behaviour.h"
#include "cluster.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { KEY = 45, TRY_MS = 20000, ANSWER_S = 5, MOST_NODES = 16 };

typedef struct request {
    unsigned char bytes[400];
    size_t len;
} request;

static void put(request *r, const void *bytes, size_t len) {
    assert_true(r->len + len <= sizeof r->bytes);
    memcpy(r->bytes + r->len, bytes, len);
    r->len += len;
}

static void put_byte(request *r, int value) {
    assert_in_range(value, 0, 127); /* more would be a longer varint */
    put(r, &(unsigned char){(unsigned char)value}, 1);
}

static void put_int16(request *r, int value) {
    put(r, &(uint16_t){htons((uint16_t)value)}, 2);
}

static void put_int32(request *r, int value) {
    put(r, &(uint32_t){htonl((uint32_t)value)}, 4);
}

/* Compact lengths are one more; each structure ends with its number of tagged fields. */
static void write_request(request *r, const char *topic, int partition, const int *replicas,
                          int count) {
    r->len = 4;
    put_int16(r, KEY);
    put_int16(r, 0);
    put_int32(r, 1);
    put_int16(r, -1); /* no client id */
    put_byte(r, 0);
    put_int32(r, TRY_MS);
    put_byte(r, 1 + 1);
    put_byte(r, (int)strlen(topic) + 1);
    put(r, topic, strlen(topic));
    put_byte(r, 1 + 1);
    put_int32(r, partition);
    put_byte(r, count + 1);
    for (int i = 0; i < count; i++)
        put_int32(r, replicas[i]);
    put(r, "\0\0\0", 3);
    uint32_t len = htonl((uint32_t)r->len - 4);
    memcpy(r->bytes, &len, 4);
}

/* The error code at the head of the answer; -1: the node does not answer. */
static int ask_node(int port, const request *r) {
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = ANSWER_S};
    unsigned char answer[4 + 4 + 1 + 4 + 2]; /* length, correlation, tags, throttle time, error */
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    int error = -1;
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0 &&
        send(fd, r->bytes, r->len, MSG_NOSIGNAL) == (ssize_t)r->len &&
        recv(fd, answer, sizeof answer, MSG_WAITALL) == sizeof answer)
        error = answer[13] << 8 | answer[14];
    close(fd);
    return error;
}

typedef struct wish {
    const char *topic;
    int partition, leader, replicas;
    request request;
} wish;

/* Any node passes it on to the one in charge; while there is none, it has to be asked again. */
static int is_taken(void *argument) {
    wish *w = argument;
    for (const char *at = listener("PLAINTEXT"); (at = strchr(at, ':')); at++)
        if (ask_node(atoi(at + 1), &w->request) == 0)
            return 1;
    return 0;
}

static int has_come_true(void *argument) {
    const wish *w = argument;
    const struct rd_kafka_metadata *answer = NULL;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(cluster_client(), w->topic, NULL);
    int has = 0;
    if (rd_kafka_metadata(cluster_client(), 0, handle, &answer, 2000) == 0) {
        for (int i = 0; i < answer->topics[0].partition_cnt; i++) {
            const struct rd_kafka_metadata_partition *p = &answer->topics[0].partitions[i];
            has |= p->id == w->partition && p->leader == w->leader && p->isr_cnt == w->replicas;
        }
        rd_kafka_metadata_destroy(answer);
    }
    rd_kafka_topic_destroy(handle);
    return has;
}

static void have_replicas(const char *topic, int partition, const int *nodes, int count) {
    wish w = {.topic = topic, .partition = partition, .leader = nodes[0], .replicas = count};
    write_request(&w.request, topic, partition, nodes, count);
    must_become(is_taken, &w, TRY_MS, "the reassignment is taken");
    must_become(has_come_true, &w, TRY_MS, "the reassignment has come true");
}

/* Who is no replica any more cannot lead: the first of the others does. Then it may come back. */
void partition_move(const char *topic, int partition, int to_node) {
    int leader = partition_leader(topic, partition);
    int nodes[MOST_NODES] = {to_node}, count = 1;
    assert_int_not_equal(leader, to_node);
    for (int node = 1; node <= node_count(); node++)
        if (node != to_node && node != leader)
            nodes[count++] = node;
    have_replicas(topic, partition, nodes, count);
    nodes[count++] = leader;
    have_replicas(topic, partition, nodes, count);
}
