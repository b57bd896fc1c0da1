/* Going to a time, and what describe shows of where a consumer is. */
#include "consuming.h"

#include <stdio.h>
#include <time.h>

enum { COUNT = 50, SEEK_MS = 20000 };

/* An hour ago: the broker deletes what is older than a week. */
static int64_t begin_ms;

/* Ids 0 ... in turns in two partitions; each is a second after the one before. */
static const char *timed(void) {
    const char *topic = unique("timed");
    topic_create(topic, 2);
    raw_writer *w = raw_writer_open(NULL);
    for (int id = 0; id < COUNT; id++) {
        char value[40];
        snprintf(value, sizeof value, "{\"id\":%d}", id);
        rd_kafka_resp_err_t err = rd_kafka_producev(
            raw_writer_client(w), RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(id % 2),
            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_VALUE(value, strlen(value)),
            RD_KAFKA_V_HEADER("route", "thing", -1), RD_KAFKA_V_TIMESTAMP(begin_ms + id * 1000),
            RD_KAFKA_V_END);
        assert_int_equal(err, 0);
    }
    raw_writer_close(w);
    return topic;
}

/* Those of this parity from `first` on have come so often, the others once. */
static void must_have_come_since(recorder *r, int first, int parity, int times) {
    for (int id = 0; id < COUNT; id++)
        assert_int_equal(times_seen(r, id),
                         id >= first && (parity < 0 || id % 2 == parity) ? times : 1);
}

static void test_all_partitions_or_one_go_to_a_time(void **state) {
    const char *topic = timed(), *group = unique("group");
    consuming c = consume(topic, group, NULL);
    runner r;
    runner_start(&r, c.consumer);
    must_be_handled(c.recorder, COUNT, COME_MS);
    /* Between 29 and 30: from 30 and 31 on. */
    must(kca_consumer_seek_to_time(c.consumer, topic, -1, begin_ms + 29001, SEEK_MS));
    must_be_handled(c.recorder, COUNT + 20, COME_MS);
    must_have_come_since(c.recorder, 30, -1, 2);
    must_commit(group, topic, 0, COUNT / 2);
    must_commit(group, topic, 1, COUNT / 2);
    runner_stop(&r);
    assert_int_equal(came(c.recorder), COUNT + 20);
    end(&c);
}

static void test_one_partition_goes_to_the_very_time_of_a_record(void **state) {
    const char *topic = timed(), *group = unique("group");
    consuming c = consume(topic, group, NULL);
    runner r;
    runner_start(&r, c.consumer);
    must_be_handled(c.recorder, COUNT, COME_MS);
    must(kca_consumer_seek_to_time(c.consumer, topic, 1, begin_ms + 41000, SEEK_MS));
    must_be_handled(c.recorder, COUNT + 5, COME_MS); /* 41, 43 ... 49 */
    must_have_come_since(c.recorder, 41, 1, 2);
    must(kca_consumer_seek_to_time(c.consumer, topic, 1, 0, SEEK_MS));
    must_be_handled(c.recorder, COUNT + 5 + 25, COME_MS);
    runner_stop(&r);
    end(&c);
}

static void test_a_time_to_come_is_the_end(void **state) {
    const char *topic = timed(), *group = unique("group");
    consuming c = consume(topic, group, NULL);
    runner r;
    runner_start(&r, c.consumer);
    must_be_handled(c.recorder, COUNT, COME_MS);
    must(kca_consumer_seek_to_time(c.consumer, topic, -1, INT64_C(4000000000000), SEEK_MS));
    topic_fill(topic, 0, 10, 10);
    must_be_handled(c.recorder, COUNT + 10, COME_MS);
    must_commit(group, topic, 0, COUNT / 2 + 10);
    runner_stop(&r);
    assert_int_equal(came(c.recorder), COUNT + 10);
    end(&c);
}

/* ---- describe ---- */

typedef struct wanted_lag {
    const consuming *c;
    int partition;
    int64_t lag;
} wanted_lag;

static int lags_so(void *argument) {
    const wanted_lag *w = argument;
    return described_partition(w->c->system, w->c->topic, w->partition, "lag") == w->lag;
}

static void must_lag(const consuming *c, int partition, int64_t lag) {
    if (!wait_until(lags_so, &(wanted_lag){c, partition, lag}, COME_MS))
        fail_msg("lag of partition %d is %lld, wanted %lld", partition,
                 (long long)described_partition(c->system, c->topic, partition, "lag"),
                 (long long)lag);
}

static int wait_at_25(recorder *r, kca_delivery *d, int id) {
    (void)d;
    if (id == 25)
        gate_wait(r->context);
    return KCA_DONE;
}

static void test_the_lag_counts_what_is_not_finished_and_goes_to_0(void **state) {
    static gate hold = GATE_CLOSED;
    const char *topic = timed(), *group = unique("group");
    consuming c = consume(topic, group, NULL);
    c.recorder->behave = wait_at_25; /* in partition 1, at 12 of 25 */
    c.recorder->context = &hold;
    kca_consumer_with_amount_of_processors(c.consumer, 2);
    runner r;
    runner_start(&r, c.consumer);
    must_lag(&c, 0, 0);
    must_lag(&c, 1, 25 - 12);
    assert_int_equal(described_partition(c.system, topic, 1, "frontier"), 12);
    gate_open(&hold);
    must_lag(&c, 1, 0);
    must_commit(group, topic, 1, 25);
    assert_int_equal(described_partition(c.system, topic, 1, "committed"), 25);
    runner_stop(&r);
    /* Also of one that had nothing to do since it began. */
    runner_start(&r, c.consumer);
    must_lag(&c, 0, 0);
    must_lag(&c, 1, 0);
    runner_stop(&r);
    assert_int_equal(came(c.recorder), COUNT);
    end(&c);
}

int main(void) {
    begin_ms = ((int64_t)time(NULL) - 3600) * 1000;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_partitions_or_one_go_to_a_time),
        cmocka_unit_test(test_one_partition_goes_to_the_very_time_of_a_record),
        cmocka_unit_test(test_a_time_to_come_is_the_end),
        cmocka_unit_test(test_the_lag_counts_what_is_not_finished_and_goes_to_0),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
