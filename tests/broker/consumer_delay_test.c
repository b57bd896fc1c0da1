/* Records that are given out only when their time has come. */
#include "consuming.h"

#include <stdio.h>
#include <sys/time.h>

enum {
    HOUR_MS = 3600000,
    CAPACITY = 50,
    MANY = 4000, /* records of a kilobyte: four times what librdkafka fetches at a time */
    FEW = 20,
    APART_MS = 40,
    SOON_MS = 700
};

static int64_t unix_ms(void) {
    struct timeval now;
    gettimeofday(&now, NULL);
    return (int64_t)now.tv_sec * 1000 + now.tv_usec / 1000;
}

static void write_at(raw_writer *w, const char *topic, int partition, int id, int64_t time_ms) {
    char value[1001];
    memset(value, ' ', sizeof value); /* after JSON it is nothing */
    value[snprintf(value, sizeof value, "{\"id\":%d}", id)] = ' ';
    assert_int_equal(
        rd_kafka_producev(raw_writer_client(w), RD_KAFKA_V_TOPIC(topic),
                          RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                          RD_KAFKA_V_TIMESTAMP(time_ms), RD_KAFKA_V_VALUE(value, sizeof value - 1),
                          RD_KAFKA_V_HEADER("route", "thing", -1), RD_KAFKA_V_END),
        RD_KAFKA_RESP_ERR_NO_ERROR);
}

static kca_consumer_builder *delaying(const char *topic, const char *group) {
    kca_consumer_builder *b = consumer_of(topic, group);
    kca_consumer_builder_with_delay_ms(b, HOUR_MS);
    kca_consumer_builder_with_queue_capacity(b, CAPACITY);
    return b;
}

/* Partition 0 has nothing for an hour, partition 1 all of yesterday. */
static void test_a_partition_that_waits_keeps_no_other_back(void **state) {
    const char *topic = unique("delay"), *group = unique("group");
    topic_create(topic, 2);
    raw_writer *w = raw_writer_open(NULL);
    for (int i = 0; i < MANY; i++) {
        write_at(w, topic, 0, MANY + i, unix_ms());
        write_at(w, topic, 1, i, unix_ms() - 24 * HOUR_MS);
    }
    raw_writer_close(w);
    consuming c = consume(topic, group, delaying(topic, group));
    runner r;
    runner_start(&r, c.consumer);
    must_commit(group, topic, 1, MANY);
    assert_int_equal(came(c.recorder), MANY);
    /* What librdkafka had fetched is held, the rest is not. */
    assert_in_range(described(c.system, "consumers", 0, "held"), 1, MANY / 2);
    assert_int_equal(group_committed(group, topic, 0), -1);
    runner_stop(&r);
    assert_int_equal(missing_of(c.recorder, MANY), 0);
    end(&c);
}

/* Its context: how many came too early. */
static int note_early(recorder *r, kca_delivery *d, int id) {
    (void)id;
    *(int *)r->context += unix_ms() < kca_delivery_timestamp_ms(d) + HOUR_MS;
    return KCA_DONE;
}

static void test_each_record_comes_at_its_time_and_in_order(void **state) {
    const char *topic = unique("delay"), *group = unique("group");
    topic_create(topic, 1);
    raw_writer *w = raw_writer_open(NULL);
    int64_t first_ms = unix_ms() - HOUR_MS + SOON_MS;
    for (int i = 0; i < FEW; i++)
        write_at(w, topic, 0, i, first_ms + (int64_t)i * APART_MS);
    raw_writer_close(w);
    int early = 0;
    consuming c = consume(topic, group, delaying(topic, group));
    c.recorder->behave = note_early;
    c.recorder->context = &early;
    must(run_for(&c, FEW));
    assert_int_equal(early, 0);
    assert_int_equal(repeated_of(c.recorder, FEW), 0);
    for (int i = 0; i < FEW; i++)
        assert_int_equal(c.recorder->all[i].offset, i);
    assert_int_equal(group_committed(group, topic, 0), FEW);
    end(&c);
}

/* What is delayed is not out: a stop does not wait for it, and it comes again. */
static void test_what_waits_for_its_time_comes_after_a_restart(void **state) {
    const char *topic = unique("delay"), *group = unique("group");
    topic_create(topic, 1);
    raw_writer *w = raw_writer_open(NULL);
    for (int i = 0; i < FEW; i++)
        write_at(w, topic, 0, i, unix_ms() - (i < FEW / 2 ? 2 * HOUR_MS : 0));
    raw_writer_close(w);
    consuming c = consume(topic, group, delaying(topic, group));
    must(run_for(&c, FEW / 2));
    end(&c);
    assert_int_equal(group_committed(group, topic, 0), FEW / 2);
    c = consume(topic, group, NULL);
    must(run_for(&c, FEW / 2));
    assert_int_equal(c.recorder->all[0].offset, FEW / 2);
    end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_partition_that_waits_keeps_no_other_back),
        cmocka_unit_test(test_each_record_comes_at_its_time_and_in_order),
        cmocka_unit_test(test_what_waits_for_its_time_comes_after_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
