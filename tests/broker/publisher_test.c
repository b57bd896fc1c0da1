/* What a publisher promises: where messages go, how they look there, and what is told about them.
 */
#include "behaviour.h"
#include "cluster.h"
#include "systems.h"

#include <stdio.h>

enum { PARTITIONS = 3, RECEIPT_MS = 20000 };

static kca_system *publishing(const char *topic, int async) {
    kca_system *s = system_on(listener("PLAINTEXT"));
    kca_publisher_builder *b = publisher_of(topic);
    kca_publisher_builder_with_async(b, async);
    give_publisher(s, b);
    start(s);
    return s;
}

static void test_a_synchronous_publish_returns_when_the_record_is_stored(void **state) {
    const char *topic = unique("sync");
    topic_create(topic, 1);
    kca_system *s = publishing(topic, 0);
    kca_bus *bus = bus_of(s, topic);
    for (int i = 0; i < 5; i++) {
        publish_things(bus, i, 1, 1, 0);
        assert_int_equal(topic_end(topic, 0), i + 1);
    }
    kca_bus_free(bus);
    finish(s);
}

/* Publishes one, and takes its receipt; NULL: it is to come. */
static kca_event *receipt_of(kca_bus *bus, int partition) {
    kca_event *receipt;
    kca_message *m = thing("{}", "k");
    kca_message_set_partition(m, partition);
    must(kca_bus_publish_for_receipt(&receipt, bus, m, 7));
    kca_message_free(m);
    return receipt;
}

static void test_a_synchronous_publish_gives_its_receipt(void **state) {
    const char *topic = unique("sync");
    topic_create(topic, 2);
    topic_fill(topic, 1, 3, 0);
    kca_system *s = publishing(topic, 0);
    kca_bus *bus = bus_of(s, topic);
    kca_event *first = receipt_of(bus, 1), *second = receipt_of(bus, 1);
    assert_int_equal(described(s, "publishers", 0, "receipts_waiting"), 0);
    kca_bus_free(bus);
    finish(s);
    for (int i = 0; i < 2; i++) { /* they outlive their system */
        const kca_event *receipt = i == 0 ? first : second;
        assert_int_equal(kca_event_type(receipt), KCA_EVENT_RECEIPT);
        assert_int_equal(kca_event_token(receipt), 7);
        assert_string_equal(kca_event_topic(receipt), topic);
        assert_int_equal(kca_event_partition(receipt), 1);
        assert_int_equal(kca_event_offset(receipt), 3 + i);
        assert_null(kca_event_error(receipt));
    }
    kca_event_free(first);
    kca_event_free(second);
}

static void test_the_receipt_of_an_asynchronous_publish_comes_on_the_queue(void **state) {
    const char *topic = unique("async");
    topic_create(topic, 1);
    kca_system *s = publishing(topic, 1);
    kca_bus *bus = bus_of(s, topic);
    kca_queue *q = queue_of(s);
    assert_null(receipt_of(bus, -1));
    kca_event *receipt = next_event(q, KCA_EVENT_RECEIPT, RECEIPT_MS);
    assert_int_equal(kca_event_token(receipt), 7);
    assert_int_equal(kca_event_offset(receipt), 0);
    kca_event_free(receipt);
    kca_queue_free(q);
    kca_bus_free(bus);
    finish(s);
}

/* Fault 14 of Gomes. */
static void test_a_lone_synchronous_publish_waits_for_no_batch_timer(void **state) {
    const char *topic = unique("lone");
    topic_create(topic, 1);
    kca_system *s = system_on(listener("PLAINTEXT"));
    kca_publisher_builder *b = publisher_of(topic);
    kca_publisher_builder_with_async(b, 0);
    kca_publisher_builder_with_linger_ms(b, 3000);
    give_publisher(s, b);
    start(s);
    kca_bus *bus = bus_of(s, topic);
    publish_things(bus, 0, 1, 1, 0);
    int64_t begin = now_ms();
    for (int i = 1; i <= 20; i++)
        publish_things(bus, i, 1, 1, 0);
    assert_in_range(now_ms() - begin, 0, 1000);
    must_have_property(s, "publishers", "queue.buffering.max.ms", "0");
    kca_bus_free(bus);
    finish(s);
}

/* Takes `count` receipts of tokens up to `most`, and counts each. */
static void take_receipts(unsigned char *times, kca_queue *q, int count, int most,
                          const char *topic) {
    for (int taken = 0; taken < count; taken++) {
        kca_event *receipt = next_event(q, KCA_EVENT_RECEIPT, RECEIPT_MS);
        if (!receipt)
            fail_msg("%d of %d receipts came", taken, count);
        uint64_t token = kca_event_token(receipt);
        assert_null(kca_event_error(receipt));
        assert_in_range(token, 1, most);
        assert_string_equal(kca_event_topic(receipt), topic);
        assert_in_range(kca_event_partition(receipt), 0, PARTITIONS - 1);
        assert_true(kca_event_offset(receipt) >= 0);
        times[token]++;
        kca_event_free(receipt);
    }
}

static void test_ten_thousand_messages_have_one_receipt_each(void **state) {
    enum { COUNT = 10000, AT_ONCE = 1000 };
    const char *topic = unique("receipts");
    topic_create(topic, PARTITIONS);
    kca_system *s = publishing(topic, 1);
    kca_bus *bus = bus_of(s, topic);
    kca_queue *q = queue_of(s);
    unsigned char *times = calloc(COUNT + 1, 1);
    for (int id = 0; id < COUNT; id += AT_ONCE) {
        publish_things(bus, id, AT_ONCE, 0, 1);
        take_receipts(times, q, AT_ONCE, COUNT, topic);
    }
    kca_event *more;
    assert_int_equal(kca_queue_next(q, &more, 1, 0), 0);
    for (int token = 1; token <= COUNT; token++)
        assert_int_equal(times[token], 1);
    assert_int_equal(topic_count(topic, PARTITIONS), COUNT);
    assert_int_equal(described(s, "publishers", 0, "stored"), COUNT);
    free(times);
    kca_queue_free(q);
    kca_bus_free(bus);
    finish(s);
}

static void test_receipts_tell_the_offset_where_the_record_is(void **state) {
    const char *topic = unique("offsets");
    topic_create(topic, 1);
    topic_fill(topic, 0, 7, 0);
    kca_system *s = publishing(topic, 1);
    kca_bus *bus = bus_of(s, topic);
    kca_queue *q = queue_of(s);
    publish_things(bus, 41, 1, 1, 1);
    kca_event *receipt = next_event(q, KCA_EVENT_RECEIPT, RECEIPT_MS);
    assert_non_null(receipt);
    assert_int_equal(kca_event_offset(receipt), 7);
    assert_int_equal(kca_event_partition(receipt), 0);
    kca_event_free(receipt);
    int count;
    raw_record *records = topic_read(&count, topic, 1);
    assert_int_equal(count, 8);
    assert_string_equal(records[7].value, "{\"id\":41}");
    records_free(records, count);
    kca_queue_free(q);
    kca_bus_free(bus);
    finish(s);
}

static void test_token_zero_gives_no_receipt(void **state) {
    const char *topic = unique("no-receipt");
    kca_system *s = publishing(topic, 1);
    kca_bus *bus = bus_of(s, topic);
    kca_queue *q = queue_of(s);
    publish_things(bus, 0, 100, 3, 0);
    must(kca_bus_flush(bus, RECEIPT_MS));
    kca_event *event;
    assert_int_equal(kca_queue_next(q, &event, 1, 0), 0);
    assert_int_equal(described(s, "publishers", 0, "stored"), 100);
    assert_int_equal(described(s, "publishers", 0, "receipts_waiting"), 0);
    kca_queue_free(q);
    kca_bus_free(bus);
    finish(s);
}

/* The partition of a key as org.apache.kafka.common.utils.Utils.murmur2 chooses it. */
static int java_partition(const char *key, int partitions) {
    size_t len = strlen(key);
    uint32_t h = 0x9747b28cu ^ (uint32_t)len;
    const unsigned char *p = (const unsigned char *)key;
    for (size_t i = 0; i + 4 <= len; i += 4) {
        uint32_t k = (uint32_t)p[i] | (uint32_t)p[i + 1] << 8 | (uint32_t)p[i + 2] << 16 |
                     (uint32_t)p[i + 3] << 24;
        k *= 0x5bd1e995u;
        k ^= k >> 24;
        k *= 0x5bd1e995u;
        h = h * 0x5bd1e995u ^ k;
    }
    size_t rest = len & 3, at = len & ~(size_t)3;
    if (rest == 3)
        h ^= (uint32_t)p[at + 2] << 16;
    if (rest >= 2)
        h ^= (uint32_t)p[at + 1] << 8;
    if (rest >= 1)
        h = (h ^ p[at]) * 0x5bd1e995u;
    h ^= h >> 13;
    h *= 0x5bd1e995u;
    h ^= h >> 15;
    return (int)((h & 0x7fffffffu) % (uint32_t)partitions);
}

static void test_the_key_chooses_the_partition_as_the_java_client_does(void **state) {
    /* Kafka's own unit test of murmur2: "21" -> -973932308, "foobar" -> -790332482, "abc" ->
     * 479470107 */
    assert_int_equal(java_partition("21", 1 << 30), (-973932308 & 0x7fffffff) % (1 << 30));
    assert_int_equal(java_partition("foobar", 1 << 30), (-790332482 & 0x7fffffff) % (1 << 30));
    assert_int_equal(java_partition("abc", 1 << 30), 479470107);

    const char *topic = unique("keys");
    topic_create(topic, PARTITIONS);
    kca_system *s = publishing(topic, 1);
    kca_bus *bus = bus_of(s, topic);
    publish_things(bus, 0, 200, 0, 0);
    must(kca_bus_flush(bus, RECEIPT_MS));
    int count;
    raw_record *records = topic_read(&count, topic, PARTITIONS);
    assert_int_equal(count, 200);
    for (int i = 0; i < count; i++)
        assert_int_equal(records[i].partition, java_partition(records[i].key, PARTITIONS));
    records_free(records, count);
    kca_bus_free(bus);
    finish(s);
}

/* Publishes one with this key to a partition; -1: by key. */
static kca_error *publish_to(kca_bus *bus, int partition, const char *key) {
    kca_message *m = thing("{}", key);
    kca_message_set_partition(m, partition);
    kca_error *e = kca_bus_publish(bus, m, 0);
    kca_message_free(m);
    return e;
}

static void test_a_message_goes_to_the_partition_that_it_names(void **state) {
    const char *topic = unique("named");
    topic_create(topic, PARTITIONS);
    kca_system *s = publishing(topic, 0);
    kca_bus *bus = bus_of(s, topic);
    for (int i = 0; i < PARTITIONS; i++)
        must(publish_to(bus, i, "always the same"));
    for (int i = 0; i < PARTITIONS; i++)
        assert_int_equal(topic_end(topic, i), 1);
    must_fail(publish_to(bus, PARTITIONS, "k"), KCA_ERROR_ARGUMENT, topic,
              "partition must be 0 to 2, for the topic has 3 partitions, got 3");
    must_fail(publish_to(bus, -2, "k"), KCA_ERROR_ARGUMENT, "message thing", "got -2");
    must(publish_to(bus, -1, "k"));
    topic_grow(topic, PARTITIONS + 2);
    must(publish_to(bus, PARTITIONS + 1, "k")); /* it has not waited for librdkafka to look */
    assert_int_equal(topic_end(topic, PARTITIONS + 1), 1);
    kca_bus_free(bus);
    finish(s);
}

/* The call has returned by then: the receipt tells. */
static void test_a_partition_that_is_not_there_is_told_in_the_background_too(void **state) {
    const char *topic = unique("named");
    topic_create(topic, 1);
    kca_system *s = system_on(listener("PLAINTEXT"));
    kca_publisher_builder *b = publisher_of(topic);
    kca_publisher_builder_with_background(b, 1);
    give_publisher(s, b);
    start(s);
    kca_bus *bus = bus_of(s, topic);
    kca_queue *q = queue_of(s);
    must(publish_to(bus, 0, "k"));
    must(publish_to(bus, 1, "k"));
    kca_event *fault = next_event(q, KCA_EVENT_FAULT, RECEIPT_MS);
    assert_non_null(fault);
    must_have(kca_error_text(kca_event_error(fault)),
              "partition must be 0 to 0, for the topic has 1 partition, got 1");
    kca_event_free(fault);
    must(kca_bus_flush(bus, RECEIPT_MS));
    assert_int_equal(topic_end(topic, 0), 1);
    kca_queue_free(q);
    kca_bus_free(bus);
    finish(s);
}

static void test_a_message_above_batch_bytes_is_too_large(void **state) {
    const char *topic = unique("large");
    kca_system *s = system_on(listener("PLAINTEXT"));
    kca_publisher_builder *b = publisher_of(topic);
    kca_publisher_builder_with_batch_bytes(b, 5000);
    give_publisher(s, b);
    start(s);
    kca_bus *bus = bus_of(s, topic);
    char payload[6001];
    memset(payload, '1', 6000);
    payload[6000] = '\0';
    kca_message *m = thing(payload, "k");
    must_fail(kca_bus_publish(bus, m, 1), KCA_ERROR_TOO_LARGE, topic, "batch_bytes", "5000");
    payload[4000] = '\0';
    kca_message_set_payload(m, payload, 4000);
    must(kca_bus_publish(bus, m, 0));
    kca_message_free(m);
    kca_bus_free(bus);
    finish(s);
}

static void test_what_the_broker_takes_for_too_large_is_told_so(void **state) {
    const char *topic = unique("large");
    kca_system *s = system_on(listener("PLAINTEXT"));
    kca_publisher_builder *b = publisher_of(topic);
    kca_publisher_builder_with_async(b, 0);
    kca_publisher_builder_with_batch_bytes(b, 3000000);
    give_publisher(s, b);
    start(s);
    kca_bus *bus = bus_of(s, topic);
    char *payload = malloc(2000001);
    memset(payload, '1', 2000000);
    payload[2000000] = '\0';
    kca_message *m = thing(payload, "k");
    must_fail(kca_bus_publish(bus, m, 0), KCA_ERROR_TOO_LARGE, topic);
    free(payload);
    kca_message_free(m);
    kca_bus_free(bus);
    finish(s);
}

/* All messages that the broker does not take are told of, though nobody reads the faults. */
static void test_faults_that_nobody_reads_are_counted_in_those_that_are_kept(void **state) {
    enum { MESSAGES = 1700, KEPT = 1000 };
    const char *topic = unique("dropped");
    topic_create_with(topic, 1, "max.message.bytes", "1");
    kca_system *s = publishing(topic, 1);
    kca_bus *bus = bus_of(s, topic);
    publish_things(bus, 0, MESSAGES, 1, 0);
    must(kca_bus_flush(bus, RECEIPT_MS));
    assert_int_equal(described(s, "publishers", 0, "published"), MESSAGES);
    assert_int_equal(described(s, "publishers", 0, "failed"), MESSAGES);
    kca_queue *q = queue_of(s);
    int64_t told = 0;
    for (int i = 0; i < KEPT; i++) {
        kca_event *fault = next_event(q, KCA_EVENT_FAULT, 0);
        assert_non_null(fault);
        if (i == 0)
            must_have(kca_error_text(kca_event_error(fault)), "(and 700 more faults were dropped)");
        told += 1 + kca_event_dropped(fault);
        kca_event_free(fault);
    }
    assert_int_equal(told, MESSAGES);
    assert_null(next_event(q, KCA_EVENT_FAULT, 0));
    kca_queue_free(q);
    kca_bus_free(bus);
    finish(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_synchronous_publish_returns_when_the_record_is_stored),
        cmocka_unit_test(test_a_synchronous_publish_gives_its_receipt),
        cmocka_unit_test(test_the_receipt_of_an_asynchronous_publish_comes_on_the_queue),
        cmocka_unit_test(test_a_lone_synchronous_publish_waits_for_no_batch_timer),
        cmocka_unit_test(test_ten_thousand_messages_have_one_receipt_each),
        cmocka_unit_test(test_receipts_tell_the_offset_where_the_record_is),
        cmocka_unit_test(test_token_zero_gives_no_receipt),
        cmocka_unit_test(test_the_key_chooses_the_partition_as_the_java_client_does),
        cmocka_unit_test(test_a_message_goes_to_the_partition_that_it_names),
        cmocka_unit_test(test_a_partition_that_is_not_there_is_told_in_the_background_too),
        cmocka_unit_test(test_a_message_above_batch_bytes_is_too_large),
        cmocka_unit_test(test_what_the_broker_takes_for_too_large_is_told_so),
        cmocka_unit_test(test_faults_that_nobody_reads_are_counted_in_those_that_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
