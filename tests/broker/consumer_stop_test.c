/* However the pull form ends, what was settled is stored and committed: none of it comes again. */
#include "dead_lettering.h"

#include <stdio.h>

enum { COUNT = 6, LINGER_MS = 400 }; /* a dead letter is under way for so long */

typedef struct stopping {
    kca_system *system;
    kca_consumer *consumer;
    kca_queue *queue;
    const char *topic, *group, *dead;
    kca_delivery *all[COUNT];
} stopping;

static kca_publisher_builder *slow_publisher_of(const char *topic) {
    kca_publisher_builder *b;
    must(kca_publisher_builder_new(&b, "kafka", topic));
    kca_publisher_builder_with_required_acks(b, -1);
    kca_publisher_builder_with_linger_ms(b, LINGER_MS);
    return b;
}

/* All of the topic is out. */
static stopping take_all(void) {
    stopping s = {.topic = filled(COUNT), .group = unique("group"), .dead = morgue()};
    s.system = system_on(listener("PLAINTEXT"));
    give_publisher(s.system, slow_publisher_of(s.dead));
    give_consumer(s.system, burying(s.topic, s.group, s.dead, NULL));
    must(kca_system_add_handler(s.system, "thing", NULL, NULL, NULL));
    start(s.system);
    s.consumer = reader_of(s.system, s.group);
    must(kca_consumer_queue(s.consumer, &s.queue));
    for (int i = 0; i < COUNT; i++) {
        kca_event *event = next_event(s.queue, KCA_EVENT_DELIVERY, COME_MS);
        assert_non_null(event);
        s.all[i] = kca_event_into_delivery(event);
    }
    return s;
}

/* Every second one is rejected. */
static void settle_all(stopping *s, bool free_each) {
    for (int i = 0; i < COUNT; i++) {
        must(kca_delivery_settle(s->all[i], i % 2 ? KCA_REJECTED : KCA_DONE));
        if (free_each)
            kca_delivery_free(s->all[i]);
    }
}

static void free_all(stopping *s) {
    for (int i = 0; i < COUNT; i++)
        kca_delivery_free(s->all[i]);
}

static void must_be_over(stopping *s) {
    kca_consumer_free(s->consumer);
    finish(s->system);
    assert_int_equal(group_committed(s->group, s->topic, 0), COUNT);
    int count;
    raw_record *letters = topic_read(&count, s->dead, 1);
    assert_int_equal(count, COUNT / 2);
    records_free(letters, count);
}

static void test_freeing_the_queue_waits_for_what_is_settled(void **state) {
    (void)state;
    stopping s = take_all();
    settle_all(&s, true);
    kca_queue_free(s.queue);
    must_be_over(&s);
}

static void test_what_is_settled_after_the_stop_counts_while_the_application_keeps_it(
    void **state) {
    (void)state;
    stopping s = take_all();
    kca_consumer_stop(s.consumer);
    settle_all(&s, false);
    kca_queue_free(s.queue);
    free_all(&s);
    must_be_over(&s);
}

static void test_a_shutdown_waits_for_what_is_settled_and_kept(void **state) {
    (void)state;
    stopping s = take_all();
    kca_consumer_stop(s.consumer);
    settle_all(&s, false);
    must(kca_system_shutdown(s.system, 20000));
    free_all(&s);
    kca_queue_free(s.queue);
    must_be_over(&s);
}

static void test_settling_in_passing_counts_after_the_stop(void **state) {
    (void)state;
    stopping s = take_all();
    kca_consumer_stop(s.consumer);
    for (int i = 0; i < COUNT; i++) {
        kca_event *none;
        assert_int_equal(
            kca_queue_turn(s.queue, s.all[i], i % 2 ? KCA_REJECTED : KCA_DONE, &none, 0),
            -KCA_ERROR_STOPPED);
    }
    kca_queue_free(s.queue);
    must_be_over(&s);
}

static void test_the_next_run_begins_behind_what_was_settled(void **state) {
    (void)state;
    stopping s = take_all();
    settle_all(&s, true);
    kca_queue_free(s.queue);
    must(kca_consumer_queue(s.consumer, &s.queue));
    topic_fill(s.topic, 0, 1, 1);
    kca_event *event = next_event(s.queue, KCA_EVENT_DELIVERY, COME_MS);
    assert_non_null(event);
    assert_int_equal(kca_delivery_offset(kca_event_delivery(event)), COUNT);
    kca_event_free(event);
    kca_queue_free(s.queue);
    kca_consumer_free(s.consumer);
    finish(s.system);
}

static void test_freeing_the_queue_does_not_wait_for_what_is_out(void **state) {
    (void)state;
    stopping s = take_all();
    int64_t begin = now_ms();
    kca_queue_free(s.queue);
    assert_true(now_ms() - begin < COME_MS / 2);
    kca_consumer_free(s.consumer);
    finish(s.system);
    free_all(&s);
    assert_int_equal(group_committed(s.group, s.topic, 0), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_freeing_the_queue_waits_for_what_is_settled),
        cmocka_unit_test(test_what_is_settled_after_the_stop_counts_while_the_application_keeps_it),
        cmocka_unit_test(test_a_shutdown_waits_for_what_is_settled_and_kept),
        cmocka_unit_test(test_settling_in_passing_counts_after_the_stop),
        cmocka_unit_test(test_the_next_run_begins_behind_what_was_settled),
        cmocka_unit_test(test_freeing_the_queue_does_not_wait_for_what_is_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
