/* Going elsewhere in a partition: back to handle again, or ahead. */
#include "consuming.h"

#include <stdio.h>

enum { COUNT = 100, SEEK_MS = 20000 };

/* One partition, ids equal offsets. */
static const char *filled(int count, int keys) {
    const char *topic = unique("seek");
    topic_create(topic, 1);
    topic_fill(topic, 0, count, keys);
    return topic;
}

/* From the n-th that came on, the ids are first, first + 1 ... last. */
static void must_have_come(recorder *r, int n, int first, int last) {
    assert_in_range(came(r), n + last - first + 1, RECORDER_MOST);
    for (int i = 0; i <= last - first; i++)
        assert_int_equal(r->all[n + i].id, first + i);
}

static void test_back_ahead_beginning_and_end_while_it_runs(void **state) {
    const char *topic = filled(COUNT, 1), *group = unique("group");
    consuming c = consume(topic, group, NULL);
    runner r;
    runner_start(&r, c.consumer);
    must_commit(group, topic, 0, COUNT);
    must(kca_consumer_seek(c.consumer, topic, 0, 40, SEEK_MS));
    must_be_handled(c.recorder, COUNT + 60, COME_MS);
    must_have_come(c.recorder, COUNT, 40, 99);
    must(kca_consumer_seek(c.consumer, topic, 0, 90, SEEK_MS));
    must_be_handled(c.recorder, COUNT + 70, COME_MS);
    must_have_come(c.recorder, COUNT + 60, 90, 99);
    must(kca_consumer_seek(c.consumer, topic, 0, KCA_OFFSET_BEGINNING, SEEK_MS));
    must_be_handled(c.recorder, COUNT + 170, COME_MS);
    must_have_come(c.recorder, COUNT + 70, 0, 99);
    must(kca_consumer_seek(c.consumer, topic, 0, KCA_OFFSET_END, SEEK_MS));
    topic_fill(topic, 0, 5, 1); /* 0 ... 4 at 100 ... 104 */
    must_be_handled(c.recorder, COUNT + 175, COME_MS);
    must_have_come(c.recorder, COUNT + 170, 0, 4);
    must_commit(group, topic, 0, COUNT + 5);
    runner_stop(&r);
    assert_int_equal(came(c.recorder), COUNT + 175);
    end(&c);
}

static int wait_at_50(recorder *r, kca_delivery *d, int id) {
    (void)d;
    if (id == 50)
        gate_wait(r->context);
    return KCA_DONE;
}

/* Back: what is settled again is committed anew, though it is less than before. */
static void test_commits_follow(void **state) {
    static gate hold = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, true, 0};
    const char *topic = filled(COUNT, 1), *group = unique("group");
    consuming c = consume(topic, group, NULL);
    c.recorder->behave = wait_at_50;
    c.recorder->context = &hold;
    runner r;
    runner_start(&r, c.consumer);
    must_commit(group, topic, 0, COUNT);
    hold.open = false;
    must(kca_consumer_seek(c.consumer, topic, 0, 40, SEEK_MS));
    must_wait_at(&hold, 1, COME_MS);
    must_commit(group, topic, 0, 50);
    gate_open(&hold);
    must_commit(group, topic, 0, COUNT);
    runner_stop(&r);
    end(&c);
}

/* librdkafka is still asking where to begin then. */
static void test_as_soon_as_it_is_assigned(void **state) {
    for (int round = 0; round < 3; round++) {
        const char *topic = filled(COUNT, 1), *group = unique("group");
        consuming c = consume(topic, group, NULL);
        kca_error *e = NULL;
        runner r;
        runner_start(&r, c.consumer);
        do { /* while it does not run, or has no partition */
            kca_error_free(e);
            e = kca_consumer_seek(c.consumer, topic, 0, 90, SEEK_MS);
        } while (kca_error_code(e) == KCA_ERROR_STATE || kca_error_code(e) == KCA_ERROR_NOT_FOUND);
        must(e);
        must_commit(group, topic, 0, COUNT);
        runner_stop(&r);
        assert_in_range(times_seen(c.recorder, 99), 1, 2);
        end(&c);
    }
}

/* So a backlog that was left out stays so. */
static void test_where_it_went_is_committed_though_nothing_came_of_there(void **state) {
    static gate hold = GATE_CLOSED;
    const char *topic = filled(COUNT, 1), *group = unique("group");
    consuming c = consume(topic, group, NULL);
    c.recorder->behave = wait_at_50;
    c.recorder->context = &hold;
    runner r;
    runner_start(&r, c.consumer);
    must_wait_at(&hold, 1, COME_MS);
    must(kca_consumer_seek(c.consumer, topic, 0, KCA_OFFSET_END, SEEK_MS));
    gate_open(&hold);
    runner_stop(&r);
    assert_int_equal(group_committed(group, topic, 0), COUNT);
    topic_fill(topic, 0, 1, 1);
    must(run_for(&c, 1));
    must_have_come(c.recorder, 51, 0, 0);
    end(&c);
}

/* ---- what is out meanwhile ---- */

static int wait_at_first(recorder *r, kca_delivery *d, int id) {
    (void)d;
    if (id == 0 && times_seen(r, 0) == 1)
        gate_wait(r->context);
    return KCA_DONE;
}

static void test_what_is_out_no_longer_counts_and_its_key_waits_for_it(void **state) {
    static gate hold = GATE_CLOSED;
    const char *topic = filled(COUNT, 2), *group = unique("group"); /* even ids are of its key */
    consuming c = consume(topic, group, NULL);
    c.recorder->behave = wait_at_first;
    c.recorder->context = &hold;
    kca_consumer_with_amount_of_processors(c.consumer, 3);
    runner r;
    runner_start(&r, c.consumer);
    must_be_handled(c.recorder, COUNT / 2, COME_MS); /* the other key */
    must(kca_consumer_seek(c.consumer, topic, 0, KCA_OFFSET_BEGINNING, SEEK_MS));
    must_be_handled(c.recorder, COUNT, COME_MS); /* the other key once more */
    assert_int_equal(times_seen(c.recorder, 0), 1);
    assert_int_equal(times_seen(c.recorder, 1), 2);
    gate_open(&hold);
    must_commit(group, topic, 0, COUNT);
    assert_int_equal(times_seen(c.recorder, 0), 2);
    assert_int_equal(times_seen(c.recorder, 98), 1);
    assert_int_equal(c.recorder->same_key_disorder, 0);
    assert_int_equal(described(c.system, "consumers", 0, "handled"), COUNT + COUNT / 2);
    runner_stop(&r);
    end(&c);
}

static int seek_back_at_50(recorder *r, kca_delivery *d, int id) {
    if (id == 50 && times_seen(r, 50) == 1)
        must(kca_consumer_seek(r->context, kca_delivery_topic(d), 0, 10, SEEK_MS));
    return KCA_DONE;
}

static void test_a_handler_may_seek_itself(void **state) {
    for (int processors = 1; processors <= 3; processors += 2) {
        const char *topic = filled(COUNT, 1), *group = unique("group");
        consuming c = consume(topic, group, NULL);
        c.recorder->behave = seek_back_at_50;
        c.recorder->context = c.consumer;
        kca_consumer_with_amount_of_processors(c.consumer, processors);
        runner r;
        runner_start(&r, c.consumer);
        must_be_handled(c.recorder, 51 + 90, COME_MS);
        must_commit(group, topic, 0, COUNT);
        runner_stop(&r);
        must_have_come(c.recorder, 0, 0, 50);
        must_have_come(c.recorder, 51, 10, 99);
        assert_int_equal(came(c.recorder), 51 + 90);
        end(&c);
    }
}

static kca_delivery *next(kca_queue *q) {
    kca_delivery *d = kca_event_into_delivery(next_event(q, KCA_EVENT_DELIVERY, COME_MS));
    assert_non_null(d);
    return d;
}

static void take(kca_queue *q, int first, int last) {
    for (int i = first; i <= last; i++) {
        kca_delivery *d = next(q);
        assert_int_equal(kca_delivery_offset(d), i);
        must(kca_delivery_settle(d, KCA_DONE));
        kca_delivery_free(d);
    }
}

static void test_in_the_pull_form(void **state) {
    const char *topic = filled(COUNT, COUNT), *group = unique("group");
    consuming c = consume(topic, group, NULL);
    kca_queue *q;
    must(kca_consumer_queue(c.consumer, &q));
    take(q, 0, 9);
    kca_delivery *held = next(q);
    must(kca_consumer_seek(c.consumer, topic, 0, 90, SEEK_MS));
    must_fail(kca_delivery_settle(held, KCA_DONE), KCA_ERROR_STATE, group, "offset 10");
    kca_delivery_free(held);
    take(q, 90, 99);
    must(kca_consumer_seek(c.consumer, topic, 0, 5, SEEK_MS));
    take(q, 5, 99);
    must_commit(group, topic, 0, COUNT);
    kca_queue_free(q);
    end(&c);
}

/* ---- errors ---- */

static void test_what_cannot_be_sought_is_an_error(void **state) {
    const char *topic = filled(1, 1), *group = unique("group");
    consuming c = consume(topic, group, NULL);
    must_fail(kca_consumer_seek(c.consumer, topic, 0, 0, 0), KCA_ERROR_STATE, "does not run");
    runner r;
    runner_start(&r, c.consumer);
    must_be_handled(c.recorder, 1, COME_MS);
    must_fail(kca_consumer_seek(c.consumer, topic, 7, 0, SEEK_MS), KCA_ERROR_NOT_FOUND, topic,
              "[7] is not assigned");
    must_fail(kca_consumer_seek(c.consumer, "elsewhere", 0, 0, SEEK_MS), KCA_ERROR_NOT_FOUND,
              "elsewhere");
    must_fail(kca_consumer_seek_to_time(c.consumer, "elsewhere", -1, 0, SEEK_MS),
              KCA_ERROR_NOT_FOUND, "elsewhere");
    must_fail(kca_consumer_seek(c.consumer, topic, 0, -3, SEEK_MS), KCA_ERROR_ARGUMENT, "-3");
    must_fail(kca_consumer_seek(c.consumer, topic, -1, 0, SEEK_MS), KCA_ERROR_ARGUMENT, "-1");
    must_fail(kca_consumer_seek(c.consumer, NULL, 0, 0, SEEK_MS), KCA_ERROR_ARGUMENT, "topic");
    kca_error *e = kca_consumer_seek(c.consumer, topic, 0, 0, 0); /* it comes about all the same */
    if (e)
        must_fail(e, KCA_ERROR_TIMEOUT, topic);
    must_be_handled(c.recorder, 2, COME_MS);
    must_fail(kca_consumer_seek(c.consumer, topic, 0, 1000, SEEK_MS), KCA_ERROR_OFFSET, "got 1000");
    runner_stop(&r);
    must_fail(kca_consumer_seek(c.consumer, topic, 0, 0, SEEK_MS), KCA_ERROR_STATE, group);
    end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_back_ahead_beginning_and_end_while_it_runs),
        cmocka_unit_test(test_commits_follow),
        cmocka_unit_test(test_as_soon_as_it_is_assigned),
        cmocka_unit_test(test_where_it_went_is_committed_though_nothing_came_of_there),
        cmocka_unit_test(test_what_is_out_no_longer_counts_and_its_key_waits_for_it),
        cmocka_unit_test(test_a_handler_may_seek_itself),
        cmocka_unit_test(test_in_the_pull_form),
        cmocka_unit_test(test_what_cannot_be_sought_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
