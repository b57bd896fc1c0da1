/* Rights that are taken away from a consumer while it runs: it says so, gives out nothing that is
 * none, and goes on when they are back. */
#include "consuming.h"

#include <stdio.h>

/* Rights of alice to read. */
static void change(const char *how, const char *kind, const char *name) {
    char words[400];
    snprintf(words, sizeof words,
             "acl %s --allow-principal User:alice --operation read --operation describe --%s '%s'",
             how, kind, name);
    cluster_do(words);
}

static void grant(const char *kind, const char *name) {
    change("--add", kind, name);
}

static void take_away(const char *kind, const char *name) {
    change("--remove --force", kind, name);
}

/* Alice's consumer, which runs and has handled ten records. */
static consuming consume_as_alice(runner *r, const char *topic, const char *group) {
    kca_connection *connection;
    consuming c = {.recorder = recorder_new(), .topic = topic, .group = group};
    topic_create(topic, 1);
    topic_fill(topic, 0, 10, 10);
    grant("topic", topic);
    grant("group", group);
    must(kca_system_new(&c.system));
    must(kca_connection_new(&connection, "kafka", listener("SASL")));
    kca_connection_with_sasl(connection, "PLAIN", "alice", "alice-secret");
    kca_connection_with_unencrypted_sasl(connection, 1);
    give_connection(c.system, connection);
    give_consumer(c.system, short_session(topic, group));
    record(c.system, "thing", c.recorder);
    start(c.system);
    c.consumer = reader_of(c.system, group);
    runner_start(r, c.consumer);
    must_commit(group, topic, 0, 10);
    return c;
}

static void must_be_told(kca_queue *q, const char *name) {
    kca_event *fault = next_event(q, KCA_EVENT_FAULT, COME_MS);
    assert_non_null(fault);
    assert_int_equal(kca_error_code(kca_event_error(fault)), KCA_ERROR_AUTHORIZATION);
    must_have(kca_error_text(kca_event_error(fault)), name);
    kca_event_free(fault);
}

static void lose(const char *kind) {
    const char *topic = unique("lost"), *group = unique("group");
    const char *name = strcmp(kind, "topic") == 0 ? topic : group;
    runner r;
    consuming c = consume_as_alice(&r, topic, group);
    kca_queue *q = queue_of(c.system);
    take_away(kind, name);
    topic_fill(topic, 0, 10, 10);
    must_be_told(q, name);
    grant(kind, name);
    must_commit(group, topic, 0, 20);
    runner_stop(&r);
    assert_int_equal(times_seen(c.recorder, -1), 0); /* no empty message: fault 8 of Gomes */
    /* Without the right to commit, what was handled meanwhile may come twice. */
    assert_in_range(came(c.recorder), 20, 30);
    kca_queue_free(q);
    end(&c);
}

/* The end must not hang for want of rights either. */
static void lose_and_stop(const char *kind) {
    const char *topic = unique("lost"), *group = unique("group");
    const char *name = strcmp(kind, "topic") == 0 ? topic : group;
    runner r;
    consuming c = consume_as_alice(&r, topic, group);
    kca_queue *q = queue_of(c.system);
    take_away(kind, name);
    must_be_told(q, name);
    int64_t begin = now_ms();
    runner_stop(&r);
    assert_in_range(now_ms() - begin, 0, 15000);
    assert_int_equal(came(c.recorder), 10);
    kca_queue_free(q);
    end(&c);
}

/* With the group protocol "consumer" librdkafka gives up at once: so does the consumer, and says
 * it.
 */
static void lose_for_good(void) {
    const char *topic = unique("lost"), *group = unique("group");
    runner r;
    consuming c = consume_as_alice(&r, topic, group);
    take_away("group", group);
    must_fail(runner_join(&r, COME_MS), KCA_ERROR_AUTHORIZATION, group);
    topic_fill(topic, 0, 10, 10);
    grant("group", group);
    runner_start(&r, c.consumer);
    must_commit(group, topic, 0, 20);
    runner_stop(&r);
    assert_int_equal(came(c.recorder), 20);
    end(&c);
}

static void test_the_right_to_read_its_topic_is_missed_and_found_again(void **state) {
    lose("topic");
}

static void test_the_right_to_its_group_is_missed_and_found_again(void **state) {
    if (is_dealt_by_broker())
        lose_for_good();
    else
        lose("group");
}

static void test_the_end_does_not_wait_for_rights(void **state) {
    lose_and_stop("topic");
    if (!is_dealt_by_broker()) /* else the loss is the end */
        lose_and_stop("group");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_right_to_read_its_topic_is_missed_and_found_again),
        cmocka_unit_test(test_the_right_to_its_group_is_missed_and_found_again),
        cmocka_unit_test(test_the_end_does_not_wait_for_rights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
