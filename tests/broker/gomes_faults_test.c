/* Faults of Gomes that kca must not have, where no other test shows it: 7, 8, 9, 12 and 13 of the
 * list. 5 and 6 are in consumer_failure_test, 8 also in consumer_crash_test, 10 in wire_test, 14 in
 * publisher_test. */
#include "consuming.h"

#include <stdio.h>

#define PARENT "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

static int64_t timestamp_of[4];

static int note_timestamp(recorder *r, kca_delivery *d, int id) {
    (void)r;
    if (id >= 0 && id < 4)
        timestamp_of[id] =
            kca_message_timestamp_ms(kca_delivery_message(d)) - kca_delivery_timestamp_ms(d);
    return KCA_DONE;
}

/* Fault 7. */
static void test_a_bad_timestamp_neither_stalls_nor_drops_the_record(void **state) {
    const char *topic = unique("timestamp");
    topic_create(topic, 1);
    const char *const bad[] = {"", "yesterday", "2026-13-45 99:99:99", "9999999999999999999999"};
    raw_writer *w = raw_writer_open(NULL);
    for (int i = 0; i < 4; i++) {
        char value[20];
        const char *const headers[][2] = {{"route", "thing"}, {"timestamp", bad[i]}};
        snprintf(value, sizeof value, "{\"id\":%d}", i);
        raw_write_headers(w, topic, "k", value, headers, 2);
    }
    raw_writer_close(w);
    consuming c = consume(topic, unique("group"), NULL);
    c.recorder->behave = note_timestamp;
    must(run_for(&c, 4));
    assert_int_equal(missing_of(c.recorder, 4), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(timestamp_of[i], 0); /* that of the record instead */
    end(&c);
}

static int note_length(recorder *r, kca_delivery *d, int id) {
    (void)id;
    int *lengths = r->context;
    lengths[kca_delivery_offset(d)] = (int)kca_message_payload_len(kca_delivery_message(d));
    return KCA_DONE;
}

/* Fault 8. */
static void test_payloads_that_are_not_json_come_as_they_are(void **state) {
    int lengths[3] = {-1, -1, -1};
    const char *topic = unique("payload");
    topic_create(topic, 1);
    raw_writer *w = raw_writer_open(NULL);
    raw_write(w, topic, 0, "thing", "k", "{\"broken\":");
    raw_write(w, topic, 0, "thing", "k", "");
    raw_write(w, topic, 0, "thing", "k", NULL);
    raw_writer_close(w);
    consuming c = consume(topic, unique("group"), NULL);
    c.recorder->behave = note_length;
    c.recorder->context = lengths;
    must(run_for(&c, 3));
    assert_int_equal(lengths[0], 10);
    assert_int_equal(lengths[1], 0);
    assert_int_equal(lengths[2], 0);
    end(&c);
}

static int wait_at_gate(recorder *r, kca_delivery *d, int id) {
    (void)d, (void)id;
    gate_wait(r->context);
    return KCA_DONE;
}

/* Fault 9. */
static void test_a_trace_header_leaves_the_processing_timeout_alone(void **state) {
    gate hold = GATE_CLOSED;
    const char *topic = unique("trace"), *group = unique("group");
    topic_create(topic, 1);
    const char *const headers[][2] = {{"route", "thing"}, {"Traceparent", PARENT}};
    raw_writer *w = raw_writer_open(NULL);
    raw_write_headers(w, topic, "k", "{\"id\":0}", headers, 2);
    raw_writer_close(w);
    consuming c = consume(topic, group, NULL);
    c.recorder->behave = wait_at_gate;
    c.recorder->context = &hold;
    kca_consumer_with_message_processing_timeout_ms(c.consumer, 200);
    runner r;
    runner_start(&r, c.consumer);
    kca_queue *q = queue_of(c.system);
    kca_event *fault = next_event(q, KCA_EVENT_FAULT, COME_MS);
    assert_non_null(fault);
    must_have(kca_error_text(kca_event_error(fault)), "200 ms");
    kca_event_free(fault);
    gate_open(&hold);
    must_fail(runner_join(&r, RUN_MS), KCA_ERROR_HANDLER, topic);
    kca_queue_free(q);
    end(&c);
}

/* Fault 12. */
static void test_two_systems_in_a_process_work_beside_each_other(void **state) {
    const char *topic = unique("two");
    topic_create(topic, 2);
    topic_fill(topic, -1, 50, 5);
    consuming one = consume(topic, unique("one"), NULL), two = consume(topic, unique("two"), NULL);
    must(run_for(&one, 50));
    must(run_for(&two, 50));
    end(&one);
    topic_fill(topic, 0, 5, 1);
    must(run_for(&two, 5));
    end(&two);
}

static void test_a_name_that_is_taken_is_an_error(void **state) {
    kca_system *s = system_on(listener("PLAINTEXT"));
    kca_connection *c;
    must(kca_connection_new(&c, "kafka", "elsewhere:1"));
    must_fail(kca_system_add_connection(s, c), KCA_ERROR_DUPLICATE, "kafka");
    kca_connection_free(c);
    kca_publisher_builder *p = publisher_of("orders");
    must(kca_system_add_publisher(s, p));
    must_fail(kca_system_add_publisher(s, p), KCA_ERROR_DUPLICATE, "orders");
    kca_publisher_builder_free(p);
    kca_consumer_builder *b = consumer_of("orders", "reader");
    must(kca_system_add_consumer(s, b));
    must_fail(kca_system_add_consumer(s, b), KCA_ERROR_DUPLICATE, "reader");
    kca_consumer_builder_free(b);
    must(kca_system_add_handler(s, "thing", NULL, NULL, NULL));
    must_fail(kca_system_add_handler(s, "thing", NULL, NULL, NULL), KCA_ERROR_DUPLICATE, "thing");
    kca_system_free(s);
}

/* Fault 13. */
static void test_each_option_works_alone(void **state) {
    const char *topic = unique("alone");
    topic_create(topic, 2);
    topic_fill(topic, 1, 5, 1);
    for (int option = 0; option < 3; option++) {
        const char *group = unique("group");
        kca_consumer_builder *b = consumer_of(topic, group);
        if (option == 0)
            kca_consumer_builder_with_min_bytes(b, 1000);
        else if (option == 1)
            kca_consumer_builder_with_start_offset(b, "earliest");
        else
            kca_consumer_builder_with_partition(b, 1);
        consuming c = consume(topic, group, b);
        must(run_for(&c, 5));
        end(&c);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_bad_timestamp_neither_stalls_nor_drops_the_record),
        cmocka_unit_test(test_payloads_that_are_not_json_come_as_they_are),
        cmocka_unit_test(test_a_trace_header_leaves_the_processing_timeout_alone),
        cmocka_unit_test(test_two_systems_in_a_process_work_beside_each_other),
        cmocka_unit_test(test_a_name_that_is_taken_is_an_error),
        cmocka_unit_test(test_each_option_works_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
