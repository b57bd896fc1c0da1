/* A network that swallows everything, connections stay and nothing comes through; and one that
 * refuses everything. */
#include "dead_lettering.h"
#include "proxy.h"
#include "wait.h"

enum {
    COUNT = 30,
    SESSION_MS = 1500, /* the group puts out soon what could not take its leave */
    SHUTDOWN_MS = 1000,
    SHUT_DOWN_MS = 8000,
    GIVE_UP_MS =
        90000 /* librdkafka's: three times ten seconds for an answer, and for a connection */
};

static int hold(recorder *r, kca_delivery *d, int id) {
    (void)d;
    (void)id;
    gate_wait(r->context);
    return KCA_DONE;
}

/* Finished work that cannot be committed any more is no reason to wait for the network. */
static void test_a_shutdown_ends_although_nothing_can_be_committed(void **state) {
    const char *topic = unique("hole"), *group = unique("group");
    topic_create(topic, 3);
    topic_fill(topic, 0, COUNT, COUNT);
    proxy *p = proxy_start(listener("PROXY"), listener("PROXIED"));
    gate g = GATE_CLOSED;
    consuming c = {system_on(listener("PROXY")), NULL, recorder_new(), topic, group};
    give_consumer(c.system, consumer_of(topic, group));
    record(c.system, "thing", c.recorder);
    start(c.system);
    c.consumer = reader_of(c.system, group);
    c.recorder->behave = hold;
    c.recorder->context = &g;
    runner r;
    runner_start(&r, c.consumer);
    must_wait_at(&g, 1, COME_MS);
    proxy_hole(p);
    gate_open(&g);
    must_be_handled(c.recorder, COUNT, COME_MS);
    int64_t begin = now_ms();
    kca_error_free(kca_system_shutdown(c.system, SHUTDOWN_MS));
    assert_true(now_ms() - begin < SHUT_DOWN_MS);
    kca_error_free(runner_join(&r, GIVE_UP_MS));
    assert_int_equal(group_committed(group, topic, 0), -1);
    kca_consumer_free(c.consumer);
    kca_system_free(c.system);
    recorder_free(c.recorder);
    proxy_stop(p);
}

/* Takes each of them once, and rejects every second one. */
static void settle_all(kca_queue *q, proxy *refusing) {
    kca_delivery *all[COUNT];
    bool came[COUNT] = {false};
    for (int i = 0; i < COUNT; i++) {
        kca_event *event = next_event(q, KCA_EVENT_DELIVERY, COME_MS);
        assert_non_null(event);
        all[i] = kca_event_into_delivery(event);
        assert_false(came[kca_delivery_offset(all[i])]);
        came[kca_delivery_offset(all[i])] = true;
    }
    if (refusing)
        proxy_refuse(refusing);
    for (int i = 0; i < COUNT; i++) {
        must(kca_delivery_settle(all[i], i % 2 ? KCA_REJECTED : KCA_DONE));
        kca_delivery_free(all[i]);
    }
}

/* What could not be stored and committed comes again. */
static void test_freeing_a_queue_ends_although_nobody_answers(void **state) {
    const char *topic = filled(COUNT), *group = unique("group"), *dead = morgue();
    proxy *p = proxy_start(listener("PROXY"), listener("PROXIED"));
    kca_system *s = system_on(listener("PROXY"));
    kca_queue *q;
    give_publisher(s, publisher_of(dead));
    kca_consumer_builder *b = burying(topic, group, dead, NULL);
    set_session(b, SESSION_MS);
    give_consumer(s, b);
    must(kca_system_add_handler(s, "thing", NULL, NULL, NULL));
    start(s);
    kca_consumer *consumer = reader_of(s, group);
    must(kca_consumer_queue(consumer, &q));
    settle_all(q, p);
    kca_queue_free(q);
    assert_int_equal(group_committed(group, topic, 0), -1);
    assert_int_equal(topic_end(dead, 0), 0);
    proxy_pass(p);
    must(kca_consumer_queue(consumer, &q));
    settle_all(q, NULL);
    kca_queue_free(q);
    assert_int_equal(group_committed(group, topic, 0), COUNT);
    assert_in_range(topic_end(dead, 0), COUNT / 2, COUNT);
    kca_consumer_free(consumer);
    finish(s);
    proxy_stop(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_freeing_a_queue_ends_although_nobody_answers),
        cmocka_unit_test(test_a_shutdown_ends_although_nothing_can_be_committed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
