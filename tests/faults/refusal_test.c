/* A topic that refuses writes while another takes them: for the dead-letter topics of other tests.
 */
#include "behaviour.h"
#include "cluster.h"
#include "nodes.h"
#include "systems.h"

enum { PATIENCE_MS = 30000 };

typedef struct pair {
    kca_system *system;
    kca_queue *queue;
    kca_bus *refusing, *other;
} pair;

/* Publishers of both; a message that is not taken fails soon. */
static pair open_pair(const char *refusing, const char *other) {
    const char *topics[] = {refusing, other};
    pair p = {.system = system_on(listener("PLAINTEXT"))};
    for (int i = 0; i < 2; i++) {
        kca_publisher_builder *b = publisher_of(topics[i]);
        kca_publisher_builder_with_property(b, "message.timeout.ms", "3000");
        give_publisher(p.system, b);
    }
    start(p.system);
    p.queue = queue_of(p.system);
    p.refusing = bus_of(p.system, refusing);
    p.other = bus_of(p.system, other);
    return p;
}

static void close_pair(pair *p) {
    kca_bus_free(p->refusing);
    kca_bus_free(p->other);
    kca_queue_free(p->queue);
    finish(p->system);
}

/* What a message's receipt says. */
static int outcome(pair *p, kca_bus *bus) {
    publish_things(bus, 0, 1, 1, 1);
    kca_event *receipt = next_event(p->queue, KCA_EVENT_RECEIPT, PATIENCE_MS);
    assert_non_null(receipt);
    int code = kca_error_code(kca_event_error(receipt));
    kca_event_free(receipt);
    return code;
}

typedef struct expected {
    pair *pair;
    kca_bus *bus;
    int code;
} expected;

static int has_outcome(void *argument) {
    const expected *e = argument;
    return outcome(e->pair, e->bus) == e->code;
}

static void must_answer(pair *p, kca_bus *bus, int code) {
    must_become(has_outcome, &(expected){p, bus, code}, PATIENCE_MS,
                "the receipt says what is expected");
}

static void test_a_topic_refuses_records_for_good_until_told_otherwise(void **state) {
    const char *refusing = unique("refusing"), *other = unique("other");
    topic_create(refusing, 1);
    topic_create(other, 1);
    pair p = open_pair(refusing, other);
    assert_int_equal(outcome(&p, p.refusing), KCA_OK);
    topic_refuse_records(refusing);
    must_answer(&p, p.refusing, KCA_ERROR_TOO_LARGE);
    assert_int_equal(outcome(&p, p.other), KCA_OK);
    topic_accept_records(refusing);
    must_answer(&p, p.refusing, KCA_OK);
    close_pair(&p);
}

static void test_a_topic_for_all_nodes_refuses_records_while_one_is_down(void **state) {
    const char *refusing = unique("refusing"), *other = unique("other");
    topic_create_for_all_nodes(refusing, 1);
    topic_create(other, 1);
    pair p = open_pair(refusing, other);
    assert_int_equal(outcome(&p, p.refusing), KCA_OK);
    int node = partition_leader(refusing, 0) % node_count() + 1;
    node_kill(node);
    must_answer(&p, p.refusing, KCA_ERROR_NOT_STORED);
    must_answer(&p, p.other, KCA_OK);
    node_restart(node);
    must_answer(&p, p.refusing, KCA_OK);
    close_pair(&p);
}

static int heal(void **state) {
    nodes_heal();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_topic_refuses_records_for_good_until_told_otherwise),
        cmocka_unit_test_setup_teardown(
            test_a_topic_for_all_nodes_refuses_records_while_one_is_down, heal, heal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
