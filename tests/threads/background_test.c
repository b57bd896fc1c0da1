/* Publishers with `background`: a thread of the library hands over what many threads publish. */
#include "behaviour.h"

#include <pthread.h>

#include "systems.h"

enum { THREADS = 4, EACH = 2000, FEW = 100, PATIENCE_MS = 20000, REFUSALS = 10, SOON_MS = 3000 };

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

typedef struct eager {
    kca_bus *bus;
    pthread_t thread;
    int accepted;
} eager;

static void *publish_until_refused(void *argument) {
    eager *a = argument;
    kca_message *m = thing("{}", "k");
    kca_error *e;
    while (!(e = kca_bus_publish(a->bus, m, 1)))
        a->accepted++;
    assert_int_equal(kca_error_code(e), KCA_ERROR_STATE);
    kca_error_free(e);
    kca_message_free(m);
    return NULL;
}

static int has_published(void *system) {
    return described(system, "publishers", 0, "published") >= FEW;
}

static void test_what_is_accepted_while_the_system_ends_is_answered(void **state) {
    kca_system *s = started_system(in_background("things"));
    kca_bus *bus = bus_of(s, "things");
    kca_queue *q = queue_of(s);
    eager threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        threads[i] = (eager){.bus = bus};
        pthread_create(&threads[i].thread, NULL, publish_until_refused, &threads[i]);
    }
    must_become(has_published, s, PATIENCE_MS, "some are published");
    kca_error_free(kca_system_shutdown(s, 0));
    int accepted = 0;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i].thread, NULL);
        accepted += threads[i].accepted;
    }
    assert_int_equal(described(s, "publishers", 0, "published"), accepted);
    for (; accepted > 0; accepted--) {
        kca_event *receipt = next_event(q, KCA_EVENT_RECEIPT, 0);
        assert_non_null(receipt);
        kca_event_free(receipt);
    }
    assert_null(next_event(q, KCA_EVENT_RECEIPT, 0));
    kca_queue_free(q);
    kca_bus_free(bus);
    kca_system_free(s);
}

static void test_the_order_of_a_key_stays(void **state) {
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

/* A system whose publisher takes no more than 1000 bytes, and a message whose headers have more, as
 * librdkafka finds out. */
static kca_system *system_with_small_batches(void) {
    kca_publisher_builder *b = in_background("things");
    kca_publisher_builder_with_batch_bytes(b, 1000);
    return started_system(b);
}

static kca_message *with_large_header(void) {
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    kca_message *m = thing("{}", "k");
    kca_message_set_header(m, "large", text);
    return m;
}

static void test_what_librdkafka_refuses_is_a_failed_receipt_or_a_fault(void **state) {
    const char payload[2000] = "";
    kca_system *s = system_with_small_batches();
    kca_bus *bus = bus_of(s, "things");
    kca_queue *q = queue_of(s);
    kca_message *m = with_large_header();
    kca_message_set_payload(m, payload, sizeof payload);
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

/* Who waits for receipts polls librdkafka itself meanwhile. */
static void test_who_waits_hears_of_a_refusal_at_once(void **state) {
    kca_system *s = system_with_small_batches();
    kca_bus *bus = bus_of(s, "things");
    kca_queue *q = queue_of(s);
    kca_message *m = with_large_header();
    int64_t begin = now_ms();
    for (int i = 1; i <= REFUSALS; i++) {
        must(kca_bus_publish(bus, m, (uint64_t)i));
        kca_event *receipt = next_event(q, KCA_EVENT_RECEIPT, PATIENCE_MS);
        assert_non_null(receipt);
        assert_int_equal(kca_event_token(receipt), i);
        kca_event_free(receipt);
    }
    assert_true(now_ms() - begin < SOON_MS);
    kca_message_free(m);
    kca_queue_free(q);
    kca_bus_free(bus);
    finish(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shutdown_waits_for_all_that_many_threads_published),
        cmocka_unit_test(test_what_is_accepted_while_the_system_ends_is_answered),
        cmocka_unit_test(test_the_order_of_a_key_stays),
        cmocka_unit_test(test_what_librdkafka_refuses_is_a_failed_receipt_or_a_fault),
        cmocka_unit_test(test_who_waits_hears_of_a_refusal_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
