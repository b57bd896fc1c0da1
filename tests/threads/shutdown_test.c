/* The end of a system while other threads are busy with it. */
#include "behaviour.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "systems.h"

enum { THREADS = 4, ROUNDS = 20, SHUTDOWN_MS = 20000, PARTITIONS = 4, MOST_THINGS = 2000 };

typedef struct worker {
    kca_bus *bus;
    kca_queue *queue;
    atomic_bool *over;
    atomic_int *published;
    pthread_t thread;
} worker;

/* Not started is the one thing that may go wrong, again and again, and messages that the end cut
 * off. */
static void *publish(void *argument) {
    worker *w = argument;
    kca_message *m = thing("{}", NULL);
    for (uint64_t token = 1; !atomic_load(w->over); token++) {
        kca_error *e = kca_bus_publish(w->bus, m, token);
        int code = kca_error_code(e);
        assert_true(code == KCA_OK || code == KCA_ERROR_STATE || code == KCA_ERROR_NOT_STORED);
        kca_error_free(e);
        atomic_fetch_add(w->published, code == KCA_OK);
    }
    kca_message_free(m);
    return NULL;
}

static void *flush(void *argument) {
    worker *w = argument;
    while (!atomic_load(w->over))
        kca_error_free(kca_bus_flush(w->bus, -1));
    return NULL;
}

static void *read_receipts(void *argument) {
    worker *w = argument;
    kca_event *events[64];
    while (!atomic_load(w->over)) {
        int count = kca_queue_next(w->queue, events, 64, 50);
        for (int i = 0; i < count; i++)
            kca_event_free(events[i]);
    }
    return NULL;
}

static int has_published(void *argument) {
    const worker *w = argument;
    return atomic_load(w->published) > 0;
}

/* `work` on four threads, and somebody who reads receipts, while the system ends and begins. */
static void end_again_and_again(int async, void *(*work)(void *), int timeout_ms) {
    kca_system *s = system_on("embedded://");
    kca_publisher_builder *p = publisher_of("things");
    kca_publisher_builder_with_async(p, async);
    give_publisher(s, p);
    must(kca_system_log_to_queue(s, KCA_LOG_DEBUG));
    atomic_bool over = false;
    atomic_int published = 0;
    worker one = {bus_of(s, "things"), queue_of(s), &over, &published, 0};
    worker workers[THREADS + 2];
    for (int i = 0; i < THREADS + 2; i++) {
        workers[i] = one;
        pthread_create(&workers[i].thread, NULL,
                       i < THREADS    ? publish
                       : i == THREADS ? read_receipts
                                      : work,
                       &workers[i]);
    }
    for (int i = 0; i < ROUNDS; i++) {
        start(s);
        atomic_store(&published, 0);
        assert_true(wait_until(has_published, &one, SHUTDOWN_MS));
        int64_t begin = now_ms();
        kca_error_free(kca_system_shutdown(s, timeout_ms));
        assert_true(now_ms() - begin < SHUTDOWN_MS);
    }
    atomic_store(&over, true);
    for (int i = 0; i < THREADS + 2; i++)
        pthread_join(workers[i].thread, NULL);
    kca_bus_free(one.bus);
    kca_queue_free(one.queue);
    kca_system_free(s);
}

static void test_a_system_ends_under_threads_that_publish(void **state) {
    end_again_and_again(1, publish, SHUTDOWN_MS);
}

static void test_a_system_ends_under_threads_that_wait_for_the_answer(void **state) {
    end_again_and_again(0, publish, SHUTDOWN_MS);
}

static void test_a_system_ends_at_once_under_threads_that_wait_for_the_answer(void **state) {
    end_again_and_again(0, publish, 0);
}

static void test_a_system_ends_under_a_thread_that_flushes(void **state) {
    end_again_and_again(1, flush, 0);
}

/* ---- beginnings ---- */

static void test_an_embedded_broker_that_is_not_there_yet_is_waited_for(void **state) {
    kca_system *s = system_on("embedded://");
    give_publisher(s, publisher_of("things"));
    for (int i = 0; i < 5; i++) {
        kca_error *e = kca_system_start(s, i % 2);
        if (e)
            assert_int_equal(kca_error_code(e), KCA_ERROR_TIMEOUT);
        else
            must(kca_system_shutdown(s, SHUTDOWN_MS));
        kca_error_free(e);
    }
    start(s);
    finish(s);
}

/* ---- consumers ---- */

typedef struct shared {
    kca_system *system;
    kca_consumer *consumer;
    atomic_int handled;
    atomic_int inside; /* handlers */
    atomic_int most;
    int stop_at; /* the handler of this one stops the consumer; 0: none does */
    atomic_bool stopped;
    atomic_int late; /* handlers that began when it was stopped */
    atomic_int times[PARTITIONS][MOST_THINGS];
} shared;

static int handle(kca_delivery *d, void *user) {
    shared *h = user;
    atomic_fetch_add(&h->late, atomic_load(&h->stopped));
    if (h->stop_at > 0)
        atomic_fetch_add(&h->times[kca_delivery_partition(d)][kca_delivery_offset(d)], 1);
    int inside = atomic_fetch_add(&h->inside, 1) + 1, most = atomic_load(&h->most);
    while (inside > most && !atomic_compare_exchange_weak(&h->most, &most, inside))
        ;
    int handled = atomic_fetch_add(&h->handled, 1) + 1;
    if (h->stop_at > 0 && handled % h->stop_at == 0) {
        kca_consumer_stop(h->consumer);
        atomic_store(&h->stopped, true);
    }
    atomic_fetch_sub(&h->inside, 1);
    return KCA_DONE;
}

static void *run(void *argument) {
    shared *h = argument;
    must(kca_consumer_run(h->consumer));
    assert_int_equal(atomic_load(&h->inside), 0);
    return NULL;
}

static void open_consumer(shared *h) {
    h->system = system_on("embedded://");
    give_publisher(h->system, publisher_of("things"));
    kca_consumer_builder *c = consumer_of("things", "reader");
    kca_consumer_builder_with_partition(c, 0);
    give_consumer(h->system, c);
    must(kca_system_add_handler(h->system, "*", handle, h, NULL));
    start(h->system);
    h->consumer = reader_of(h->system, "reader");
    kca_consumer_with_amount_of_processors(h->consumer, THREADS);
}

static void close_consumer(shared *h) {
    kca_consumer_free(h->consumer);
    kca_system_free(h->system);
}

static void publish_some(shared *h, int count) {
    kca_bus *bus = bus_of(h->system, "things");
    publish_things(bus, 0, count, 50, 0);
    must(kca_bus_flush(bus, SHUTDOWN_MS));
    kca_bus_free(bus);
}

static int is_reading(void *argument) {
    shared *h = argument;
    return atomic_load(&h->handled) > 0;
}

static void test_a_system_ends_under_a_consumer_with_many_processors(void **state) {
    shared h = {0};
    open_consumer(&h);
    for (int i = 0; i < 5; i++) {
        if (i > 0)
            start(h.system);
        atomic_store(&h.handled, 0);
        publish_some(&h, 2000);
        pthread_t runner;
        pthread_create(&runner, NULL, run, &h);
        assert_true(wait_until(is_reading, &h, SHUTDOWN_MS));
        must(kca_system_shutdown(h.system, SHUTDOWN_MS));
        pthread_join(runner, NULL);
    }
    close_consumer(&h);
}

static void test_a_consumer_stopped_by_its_handler_runs_again_from_there(void **state) {
    static shared h = {.stop_at = 100};
    open_consumer(&h);
    publish_some(&h, MOST_THINGS);
    kca_bus *bus = bus_of(h.system, "things");
    for (int i = 0; i < 3; i++) {
        atomic_store(&h.stopped, false);
        atomic_store(&h.late, 0);
        must(kca_consumer_run(h.consumer));
        assert_true(atomic_load(&h.stopped));
        assert_in_range(atomic_load(&h.late), 0, THREADS - 1); /* they were out when it came */
    }
    for (int i = 0; i < PARTITIONS * MOST_THINGS; i++)
        assert_in_range(atomic_load(&h.times[i / MOST_THINGS][i % MOST_THINGS]), 0, 1);
    kca_bus_free(bus);
    must(kca_system_shutdown(h.system, SHUTDOWN_MS));
    close_consumer(&h);
}

/* ---- handles and deliveries that stay ---- */

static int keep(kca_delivery *d, void *user) {
    __atomic_store((kca_delivery **)user, &d, __ATOMIC_RELEASE);
    return KCA_DEFERRED;
}

static int is_kept(void *argument) {
    kca_delivery *d;
    __atomic_load((kca_delivery **)argument, &d, __ATOMIC_ACQUIRE);
    return d != NULL;
}

static void *pull_one(void *argument) {
    kca_queue *q = argument;
    return next_event(q, KCA_EVENT_DELIVERY, SHUTDOWN_MS);
}

static void test_a_delivery_outlives_its_queue_consumer_and_system(void **state) {
    kca_system *s = system_on("embedded://");
    give_publisher(s, publisher_of("things"));
    kca_consumer_builder *b = consumer_of("things", "reader");
    kca_consumer_builder_with_partition(b, 0);
    give_consumer(s, b);
    must(kca_system_add_handler(s, "*", NULL, NULL, NULL));
    start(s);
    kca_bus *bus = bus_of(s, "things");
    publish_things(bus, 0, 20, 0, 0);
    kca_bus_free(bus);
    kca_consumer *c = reader_of(s, "reader");
    kca_queue *q;
    must(kca_consumer_queue(c, &q));
    kca_event *event = pull_one(q);
    assert_non_null(event);
    kca_delivery *d = kca_event_into_delivery(event);
    kca_queue_free(q);
    kca_consumer_free(c);
    kca_system_free(s);
    assert_string_equal(kca_message_name(kca_delivery_message(d)), "thing");
    assert_string_equal(kca_delivery_consumer(d), "reader");
    must_fail(kca_delivery_settle(d, KCA_DONE), KCA_ERROR_STATE, "no longer counts");
    kca_delivery_free(d);
}

static void test_a_deferred_delivery_is_waited_for(void **state) {
    kca_delivery *kept = NULL;
    kca_system *s = system_on("embedded://");
    give_publisher(s, publisher_of("things"));
    kca_consumer_builder *b = consumer_of("things", "reader");
    kca_consumer_builder_with_partition(b, 0);
    kca_consumer_builder_with_queue_capacity(b, 1);
    give_consumer(s, b);
    must(kca_system_add_handler(s, "*", keep, &kept, NULL));
    start(s);
    shared h = {.system = s, .consumer = reader_of(s, "reader")};
    publish_some(&h, 20);
    pthread_t runner;
    pthread_create(&runner, NULL, run, &h);
    assert_true(wait_until(is_kept, &kept, SHUTDOWN_MS));
    kca_consumer_stop(h.consumer);
    must(kca_delivery_settle(kept, KCA_DONE));
    pthread_join(runner, NULL);
    kca_consumer_free(h.consumer);
    finish(s);
    kca_delivery_free(kept);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_system_ends_under_threads_that_publish),
        cmocka_unit_test(test_a_system_ends_under_threads_that_wait_for_the_answer),
        cmocka_unit_test(test_a_system_ends_at_once_under_threads_that_wait_for_the_answer),
        cmocka_unit_test(test_a_system_ends_under_a_thread_that_flushes),
        cmocka_unit_test(test_an_embedded_broker_that_is_not_there_yet_is_waited_for),
        cmocka_unit_test(test_a_system_ends_under_a_consumer_with_many_processors),
        cmocka_unit_test(test_a_consumer_stopped_by_its_handler_runs_again_from_there),
        cmocka_unit_test(test_a_delivery_outlives_its_queue_consumer_and_system),
        cmocka_unit_test(test_a_deferred_delivery_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
