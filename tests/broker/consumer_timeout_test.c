/* Handlers that take longer than the processing time. */
#include "retrying.h"

enum { LIMIT_MS = 300 };

#define PARENT "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

/* The first attempt at id 0 waits at the gate. */
static int linger(recorder *r, kca_delivery *d, int id) {
    if (id == 0 && kca_delivery_attempt(d) == 1)
        gate_wait(r->context);
    return KCA_DONE;
}

/* Ids 0, 1, 2 of one key, 3 of another, each with a trace header: fault 9 of Gomes, where that
 * takes the timeout away. */
static const char *traced(void) {
    const char *topic = unique("late");
    topic_create(topic, 1);
    raw_writer *w = raw_writer_open(NULL);
    const char *const headers[][2] = {{"route", "thing"}, {"Traceparent", PARENT}};
    raw_write_headers(w, topic, "a", "{\"id\":0}", headers, 2);
    raw_write_headers(w, topic, "a", "{\"id\":1}", headers, 2);
    raw_write_headers(w, topic, "a", "{\"id\":2}", headers, 2);
    raw_write_headers(w, topic, "b", "{\"id\":3}", headers, 2);
    raw_writer_close(w);
    return topic;
}

/* Runs with two processors until id 0 is late for the first time. */
static consuming be_late(runner *r, gate *hold, const char *policy, kca_publisher_builder *dead,
                         kca_consumer_builder *b, const char *topic, const char *group) {
    kca_consumer_builder_with_timeout_policy(b, policy);
    consuming c = consume_beside(dead, topic, group, b);
    c.recorder->behave = linger;
    c.recorder->context = hold;
    kca_consumer_with_amount_of_processors(c.consumer, 2);
    kca_consumer_with_message_processing_timeout_ms(c.consumer, LIMIT_MS);
    runner_start(r, c.consumer);
    must_wait_at(hold, 1, COME_MS);
    must_count(c.system, "timed_out", 1);
    return c;
}

static int is_later(void *argument) {
    return now_ms() >= *(int64_t *)argument;
}

static void must_stay(recorder *r, int count, int ms) {
    int64_t then = now_ms() + ms;
    must_become(is_later, &then, 2 * ms, "later");
    assert_int_equal(came(r), count);
}

static void test_under_wait_the_retry_comes_when_the_handler_is_back(void **state) {
    static gate hold = GATE_CLOSED;
    const char *topic = traced(), *group = unique("group");
    runner r;
    consuming c = be_late(&r, &hold, "wait", NULL, retrying(topic, group, 2, 0), topic, group);
    must_be_handled(c.recorder, 1, COME_MS); /* id 3 */
    must_stay(c.recorder, 2, 500);
    gate_open(&hold);
    must_be_handled(c.recorder, 5, COME_MS); /* 0 again, 1, 2 */
    must_commit(group, topic, 0, 4);
    runner_stop(&r);
    for (int i = 2; i < 5; i++)
        assert_int_equal(c.recorder->all[i].id, i - 2);
    assert_int_equal(c.recorder->same_key_inside, 0);
    assert_int_equal(described(c.system, "consumers", 0, "handled"),
                     4); /* the late result is not */
    assert_int_equal(described(c.system, "consumers", 0, "failed"), 1);
    end(&c);
}

static void test_under_abandon_the_retry_does_not_wait_and_the_late_result_is_dropped(
    void **state) {
    static gate hold = GATE_CLOSED;
    const char *topic = traced(), *group = unique("group");
    runner r;
    consuming c = be_late(&r, &hold, "abandon", NULL, retrying(topic, group, 2, 0), topic, group);
    must_be_handled(c.recorder, 4, COME_MS); /* all but the first attempt, which waits */
    must_commit(group, topic, 0, 4);
    must_wait_at(&hold, 1, 0);
    assert_int_equal(times_seen(c.recorder, 0), 2);
    gate_open(&hold);
    must_be_handled(c.recorder, 5, COME_MS);
    runner_stop(&r);
    assert_int_equal(described(c.system, "consumers", 0, "handled"), 4);
    assert_int_equal(described(c.system, "consumers", 0, "timed_out"), 1);
    assert_int_equal(group_committed(group, topic, 0), 4);
    end(&c);
}

static void must_hold_a_timeout(const char *dead) {
    int count;
    raw_record *all = topic_read(&count, dead, 1);
    assert_int_equal(count, 1);
    assert_string_equal(all->value, "{\"id\":0}");
    assert_string_equal(record_header(all, "kca-dead-letter-error-name"), "timeout");
    must_have(record_header(all, "kca-dead-letter-error-text"), "300 ms");
    assert_string_equal(record_header(all, "kca-dead-letter-attempts"), "1");
    assert_string_equal(record_header(all, "Traceparent"), PARENT);
    records_free(all, count);
}

static void bury_late(const char *policy, int before_the_handler_is_back) {
    gate hold = GATE_CLOSED;
    const char *topic = traced(), *group = unique("group"), *dead = unique("dead");
    topic_create(dead, 1);
    kca_consumer_builder *b = retrying(topic, group, 5, 0);
    kca_consumer_builder_with_rejected_error(b, "timeout"); /* no retry */
    kca_consumer_builder_with_dead_letter_channel(b, dead);
    runner r;
    consuming c = be_late(&r, &hold, policy, publisher_of(dead), b, topic, group);
    if (before_the_handler_is_back)
        must_commit(group, topic, 0, 4);
    else
        assert_int_equal(topic_end(dead, 0), 0);
    gate_open(&hold);
    must_be_handled(c.recorder, 4, COME_MS);
    must_commit(group, topic, 0, 4);
    runner_stop(&r);
    must_hold_a_timeout(dead);
    assert_int_equal(described(c.system, "consumers", 0, "dead_lettered"), 1);
    assert_int_equal(described(c.system, "consumers", 0, "handled"), 3);
    end(&c);
}

/* Fault 1 of Gomes: a message whose handler is late is neither dead-lettered nor comes again. */
static void test_a_late_one_is_dead_lettered_with_the_name_timeout(void **state) {
    bury_late("wait", 0);
    bury_late("abandon", 1);
}

/* Each attempt waits at the gate. */
static int linger_always(recorder *r, kca_delivery *d, int id) {
    (void)d, (void)id;
    gate_wait(r->context);
    return KCA_DONE;
}

static void test_a_handler_that_is_late_each_time_uses_its_attempts_up(void **state) {
    static gate hold = GATE_CLOSED;
    const char *topic = filled(1, 1), *group = unique("group");
    kca_consumer_builder *b = retrying(topic, group, 3, 0);
    kca_consumer_builder_with_timeout_policy(b, "abandon");
    kca_consumer_builder_with_failure_policy(b, "skip");
    consuming c = consume(topic, group, b);
    c.recorder->behave = linger_always;
    c.recorder->context = &hold;
    kca_consumer_with_amount_of_processors(c.consumer, 3);
    kca_consumer_with_message_processing_timeout_ms(c.consumer, LIMIT_MS);
    runner r;
    runner_start(&r, c.consumer);
    must_commit(group, topic, 0, 1); /* while all three wait */
    must_wait_at(&hold, 3, 0);
    gate_open(&hold);
    runner_stop(&r);
    assert_int_equal(came(c.recorder), 3);
    assert_int_equal(described(c.system, "consumers", 0, "timed_out"), 3);
    assert_int_equal(described(c.system, "consumers", 0, "skipped"), 1);
    assert_int_equal(described(c.system, "consumers", 0, "handled"), 0);
    end(&c);
}

static void test_settling_after_the_time_is_refused_and_it_comes_again(void **state) {
    const char *topic = filled(1, 1), *group = unique("group");
    kca_system *s = system_on(listener("PLAINTEXT"));
    give_consumer(s, retrying(topic, group, 2, 0));
    must(kca_system_add_handler(s, "thing", NULL, NULL, NULL));
    start(s);
    kca_consumer *c = reader_of(s, group);
    kca_consumer_with_message_processing_timeout_ms(c, LIMIT_MS);
    kca_queue *q;
    must(kca_consumer_queue(c, &q));
    kca_event *event = next_event(q, KCA_EVENT_DELIVERY, COME_MS);
    assert_non_null(event);
    must_count(s, "timed_out", 1);
    must_fail(kca_delivery_settle(kca_event_delivery(event), KCA_DONE), KCA_ERROR_STATE, group);
    assert_string_equal(kca_message_name(kca_delivery_message(kca_event_delivery(event))), "thing");
    kca_event_free(event);
    event = next_event(q, KCA_EVENT_DELIVERY, COME_MS);
    assert_non_null(event);
    assert_int_equal(kca_delivery_attempt(kca_event_delivery(event)), 2);
    must(kca_delivery_settle(kca_event_delivery(event), KCA_DONE));
    kca_event_free(event);
    must_commit(group, topic, 0, 1);
    kca_queue_free(q);
    kca_consumer_free(c);
    finish(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_under_wait_the_retry_comes_when_the_handler_is_back),
        cmocka_unit_test(test_under_abandon_the_retry_does_not_wait_and_the_late_result_is_dropped),
        cmocka_unit_test(test_a_late_one_is_dead_lettered_with_the_name_timeout),
        cmocka_unit_test(test_a_handler_that_is_late_each_time_uses_its_attempts_up),
        cmocka_unit_test(test_settling_after_the_time_is_refused_and_it_comes_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
