/* Reading that does not go on where it was: the application is told, with from, to and how many. */
#include "consuming.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>

enum { COUNT = 100, ID_VERSION = 0x020300ff, LONG_MS = 60000, SEEK_MS = 20000 };

static const char *filled(int count) {
    const char *topic = unique("reset");
    topic_create(topic, 1);
    topic_fill(topic, 0, count, 0);
    return topic;
}

/* The next fault tells of this reset, and of no other; `to` -1: any. */
static void must_tell(kca_queue *q, const char *topic, int64_t from, int64_t to) {
    kca_event *e = next_event(q, KCA_EVENT_FAULT, LONG_MS);
    assert_non_null(e);
    const char *text = kca_error_text(kca_event_error(e));
    if (kca_error_code(kca_event_error(e)) != KCA_ERROR_OFFSET)
        fail_msg("%s", text);
    must_have(text, topic);
    assert_string_equal(kca_error_name(kca_event_error(e)), "offset");
    assert_string_equal(kca_event_topic(e), topic);
    assert_int_equal(kca_event_partition(e), 0);
    assert_int_equal(kca_event_reset_from(e), from);
    assert_int_equal(kca_event_reset_to(e), to);
    assert_int_equal(kca_event_offset(e), to);
    assert_int_equal(kca_event_reset_count(e), to > from ? to - from : 0);
    kca_event_free(e);
}

static void must_tell_no_more(kca_queue *q) {
    kca_event *e = next_event(q, KCA_EVENT_FAULT, 200);
    if (e)
        fail_msg("%s", kca_error_text(kca_event_error(e)));
}

/* ---- offsets that are gone, or beyond the end ---- */

static void test_what_retention_took_while_it_was_away_is_told(void **state) {
    const char *topic = filled(COUNT), *group = unique("group");
    group_commit(group, topic, 0, 30, NULL);
    topic_trim(topic, 0, 80);
    consuming c = consume(topic, group, NULL);
    kca_queue *q = queue_of(c.system);
    must(run_for(&c, COUNT - 80));
    must_tell(q, topic, 30, 80);
    must_tell_no_more(q);
    assert_int_equal(group_committed(group, topic, 0), COUNT);
    kca_queue_free(q);
    end(&c);
}

/* Also when nothing is left to read. */
static void test_it_is_told_though_no_record_is_left(void **state) {
    const char *topic = filled(COUNT), *group = unique("group");
    group_commit(group, topic, 0, 30, NULL);
    topic_trim(topic, 0, COUNT);
    consuming c = consume(topic, group, NULL);
    kca_queue *q = queue_of(c.system);
    runner r;
    runner_start(&r, c.consumer);
    must_tell(q, topic, 30, COUNT);
    must_commit(group, topic, 0, COUNT);
    runner_stop(&r);
    assert_int_equal(came(c.recorder), 0);
    kca_queue_free(q);
    end(&c);
}

static int wait_at_5(recorder *r, kca_delivery *d, int id) {
    (void)d;
    if (id == 5)
        gate_wait(r->context);
    return KCA_DONE;
}

/* What it holds is handled and counts; what it had not fetched is gone. */
static void test_what_retention_takes_before_a_slow_consumer_is_told(void **state) {
    static gate hold = GATE_CLOSED;
    const char *topic = filled(COUNT), *group = unique("group");
    kca_consumer_builder *b = consumer_of(topic, group);
    kca_consumer_builder_with_queue_capacity(b, 1);
    kca_consumer_builder_with_max_bytes(b, 1000); /* about one record a time */
    consuming c = consume(topic, group, b);
    c.recorder->behave = wait_at_5;
    c.recorder->context = &hold;
    kca_queue *q = queue_of(c.system);
    runner r;
    runner_start(&r, c.consumer);
    must_wait_at(&hold, 1, COME_MS);
    topic_fill(topic, 0, COUNT * 100, 0);
    int64_t last = topic_end(topic, 0);
    topic_trim(topic, 0, last);
    gate_open(&hold);
    kca_event *e = next_event(q, KCA_EVENT_FAULT, LONG_MS);
    assert_non_null(e);
    int64_t from = kca_event_reset_from(e);
    assert_in_range(from, 6, last - 1);
    assert_int_equal(kca_event_reset_to(e), last);
    assert_int_equal(kca_event_reset_count(e), last - from);
    kca_event_free(e);
    must_commit(group, topic, 0, last);
    runner_stop(&r);
    assert_int_equal(came(c.recorder), from); /* all before it came, once */
    must_tell_no_more(q);
    kca_queue_free(q);
    end(&c);
}

static void test_a_committed_offset_beyond_the_end_is_told(void **state) {
    const char *topic = filled(20), *group = unique("group");
    group_commit(group, topic, 0, 5000, NULL);
    consuming c = consume(topic, group, NULL);
    kca_queue *q = queue_of(c.system);
    must(run_for(&c, 20));
    must_tell(q, topic, 5000, 0);
    must_tell_no_more(q);
    assert_int_equal(group_committed(group, topic, 0), 20);
    kca_queue_free(q);
    end(&c);
}

/* Marks of transactions are gaps, and nothing is gone. */
static void test_where_nothing_is_gone_nothing_is_told(void **state) {
    const char *topic = filled(COUNT), *group = unique("group");
    topic_trim(topic, 0, 40);
    consuming c = consume(topic, group, NULL); /* without an offset it begins at what is left */
    kca_queue *q = queue_of(c.system);
    must(run_for(&c, COUNT - 40));
    must_tell_no_more(q);
    kca_queue_free(q);
    end(&c);
}

/* ---- seeks ---- */

static void test_a_seek_outside_the_partition_is_refused(void **state) {
    const char *topic = filled(COUNT), *group = unique("group");
    topic_trim(topic, 0, 10);
    consuming c = consume(topic, group, NULL);
    kca_queue *q = queue_of(c.system);
    runner r;
    runner_start(&r, c.consumer);
    must_commit(group, topic, 0, COUNT);
    must_fail(kca_consumer_seek(c.consumer, topic, 0, 99999, SEEK_MS), KCA_ERROR_OFFSET, topic,
              "must be 10 to 100, got 99999");
    must_fail(kca_consumer_seek(c.consumer, topic, 0, 9, SEEK_MS), KCA_ERROR_OFFSET,
              "must be 10 to 100, got 9");
    must(kca_consumer_seek(c.consumer, topic, 0, COUNT, SEEK_MS));
    must(kca_consumer_seek(c.consumer, topic, 0, 10, SEEK_MS));
    must_be_handled(c.recorder, 2 * (COUNT - 10), COME_MS);
    runner_stop(&r);
    must_tell_no_more(q);
    kca_queue_free(q);
    end(&c);
}

/* ---- topics made anew ---- */

static int has_id(void *argument) {
    const consuming *c = argument;
    char *metadata = group_metadata(c->group, c->topic, 0);
    int has = strstr(metadata, "kca1:o") != NULL;
    free(metadata);
    return has;
}

static int all_came(void *argument) {
    for (int id = 1000; id < 1000 + 2 * COUNT; id++)
        if (times_seen(argument, id) == 0)
            return 0;
    return 1;
}

/* At once, and longer: only its id tells. */
static void test_a_topic_made_anew_and_longer_is_read_from_its_first_record(void **state) {
    if (rd_kafka_version() < ID_VERSION)
        skip();
    const char *topic = filled(COUNT), *group = unique("group");
    consuming c = consume(topic, group, NULL);
    kca_queue *q = queue_of(c.system);
    runner r;
    runner_start(&r, c.consumer);
    must_commit(group, topic, 0, COUNT);
    must_become(has_id, &c, COME_MS, "the commit tells the topic's id");
    topic_delete(topic);
    topic_create(topic, 1);
    raw_writer *w = raw_writer_open(NULL);
    for (int id = 1000; id < 1000 + 2 * COUNT; id++) {
        char value[40];
        snprintf(value, sizeof value, "{\"id\":%d}", id);
        raw_write(w, topic, 0, NULL, NULL, value);
    }
    raw_writer_close(w);
    must_become(all_came, c.recorder, COME_MS, "all of the new topic came");
    must_commit(group, topic, 0, 2 * COUNT);
    runner_stop(&r);
    kca_queue_free(q);
    end(&c);
}

/* Offsets that outlived their topic: its id in the commit is another's. */
static void test_an_offset_of_the_topic_before_is_not_believed(void **state) {
    if (rd_kafka_version() < ID_VERSION)
        skip();
    const char *topic = filled(COUNT), *group = unique("group");
    consuming c = consume(topic, group, NULL);
    must(run_for(&c, COUNT));
    char *metadata = group_metadata(group, topic, 0);
    must_have(metadata, "kca1:o");
    end(&c);
    topic_delete(topic);
    topic_must_be_gone(topic);
    topic_create(topic, 1);
    topic_fill(topic, 0, 2 * COUNT, 0);
    group_commit(group, topic, 0, COUNT, metadata); /* the broker drops it with the topic */
    free(metadata);
    c = consume(topic, group, NULL);
    kca_queue *q = queue_of(c.system);
    must(run_for(&c, 2 * COUNT));
    must_tell(q, topic, COUNT, 0);
    assert_int_equal(missing_of(c.recorder, 2 * COUNT), 0);
    assert_int_equal(group_committed(group, topic, 0), 2 * COUNT);
    must_tell_no_more(q);
    kca_queue_free(q);
    end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_retention_took_while_it_was_away_is_told),
        cmocka_unit_test(test_it_is_told_though_no_record_is_left),
        cmocka_unit_test(test_what_retention_takes_before_a_slow_consumer_is_told),
        cmocka_unit_test(test_a_committed_offset_beyond_the_end_is_told),
        cmocka_unit_test(test_where_nothing_is_gone_nothing_is_told),
        cmocka_unit_test(test_a_seek_outside_the_partition_is_refused),
        cmocka_unit_test(test_a_topic_made_anew_and_longer_is_read_from_its_first_record),
        cmocka_unit_test(test_an_offset_of_the_topic_before_is_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
