/* A transaction whose commit is under way, on librdkafka's mock cluster, which answers as told. */
#include "mock_cluster.h"
#include "recorder.h"
#include "systems.h"

enum {
    PRODUCE = 0,
    END_TXN = 26,
    TXN_OFFSET_COMMIT = 28,
    MANY = 1000,
    COME_MS = 30000,
    LONGER_MS = 8000,
    TIMEOUT_MS = 2000
};

typedef struct cluster {
    rd_kafka_t *client; /* of the cluster, and to look and write with */
    rd_kafka_mock_cluster_t *mock;
} cluster;

static cluster open_cluster(void) {
    cluster c = {.client = mock_cluster_open()};
    c.mock = rd_kafka_handle_mock_cluster(c.client);
    rd_kafka_mock_topic_create(c.mock, "in", 1, 1);
    rd_kafka_mock_topic_create(c.mock, "out", 1, 1);
    return c;
}

static void write_thing(const cluster *c) {
    assert_int_equal(rd_kafka_producev(c->client, RD_KAFKA_V_TOPIC("in"), RD_KAFKA_V_VALUE("{}", 2),
                                       RD_KAFKA_V_HEADER("route", "thing", -1), RD_KAFKA_V_END),
                     0);
}

static void refuse_commits(const cluster *c) {
    static rd_kafka_resp_err_t errors[MANY];
    for (int i = 0; i < MANY; i++)
        errors[i] = RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS;
    rd_kafka_mock_push_request_errors_array(c->mock, END_TXN, MANY, errors);
}

typedef struct outcome {
    const cluster *cluster;
    int count;
} outcome;

/* So many or more: the mock counts all that was ever written, also what was aborted, and, as of
 * librdkafka 2.16, what says so. */
static int came_out(void *argument) {
    const outcome *o = argument;
    int64_t low, high = -1;
    rd_kafka_query_watermark_offsets(o->cluster->client, "out", 0, &low, &high, COME_MS);
    return high >= o->count;
}

static void must_come_out(const cluster *c, int count) {
    must_become(came_out, &(outcome){c, count}, COME_MS, "results come out");
}

static int pass_on(recorder *r, kca_delivery *d, int id) {
    (void)id;
    kca_message *m = thing("{}", "k");
    kca_error *e = kca_delivery_publish(d, r->context, m);
    kca_message_free(m);
    kca_error_free(e);
    return e ? KCA_FAILED : KCA_DONE;
}

/* A hook after each publish; NULL: none. */
static kca_hook_fn hook_after;

static kca_system *system_of(const cluster *c, recorder *r) {
    kca_system *s = system_on(rd_kafka_mock_cluster_bootstraps(c->mock));
    kca_consumer_builder *b = consumer_of("in", "reader");
    kca_consumer_builder_with_transactional_id(b, "reader-1");
    kca_consumer_builder_with_transaction_timeout_ms(b, TIMEOUT_MS);
    give_consumer(s, b);
    give_publisher(s, publisher_of("out"));
    record(s, "thing", r);
    must(kca_system_log_to_stderr(s, KCA_LOG_WARN));
    if (hook_after)
        must(kca_system_add_publish_hook(s, NULL, hook_after, NULL, NULL));
    hook_after = NULL;
    start(s);
    r->behave = pass_on;
    return s;
}

/* It can be neither aborted nor left: it is asked for until the cluster says what became of it. */
static void test_a_commit_that_is_not_answered_in_time_is_insisted_on(void **state) {
    cluster k = open_cluster();
    recorder *r = recorder_new();
    kca_system *s = system_of(&k, r);
    kca_consumer *c = reader_of(s, "reader");
    kca_bus *bus = bus_of(s, "out");
    kca_queue *q = queue_of(s);
    r->context = bus;
    runner running;
    refuse_commits(&k);
    runner_start(&running, c);
    write_thing(&k);
    must_be_handled(r, 1, COME_MS);
    assert_null(next_event(q, KCA_EVENT_FAULT, LONGER_MS));
    rd_kafka_mock_clear_request_errors(k.mock, END_TXN);
    write_thing(&k);
    must_come_out(&k, 2);
    runner_stop(&running);
    assert_int_equal(came(r), 2);
    kca_queue_free(q);
    kca_bus_free(bus);
    kca_consumer_free(c);
    finish(s);
    recorder_free(r);
    rd_kafka_destroy(k.client);
}

/* librdkafka has given its producer up for good. */
static void test_a_transaction_that_the_broker_does_not_know_is_begun_anew(void **state) {
    cluster k = open_cluster();
    recorder *r = recorder_new();
    kca_system *s = system_of(&k, r);
    kca_consumer *c = reader_of(s, "reader");
    kca_bus *bus = bus_of(s, "out");
    kca_queue *q = queue_of(s);
    r->context = bus;
    runner running;
    rd_kafka_mock_push_request_errors(k.mock, END_TXN, 1, RD_KAFKA_RESP_ERR_INVALID_TXN_STATE);
    runner_start(&running, c);
    write_thing(&k);
    kca_event *fault = next_event(q, KCA_EVENT_FAULT, COME_MS);
    assert_non_null(fault);
    assert_non_null(strstr(kca_error_text(kca_event_error(fault)), "INVALID_TXN_STATE"));
    kca_event_free(fault);
    must_be_handled(r, 2, COME_MS);
    must_come_out(&k, 2);
    write_thing(&k);
    must_be_handled(r, 3, COME_MS);
    must_come_out(&k, 3);
    runner_stop(&running);
    kca_queue_free(q);
    kca_bus_free(bus);
    kca_consumer_free(c);
    finish(s);
    recorder_free(r);
    rd_kafka_destroy(k.client);
}

/* librdkafka concludes that the broker has it: here from the error, else from what came later. */
static void test_a_transaction_of_which_a_part_is_not_confirmed_is_aborted(void **state) {
    cluster k = open_cluster();
    recorder *r = recorder_new();
    kca_system *s = system_of(&k, r);
    kca_consumer *c = reader_of(s, "reader");
    kca_bus *bus = bus_of(s, "out");
    r->context = bus;
    runner running;
    write_thing(&k);
    rd_kafka_flush(k.client, COME_MS);
    rd_kafka_mock_push_request_errors(k.mock, PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_DUPLICATE_SEQUENCE_NUMBER);
    runner_start(&running, c);
    must_come_out(&k, 1);
    runner_stop(&running);
    assert_true(came(r) >= 2);
    kca_bus_free(bus);
    kca_consumer_free(c);
    finish(s);
    recorder_free(r);
    rd_kafka_destroy(k.client);
}

/* The broker takes less metadata than usual (offset.metadata.max.bytes), or says so when there is
 * none. */
static void test_a_consumer_does_not_end_by_offsets_that_tell_too_much(void **state) {
    cluster k = open_cluster();
    recorder *r = recorder_new();
    kca_system *s = system_of(&k, r);
    kca_consumer *c = reader_of(s, "reader");
    kca_bus *bus = bus_of(s, "out");
    r->context = bus;
    runner running;
    rd_kafka_mock_push_request_errors(k.mock, TXN_OFFSET_COMMIT, 1,
                                      RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE);
    write_thing(&k);
    runner_start(&running, c);
    must_come_out(&k, 1);
    write_thing(&k);
    must_be_handled(r, 2, COME_MS);
    runner_stop(&running);
    kca_bus_free(bus);
    kca_consumer_free(c);
    finish(s);
    recorder_free(r);
    rd_kafka_destroy(k.client);
}

static int settle_inside(kca_hooked *h, void *user) {
    (void)user;
    must(kca_delivery_settle(kca_hooked_delivery(h), KCA_DONE));
    return KCA_GO_ON;
}

static int pass_on_in_vain(recorder *r, kca_delivery *d, int id) {
    (void)id;
    kca_message *m = thing("{}", "k");
    must_fail(kca_delivery_publish(d, r->context, m), KCA_ERROR_STATE, "no longer counts");
    kca_message_free(m);
    return KCA_DONE;
}

static void test_what_is_published_with_a_delivery_that_a_hook_settles_is_an_error(void **state) {
    cluster k = open_cluster();
    recorder *r = recorder_new();
    hook_after = settle_inside;
    kca_system *s = system_of(&k, r);
    kca_consumer *c = reader_of(s, "reader");
    kca_bus *bus = bus_of(s, "out");
    r->context = bus;
    r->behave = pass_on_in_vain;
    runner running;
    runner_start(&running, c);
    write_thing(&k);
    must_be_handled(r, 1, COME_MS);
    runner_stop(&running);
    kca_bus_free(bus);
    kca_consumer_free(c);
    finish(s);
    recorder_free(r);
    rd_kafka_destroy(k.client);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_commit_that_is_not_answered_in_time_is_insisted_on),
        cmocka_unit_test(test_a_transaction_that_the_broker_does_not_know_is_begun_anew),
        cmocka_unit_test(test_a_transaction_of_which_a_part_is_not_confirmed_is_aborted),
        cmocka_unit_test(test_a_consumer_does_not_end_by_offsets_that_tell_too_much),
        cmocka_unit_test(test_what_is_published_with_a_delivery_that_a_hook_settles_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
