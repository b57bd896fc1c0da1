/* After fork, a handle made by the parent answers with KCA_ERROR_FORKED, and never hangs or loses
 * in silence. */
#include "handles.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILD_SECONDS = 30 };

/* ---- in the child: no cmocka, whose failure would jump back into a copy of the tests ---- */

static void check(bool right, const char *what) {
    if (right)
        return;
    fprintf(stderr, "child: %s\n", what);
    _exit(1);
}

static void check_forked(kca_error *e, const char *what) {
    if (kca_error_code(e) != KCA_ERROR_FORKED)
        fprintf(stderr, "child: %s: %s\n", kca_error_name(e), kca_error_text(e));
    check(kca_error_code(e) == KCA_ERROR_FORKED, what);
    kca_error_free(e);
}

static void check_ok(kca_error *e, const char *what) {
    if (e)
        fprintf(stderr, "child: %s: %s\n", kca_error_name(e), kca_error_text(e));
    check(!e, what);
}

static int ask(void *unused) {
    return 0;
}

static int look_up(const char *id, void *unused) {
    return 0;
}

static void check_declarations(kca_system *s) {
    kca_connection *connection;
    kca_publisher_builder *publisher;
    kca_consumer_builder *consumer;
    user first = {0}, second = {0};
    check_ok(kca_connection_new(&connection, "other", "embedded://"), "connection");
    check_ok(kca_publisher_builder_new(&publisher, "other", "other"), "publisher");
    check_ok(kca_consumer_builder_new(&consumer, "other", "other", "other"), "consumer");
    check_forked(kca_system_add_connection(s, connection), "add_connection");
    check_forked(kca_system_add_publisher(s, publisher), "add_publisher");
    check_forked(kca_system_add_consumer(s, consumer), "add_consumer");
    check_forked(kca_system_add_handler(s, "x", answer_done, &first, free_user), "add_handler");
    check_forked(kca_system_set_event_handler(s, KCA_EVENT_FAULT, ignore_event, &second, free_user),
                 "set_event_handler");
    check(first.freed == 1 && second.freed == 1, "free_user runs once, also after fork");
    check_forked(kca_system_set_interrupt(s, ask, &first, free_user), "set_interrupt");
    check_forked(
        kca_system_set_deduplication_store(s, "other", look_up, look_up, &second, free_user),
        "set_deduplication_store");
    check(first.freed == 2 && second.freed == 2, "free_user runs once, also after fork");
    kca_connection_free(connection);
    kca_publisher_builder_free(publisher);
    kca_consumer_builder_free(consumer);
}

static void check_visits(kca_system *s) {
    kca_redrive *r;
    char *text;
    check_ok(kca_redrive_new(&r, "local", "dead"), "redrive_new");
    check_forked(kca_system_redrive(s, r, -1, &text), "redrive");
    check(!text, "out is NULL after a failure");
    check_forked(kca_system_describe_cluster(s, "local", NULL, NULL, -1, &text),
                 "describe_cluster");
    check(!text, "out is NULL after a failure");
    kca_redrive_free(r);
}

static void check_system(kca_system *s) {
    kca_bus *bus;
    kca_consumer *consumer;
    kca_queue *queue;
    char *text;
    check_forked(kca_system_start(s, 0), "start");
    check_forked(kca_system_shutdown(s, 0), "shutdown");
    check_forked(kca_system_event_bus(s, CHANNEL, &bus), "event_bus");
    check_forked(kca_system_command_bus(s, CHANNEL, &bus), "command_bus");
    check_forked(kca_system_query_bus(s, CHANNEL, &bus), "query_bus");
    check_forked(kca_system_consumer(s, CONSUMER, &consumer), "consumer");
    check_forked(kca_system_queue(s, &queue), "queue");
    check_forked(kca_system_describe(s, KCA_FORMAT_JSON, &text), "describe");
    check_forked(kca_system_health(s, 0, &text), "health");
    check_forked(kca_system_metrics(s, KCA_METRICS_PROMETHEUS, &text), "metrics");
    check(!bus && !consumer && !queue && !text, "out is NULL after a failure");
    check_forked(kca_system_log_to_queue(s, KCA_LOG_DEBUG), "log_to_queue");
    check_forked(kca_system_log_to_stderr(s, KCA_LOG_OFF), "log_to_stderr");
    check_forked(kca_system_log_queue(s, &queue), "log_queue");
    check_declarations(s);
    check_visits(s);
}

static void check_others(const handles *h) {
    kca_queue *queue;
    kca_event *event;
    check_forked(kca_bus_publish(h->bus, h->message, 1), "publish");
    check_forked(kca_bus_flush(h->bus, 0), "flush");
    kca_consumer_with_amount_of_processors(h->consumer, 2);
    kca_consumer_with_message_processing_timeout_ms(h->consumer, 2);
    check_forked(kca_consumer_run(h->consumer), "run");
    check_forked(kca_consumer_queue(h->consumer, &queue), "consumer_queue");
    kca_consumer_stop(h->consumer);
    check_forked(kca_consumer_pause(h->consumer, NULL, -1), "pause");
    check_forked(kca_consumer_resume(h->consumer, NULL, -1), "resume");
    check_forked(kca_consumer_seek(h->consumer, CHANNEL, 0, 0, -1), "seek");
    check_forked(kca_consumer_seek_to_time(h->consumer, CHANNEL, 0, 0, -1), "seek_to_time");
    check_forked(kca_delivery_publish(h->delivery, h->bus, h->message), "delivery_publish");
    kca_queue *const queues[] = {h->receipts, h->deliveries};
    for (int i = 0; i < 2; i++) {
        check(kca_queue_fd(queues[i]) == -1, "queue_fd");
        check(kca_queue_has_left(queues[i]) == 0, "queue_has_left");
        check_forked(kca_queue_error(queues[i]), "queue_error");
        check(kca_queue_next(queues[i], &event, 1, -1) == -KCA_ERROR_FORKED, "queue_next");
        check(kca_queue_turn(queues[i], NULL, KCA_DONE, &event, -1) == -KCA_ERROR_FORKED,
              "queue_turn");
        check(kca_queue_dispatch(queues[i], 1, -1) == -KCA_ERROR_FORKED, "queue_dispatch");
    }
}

static void check_delivery(kca_delivery *d) {
    check(strcmp(kca_delivery_topic(d), CHANNEL) == 0, "delivery_topic");
    check(kca_message_payload_len(kca_delivery_message(d)) == 12, "payload_len");
    kca_delivery_explain(d, "Forked", "in the child");
    check_forked(kca_delivery_settle(d, KCA_DONE), "settle");
}

static void check_own_system(void) {
    user own = {0};
    handles h = handles_of(started_system(&own, NULL));
    check_ok(kca_delivery_settle(h.delivery, KCA_DONE), "settle of the child's own");
    free_handles(&h);
    check(own.freed == 1, "free_user of the child's own");
}

static void check_parents_handles(const handles *h) {
    check_system(h->system);
    check_others(h);
    check_delivery(h->delivery);
    check_delivery(kca_event_delivery(h->event));
}

/* ---- in the parent ---- */

static void run_child(void (*body)(const handles *), const handles *h) {
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(CHILD_SECONDS);
        body(h);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status))
        fail_msg("the child died of signal %d", WTERMSIG(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void answer_and_free(const handles *h) {
    check_parents_handles(h);
    free_handles(h);
    check_own_system();
}

static void test_a_child_is_told_and_may_start_its_own(void **state) {
    user handler = {0}, event_handler = {0};
    handles h = handles_of(started_system(&handler, &event_handler));
    run_child(answer_and_free, &h);

    /* the parent notices nothing of it */
    assert_ok(kca_delivery_settle(h.delivery, KCA_DONE));
    kca_event_free(publish_order(h.bus, h.receipts, "k5"));
    kca_event_free(next_event(h.deliveries, KCA_EVENT_DELIVERY));
    free_handles(&h);
    assert_int_equal(handler.freed, 1);
    assert_int_equal(event_handler.freed, 1);
}

static void exit_as_programs_do(const handles *h) {
    (void)h;
    exit(0);
}

static void test_a_child_that_calls_nothing_exits(void **state) {
    handles h = handles_of(started_system(NULL, NULL));
    run_child(exit_as_programs_do, &h);
    free_handles(&h);
}

static void fork_again(const handles *h) {
    handles own = handles_of(started_system(NULL, NULL));
    pid_t grandchild = fork();
    if (grandchild == 0) {
        alarm(CHILD_SECONDS);
        check_parents_handles(&own);
        check_parents_handles(h);
        _exit(0);
    }
    int status = -1;
    check(waitpid(grandchild, &status, 0) == grandchild && status == 0, "the grandchild");
    free_handles(&own);
}

static void test_a_grandchild_is_told_as_well(void **state) {
    handles h = handles_of(started_system(NULL, NULL));
    run_child(fork_again, &h);
    free_handles(&h);
}

/* ---- while others are busy ---- */

typedef struct busy {
    const handles *handles;
    atomic_bool over;
} busy;

static void *publish_on_and_on(void *pointer) {
    busy *b = pointer;
    kca_message *m = new_order(KEYS[1]);
    while (!atomic_load(&b->over)) {
        kca_error_free(kca_bus_publish(b->handles->bus, m, 0));
        char *text = NULL;
        kca_error_free(kca_system_describe(b->handles->system, KCA_FORMAT_TEXT, &text));
        kca_string_free(text);
    }
    kca_message_free(m);
    return NULL;
}

/* Whatever lock another thread held at the moment of the fork is held for ever in the child. */
static void test_no_lock_of_the_parent_is_waited_for(void **state) {
    handles h = handles_of(started_system(NULL, NULL));
    busy b = {.handles = &h};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, publish_on_and_on, &b), 0);
    for (int i = 0; i < 50; i++)
        run_child(check_parents_handles, &h);
    atomic_store(&b.over, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    free_handles(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_child_is_told_and_may_start_its_own),
        cmocka_unit_test(test_a_child_that_calls_nothing_exits),
        cmocka_unit_test(test_a_grandchild_is_told_as_well),
        cmocka_unit_test(test_no_lock_of_the_parent_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
