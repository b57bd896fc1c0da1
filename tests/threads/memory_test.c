/* A message that cannot be read for lack of memory is not handed out, and comes again. */
#include "behaviour.h"

#include <stdbool.h>
#include <stdio.h>

#include "systems.h"

enum { HEADERS = 37, PATIENCE_MS = 20000 };

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
static const bool memory_can_fail = false;
static _Thread_local bool out_of_memory;
#else
static const bool memory_can_fail = true;
static _Thread_local bool out_of_memory;

void *__libc_malloc(size_t size);

/* Only the room for so many headers as no record of librdkafka's own has. */
void *malloc(size_t size) {
    const size_t least = HEADERS * 3 * sizeof(void *), most = least + 24 * 3 * sizeof(void *);
    return out_of_memory && size >= least && size < most ? NULL : __libc_malloc(size);
}
#endif

static void publish(kca_system *s, const char *payload, int headers) {
    kca_bus *bus = bus_of(s, "things");
    kca_message *m = thing(payload, "key");
    for (int i = 0; i < headers; i++) {
        char name[20];
        snprintf(name, sizeof name, "header %d", i);
        kca_message_set_header(m, name, "value");
    }
    must(kca_bus_publish(bus, m, 0));
    must(kca_bus_flush(bus, PATIENCE_MS));
    kca_message_free(m);
    kca_bus_free(bus);
}

/* The partition of "key", by reading all. */
static int partition_of_key(void) {
    kca_system *s = system_on("embedded://");
    kca_publisher_builder *p = publisher_of("things");
    give_publisher(s, p);
    start(s);
    kca_bus *bus = bus_of(s, "things");
    kca_queue *q = queue_of(s);
    kca_message *m = thing("{}", "key");
    must(kca_bus_publish(bus, m, 1));
    kca_event *receipt = next_event(q, KCA_EVENT_RECEIPT, PATIENCE_MS);
    assert_non_null(receipt);
    int partition = kca_event_partition(receipt);
    kca_event_free(receipt);
    kca_message_free(m);
    kca_queue_free(q);
    kca_bus_free(bus);
    finish(s);
    return partition;
}

static void test_a_message_that_cannot_be_read_is_not_handed_out_and_comes_again(void **state) {
    if (!memory_can_fail)
        skip();
    int partition = partition_of_key();
    kca_system *s = system_on("embedded://");
    give_publisher(s, publisher_of("things"));
    kca_consumer_builder *b = consumer_of("things", "reader");
    kca_consumer_builder_with_partition(b, partition);
    kca_consumer_builder_with_failure_policy(b, "skip");
    give_consumer(s, b);
    must(kca_system_add_handler(s, "*", NULL, NULL, NULL));
    start(s);
    publish(s, "1", 0);
    publish(s, "2", HEADERS);
    kca_consumer *c = reader_of(s, "reader");
    kca_queue *q;
    kca_event *event;
    must(kca_consumer_queue(c, &q));
    event = next_event(q, KCA_EVENT_DELIVERY, PATIENCE_MS);
    must(kca_delivery_settle(kca_event_delivery(event), KCA_DONE));
    kca_event_free(event);
    out_of_memory = true;
    int got = kca_queue_next(q, &event, 1, PATIENCE_MS);
    out_of_memory = false;
    assert_int_equal(got, 1);
    assert_int_equal(kca_event_type(event), KCA_EVENT_FAULT);
    assert_int_equal(kca_error_code(kca_event_error(event)), KCA_ERROR_MEMORY);
    kca_event_free(event);
    assert_int_equal(kca_queue_next(q, &event, 1, PATIENCE_MS), -KCA_ERROR_STOPPED);
    kca_queue_free(q);

    must(kca_consumer_queue(c, &q));
    event = next_event(q, KCA_EVENT_DELIVERY, PATIENCE_MS);
    assert_non_null(event);
    const kca_message *m = kca_delivery_message(kca_event_delivery(event));
    assert_memory_equal(kca_message_payload(m), "2", 1);
    assert_int_equal(kca_message_header_count(m), HEADERS);
    must(kca_delivery_settle(kca_event_delivery(event), KCA_DONE));
    kca_event_free(event);
    kca_queue_free(q);
    kca_consumer_free(c);
    finish(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_message_that_cannot_be_read_is_not_handed_out_and_comes_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
