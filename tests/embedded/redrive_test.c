/* Redrives on the broker inside the process. */
#include "behaviour.h"
#include "mock_cluster.h"
#include "recorder.h"
#include "systems.h"

#include <stdatomic.h>

enum { COUNT = 20, COME_MS = 20000, REDRIVE_MS = 20000 };

static atomic_int fails;

static int fail_or_not(recorder *r, kca_delivery *d, int id) {
    (void)r, (void)id;
    kca_delivery_explain(d, "NegativeAmount", "the amount is -3");
    return atomic_load(&fails) ? KCA_REJECTED : KCA_DONE;
}

static kca_redrive *redrive_of(const char *dead, int dry_run) {
    kca_redrive *r;
    must(kca_redrive_new(&r, "kafka", dead));
    kca_redrive_with_dry_run(r, dry_run);
    return r;
}

static void must_tell(kca_system *s, kca_redrive *r, const char *numbers) {
    char *report;
    must(kca_system_redrive(s, r, REDRIVE_MS, &report));
    must_have(report, numbers);
    kca_string_free(report);
    kca_redrive_free(r);
}

static int all_are_dead(void *argument) {
    return described(argument, "consumers", 0, "dead_lettered") == COUNT;
}

static void test_what_failed_is_handled_after_a_redrive(void **state) {
    kca_system *s = system_on("embedded://");
    const char *topic = unique("orders"), *group = unique("group"), *dead = unique("dead");
    recorder *r = recorder_new();
    give_publisher(s, publisher_of(topic));
    give_publisher(s, publisher_of(dead));
    kca_consumer_builder *b = consumer_of(topic, group);
    kca_consumer_builder_with_dead_letter_channel(b, dead);
    give_consumer(s, b);
    r->behave = fail_or_not;
    record(s, "thing", r);
    atomic_store(&fails, 1);
    start(s);
    kca_bus *bus = bus_of(s, topic);
    kca_consumer *c = reader_of(s, group);
    runner run;
    runner_start(&run, c);
    publish_things(bus, 0, COUNT, 7, 0);
    must_become(all_are_dead, s, COME_MS, "all are dead letters");
    atomic_store(&fails, 0);
    must_tell(s, redrive_of(dead, 1),
              "\"complete\":true,\"group_is_full\":false,\"read\":20,\"redriven\":20");
    assert_int_equal(came(r), COUNT);
    must_tell(s, redrive_of(dead, 0),
              "\"complete\":true,\"group_is_full\":false,\"read\":20,\"redriven\":20");
    must_be_handled(r, 2 * COUNT, COME_MS);
    for (int id = 0; id < COUNT; id++)
        assert_int_equal(times_seen(r, id), 2);
    must_tell(s, redrive_of(dead, 0),
              "\"complete\":true,\"group_is_full\":false,\"read\":0,\"redriven\":0");
    runner_stop(&run);
    kca_consumer_free(c);
    kca_bus_free(bus);
    finish(s);
    recorder_free(r);
}

static void test_the_embedded_broker_finds_no_times(void **state) {
    kca_system *s = system_on("embedded://");
    start(s);
    for (int i = 0; i < 2; i++) {
        char *report;
        kca_redrive *r = redrive_of("orders.dead", 1);
        (i ? kca_redrive_with_start_time_ms : kca_redrive_with_end_time_ms)(r, 1);
        must_fail(kca_system_redrive(s, r, REDRIVE_MS, &report), KCA_ERROR_ARGUMENT,
                  "redrive orders.dead: the embedded broker cannot find offsets by time");
        assert_null(report);
        kca_redrive_free(r);
    }
    finish(s);
}

static void write_dead_letter(rd_kafka_t *rk) {
    rd_kafka_headers_t *headers = rd_kafka_headers_new(1);
    rd_kafka_header_add(headers, "kca-dead-letter-topic", -1, "orders", -1);
    assert_int_equal(rd_kafka_producev(rk, RD_KAFKA_V_TOPIC("orders.dead"), RD_KAFKA_V_PARTITION(0),
                                       RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END),
                     0);
    assert_int_equal(rd_kafka_flush(rk, COME_MS), 0);
}

/* That a broker has trouble with a topic says nothing of what may go there. */
static void test_an_error_that_is_not_of_a_target_gives_up_no_letter(void **state) {
    rd_kafka_t *rk = mock_cluster_open();
    rd_kafka_mock_cluster_t *mock = rd_kafka_handle_mock_cluster(rk);
    rd_kafka_mock_topic_create(mock, "orders", 1, 1);
    rd_kafka_mock_topic_create(mock, "orders.dead", 1, 1);
    write_dead_letter(rk);
    kca_system *s = system_on(rd_kafka_mock_cluster_bootstraps(mock));
    start(s);
    rd_kafka_mock_topic_set_error(mock, "orders", RD_KAFKA_RESP_ERR_UNKNOWN);
    for (int i = 0; i < 2; i++) {
        char *report = NULL;
        kca_redrive *r = redrive_of("orders.dead", 0);
        kca_redrive_with_give_up_others(r, 1);
        if (i)
            kca_redrive_with_to_topic(r, "orders");
        must_fail(kca_system_redrive(s, r, REDRIVE_MS, &report), KCA_ERROR_BROKER, "topic orders");
        assert_null(report);
        kca_redrive_free(r);
    }
    rd_kafka_mock_topic_set_error(mock, "orders", RD_KAFKA_RESP_ERR_NO_ERROR);
    must_tell(s, redrive_of("orders.dead", 0), "\"read\":1,\"redriven\":1");
    finish(s);
    rd_kafka_destroy(rk);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_failed_is_handled_after_a_redrive),
        cmocka_unit_test(test_the_embedded_broker_finds_no_times),
        cmocka_unit_test(test_an_error_that_is_not_of_a_target_gives_up_no_letter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
