/* What the cluster's access rules forbid is told as that. */
#include "answerer.h"
#include "consuming.h"

#include <stdio.h>

static void allow(const char *user, const char *operation, const char *kind, const char *name) {
    char words[400];
    snprintf(words, sizeof words,
             "acl --add --allow-principal User:%s --operation %s --operation describe --%s '%s'",
             user, operation, kind, name);
    cluster_do(words);
}

static kca_system *system_of(const char *user) {
    kca_system *s;
    kca_connection *c;
    char password[60];
    snprintf(password, sizeof password, "%s-secret", user);
    must(kca_system_new(&s));
    must(kca_connection_new(&c, "kafka", listener("SASL")));
    kca_connection_with_sasl(c, "PLAIN", user, password);
    kca_connection_with_unencrypted_sasl(c, 1);
    give_connection(s, c);
    return s;
}

typedef struct attempt {
    kca_bus *bus;
    kca_message *message;
} attempt;

static int is_published(void *argument) {
    attempt *a = argument;
    kca_error *e = kca_bus_publish(a->bus, a->message, 0);
    int published = e == NULL;
    kca_error_free(e);
    return published;
}

static void test_a_publisher_without_the_right_to_write_is_told(void **state) {
    const char *topic = unique("forbidden");
    topic_create(topic, 1);
    kca_system *s = system_of("alice");
    kca_publisher_builder *b = publisher_of(topic);
    kca_publisher_builder_with_async(b, 0);
    give_publisher(s, b);
    start(s);
    kca_bus *bus = bus_of(s, topic);
    kca_message *m = thing("1", "k");
    for (int i = 0; i < 20; i++)
        must_fail(kca_bus_publish(bus, m, 0), KCA_ERROR_AUTHORIZATION, topic);
    allow("alice", "write", "topic", topic);
    must_become(is_published, &(attempt){bus, m}, COME_MS, "the right that was granted helps");
    kca_message_free(m);
    kca_bus_free(bus);
    finish(s);
    assert_int_equal(topic_end(topic, 0), 1);
}

static void test_a_consumer_without_the_right_to_its_group_is_told_and_goes_on_when_granted(
    void **state) {
    const char *topic = unique("guarded"), *group = unique("group");
    topic_create(topic, 1);
    topic_fill(topic, 0, 3, 1);
    allow("bob", "read", "topic", topic);
    kca_system *s = system_of("bob");
    recorder *r = recorder_new();
    give_consumer(s, consumer_of(topic, group));
    record(s, "thing", r);
    start(s);
    kca_consumer *c = reader_of(s, group);
    kca_queue *q = queue_of(s);
    runner run;
    runner_start(&run, c);
    kca_event *fault = next_event(q, KCA_EVENT_FAULT, COME_MS);
    assert_non_null(fault);
    assert_int_equal(kca_error_code(kca_event_error(fault)), KCA_ERROR_AUTHORIZATION);
    must_have(kca_error_text(kca_event_error(fault)), group);
    kca_event_free(fault);
    allow("bob", "read", "group", group);
    must_be_handled(r, 3, COME_MS);
    runner_stop(&run);
    kca_queue_free(q);
    kca_consumer_free(c);
    finish(s);
    recorder_free(r);
}

static void test_a_consumer_without_the_right_to_its_topic_is_told(void **state) {
    const char *topic = unique("guarded"), *group = unique("group");
    topic_create(topic, 1);
    allow("bob", "read", "group", group);
    kca_system *s = system_of("bob");
    recorder *r = recorder_new();
    give_consumer(s, consumer_of(topic, group));
    record(s, "thing", r);
    start(s);
    kca_consumer *c = reader_of(s, group);
    kca_queue *q = queue_of(s);
    runner run;
    runner_start(&run, c);
    kca_event *fault = next_event(q, KCA_EVENT_FAULT, COME_MS);
    assert_non_null(fault);
    assert_int_equal(kca_error_code(kca_event_error(fault)), KCA_ERROR_AUTHORIZATION);
    must_have(kca_error_text(kca_event_error(fault)), topic);
    kca_event_free(fault);
    runner_stop(&run);
    kca_queue_free(q);
    kca_consumer_free(c);
    finish(s);
    recorder_free(r);
}

static void must_fault(kca_queue *q, const char *part) {
    kca_event *fault = next_event(q, KCA_EVENT_FAULT, COME_MS);
    assert_non_null(fault);
    assert_int_equal(kca_error_code(kca_event_error(fault)), KCA_ERROR_AUTHORIZATION);
    must_have(kca_error_text(kca_event_error(fault)), part);
    kca_event_free(fault);
}

static int is_taken(void *bus) {
    kca_error *e = send_question(bus, 0, 1, -1);
    int taken = e == NULL;
    kca_error_free(e);
    return taken;
}

static void test_who_asks_without_the_right_to_the_replies_is_told(void **state) {
    const char *asks = unique("guarded"), *replies = unique("guarded");
    topic_create(asks, 1);
    topic_create(replies, 1);
    allow("bob", "write", "topic", asks);
    kca_system *s = system_of("bob");
    asking_declare(s, asks, replies);
    start(s);
    kca_queue *q = queue_of(s);
    kca_bus *bus = query_bus_of(s, asks);
    must_fault(q, replies);
    must_fail(send_question(bus, 0, 1, -1), KCA_ERROR_AUTHORIZATION, replies, "cannot be read");
    allow("bob", "describe", "topic", replies);
    must_become(is_taken, bus, COME_MS, "the right that was granted helps");
    must_fault(q, replies); /* it may look, but not read */
    kca_bus_free(bus);
    kca_queue_free(q);
    finish(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_publisher_without_the_right_to_write_is_told),
        cmocka_unit_test(
            test_a_consumer_without_the_right_to_its_group_is_told_and_goes_on_when_granted),
        cmocka_unit_test(test_a_consumer_without_the_right_to_its_topic_is_told),
        cmocka_unit_test(test_who_asks_without_the_right_to_the_replies_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
