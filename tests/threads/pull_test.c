/* The pull form by many threads, and by an event loop: nothing stands still, nothing spins. */
#include "behaviour.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#include "systems.h"

enum { RECORDS = 400, PULLERS = 4, PATIENCE_MS = 20000 };

static kca_system *pulled_system(const char *policy) {
    kca_system *s = system_on("embedded://");
    kca_publisher_builder *p = publisher_of("things");
    kca_publisher_builder_with_buffer_messages(p, 100000);
    give_publisher(s, p);
    kca_consumer_builder *c = consumer_of("things", "reader");
    kca_consumer_builder_with_partition(c, 0);
    kca_consumer_builder_with_failure_policy(c, policy);
    give_consumer(s, c);
    must(kca_system_add_handler(s, "*", NULL, NULL, NULL));
    start(s);
    return s;
}

/* All of one partition: the key decides it, so one key, or many that are tried out. */
static void publish(kca_system *s, int count, int keys) {
    kca_bus *bus = bus_of(s, "things");
    publish_things(bus, 0, count, keys, 0);
    must(kca_bus_flush(bus, PATIENCE_MS));
    kca_bus_free(bus);
}

/* How many of the records went to partition 0, told by reading them all. */
static int count_of(kca_queue *q) {
    int count = 0;
    kca_event *event;
    while ((event = next_event(q, KCA_EVENT_DELIVERY, count ? 1500 : PATIENCE_MS))) {
        must(kca_delivery_settle(kca_event_delivery(event), KCA_DONE));
        kca_event_free(event);
        count++;
    }
    return count;
}

static int is_readable(int fd, int timeout_ms) {
    struct pollfd watched = {.fd = fd, .events = POLLIN};
    return poll(&watched, 1, timeout_ms) == 1;
}

/* As an event loop does: looks only when the descriptor says so, and settles at once. */
static int read_by_descriptor(kca_queue *q, int wanted, int at_once) {
    kca_event *events[200];
    int fd = kca_queue_fd(q), count = 0;
    assert_true(fd >= 0);
    while (count < wanted && is_readable(fd, PATIENCE_MS)) {
        int got = kca_queue_next(q, events, at_once, 0);
        assert_true(got >= 0);
        for (int i = 0; i < got; i++) {
            assert_int_equal(kca_event_type(events[i]), KCA_EVENT_DELIVERY);
            must(kca_delivery_settle(kca_event_delivery(events[i]), KCA_DONE));
            kca_event_free(events[i]);
        }
        count += got;
    }
    return count;
}

static void read_all(int keys, int at_once) {
    kca_system *s = pulled_system("stop");
    kca_consumer *c = reader_of(s, "reader");
    kca_queue *q;
    publish(s, RECORDS, keys);
    must(kca_consumer_queue(c, &q));
    int there = count_of(q);
    kca_queue_free(q);
    assert_true(there > 64);

    publish(s, RECORDS, keys);
    must(kca_consumer_queue(c, &q));
    assert_int_equal(read_by_descriptor(q, there, at_once), there);
    kca_queue_free(q);
    kca_consumer_free(c);
    finish(s);
}

static void test_a_descriptor_leads_to_every_record_when_more_are_asked_for_than_come_at_once(
    void **state) {
    read_all(0, 150);
}

static void test_a_descriptor_leads_to_every_record_one_by_one(void **state) {
    read_all(0, 1);
}

static void test_a_descriptor_leads_to_every_record_behind_others_of_its_key(void **state) {
    read_all(10, 150);
}

static void test_a_descriptor_is_quiet_when_all_is_read(void **state) {
    kca_system *s = pulled_system("stop");
    kca_consumer *c = reader_of(s, "reader");
    kca_queue *q;
    publish(s, RECORDS, 0);
    must(kca_consumer_queue(c, &q));
    int fd = kca_queue_fd(q);
    count_of(q);
    kca_event *none;
    for (int i = 0; i < 2; i++)
        assert_int_equal(kca_queue_next(q, &none, 1, 0), 0);
    assert_false(is_readable(fd, 0));
    kca_consumer_stop(c);
    assert_true(is_readable(fd, PATIENCE_MS));
    kca_queue_free(q);
    kca_consumer_free(c);
    finish(s);
}

static void test_a_fault_ends_the_wait_for_a_delivery(void **state) {
    kca_system *s = pulled_system("skip");
    kca_consumer *c = reader_of(s, "reader");
    kca_consumer_with_message_processing_timeout_ms(c, 300);
    kca_queue *q;
    publish(s, 8, 0);
    must(kca_consumer_queue(c, &q));
    kca_event *kept = next_event(q, KCA_EVENT_DELIVERY, PATIENCE_MS), *event;
    assert_non_null(kept);
    int type = 0;
    int64_t begin = now_ms();
    while (type != KCA_EVENT_FAULT) {
        assert_int_equal(kca_queue_next(q, &event, 1, PATIENCE_MS), 1);
        type = kca_event_type(event);
        if (type == KCA_EVENT_DELIVERY)
            must(kca_delivery_settle(kca_event_delivery(event), KCA_DONE));
        kca_event_free(event);
    }
    assert_true(now_ms() - begin < PATIENCE_MS / 2);
    kca_event_free(kept);
    kca_queue_free(q);
    kca_consumer_free(c);
    finish(s);
}

typedef struct puller {
    kca_queue *queue;
    atomic_int *count;
    int wanted;
    pthread_t thread;
} puller;

static void *pull(void *argument) {
    puller *p = argument;
    kca_event *events[16];
    int fd = kca_queue_fd(p->queue);
    int64_t end = now_ms() + PATIENCE_MS;
    while (atomic_load(p->count) < p->wanted && now_ms() < end) {
        if (!is_readable(fd, 50))
            continue;
        int got = kca_queue_next(p->queue, events, 16, 0);
        for (int i = 0; i < got; i++) {
            must(kca_delivery_settle(kca_event_delivery(events[i]), KCA_DONE));
            kca_event_free(events[i]);
            atomic_fetch_add(p->count, 1);
        }
    }
    return NULL;
}

static void *take_turns(void *argument) {
    puller *p = argument;
    kca_delivery *done = NULL;
    kca_event *e;
    int64_t end = now_ms() + PATIENCE_MS;
    while (atomic_load(p->count) < p->wanted && now_ms() < end) {
        int got = kca_queue_turn(p->queue, done, KCA_DONE, &e, 50);
        assert_in_range(got, 0, 1);
        done = got ? kca_event_into_delivery(e) : NULL;
        atomic_fetch_add(p->count, got);
    }
    if (done)
        must(kca_delivery_settle(done, KCA_DONE));
    kca_delivery_free(done);
    return NULL;
}

static void share_a_queue(void *(*pulling)(void *puller)) {
    kca_system *s = pulled_system("stop");
    kca_consumer *c = reader_of(s, "reader");
    kca_queue *q;
    publish(s, RECORDS, 40);
    must(kca_consumer_queue(c, &q));
    int there = count_of(q);
    publish(s, RECORDS, 40);
    atomic_int count = 0;
    puller pullers[PULLERS];
    for (int i = 0; i < PULLERS; i++) {
        pullers[i] = (puller){.queue = q, .count = &count, .wanted = there};
        pthread_create(&pullers[i].thread, NULL, pulling, &pullers[i]);
    }
    for (int i = 0; i < PULLERS; i++)
        pthread_join(pullers[i].thread, NULL);
    assert_int_equal(atomic_load(&count), there);
    assert_int_equal(described(s, "consumers", 0, "handled"), 2 * there);
    assert_int_equal(described(s, "consumers", 0, "held"), 0);
    kca_queue_free(q);
    kca_consumer_free(c);
    finish(s);
}

static void test_many_threads_share_a_queue_and_its_descriptor(void **state) {
    share_a_queue(pull);
}

static void test_many_threads_take_turns_at_a_queue(void **state) {
    share_a_queue(take_turns);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_a_descriptor_leads_to_every_record_when_more_are_asked_for_than_come_at_once),
        cmocka_unit_test(test_a_descriptor_leads_to_every_record_one_by_one),
        cmocka_unit_test(test_a_descriptor_leads_to_every_record_behind_others_of_its_key),
        cmocka_unit_test(test_a_descriptor_is_quiet_when_all_is_read),
        cmocka_unit_test(test_a_fault_ends_the_wait_for_a_delivery),
        cmocka_unit_test(test_many_threads_share_a_queue_and_its_descriptor),
        cmocka_unit_test(test_many_threads_take_turns_at_a_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
