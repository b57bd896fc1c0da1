/* Publishers with `background`: a thread of the library hands over what many threads publish. */
#include "behaviour.h"

#include <pthread.h>

#include "systems.h"

enum { THREADS = 4, EACH = 2000, FEW = 100, PATIENCE_MS = 20000, REFUSALS = 10, NOT_THERE = 99 };

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

/* Key, headers and framing count, too. */
static void test_what_is_too_large_is_refused_before_it_is_accepted(void **state) {
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    kca_publisher_builder *b = in_background("things");
    kca_publisher_builder_with_batch_bytes(b, 1000);
    kca_system *s = started_system(b);
    kca_bus *bus = bus_of(s, "things");
    kca_message *m = thing("{}", "k");
    must(kca_bus_publish(bus, m, 0));
    kca_message_set_header(m, "large", text);
    must_fail(kca_bus_publish(bus, m, 7), KCA_ERROR_TOO_LARGE, "batch_bytes, 1000");
    must(kca_bus_flush(bus, PATIENCE_MS));
    assert_int_equal(described(s, "publishers", 0, "published"), 1);
    assert_int_equal(described(s, "publishers", 0, "failed"), 0);
    kca_message_free(m);
    kca_bus_free(bus);
    finish(s);
}

static void test_a_refusal_is_a_failed_receipt_or_a_fault(void **state) {
    kca_system *s = started_system(in_background("things"));
    kca_bus *bus = bus_of(s, "things");
    kca_queue *q = queue_of(s);
    kca_message *m = thing("{}", "k");
    kca_message_set_partition(m, NOT_THERE);
    for (int i = 1; i <= REFUSALS; i++) {
        must(kca_bus_publish(bus, m, (uint64_t)i));
        kca_event *receipt = next_event(q, KCA_EVENT_RECEIPT, PATIENCE_MS);
        assert_non_null(receipt);
        assert_int_equal(kca_event_token(receipt), i);
        assert_non_null(kca_event_error(receipt));
        kca_event_free(receipt);
    }
    must(kca_bus_publish(bus, m, 0));
    kca_event *fault = next_event(q, KCA_EVENT_FAULT, PATIENCE_MS);
    assert_non_null(fault);
    must_have(kca_error_text(kca_event_error(fault)), "publisher things");
    kca_event_free(fault);
    assert_int_equal(described(s, "publishers", 0, "failed"), REFUSALS + 1);
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
        cmocka_unit_test(test_what_is_too_large_is_refused_before_it_is_accepted),
        cmocka_unit_test(test_a_refusal_is_a_failed_receipt_or_a_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
