/* Turns of a queue: the last delivery is settled and the next taken in one call. */
#include "behaviour.h"

#include <dirent.h>
#include <time.h>

#include "recorder.h"
#include "systems.h"
#include "wait.h"

enum { COME_MS = 10000 };

typedef struct turning {
    kca_system *system;
    kca_consumer *consumer;
    kca_queue *queue;
} turning;

/* A consumer that pulls from a topic with `count` messages of one key; what fails is tried twice.
 * Each may take `limit_ms`; 0: any time. */
static turning turn_within(int limit_ms, int count) {
    const char *topic = unique("orders"), *name = unique("shop");
    turning t = {.system = system_on("embedded://")};
    kca_consumer_builder *b = consumer_of(topic, name);
    kca_consumer_builder_with_partition(b, KCA_PARTITION_EVERY);
    kca_consumer_builder_with_max_attempts(b, 2);
    kca_consumer_builder_with_retry_delay_ms(b, 1);
    give_publisher(t.system, publisher_of(topic));
    give_consumer(t.system, b);
    must(kca_system_add_handler(t.system, "*", NULL, NULL, NULL));
    start(t.system);
    kca_bus *bus = bus_of(t.system, topic);
    publish_things(bus, 0, count, 1, 0);
    must(kca_bus_flush(bus, COME_MS));
    kca_bus_free(bus);
    t.consumer = reader_of(t.system, name);
    kca_consumer_with_message_processing_timeout_ms(t.consumer, limit_ms);
    must(kca_consumer_queue(t.consumer, &t.queue));
    return t;
}

static turning turn_with(int count) {
    return turn_within(0, count);
}

static void end_turning(turning *t) {
    kca_consumer_stop(t->consumer);
    kca_queue_free(t->queue);
    kca_consumer_free(t->consumer);
    finish(t->system);
}

/* The next delivery, after rebalances and the like. */
static kca_delivery *turn(turning *t, kca_delivery *done, int verdict) {
    kca_event *e;
    assert_int_equal(kca_queue_turn(t->queue, done, verdict, &e, COME_MS), 1);
    while (kca_event_type(e) != KCA_EVENT_DELIVERY) {
        kca_event_free(e);
        assert_int_equal(kca_queue_turn(t->queue, NULL, KCA_DONE, &e, COME_MS), 1);
    }
    return kca_event_into_delivery(e);
}

static void must_count(turning *t, const char *what, int wanted) {
    assert_int_equal(described(t->system, "consumers", 0, what), wanted);
}

static void test_each_turn_settles_one_and_gives_the_next_of_the_key(void **state) {
    turning t = turn_with(20);
    kca_delivery *d = NULL;
    for (int i = 0; i < 20; i++) {
        d = turn(&t, d, KCA_DONE);
        assert_int_equal(kca_delivery_offset(d), i);
        must_count(&t, "handled", i);
        must_count(&t, "out", 1);
    }
    kca_event *e;
    assert_int_equal(kca_queue_turn(t.queue, d, KCA_DONE, &e, 0), 0);
    must_count(&t, "handled", 20);
    must_count(&t, "held", 0);
    end_turning(&t);
}

static void test_one_that_failed_comes_again(void **state) {
    turning t = turn_with(2);
    kca_delivery *d = turn(&t, NULL, KCA_DONE);
    assert_int_equal(kca_delivery_attempt(d), 1);
    d = turn(&t, d, KCA_FAILED);
    assert_int_equal(kca_delivery_offset(d), 0);
    assert_int_equal(kca_delivery_attempt(d), 2);
    d = turn(&t, d, KCA_DONE);
    assert_int_equal(kca_delivery_offset(d), 1);
    must(kca_delivery_settle(d, KCA_DONE));
    kca_delivery_free(d);
    must_count(&t, "failed", 1);
    end_turning(&t);
}

static void test_one_that_was_settled_already_is_freed(void **state) {
    turning t = turn_with(2);
    kca_delivery *d = turn(&t, NULL, KCA_DONE);
    must(kca_delivery_settle(d, KCA_DUPLICATE));
    d = turn(&t, d, KCA_DONE);
    assert_int_equal(kca_delivery_offset(d), 1);
    must_count(&t, "duplicates", 1);
    must_count(&t, "handled", 0);
    must_count(&t, "held", 1);
    must(kca_delivery_settle(d, KCA_DONE));
    kca_delivery_free(d);
    end_turning(&t);
}

static void test_a_delivery_tells_its_deadline(void **state) {
    enum { HOUR_MS = 3600000 };
    turning t = turn_within(HOUR_MS, 1);
    int64_t before_ms = (int64_t)time(NULL) * 1000;
    kca_delivery *d = turn(&t, NULL, KCA_DONE);
    int left = kca_delivery_left_ms(d);
    int64_t deadline = kca_delivery_deadline_ms(d);
    assert_in_range(left, HOUR_MS / 2, HOUR_MS);
    assert_true(deadline >= before_ms + HOUR_MS / 2);
    assert_true(deadline <= (int64_t)time(NULL) * 1000 + 1000 + left);
    must(kca_delivery_settle(d, KCA_DONE));
    kca_delivery_free(d);
    end_turning(&t);

    t = turn_with(1);
    d = turn(&t, NULL, KCA_DONE);
    assert_int_equal(kca_delivery_left_ms(d), -1);
    assert_true(kca_delivery_deadline_ms(d) == -1);
    must(kca_delivery_settle(d, KCA_DONE));
    kca_delivery_free(d);
    end_turning(&t);
}

static void test_the_last_one_counts_after_a_stop_too(void **state) {
    turning t = turn_with(2);
    kca_delivery *d = turn(&t, NULL, KCA_DONE);
    kca_consumer_stop(t.consumer);
    kca_event *e;
    assert_int_equal(kca_queue_turn(t.queue, d, KCA_DONE, &e, COME_MS), -KCA_ERROR_STOPPED);
    must_count(&t, "handled", 1);
    end_turning(&t);
}

/* The process' threads. */
static int thread_count(void) {
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    for (const struct dirent *task; (task = readdir(tasks));)
        count += task->d_name[0] != '.';
    closedir(tasks);
    return count;
}

static int no_more_than(void *threads) {
    return thread_count() <= *(int *)threads;
}

/* With it goes the client that it came from, and the client's threads. */
static void test_one_that_outlives_its_consumer_is_freed(void **state) {
    int before = thread_count();
    turning t = turn_with(2);
    kca_delivery *d = turn(&t, NULL, KCA_DONE);
    kca_error_free(kca_system_shutdown(t.system, 0));
    kca_event *e;
    assert_int_equal(kca_queue_turn(t.queue, d, KCA_DONE, &e, COME_MS), -KCA_ERROR_STOPPED);
    end_turning(&t);
    assert_true(wait_until(no_more_than, &before, COME_MS));
}

static void test_any_queue_settles_it(void **state) {
    turning t = turn_with(3), other = turn_with(1);
    kca_queue *receipts = queue_of(t.system);
    kca_event *e;
    assert_int_equal(kca_queue_turn(receipts, turn(&t, NULL, KCA_DONE), KCA_DONE, &e, 0), 0);
    must_count(&t, "handled", 1);
    kca_delivery *of_other = turn(&other, turn(&t, NULL, KCA_DONE), KCA_DONE);
    must_count(&t, "handled", 2);
    must_count(&t, "held", 1);
    assert_int_equal(kca_queue_turn(other.queue, of_other, KCA_DONE, &e, 0), 0);
    must_count(&other, "handled", 1);
    kca_queue_free(receipts);
    end_turning(&other);
    end_turning(&t);
}

static void test_without_a_final_verdict_nothing_happens(void **state) {
    turning t = turn_with(1);
    kca_delivery *d = turn(&t, NULL, KCA_DONE);
    kca_event *e;
    const int none[] = {-1, KCA_DEFERRED, KCA_DUPLICATE + 1};
    for (int i = 0; i < 3; i++)
        assert_int_equal(kca_queue_turn(t.queue, d, none[i], &e, 0), -KCA_ERROR_ARGUMENT);
    assert_int_equal(kca_queue_turn(t.queue, d, KCA_DONE, &e, -2), -KCA_ERROR_ARGUMENT);
    must(kca_delivery_settle(d, KCA_DONE));
    kca_delivery_free(d);
    end_turning(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_turn_settles_one_and_gives_the_next_of_the_key),
        cmocka_unit_test(test_one_that_failed_comes_again),
        cmocka_unit_test(test_one_that_was_settled_already_is_freed),
        cmocka_unit_test(test_a_delivery_tells_its_deadline),
        cmocka_unit_test(test_the_last_one_counts_after_a_stop_too),
        cmocka_unit_test(test_one_that_outlives_its_consumer_is_freed),
        cmocka_unit_test(test_any_queue_settles_it),
        cmocka_unit_test(test_without_a_final_verdict_nothing_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
