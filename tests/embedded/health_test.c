/* What health says of a system that is stuck, and of one that only looks so. A bound of 1 ms calls
 * everything stuck that may ever be. */
#include "behaviour.h"
#include "mock_cluster.h"
#include "recorder.h"
#include "systems.h"

#include <cjson/cJSON.h>

enum { COME_MS = 60000, AT_ONCE = 1, SOON = 200, NEVER = -1, HOUR_MS = 3600000 };

static cJSON *health_of(kca_system *s, int stuck_after_ms) {
    char *text;
    must(kca_system_health(s, stuck_after_ms, &text));
    cJSON *root = cJSON_Parse(text);
    kca_string_free(text);
    assert_non_null(root);
    return root;
}

static int code_of(kca_system *s, int stuck_after_ms) {
    int code;
    must(kca_system_health_code(s, stuck_after_ms, &code));
    return code;
}

static bool is_true(const cJSON *o, const char *name) {
    return cJSON_IsTrue(cJSON_GetObjectItem(o, name));
}

static bool has_reason(const cJSON *root, const char *part) {
    const cJSON *reason;
    cJSON_ArrayForEach(reason, cJSON_GetObjectItem(root, "reasons")) if (strstr(reason->valuestring,
                                                                                part)) return true;
    return false;
}

typedef struct wanted {
    kca_system *system;
    int stuck_after_ms, code;
    const char *reason; /* a part of one; NULL: none at all */
} wanted;

static int is_so(void *argument) {
    const wanted *w = argument;
    cJSON *root = health_of(w->system, w->stuck_after_ms);
    int code = (int)cJSON_GetNumberValue(cJSON_GetObjectItem(root, "code"));
    bool as_wanted = code == w->code;
    if (w->reason)
        as_wanted = as_wanted && has_reason(root, w->reason);
    else
        as_wanted = as_wanted && cJSON_GetArraySize(cJSON_GetObjectItem(root, "reasons")) == 0;
    assert_int_equal(is_true(root, "live"), code < KCA_HEALTH_NOT_LIVE);
    assert_int_equal(is_true(root, "ready"), code == KCA_HEALTH_READY);
    assert_int_equal(is_true(root, "stuck"), code >= KCA_HEALTH_STUCK);
    cJSON_Delete(root);
    return as_wanted;
}

static void must_say(kca_system *s, int stuck_after_ms, int code, const char *reason) {
    wanted w = {s, stuck_after_ms, code, reason};
    must_become(is_so, &w, COME_MS, reason ? reason : "healthy");
}

/* ---- one consumer on the embedded broker ---- */

typedef struct world {
    const char *topic;
    kca_system *system;
    kca_consumer *consumer;
    recorder *seen;
    runner running;
    kca_bus *bus;
} world;

/* In no group, which takes seconds to form. */
static world open_world(kca_consumer_builder *b, const char *topic, int timeout_ms) {
    world w = {.topic = topic, .system = system_on("embedded://"), .seen = recorder_new()};
    kca_consumer_builder_with_start_offset(b, "earliest");
    kca_consumer_builder_with_partition(b, KCA_PARTITION_EVERY);
    give_publisher(w.system, publisher_of(topic));
    give_consumer(w.system, b);
    record(w.system, "thing", w.seen);
    w.consumer = reader_of(w.system, "reader");
    kca_consumer_with_message_processing_timeout_ms(w.consumer, timeout_ms);
    return w;
}

static void run_world(world *w) {
    start(w->system);
    w->bus = bus_of(w->system, w->topic);
    runner_start(&w->running, w->consumer);
}

static void publish(world *w, int from, int count) {
    publish_things(w->bus, from, count, 1, 0);
    must(kca_bus_flush(w->bus, COME_MS));
}

static void close_world(world *w) {
    kca_bus_free(w->bus);
    kca_consumer_free(w->consumer);
    finish(w->system);
    recorder_free(w->seen);
}

/* The partition that waits, for this; NULL: none does. Of the only consumer. */
static const cJSON *waiting(const cJSON *root, const char *waits_for) {
    const cJSON *p, *c = cJSON_GetArrayItem(cJSON_GetObjectItem(root, "consumers"), 0);
    cJSON_ArrayForEach(p, cJSON_GetObjectItem(c, "partitions")) {
        if (strcmp(cJSON_GetObjectItem(p, "waits_for")->valuestring, waits_for) == 0)
            return p;
    }
    return NULL;
}

typedef struct long_wait {
    kca_system *system;
    const char *waits_for;
} long_wait;

/* For longer than the bound that calls all stuck at once. */
static int waits_long(void *argument) {
    const long_wait *w = argument;
    cJSON *root = health_of(w->system, AT_ONCE);
    const cJSON *p = waiting(root, w->waits_for);
    bool is_long = p && cJSON_GetNumberValue(cJSON_GetObjectItem(p, "for_ms")) > 5;
    cJSON_Delete(root);
    return is_long;
}

/* It waits so, and is healthy all the same. */
static void must_wait_healthily(kca_system *s, const char *waits_for) {
    long_wait w = {s, waits_for};
    must_become(waits_long, &w, COME_MS, waits_for);
    cJSON *root = health_of(s, AT_ONCE);
    assert_non_null(waiting(root, waits_for));
    assert_true(is_true(root, "ready"));
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(root, "reasons")), 0);
    cJSON_Delete(root);
}

static int wait_at_gate(recorder *r, kca_delivery *d, int id) {
    gate_wait(r->context);
    return KCA_DONE;
}

static int answer_failed(recorder *r, kca_delivery *d, int id) {
    return KCA_FAILED;
}

static void test_a_system_is_ready_once_its_consumers_have_joined(void **state) {
    const char *topic = unique("orders");
    world w = open_world(consumer_of(topic, "reader"), topic, 0);
    assert_true(is_so(&(wanted){w.system, 0, KCA_HEALTH_NOT_READY, "system: it is not started"}));
    run_world(&w);
    must_wait_healthily(w.system, "nothing"); /* an idle topic */
    assert_int_equal(code_of(w.system, 0), KCA_HEALTH_READY);
    runner_stop(&w.running);
    must_say(w.system, AT_ONCE, KCA_HEALTH_READY, NULL); /* it was stopped, and has not failed */
    close_world(&w);
}

static void test_a_handler_without_a_limit_that_hangs_is_told_of_after_the_bound(void **state) {
    const char *topic = unique("orders");
    gate held = GATE_CLOSED;
    world w = open_world(consumer_of(topic, "reader"), topic, 0);
    w.seen->behave = wait_at_gate;
    w.seen->context = &held;
    run_world(&w);
    publish(&w, 0, 3);
    must_wait_at(&held, 1, COME_MS);
    must_say(w.system, NEVER, KCA_HEALTH_READY, NULL);
    must_say(w.system, SOON, KCA_HEALTH_NOT_LIVE, "offset 0: its handler has it");
    assert_int_equal(code_of(w.system, HOUR_MS), KCA_HEALTH_READY);
    gate_open(&held);
    must_say(w.system, SOON, KCA_HEALTH_READY, NULL);
    must_be_handled(w.seen, 3, COME_MS);
    runner_stop(&w.running);
    close_world(&w);
}

static void test_a_handler_within_its_processing_time_is_not_stuck(void **state) {
    const char *topic = unique("orders");
    gate held = GATE_CLOSED;
    world w = open_world(consumer_of(topic, "reader"), topic, HOUR_MS);
    w.seen->behave = wait_at_gate;
    w.seen->context = &held;
    run_world(&w);
    publish(&w, 0, 3); /* the others wait behind it */
    must_wait_at(&held, 1, COME_MS);
    must_wait_healthily(w.system, "handler");
    gate_open(&held);
    must_be_handled(w.seen, 3, COME_MS);
    runner_stop(&w.running);
    close_world(&w);
}

static void test_a_handler_past_its_processing_time_is_told_of_at_once(void **state) {
    const char *topic = unique("orders");
    gate held = GATE_CLOSED;
    kca_consumer_builder *b = consumer_of(topic, "reader");
    kca_consumer_builder_with_max_attempts(b, 0);
    world w = open_world(b, topic, 100);
    w.seen->behave = wait_at_gate;
    w.seen->context = &held;
    run_world(&w);
    publish(&w, 0, 1);
    must_say(w.system, NEVER, KCA_HEALTH_NOT_LIVE, "1 handlers are not back");
    gate_open(&held);
    must_say(w.system, NEVER, KCA_HEALTH_READY, NULL);
    runner_stop(&w.running);
    close_world(&w);
}

static void test_a_paused_partition_and_a_retrys_pause_are_not_stuck(void **state) {
    const char *topic = unique("orders");
    kca_consumer_builder *b = consumer_of(topic, "reader");
    kca_consumer_builder_with_retry_delay_ms(b, HOUR_MS);
    kca_consumer_builder_with_max_attempts(b, 0);
    world w = open_world(b, topic, 0);
    w.seen->behave = answer_failed;
    run_world(&w);
    must_wait_healthily(w.system, "nothing"); /* it has joined */
    must(kca_consumer_pause(w.consumer, topic, -1));
    publish(&w, 0, 5);
    must_wait_healthily(w.system, "resume");
    must(kca_consumer_resume(w.consumer, topic, -1));
    must_wait_healthily(w.system, "time");
    runner_stop(&w.running);
    close_world(&w);
}

static void test_what_nobody_takes_is_told_of(void **state) {
    const char *topic = unique("orders");
    kca_event *e;
    kca_queue *q;
    world w = open_world(consumer_of(topic, "reader"), topic, 0);
    start(w.system);
    w.bus = bus_of(w.system, topic);
    must(kca_consumer_queue(w.consumer, &q));
    must_wait_healthily(w.system, "nothing");
    publish(&w, 0, 5);
    must_say(w.system, SOON, KCA_HEALTH_NOT_LIVE, "nobody takes what comes of it");
    for (int i = 0; i < 5; i++) {
        e = next_event(q, KCA_EVENT_DELIVERY, COME_MS);
        assert_non_null(e);
        must(kca_delivery_settle(kca_event_delivery(e), KCA_DONE));
        kca_event_free(e);
    }
    must_say(w.system, SOON, KCA_HEALTH_READY, NULL);
    kca_consumer_stop(w.consumer);
    kca_queue_free(q);
    close_world(&w);
}

static void test_a_consumer_that_an_error_has_ended_is_told_of_until_it_runs_again(void **state) {
    const char *topic = unique("orders");
    kca_consumer_builder *b = consumer_of(topic, "reader");
    kca_consumer_builder_with_failure_policy(b, "stop");
    world w = open_world(b, topic, 0);
    w.seen->behave = answer_failed;
    run_world(&w);
    publish(&w, 0, 1);
    must_fail(runner_join(&w.running, COME_MS), KCA_ERROR_HANDLER, "");
    must_say(w.system, NEVER, KCA_HEALTH_NOT_LIVE, "consumer reader: it has ended: ");
    w.seen->behave = NULL;
    runner_start(&w.running, w.consumer);
    must_say(w.system, NEVER, KCA_HEALTH_READY, NULL);
    must_be_handled(w.seen, 2, COME_MS);
    runner_stop(&w.running);
    close_world(&w);
}

/* ---- a broker that dies ---- */

static rd_kafka_mock_cluster_t *open_mock(rd_kafka_t **out, const char *topic) {
    *out = mock_cluster_open();
    rd_kafka_mock_cluster_t *mock = rd_kafka_handle_mock_cluster(*out);
    rd_kafka_mock_topic_create(mock, topic, 1, 1);
    return mock;
}

static void test_unconfirmed_messages_and_a_group_that_does_not_form_are_told_of(void **state) {
    const char *topic = unique("orders");
    rd_kafka_t *rk;
    rd_kafka_mock_cluster_t *mock = open_mock(&rk, topic);
    kca_system *s = system_on(rd_kafka_mock_cluster_bootstraps(mock));
    recorder *r = recorder_new();
    runner running;
    give_publisher(s, publisher_of(topic));
    give_consumer(s, consumer_of(topic, "reader"));
    record(s, "thing", r);
    start(s);
    kca_consumer *c = reader_of(s, "reader");
    kca_bus *bus = bus_of(s, topic);
    rd_kafka_mock_broker_set_down(mock, 1);
    runner_start(&running, c);
    publish_things(bus, 0, 3, 1, 0);
    must_say(s, NEVER, KCA_HEALTH_NOT_READY, "connection kafka: reconnecting");
    must_say(s, NEVER, KCA_HEALTH_NOT_READY, "consumer reader: connecting");
    must_say(s, SOON, KCA_HEALTH_STUCK, "3 messages are unconfirmed");
    must_say(s, SOON, KCA_HEALTH_STUCK, "consumer reader: it has not joined its group");
    assert_int_equal(code_of(s, HOUR_MS), KCA_HEALTH_NOT_READY);
    rd_kafka_mock_broker_set_up(mock, 1);
    must(kca_bus_flush(bus, COME_MS));
    must_say(s, HOUR_MS, KCA_HEALTH_READY, NULL);
    runner_stop(&running);
    kca_bus_free(bus);
    kca_consumer_free(c);
    finish(s);
    recorder_free(r);
    rd_kafka_destroy(rk);
}

static int reject(recorder *r, kca_delivery *d, int id) {
    return KCA_REJECTED;
}

static void test_a_dead_letter_that_is_not_stored_is_told_of(void **state) {
    const char *topic = unique("orders");
    rd_kafka_t *rk;
    rd_kafka_mock_cluster_t *mock = open_mock(&rk, "dead");
    kca_connection *away;
    kca_publisher_builder *letters;
    kca_consumer_builder *b = consumer_of(topic, "reader");
    kca_consumer_builder_with_dead_letter_channel(b, "dead");
    world w = open_world(b, topic, 0);
    must(kca_connection_new(&away, "away", rd_kafka_mock_cluster_bootstraps(mock)));
    give_connection(w.system, away);
    must(kca_publisher_builder_new(&letters, "away", "dead"));
    kca_publisher_builder_with_required_acks(letters, -1);
    give_publisher(w.system, letters);
    w.seen->behave = reject;
    run_world(&w);
    must_wait_healthily(w.system, "nothing");
    rd_kafka_mock_broker_set_down(mock, 1);
    publish(&w, 0, 1);
    must_say(w.system, SOON, KCA_HEALTH_STUCK, "offset 0: its dead letter");
    rd_kafka_mock_broker_set_up(mock, 1);
    must_say(w.system, SOON, KCA_HEALTH_READY, NULL);
    runner_stop(&w.running);
    close_world(&w);
    rd_kafka_destroy(rk);
}

static void test_arguments_are_checked(void **state) {
    char *text;
    int code;
    kca_system *s = system_on("embedded://");
    must_fail(kca_system_health(s, -2, &text), KCA_ERROR_ARGUMENT,
              "health: stuck_after_ms must be -1 (never), 0 (the default) or more, got -2");
    assert_null(text);
    must_fail(kca_system_health_code(s, -2, &code), KCA_ERROR_ARGUMENT, "stuck_after_ms");
    assert_int_equal(code, KCA_HEALTH_NOT_READY);
    finish(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_system_is_ready_once_its_consumers_have_joined),
        cmocka_unit_test(test_a_handler_without_a_limit_that_hangs_is_told_of_after_the_bound),
        cmocka_unit_test(test_a_handler_within_its_processing_time_is_not_stuck),
        cmocka_unit_test(test_a_handler_past_its_processing_time_is_told_of_at_once),
        cmocka_unit_test(test_a_paused_partition_and_a_retrys_pause_are_not_stuck),
        cmocka_unit_test(test_what_nobody_takes_is_told_of),
        cmocka_unit_test(test_a_consumer_that_an_error_has_ended_is_told_of_until_it_runs_again),
        cmocka_unit_test(test_unconfirmed_messages_and_a_group_that_does_not_form_are_told_of),
        cmocka_unit_test(test_a_dead_letter_that_is_not_stored_is_told_of),
        cmocka_unit_test(test_arguments_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
