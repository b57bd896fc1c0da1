/* What is written to the dead-letter channel. Fault 4 of Gomes, dead letters that nobody confirms,
 * is ruled out at start; what becomes of one that is not confirmed is in
 * consumer_dead_letter_loss_test. */
#include "dead_lettering.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- byte for byte ---- */

typedef struct header {
    const char *name, *value;
    size_t len;
} header;

static const header headers[] = {
    {"route", "thing", 5}, {"messageId", "m-1", 3}, {"binary", "\x00\xff\x01\x80", 4},
    {"twice", "one", 3},   {"twice", "two", 3},     {"empty", "", 0},
    {"none", NULL, 0},
};
enum { HEADERS = sizeof headers / sizeof *headers };

/* Key or value, which may be none. */
typedef struct bytes {
    const char *data;
    size_t len;
} bytes;

static const bytes keys[] = {{"k\x00\xfe", 3}, {NULL, 0}, {"", 0}, {"plain", 5}, {"k", 1}};
static const bytes values[] = {
    {"\x00\xff not JSON", 11}, {NULL, 0}, {"", 0}, {"{\"n\":9007199254740993}", 22}, {"{", 1}};
enum { RECORDS = sizeof keys / sizeof *keys };

static void write_records(const char *topic) {
    raw_writer *w = raw_writer_open(NULL);
    for (int i = 0; i < RECORDS; i++) {
        rd_kafka_headers_t *list = rd_kafka_headers_new(HEADERS);
        for (int h = 0; h < HEADERS; h++)
            rd_kafka_header_add(list, headers[h].name, -1, headers[h].value,
                                (ssize_t)headers[h].len);
        raw_write_bytes(w, topic, keys[i].data, keys[i].len, values[i].data, values[i].len, list);
    }
    raw_writer_close(w);
}

static void must_be_bytes(const char *found, size_t found_len, const char *wanted, size_t len) {
    assert_int_equal(found == NULL, wanted == NULL);
    assert_int_equal(found_len, len);
    if (wanted)
        assert_memory_equal(found, wanted, len);
}

/* A topic with the records, of which all are dead letters now; gives the dead letters. */
static raw_record *bury_all(const char *format, const char **out_topic, const char **out_group) {
    const char *topic = *out_topic = unique("source"), *group = *out_group = unique("group");
    const char *dead = morgue();
    topic_create(topic, 1);
    write_records(topic);
    consuming c =
        consume_beside(publisher_of(dead), topic, group, burying(topic, group, dead, format));
    c.recorder->behave = reject_all;
    must(run_for(&c, RECORDS));
    assert_int_equal(described(c.system, "consumers", 0, "dead_lettered"), RECORDS);
    assert_int_equal(described(c.system, "consumers", 0, "rejected"), RECORDS);
    assert_int_equal(group_committed(group, topic, 0), RECORDS);
    end(&c);
    int count;
    raw_record *all = topic_read(&count, dead, 1);
    assert_int_equal(count, RECORDS);
    return all;
}

/* Fault 3 (a payload that is not JSON is lost), 10 (messageId changes) and 11 (topic, partition,
 * offset, key and integers above 2^53 are lost). */
static void must_be_as_it_was(const raw_record *r, int i) {
    must_be_bytes(r->key, r->key_len, keys[i].data, keys[i].len);
    must_be_bytes(r->value, r->value_len, values[i].data, values[i].len);
    for (int h = 0; h < HEADERS; h++) {
        assert_string_equal(r->headers[h].name, headers[h].name);
        must_be_bytes(r->headers[h].value, r->headers[h].value_len, headers[h].value,
                      headers[h].len);
    }
}

static void test_a_record_goes_as_it_was_with_headers_that_say_why(void **state) {
    const char *topic, *group;
    raw_record *all = bury_all(NULL, &topic, &group);
    for (int i = 0; i < RECORDS; i++) {
        const raw_record *r = &all[i];
        char offset[20];
        int64_t source = atoll(record_header(r, "kca-dead-letter-offset"));
        must_be_as_it_was(r, (int)source);
        snprintf(offset, sizeof offset, "%" PRId64, source);
        assert_string_equal(record_header(r, "kca-dead-letter-topic"), topic);
        assert_string_equal(record_header(r, "kca-dead-letter-partition"), "0");
        assert_string_equal(record_header(r, "kca-dead-letter-offset"), offset);
        assert_string_equal(record_header(r, "kca-dead-letter-group"), group);
        assert_string_equal(record_header(r, "kca-dead-letter-attempts"), "1");
        assert_string_equal(record_header(r, "kca-dead-letter-error-name"), "NegativeAmount");
        assert_string_equal(record_header(r, "kca-dead-letter-error-text"), "the amount is -3");
        must_have(record_header(r, "kca-dead-letter-timestamp"), "T");
        must_have(record_header(r, "kca-dead-letter-time"), "Z");
        assert_int_equal(r->header_count, HEADERS + 9);
    }
    records_free(all, RECORDS);
}

/* The number of a Java DataOutput. */
static int64_t number_in(const raw_record *r, const char *name, size_t width) {
    for (int h = 0; h < r->header_count; h++) {
        if (strcmp(r->headers[h].name, name) != 0)
            continue;
        assert_int_equal(r->headers[h].value_len, width);
        uint64_t number = 0;
        for (size_t i = 0; i < width; i++)
            number = number << 8 | (unsigned char)r->headers[h].value[i];
        return (int64_t)number;
    }
    fail_msg("no header %s", name);
    return -1;
}

static void test_springs_headers_are_as_spring_writes_them(void **state) {
    const char *topic, *group;
    raw_record *all = bury_all("spring", &topic, &group);
    for (int i = 0; i < RECORDS; i++) {
        const raw_record *r = &all[i];
        int64_t offset = number_in(r, "kafka_dlt-original-offset", 8);
        assert_in_range(offset, 0, RECORDS - 1);
        must_be_as_it_was(r, (int)offset);
        assert_int_equal(number_in(r, "kafka_dlt-original-partition", 4), 0);
        assert_in_range(number_in(r, "kafka_dlt-original-timestamp", 8), 1, INT64_MAX);
        assert_string_equal(record_header(r, "kafka_dlt-original-timestamp-type"), "CreateTime");
        assert_string_equal(record_header(r, "kafka_dlt-original-topic"), topic);
        assert_string_equal(record_header(r, "kafka_dlt-original-consumer-group"), group);
        assert_string_equal(record_header(r, "kafka_dlt-exception-fqcn"), "NegativeAmount");
        assert_string_equal(record_header(r, "kafka_dlt-exception-message"), "the amount is -3");
        assert_string_equal(record_header(r, "kca-dead-letter-attempts"), "1");
    }
    records_free(all, RECORDS);
}

static void test_gomes_envelope_keeps_the_payload_byte_for_byte(void **state) {
    const char *topic, *group;
    const char *const kinds[RECORDS] = {"base64", "none", "text", "json", "text"};
    const char *const payloads[RECORDS] = {"\"AP8gbm90IEpTT04=\"", "null", "\"\"",
                                           "{\"n\":9007199254740993}", "\"{\""};
    raw_record *all = bury_all("gomes", &topic, &group);
    for (int i = 0; i < RECORDS; i++) {
        const raw_record *r = &all[i];
        char payload[100];
        int source = atoi(record_header(r, "kca-dead-letter-offset"));
        assert_in_range(source, 0, RECORDS - 1);
        must_be_bytes(r->key, r->key_len, keys[source].data, keys[source].len);
        snprintf(payload, sizeof payload, ",\"Payload\":%s,\"Headers\":{", payloads[source]);
        must_have(r->value, "{\"ReasonError\":\"the amount is -3\",");
        must_have(r->value, payload);
        must_have(r->value, "\"messageId\":\"m-1\"");
        assert_string_equal(record_header(r, "kca-dead-letter-payload"), kinds[source]);
        assert_string_equal(record_header(r, "kca-dead-letter-topic"), topic);
        assert_string_equal(record_header(r, "messageType"), "Document");
        assert_string_equal(record_header(r, "messageId"), "m-1");
    }
    records_free(all, RECORDS);
}

/* ---- what becomes a dead letter ---- */

static int fail_twice(recorder *r, kca_delivery *d, int id) {
    (void)r, (void)id;
    kca_delivery_explain(d, kca_delivery_attempt(d) == 1 ? "First" : "Second", "again");
    return KCA_FAILED;
}

static void test_the_last_of_the_attempts_is_told_and_another_connection_takes_it(void **state) {
    const char *topic = filled(1), *group = unique("group"), *dead = morgue();
    kca_connection *second;
    kca_publisher_builder *publisher;
    must(kca_connection_new(&second, "second", listener("PLAINTEXT")));
    must(kca_publisher_builder_new(&publisher, "second", dead));
    kca_publisher_builder_with_required_acks(publisher, 1);
    kca_consumer_builder *b = burying(topic, group, dead, NULL);
    kca_consumer_builder_with_retry_delay_ms(b, 1);
    consuming c = {system_on(listener("PLAINTEXT")), NULL, recorder_new(), topic, group};
    give_connection(c.system, second);
    give_publisher(c.system, publisher);
    give_consumer(c.system, b);
    record(c.system, "thing", c.recorder);
    start(c.system);
    c.consumer = reader_of(c.system, group);
    c.recorder->behave = fail_twice;
    must(run_for(&c, 2));
    assert_int_equal(group_committed(group, topic, 0), 1);
    end(&c);
    int count;
    raw_record *all = topic_read(&count, dead, 1);
    assert_int_equal(count, 1);
    assert_string_equal(record_header(all, "kca-dead-letter-attempts"), "2");
    assert_string_equal(record_header(all, "kca-dead-letter-error-name"), "Second");
    records_free(all, count);
}

static void test_what_nobody_handles_is_a_dead_letter(void **state) {
    const char *topic = unique("source"), *group = unique("group"), *dead = morgue();
    topic_create(topic, 1);
    raw_writer *w = raw_writer_open(NULL);
    raw_write(w, topic, 0, "stranger", "k", "1");
    raw_write_bytes(w, topic, NULL, 0, "\xff", 1, rd_kafka_headers_new(1)); /* no message at all */
    raw_write(w, topic, 0, "thing", "k", "{\"id\":0}");
    raw_writer_close(w);
    consuming c =
        consume_beside(publisher_of(dead), topic, group, burying(topic, group, dead, NULL));
    runner r;
    runner_start(&r, c.consumer);
    must_commit(group, topic, 0, 3);
    runner_stop(&r);
    assert_int_equal(came(c.recorder), 1);
    end(&c);
    int count;
    raw_record *all = topic_read(&count, dead, 1);
    assert_int_equal(count, 2);
    for (int i = 0; i < count; i++)
        assert_string_equal(record_header(&all[i], "kca-dead-letter-error-name"), "unhandled");
    records_free(all, count);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_record_goes_as_it_was_with_headers_that_say_why),
        cmocka_unit_test(test_springs_headers_are_as_spring_writes_them),
        cmocka_unit_test(test_gomes_envelope_keeps_the_payload_byte_for_byte),
        cmocka_unit_test(test_the_last_of_the_attempts_is_told_and_another_connection_takes_it),
        cmocka_unit_test(test_what_nobody_handles_is_a_dead_letter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
