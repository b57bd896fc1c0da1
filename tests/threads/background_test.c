/* Publishers with `background`: a thread of the library hands over what many threads publish. */
#include "behaviour.h"

#include <pthread.h>

#include "systems.h"

enum { THREADS = 4, EACH = 2000, PATIENCE_MS = 20000 };

static kca_publisher_builder *in_background(const char *topic) {
    kca_publisher_builder *b = publisher_of(topic);
    kca_publisher_builder_with_background(b, 1);
    return b;
}

static kca_system *started_system(kca_publisher_builder *b) {
    kca_system *s = system_on("embedded://");
    give_publisher(s, b);
    start(s);
    return s;
}

static void *publish_some(void *bus) {
    publish_things(bus, 0, EACH, 10, 0);
    return NULL;
}

static void test_shutdown_waits_for_all_that_many_threads_published(void **state) {
    (void)state;
    kca_system *s = started_system(in_background("things"));
    kca_bus *bus = bus_of(s, "things");
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, publish_some, bus), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    must(kca_system_shutdown(s, PATIENCE_MS));
    assert_int_equal(described(s, "publishers", 0, "stored"), THREADS * EACH);
    kca_bus_free(bus);
    kca_system_free(s);
}

static void test_the_order_of_a_key_stays(void **state) {
    (void)state;
    kca_system *s = started_system(in_background("things"));
    kca_bus *bus = bus_of(s, "things");
    kca_queue *q = queue_of(s);
    int64_t last = -1;
    publish_things(bus, 0, 100, 1, 1);
    for (int i = 0; i < 100; i++) {
        kca_event *receipt = next_event(q, KCA_EVENT_RECEIPT, PATIENCE_MS);
        assert_non_null(receipt);
        assert_null(kca_event_error(receipt));
        assert_int_equal(kca_event_token(receipt), i + 1);
        assert_true(kca_event_offset(receipt) > last);
        last = kca_event_offset(receipt);
        kca_event_free(receipt);
    }
    kca_queue_free(q);
    kca_bus_free(bus);
    finish(s);
}

/* Its headers make it larger than librdkafka takes. */
static void test_what_librdkafka_refuses_is_a_failed_receipt_or_a_fault(void **state) {
    (void)state;
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    kca_publisher_builder *b = in_background("things");
    kca_publisher_builder_with_batch_bytes(b, 1000);
    kca_system *s = started_system(b);
    kca_bus *bus = bus_of(s, "things");
    kca_queue *q = queue_of(s);
    kca_message *m = thing("{}", "k");
    kca_message_set_header(m, "large", text);
    kca_message_set_payload(m, text, sizeof text);
    must_fail(kca_bus_publish(bus, m, 7), KCA_ERROR_TOO_LARGE, "batch_bytes, 1000");
    kca_message_set_payload(m, "{}", 2);
    must(kca_bus_publish(bus, m, 7));
    kca_event *receipt = next_event(q, KCA_EVENT_RECEIPT, PATIENCE_MS);
    assert_non_null(receipt);
    assert_int_equal(kca_event_token(receipt), 7);
    assert_int_equal(kca_error_code(kca_event_error(receipt)), KCA_ERROR_TOO_LARGE);
    kca_event_free(receipt);

    must(kca_bus_publish(bus, m, 0));
    kca_event *fault = next_event(q, KCA_EVENT_FAULT, PATIENCE_MS);
    assert_non_null(fault);
    must_have(kca_error_text(kca_event_error(fault)), "publisher things");
    kca_event_free(fault);
    assert_int_equal(described(s, "publishers", 0, "failed"), 2);
    kca_message_free(m);
    kca_queue_free(q);
    kca_bus_free(bus);
    finish(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shutdown_waits_for_all_that_many_threads_published),
        cmocka_unit_test(test_the_order_of_a_key_stays),
        cmocka_unit_test(test_what_librdkafka_refuses_is_a_failed_receipt_or_a_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
