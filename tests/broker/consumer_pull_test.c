/* The pull form: deliveries as events, settled when and where the application likes. */
#include "consuming.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>

typedef struct pulling {
    kca_system *system;
    kca_consumer *consumer;
    kca_queue *queue;
    const char *topic, *group;
} pulling;

static pulling pull(int count, const char *policy) {
    pulling p = {.topic = unique("pull"), .group = unique("group")};
    topic_create(p.topic, 1);
    topic_fill(p.topic, 0, count, count);
    p.system = system_on(listener("PLAINTEXT"));
    kca_consumer_builder *b = consumer_of(p.topic, p.group);
    if (policy)
        kca_consumer_builder_with_failure_policy(b, policy);
    give_consumer(p.system, b);
    must(kca_system_add_handler(p.system, "thing", NULL, NULL, NULL));
    start(p.system);
    p.consumer = reader_of(p.system, p.group);
    must(kca_consumer_queue(p.consumer, &p.queue));
    return p;
}

static void end_pulling(pulling *p) {
    kca_consumer_stop(p->consumer);
    kca_queue_free(p->queue);
    kca_consumer_free(p->consumer);
    finish(p->system);
}

/* The next delivery as the caller's own. */
static kca_delivery *next(pulling *p) {
    kca_event *event = next_event(p->queue, KCA_EVENT_DELIVERY, COME_MS);
    if (!event)
        fail_msg("no delivery came");
    kca_delivery *d = kca_event_into_delivery(event);
    assert_non_null(d);
    return d;
}

static void test_deliveries_are_pulled_settled_and_committed(void **state) {
    pulling p = pull(50, NULL);
    for (int i = 0; i < 50; i++) {
        kca_event *event = next_event(p.queue, KCA_EVENT_DELIVERY, COME_MS);
        assert_non_null(event);
        kca_delivery *d = kca_event_delivery(event);
        assert_int_equal(kca_delivery_offset(d), i);
        assert_string_equal(kca_delivery_topic(d), p.topic);
        assert_string_equal(kca_delivery_consumer(d), p.group);
        assert_string_equal(kca_message_name(kca_delivery_message(d)), "thing");
        assert_int_equal(kca_delivery_attempt(d), 1);
        must(kca_delivery_settle(d, KCA_DONE));
        kca_event_free(event);
    }
    const char *topic = p.topic, *group = p.group;
    end_pulling(&p);
    assert_int_equal(group_committed(group, topic, 0), 50);
}

static void test_the_descriptor_is_readable_while_something_waits(void **state) {
    pulling p = pull(0, NULL);
    struct pollfd fd = {.fd = kca_queue_fd(p.queue), .events = POLLIN};
    assert_true(fd.fd >= 0);
    kca_event *event;
    int taken = 0;
    topic_fill(p.topic, 0, 100, 100);
    for (int64_t stop = now_ms() + COME_MS; taken < 100 && now_ms() < stop;) {
        poll(&fd, 1, COME_MS);
        while (kca_queue_next(p.queue, &event, 1, 0) == 1) {
            bool is_delivery = kca_event_type(event) == KCA_EVENT_DELIVERY;
            taken += is_delivery;
            if (is_delivery)
                must(kca_delivery_settle(kca_event_delivery(event), KCA_DONE));
            kca_event_free(event);
        }
    }
    assert_int_equal(taken, 100);
    while (poll(&fd, 1, 200) == 1)
        assert_int_equal(kca_queue_next(p.queue, &event, 1, 0), 0);
    end_pulling(&p);
}

static void test_a_second_settle_is_refused(void **state) {
    pulling p = pull(1, NULL);
    kca_delivery *d = next(&p);
    must_fail(kca_delivery_settle(d, KCA_DEFERRED), KCA_ERROR_ARGUMENT, "verdict");
    must(kca_delivery_settle(d, KCA_DONE));
    must_fail(kca_delivery_settle(d, KCA_DONE), KCA_ERROR_STATE, p.group, "offset 0");
    kca_delivery_free(d);
    end_pulling(&p);
}

static void test_a_delivery_freed_without_settling_counts_as_failed(void **state) {
    pulling p = pull(2, "skip");
    kca_delivery_free(next(&p));
    kca_event *fault = next_event(p.queue, KCA_EVENT_FAULT, COME_MS);
    assert_non_null(fault);
    assert_int_equal(kca_event_offset(fault), 0);
    must_have(kca_error_text(kca_event_error(fault)), "freed without being settled");
    kca_event_free(fault);
    assert_int_equal(described(p.system, "consumers", 0, "failed"), 1);
    end_pulling(&p);
}

static void test_policy_stop_ends_the_pull_form_with_a_fault(void **state) {
    pulling p = pull(5, NULL);
    kca_delivery *d = next(&p);
    kca_delivery_explain(d, "Broken", "it broke");
    must(kca_delivery_settle(d, KCA_FAILED));
    kca_delivery_free(d);
    kca_event *fault = next_event(p.queue, KCA_EVENT_FAULT, COME_MS);
    assert_non_null(fault);
    must_have(kca_error_text(kca_event_error(fault)), "Broken");
    kca_event_free(fault);
    kca_event *event;
    int64_t stop = now_ms() + COME_MS;
    int result;
    while ((result = kca_queue_next(p.queue, &event, 1, 100)) >= 0 && now_ms() < stop)
        if (result)
            kca_event_free(event);
    assert_int_equal(result, -KCA_ERROR_STOPPED);
    const char *topic = p.topic, *group = p.group;
    end_pulling(&p);
    assert_int_equal(group_committed(group, topic, 0), -1);
}

static void test_nothing_more_is_given_out_of_a_key_until_it_is_settled(void **state) {
    pulling p = pull(0, NULL);
    topic_fill(p.topic, 0, 3, 1);
    kca_delivery *first = next(&p);
    kca_event *event;
    assert_int_equal(kca_queue_next(p.queue, &event, 1, 500), 0);
    must(kca_delivery_settle(first, KCA_DONE));
    kca_delivery *second = next(&p);
    assert_int_equal(kca_delivery_offset(second), 1);
    kca_delivery_free(first);
    must(kca_delivery_settle(second, KCA_DONE));
    kca_delivery_free(second);
    end_pulling(&p);
}

static void test_run_and_pull_exclude_each_other(void **state) {
    pulling p = pull(0, NULL);
    kca_queue *second;
    must_fail(kca_consumer_run(p.consumer), KCA_ERROR_STATE, p.group, "its queue is open");
    must_fail(kca_consumer_queue(p.consumer, &second), KCA_ERROR_STATE, p.group);
    assert_null(second);
    kca_queue_free(p.queue);
    must(kca_consumer_queue(p.consumer, &p.queue));
    end_pulling(&p);
}

/* Deferred by a handler of the callback form, settled by a thread of the application. */

typedef struct deferred {
    kca_delivery *all[10];
    int count;
    pthread_mutex_t lock;
} deferred;

static int defer(recorder *r, kca_delivery *d, int id) {
    (void)id;
    deferred *list = r->context;
    pthread_mutex_lock(&list->lock);
    list->all[list->count++] = d;
    pthread_mutex_unlock(&list->lock);
    return KCA_DEFERRED;
}

static void *settle_all(void *argument) {
    deferred *list = argument;
    for (int i = list->count - 1; i >= 0; i--) {
        must(kca_delivery_settle(list->all[i], KCA_DONE));
        kca_delivery_free(list->all[i]);
    }
    return NULL;
}

static void test_a_deferred_delivery_is_settled_from_another_thread(void **state) {
    deferred list = {.lock = PTHREAD_MUTEX_INITIALIZER};
    const char *topic = unique("defer"), *group = unique("group");
    topic_create(topic, 1);
    topic_fill(topic, 0, 10, 10);
    consuming c = consume(topic, group, NULL);
    c.recorder->behave = defer;
    c.recorder->context = &list;
    runner r;
    runner_start(&r, c.consumer);
    must_be_handled(c.recorder, 10, COME_MS);
    assert_int_equal(group_committed(group, topic, 0), -1);
    kca_consumer_stop(c.consumer); /* waits for what is out */
    pthread_t settler;
    assert_int_equal(pthread_create(&settler, NULL, settle_all, &list), 0);
    must(runner_join(&r, RUN_MS));
    pthread_join(settler, NULL);
    assert_int_equal(group_committed(group, topic, 0), 10);
    end(&c);
}

static void test_a_delivery_outlives_its_system(void **state) {
    pulling p = pull(1, NULL);
    kca_delivery *d = next(&p);
    kca_queue_free(p.queue);
    kca_consumer_free(p.consumer);
    kca_system_free(p.system);
    assert_string_equal(kca_delivery_topic(d), p.topic);
    assert_string_equal(kca_message_name(kca_delivery_message(d)), "thing");
    must_fail(kca_delivery_settle(d, KCA_DONE), KCA_ERROR_STATE, "no longer counts");
    kca_delivery_free(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deliveries_are_pulled_settled_and_committed),
        cmocka_unit_test(test_the_descriptor_is_readable_while_something_waits),
        cmocka_unit_test(test_a_second_settle_is_refused),
        cmocka_unit_test(test_a_delivery_freed_without_settling_counts_as_failed),
        cmocka_unit_test(test_policy_stop_ends_the_pull_form_with_a_fault),
        cmocka_unit_test(test_nothing_more_is_given_out_of_a_key_until_it_is_settled),
        cmocka_unit_test(test_run_and_pull_exclude_each_other),
        cmocka_unit_test(test_a_deferred_delivery_is_settled_from_another_thread),
        cmocka_unit_test(test_a_delivery_outlives_its_system),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
