/* Handles may be freed in any order, and a user pointer's free_user runs exactly once. */
#include "handles.h"

#include <pthread.h>

#include "wait.h"

/* ---- any order ---- */

enum { DECLARED = 6, PERMUTATIONS = 720 };

/* The items in the order of permutation `number`. */
static void permute(int *order, int count, int number) {
    for (int i = 0; i < count; i++)
        order[i] = i;
    for (int i = 0; i < count; i++) {
        int from = i + number % (count - i);
        number /= count - i;
        int taken = order[from];
        order[from] = order[i];
        order[i] = taken;
    }
}

static void free_declared(const handles *h, kca_event *log, int which) {
    if (which == 4)
        kca_event_free(log);
    else if (which == 5)
        kca_message_free(h->message);
    else
        free_handle(h, which);
}

static void test_handles_of_a_declared_system_are_freed_in_each_order(void **state) {
    for (int number = 0; number < PERMUTATIONS; number++) {
        user handler = {0}, event_handler = {0};
        handles h;
        assert_ok(kca_system_new(&h.system));
        add_adapters(h.system, "nowhere"); /* so that start fails at once and leaves a log line */
        assert_ok(kca_system_add_handler(h.system, "*", answer_done, &handler, free_user));
        assert_ok(kca_system_set_event_handler(h.system, KCA_EVENT_LOG, ignore_event,
                                               &event_handler, free_user));
        assert_ok(kca_system_event_bus(h.system, CHANNEL, &h.bus));
        assert_ok(kca_system_consumer(h.system, CONSUMER, &h.consumer));
        assert_ok(kca_system_queue(h.system, &h.receipts));
        h.message = new_order("a");
        assert_ok(kca_system_log_to_queue(h.system, KCA_LOG_ERROR));
        assert_error(kca_system_start(h.system, 0), KCA_ERROR_NOT_FOUND);
        kca_event *log = next_event(h.receipts, KCA_EVENT_LOG);

        int order[DECLARED];
        permute(order, DECLARED, number);
        for (int i = 0; i < DECLARED; i++)
            free_declared(&h, log, order[i]);
        if (handler.freed != 1 || event_handler.freed != 1)
            fail_msg("order %d: free_user ran %d and %d times", number, (int)handler.freed,
                     (int)event_handler.freed);
    }
}

static void test_handles_of_a_started_system_are_freed_in_many_orders(void **state) {
    unsigned chance = 1;
    for (int round = 0; round < 30; round++) {
        user handler = {0}, event_handler = {0};
        handles h = handles_of(started_system(&handler, &event_handler));
        chance = chance * 1664525u + 1013904223u;
        int order[HANDLES];
        permute(order, HANDLES, (int)(chance >> 8) % 362880);
        for (int i = 0; i < HANDLES; i++)
            free_handle(&h, order[i]);
        if (handler.freed != 1 || event_handler.freed != 1)
            fail_msg("round %d: free_user ran %d and %d times", round, (int)handler.freed,
                     (int)event_handler.freed);
    }
}

static void test_a_delivery_and_a_receipt_outlive_all_else(void **state) {
    handles h = handles_of(started_system(NULL, NULL));
    for (int which = 0; which < HANDLES; which++)
        if (which != 5 && which != 7)
            free_handle(&h, which);

    assert_string_equal(kca_event_topic(h.receipt), CHANNEL);
    assert_int_equal(kca_event_token(h.receipt), 7);
    assert_string_equal(kca_delivery_topic(h.delivery), CHANNEL);
    assert_string_equal(kca_delivery_consumer(h.delivery), CONSUMER);
    const kca_message *m = kca_delivery_message(h.delivery);
    int64_t total;
    assert_ok(kca_message_json_int64(m, "/total", &total));
    assert_int_equal(total, 42);
    assert_memory_equal(kca_message_key(m), KEYS[0], strlen(KEYS[0]));
    kca_delivery_explain(h.delivery, "Late", "too late");
    assert_error(kca_delivery_settle(h.delivery, KCA_DONE), KCA_ERROR_STATE);
    kca_delivery_free(h.delivery);
    kca_event_free(h.receipt);
}

static void test_a_bus_keeps_its_system_alive(void **state) {
    user handler = {0};
    kca_system *s = started_system(&handler, NULL);
    kca_bus *bus;
    kca_queue *receipts;
    assert_ok(kca_system_command_bus(s, CHANNEL, &bus));
    assert_ok(kca_system_queue(s, &receipts));
    kca_system_free(s);
    kca_event_free(publish_order(bus, receipts, KEYS[0]));
    assert_int_equal(handler.freed, 0);
    kca_queue_free(receipts);
    kca_bus_free(bus);
    assert_int_equal(handler.freed, 1);
}

static void test_settling_answers(void **state) {
    handles h = handles_of(started_system(NULL, NULL));
    assert_error(kca_delivery_settle(h.delivery, -1), KCA_ERROR_ARGUMENT);
    assert_error(kca_delivery_settle(h.delivery, KCA_DEFERRED), KCA_ERROR_ARGUMENT);
    kca_delivery_explain(h.delivery, NULL, NULL);
    assert_ok(kca_delivery_settle(h.delivery, KCA_DONE));
    assert_error(kca_delivery_settle(h.delivery, KCA_DONE), KCA_ERROR_STATE);
    free_handles(&h);
}

/* ---- start and shutdown ---- */

static void test_start_and_shutdown_twice_and_again(void **state) {
    user handler = {0};
    kca_system *s = declared_system(&handler, NULL);
    kca_bus *bus;
    kca_queue *receipts;
    assert_ok(kca_system_event_bus(s, CHANNEL, &bus));
    assert_ok(kca_system_queue(s, &receipts));
    kca_message *m = new_order(KEYS[0]);
    assert_ok(kca_system_shutdown(s, 0));
    assert_error(kca_bus_publish(bus, m, 1), KCA_ERROR_STATE);
    for (int i = 0; i < 3; i++) {
        assert_ok(kca_system_start(s, PATIENCE_MS));
        assert_error(kca_system_start(s, PATIENCE_MS), KCA_ERROR_STATE);
        kca_event_free(publish_order(bus, receipts, KEYS[0]));
        assert_ok(kca_system_shutdown(s, PATIENCE_MS));
        assert_ok(kca_system_shutdown(s, PATIENCE_MS));
        assert_error(kca_bus_publish(bus, m, 1), KCA_ERROR_STATE);
        assert_ok(kca_bus_flush(bus, 0));
    }
    kca_message_free(m);
    kca_queue_free(receipts);
    kca_bus_free(bus);
    assert_int_equal(handler.freed, 0);
    kca_system_free(s);
    assert_int_equal(handler.freed, 1);
}

/* A garbage collector may free the queue of before long after the consumer has got a new one. */
static void test_an_old_queue_leaves_the_new_one_alone(void **state) {
    kca_system *s = started_system(NULL, NULL);
    kca_consumer *c;
    kca_queue *old, *new;
    assert_ok(kca_system_consumer(s, CONSUMER, &c));
    assert_ok(kca_consumer_queue(c, &old));
    assert_ok(kca_system_shutdown(s, PATIENCE_MS));
    assert_ok(kca_system_start(s, PATIENCE_MS));
    assert_ok(kca_consumer_queue(c, &new));

    kca_event *e;
    assert_int_equal(kca_queue_next(old, &e, 1, 0), -KCA_ERROR_STOPPED);
    kca_queue_free(old);
    assert_int_equal(kca_queue_next(new, &e, 1, 0), 0);
    kca_queue_free(new);
    kca_consumer_free(c);
    kca_system_free(s);
}

static void test_two_systems_at_once(void **state) {
    user first_user = {0}, second_user = {0};
    handles first = handles_of(started_system(&first_user, NULL));
    handles second = handles_of(started_system(&second_user, NULL));
    for (int which = 0; which < HANDLES; which++) {
        free_handle(&second, HANDLES - 1 - which);
        if (which < HANDLES - 1)
            free_handle(&first, which + 1);
    }
    assert_int_equal(second_user.freed, 1);
    assert_int_equal(first_user.freed, 0);
    kca_bus *bus;
    kca_queue *receipts;
    assert_ok(kca_system_event_bus(first.system, CHANNEL, &bus));
    assert_ok(kca_system_queue(first.system, &receipts));
    kca_event_free(publish_order(bus, receipts, KEYS[0]));
    kca_bus_free(bus);
    kca_queue_free(receipts);
    free_handle(&first, 0);
    assert_int_equal(first_user.freed, 1);
}

/* ---- failure ---- */

static void assert_takes_no_more(kca_system *s, int code) {
    kca_connection *connection;
    kca_publisher_builder *publisher;
    kca_consumer_builder *consumer;
    assert_ok(kca_connection_new(&connection, "shop", "embedded://"));
    assert_ok(kca_publisher_builder_new(&publisher, "shop", CHANNEL));
    assert_ok(kca_consumer_builder_new(&consumer, "shop", CHANNEL, CONSUMER));
    assert_error(kca_system_add_connection(s, connection), code);
    assert_error(kca_system_add_publisher(s, publisher), code);
    assert_error(kca_system_add_consumer(s, consumer), code);
    kca_connection_free(connection);
    kca_publisher_builder_free(publisher);
    kca_consumer_builder_free(consumer);

    user again = {0};
    assert_error(kca_system_add_handler(s, "*", answer_done, &again, free_user), code);
    assert_int_equal(again.freed, 1);
}

static void test_a_taken_name_is_a_duplicate(void **state) {
    user handler = {0};
    kca_system *s = declared_system(&handler, NULL);
    assert_takes_no_more(s, KCA_ERROR_DUPLICATE);
    assert_int_equal(handler.freed, 0);
    kca_system_free(s);
    assert_int_equal(handler.freed, 1);
}

static void test_nothing_is_declared_after_start(void **state) {
    kca_system *s = started_system(NULL, NULL);
    assert_takes_no_more(s, KCA_ERROR_STATE);
    user late = {0};
    assert_error(kca_system_set_event_handler(s, KCA_EVENT_FAULT, ignore_event, &late, free_user),
                 KCA_ERROR_STATE);
    assert_int_equal(late.freed, 1);
    kca_system_free(s);
}

static void test_a_replaced_event_handler_lets_its_user_go(void **state) {
    user first = {0}, second = {0};
    kca_system *s = declared_system(NULL, &first);
    assert_ok(kca_system_set_event_handler(s, KCA_EVENT_FAULT, ignore_event, &second, free_user));
    assert_int_equal(first.freed, 1);
    assert_int_equal(second.freed, 0);
    kca_system_free(s);
    assert_int_equal(first.freed, 1);
    assert_int_equal(second.freed, 1);
}

static void test_out_is_null_after_failure(void **state) {
    void *garbage = &garbage;
    kca_bus *bus = garbage;
    kca_consumer *consumer = garbage;
    kca_queue *queue = garbage;
    kca_system *s = declared_system(NULL, NULL);
    assert_error(kca_system_event_bus(s, "elsewhere", &bus), KCA_ERROR_NOT_FOUND);
    assert_null(bus);
    assert_error(kca_system_consumer(s, "nobody", &consumer), KCA_ERROR_NOT_FOUND);
    assert_null(consumer);
    assert_ok(kca_system_consumer(s, CONSUMER, &consumer));
    assert_error(kca_consumer_queue(consumer, &queue), KCA_ERROR_STATE);
    assert_null(queue);
    kca_consumer_free(consumer);
    kca_system_free(s);
}

/* A wrong declaration is kept by the object, and comes out where it is used. */
static void test_a_declarations_first_failure_comes_out_when_it_is_added(void **state) {
    kca_connection *connection;
    kca_publisher_builder *publisher;
    kca_consumer_builder *consumer;
    assert_error(kca_connection_new(&connection, "", "embedded://"), KCA_ERROR_ARGUMENT);
    assert_null(connection);
    assert_ok(kca_connection_new(&connection, "shop", "embedded://"));
    kca_connection_with_property(connection, "no.such.property", "1");
    assert_ok(kca_publisher_builder_new(&publisher, "shop", CHANNEL));
    assert_ok(kca_consumer_builder_new(&consumer, "shop", CHANNEL, CONSUMER));
    kca_publisher_builder_with_batch_size(publisher, 0);
    kca_consumer_builder_with_queue_capacity(consumer, 0);
    assert_non_null(kca_connection_error(connection));
    assert_non_null(kca_publisher_builder_error(publisher));
    assert_non_null(kca_consumer_builder_error(consumer));
    kca_system *s;
    assert_ok(kca_system_new(&s));
    assert_error(kca_system_add_connection(s, connection), KCA_ERROR_ARGUMENT);
    assert_error(kca_system_add_publisher(s, publisher), KCA_ERROR_ARGUMENT);
    assert_error(kca_system_add_consumer(s, consumer), KCA_ERROR_ARGUMENT);
    kca_system_free(s);
    kca_connection_free(connection);
    kca_publisher_builder_free(publisher);
    kca_consumer_builder_free(consumer);
}

/* ---- what free_user may do ---- */

typedef struct curious_user {
    kca_system *system;
    atomic_int done;
} curious_user;

/* As a garbage collector's finalizers do, it comes back to the library. */
static void look_at_system(void *pointer) {
    curious_user *u = pointer;
    char *text = NULL;
    kca_error_free(kca_system_describe(u->system, KCA_FORMAT_TEXT, &text));
    kca_string_free(text);
    atomic_store(&u->done, 1);
}

static void *add_second_handler(void *pointer) {
    curious_user *u = pointer;
    assert_error(kca_system_add_handler(u->system, "*", answer_done, u, look_at_system),
                 KCA_ERROR_DUPLICATE);
    return NULL;
}

static int is_done(void *pointer) {
    return atomic_load(&((curious_user *)pointer)->done);
}

static void test_free_user_may_call_the_library(void **state) {
    static curious_user u; /* a thread that hangs still looks at it */
    u.system = declared_system(NULL, NULL);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, add_second_handler, &u), 0);
    assert_true(wait_until(is_done, &u, 5000));
    assert_int_equal(pthread_join(thread, NULL), 0);
    kca_system_free(u.system);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handles_of_a_declared_system_are_freed_in_each_order),
        cmocka_unit_test(test_handles_of_a_started_system_are_freed_in_many_orders),
        cmocka_unit_test(test_a_delivery_and_a_receipt_outlive_all_else),
        cmocka_unit_test(test_a_bus_keeps_its_system_alive),
        cmocka_unit_test(test_settling_answers),
        cmocka_unit_test(test_start_and_shutdown_twice_and_again),
        cmocka_unit_test(test_two_systems_at_once),
        cmocka_unit_test(test_a_taken_name_is_a_duplicate),
        cmocka_unit_test(test_nothing_is_declared_after_start),
        cmocka_unit_test(test_a_replaced_event_handler_lets_its_user_go),
        cmocka_unit_test(test_out_is_null_after_failure),
        cmocka_unit_test(test_a_declarations_first_failure_comes_out_when_it_is_added),
        cmocka_unit_test(test_an_old_queue_leaves_the_new_one_alone),
        cmocka_unit_test(test_free_user_may_call_the_library),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
