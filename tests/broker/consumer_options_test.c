/* Each option of a consumer has an effect. */
#include "consuming.h"

#include <stdio.h>

static void test_start_offset_earliest_reads_what_was_there(void **state) {
    const char *topic = unique("earliest");
    topic_create(topic, 1);
    topic_fill(topic, 0, 10, 1);
    consuming c = consume(topic, unique("group"), NULL);
    must(run_for(&c, 10));
    end(&c);
}

static int is_assigned_and_quiet(void *argument) {
    return log_says(argument, "1 partitions assigned", 0);
}

/* Fault 13 of Gomes, with a start offset. */
static void test_start_offset_latest_reads_what_comes(void **state) {
    const char *topic = unique("latest"), *group = unique("group");
    topic_create(topic, 1);
    topic_fill(topic, 0, 10, 1);
    kca_consumer_builder *b = consumer_of(topic, group);
    kca_consumer_builder_with_start_offset(b, "latest");
    consuming c = consume(topic, group, b);
    must(kca_system_log_to_queue(c.system, KCA_LOG_INFO));
    kca_queue *q = queue_of(c.system);
    runner r;
    runner_start(&r, c.consumer);
    must_become(is_assigned_and_quiet, q, COME_MS, "the partition is assigned");
    /* the offset is looked up after the assignment: one at a time until one comes */
    int written = 0;
    for (int64_t stop = now_ms() + COME_MS; came(c.recorder) == 0 && now_ms() < stop; written++)
        topic_fill(topic, 0, 1, 1);
    runner_stop(&r);
    assert_in_range(came(c.recorder), 1, written);
    assert_true(c.recorder->all[0].offset >= 10);
    kca_queue_free(q);
    end(&c);
}

static void test_start_offset_of_a_time_begins_at_the_first_record_after_it(void **state) {
    const char *topic = unique("time"), *group = unique("group");
    topic_create(topic, 1);
    raw_writer *w = raw_writer_open(NULL);
    for (int i = 0; i < 10; i++) {
        char value[40];
        snprintf(value, sizeof value, "{\"id\":%d}", i);
        assert_int_equal(rd_kafka_producev(raw_writer_client(w), RD_KAFKA_V_TOPIC(topic),
                                           RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                           RD_KAFKA_V_TIMESTAMP(1767225600000 + i * 1000),
                                           RD_KAFKA_V_VALUE(value, strlen(value)),
                                           RD_KAFKA_V_HEADER("route", "thing", -1), RD_KAFKA_V_END),
                         RD_KAFKA_RESP_ERR_NO_ERROR);
    }
    raw_writer_close(w);
    kca_consumer_builder *b = consumer_of(topic, group);
    kca_consumer_builder_with_start_offset(b, "1767225605500");
    consuming c = consume(topic, group, b);
    must(run_for(&c, 4));
    assert_int_equal(c.recorder->all[0].id, 6);
    /* from then on what is committed counts */
    topic_fill(topic, 0, 1, 1);
    must(run_for(&c, 1));
    assert_int_equal(came(c.recorder), 5);
    end(&c);
}

static void write_transaction(raw_writer *w, const char *topic, int id, int commit) {
    rd_kafka_t *rk = raw_writer_client(w);
    char value[40];
    snprintf(value, sizeof value, "{\"id\":%d}", id);
    assert_null(rd_kafka_begin_transaction(rk));
    raw_write(w, topic, 0, "thing", "k", value);
    assert_int_equal(rd_kafka_flush(rk, 10000), 0);
    assert_null(commit ? rd_kafka_commit_transaction(rk, 10000)
                       : rd_kafka_abort_transaction(rk, 10000));
}

static void test_isolation_level_decides_about_aborted_records(void **state) {
    const char *topic = unique("isolation");
    topic_create(topic, 1);
    raw_writer *w = raw_writer_open(unique("transaction"));
    assert_null(rd_kafka_init_transactions(raw_writer_client(w), 20000));
    write_transaction(w, topic, 0, 0);
    write_transaction(w, topic, 1, 1);
    raw_writer_close(w);
    consuming c = consume(topic, unique("group"), NULL);
    must(run_for(&c, 1));
    assert_int_equal(times_seen(c.recorder, 0), 0);
    assert_int_equal(times_seen(c.recorder, 1), 1);
    end(&c);
    const char *group = unique("group");
    kca_consumer_builder *b = consumer_of(topic, group);
    kca_consumer_builder_with_isolation_level(b, "read_uncommitted");
    c = consume(topic, group, b);
    must(run_for(&c, 2));
    assert_int_equal(times_seen(c.recorder, 0), 1);
    end(&c);
}

static void test_group_id_is_the_group_on_the_broker(void **state) {
    const char *topic = unique("group-id"), *name = unique("name"), *group = unique("kafka:name");
    topic_create(topic, 1);
    topic_fill(topic, 0, 5, 1);
    kca_consumer_builder *b = consumer_of(topic, name);
    kca_consumer_builder_with_group_id(b, group);
    consuming c = consume(topic, name, b);
    must(run_for(&c, 5));
    assert_int_equal(group_committed(group, topic, 0), 5);
    assert_int_equal(group_committed(name, topic, 0), -1);
    end(&c);
}

typedef struct place {
    const char *group, *topic;
} place;

static int five_are_committed(void *argument) {
    const place *p = argument;
    return group_committed(p->group, p->topic, 0) == 5;
}

static void test_commit_interval_is_how_often_work_is_committed(void **state) {
    const int intervals[] = {200, 60000};
    for (int i = 0; i < 2; i++) {
        const char *topic = unique("commit"), *group = unique("group");
        topic_create(topic, 1);
        topic_fill(topic, 0, 5, 1);
        kca_consumer_builder *b = consumer_of(topic, group);
        kca_consumer_builder_with_commit_interval_ms(b, intervals[i]);
        consuming c = consume(topic, group, b);
        runner r;
        runner_start(&r, c.consumer);
        must_be_handled(c.recorder, 5, COME_MS);
        assert_int_equal(wait_until(five_are_committed, &(place){group, topic}, 1500), i == 0);
        runner_stop(&r);
        assert_int_equal(group_committed(group, topic, 0), 5);
        end(&c);
    }
}

static void test_watching_finds_a_partition_that_was_added(void **state) {
    const char *topic = unique("watch"), *group = unique("group");
    topic_create(topic, 1);
    kca_consumer_builder *b = consumer_of(topic, group);
    kca_consumer_builder_with_watch_partition_changes(b, 1);
    kca_consumer_builder_with_partition_watch_interval_ms(b, 300);
    consuming c = consume(topic, group, b);
    topic_fill(topic, 0, 1, 1);
    runner r;
    runner_start(&r, c.consumer);
    must_be_handled(c.recorder, 1, COME_MS);
    topic_grow(topic, 2);
    topic_fill(topic, 1, 1, 1);
    must_be_handled(c.recorder, 2, 10000);
    assert_int_equal(c.recorder->all[1].partition, 1);
    runner_stop(&r);
    must_have_property(c.system, "consumers", "topic.metadata.refresh.interval.ms", "300");
    end(&c);
}

static int wait_at_gate(recorder *r, kca_delivery *d, int id) {
    (void)d, (void)id;
    gate_wait(r->context);
    return KCA_DONE;
}

static int seven_are_held(void *argument) {
    return described(argument, "consumers", 0, "held") == 7;
}

static void test_queue_capacity_bounds_what_is_held(void **state) {
    gate hold = GATE_CLOSED;
    const char *topic = unique("capacity"), *group = unique("group");
    topic_create(topic, 1);
    topic_fill(topic, 0, 300, 300);
    kca_consumer_builder *b = consumer_of(topic, group);
    kca_consumer_builder_with_queue_capacity(b, 7);
    consuming c = consume(topic, group, b);
    c.recorder->behave = wait_at_gate;
    c.recorder->context = &hold;
    kca_consumer_with_amount_of_processors(c.consumer, 3);
    runner r;
    runner_start(&r, c.consumer);
    must_wait_at(&hold, 3, COME_MS);
    must_become(seven_are_held, c.system, COME_MS, "7 are held");
    for (int64_t stop = now_ms() + 500; now_ms() < stop;)
        assert_in_range(described(c.system, "consumers", 0, "held"), 0, 7);
    assert_int_equal(described(c.system, "consumers", 0, "out"), 3);
    gate_open(&hold);
    must_be_handled(c.recorder, 300, COME_MS);
    runner_stop(&r);
    end(&c);
}

static void test_min_bytes_makes_a_fetch_wait_up_to_max_wait(void **state) {
    const char *topic = unique("fetch"), *group = unique("group");
    topic_create(topic, 1);
    kca_consumer_builder *b = consumer_of(topic, group);
    kca_consumer_builder_with_min_bytes(b, 1000000);
    kca_consumer_builder_with_max_wait_ms(b, 1500);
    consuming c = consume(topic, group, b);
    runner r;
    runner_start(&r, c.consumer);
    topic_fill(topic, 0, 1, 1);
    must_be_handled(c.recorder, 1, COME_MS);
    int64_t begin = now_ms();
    topic_fill(topic, 0, 1, 1); /* the next fetch has begun: little data, so it waits */
    must_be_handled(c.recorder, 2, COME_MS);
    assert_in_range(now_ms() - begin, 700, 4000);
    runner_stop(&r);
    must_have_property(c.system, "consumers", "fetch.min.bytes", "1000000");
    must_have_property(c.system, "consumers", "fetch.wait.max.ms", "1500");
    end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start_offset_earliest_reads_what_was_there),
        cmocka_unit_test(test_start_offset_latest_reads_what_comes),
        cmocka_unit_test(test_start_offset_of_a_time_begins_at_the_first_record_after_it),
        cmocka_unit_test(test_isolation_level_decides_about_aborted_records),
        cmocka_unit_test(test_group_id_is_the_group_on_the_broker),
        cmocka_unit_test(test_commit_interval_is_how_often_work_is_committed),
        cmocka_unit_test(test_watching_finds_a_partition_that_was_added),
        cmocka_unit_test(test_queue_capacity_bounds_what_is_held),
        cmocka_unit_test(test_min_bytes_makes_a_fetch_wait_up_to_max_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
