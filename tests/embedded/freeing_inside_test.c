/* Any handle may be freed inside any of the application's own functions, the last one, too: the
 * system then ends with the call that the function was called in. For AddressSanitizer. */
#include "mock_cluster.h"
#include "systems.h"

#include <pthread.h>
#include <stdbool.h>

enum { PATIENCE_MS = 20000, THINGS = 4, USERS = 6 };

typedef enum victim {
    SYSTEM,
    BUS,
    CONSUMER,
    QUEUE,
    PULLED_QUEUE,
    DELIVERY,
    EVENT,
    MESSAGE,
    REDRIVE,
    WAKE_SOCKET,
    ALL,
    VICTIMS
} victim;

typedef enum place {
    IN_HANDLER,
    IN_EVENT_HANDLER,
    IN_SEEN,
    IN_MARK,
    IN_HANDLING_HOOK,
    IN_PUBLISH_HOOK,
    IN_INTERRUPT,
    IN_FREE_USER
} place;

typedef struct house {
    victim victim;
    place place;
    kca_system *system;
    kca_bus *bus;
    kca_consumer *consumer, *stopper; /* two handles of one */
    kca_queue *queue, *pulled;
    kca_message *message;
    kca_redrive *redrive;
    kca_wake_socket *wake_socket;
    const char *topic;
    bool freed;  /* the victim */
    int handled; /* by handlers that ran */
    int users;   /* freed */
} house;

#define free_one(h, kind, field)                                                                   \
    do {                                                                                           \
        kca_##kind##_free((h)->field);                                                             \
        (h)->field = NULL;                                                                         \
    } while (0)

static void free_all(house *h) {
    free_one(h, bus, bus);
    free_one(h, message, message);
    free_one(h, redrive, redrive);
    free_one(h, wake_socket, wake_socket);
    free_one(h, queue, pulled);
    free_one(h, queue, queue);
    free_one(h, consumer, consumer);
    free_one(h, consumer, stopper);
    free_one(h, system, system);
}

/* What the function has got, and what it was not meant to free. */
static void free_victim(house *h, kca_delivery *d, const kca_event *e) {
    if (h->victim == SYSTEM)
        free_one(h, system, system);
    else if (h->victim == BUS)
        free_one(h, bus, bus);
    else if (h->victim == CONSUMER)
        free_one(h, consumer, consumer);
    else if (h->victim == QUEUE)
        free_one(h, queue, queue);
    else if (h->victim == PULLED_QUEUE)
        free_one(h, queue, pulled);
    else if (h->victim == MESSAGE)
        free_one(h, message, message);
    else if (h->victim == REDRIVE)
        free_one(h, redrive, redrive);
    else if (h->victim == WAKE_SOCKET)
        free_one(h, wake_socket, wake_socket);
    else if (h->victim == ALL)
        free_all(h);
    if (h->victim == DELIVERY || h->victim == ALL)
        kca_delivery_free(d);
    if (h->victim == EVENT || h->victim == ALL) {
        kca_event_free((kca_event *)e);
        kca_message_free((kca_message *)kca_delivery_message(d));
    }
}

/* Once, in the place that the test is about. */
static void be_at(house *h, place where, kca_delivery *d, const kca_event *e) {
    if (where != h->place || h->freed)
        return;
    h->freed = true;
    free_victim(h, d, e);
}

/* ---- the application's functions ---- */

/* The delivery can be read to the end, whatever was freed. */
static int handle(kca_delivery *d, void *user) {
    house *h = user;
    int64_t id;
    be_at(h, IN_HANDLER, d, NULL);
    must(kca_message_json_int64(kca_delivery_message(d), "/id", &id));
    assert_string_equal(kca_delivery_topic(d), h->topic);
    if (++h->handled >= THINGS || (h->freed && h->victim == DELIVERY))
        kca_consumer_stop(h->stopper);
    return KCA_DONE;
}

static void on_event(const kca_event *e, void *user) {
    house *h = user;
    be_at(h, IN_EVENT_HANDLER, NULL, e);
    assert_string_equal(kca_event_topic(e), h->topic);
}

static int hook_handling(kca_hooked *h, void *user) {
    be_at(user, IN_HANDLING_HOOK, kca_hooked_delivery(h), NULL);
    assert_string_equal(kca_message_name(kca_hooked_message(h)), "thing");
    return KCA_GO_ON;
}

static int hook_publish(kca_hooked *h, void *user) {
    be_at(user, IN_PUBLISH_HOOK, NULL, NULL);
    if (((house *)user)->place == IN_PUBLISH_HOOK)
        kca_message_free(kca_hooked_change(h)); /* it is borrowed */
    assert_string_equal(kca_message_name(kca_hooked_message(h)), "thing");
    return KCA_GO_ON;
}

static int seen(const char *id, void *user) {
    be_at(user, IN_SEEN, NULL, NULL);
    return *id == '\0';
}

static int mark(const char *id, void *user) {
    be_at(user, IN_MARK, NULL, NULL);
    return *id == '\0';
}

static int interrupt(void *user) {
    house *h = user;
    be_at(h, IN_INTERRUPT, NULL, NULL);
    return h->freed;
}

static void count_user(void *user) {
    ((house *)user)->users++;
}

static void free_late_user(void *user) {
    be_at(user, IN_FREE_USER, NULL, NULL);
}

/* ---- houses ---- */

static house *open_on(const char *hosts, place where, victim which) {
    house *h = calloc(1, sizeof *h);
    assert_non_null(h);
    *h = (house){
        .victim = which, .place = where, .system = system_on(hosts), .topic = unique("things")};
    const char *name = unique("shop");
    kca_publisher_builder *p = publisher_of(h->topic);
    kca_publisher_builder_with_buffer_messages(p, 3 * THINGS);
    kca_publisher_builder_with_buffer_timeout_ms(p, -1);
    give_publisher(h->system, p);
    kca_consumer_builder *b = consumer_of(h->topic, name);
    kca_consumer_builder_with_partition(b, KCA_PARTITION_EVERY);
    kca_consumer_builder_with_failure_policy(b, "skip");
    give_consumer(h->system, b);
    must(kca_system_add_handler(h->system, "*", handle, h, count_user));
    must(kca_system_set_event_handler(h->system, KCA_EVENT_RECEIPT, on_event, h, count_user));
    must(kca_system_set_deduplication_store(h->system, name, seen, mark, h, count_user));
    must(kca_system_set_interrupt(h->system, interrupt, h, count_user));
    must(kca_system_add_handling_hook(h->system, hook_handling, hook_handling, h, count_user));
    must(kca_system_add_publish_hook(h->system, hook_publish, hook_publish, h, count_user));
    h->bus = bus_of(h->system, h->topic);
    h->queue = queue_of(h->system);
    h->consumer = reader_of(h->system, name);
    h->stopper = reader_of(h->system, name);
    h->message = thing("{\"id\":7}", "k");
    must(kca_redrive_new(&h->redrive, "kafka", h->topic));
    must(kca_wake_socket_new(&h->wake_socket));
    return h;
}

/* Started, with things published. */
static house *open_house(place where, victim which) {
    house *h = open_on("embedded://", where, which);
    start(h->system);
    publish_things(h->bus, 0, THINGS, 1, where == IN_EVENT_HANDLER);
    must(kca_bus_flush(h->bus, PATIENCE_MS));
    return h;
}

static void close_house(house *h) {
    assert_true(h->freed);
    if (h->victim == ALL)
        assert_int_equal(h->users, USERS);
    free_all(h);
    assert_int_equal(h->users, USERS);
    free(h);
}

/* ---- tests ---- */

/* One that freed everything is the last call. */
static void run_with(place where, victim which) {
    house *h = open_house(where, which);
    must(kca_consumer_run(h->consumer));
    assert_true(h->handled >= 1 && (which == DELIVERY || which == ALL || h->handled == THINGS));
    close_house(h);
}

static void run_for(place where) {
    for (victim which = 0; which < VICTIMS; which++)
        run_with(where, which);
}

static void test_in_a_handler_that_run_calls(void **state) {
    run_for(IN_HANDLER);
}

static void test_in_a_hook_on_handling(void **state) {
    static const victim which[] = {SYSTEM, DELIVERY, ALL};
    for (int i = 0; i < 3; i++)
        run_with(IN_HANDLING_HOOK, which[i]);
}

/* What the publish uses, and everything at once. */
static void test_in_a_hook_on_publishing(void **state) {
    static const victim used[] = {SYSTEM, BUS, MESSAGE, ALL};
    for (int i = 0; i < 4; i++) {
        house *h = open_on("embedded://", IN_FREE_USER, used[i]);
        start(h->system);
        h->place = IN_PUBLISH_HOOK;
        must(kca_bus_publish(h->bus, h->message, 0));
        close_house(h);
    }
}

static void test_in_the_deduplication_store(void **state) {
    run_for(IN_SEEN);
    run_for(IN_MARK);
}

static void test_in_a_handler_that_dispatch_calls(void **state) {
    for (victim which = 0; which < VICTIMS; which++) {
        house *h = open_house(IN_HANDLER, which);
        must(kca_consumer_queue(h->consumer, &h->pulled));
        while (!h->freed || (h->pulled && h->handled < THINGS))
            if (kca_queue_dispatch(h->pulled, THINGS, PATIENCE_MS) < 0)
                break;
        close_house(h);
    }
}

/* Of the queue that is freed the other receipts stay for another handle of it. */
static void test_in_an_event_handler(void **state) {
    for (victim which = 0; which < VICTIMS; which++) {
        house *h = open_house(IN_EVENT_HANDLER, which);
        kca_queue *other = which == QUEUE ? queue_of(h->system) : NULL;
        while (!h->freed)
            assert_true(kca_queue_dispatch(h->queue, THINGS, PATIENCE_MS) >= 1);
        for (int i = 1; other && i < THINGS; i++) {
            kca_event *e = next_event(other, KCA_EVENT_RECEIPT, PATIENCE_MS);
            assert_int_equal(kca_event_token(e), i + 1);
            kca_event_free(e);
        }
        kca_queue_free(other);
        close_house(h);
    }
}

static void test_in_a_free_user_function(void **state) {
    for (victim which = 0; which < VICTIMS; which++) {
        house *h = open_house(IN_FREE_USER, which);
        must_fail(kca_system_add_handler(h->system, "late", NULL, h, free_late_user),
                  KCA_ERROR_STATE, "declare it before start");
        close_house(h);
    }
}

/* ---- in the interrupt function: calls that wait ---- */

static void publish_one(house *h) {
    kca_error_free(kca_bus_publish(h->bus, h->message, 0));
}

static void flush(house *h) {
    must_fail(kca_bus_flush(h->bus, -1), KCA_ERROR_TIMEOUT, h->topic);
}

static void shut_down(house *h) {
    must_fail(kca_system_shutdown(h->system, -1), KCA_ERROR_TIMEOUT, "not confirmed");
}

static void start_again(house *h) {
    must_fail(kca_system_start(h->system, -1), KCA_ERROR_UNREACHABLE, "kafka");
}

static void redrive(house *h) {
    char *out = NULL;
    kca_error_free(kca_system_redrive(h->system, h->redrive, -1, &out));
    kca_string_free(out);
}

static void describe_cluster(house *h) {
    char *out = NULL;
    kca_error_free(kca_system_describe_cluster(h->system, "kafka", NULL, NULL, -1, &out));
    kca_string_free(out);
}

/* What such a call uses, and everything at once. */
static const victim used[] = {SYSTEM, BUS, MESSAGE, REDRIVE, ALL};
enum { USED = sizeof used / sizeof *used };

/* The broker does not answer any more, so that the call waits until it is ended. */
static void interrupt_for(void (*call)(house *), int published) {
    for (int i = 0; i < USED; i++) {
        rd_kafka_t *rk = mock_cluster_open();
        rd_kafka_mock_cluster_t *mock = rd_kafka_handle_mock_cluster(rk);
        house *h = open_on(rd_kafka_mock_cluster_bootstraps(mock), IN_FREE_USER, used[i]);
        start(h->system);
        rd_kafka_mock_broker_set_down(mock, 1);
        publish_things(h->bus, 0, published, 1, 0);
        h->place = IN_INTERRUPT;
        call(h);
        close_house(h);
        rd_kafka_destroy(rk);
    }
}

static void test_in_the_interrupt_function_of_a_publish(void **state) {
    interrupt_for(publish_one, 3 * THINGS);
}

static void test_in_the_interrupt_function_of_a_flush(void **state) {
    interrupt_for(flush, 1);
}

static void test_in_the_interrupt_function_of_a_shutdown(void **state) {
    interrupt_for(shut_down, 1);
}

static void test_in_the_interrupt_function_of_a_redrive(void **state) {
    interrupt_for(redrive, 0);
}

static void test_in_the_interrupt_function_of_a_question(void **state) {
    interrupt_for(describe_cluster, 0);
}

static void test_in_the_interrupt_function_of_a_start(void **state) {
    for (int i = 0; i < USED; i++) {
        house *h = open_on("127.0.0.1:1", IN_INTERRUPT, used[i]);
        start_again(h);
        close_house(h);
    }
}

/* ---- other threads ---- */

static void *give_back(void *d) {
    kca_delivery_free(d);
    return NULL;
}

static int defer(kca_delivery *d, void *user) {
    house *h = user;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, give_back, d), 0);
    pthread_join(thread, NULL);
    assert_string_equal(kca_delivery_topic(d), h->topic);
    if (++h->handled == THINGS)
        kca_consumer_stop(h->stopper);
    return KCA_DEFERRED;
}

static void test_a_delivery_is_freed_elsewhere_before_its_handler_defers_it(void **state) {
    house h = {.system = system_on("embedded://"), .topic = unique("things")};
    const char *name = unique("shop");
    give_publisher(h.system, publisher_of(h.topic));
    kca_consumer_builder *b = consumer_of(h.topic, name);
    kca_consumer_builder_with_partition(b, KCA_PARTITION_EVERY);
    kca_consumer_builder_with_failure_policy(b, "skip");
    give_consumer(h.system, b);
    must(kca_system_add_handler(h.system, "*", defer, &h, NULL));
    start(h.system);
    h.bus = bus_of(h.system, h.topic);
    h.stopper = reader_of(h.system, name);
    publish_things(h.bus, 0, THINGS, 1, 0);
    must(kca_consumer_run(h.stopper));
    assert_int_equal(described(h.system, "consumers", 0, "skipped"), THINGS);
    assert_int_equal(described(h.system, "consumers", 0, "held"), 0);
    kca_bus_free(h.bus);
    kca_consumer_free(h.stopper);
    finish(h.system);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_a_handler_that_run_calls),
        cmocka_unit_test(test_in_a_handler_that_dispatch_calls),
        cmocka_unit_test(test_in_an_event_handler),
        cmocka_unit_test(test_in_a_hook_on_handling),
        cmocka_unit_test(test_in_a_hook_on_publishing),
        cmocka_unit_test(test_in_the_deduplication_store),
        cmocka_unit_test(test_in_a_free_user_function),
        cmocka_unit_test(test_in_the_interrupt_function_of_a_publish),
        cmocka_unit_test(test_in_the_interrupt_function_of_a_flush),
        cmocka_unit_test(test_in_the_interrupt_function_of_a_shutdown),
        cmocka_unit_test(test_in_the_interrupt_function_of_a_redrive),
        cmocka_unit_test(test_in_the_interrupt_function_of_a_question),
        cmocka_unit_test(test_in_the_interrupt_function_of_a_start),
        cmocka_unit_test(test_a_delivery_is_freed_elsewhere_before_its_handler_defers_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
