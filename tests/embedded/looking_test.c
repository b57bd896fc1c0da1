/* Looking, as tools do: what a cluster has, reading that commits nothing, the ends of partitions.
 */
#include "behaviour.h"
#include "recorder.h"
#include "systems.h"

#include <cjson/cJSON.h>

enum { PARTITIONS = 4, COME_MS = 10000 };

/* A started system with a publisher of `topic` and, unless it is NULL, this consumer; there are
 * `count` messages. */
static kca_system *with_messages(const char *topic, kca_consumer_builder *b, int count) {
    kca_system *s = system_on("embedded://");
    give_publisher(s, publisher_of(topic));
    must(kca_system_add_handler(s, "*", NULL, NULL, NULL));
    if (b)
        give_consumer(s, b);
    start(s);
    kca_bus *bus = bus_of(s, topic);
    publish_things(bus, 0, count, count, 0);
    must(kca_bus_flush(bus, COME_MS));
    kca_bus_free(bus);
    return s;
}

static cJSON *cluster_of(kca_system *s, const char *topic, const char *group) {
    char *text;
    must(kca_system_describe_cluster(s, "kafka", topic, group, COME_MS, &text));
    cJSON *found = cJSON_Parse(text);
    kca_string_free(text);
    assert_non_null(found);
    return found;
}

static const cJSON *topic_in(const cJSON *cluster, int index) {
    return cJSON_GetArrayItem(cJSON_GetObjectItem(cluster, "topics"), index);
}

/* Of all partitions; what is null counts as -1. */
static int total(const cJSON *topic, const char *name) {
    int sum = 0;
    const cJSON *p;
    cJSON_ArrayForEach(p, cJSON_GetObjectItem(topic, "partitions")) {
        const cJSON *value = cJSON_GetObjectItem(p, name);
        assert_non_null(value);
        sum += cJSON_IsNumber(value) ? (int)cJSON_GetNumberValue(value) : -1;
    }
    return sum;
}

static void test_a_cluster_is_described_with_what_its_topics_hold(void **state) {
    const char *topic = unique("orders");
    kca_system *s = with_messages(topic, NULL, 20);
    cJSON *all = cluster_of(s, NULL, NULL);
    assert_string_equal(cJSON_GetObjectItem(all, "connection")->valuestring, "kafka");
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(all, "brokers")), 1);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(all, "topics")), 1);
    const cJSON *t = topic_in(all, 0);
    assert_string_equal(cJSON_GetObjectItem(t, "name")->valuestring, topic);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(t, "partitions")), PARTITIONS);
    assert_int_equal(total(t, "begin"), 0);
    assert_int_equal(total(t, "end"), 20);
    assert_null(cJSON_GetObjectItem(all, "group"));
    cJSON_Delete(all);
    finish(s);
}

/* Pulls until `count` came, and settles them. */
static void handle(kca_queue *q, int count) {
    while (count-- > 0) {
        kca_event *e = next_event(q, KCA_EVENT_DELIVERY, COME_MS);
        assert_non_null(e);
        must(kca_delivery_settle(kca_event_delivery(e), KCA_DONE));
        kca_event_free(e);
    }
}

static void test_a_group_is_described_with_its_lag(void **state) {
    const char *topic = unique("orders"), *other = unique("payments"), *group = unique("group");
    kca_consumer_builder *b = consumer_of(topic, group);
    kca_consumer_builder_with_partition(b, KCA_PARTITION_EVERY);
    kca_system *s = with_messages(topic, b, 20);
    kca_consumer *c = reader_of(s, group);
    kca_queue *q;
    must(kca_consumer_queue(c, &q));
    handle(q, 20);
    kca_consumer_stop(c);
    kca_queue_free(q);
    kca_bus *bus = bus_of(s, topic);
    publish_things(bus, 20, 5, 7, 0);
    must(kca_bus_flush(bus, COME_MS));
    kca_bus_free(bus);

    cJSON *of_group = cluster_of(s, NULL, group);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(of_group, "topics")), 1);
    assert_int_equal(total(topic_in(of_group, 0), "committed"), 20);
    assert_int_equal(total(topic_in(of_group, 0), "lag"), 5);
    cJSON_Delete(of_group);
    cJSON *nobody = cluster_of(s, topic, other);
    assert_int_equal(total(topic_in(nobody, 0), "committed"), -PARTITIONS);
    assert_int_equal(total(topic_in(nobody, 0), "lag"), -PARTITIONS);
    cJSON_Delete(nobody);
    kca_consumer_free(c);
    finish(s);
}

static kca_consumer_builder *looker(const char *topic, const char *group) {
    kca_consumer_builder *b = consumer_of(topic, group);
    kca_consumer_builder_with_partition(b, KCA_PARTITION_EVERY);
    kca_consumer_builder_with_commit_interval_ms(b, 0);
    kca_consumer_builder_with_property(b, "enable.partition.eof", "true");
    return b;
}

static void test_who_only_looks_commits_nothing_and_begins_again(void **state) {
    const char *topic = unique("orders"), *group = unique("look");
    kca_system *s = with_messages(topic, looker(topic, group), 20);
    kca_consumer *c = reader_of(s, group);
    for (int i = 0; i < 2; i++) {
        kca_queue *q;
        must(kca_consumer_queue(c, &q));
        handle(q, 20);
        kca_consumer_stop(c);
        kca_queue_free(q);
    }
    cJSON *cluster = cluster_of(s, topic, group);
    assert_int_equal(total(topic_in(cluster, 0), "committed"), -PARTITIONS);
    cJSON_Delete(cluster);
    kca_consumer_free(c);
    finish(s);
}

/* At once: librdkafka's look-up of the beginning must not undo it. */
static void test_who_only_looks_may_go_elsewhere_first(void **state) {
    const char *topic = unique("orders"), *group = unique("look");
    kca_system *s = with_messages(topic, looker(topic, group), 40);
    kca_consumer *c = reader_of(s, group);
    for (int i = 0; i < 5; i++) {
        kca_queue *q;
        must(kca_consumer_queue(c, &q));
        for (int p = 0; p < PARTITIONS; p++)
            must(kca_consumer_seek(c, topic, p, 1, COME_MS));
        for (int left = 40 - PARTITIONS; left > 0; left--) {
            kca_event *e = next_event(q, KCA_EVENT_DELIVERY, COME_MS);
            assert_non_null(e);
            assert_in_range(kca_delivery_offset(kca_event_delivery(e)), 1, 40);
            must(kca_delivery_settle(kca_event_delivery(e), KCA_DONE));
            kca_event_free(e);
        }
        kca_consumer_stop(c);
        kca_queue_free(q);
    }
    kca_consumer_free(c);
    finish(s);
}

static void test_the_end_of_each_partition_is_told(void **state) {
    const char *topic = unique("orders"), *group = unique("look");
    kca_system *s = with_messages(topic, looker(topic, group), 20);
    kca_consumer *c = reader_of(s, group);
    kca_queue *q;
    must(kca_consumer_queue(c, &q));
    int64_t ends = 0;
    bool told[PARTITIONS] = {false};
    for (int deliveries = 0, partitions = 0; deliveries < 20 || partitions < PARTITIONS;) {
        kca_event *e;
        assert_int_equal(kca_queue_next(q, &e, 1, COME_MS), 1);
        deliveries += kca_event_type(e) == KCA_EVENT_DELIVERY;
        if (kca_event_type(e) == KCA_EVENT_DELIVERY)
            must(kca_delivery_settle(kca_event_delivery(e), KCA_DONE));
        if (kca_event_type(e) == KCA_EVENT_END) {
            assert_string_equal(kca_event_topic(e), topic);
            assert_string_equal(kca_event_consumer(e), group);
            assert_in_range(kca_event_partition(e), 0, PARTITIONS - 1);
            assert_false(told[kca_event_partition(e)]);
            told[kca_event_partition(e)] = true;
            ends += kca_event_offset(e);
            partitions++;
        }
        kca_event_free(e);
    }
    assert_int_equal(ends, 20);
    kca_consumer_stop(c);
    kca_queue_free(q);
    kca_consumer_free(c);
    finish(s);
}

static void test_a_question_names_what_is_not_there(void **state) {
    char *text;
    kca_system *s = system_on("embedded://");
    must_fail(kca_system_describe_cluster(s, "kafka", NULL, NULL, 1000, &text), KCA_ERROR_STATE,
              "describe cluster: the system is not started");
    start(s);
    must_fail(kca_system_describe_cluster(s, "other", NULL, NULL, 1000, &text), KCA_ERROR_NOT_FOUND,
              "connection other is not declared");
    must_fail(kca_system_describe_cluster(s, "kafka", "no/topic", NULL, 1000, &text),
              KCA_ERROR_ARGUMENT, "no/topic");
    must_fail(kca_system_describe_cluster(s, "kafka", NULL, "", 1000, &text), KCA_ERROR_ARGUMENT,
              "group");
    must_fail(kca_system_describe_cluster(s, "kafka", NULL, NULL, -2, &text), KCA_ERROR_ARGUMENT,
              "timeout_ms");
    assert_null(text);
    finish(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_cluster_is_described_with_what_its_topics_hold),
        cmocka_unit_test(test_a_group_is_described_with_its_lag),
        cmocka_unit_test(test_who_only_looks_commits_nothing_and_begins_again),
        cmocka_unit_test(test_who_only_looks_may_go_elsewhere_first),
        cmocka_unit_test(test_the_end_of_each_partition_is_told),
        cmocka_unit_test(test_a_question_names_what_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
