/* The main job: each message is handled once, a key's in order, keys beside each other. */
#include "consuming.h"

#include <stdio.h>

enum { PARTITIONS = 3 };

static void test_four_processors_handle_each_message_once_and_each_key_in_order(void **state) {
    enum { COUNT = 5000, KEYS = 23 };
    const char *topic = unique("main"), *group = unique("group");
    topic_create(topic, PARTITIONS);
    topic_fill(topic, -1, COUNT, KEYS);
    consuming c = consume(topic, group, NULL);
    kca_consumer_with_amount_of_processors(c.consumer, 4);
    must(run_for(&c, COUNT));
    assert_int_equal(came(c.recorder), COUNT);
    assert_int_equal(missing_of(c.recorder, COUNT), 0);
    assert_int_equal(repeated_of(c.recorder, COUNT), 0);
    assert_int_equal(c.recorder->same_key_disorder, 0);
    assert_int_equal(group_committed_sum(group, topic, PARTITIONS), COUNT);
    end(&c);
}

static int wait_at_gate(recorder *r, kca_delivery *d, int id) {
    (void)d, (void)id;
    gate_wait(r->context);
    return KCA_DONE;
}

static void test_different_keys_are_handled_at_the_same_time(void **state) {
    gate hold = GATE_CLOSED;
    const char *topic = unique("parallel");
    topic_create(topic, 1);
    topic_fill(topic, 0, 4, 4);
    consuming c = consume(topic, unique("group"), NULL);
    c.recorder->behave = wait_at_gate;
    c.recorder->context = &hold;
    kca_consumer_with_amount_of_processors(c.consumer, 4);
    runner r;
    runner_start(&r, c.consumer);
    must_wait_at(&hold, 4, COME_MS);
    gate_open(&hold);
    must_be_handled(c.recorder, 4, COME_MS);
    runner_stop(&r);
    assert_int_equal(c.recorder->most_inside, 4);
    end(&c);
}

typedef struct by_id {
    gate slow;
    int id; /* the one that waits */
} by_id;

static int one_is_slow(recorder *r, kca_delivery *d, int id) {
    (void)d;
    by_id *which = r->context;
    if (id == which->id)
        gate_wait(&which->slow);
    return KCA_DONE;
}

static void test_a_key_waits_for_its_own_and_lets_others_pass(void **state) {
    by_id first = {GATE_CLOSED, 0};
    const char *topic = unique("lanes");
    topic_create(topic, 1);
    topic_fill(topic, 0, 20, 2); /* even ids k0, odd ids k1 */
    consuming c = consume(topic, unique("group"), NULL);
    c.recorder->behave = one_is_slow;
    c.recorder->context = &first;
    kca_consumer_with_amount_of_processors(c.consumer, 4);
    runner r;
    runner_start(&r, c.consumer);
    must_be_handled(c.recorder, 10, COME_MS); /* all of k1 */
    must_come(c.recorder, 11, COME_MS);       /* and the first of k0 */
    assert_int_equal(came(c.recorder), 11);
    assert_int_equal(times_seen(c.recorder, 2), 0);
    gate_open(&first.slow);
    must_be_handled(c.recorder, 20, COME_MS);
    runner_stop(&r);
    assert_int_equal(c.recorder->same_key_disorder, 0);
    end(&c);
}

static void test_a_consumer_stops_and_runs_again(void **state) {
    const char *topic = unique("again"), *group = unique("group");
    topic_create(topic, 1);
    consuming c = consume(topic, group, NULL);
    for (int i = 0; i < 3; i++) {
        topic_fill(topic, 0, 10, 3);
        must(run_for(&c, 10));
        assert_int_equal(group_committed(group, topic, 0), 10 * (i + 1));
    }
    assert_int_equal(came(c.recorder), 30);
    assert_int_equal(described(c.system, "consumers", 0, "handled"), 30);
    end(&c);
}

/* Fault 12 of Gomes. */
static void test_a_system_that_was_shut_down_starts_and_consumes_again(void **state) {
    const char *topic = unique("restart"), *group = unique("group");
    topic_create(topic, 1);
    topic_fill(topic, 0, 10, 3);
    consuming c = consume(topic, group, NULL);
    must(run_for(&c, 10));
    must(kca_system_shutdown(c.system, 10000));
    must_fail(kca_consumer_run(c.consumer), KCA_ERROR_STATE, group, "not started");
    topic_fill(topic, 0, 10, 3);
    start(c.system);
    must(run_for(&c, 10));
    assert_int_equal(came(c.recorder), 20);
    end(&c);
}

static void test_one_consumer_reads_several_topics(void **state) {
    const char *one = unique("one"), *two = unique("two"), *group = unique("group");
    topic_create(one, 1);
    topic_create(two, 2);
    topic_fill(one, -1, 30, 5);
    topic_fill(two, -1, 50, 5);
    kca_consumer_builder *b = consumer_of(one, group);
    kca_consumer_builder_with_group_topic(b, two);
    consuming c = consume(one, group, b);
    must(run_for(&c, 80));
    assert_int_equal(came(c.recorder), 80);
    assert_int_equal(group_committed_sum(group, one, 1), 30);
    assert_int_equal(group_committed_sum(group, two, 2), 50);
    end(&c);
}

static void test_one_partition_alone_comes_in_total_order(void **state) {
    const char *topic = unique("partition"), *group = unique("group");
    topic_create(topic, PARTITIONS);
    for (int i = 0; i < PARTITIONS; i++)
        topic_fill(topic, i, 100, 7);
    kca_consumer_builder *b = consumer_of(topic, group);
    kca_consumer_builder_with_partition(b, 2);
    consuming c = consume(topic, group, b);
    must(run_for(&c, 100));
    assert_int_equal(came(c.recorder), 100);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(c.recorder->all[i].partition, 2);
        assert_int_equal(c.recorder->all[i].id, i);
    }
    assert_int_equal(group_committed(group, topic, 2), 100);
    assert_int_equal(group_committed(group, topic, 0), -1);
    topic_fill(topic, 2, 5, 1);
    must(run_for(&c, 5));
    assert_int_equal(came(c.recorder), 105);
    end(&c);
}

static void test_a_partition_that_is_not_there_fails_at_start(void **state) {
    const char *topic = unique("partition");
    topic_create(topic, PARTITIONS);
    kca_system *s = system_on(listener("PLAINTEXT"));
    kca_consumer_builder *b = consumer_of(topic, "reader");
    kca_consumer_builder_with_partition(b, 3);
    give_consumer(s, b);
    must(kca_system_add_handler(s, "*", NULL, NULL, NULL));
    must_fail(kca_system_start(s, COME_MS), KCA_ERROR_NOT_FOUND, "consumer reader", topic, "0 to 2",
              "partition 3");
    kca_system_free(s);
}

static void test_every_partition_of_a_topic_that_is_no_more_ends_the_run(void **state) {
    const char *topic = unique("gone");
    topic_create(topic, PARTITIONS);
    kca_system *s = system_on(listener("PLAINTEXT"));
    kca_consumer_builder *b = consumer_of(topic, "reader");
    kca_consumer_builder_with_partition(b, KCA_PARTITION_EVERY);
    give_consumer(s, b);
    recorder *r = recorder_new();
    record(s, "*", r);
    start(s);
    topic_delete(topic);
    topic_must_be_gone(topic);
    kca_consumer *c = reader_of(s, "reader");
    must_fail(kca_consumer_run(c), KCA_ERROR_NOT_FOUND, "consumer reader", topic, "does not exist");
    kca_consumer_free(c);
    finish(s);
    recorder_free(r);
}

static void test_the_handler_of_a_name_goes_before_the_one_of_all(void **state) {
    const char *topic = unique("names"), *group = unique("group");
    topic_create(topic, 1);
    raw_writer *w = raw_writer_open(NULL);
    raw_write(w, topic, 0, "thing", "k", "{\"id\":0}");
    raw_write(w, topic, 0, "other", "k", "{\"id\":1}");
    raw_write_headers(w, topic, "k", "{\"id\":2}", NULL, 0);
    raw_writer_close(w);
    kca_system *s = system_on(listener("PLAINTEXT"));
    recorder *named = recorder_new(), *any = recorder_new();
    give_consumer(s, consumer_of(topic, group));
    record(s, "thing", named);
    record(s, "*", any);
    start(s);
    kca_consumer *c = reader_of(s, group);
    runner r;
    runner_start(&r, c);
    must_be_handled(any, 2, COME_MS);
    runner_stop(&r);
    assert_int_equal(came(named), 1);
    assert_int_equal(times_seen(named, 0), 1);
    assert_int_equal(times_seen(any, 1), 1);
    assert_int_equal(times_seen(any, 2), 1);
    kca_consumer_free(c);
    finish(s);
    recorder_free(named);
    recorder_free(any);
}

static void test_a_topic_that_was_not_there_at_start_is_read(void **state) {
    const char *topic = unique("later"), *group = unique("group");
    consuming c = consume(topic, group, NULL);
    runner r;
    runner_start(&r, c.consumer);
    topic_fill(topic, -1, 3,
               3); /* the broker creates it on demand, now or when the consumer asked */
    must_be_handled(c.recorder, 3, COME_MS);
    runner_stop(&r);
    end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_four_processors_handle_each_message_once_and_each_key_in_order),
        cmocka_unit_test(test_different_keys_are_handled_at_the_same_time),
        cmocka_unit_test(test_a_key_waits_for_its_own_and_lets_others_pass),
        cmocka_unit_test(test_a_consumer_stops_and_runs_again),
        cmocka_unit_test(test_a_system_that_was_shut_down_starts_and_consumes_again),
        cmocka_unit_test(test_one_consumer_reads_several_topics),
        cmocka_unit_test(test_one_partition_alone_comes_in_total_order),
        cmocka_unit_test(test_a_partition_that_is_not_there_fails_at_start),
        cmocka_unit_test(test_every_partition_of_a_topic_that_is_no_more_ends_the_run),
        cmocka_unit_test(test_the_handler_of_a_name_goes_before_the_one_of_all),
        cmocka_unit_test(test_a_topic_that_was_not_there_at_start_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
