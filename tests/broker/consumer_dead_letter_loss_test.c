/* Nothing is lost on the way to the dead-letter channel, not even when that does not take it for a
 * while. What it never takes is in consumer_refused_letter_test. */
#include "dead_lettering.h"

#include "child.h"
#include "proxy.h"

enum { COUNT = 10, STARTED = 1000 };

static proxy *way; /* to the dead letters' cluster */

static kca_connection *connection_of_letters(void) {
    kca_connection *c;
    must(kca_connection_new(&c, "letters", listener("PROXIED")));
    return c;
}

/* Its dead letters go another way than its records; a letter that does not get there fails soon. */
static consuming consume_beside_proxy(const char *topic, const char *group, const char *dead) {
    consuming c = {system_on(listener("PLAINTEXT")), NULL, recorder_new(), topic, group};
    kca_consumer_builder *b = burying(topic, group, dead, NULL);
    kca_publisher_builder *letters;
    set_session(b, 1500);
    must(kca_publisher_builder_new(&letters, "letters", dead));
    kca_publisher_builder_with_required_acks(letters, -1);
    kca_publisher_builder_with_property(letters, "message.timeout.ms", "500");
    give_connection(c.system, connection_of_letters());
    give_publisher(c.system, letters);
    give_consumer(c.system, b);
    record(c.system, "thing", c.recorder);
    start(c.system);
    c.consumer = reader_of(c.system, group);
    c.recorder->behave = reject_3;
    return c;
}

static int open_way(void **state) {
    (void)state;
    way = proxy_start(listener("PROXY"), listener("PROXIED"));
    return 0;
}

static int close_way(void **state) {
    (void)state;
    proxy_stop(way);
    return 0;
}

static void must_be_told(kca_queue *q, const char *topic, const char *dead) {
    kca_event *fault = next_event(q, KCA_EVENT_FAULT, COME_MS);
    assert_non_null(fault);
    const kca_error *e = kca_event_error(fault);
    assert_int_equal(kca_error_code(e), KCA_ERROR_NOT_STORED);
    assert_int_equal(kca_error_retriable(e), 1);
    must_have(kca_error_text(e), "dead letter");
    must_have(kca_error_text(e), dead);
    assert_string_equal(kca_event_topic(fault), topic);
    assert_int_equal(kca_event_offset(fault), 3);
    kca_event_free(fault);
}

static void must_hold_the_one_letter(const char *dead) {
    int count;
    raw_record *all = topic_read(&count, dead, 1);
    assert_int_equal(count, 1);
    assert_string_equal(record_header(all, "kca-dead-letter-offset"), "3");
    assert_string_equal(all->value, "{\"id\":3}");
    records_free(all, count);
}

/* Fault 2 of Gomes: a dead letter that was not stored is committed all the same. */
static void test_nothing_is_committed_before_its_dead_letter_is_stored(void **state) {
    const char *topic = filled(COUNT), *group = unique("group"), *dead = morgue();
    consuming c = consume_beside_proxy(topic, group, dead);
    proxy_refuse(way);
    kca_queue *q = queue_of(c.system);
    runner r;
    runner_start(&r, c.consumer);
    must_be_told(q, topic, dead);
    must_be_handled(c.recorder, COUNT, COME_MS); /* other keys go on */
    must_commit(group, topic, 0, 3);
    must_be_told(q, topic, dead);
    must_be_told(q, topic, dead);
    topic_fill(topic, 0, COUNT, COUNT);
    must_be_handled(c.recorder, 2 * COUNT - 1, COME_MS); /* but for its own key */
    assert_int_equal(group_committed(group, topic, 0), 3);
    assert_int_equal(topic_end(dead, 0), 0);
    assert_int_equal(described(c.system, "consumers", 0, "dead_lettered"), 0);
    c.recorder->behave = NULL;
    proxy_pass(way);
    must_commit(group, topic, 0, 2 * COUNT);
    runner_stop(&r);
    must_hold_the_one_letter(dead);
    kca_queue_free(q);
    end(&c);
}

static void test_a_shutdown_meanwhile_leaves_it_to_the_next_start(void **state) {
    const char *topic = filled(COUNT), *group = unique("group"), *dead = morgue();
    consuming c = consume_beside_proxy(topic, group, dead);
    proxy_refuse(way);
    runner r;
    runner_start(&r, c.consumer);
    must_be_handled(c.recorder, COUNT, COME_MS);
    must_commit(group, topic, 0, 3);
    int64_t begin = now_ms();
    kca_error_free(kca_system_shutdown(c.system, 2000));
    assert_in_range(now_ms() - begin, 0, 8000);
    must(runner_join(&r, RUN_MS));
    assert_int_equal(group_committed(group, topic, 0), 3);
    proxy_pass(way);
    start(c.system);
    must(run_for(&c, 1));
    assert_int_equal(times_seen(c.recorder, 3), 2);
    must_hold_the_one_letter(dead);
    assert_int_equal(group_committed(group, topic, 0), COUNT);
    end(&c);
}

/* ---- the process is killed meanwhile ---- */

static int reject_3_and_tell(recorder *r, kca_delivery *d, int id) {
    return child_tell(id) ? reject_3(r, d, id) : KCA_FAILED;
}

/* The topic's name is that of the source; the morgue's is in the environment. */
static int bury_until_killed(const char *topic, const char *group) {
    consuming c = consume_beside_proxy(topic, group, getenv("KCA_TEST_DEAD"));
    c.recorder->behave = reject_3_and_tell;
    child_tell(STARTED);
    kca_error_free(kca_consumer_run(c.consumer));
    return 1;
}

static void test_a_kill_meanwhile_leaves_it_to_the_next_start(void **state) {
    const char *topic = unique("source"), *group = unique("group"), *dead = morgue();
    int id;
    topic_create(topic, 1);
    setenv("KCA_TEST_DEAD", dead, 1);
    child dying = child_start("bury", topic, group);
    assert_true(child_says(&dying, &id, COME_MS));
    assert_int_equal(id, STARTED);
    proxy_refuse(way);
    topic_fill(topic, 0, COUNT, COUNT);
    for (int i = 0; i < COUNT; i++)
        assert_true(child_says(&dying, &id, COME_MS));
    must_commit(group, topic, 0, 3);
    child_kill(&dying);
    child_close(&dying);
    proxy_pass(way);
    consuming c = consume_beside_proxy(topic, group, dead);
    runner r;
    runner_start(&r, c.consumer);
    must_commit(group, topic, 0, COUNT);
    runner_stop(&r);
    assert_int_equal(times_seen(c.recorder, 3), 1);
    must_hold_the_one_letter(dead);
    end(&c);
}

/* ---- what cannot work is an error at start ---- */

static void must_not_start(kca_publisher_builder *publisher, kca_consumer_builder *b, int code,
                           const char *part, const char *other_part) {
    kca_system *s = system_on(listener("PLAINTEXT"));
    if (publisher)
        give_publisher(s, publisher);
    kca_error *e = kca_system_add_consumer(s, b);
    kca_consumer_builder_free(b);
    must(kca_system_add_handler(s, "*", NULL, NULL, NULL));
    must_fail(e ? e : kca_system_start(s, 10000), code, "dead_letter_channel", part, other_part);
    kca_system_free(s);
}

/* Fault 4 of Gomes: acks 0, so that nobody knows what became of a dead letter. */
static void test_channels_that_could_lose_it_are_refused(void **state) {
    const char *topic = filled(1), *dead = morgue();
    must_not_start(NULL, burying(topic, "reader", dead, NULL), KCA_ERROR_NOT_FOUND, dead,
                   "no publisher");
    kca_publisher_builder *silent = publisher_of(dead);
    kca_publisher_builder_with_required_acks(silent, 0);
    must_not_start(silent, burying(topic, "reader", dead, NULL), KCA_ERROR_ARGUMENT, dead,
                   "required_acks");
    must_not_start(publisher_of(topic), burying(topic, "reader", topic, NULL), KCA_ERROR_ARGUMENT,
                   topic, "reads");
}

int main(int argc, char **argv) {
    if (argc == 4 && strcmp(argv[1], "bury") == 0)
        return bury_until_killed(argv[2], argv[3]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_is_committed_before_its_dead_letter_is_stored,
                                        open_way, close_way),
        cmocka_unit_test_setup_teardown(test_a_shutdown_meanwhile_leaves_it_to_the_next_start,
                                        open_way, close_way),
        cmocka_unit_test_setup_teardown(test_a_kill_meanwhile_leaves_it_to_the_next_start, open_way,
                                        close_way),
        cmocka_unit_test(test_channels_that_could_lose_it_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
