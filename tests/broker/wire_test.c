/* The record on the wire, as Gomes and other programs see it. */
#include "behaviour.h"
#include "cluster.h"
#include "recorder.h"
#include "systems.h"

#include <ctype.h>
#include <stdio.h>

#define PARENT "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

/* Publishes the message (freed) to a new topic and gives its only record. */
static raw_record *record_of(kca_message *m, const char *reply_channel, int *count) {
    const char *topic = unique("wire");
    topic_create(topic, 1);
    kca_system *s = system_on(listener("PLAINTEXT"));
    kca_publisher_builder *b = publisher_of(topic);
    kca_publisher_builder_with_async(b, 0);
    if (reply_channel)
        kca_publisher_builder_with_reply_channel(b, reply_channel);
    give_publisher(s, b);
    start(s);
    kca_bus *bus = bus_of(s, topic);
    must(kca_bus_publish(bus, m, 0));
    kca_message_free(m);
    kca_bus_free(bus);
    finish(s);
    raw_record *records = topic_read(count, topic, 1);
    assert_int_equal(*count, 1);
    assert_string_equal(record_header(&records[0], "channelName"), topic);
    return records;
}

static void must_be_uuid4(const char *text) {
    assert_non_null(text);
    assert_int_equal(strlen(text), 36);
    for (int i = 0; i < 36; i++)
        assert_true(i == 8 || i == 13 || i == 18 || i == 23 ? text[i] == '-' : isxdigit(text[i]));
    assert_int_equal(text[14], '4');
}

static void must_be_wire_time(const char *text) {
    const char *form = "dddd-dd-dd dd:dd:dd";
    assert_non_null(text);
    assert_int_equal(strlen(text), strlen(form));
    for (size_t i = 0; form[i]; i++)
        assert_true(form[i] == 'd' ? isdigit(text[i]) : text[i] == form[i]);
}

static void test_a_message_has_the_eight_headers_and_no_other(void **state) {
    int count;
    raw_record *r = record_of(thing("{\"a\":1}", NULL), NULL, &count);
    assert_int_equal(r->header_count, 8);
    must_be_uuid4(record_header(r, "messageId"));
    must_be_uuid4(record_header(r, "correlationId"));
    must_be_wire_time(record_header(r, "timestamp"));
    assert_string_equal(record_header(r, "messageType"), "Event");
    assert_string_equal(record_header(r, "origin"), "Gomes");
    assert_string_equal(record_header(r, "version"), "1.0");
    assert_string_equal(record_header(r, "route"), "thing");
    assert_string_equal(r->key, record_header(r, "correlationId"));
    assert_string_equal(r->value, "{\"a\":1}");
    records_free(r, count);
}

static void test_what_is_set_goes_out_as_it_is(void **state) {
    kca_message *m = thing("[1,2]", NULL);
    kca_message_set_message_id(m, "my-id");
    kca_message_set_correlation_id(m, "order-7");
    kca_message_set_type(m, KCA_TYPE_COMMAND);
    kca_message_set_origin(m, "till 4");
    kca_message_set_version(m, "2.1");
    kca_message_set_header(m, "tenant", "caf\xc3\xa9");
    int count;
    raw_record *r = record_of(m, NULL, &count);
    assert_int_equal(r->header_count, 9);
    assert_string_equal(record_header(r, "messageId"), "my-id");
    assert_string_equal(record_header(r, "correlationId"), "order-7");
    assert_string_equal(record_header(r, "messageType"), "Command");
    assert_string_equal(record_header(r, "origin"), "till 4");
    assert_string_equal(record_header(r, "version"), "2.1");
    assert_string_equal(record_header(r, "tenant"), "caf\xc3\xa9");
    assert_string_equal(r->key, "order-7");
    records_free(r, count);
}

static void test_a_key_of_its_own_leaves_the_correlation_id_alone(void **state) {
    kca_message *m = thing("1", "customer-3");
    kca_message_set_correlation_id(m, "order-7");
    int count;
    raw_record *r = record_of(m, NULL, &count);
    assert_string_equal(r->key, "customer-3");
    assert_string_equal(record_header(r, "correlationId"), "order-7");
    records_free(r, count);
}

static void test_the_reply_channel_goes_out_unless_the_message_has_one(void **state) {
    int count;
    raw_record *r = record_of(thing("1", NULL), "answers", &count);
    assert_int_equal(r->header_count, 9);
    assert_string_equal(record_header(r, "replyTo"), "answers");
    records_free(r, count);
    kca_message *m = thing("1", NULL);
    kca_message_set_reply_to(m, "elsewhere");
    r = record_of(m, "answers", &count);
    assert_string_equal(record_header(r, "replyTo"), "elsewhere");
    records_free(r, count);
}

static void test_a_trace_goes_out_in_both_spellings(void **state) {
    kca_message *m = thing("1", NULL);
    kca_message_set_trace_context(m, PARENT, "vendor=1");
    int count;
    raw_record *r = record_of(m, NULL, &count);
    assert_int_equal(r->header_count, 12);
    assert_string_equal(record_header(r, "traceparent"), PARENT);
    assert_string_equal(record_header(r, "Traceparent"), PARENT);
    assert_string_equal(record_header(r, "tracestate"), "vendor=1");
    assert_string_equal(record_header(r, "Tracestate"), "vendor=1");
    records_free(r, count);
}

/* ---- from end to end ---- */

static int publish_on(recorder *r, kca_delivery *d, int id) {
    (void)id;
    kca_message *next = thing("{\"id\":2}", NULL);
    kca_message_set_message_id(next, kca_message_message_id(kca_delivery_message(d)));
    kca_error *e = kca_bus_publish(r->context, next, 0);
    kca_message_free(next);
    return e ? KCA_FAILED : KCA_DONE;
}

/* Fault 10 of Gomes; and the trace goes on by itself. */
static void test_message_id_and_trace_are_kept_over_a_hop(void **state) {
    const char *in = unique("hop-in"), *out = unique("hop-out"), *group = unique("hop");
    topic_create(in, 1);
    topic_create(out, 1);
    kca_system *s = system_on(listener("PLAINTEXT"));
    recorder *r = recorder_new();
    give_publisher(s, publisher_of(in));
    give_publisher(s, publisher_of(out));
    give_consumer(s, consumer_of(in, group));
    record(s, "thing", r);
    start(s);
    kca_bus *first = bus_of(s, in), *second = bus_of(s, out);
    r->behave = publish_on;
    r->context = second;
    kca_message *m = thing("{\"id\":1}", NULL);
    kca_message_set_message_id(m, "the-one");
    kca_message_set_trace_context(m, PARENT, NULL);
    must(kca_bus_publish(first, m, 0));
    kca_message_free(m);
    kca_consumer *c = reader_of(s, group);
    r->stop = c;
    r->stop_at = 1;
    must(kca_consumer_run(c));
    kca_consumer_free(c);
    kca_bus_free(first);
    kca_bus_free(second);
    finish(s);
    int count;
    raw_record *records = topic_read(&count, out, 1);
    assert_int_equal(count, 1);
    assert_string_equal(record_header(records, "messageId"), "the-one");
    must_have(record_header(records, "traceparent"), "4bf92f3577b34da6a3ce929d0e0e4736");
    records_free(records, count);
    recorder_free(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_message_has_the_eight_headers_and_no_other),
        cmocka_unit_test(test_what_is_set_goes_out_as_it_is),
        cmocka_unit_test(test_a_key_of_its_own_leaves_the_correlation_id_alone),
        cmocka_unit_test(test_the_reply_channel_goes_out_unless_the_message_has_one),
        cmocka_unit_test(test_a_trace_goes_out_in_both_spellings),
        cmocka_unit_test(test_message_id_and_trace_are_kept_over_a_hop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
