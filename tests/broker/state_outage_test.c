/* States while the broker itself goes and comes back. */
#include "consuming.h"

/* Events of one state, of several that come in any order: others are dropped. */
static void must_tell(kca_queue *q, const char *consumer, int state) {
    kca_event *e;
    while ((e = next_event(q, KCA_EVENT_STATE, COME_MS))) {
        bool wanted = strcmp(kca_event_consumer(e), consumer) == 0 && kca_event_state(e) == state;
        bool in_trouble = kca_event_error(e) != NULL;
        kca_event_free(e);
        if (!wanted)
            continue;
        assert_int_equal(in_trouble, state == KCA_STATE_RECONNECTING);
        return;
    }
    fail_msg("state %d of \"%s\" was not told", state, consumer);
}

static int go_on(void **state) {
    cluster_do("heal");
    return 0;
}

static void outage(const char *begin, const char *end_words) {
    const char *topic = unique("outage"), *group = unique("group");
    topic_create(topic, 1);
    consuming c = consume_beside(publisher_of(topic), topic, group, NULL);
    kca_queue *q = queue_of(c.system);
    kca_bus *bus = bus_of(c.system, topic);
    runner r;
    runner_start(&r, c.consumer);
    must_tell(q, group, KCA_STATE_JOINED);
    publish_things(bus, 0, 1, 1, 0);
    must_be_handled(c.recorder, 1, COME_MS);
    cluster_do(begin);
    publish_things(bus, 1, 1, 1, 0);
    must_tell(q, group, KCA_STATE_RECONNECTING);
    cluster_do(end_words);
    must_tell(q, group, KCA_STATE_JOINED);
    must_be_handled(c.recorder, 2, RUN_MS);
    kca_queue_free(q);
    kca_bus_free(bus);
    runner_stop(&r);
    end(&c);
}

static void test_a_broker_that_was_killed_is_told_and_its_return(void **state) {
    outage("kill", "restart-node");
}

static void test_a_broker_that_freezes_is_told_and_its_return(void **state) {
    outage("pause", "cont");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_a_broker_that_was_killed_is_told_and_its_return, go_on),
        cmocka_unit_test_teardown(test_a_broker_that_freezes_is_told_and_its_return, go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
