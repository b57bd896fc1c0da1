/* Asks while the broker goes and comes back. */
#include "answerer.h"
#include "behaviour.h"
#include "cluster.h"
#include "systems.h"

enum { COME_MS = 240000, BEFORE = 100, MEANWHILE = 100 };

static int go_on(void **state) {
    cluster_do("heal");
    return 0;
}

static void test_asks_are_answered_although_the_broker_went(void **state) {
    const char *asks = unique("asks"), *replies = unique("replies");
    answerer who;
    gate hold = GATE_CLOSED;
    topic_create(asks, 1);
    topic_create(replies, 2);
    kca_system *s = system_on(listener("PLAINTEXT"));
    asking_declare(s, asks, replies);
    answerer_declare(&who, s, asks, replies);
    who.hold = &hold;
    start(s);
    answerer_start(&who);
    kca_bus *bus = query_bus_of(s, asks);
    kca_queue *q = queue_of(s);
    bool told[BEFORE + MEANWHILE] = {false};
    for (int id = 1; id <= BEFORE; id++)
        must(send_question(bus, id, (uint64_t)id, COME_MS));
    must_wait_at(&hold, 1, COME_MS);
    cluster_do("kill");
    gate_open(&hold);
    for (int id = BEFORE + 1; id <= BEFORE + MEANWHILE; id++)
        must(send_question(bus, id, (uint64_t)id, COME_MS));
    cluster_do("restart-node");
    for (int i = 0; i < BEFORE + MEANWHILE; i++) {
        kca_event *e = next_event(q, KCA_EVENT_REPLY, COME_MS);
        assert_non_null(e);
        int id = (int)kca_event_token(e);
        must_be_answer(e, id);
        assert_false(told[id - 1]);
        told[id - 1] = true;
        kca_event_free(e);
    }
    kca_queue_free(q);
    kca_bus_free(bus);
    answerer_stop(&who);
    finish(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asks_are_answered_although_the_broker_went),
    };
    return cmocka_run_group_tests(tests, NULL, go_on);
}
