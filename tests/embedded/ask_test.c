/* Asks: a message is sent, and its answer comes back to who sent it. */
#include "answerer.h"
#include "behaviour.h"
#include "systems.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

enum { COME_MS = 60000, SOON_MS = 20, MANY = 1000 };

typedef struct scene {
    kca_system *system;
    answerer who;
    kca_bus *bus;
    kca_queue *queue;
} scene;

static scene *begin(void) {
    scene *x = calloc(1, sizeof *x);
    const char *asks = unique("asks"), *replies = unique("replies");
    assert_non_null(x);
    x->system = system_on("embedded://");
    asking_declare(x->system, asks, replies);
    answerer_declare(&x->who, x->system, asks, replies);
    start(x->system);
    x->bus = query_bus_of(x->system, asks);
    x->queue = queue_of(x->system);
    return x;
}

static scene *begin_answering(void) {
    scene *x = begin();
    answerer_start(&x->who);
    return x;
}

static void end(scene *x) {
    kca_bus_free(x->bus);
    kca_queue_free(x->queue);
    finish(x->system);
    free(x);
}

static void end_answered(scene *x) {
    answerer_stop(&x->who);
    end(x);
}

static int64_t count_of(scene *x, const char *name) {
    return described(x->system, "reply_channels", 0, name);
}

static void must_end(scene *x, uint64_t token, int code, const char *part) {
    kca_event *e = next_event(x->queue, KCA_EVENT_REPLY, COME_MS);
    assert_non_null(e);
    assert_int_equal(kca_event_token(e), token);
    assert_int_equal(kca_error_code(kca_event_error(e)), code);
    must_have(kca_error_text(kca_event_error(e)), part);
    kca_event_free(e);
}

static void test_a_call_gives_the_answer(void **state) {
    scene *x = begin_answering();
    kca_event *e;
    for (int id = 1; id < 4; id++) {
        must(ask_question(&e, x->bus, id, COME_MS));
        must_be_answer(e, id);
        kca_event_free(e);
    }
    assert_int_equal(count_of(x, "answered"), 3);
    end_answered(x);
}

static void test_an_error_that_is_answered_says_so(void **state) {
    scene *x = begin_answering();
    kca_event *e;
    must_fail(ask_question(&e, x->bus, -1, COME_MS), KCA_ERROR_REPLY, "negative");
    assert_null(e);
    must(send_question(x->bus, -1, 5, COME_MS));
    e = next_event(x->queue, KCA_EVENT_REPLY, COME_MS);
    assert_int_equal(kca_error_code(kca_event_error(e)), KCA_ERROR_REPLY);
    assert_string_equal(kca_error_name(kca_event_error(e)), "reply");
    assert_int_equal(kca_message_json_type(kca_event_reply(e), "/error"), KCA_JSON_STRING);
    kca_event_free(e);
    assert_int_equal(count_of(x, "answered_with_error"), 2);
    end_answered(x);
}

static void test_a_thousand_at_once_get_each_its_own(void **state) {
    scene *x = begin();
    bool told[MANY] = {false};
    for (int id = 1; id <= MANY; id++)
        must(send_question(x->bus, id, (uint64_t)id, COME_MS));
    assert_int_equal(count_of(x, "waiting"), MANY);
    answerer_start(&x->who);
    for (int i = 0; i < MANY; i++) {
        kca_event *e = next_event(x->queue, KCA_EVENT_REPLY, COME_MS);
        int id = (int)kca_event_token(e);
        must_be_answer(e, id);
        assert_false(told[id - 1]);
        told[id - 1] = true;
        kca_event_free(e);
    }
    assert_int_equal(count_of(x, "waiting"), 0);
    end_answered(x);
}

static int has_late(void *argument) {
    return count_of(argument, "late") == 1;
}

static void test_an_ask_ends_in_time_and_its_answer_is_counted_as_late(void **state) {
    scene *x = begin();
    kca_event *e;
    must(send_question(x->bus, 1, 7, SOON_MS));
    must_end(x, 7, KCA_ERROR_TIMEOUT, "no answer to question came in time");
    answerer_start(&x->who);
    must_become(has_late, x, COME_MS, "the late answer is counted");
    must_fail(ask_question(&e, x->bus, 0, SOON_MS), KCA_ERROR_TIMEOUT, "question");
    assert_null(e);
    must_fail(ask_question(&e, x->bus, 0, 0), KCA_ERROR_TIMEOUT, "question");
    assert_int_equal(count_of(x, "timed_out"), 3);
    end_answered(x);
}

static void test_an_ask_is_cancelled_by_its_token(void **state) {
    scene *x = begin();
    must(send_question(x->bus, 1, 7, -1));
    must(send_question(x->bus, 2, 8, -1));
    must(kca_bus_cancel(x->bus, 8));
    must_end(x, 8, KCA_ERROR_CANCELLED, "question was cancelled");
    must_fail(kca_bus_cancel(x->bus, 8), KCA_ERROR_NOT_FOUND, "token 8");
    must(kca_bus_cancel(x->bus, 7));
    must_end(x, 7, KCA_ERROR_CANCELLED, "question was cancelled");
    end(x);
}

static void *ask_for_ever(void *argument) {
    kca_event *e;
    return ask_question(&e, argument, 0, -1);
}

static int waits(void *argument) {
    return count_of(argument, "waiting") == 2;
}

static void test_a_shutdown_ends_what_waits(void **state) {
    scene *x = begin_answering();
    pthread_t thread;
    void *outcome;
    assert_int_equal(pthread_create(&thread, NULL, ask_for_ever, x->bus), 0);
    must(send_question(x->bus, 0, 7, -1));
    must_become(waits, x, COME_MS, "two asks wait");
    answerer_stop(&x->who);
    must(kca_system_shutdown(x->system, COME_MS));
    assert_int_equal(pthread_join(thread, &outcome), 0);
    must_fail(outcome, KCA_ERROR_STOPPED, "the system shut down");
    must_end(x, 7, KCA_ERROR_STOPPED, "the system shut down");
    must_fail(send_question(x->bus, 1, 7, -1), KCA_ERROR_STATE, "not started");
    start(x->system); /* and asks again */
    answerer_start(&x->who);
    must(send_question(x->bus, 1, 9, COME_MS));
    kca_event *e = next_event(x->queue, KCA_EVENT_REPLY, COME_MS);
    must_be_answer(e, 1);
    end_answered(x);
    must_be_answer(e, 1); /* it outlives its system */
    kca_event_free(e);
}

static int say_stop(void *user) {
    return 1;
}

static void test_an_interrupt_ends_the_wait(void **state) {
    const char *asks = unique("asks");
    kca_system *s = system_on("embedded://");
    asking_declare(s, asks, unique("replies"));
    must(kca_system_set_interrupt(s, say_stop, NULL, NULL));
    kca_bus *bus = query_bus_of(s, asks);
    kca_event *e;
    start(s);
    must_fail(ask_question(&e, bus, 0, -1), KCA_ERROR_TIMEOUT, "question");
    assert_null(e);
    kca_bus_free(bus);
    finish(s);
}

static void must_refuse(kca_bus *bus, kca_message *m, const char *part) {
    kca_event *e;
    must_fail(kca_bus_send(bus, m, 1, 0), KCA_ERROR_ARGUMENT, part);
    must_fail(kca_bus_send_for_reply(&e, bus, m, 0), KCA_ERROR_ARGUMENT, part);
    assert_null(e);
    kca_message_free(m);
}

static void test_what_nobody_could_answer_is_refused(void **state) {
    scene *x = begin();
    kca_bus *events = bus_of(x->system, x->who.replies);
    kca_bus *mute = query_bus_of(x->system, x->who.replies);
    must_refuse(events, question(1), "nobody answers an event");
    must_fail(send_question(mute, 1, 1, 0), KCA_ERROR_STATE, "give it a reply_channel");
    kca_message *m = question(1);
    kca_message_set_reply_to(m, "elsewhere");
    must_refuse(x->bus, m, "its reply_to is elsewhere");
    m = question(1);
    kca_message_set_raw(m, 1);
    must_refuse(x->bus, m, "it is raw");
    must_fail(send_question(x->bus, 1, 0, 0), KCA_ERROR_ARGUMENT, "token must not be 0");
    must_fail(send_question(x->bus, 1, 1, -2), KCA_ERROR_ARGUMENT, "timeout_ms must be 0 or more");
    m = question(1);
    kca_message_set_correlation_id(m, "mine");
    must(kca_bus_send(x->bus, m, 1, -1));
    must_fail(kca_bus_send(x->bus, m, 2, -1), KCA_ERROR_DUPLICATE, "correlation id mine");
    kca_message_free(m);
    kca_bus_free(events);
    kca_bus_free(mute);
    end(x);
}

static void test_replies_that_others_read_are_not_read_here(void **state) {
    const char *asks = unique("asks");
    kca_system *s = system_on("embedded://");
    kca_publisher_builder *p = publisher_of(asks);
    kca_publisher_builder_with_reply_channel(p, unique("replies"));
    kca_publisher_builder_with_read_replies(p, 0);
    give_publisher(s, p);
    start(s);
    kca_bus *bus = query_bus_of(s, asks);
    must_fail(send_question(bus, 1, 1, 0), KCA_ERROR_STATE, "and read_replies 1");
    kca_bus_free(bus);
    finish(s);
}

static int has_answered(void *argument) {
    return count_of(argument, "answered") == 1;
}

/* Handlers of one processor each: the outer one asks the inner one. */
static int pass_on(kca_delivery *d, void *user) {
    scene *x = user;
    kca_event *e;
    must(ask_question(&e, x->bus, 21, COME_MS));
    must_be_answer(e, 21);
    kca_event_free(e);
    return KCA_DONE;
}

static void test_a_handler_may_ask(void **state) {
    const char *asks = unique("asks"), *replies = unique("replies"), *outer = unique("outer");
    scene x = {.system = system_on("embedded://")};
    asking_declare(x.system, asks, replies);
    answerer_declare(&x.who, x.system, asks, replies);
    give_publisher(x.system, publisher_of(outer));
    kca_consumer_builder *b = consumer_of(outer, outer);
    kca_consumer_builder_with_partition(b, KCA_PARTITION_EVERY);
    give_consumer(x.system, b);
    must(kca_system_add_handler(x.system, "thing", pass_on, &x, NULL));
    start(x.system);
    x.bus = query_bus_of(x.system, asks);
    answerer_start(&x.who);
    kca_bus *events = bus_of(x.system, outer);
    kca_consumer *c = reader_of(x.system, outer);
    runner r;
    runner_start(&r, c);
    publish_things(events, 0, 1, 1, 0);
    must_become(has_answered, &x, COME_MS, "the handler's ask is answered");
    runner_stop(&r);
    answerer_stop(&x.who);
    kca_consumer_free(c);
    kca_bus_free(events);
    kca_bus_free(x.bus);
    finish(x.system);
}

/* ---- dialects ---- */

static int reply_twice(kca_delivery *d, void *user) {
    int64_t id;
    char payload[60];
    must(kca_message_json_int64(kca_delivery_message(d), "/id", &id));
    if (id < 0) {
        kca_delivery_explain(d, "negative", "negative");
        return KCA_REJECTED;
    }
    snprintf(payload, sizeof payload, "{\"twice\":%lld}", (long long)(2 * id));
    must(kca_delivery_reply(d, payload, strlen(payload)));
    return KCA_DONE;
}

static void declare_publisher(kca_system *s, const char *channel, const char *replies,
                              const char *dialect) {
    kca_publisher_builder *p = publisher_of(channel);
    kca_publisher_builder_with_linger_ms(p, 0);
    kca_publisher_builder_with_dialect(p, dialect);
    if (replies)
        kca_publisher_builder_with_reply_channel(p, replies);
    give_publisher(s, p);
}

/* Asks in one dialect, and is answered in another. */
static void ask_in(const char *asked, const char *answered) {
    const char *asks = unique("asks"), *replies = unique("replies");
    kca_system *s = system_on("embedded://");
    runner r;
    kca_event *e;
    declare_publisher(s, asks, replies, asked);
    declare_publisher(s, replies, NULL, answered);
    kca_consumer_builder *c = consumer_of(asks, asks);
    kca_consumer_builder_with_partition(c, KCA_PARTITION_EVERY);
    kca_consumer_builder_with_reply(c, 1);
    kca_consumer_builder_with_failure_policy(c, "skip");
    kca_consumer_builder_with_dialect(c, strcmp(asked, "gomes") == 0 ? asked : "cloudevents");
    give_consumer(s, c);
    must(kca_system_add_handler(s, "question", reply_twice, NULL, NULL));
    start(s);
    kca_consumer *reader = reader_of(s, asks);
    kca_bus *bus = query_bus_of(s, asks);
    runner_start(&r, reader);
    must(ask_question(&e, bus, 21, COME_MS));
    must_be_answer(e, 21);
    assert_int_equal(kca_message_type(kca_event_reply(e)), KCA_TYPE_DOCUMENT);
    kca_event_free(e);
    must_fail(ask_question(&e, bus, -1, COME_MS), KCA_ERROR_REPLY, "negative");
    assert_int_equal(described(s, "reply_channels", 0, "unknown"), 0);
    runner_stop(&r);
    kca_bus_free(bus);
    kca_consumer_free(reader);
    finish(s);
}

static void test_answers_are_understood_in_any_dialect(void **state) {
    ask_in("gomes", "cloudevents");
    ask_in("cloudevents", "gomes");
    ask_in("cloudevents", "cloudevents-structured");
    ask_in("cloudevents-structured", "cloudevents");
}

/* ---- a shutdown ---- */

/* Handlers that ask for what nobody answers, and note how that ended. */
typedef struct lonely {
    scene x;
    int ask_ms; /* how long they wait */
    atomic_int waiting, code;
} lonely;

static int wait_in_vain(kca_delivery *d, void *user) {
    lonely *l = user;
    kca_event *e;
    atomic_fetch_add(&l->waiting, 1);
    kca_error *error = ask_question(&e, l->x.bus, 0, l->ask_ms);
    atomic_store(&l->code, kca_error_code(error));
    kca_error_free(error);
    return KCA_DONE;
}

static int is_waiting(void *argument) {
    return count_of(&((lonely *)argument)->x, "waiting") > 0;
}

static void must_shut_down(int ask_ms, int shutdown_ms) {
    const char *asks = unique("asks"), *replies = unique("replies"), *outer = unique("outer");
    lonely l = {.x = {.system = system_on("embedded://")}, .ask_ms = ask_ms};
    asking_declare(l.x.system, asks, replies);
    answerer_declare(&l.x.who, l.x.system, asks, replies);
    give_publisher(l.x.system, publisher_of(outer));
    kca_consumer_builder *b = consumer_of(outer, outer);
    kca_consumer_builder_with_partition(b, KCA_PARTITION_EVERY);
    give_consumer(l.x.system, b);
    must(kca_system_add_handler(l.x.system, "thing", wait_in_vain, &l, NULL));
    start(l.x.system);
    l.x.bus = query_bus_of(l.x.system, asks);
    kca_bus *events = bus_of(l.x.system, outer);
    kca_consumer *c = reader_of(l.x.system, outer);
    runner r;
    runner_start(&r, c);
    publish_things(events, 0, 1, 1, 0);
    must_become(is_waiting, &l, COME_MS, "the handler waits for its answer");
    kca_error *e = kca_system_shutdown(l.x.system, shutdown_ms);
    if (e) /* the handler was slow to end */
        assert_int_equal(kca_error_code(e), KCA_ERROR_TIMEOUT);
    kca_error_free(e);
    must(runner_join(&r, COME_MS));
    assert_int_equal(atomic_load(&l.code), KCA_ERROR_STOPPED);
    assert_int_equal(atomic_load(&l.waiting), 1);
    kca_consumer_free(c);
    kca_bus_free(events);
    kca_bus_free(l.x.bus);
    kca_system_free(l.x.system);
}

static void test_a_shutdown_waits_for_no_answer_for_ever(void **state) {
    must_shut_down(-1, -1);
}

static void test_handlers_that_wait_for_answers_end_within_a_shutdown(void **state) {
    must_shut_down(-1, 1000);
    must_shut_down(600000, 1000);
    must_shut_down(-1, 0);
}

static int drop(kca_hooked *h, void *user) {
    return KCA_DROP;
}

/* Else it is the answer, which goes through the hooks, too. */
static bool is_question(const kca_hooked *h) {
    return strcmp(kca_message_name(kca_hooked_message(h)), "question") == 0;
}

/* The reader of answers knows nothing of what hooks change. */
static int move_away(kca_hooked *h, void *user) {
    const char *how = user;
    if (!is_question(h))
        return KCA_GO_ON;
    kca_message *m = kca_hooked_change(h);
    if (strcmp(how, "reply_to") == 0)
        kca_message_set_reply_to(m, "elsewhere");
    else if (strcmp(how, "raw") == 0)
        kca_message_set_raw(m, 1);
    else
        kca_message_set_correlation_id(m, how);
    return KCA_GO_ON;
}

static int read_payload(kca_hooked *h, void *user) {
    int64_t id;
    if (is_question(h))
        must(kca_message_json_int64(kca_hooked_message(h), "/id", &id));
    return KCA_GO_ON;
}

static int fail_after(kca_hooked *h, void *user) {
    return KCA_FAILED;
}

static scene *begin_hooked(kca_hook_fn before, kca_hook_fn after, const char *user) {
    scene *x = calloc(1, sizeof *x);
    const char *asks = unique("asks"), *replies = unique("replies");
    assert_non_null(x);
    x->system = system_on("embedded://");
    asking_declare(x->system, asks, replies);
    answerer_declare(&x->who, x->system, asks, replies);
    must(kca_system_add_publish_hook(x->system, before, after, (void *)user, NULL));
    start(x->system);
    x->bus = query_bus_of(x->system, asks);
    x->queue = queue_of(x->system);
    return x;
}

static void test_what_a_hook_drops_cannot_be_answered(void **state) {
    scene *x = begin_hooked(drop, NULL, NULL);
    kca_event *e;
    must_fail(send_question(x->bus, 1, 7, -1), KCA_ERROR_HOOK, "a hook dropped the message");
    must_fail(ask_question(&e, x->bus, 1, -1), KCA_ERROR_HOOK, "a hook dropped the message");
    assert_null(e);
    assert_int_equal(count_of(x, "asked"), 0);
    end(x);
}

static void must_be_answered_after(kca_hook_fn before, const char *user) {
    scene *x = begin_hooked(before, NULL, user);
    kca_event *e;
    answerer_start(&x->who);
    must(ask_question(&e, x->bus, 3, COME_MS));
    must_be_answer(e, 3);
    kca_event_free(e);
    end_answered(x);
}

static void test_hooks_read_and_change_what_is_sent(void **state) {
    must_be_answered_after(read_payload, NULL);
    must_be_answered_after(move_away, "mine");
    must_be_answered_after(move_away, "");
}

static void test_a_hook_cannot_send_an_answer_elsewhere(void **state) {
    const char *const ways[] = {"reply_to", "raw"};
    for (int i = 0; i < 2; i++) {
        scene *x = begin_hooked(move_away, NULL, ways[i]);
        must_fail(send_question(x->bus, 1, 7, -1), KCA_ERROR_ARGUMENT,
                  i == 0 ? "its reply_to is elsewhere" : "it is raw");
        assert_int_equal(count_of(x, "asked"), 0);
        end(x);
    }
}

static int is_stored(void *argument) {
    return described(((scene *)argument)->system, "publishers", 0, "stored") == 2;
}

static void test_a_hook_that_fails_after_leaves_no_ask_behind(void **state) {
    scene *x = begin_hooked(NULL, fail_after, NULL);
    kca_event *e;
    must_fail(send_question(x->bus, 1, 7, -1), KCA_ERROR_HOOK, "a hook failed after");
    must_fail(ask_question(&e, x->bus, 1, -1), KCA_ERROR_HOOK, "a hook failed after");
    assert_int_equal(count_of(x, "waiting"), 0);
    must_become(is_stored, x, COME_MS, "the messages went out all the same");
    assert_null(next_event(x->queue, KCA_EVENT_REPLY, 0));
    end(x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_call_gives_the_answer),
        cmocka_unit_test(test_an_error_that_is_answered_says_so),
        cmocka_unit_test(test_a_thousand_at_once_get_each_its_own),
        cmocka_unit_test(test_an_ask_ends_in_time_and_its_answer_is_counted_as_late),
        cmocka_unit_test(test_an_ask_is_cancelled_by_its_token),
        cmocka_unit_test(test_a_shutdown_ends_what_waits),
        cmocka_unit_test(test_an_interrupt_ends_the_wait),
        cmocka_unit_test(test_what_nobody_could_answer_is_refused),
        cmocka_unit_test(test_replies_that_others_read_are_not_read_here),
        cmocka_unit_test(test_a_handler_may_ask),
        cmocka_unit_test(test_answers_are_understood_in_any_dialect),
        cmocka_unit_test(test_a_shutdown_waits_for_no_answer_for_ever),
        cmocka_unit_test(test_handlers_that_wait_for_answers_end_within_a_shutdown),
        cmocka_unit_test(test_what_a_hook_drops_cannot_be_answered),
        cmocka_unit_test(test_hooks_read_and_change_what_is_sent),
        cmocka_unit_test(test_a_hook_cannot_send_an_answer_elsewhere),
        cmocka_unit_test(test_a_hook_that_fails_after_leaves_no_ask_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
