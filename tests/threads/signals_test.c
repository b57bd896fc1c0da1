/* Signals belong to the application's threads: no thread of the library, of librdkafka or of the
 * embedded broker takes one, and a storm of them harms no call. */
#include "behaviour.h"
#include "recorder.h"
#include "storm.h"
#include "systems.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { MESSAGES = 300, PROCESSORS = 4, SOON_MS = 60000, ROUNDS = 3 };

typedef struct house {
    kca_system *system;
    kca_bus *bus;
    kca_consumer *consumer;
    kca_queue *queue;
    recorder *recorder;
} house;

/* Two publishers of their own threads, and a consumer. */
static house open_house(void) {
    house h = {.system = system_on("embedded://"), .recorder = recorder_new()};
    const char *topic = unique("things"), *name = unique("shop");
    kca_publisher_builder *b = publisher_of(topic);
    kca_publisher_builder_with_async(b, 0);
    give_publisher(h.system, b);
    give_publisher(h.system, publisher_of(unique("others")));
    kca_consumer_builder *c = consumer_of(topic, name);
    kca_consumer_builder_with_partition(c, KCA_PARTITION_EVERY);
    give_consumer(h.system, c);
    record(h.system, "*", h.recorder);
    start(h.system);
    h.bus = bus_of(h.system, topic);
    h.queue = queue_of(h.system);
    h.consumer = reader_of(h.system, name);
    kca_consumer_with_amount_of_processors(h.consumer, PROCESSORS);
    return h;
}

static void close_house(house *h) {
    kca_bus_free(h->bus);
    kca_queue_free(h->queue);
    kca_consumer_free(h->consumer);
    finish(h->system);
    recorder_free(h->recorder);
}

static kca_wake_socket *wake_socket(int *out) {
    kca_wake_socket *w;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    must(kca_wake_socket_new(&w));
    *out = socket(AF_UNIX, SOCK_STREAM, 0);
    strncpy(address.sun_path, kca_wake_socket_path(w), sizeof address.sun_path - 1);
    assert_int_equal(connect(*out, (struct sockaddr *)&address, sizeof address), 0);
    must(kca_wake_socket_accept(w));
    return w;
}

static void test_no_thread_of_the_library_takes_signals(void **state) {
    storm_threads mine = storm_threads_now();
    int fd, looked;
    kca_wake_socket *w = wake_socket(&fd);
    house h = open_house();
    assert_int_equal(storm_open_threads(&mine, false, &looked), 0);
    assert_true(looked >= 6); /* carrier, two producers', librdkafka's main ones, the broker's */
    kca_queue *q;
    must(kca_consumer_queue(h.consumer, &q));
    publish_things(h.bus, 0, 1, 1, 0);
    kca_event_free(next_event(q, KCA_EVENT_DELIVERY, SOON_MS));
    assert_int_equal(storm_open_threads(&mine, false, &looked), 0);
    kca_queue_free(q);
    kca_wake_socket_free(w);
    close(fd);
    close_house(&h);
}

typedef struct running {
    storm_threads mine;
    recorder *recorder;
} running;

/* Inside a handler, when all processors are there. The thread that runs the consumer is the test's
 * own. */
static int look(recorder *r, kca_delivery *d, int id) {
    running *here = r->context;
    int looked;
    assert_int_equal(storm_open_threads(&here->mine, true, &looked), 0);
    assert_true(looked >= PROCESSORS - 1);
    return KCA_DONE;
}

static void test_processors_take_those_of_their_own_faults_alone(void **state) {
    running here = {.mine = storm_threads_now()};
    house h = open_house();
    h.recorder->behave = look;
    h.recorder->context = &here;
    h.recorder->stop = h.consumer;
    h.recorder->stop_at = MESSAGES;
    publish_things(h.bus, 0, MESSAGES, 40, 0);
    must(kca_consumer_run(h.consumer));
    close_house(&h);
}

static void handle_all(house *h) {
    int before = came(h->recorder);
    h->recorder->stop = h->consumer;
    h->recorder->stop_at = before + MESSAGES;
    publish_things(h->bus, before, MESSAGES, 40, 0);
    must(kca_bus_flush(h->bus, SOON_MS));
    must(kca_consumer_run(h->consumer));
    assert_int_equal(missing_of(h->recorder, before + MESSAGES), 0);
}

static void test_a_storm_harms_no_call(void **state) {
    storm_begin();
    house h = open_house();
    for (int i = 0; i < ROUNDS; i++)
        handle_all(&h);
    int64_t begin = now_ms();
    assert_null(next_event(h.queue, KCA_EVENT_RECEIPT, 200));
    assert_true(now_ms() - begin >= 190);
    assert_true(storm_came() > 0);
    close_house(&h);
    storm_end();
    assert_int_equal(storm_strayed(), 0);
}

/* The kernel then looks for another thread that takes them. */
static void test_a_storm_that_the_application_blocks_comes_to_nobody(void **state) {
    sigset_t all, before;
    sigfillset(&all);
    house h = open_house();
    handle_all(&h);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    storm_begin();
    for (int i = 0; i < ROUNDS; i++)
        handle_all(&h);
    close_house(&h);
    storm_end();
    assert_int_equal(storm_came() + storm_strayed(), 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_thread_of_the_library_takes_signals),
        cmocka_unit_test(test_processors_take_those_of_their_own_faults_alone),
        cmocka_unit_test(test_a_storm_harms_no_call),
        cmocka_unit_test(test_a_storm_that_the_application_blocks_comes_to_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
