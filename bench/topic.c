/*
 * Makes or deletes a topic of the benchmark: topic BROKERS create|delete NAME [PARTITIONS]
 */
#include "raw_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIMEOUT_MS = 30000 };

static void create(rd_kafka_t *rk, rd_kafka_queue_t *queue, const char *name, int partitions) {
    char reason[256];
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(name, partitions, 1, reason, sizeof reason);
    if (!topic)
        die("topic %s: %s", name, reason);
    rd_kafka_CreateTopics(rk, &topic, 1, NULL, queue);
    rd_kafka_NewTopic_destroy(topic);
}

static void delete (rd_kafka_t *rk, rd_kafka_queue_t *queue, const char *name) {
    rd_kafka_DeleteTopic_t *topic = rd_kafka_DeleteTopic_new(name);
    rd_kafka_DeleteTopics(rk, &topic, 1, NULL, queue);
    rd_kafka_DeleteTopic_destroy(topic);
}

/* The broker's answer for the one topic; a failure of the whole request counts as well. */
static rd_kafka_resp_err_t answer(rd_kafka_event_t *event) {
    size_t count = 0;
    const rd_kafka_topic_result_t **results = NULL;
    rd_kafka_resp_err_t err = rd_kafka_event_error(event);
    if (err)
        return err;
    if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_CREATETOPICS_RESULT)
        results =
            rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
    else
        results =
            rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event), &count);
    return count ? rd_kafka_topic_result_error(results[0]) : RD_KAFKA_RESP_ERR_UNKNOWN;
}

int main(int argc, char **argv) {
    if (argc < 4 || (strcmp(argv[2], "create") && strcmp(argv[2], "delete")))
        die("usage: %s BROKERS create|delete NAME [PARTITIONS]", argv[0]);
    options o = {.brokers = argv[1]};
    rd_kafka_t *rk = raw_client_new(RD_KAFKA_PRODUCER, raw_conf_new(&o));
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    if (!strcmp(argv[2], "create"))
        create(rk, queue, argv[3], argc > 4 ? atoi(argv[4]) : 3);
    else
        delete (rk, queue, argv[3]);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, TIMEOUT_MS);
    if (!event)
        die("topic %s: no answer from %s", argv[3], argv[1]);
    rd_kafka_resp_err_t err = answer(event);
    if (err)
        die("topic %s: %s", argv[3], rd_kafka_err2str(err));
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(rk);
    return 0;
}
