/* What is committed, and what happens to a message that is not handled well. */
#include "consuming.h"

#include <stdio.h>

typedef struct trouble {
    int id;      /* the message it concerns */
    int verdict; /* its handler's answer */
    gate hold;   /* which waits here first, unless open */
} trouble;

static int in_trouble(recorder *r, kca_delivery *d, int id) {
    trouble *t = r->context;
    if (id != t->id)
        return KCA_DONE;
    gate_wait(&t->hold);
    if (t->verdict != KCA_DONE)
        kca_delivery_explain(d, "NegativeAmount", "the amount is -3");
    return t->verdict;
}

/* A topic of one partition with `count` records of keys k0, k1 ..., each its own; message `t->id`
 * in trouble. */
static consuming troubled(trouble *t, int count, const char *policy) {
    const char *topic = unique("trouble"), *group = unique("group");
    topic_create(topic, 1);
    topic_fill(topic, 0, count, count);
    kca_consumer_builder *b = consumer_of(topic, group);
    if (policy)
        kca_consumer_builder_with_failure_policy(b, policy);
    consuming c = consume(topic, group, b);
    c.recorder->behave = in_trouble;
    c.recorder->context = t;
    kca_consumer_with_amount_of_processors(c.consumer, 3);
    return c;
}

/* Fault 5 of Gomes. */
static void test_a_commit_never_passes_a_message_still_being_handled(void **state) {
    trouble slow = {20, KCA_DONE, GATE_CLOSED};
    consuming c = troubled(&slow, 200, NULL);
    runner r;
    runner_start(&r, c.consumer);
    must_be_handled(c.recorder, 199, COME_MS);
    must_commit(c.group, c.topic, 0, 20);
    for (int64_t stop = now_ms() + 600; now_ms() < stop;)
        assert_int_equal(group_committed(c.group, c.topic, 0), 20);
    gate_open(&slow.hold);
    must_commit(c.group, c.topic, 0, 200);
    runner_stop(&r);
    assert_int_equal(group_committed(c.group, c.topic, 0), 200);
    end(&c);
}

/* Fault 6 of Gomes. */
static void test_shutdown_commits_nothing_that_is_still_being_handled(void **state) {
    trouble slow = {5, KCA_DONE, GATE_CLOSED};
    consuming c = troubled(&slow, 10, NULL);
    runner r;
    runner_start(&r, c.consumer);
    must_be_handled(c.recorder, 9, COME_MS);
    must_fail(kca_system_shutdown(c.system, 1000), KCA_ERROR_TIMEOUT,
              "1 deliveries were not settled");
    assert_int_equal(group_committed(c.group, c.topic, 0), 5);
    consuming other = consume(c.topic, c.group, NULL);
    must(run_for(&other, 1)); /* the others are known to be finished */
    assert_int_equal(times_seen(other.recorder, 5), 1);
    assert_int_equal(described(other.system, "consumers", 0, "finished_before"), 4);
    assert_int_equal(group_committed(c.group, c.topic, 0), 10);
    end(&other);
    gate_open(&slow.hold);
    must(runner_join(&r, RUN_MS));
    assert_int_equal(group_committed(c.group, c.topic, 0), 10);
    end(&c);
}

static void test_shutdown_lets_a_handler_finish_and_commits_it(void **state) {
    trouble slow = {9, KCA_DONE, GATE_CLOSED};
    consuming c = troubled(&slow, 10, NULL);
    runner r;
    runner_start(&r, c.consumer);
    must_wait_at(&slow.hold, 1, COME_MS);
    must_be_handled(c.recorder, 9, COME_MS);
    kca_consumer_stop(c.consumer);
    gate_open(&slow.hold);
    must(kca_system_shutdown(c.system, 10000));
    must(runner_join(&r, RUN_MS));
    assert_int_equal(group_committed(c.group, c.topic, 0), 10);
    end(&c);
}

static int keep(recorder *r, kca_delivery *d, int id) {
    (void)id;
    *(kca_delivery **)r->context = d;
    return KCA_DEFERRED;
}

static int is_ending(void *argument) {
    kca_error *e = kca_consumer_pause(argument, NULL, -1);
    int ending = e != NULL;
    kca_error_free(e);
    return ending;
}

static void test_shutdown_shortens_a_stop_that_waits_for_a_deferred_delivery(void **state) {
    trouble none = {-1, KCA_DONE, GATE_CLOSED};
    consuming c = troubled(&none, 1, NULL);
    kca_delivery *kept = NULL;
    c.recorder->behave = keep;
    c.recorder->context = &kept;
    runner r;
    runner_start(&r, c.consumer);
    must_be_handled(c.recorder, 1, COME_MS);
    kca_consumer_stop(c.consumer);
    must_become(is_ending, c.consumer, COME_MS, "its handlers are back");
    must_fail(kca_system_shutdown(c.system, 500), KCA_ERROR_TIMEOUT,
              "1 deliveries were not settled");
    must(runner_join(&r, RUN_MS));
    must_fail(kca_delivery_settle(kept, KCA_DONE), KCA_ERROR_STATE, "no longer counts");
    kca_delivery_free(kept);
    assert_int_equal(group_committed(c.group, c.topic, 0), -1);
    end(&c);
}

/* Ends with the error, commits nothing beyond, and gets the message again. */
static void must_stop_at(consuming *c, trouble *t, const char *what) {
    char where[200];
    snprintf(where, sizeof where, "%s[0] offset %d", c->topic, t->id);
    runner r;
    runner_start(&r, c->consumer);
    must_fail(runner_join(&r, RUN_MS), KCA_ERROR_HANDLER, c->group, where, what, "NegativeAmount",
              "the amount is -3");
    assert_in_range(group_committed(c->group, c->topic, 0), t->id ? 1 : 0, t->id);
    t->verdict = KCA_DONE;
    int before = times_seen(c->recorder, t->id);
    runner_start(&r, c->consumer);
    must_commit(c->group, c->topic, 0, topic_end(c->topic, 0));
    runner_stop(&r);
    assert_int_equal(times_seen(c->recorder, t->id), before + 1);
    assert_int_equal(missing_of(c->recorder, (int)topic_end(c->topic, 0)), 0);
}

static void test_policy_stop_ends_at_a_failure_and_gets_it_again(void **state) {
    trouble t = {7, KCA_FAILED, GATE_CLOSED};
    gate_open(&t.hold);
    consuming c = troubled(&t, 20, NULL);
    must_stop_at(&c, &t, "failed");
    end(&c);
}

static void test_policy_stop_ends_at_a_rejection_and_gets_it_again(void **state) {
    trouble t = {7, KCA_REJECTED, GATE_CLOSED};
    gate_open(&t.hold);
    consuming c = troubled(&t, 20, "stop");
    must_stop_at(&c, &t, "was rejected");
    end(&c);
}

static void test_policy_skip_tells_a_fault_and_goes_on(void **state) {
    trouble t = {7, KCA_FAILED, GATE_CLOSED};
    gate_open(&t.hold);
    consuming c = troubled(&t, 20, "skip");
    must(run_for(&c, 20));
    assert_int_equal(group_committed(c.group, c.topic, 0), 20);
    assert_int_equal(described(c.system, "consumers", 0, "skipped"), 1);
    assert_int_equal(described(c.system, "consumers", 0, "failed"), 1);
    kca_queue *q = queue_of(c.system);
    kca_event *fault = next_event(q, KCA_EVENT_FAULT, 1000);
    assert_non_null(fault);
    assert_string_equal(kca_event_topic(fault), c.topic);
    assert_int_equal(kca_event_partition(fault), 0);
    assert_int_equal(kca_event_offset(fault), 7);
    assert_int_equal(kca_error_code(kca_event_error(fault)), KCA_ERROR_HANDLER);
    must_have(kca_error_text(kca_event_error(fault)), "NegativeAmount");
    kca_event_free(fault);
    kca_queue_free(q);
    end(&c);
}

static void test_a_name_without_a_handler_is_rejected(void **state) {
    const char *topic = unique("unknown"), *group = unique("group");
    topic_create(topic, 1);
    raw_writer *w = raw_writer_open(NULL);
    raw_write(w, topic, 0, "stranger", "k", "{\"id\":0}");
    raw_writer_close(w);
    consuming c = consume(topic, group, NULL);
    must_fail(kca_consumer_run(c.consumer), KCA_ERROR_HANDLER, "stranger", "rejected", topic,
              "no handler");
    assert_int_equal(came(c.recorder), 0);
    assert_int_equal(group_committed(group, topic, 0), -1);
    end(&c);
}

static void test_a_record_without_a_route_is_told_as_that(void **state) {
    const char *topic = unique("unnamed"), *group = unique("group");
    topic_create(topic, 1);
    raw_writer *w = raw_writer_open(NULL);
    raw_write_bytes(w, topic, "k", 1, "{\"id\":0}", 8, rd_kafka_headers_new(1));
    raw_writer_close(w);
    consuming c = consume(topic, group, NULL);
    must_fail(kca_consumer_run(c.consumer), KCA_ERROR_HANDLER, "a message without a name", topic,
              "[0] offset 0", "no `route` header");
    end(&c);
}

static void test_a_handler_over_its_time_counts_as_failed_whatever_it_does_later(void **state) {
    trouble t = {7, KCA_DONE, GATE_CLOSED};
    consuming c = troubled(&t, 8, NULL);
    kca_consumer_with_message_processing_timeout_ms(c.consumer, 300);
    runner r;
    runner_start(&r, c.consumer);
    kca_queue *q = queue_of(c.system);
    kca_event *fault = next_event(q, KCA_EVENT_FAULT, COME_MS);
    assert_non_null(fault);
    must_have(kca_error_text(kca_event_error(fault)), "processing time, 300 ms");
    kca_event_free(fault);
    kca_queue_free(q);
    gate_open(&t.hold);
    must_fail(runner_join(&r, RUN_MS), KCA_ERROR_HANDLER, "offset 7", "300 ms");
    assert_int_equal(group_committed(c.group, c.topic, 0), 7);
    assert_int_equal(described(c.system, "consumers", 0, "handled"), 7);
    must(run_for(&c, 1));
    assert_int_equal(times_seen(c.recorder, 7), 2);
    end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_commit_never_passes_a_message_still_being_handled),
        cmocka_unit_test(test_shutdown_commits_nothing_that_is_still_being_handled),
        cmocka_unit_test(test_shutdown_lets_a_handler_finish_and_commits_it),
        cmocka_unit_test(test_shutdown_shortens_a_stop_that_waits_for_a_deferred_delivery),
        cmocka_unit_test(test_policy_stop_ends_at_a_failure_and_gets_it_again),
        cmocka_unit_test(test_policy_stop_ends_at_a_rejection_and_gets_it_again),
        cmocka_unit_test(test_policy_skip_tells_a_fault_and_goes_on),
        cmocka_unit_test(test_a_name_without_a_handler_is_rejected),
        cmocka_unit_test(test_a_record_without_a_route_is_told_as_that),
        cmocka_unit_test(test_a_handler_over_its_time_counts_as_failed_whatever_it_does_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
