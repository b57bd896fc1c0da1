/* A network that swallows everything: connections stay, and nothing comes through. */
#include "consuming.h"
#include "proxy.h"
#include "wait.h"

enum {
    COUNT = 30,
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_shutdown_ends_although_nothing_can_be_committed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
