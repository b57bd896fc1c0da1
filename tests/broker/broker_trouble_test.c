/* Topics and offsets that go away under a consumer. */
#include "consuming.h"

#include <stdio.h>

enum { OLD = 50 };

/* A rebalance, and whether it gave or took. */
static void must_be_told(kca_queue *q, int assigned) {
    kca_event *e = next_event(q, KCA_EVENT_REBALANCE, COME_MS);
    assert_non_null(e);
    assert_int_equal(kca_event_rebalance(e) == KCA_REBALANCE_ASSIGNED, assigned);
    kca_event_free(e);
}

/* librdkafka believes that a topic is gone only after a while. */
static kca_consumer_builder *soon_convinced(const char *topic, const char *group) {
    kca_consumer_builder *b = consumer_of(topic, group);
    kca_consumer_builder_with_property(b, "topic.metadata.propagation.max.ms", "500");
    return b;
}

static const char *filled(int count) {
    const char *topic = unique("trouble");
    topic_create(topic, 1);
    topic_fill(topic, 0, count, count);
    return topic;
}

/* Ids from `first` on. */
static void write_things(const char *topic, int first, int count) {
    raw_writer *w = raw_writer_open(NULL);
    for (int id = first; id < first + count; id++) {
        char value[40];
        snprintf(value, sizeof value, "{\"id\":%d}", id);
        raw_write(w, topic, 0, NULL, value, value);
    }
    raw_writer_close(w);
}

typedef struct wanted_ids {
    recorder *recorder;
    int first, count;
} wanted_ids;

static int have_come(void *argument) {
    const wanted_ids *w = argument;
    for (int id = w->first; id < w->first + w->count; id++)
        if (times_seen(w->recorder, id) == 0)
            return 0;
    return 1;
}

static void must_come_all(recorder *r, int first, int count) {
    if (wait_until(have_come, &(wanted_ids){r, first, count}, COME_MS))
        return;
    int missing = 0;
    for (int id = first; id < first + count; id++)
        missing += times_seen(r, id) == 0;
    fail_msg("%d of %d new records never came", missing, count);
}

/* `noticed`: before it is made again the consumer has heard that it is gone. If it has not, and the
 * new topic is longer at once than the old one was, its first records are passed over: Kafka's
 * fetches name the topic and the offset, and librdkafka does not compare the topics' ids. */
static void make_again(int new_records, int noticed) {
    const char *topic = filled(OLD), *group = unique("group");
    consuming c = consume(topic, group, soon_convinced(topic, group));
    kca_queue *q = queue_of(c.system);
    runner r;
    runner_start(&r, c.consumer);
    must_commit(group, topic, 0, OLD);
    must_be_told(q, 1);
    topic_delete(topic);
    if (noticed)
        must_be_told(q, 0);
    topic_create(topic, 1);
    write_things(topic, 1000, new_records);
    must_come_all(c.recorder, 1000, new_records);
    must_commit(group, topic, 0, new_records);
    runner_stop(&r);
    assert_int_equal(came(c.recorder), OLD + new_records);
    assert_int_equal(times_seen(c.recorder, -1), 0); /* no empty message: fault 8 of Gomes */
    kca_queue_free(q);
    end(&c);
}

static void test_all_records_of_a_topic_made_again_come(void **state) {
    make_again(OLD * 2, 1);
    make_again(OLD / 2, 0); /* it goes on at OLD, which is not there */
}

static int wait_at_40(recorder *r, kca_delivery *d, int id) {
    (void)d;
    if (id == 40)
        gate_wait(r->context);
    return KCA_DONE;
}

static void test_what_is_out_of_the_topic_before_does_not_count_in_the_new_one(void **state) {
    static gate hold = GATE_CLOSED;
    const char *topic = filled(OLD), *group = unique("group");
    consuming c = consume(topic, group, soon_convinced(topic, group));
    c.recorder->behave = wait_at_40;
    c.recorder->context = &hold;
    kca_consumer_with_amount_of_processors(c.consumer, 2);
    runner r;
    runner_start(&r, c.consumer);
    must_be_handled(c.recorder, OLD - 1, COME_MS);
    must_commit(group, topic, 0, 40);
    topic_delete(topic);
    topic_create(topic, 1);
    write_things(topic, 1000, OLD / 2);
    must_come_all(c.recorder, 1000, OLD / 2);
    must_commit(group, topic, 0, OLD / 2);
    gate_open(&hold);
    must_be_handled(c.recorder, OLD + OLD / 2, COME_MS);
    runner_stop(&r);
    assert_int_equal(group_committed(group, topic, 0), OLD / 2);
    end(&c);
}

static void test_a_topic_that_went_for_good_holds_up_nobody(void **state) {
    const char *topic = filled(OLD), *other = filled(OLD), *group = unique("group");
    kca_consumer_builder *b = soon_convinced(topic, group);
    kca_consumer_builder_with_group_topic(b, other);
    consuming c = consume(topic, group, b);
    kca_queue *q = queue_of(c.system);
    runner r;
    runner_start(&r, c.consumer);
    must_commit(group, topic, 0, OLD);
    must_be_told(q, 1);
    topic_delete(topic);
    must_be_told(q, 0);
    write_things(other, 1000, OLD);
    must_come_all(c.recorder, 1000, OLD);
    must_commit(group, other, 0, 2 * OLD);
    int64_t begin = now_ms();
    runner_stop(&r);
    assert_in_range(now_ms() - begin, 0, 15000);
    kca_queue_free(q);
    end(&c);
}

static void test_a_committed_offset_beyond_the_end(void **state) {
    const char *topic = filled(20), *group = unique("group");
    group_commit(group, topic, 0, 1000, NULL);
    consuming c = consume(topic, group, NULL);
    runner r;
    runner_start(&r, c.consumer);
    must_come_all(c.recorder, 0, 20);
    must_commit(group, topic, 0, 20);
    runner_stop(&r);
    assert_int_equal(came(c.recorder), 20);
    end(&c);
}

/* Also one that would begin late passes nothing over. */
static void go_on_after_trimming(const char *start_offset) {
    const char *topic = filled(100), *group = unique("group");
    group_commit(group, topic, 0, 10, NULL);
    topic_trim(topic, 0, 60);
    kca_consumer_builder *b = consumer_of(topic, group);
    kca_consumer_builder_with_start_offset(b, start_offset);
    consuming c = consume(topic, group, b);
    runner r;
    runner_start(&r, c.consumer);
    must_come_all(c.recorder, 60, 40);
    must_commit(group, topic, 0, 100);
    runner_stop(&r);
    assert_int_equal(came(c.recorder), 40);
    end(&c);
}

static void test_a_committed_offset_before_the_beginning(void **state) {
    go_on_after_trimming("earliest");
    go_on_after_trimming("latest");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_records_of_a_topic_made_again_come),
        cmocka_unit_test(test_what_is_out_of_the_topic_before_does_not_count_in_the_new_one),
        cmocka_unit_test(test_a_topic_that_went_for_good_holds_up_nobody),
        cmocka_unit_test(test_a_committed_offset_beyond_the_end),
        cmocka_unit_test(test_a_committed_offset_before_the_beginning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
