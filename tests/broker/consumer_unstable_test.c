/* Committed offsets that are not stable yet: a transaction of another process, which may have died,
 * is still open over them. */
#include "consuming.h"

#include <stdio.h>
#include <time.h>

enum { COUNT = 10, SLOW = 3, LONG_MS = 20000, LOOK_MS = 7000 };

/* ---- the other process ---- */

static void must_work(rd_kafka_error_t *error) {
    if (error)
        fail_msg("%s", rd_kafka_error_string(error));
}

/* A transaction that would commit 0 of partition 0, and is neither committed nor aborted. */
static raw_writer *open_transaction(const char *group, const char *topic) {
    raw_writer *w = raw_writer_open(unique("other"));
    rd_kafka_t *rk = raw_writer_client(w);
    rd_kafka_consumer_group_metadata_t *metadata = rd_kafka_consumer_group_metadata_new(group);
    rd_kafka_topic_partition_list_t *offsets = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(offsets, topic, 0)->offset = 0;
    must_work(rd_kafka_init_transactions(rk, LONG_MS));
    must_work(rd_kafka_begin_transaction(rk));
    must_work(rd_kafka_send_offsets_to_transaction(rk, offsets, metadata, LONG_MS));
    rd_kafka_topic_partition_list_destroy(offsets);
    rd_kafka_consumer_group_metadata_destroy(metadata);
    return w;
}

static void abort_transaction(raw_writer *w) {
    must_work(rd_kafka_abort_transaction(raw_writer_client(w), LONG_MS));
    raw_writer_close(w);
}

/* Ids 0 ... COUNT - 1 at these offsets, side by side. */
static const char *filled(void) {
    const char *topic = unique("unstable");
    topic_create(topic, 1);
    topic_fill(topic, 0, COUNT, 0);
    return topic;
}

/* ---- tests ---- */

/* It is for groups that have committed nothing, and that is not known meanwhile. */
static void test_a_start_time_does_not_skip_what_the_group_has_not_handled(void **state) {
    const char *topic = filled(), *group = unique("group");
    char tomorrow[32];
    snprintf(tomorrow, sizeof tomorrow, "%lld", ((long long)time(NULL) + 86400) * 1000);
    group_commit(group, topic, 0, 4, NULL);
    raw_writer *other = open_transaction(group, topic);
    kca_consumer_builder *b = consumer_of(topic, group);
    kca_consumer_builder_with_start_offset(b, tomorrow);
    consuming c = consume(topic, group, b);
    kca_queue *q = queue_of(c.system);
    runner r;
    runner_start(&r, c.consumer);
    kca_event *assigned = next_event(q, KCA_EVENT_REBALANCE, COME_MS);
    assert_non_null(assigned);
    kca_event_free(assigned);
    abort_transaction(other);
    must_be_handled(c.recorder, COUNT - 4, COME_MS);
    must_commit(group, topic, 0, COUNT);
    runner_stop(&r);
    assert_int_equal(missing_of(c.recorder, COUNT), 4);
    kca_queue_free(q);
    end(&c);
}

static kca_consumer_builder *exactly_once(const char *topic, const char *group) {
    kca_consumer_builder *b = consumer_of(topic, group);
    kca_consumer_builder_with_transactional_id(b, unique("id"));
    kca_consumer_builder_with_max_attempts(b, 2);
    kca_consumer_builder_with_retry_delay_ms(b, 86400000);
    return b;
}

static int fail_slow(recorder *r, kca_delivery *d, int id) {
    (void)r, (void)d;
    return id == SLOW ? KCA_FAILED : KCA_DONE;
}

/* What was finished ahead of the offset is told beside it: without that, it would be handled, and
 * what came of it published, once more. */
static void test_exactly_once_waits_until_they_are_stable(void **state) {
    const char *topic = filled(), *group = unique("group");
    consuming c = consume(topic, group, exactly_once(topic, group));
    c.recorder->behave = fail_slow;
    must(run_for(&c, COUNT));
    end(&c);
    assert_int_equal(group_committed(group, topic, 0), SLOW);

    raw_writer *other = open_transaction(group, topic);
    c = consume(topic, group, exactly_once(topic, group));
    kca_queue *q = queue_of(c.system);
    runner r;
    runner_start(&r, c.consumer);
    assert_null(next_event(q, KCA_EVENT_REBALANCE, LOOK_MS));
    abort_transaction(other);
    must_commit(group, topic, 0, COUNT);
    runner_stop(&r);
    assert_int_equal(came(c.recorder), 1);
    assert_int_equal(times_seen(c.recorder, SLOW), 1);
    kca_queue_free(q);
    end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_start_time_does_not_skip_what_the_group_has_not_handled),
        cmocka_unit_test(test_exactly_once_waits_until_they_are_stable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
