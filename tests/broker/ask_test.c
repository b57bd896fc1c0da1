/* Asks on a real Kafka: many at once, many who ask over one reply channel, and a reply channel that
 * grows, comes late or is forbidden. */
#include "answerer.h"
#include "behaviour.h"
#include "cluster.h"
#include "systems.h"

enum { COME_MS = 120000, MANY = 1000, ASKERS = 10, EACH = MANY / ASKERS };

typedef struct asker {
    kca_system *system;
    kca_bus *bus;
    kca_queue *queue;
} asker;

static asker asker_start(const char *asks, const char *replies) {
    asker a = {.system = system_on(listener("PLAINTEXT"))};
    asking_declare(a.system, asks, replies);
    start(a.system);
    a.bus = query_bus_of(a.system, asks);
    a.queue = queue_of(a.system);
    return a;
}

static void asker_stop(asker *a) {
    kca_bus_free(a->bus);
    kca_queue_free(a->queue);
    finish(a->system);
}

static void answer_from(answerer *a, const char *asks, const char *replies) {
    answerer_declare(a, system_on(listener("PLAINTEXT")), asks, replies);
    start(a->system);
    answerer_start(a);
}

static void answer_no_more(answerer *a) {
    kca_system *s = a->system;
    answerer_stop(a);
    finish(s);
}

/* Asks with the ids and tokens first ... first + count - 1. */
static void send_all(asker *a, int first, int count) {
    for (int id = first; id < first + count; id++)
        must(send_question(a->bus, id, (uint64_t)id, COME_MS));
}

/* Each of them is answered once, and nothing else comes. */
static void must_all_be_answered(asker *a, int first, int count) {
    bool told[MANY] = {false};
    for (int i = 0; i < count; i++) {
        kca_event *e = next_event(a->queue, KCA_EVENT_REPLY, COME_MS);
        assert_non_null(e);
        int id = (int)kca_event_token(e);
        assert_in_range(id, first, first + count - 1);
        must_be_answer(e, id);
        assert_false(told[id - first]);
        told[id - first] = true;
        kca_event_free(e);
    }
    assert_int_equal(described(a->system, "reply_channels", 0, "waiting"), 0);
    assert_int_equal(described(a->system, "reply_channels", 0, "late"), 0);
}

static void test_a_thousand_asks_are_out_at_once(void **state) {
    const char *asks = unique("asks"), *replies = unique("replies");
    topic_create(asks, 3);
    topic_create(replies, 3);
    asker a = asker_start(asks, replies);
    answerer who;
    send_all(&a, 1, MANY);
    assert_int_equal(described(a.system, "reply_channels", 0, "waiting"), MANY);
    answer_from(&who, asks, replies);
    must_all_be_answered(&a, 1, MANY);
    assert_int_equal(described(a.system, "reply_channels", 0, "unknown"), 0);
    asker_stop(&a);
    answer_no_more(&who);
}

static void test_ten_who_ask_know_each_its_own(void **state) {
    const char *asks = unique("asks"), *replies = unique("replies");
    asker all[ASKERS];
    answerer who;
    topic_create(asks, 2);
    topic_create(replies, 2);
    for (int i = 0; i < ASKERS; i++)
        all[i] = asker_start(asks, replies);
    answer_from(&who, asks, replies);
    for (int i = 0; i < ASKERS; i++)
        send_all(&all[i], 1 + i * EACH, EACH);
    for (int i = 0; i < ASKERS; i++)
        must_all_be_answered(&all[i], 1 + i * EACH, EACH);
    for (int i = 0; i < ASKERS; i++)
        asker_stop(&all[i]);
    answer_no_more(&who);
}

static int reads_three(void *system) {
    return described(system, "reply_channels", 0, "partitions") == 3;
}

static void test_partitions_that_are_added_are_read_from_their_first_record(void **state) {
    const char *asks = unique("asks"), *replies = unique("replies");
    topic_create(asks, 1);
    topic_create(replies, 1);
    asker a = asker_start(asks, replies);
    topic_grow(replies, 3);
    answerer who;
    answer_from(&who, asks, replies);
    send_all(&a, 1, 100);
    must_all_be_answered(&a, 1, 100);
    must_become(reads_three, a.system, COME_MS, "all partitions are read");
    asker_stop(&a);
    answer_no_more(&who);
}

static void test_answers_from_before_the_start_are_not_read(void **state) {
    const char *asks = unique("asks"), *replies = unique("replies");
    topic_create(asks, 1);
    topic_create(replies, 2);
    topic_fill(replies, -1, 50, 10);
    asker a = asker_start(asks, replies);
    answerer who;
    answer_from(&who, asks, replies);
    send_all(&a, 1, 10);
    must_all_be_answered(&a, 1, 10);
    assert_int_equal(described(a.system, "reply_channels", 0, "unknown"), 0);
    asker_stop(&a);
    answer_no_more(&who);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_thousand_asks_are_out_at_once),
        cmocka_unit_test(test_ten_who_ask_know_each_its_own),
        cmocka_unit_test(test_partitions_that_are_added_are_read_from_their_first_record),
        cmocka_unit_test(test_answers_from_before_the_start_are_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
