/* Groups whose other members are not kca's, or are set up otherwise. */
#include "consuming.h"

enum { PARTITIONS = 4 };

static const char *spread(int count) {
    const char *topic = unique("shared");
    topic_create(topic, PARTITIONS);
    topic_fill(topic, -1, count, 40);
    return topic;
}

/* ---- another program's member, all of whose settings are librdkafka's defaults ---- */

static rd_kafka_t *stranger_open(const char *topic, const char *group) {
    char reason[300];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", listener("PLAINTEXT"), NULL, 0);
    rd_kafka_conf_set(conf, "group.id", group, NULL, 0);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof reason);
    assert_non_null(rk);
    rd_kafka_poll_set_consumer(rk);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, topic, RD_KAFKA_PARTITION_UA);
    assert_int_equal(rd_kafka_subscribe(rk, topics), 0);
    rd_kafka_topic_partition_list_destroy(topics);
    return rk;
}

static int has_half(void *argument) {
    rd_kafka_topic_partition_list_t *list;
    rd_kafka_message_t *m = rd_kafka_consumer_poll(argument, 10);
    if (m)
        rd_kafka_message_destroy(m);
    assert_int_equal(rd_kafka_assignment(argument, &list), 0);
    int count = list->cnt;
    rd_kafka_topic_partition_list_destroy(list);
    return count == PARTITIONS / 2;
}

static void stranger_close(rd_kafka_t *rk) {
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
}

/* With group_id "<connection>:<consumer>", and nothing else. */
static void test_a_group_is_shared_with_members_of_another_library(void **state) {
    const char *topic = spread(40), *consumer = unique("billing");
    char group[100];
    snprintf(group, sizeof group, "kafka:%s", consumer);
    rd_kafka_t *stranger = stranger_open(topic, group);
    kca_consumer_builder *b = consumer_of(topic, consumer);
    kca_consumer_builder_with_group_id(b, group);
    consuming c = consume(topic, consumer, b);
    runner r;
    runner_start(&r, c.consumer);
    must_become(has_half, stranger, COME_MS, "the other has half of the partitions");
    topic_fill(topic, -1, 100, 40);
    must_come(c.recorder, 1, COME_MS);
    stranger_close(stranger);
    runner_stop(&r);
    end(&c);
}

/* ---- members that cannot agree ---- */

static consuming member_by(const char *strategy, const char *topic, const char *group) {
    kca_consumer_builder *b = short_session(topic, group);
    kca_consumer_builder_with_assignment_strategy(b, strategy);
    return consume(topic, group, b);
}

static void test_members_that_deal_otherwise_hear_which_setting_to_align(void **state) {
    if (is_dealt_by_broker())
        skip(); /* the broker deals, and no member can disagree */
    const char *topic = spread(40), *group = unique("group");
    consuming first = member_by("range", topic, group);
    consuming second = member_by("roundrobin", topic, group);
    kca_queue *q = queue_of(second.system);
    runner r[2];
    runner_start(&r[0], first.consumer);
    must_come(first.recorder, 40, COME_MS);
    runner_start(&r[1], second.consumer);
    kca_event *fault = next_event(q, KCA_EVENT_FAULT, COME_MS);
    assert_non_null(fault);
    const char *text = kca_error_text(kca_event_error(fault));
    must_have(text, group);
    must_have(text, "INCONSISTENT_GROUP_PROTOCOL: the members of group");
    must_have(text, "deal partitions by range, this one by roundrobin: set assignment_strategy");
    kca_event_free(fault);
    runner_stop(&r[1]);
    assert_int_equal(came(second.recorder), 0);
    runner_stop(&r[0]);
    kca_queue_free(q);
    end(&second);
    end(&first);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_group_is_shared_with_members_of_another_library),
        cmocka_unit_test(test_members_that_deal_otherwise_hear_which_setting_to_align),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
