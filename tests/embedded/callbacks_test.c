/* What may be called inside the application's own functions: the table in kca_abi.h, cell by cell,
 * but for the child of a fork, which abi.fork has. */
#include "behaviour.h"
#include "recorder.h"
#include "systems.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

enum { PATIENCE_MS = 20000 };

/* A started system with three consumers of one topic: `own`, in whose handlers a test is; `other`,
 * which a thread runs; and `idle`. */
typedef struct world {
    kca_system *system;
    const char *topic, *own_name, *other_name, *idle_name;
    kca_bus *bus, *free_bus; /* the latter's channel is never full */
    kca_consumer *own, *other, *idle;
    kca_queue *queue;
    runner runner;
    atomic_int others;      /* deliveries of `other` */
    kca_delivery *delivery; /* that the function is given; NULL: none */
    int called;
    int freed;        /* user pointers of calls that were refused */
    const char *what; /* the function that it is in, for the texts of errors */
    bool runs_own;
    bool hooks_publish; /* its hook is one on publishing */
} world;

static void count_free(void *user) {
    ((world *)user)->freed++;
}

static void ignore_event(const kca_event *e, void *user) {}

static int never_interrupt(void *user) {
    return 0;
}

static int never_hook(kca_hooked *h, void *user) {
    return KCA_GO_ON;
}

static int not_seen(const char *id, void *user) {
    return 0;
}

static void refused(const world *w, kca_error *e) {
    must_fail(e, KCA_ERROR_STATE, "not inside ", w->what);
}

/* ---- the rows ---- */

static void declares_nothing(world *w) {
    int before = w->freed;
    kca_connection *c;
    must(kca_connection_new(&c, "second", "embedded://"));
    refused(w, kca_system_add_connection(w->system, c));
    kca_connection_free(c);
    kca_publisher_builder *p = publisher_of("more");
    refused(w, kca_system_add_publisher(w->system, p));
    kca_publisher_builder_free(p);
    kca_consumer_builder *b = consumer_of("more", "more");
    refused(w, kca_system_add_consumer(w->system, b));
    kca_consumer_builder_free(b);
    refused(w, kca_system_add_handler(w->system, "more", NULL, w, count_free));
    refused(w, kca_system_add_batch_handler(w->system, "more", 1, 0, NULL, w, count_free));
    refused(w,
            kca_system_set_event_handler(w->system, KCA_EVENT_FAULT, ignore_event, w, count_free));
    refused(w, kca_system_set_interrupt(w->system, never_interrupt, w, count_free));
    refused(w, kca_system_add_publish_hook(w->system, never_hook, NULL, w, count_free));
    refused(w, kca_system_add_handling_hook(w->system, NULL, never_hook, w, count_free));
    refused(w, kca_system_set_deduplication_store(w->system, w->idle_name, not_seen, not_seen, w,
                                                  count_free));
    assert_int_equal(w->freed, before + 7);
}

static void neither_starts_nor_ends(world *w) {
    refused(w, kca_system_start(w->system, PATIENCE_MS));
    refused(w, kca_system_shutdown(w->system, -1));
}

static void publishes(world *w) {
    kca_message *m = thing("{}", "k");
    must(kca_bus_publish(w->free_bus, m, 0));
    must(kca_bus_flush(w->free_bus, PATIENCE_MS));
    kca_message_free(m);
}

static void asks(world *w) {
    char *out;
    must(kca_system_describe(w->system, KCA_FORMAT_JSON, &out));
    kca_string_free(out);
    must(kca_system_health(w->system, 0, &out));
    kca_string_free(out);
    must(kca_system_metrics(w->system, KCA_METRICS_OPENMETRICS, &out));
    kca_string_free(out);
    must(kca_system_describe_cluster(w->system, "kafka", w->topic, NULL, PATIENCE_MS, &out));
    kca_string_free(out);
    kca_redrive *r;
    must(kca_redrive_new(&r, "kafka", w->topic));
    must(kca_system_redrive(w->system, r, PATIENCE_MS, &out));
    kca_string_free(out);
    kca_redrive_free(r);
    must(kca_system_log_to_queue(w->system, KCA_LOG_OFF));
}

static void takes_handles(world *w) {
    kca_bus_free(bus_of(w->system, w->topic));
    kca_consumer_free(reader_of(w->system, w->idle_name));
    kca_queue_free(queue_of(w->system));
    kca_wake_socket *socket;
    must(kca_wake_socket_new(&socket));
    must(kca_wake_socket_watch(socket, w->queue, 1));
    kca_wake_socket_free(socket);
}

static void takes_events(world *w) {
    kca_event *e = NULL;
    assert_true(kca_queue_next(w->queue, &e, 1, 0) >= 0);
    kca_event_free(e);
    assert_true(kca_queue_dispatch(w->queue, 1, 0) >= 0);
    kca_queue *q;
    must(kca_consumer_queue(w->idle, &q));
    kca_event *one = next_event(q, KCA_EVENT_DELIVERY, PATIENCE_MS);
    assert_non_null(one);
    must(kca_delivery_settle(kca_event_delivery(one), KCA_DONE));
    kca_event_free(one);
    kca_queue_free(q);
}

static void steers_consumers(world *w) {
    must(kca_consumer_pause(w->other, w->topic, -1));
    must(kca_consumer_seek(w->other, w->topic, 0, 0, PATIENCE_MS));
    must(kca_consumer_seek_to_time(w->other, w->topic, 0, 0, PATIENCE_MS));
    must(kca_consumer_resume(w->other, w->topic, -1));
}

/* Its handler stops it: see be_called. */
static void runs_another(world *w) {
    must(kca_consumer_run(w->idle));
    if (!w->runs_own)
        return;
    kca_queue *q;
    must_fail(kca_consumer_run(w->own), KCA_ERROR_STATE, w->own_name);
    must_fail(kca_consumer_queue(w->own, &q), KCA_ERROR_STATE, w->own_name);
}

static void reads(const world *w) {
    assert_int_equal(kca_abi(), 1);
    if (!w->delivery)
        return;
    assert_string_equal(kca_delivery_topic(w->delivery), w->topic);
    assert_string_equal(kca_message_name(kca_delivery_message(w->delivery)), "thing");
    must_fail(kca_delivery_publish(w->delivery, w->bus, kca_delivery_message(w->delivery)),
              KCA_ERROR_STATE, "transactional_id");
}

static void starts_another_system(void) {
    kca_system *s = system_on("embedded://");
    give_publisher(s, publisher_of("elsewhere"));
    start(s);
    finish(s);
}

static void try_all(world *w) {
    if (w->called++)
        return;
    reads(w);
    neither_starts_nor_ends(w);
    declares_nothing(w);
    publishes(w);
    asks(w);
    takes_handles(w);
    takes_events(w);
    steers_consumers(w);
    runs_another(w);
    starts_another_system();
    if (w->delivery)
        must(kca_delivery_settle(w->delivery, KCA_DONE));
}

/* ---- the columns ---- */

static int handle(kca_delivery *d, void *user) {
    world *w = user;
    if (strcmp(kca_delivery_consumer(d), w->idle_name) == 0) {
        kca_consumer_stop(w->idle);
    } else if (strcmp(kca_delivery_consumer(d), w->own_name) == 0) {
        if (strcmp(w->what, "a handler") == 0) {
            w->delivery = d;
            try_all(w);
        }
        kca_consumer_stop(w->own);
    } else {
        atomic_fetch_add(&w->others, 1);
    }
    return KCA_DONE;
}

static void on_receipt(const kca_event *e, void *user) {
    if (strcmp(((world *)user)->what, "an event handler") == 0)
        try_all(user);
}

static int interrupt(void *user) {
    if (strcmp(((world *)user)->what, "the interrupt function") != 0)
        return 0;
    try_all(user);
    return 1;
}

static int hook(kca_hooked *h, void *user) {
    world *w = user;
    if (strcmp(w->what, "a hook") != 0)
        return KCA_GO_ON;
    kca_delivery *d = kca_hooked_delivery(h);
    w->delivery = d && strcmp(kca_delivery_consumer(d), w->own_name) == 0 ? d : NULL;
    if (w->delivery || !d)
        try_all(w);
    return KCA_GO_ON;
}

static int seen_before(const char *id, void *user) {
    if (strcmp(((world *)user)->what, "the deduplication store") == 0)
        try_all(user);
    return 0;
}

static int mark(const char *id, void *user) {
    return seen_before(id, user);
}

static void free_user(void *user) {
    if (strcmp(((world *)user)->what, "a free_user function") == 0)
        try_all(user);
}

static void add_consumer(world *w, const char *name) {
    kca_consumer_builder *b = consumer_of(w->topic, name);
    kca_consumer_builder_with_partition(b, KCA_PARTITION_EVERY);
    give_consumer(w->system, b);
}

static int other_runs(void *argument) {
    return atomic_load(&((world *)argument)->others) == 3;
}

static void open_world(world *w, const char *what) {
    *w = (world){.hooks_publish = w->hooks_publish,
                 .system = system_on("embedded://"),
                 .topic = unique("things"),
                 .own_name = unique("own"),
                 .other_name = unique("other"),
                 .idle_name = unique("idle"),
                 .what = ""};
    kca_publisher_builder *b = publisher_of(w->topic);
    kca_publisher_builder_with_buffer_messages(b, 3);
    kca_publisher_builder_with_buffer_timeout_ms(b, -1);
    give_publisher(w->system, b);
    give_publisher(w->system, publisher_of("free"));
    add_consumer(w, w->own_name);
    add_consumer(w, w->other_name);
    add_consumer(w, w->idle_name);
    must(kca_system_add_handler(w->system, "*", handle, w, NULL));
    must(kca_system_set_event_handler(w->system, KCA_EVENT_RECEIPT, on_receipt, w, NULL));
    must(kca_system_set_interrupt(w->system, interrupt, w, NULL));
    must(kca_system_set_deduplication_store(w->system, w->own_name, seen_before, mark, w, NULL));
    must(kca_system_add_publish_hook(w->system, w->hooks_publish ? hook : never_hook, NULL, w,
                                     NULL));
    must(kca_system_add_handling_hook(w->system, w->hooks_publish ? never_hook : hook, NULL, w,
                                      NULL));
    start(w->system);
    w->bus = bus_of(w->system, w->topic);
    w->free_bus = bus_of(w->system, "free");
    w->queue = queue_of(w->system);
    w->own = reader_of(w->system, w->own_name);
    w->other = reader_of(w->system, w->other_name);
    w->idle = reader_of(w->system, w->idle_name);
    publish_things(w->bus, 0, 3, 1, 0);
    must(kca_bus_flush(w->bus, PATIENCE_MS));
    runner_start(&w->runner, w->other);
    must_become(other_runs, w, PATIENCE_MS, "the other consumer handles things");
    w->what = what;
}

static void close_world(world *w) {
    assert_true(w->called > 0);
    runner_stop(&w->runner);
    kca_bus_free(w->bus);
    kca_bus_free(w->free_bus);
    kca_queue_free(w->queue);
    kca_consumer_free(w->own);
    kca_consumer_free(w->other);
    kca_consumer_free(w->idle);
    finish(w->system);
}

static void test_inside_a_handler_that_run_calls(void **state) {
    world w = {0};
    open_world(&w, "a handler");
    w.runs_own = true;
    must(kca_consumer_run(w.own));
    close_world(&w);
}

static void test_inside_a_handler_that_dispatch_calls(void **state) {
    world w = {0};
    open_world(&w, "a handler");
    w.runs_own = true;
    kca_queue *q;
    must(kca_consumer_queue(w.own, &q));
    while (!w.called)
        assert_true(kca_queue_dispatch(q, 1, PATIENCE_MS) > 0);
    kca_queue_free(q);
    close_world(&w);
}

static void test_inside_an_event_handler(void **state) {
    world w = {0};
    open_world(&w, "an event handler");
    publish_things(w.bus, 3, 1, 1, 1);
    while (!w.called)
        assert_true(kca_queue_dispatch(w.queue, 1, PATIENCE_MS) > 0);
    close_world(&w);
}

static void test_inside_the_interrupt_function(void **state) {
    world w = {0};
    open_world(&w, "the interrupt function");
    publish_things(w.bus, 3, 3, 1, 1); /* nobody takes their receipts */
    kca_message *m = thing("{}", "k");
    kca_error *e = NULL;
    while (!w.called && !e)
        e = kca_bus_publish(w.bus, m, 1);
    must_fail(e, KCA_ERROR_BUFFER_FULL, w.topic);
    kca_message_free(m);
    close_world(&w);
}

static void test_inside_the_deduplication_store(void **state) {
    world w = {0};
    open_world(&w, "the deduplication store");
    w.runs_own = true;
    must(kca_consumer_run(w.own));
    close_world(&w);
}

static void test_inside_a_hook_on_handling(void **state) {
    world w = {0};
    open_world(&w, "a hook");
    w.runs_own = true;
    must(kca_consumer_run(w.own));
    close_world(&w);
}

static void test_inside_a_hook_on_publishing(void **state) {
    world w = {.hooks_publish = true};
    open_world(&w, "a hook");
    kca_message *m = thing("{}", "k");
    must(kca_bus_publish(w.free_bus, m, 0));
    kca_message_free(m);
    close_world(&w);
}

static void test_inside_a_free_user_function(void **state) {
    world w = {0};
    open_world(&w, "a free_user function");
    must_fail(kca_system_add_handler(w.system, "late", NULL, &w, free_user), KCA_ERROR_STATE,
              "declare it before start");
    close_world(&w);
}

/* Its delivery comes again. */
static int seek_back(kca_delivery *d, void *user) {
    world *w = user;
    if (w->called++)
        kca_consumer_stop(w->own);
    else
        must(kca_consumer_seek(w->own, w->topic, kca_delivery_partition(d), 0, PATIENCE_MS));
    return KCA_DONE;
}

static void test_a_handler_seeks_its_own_consumer(void **state) {
    world w = {.system = system_on("embedded://"), .topic = unique("things"), .own_name = "own"};
    give_publisher(w.system, publisher_of(w.topic));
    add_consumer(&w, w.own_name);
    must(kca_system_add_handler(w.system, "*", seek_back, &w, NULL));
    start(w.system);
    w.bus = bus_of(w.system, w.topic);
    w.own = reader_of(w.system, w.own_name);
    publish_things(w.bus, 0, 1, 1, 0);
    must(kca_consumer_run(w.own));
    assert_int_equal(w.called, 2);
    kca_bus_free(w.bus);
    kca_consumer_free(w.own);
    finish(w.system);
}

static volatile sig_atomic_t abi_in_signal;

static void on_signal(int number) {
    abi_in_signal = kca_abi() + (kca_version() != NULL);
}

static void test_inside_a_handler_of_signals(void **state) {
    struct sigaction before, action = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &action, &before);
    raise(SIGUSR1);
    sigaction(SIGUSR1, &before, NULL);
    assert_int_equal(abi_in_signal, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inside_a_handler_that_run_calls),
        cmocka_unit_test(test_inside_a_handler_that_dispatch_calls),
        cmocka_unit_test(test_inside_an_event_handler),
        cmocka_unit_test(test_inside_the_interrupt_function),
        cmocka_unit_test(test_inside_the_deduplication_store),
        cmocka_unit_test(test_inside_a_hook_on_handling),
        cmocka_unit_test(test_inside_a_hook_on_publishing),
        cmocka_unit_test(test_inside_a_free_user_function),
        cmocka_unit_test(test_a_handler_seeks_its_own_consumer),
        cmocka_unit_test(test_inside_a_handler_of_signals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
