/* Buses without a channel: messages are handled in this process, as consumers would handle them. No
 * system here has a connection, but for the one that has both. */
#include "answerer.h"
#include "behaviour.h"
#include "systems.h"

#include <sched.h>
#include <stdio.h>

enum { COME_MS = 60000, SOON_MS = 20, MANY = 200 };

#define TRACE "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
#define SPAN  "00-4bf92f3577b34da6a3ce929d0e0e4736-1111111111111111-01"

typedef struct scene scene;
struct scene {
    kca_system *system;
    kca_bus *commands, *queries;
    int (*behave)(scene *x, kca_delivery *d); /* of the handler of "thing" */
    int calls;
    int verdict;
    kca_delivery *kept;
    gate gate;
    char log[200];
};

static int handle_thing(kca_delivery *d, void *user) {
    scene *x = user;
    x->calls++;
    assert_int_equal(kca_delivery_attempt(d), x->calls);
    return x->behave ? x->behave(x, d) : x->verdict;
}

/* To {"id":n} it answers {"twice":2n}, to a negative n that it fails. */
static int answer_question(kca_delivery *d, void *user) {
    char payload[60];
    int64_t id;
    must(kca_message_json_int64(kca_delivery_message(d), "/id", &id));
    if (id < 0) {
        kca_delivery_explain(d, "Negative", "negative");
        return KCA_FAILED;
    }
    assert_true(kca_delivery_wants_reply(d));
    snprintf(payload, sizeof payload, "{\"twice\":%lld}", (long long)(2 * id));
    must(kca_delivery_reply(d, payload, strlen(payload)));
    return KCA_DONE;
}

static scene *declare(void) {
    scene *x = calloc(1, sizeof *x);
    assert_non_null(x);
    *x = (scene){.gate = GATE_CLOSED};
    must(kca_system_new(&x->system));
    must(kca_system_add_handler(x->system, "thing", handle_thing, x, NULL));
    must(kca_system_add_handler(x->system, "question", answer_question, x, NULL));
    return x;
}

static void retry(scene *x, int pauses, int pause_ms) {
    kca_consumer_builder *b;
    must(kca_consumer_builder_new(&b, "any", "any", "any"));
    for (int i = 0; i < pauses; i++)
        kca_consumer_builder_with_retry_delay_ms(b, pause_ms);
    kca_consumer_builder_with_rejected_error(b, "Never");
    must(kca_system_set_local_retries(x->system, b));
    kca_consumer_builder_free(b);
}

static scene *begin(scene *x) {
    start(x->system);
    must(kca_system_command_bus(x->system, NULL, &x->commands));
    x->queries = query_bus_of(x->system, NULL);
    return x;
}

static void end(scene *x) {
    kca_bus_free(x->commands);
    kca_bus_free(x->queries);
    finish(x->system);
    free(x);
}

static kca_error *publish_thing(scene *x, const char *payload) {
    kca_message *m = thing(payload, NULL);
    kca_error *e = kca_bus_publish(x->commands, m, 0);
    kca_message_free(m);
    return e;
}

static kca_error *ask_thing(kca_event **out, scene *x, int timeout_ms) {
    kca_message *m = thing("{}", NULL);
    kca_error *e = kca_bus_send_for_reply(out, x->queries, m, timeout_ms);
    kca_message_free(m);
    return e;
}

/* ---- outcomes ---- */

static void test_a_system_with_handlers_alone_handles_and_answers(void **state) {
    scene *x = begin(declare());
    kca_queue *q = queue_of(x->system);
    kca_event *e;
    must(ask_question(&e, x->queries, 21, COME_MS));
    must_be_answer(e, 21);
    assert_int_equal(kca_message_type(kca_event_reply(e)), KCA_TYPE_DOCUMENT);
    assert_string_equal(kca_message_name(kca_event_reply(e)), "");
    kca_event_free(e);
    must(ask_question(&e, x->commands, 1, -1));
    kca_event_free(e);
    must(send_question(x->queries, 4, 7, COME_MS));
    e = next_event(q, KCA_EVENT_REPLY, 0);
    assert_int_equal(kca_event_token(e), 7);
    must_be_answer(e, 4);
    must(publish_thing(x, "{}"));
    assert_int_equal(x->calls, 1);
    kca_queue_free(q);
    end(x);
    must_be_answer(e, 4); /* it outlives its system */
    kca_event_free(e);
}

static void test_a_handler_that_gives_nothing_answers_null(void **state) {
    scene *x = begin(declare());
    kca_event *e;
    must(ask_thing(&e, x, COME_MS));
    assert_int_equal(kca_message_json_type(kca_event_reply(e), ""), KCA_JSON_NULL);
    kca_event_free(e);
    x->calls = 0;
    x->verdict = KCA_DUPLICATE;
    must(ask_thing(&e, x, COME_MS));
    assert_int_equal(kca_message_json_type(kca_event_reply(e), ""), KCA_JSON_NULL);
    kca_event_free(e);
    x->calls = 0;
    must(publish_thing(x, "{}"));
    end(x);
}

static int explain(scene *x, kca_delivery *d) {
    kca_delivery_explain(d, "Empty", "there is nothing in it");
    return x->verdict;
}

static void test_a_failure_is_the_outcome(void **state) {
    scene *x = begin(declare());
    kca_queue *q = queue_of(x->system);
    kca_event *e;
    must_fail(ask_question(&e, x->queries, -1, COME_MS), KCA_ERROR_REPLY, "negative");
    assert_null(e);
    must(send_question(x->queries, -1, 3, COME_MS));
    e = next_event(q, KCA_EVENT_REPLY, 0);
    assert_int_equal(kca_error_code(kca_event_error(e)), KCA_ERROR_REPLY);
    assert_int_equal(kca_message_json_type(kca_event_reply(e), "/error"), KCA_JSON_STRING);
    kca_event_free(e);
    x->behave = explain;
    x->verdict = KCA_FAILED;
    kca_error *failed = publish_thing(x, "{}");
    assert_int_equal(kca_error_retriable(failed), 1);
    must_fail(failed, KCA_ERROR_HANDLER, "message thing failed: Empty: there is nothing in it");
    x->calls = 0;
    x->verdict = KCA_REJECTED;
    kca_error *rejected = publish_thing(x, "{}");
    assert_int_equal(kca_error_retriable(rejected), 0);
    must_fail(rejected, KCA_ERROR_HANDLER, "message thing was rejected: Empty");
    x->calls = 0;
    x->behave = NULL;
    x->verdict = 99;
    must_fail(publish_thing(x, "{}"), KCA_ERROR_HANDLER, "not a verdict");
    kca_queue_free(q);
    end(x);
}

static void test_a_message_without_a_handler_fails_as_at_a_consumer(void **state) {
    scene *x = begin(declare());
    kca_message *m;
    kca_event *e;
    must(kca_message_new(&m, "nobody"));
    must_fail(kca_bus_send_for_reply(&e, x->queries, m, COME_MS), KCA_ERROR_REPLY,
              "no handler has its name");
    must_fail(kca_bus_publish(x->commands, m, 0), KCA_ERROR_HANDLER,
              "was rejected: unhandled: no handler has its name");
    kca_message_free(m);
    end(x);
}

static void test_what_a_bus_cannot_do_is_refused(void **state) {
    scene *x = declare();
    kca_bus *bus;
    kca_queue *q;
    kca_event *e;
    must_fail(kca_system_event_bus(x->system, NULL, &bus), KCA_ERROR_ARGUMENT, "the channel");
    assert_null(bus);
    must(kca_system_command_bus(x->system, NULL, &x->commands));
    must_fail(publish_thing(x, "{}"), KCA_ERROR_STATE, "the system is not started");
    kca_bus_free(x->commands);
    begin(x);
    kca_message *m = thing("{}", NULL);
    must_fail(kca_bus_send(x->queries, m, 0, 0), KCA_ERROR_ARGUMENT, "token must not be 0");
    must_fail(kca_bus_send_for_reply(&e, x->queries, m, -2), KCA_ERROR_ARGUMENT, "timeout_ms");
    must_fail(kca_bus_publish_within(NULL, x->queries, m, 0, -2), KCA_ERROR_ARGUMENT, "timeout_ms");
    must_fail(kca_bus_flush(x->queries, -2), KCA_ERROR_ARGUMENT, "timeout_ms");
    must_fail(kca_bus_cancel(x->queries, 5), KCA_ERROR_NOT_FOUND, "token 5");
    must_fail(kca_bus_deliver(&q, x->queries, m, 1, 0, -2), KCA_ERROR_ARGUMENT, "timeout_ms");
    must_fail(kca_bus_deliver(&q, NULL, m, 1, 0, 0), KCA_ERROR_ARGUMENT, "bus is missing");
    must_fail(kca_bus_deliver(NULL, x->queries, m, 1, 0, 0), KCA_ERROR_ARGUMENT, "out is missing");
    must(kca_bus_flush(x->queries, -1));
    kca_message_set_raw(m, 1);
    must_fail(kca_bus_publish(x->commands, m, 0), KCA_ERROR_ARGUMENT, "it is raw");
    kca_message_set_raw(m, 0);
    kca_message_set_deliver_at_ms(m, 1);
    must_fail(kca_bus_publish(x->commands, m, 0), KCA_ERROR_ARGUMENT, "keeps nothing");
    assert_int_equal(x->calls, 0);
    kca_message_free(m);
    must(kca_bus_drop(&e, x->commands, 9));
    assert_int_equal(kca_event_token(e), 9);
    kca_event_free(e);
    end(x);
}

/* ---- what the handler sees ---- */

static int look(scene *x, kca_delivery *d) {
    const kca_message *m = kca_delivery_message(d);
    bool has_route = false;
    assert_string_equal(kca_delivery_topic(d), "");
    assert_string_equal(kca_delivery_consumer(d), "");
    assert_int_equal(kca_delivery_partition(d), -1);
    assert_int_equal(kca_delivery_offset(d), -1);
    assert_int_equal(kca_message_type(m), KCA_TYPE_COMMAND);
    assert_string_equal(kca_message_correlation_id(m), "mine");
    assert_int_equal(strlen(kca_message_message_id(m)), 36);
    assert_int_equal(kca_message_timestamp_ms(m), 1767225600000);
    assert_memory_equal(kca_message_key(m), "k\0y", 3);
    assert_memory_equal(kca_message_payload(m), "{\"a\":1.50}", 10);
    assert_string_equal(kca_message_header(m, "tenant"), "acme");
    assert_string_equal(kca_message_traceparent(m), TRACE);
    for (int i = 0; i < kca_delivery_header_count(d); i++) {
        const char *value = kca_delivery_header_value(d, i);
        if (strcmp(kca_delivery_header_name(d, i), "route") == 0)
            has_route = kca_delivery_header_value_len(d, i) == 5 && strcmp(value, "thing") == 0;
    }
    assert_true(has_route);
    assert_null(kca_delivery_header_name(d, kca_delivery_header_count(d)));
    assert_null(kca_delivery_header_value(d, -1));
    assert_false(kca_delivery_wants_reply(d));
    must(kca_delivery_reply(d, "1", 1));
    must_fail(kca_delivery_publish(d, x->commands, m), KCA_ERROR_STATE, "no transaction");
    return KCA_DONE;
}

static void test_the_handler_sees_what_it_would_read_from_a_topic(void **state) {
    scene *x = begin(declare());
    kca_message *m = thing("{\"a\":1.50}", NULL);
    kca_event *receipt;
    x->behave = look;
    kca_message_set_key(m, "k\0y", 3);
    kca_message_set_correlation_id(m, "mine");
    kca_message_set_timestamp_ms(m, 1767225600000);
    kca_message_set_header(m, "tenant", "acme");
    kca_message_set_trace_context(m, TRACE, NULL);
    must(kca_bus_publish_for_receipt(&receipt, x->commands, m, 5));
    assert_int_equal(kca_event_token(receipt), 5);
    assert_string_equal(kca_event_topic(receipt), "");
    assert_int_equal(kca_event_partition(receipt), -1);
    kca_event_free(receipt);
    kca_message_free(m);
    assert_int_equal(x->calls, 1);
    end(x);
}

static int outlast_as_batch(kca_delivery *const *all, int count, void *user) {
    (void)count, (void)user;
    while (kca_delivery_left_ms(all[0]) > 0)
        sched_yield();
    return KCA_DONE;
}

static void test_a_handler_of_many_is_late_after_its_deadline_too(void **state) {
    scene *x = declare();
    kca_message *m;
    must(kca_system_add_batch_handler(x->system, "many", 10, 0, outlast_as_batch, x, NULL));
    begin(x);
    must(kca_message_new(&m, "many"));
    must_fail(kca_bus_publish_within(NULL, x->commands, m, 0, SOON_MS), KCA_ERROR_TIMEOUT, "many");
    kca_message_free(m);
    end(x);
}

static int handle_batch(kca_delivery *const *all, int count, void *user) {
    scene *x = user;
    assert_int_equal(count, 1);
    x->calls++;
    must(kca_delivery_reply(all[0], "[1]", 3));
    return x->verdict;
}

static void test_a_handler_of_many_gets_each_alone_and_one_of_all_names_the_rest(void **state) {
    scene *x = declare();
    kca_message *m;
    kca_event *e;
    must(kca_system_add_batch_handler(x->system, "many", 100, 60000, handle_batch, x, NULL));
    must(kca_system_add_handler(x->system, "*", handle_thing, x, NULL));
    begin(x);
    must(kca_message_new(&m, "many"));
    must(kca_bus_send_for_reply(&e, x->queries, m, COME_MS));
    assert_int_equal(kca_message_json_type(kca_event_reply(e), ""), KCA_JSON_ARRAY);
    kca_event_free(e);
    x->verdict = KCA_FAILED;
    must_fail(kca_bus_publish(x->commands, m, 0), KCA_ERROR_HANDLER, "message many failed");
    assert_int_equal(x->calls, 2);
    kca_message_free(m);
    x->calls = 0;
    x->verdict = KCA_DONE;
    must(kca_message_new(&m, "other"));
    must(kca_bus_publish(x->commands, m, 0));
    assert_int_equal(x->calls, 1);
    kca_message_free(m);
    end(x);
}

/* ---- retries ---- */

static int succeed_at_third(scene *x, kca_delivery *d) {
    if (x->calls < 3)
        return KCA_FAILED;
    must(kca_delivery_reply(d, "3", 1));
    return KCA_DONE;
}

static int fail_for_ever(scene *x, kca_delivery *d) {
    kca_delivery_explain(d, "Never", "it never will");
    return KCA_FAILED;
}

static void test_it_is_tried_again_as_the_retries_say(void **state) {
    scene *x = declare();
    kca_event *e;
    retry(x, 2, 1);
    begin(x);
    x->behave = succeed_at_third;
    must(ask_thing(&e, x, COME_MS));
    assert_int_equal(x->calls, 3);
    kca_event_free(e);
    x->calls = 0;
    x->behave = NULL;
    x->verdict = KCA_FAILED;
    must_fail(publish_thing(x, "{}"), KCA_ERROR_HANDLER, "failed");
    assert_int_equal(x->calls, 3);
    x->calls = 0;
    x->behave = fail_for_ever;
    must_fail(publish_thing(x, "{}"), KCA_ERROR_HANDLER, "Never: it never will");
    assert_int_equal(x->calls, 1);
    kca_consumer_builder *b;
    must(kca_consumer_builder_new(&b, "any", "any", "any"));
    must_fail(kca_system_set_local_retries(x->system, b), KCA_ERROR_STATE, "before start");
    kca_consumer_builder_free(b);
    end(x);
}

static void test_a_pause_ends_with_the_time(void **state) {
    scene *x = declare();
    kca_event *e;
    retry(x, 1, 86400000);
    begin(x);
    x->verdict = KCA_FAILED;
    must_fail(ask_thing(&e, x, SOON_MS), KCA_ERROR_TIMEOUT, "was not handled in time");
    assert_int_equal(x->calls, 1);
    end(x);
}

/* ---- time ---- */

static int outlast(scene *x, kca_delivery *d) {
    assert_true(kca_delivery_left_ms(d) >= 0);
    assert_true(kca_delivery_left_ms(d) <= SOON_MS);
    while (kca_delivery_left_ms(d) > 0)
        sched_yield();
    must(kca_delivery_reply(d, "1", 1));
    return KCA_DONE;
}

static int see_no_limit(scene *x, kca_delivery *d) {
    assert_int_equal(kca_delivery_left_ms(d), -1);
    return KCA_DONE;
}

static void test_a_handler_knows_its_deadline_and_is_late_after_it(void **state) {
    scene *x = begin(declare());
    kca_event *e;
    x->behave = outlast;
    must_fail(ask_thing(&e, x, SOON_MS), KCA_ERROR_TIMEOUT, "may be handled nevertheless");
    assert_null(e);
    kca_message *m = thing("{}", NULL);
    x->calls = 0;
    must_fail(kca_bus_publish_within(NULL, x->commands, m, 0, SOON_MS), KCA_ERROR_TIMEOUT, "thing");
    kca_message_free(m);
    x->calls = 0;
    x->behave = see_no_limit;
    must(publish_thing(x, "{}"));
    end(x);
}

/* ---- deferred ---- */

static int keep(scene *x, kca_delivery *d) {
    x->kept = d;
    gate_open(&x->gate);
    return KCA_DEFERRED;
}

static void *settle_kept(void *argument) {
    scene *x = argument;
    gate_wait(&x->gate);
    if (x->verdict == KCA_DONE)
        must(kca_delivery_reply(x->kept, "\"later\"", 7));
    else
        kca_delivery_explain(x->kept, "Later", "it failed later");
    must(kca_delivery_settle(x->kept, x->verdict));
    must_fail(kca_delivery_settle(x->kept, x->verdict), KCA_ERROR_STATE, "settled before");
    kca_delivery_free(x->kept);
    return NULL;
}

static void join(pthread_t thread) {
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void test_a_deferred_delivery_is_settled_by_another_thread(void **state) {
    scene *x = begin(declare());
    pthread_t thread;
    kca_event *e;
    const char *text;
    x->behave = keep;
    assert_int_equal(pthread_create(&thread, NULL, settle_kept, x), 0);
    must(ask_thing(&e, x, COME_MS));
    must(kca_message_json_string(kca_event_reply(e), "", &text));
    assert_string_equal(text, "later");
    kca_event_free(e);
    join(thread);
    x->gate.open = false;
    x->calls = 0;
    x->verdict = KCA_REJECTED;
    assert_int_equal(pthread_create(&thread, NULL, settle_kept, x), 0);
    must_fail(publish_thing(x, "{}"), KCA_ERROR_HANDLER, "Later: it failed later");
    join(thread);
    end(x);
}

static void test_a_deferred_delivery_may_outlive_all(void **state) {
    scene *x = begin(declare());
    kca_event *e;
    x->behave = keep;
    must_fail(ask_thing(&e, x, SOON_MS), KCA_ERROR_TIMEOUT, "thing");
    kca_delivery *kept = x->kept;
    must_fail(kca_delivery_reply(kept, "1", 1), KCA_ERROR_STATE, "no longer counts");
    end(x);
    assert_string_equal(kca_message_name(kca_delivery_message(kept)), "thing");
    must_fail(kca_delivery_settle(kept, KCA_DONE), KCA_ERROR_STATE, "no longer counts");
    kca_delivery_free(kept);
}

static int free_inside(scene *x, kca_delivery *d) {
    kca_delivery_free(d);
    return KCA_DONE;
}

static int settle_inside(scene *x, kca_delivery *d) {
    must(kca_delivery_settle(d, KCA_DONE));
    return KCA_FAILED;
}

static void test_a_handler_may_settle_and_free_its_delivery(void **state) {
    scene *x = begin(declare());
    x->behave = free_inside;
    must_fail(publish_thing(x, "{}"), KCA_ERROR_HANDLER, "freed without being settled");
    x->calls = 0;
    x->behave = settle_inside;
    must(publish_thing(x, "{}"));
    end(x);
}

/* ---- inside one another ---- */

/* Sends to itself; the innermost is refused, and so each fails in its turn. */
static int send_again(kca_delivery *d, void *user) {
    scene *x = user;
    kca_message *m;
    x->calls++;
    must(kca_message_new(&m, "again"));
    kca_error *e = kca_bus_publish(x->commands, m, 0);
    kca_message_free(m);
    assert_non_null(e);
    x->verdict += kca_error_code(e) == KCA_ERROR_STATE;
    kca_delivery_explain(d, "Inner", kca_error_text(e));
    kca_error_free(e);
    return KCA_FAILED;
}

static void test_a_handler_that_sends_to_itself_for_ever_is_ended(void **state) {
    scene *x = declare();
    must(kca_system_add_handler(x->system, "again", send_again, x, NULL));
    begin(x);
    for (int round = 1; round <= 2; round++) {
        kca_message *m;
        must(kca_message_new(&m, "again"));
        must_fail(kca_bus_publish(x->commands, m, 0), KCA_ERROR_HANDLER, "message again failed");
        kca_message_free(m);
        assert_int_equal(x->verdict, round);
        assert_int_equal(x->calls, 100 * round);
    }
    end(x);
}

/* ---- counts ---- */

static int64_t count_of(scene *x, const char *name) {
    char *text, part[40];
    must(kca_system_describe(x->system, KCA_FORMAT_JSON, &text));
    char *at = strstr(text, "\"local_buses\"");
    assert_non_null(at);
    snprintf(part, sizeof part, "\"%s\":", name);
    at = strstr(at, part);
    assert_non_null(at);
    int64_t count = atoll(at + strlen(part));
    kca_string_free(text);
    return count;
}

static int see_under_way(scene *x, kca_delivery *d) {
    assert_int_equal(count_of(x, "under_way"), 1);
    return KCA_DONE;
}

static void test_what_became_of_messages_is_counted(void **state) {
    scene *x = declare();
    kca_event *e;
    kca_queue *q;
    retry(x, 1, 1);
    begin(x);
    x->behave = see_under_way;
    must(publish_thing(x, "{}"));
    x->behave = NULL;
    x->calls = 0;
    x->verdict = KCA_FAILED;
    must_fail(publish_thing(x, "{}"), KCA_ERROR_HANDLER, "failed");
    x->calls = 0;
    x->verdict = KCA_REJECTED;
    must_fail(publish_thing(x, "{}"), KCA_ERROR_HANDLER, "rejected");
    x->calls = 0;
    x->behave = outlast;
    must_fail(ask_thing(&e, x, SOON_MS), KCA_ERROR_TIMEOUT, "in time");
    kca_message *m = thing("{}", NULL);
    must(kca_bus_deliver(&q, x->commands, m, 0, 0, -1));
    kca_message_free(m);
    assert_int_equal(count_of(x, "under_way"), 1);
    kca_queue_free(q);
    static const char *const names[] = {"handled",   "failed",    "rejected", "retried",
                                        "timed_out", "cancelled", "stopped",  "under_way"};
    static const int counts[] = {1, 1, 1, 1, 1, 1, 0, 0};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        assert_int_equal(count_of(x, names[i]), counts[i]);
    end(x);
}

/* ---- hooks ---- */

static void note(scene *x, const char *what) {
    strcat(strcat(x->log, what), " ");
}

static int before_publish(kca_hooked *h, void *user) {
    note(user, "p<");
    assert_string_equal(kca_hooked_channel(h), "");
    const kca_message *m = kca_hooked_message(h);
    if (kca_message_header(m, "drop"))
        return KCA_DROP;
    if (kca_message_header(m, "refuse")) {
        kca_hooked_explain(h, "Refused", "not today");
        return KCA_REJECTED;
    }
    must(kca_hooked_set_trace_context(h, TRACE, NULL));
    kca_message_set_header(kca_hooked_change(h), "tenant", "acme");
    return KCA_GO_ON;
}

static int after_publish(kca_hooked *h, void *user) {
    note(user, kca_hooked_verdict(h) == KCA_DONE ? "p>" : "p>!");
    return KCA_GO_ON;
}

static int before_handling(kca_hooked *h, void *user) {
    note(user, "h<");
    assert_string_equal(kca_message_traceparent(kca_hooked_message(h)), TRACE);
    must(kca_hooked_set_trace_context(h, SPAN, NULL));
    return KCA_GO_ON;
}

static int after_handling(kca_hooked *h, void *user) {
    note(user, kca_hooked_verdict(h) == KCA_DONE ? "h>" : "h>!");
    return KCA_GO_ON;
}

static int pass_on(kca_delivery *d, void *user) {
    scene *x = user;
    kca_event *e;
    note(x, "outer");
    must(ask_thing(&e, x, COME_MS));
    kca_event_free(e);
    return KCA_DONE;
}

static int see_tenant(scene *x, kca_delivery *d) {
    note(x, "thing");
    assert_string_equal(kca_message_header(kca_delivery_message(d), "tenant"), "acme");
    return x->verdict;
}

static kca_error *publish_with(scene *x, const char *name, const char *header) {
    kca_message *m;
    must(kca_message_new(&m, name));
    if (header)
        kca_message_set_header(m, header, "1");
    kca_error *e = kca_bus_publish(x->commands, m, 0);
    kca_message_free(m);
    return e;
}

static void test_hooks_are_called_around_what_happens_inside(void **state) {
    scene *x = declare();
    must(kca_system_add_publish_hook(x->system, before_publish, after_publish, x, NULL));
    must(kca_system_add_handling_hook(x->system, before_handling, after_handling, x, NULL));
    must(kca_system_add_handler(x->system, "outer", pass_on, x, NULL));
    begin(x);
    x->behave = see_tenant;
    must(publish_with(x, "outer", NULL));
    assert_string_equal(x->log, "p< h< outer p< h< thing h> p> h> p> ");
    x->log[0] = '\0';
    x->calls = 0;
    x->verdict = KCA_FAILED;
    must_fail(publish_with(x, "thing", NULL), KCA_ERROR_HANDLER, "thing failed");
    assert_string_equal(x->log, "p< h< thing h>! p>! ");
    x->log[0] = '\0';
    must(publish_with(x, "thing", "drop"));
    must_fail(publish_with(x, "thing", "refuse"), KCA_ERROR_HOOK,
              "bus without a channel: a hook refused the message: Refused: not today");
    assert_string_equal(x->log, "p< p< ");
    kca_message *m = thing("{}", NULL);
    kca_event *e;
    kca_message_set_header(m, "drop", "1");
    must_fail(kca_bus_send_for_reply(&e, x->queries, m, COME_MS), KCA_ERROR_HOOK, "dropped");
    must_fail(kca_bus_send(x->queries, m, 1, COME_MS), KCA_ERROR_HOOK, "dropped");
    kca_message_free(m);
    end(x);
}

static int see_trace(scene *x, kca_delivery *d) {
    note(x, kca_message_traceparent(kca_delivery_message(d)));
    return KCA_DONE;
}

static void test_the_trace_goes_on_inside(void **state) {
    scene *x = declare();
    kca_message *m;
    kca_event *e;
    must(kca_system_add_handler(x->system, "outer", pass_on, x, NULL));
    begin(x);
    x->behave = see_trace;
    must(kca_message_new(&m, "outer"));
    kca_message_set_trace_context(m, TRACE, NULL);
    must(kca_bus_send_for_reply(&e, x->queries, m, COME_MS));
    assert_string_equal(x->log, "outer " TRACE " ");
    assert_string_equal(kca_message_traceparent(kca_event_reply(e)), TRACE);
    kca_event_free(e);
    kca_message_free(m);
    end(x);
}

/* ---- ends ---- */

static void *publish_one(void *argument) {
    return publish_thing(argument, "{}");
}

static void *ask_with_token(void *argument) {
    scene *x = argument;
    kca_message *m = thing("{}", NULL);
    must(kca_bus_send(x->queries, m, 5, -1));
    kca_message_free(m);
    return NULL;
}

static void test_a_wait_is_cancelled_by_its_token(void **state) {
    scene *x = begin(declare());
    kca_queue *q = queue_of(x->system);
    pthread_t thread;
    x->behave = keep;
    assert_int_equal(pthread_create(&thread, NULL, ask_with_token, x), 0);
    gate_wait(&x->gate);
    must(kca_bus_cancel(x->queries, 5));
    join(thread);
    kca_event *e = next_event(q, KCA_EVENT_REPLY, COME_MS);
    assert_int_equal(kca_error_code(kca_event_error(e)), KCA_ERROR_CANCELLED);
    kca_event_free(e);
    kca_delivery_free(x->kept);
    kca_queue_free(q);
    end(x);
}

static int wait_at_gate(scene *x, kca_delivery *d) {
    gate_wait(&x->gate);
    return KCA_DONE;
}

static void *shut_down(void *argument) {
    return kca_system_shutdown(((scene *)argument)->system, COME_MS);
}

static int is_refused(void *argument) {
    kca_event *e;
    scene *x = argument;
    kca_message *m;
    must(kca_message_new(&m, "nobody"));
    kca_error *refused = kca_bus_send_for_reply(&e, x->queries, m, 0);
    kca_message_free(m);
    bool state = kca_error_code(refused) == KCA_ERROR_STATE;
    kca_error_free(refused);
    return state;
}

static void test_a_shutdown_waits_for_the_handler(void **state) {
    scene *x = begin(declare());
    pthread_t publisher, stopper;
    void *published, *stopped;
    x->behave = wait_at_gate;
    assert_int_equal(pthread_create(&publisher, NULL, publish_one, x), 0);
    must_wait_at(&x->gate, 1, COME_MS);
    assert_int_equal(pthread_create(&stopper, NULL, shut_down, x), 0);
    must_become(is_refused, x, COME_MS, "the shutdown takes nothing more");
    gate_open(&x->gate);
    assert_int_equal(pthread_join(publisher, &published), 0);
    assert_int_equal(pthread_join(stopper, &stopped), 0);
    must(published);
    must(stopped);
    start(x->system); /* and handles again */
    x->calls = 0;
    must(publish_thing(x, "{}"));
    end(x);
}

static void test_a_shutdown_ends_pauses_and_tells_of_what_is_left(void **state) {
    scene *x = declare();
    pthread_t thread;
    void *outcome;
    retry(x, 1, 86400000);
    begin(x);
    x->behave = keep;
    assert_int_equal(pthread_create(&thread, NULL, publish_one, x), 0);
    gate_wait(&x->gate);
    must_fail(kca_system_shutdown(x->system, SOON_MS), KCA_ERROR_TIMEOUT,
              "1 of buses without a channel");
    assert_int_equal(pthread_join(thread, &outcome), 0);
    must_fail(outcome, KCA_ERROR_STOPPED, "the system shut down before message thing");
    kca_delivery_free(x->kept);
    start(x->system);
    x->gate.open = false;
    x->calls = 0;
    assert_int_equal(pthread_create(&thread, NULL, publish_one, x), 0);
    gate_wait(&x->gate);
    must(kca_delivery_settle(x->kept, KCA_FAILED)); /* and now it waits for a day */
    must(kca_system_shutdown(x->system, COME_MS));
    assert_int_equal(pthread_join(thread, &outcome), 0);
    must_fail(outcome, KCA_ERROR_STOPPED, "the system shut down before message thing");
    kca_delivery_free(x->kept);
    end(x);
}

static int shut_down_inside(scene *x, kca_delivery *d) {
    must_fail(kca_system_shutdown(x->system, 0), KCA_ERROR_STATE, "not inside a handler");
    kca_bus_free(x->commands);
    x->commands = NULL;
    return KCA_DONE;
}

static void test_a_handler_cannot_shut_down_but_free_the_bus(void **state) {
    scene *x = begin(declare());
    x->behave = shut_down_inside;
    must(publish_thing(x, "{}"));
    end(x);
}

static int say_stop(void *user) {
    return 1;
}

static void test_an_interrupt_ends_the_wait(void **state) {
    scene *x = declare();
    kca_event *e;
    retry(x, 1, 86400000);
    must(kca_system_set_interrupt(x->system, say_stop, NULL, NULL));
    begin(x);
    x->verdict = KCA_FAILED;
    must_fail(ask_thing(&e, x, -1), KCA_ERROR_TIMEOUT, "thing");
    end(x);
}

/* ---- many ---- */

static void *ask_many(void *argument) {
    scene *x = argument;
    for (int i = 0; i < MANY; i++) {
        kca_event *e;
        if (i % 10 == 9) {
            must_fail(ask_question(&e, x->queries, -1, COME_MS), KCA_ERROR_REPLY, "negative");
            continue;
        }
        must(ask_question(&e, x->queries, i, COME_MS));
        must_be_answer(e, i);
        kca_event_free(e);
    }
    return NULL;
}

static void test_many_threads_ask_at_once(void **state) {
    enum { THREADS = 4 };
    scene *x = begin(declare());
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_many, x), 0);
    for (int i = 0; i < THREADS; i++)
        join(threads[i]);
    end(x);
}

static void test_the_same_handler_answers_over_a_channel_too(void **state) {
    const char *asks = unique("asks"), *replies = unique("replies"), *name = unique("answering");
    scene *x = declare();
    kca_connection *c;
    must(kca_connection_new(&c, "kafka", "embedded://"));
    give_connection(x->system, c);
    asking_declare(x->system, asks, replies);
    give_publisher(x->system, publisher_of(replies));
    kca_consumer_builder *b = consumer_of(asks, name);
    kca_consumer_builder_with_partition(b, KCA_PARTITION_EVERY);
    kca_consumer_builder_with_reply(b, 1);
    kca_consumer_builder_with_failure_policy(b, "skip");
    give_consumer(x->system, b);
    begin(x);
    kca_bus *far = query_bus_of(x->system, asks);
    runner running;
    kca_consumer *answering = reader_of(x->system, name);
    runner_start(&running, answering);
    kca_bus *both[] = {x->queries, far};
    for (int i = 0; i < 2; i++) {
        kca_event *e;
        must(ask_question(&e, both[i], 8, COME_MS));
        must_be_answer(e, 8);
        kca_event_free(e);
        must_fail(ask_question(&e, both[i], -1, COME_MS), KCA_ERROR_REPLY, "negative");
    }
    runner_stop(&running);
    kca_consumer_free(answering);
    kca_bus_free(far);
    end(x);
}

/* ---- step by step ---- */

static kca_event *next_step(kca_queue *q, int type) {
    kca_event *e;
    assert_int_equal(kca_queue_next(q, &e, 1, COME_MS), 1);
    assert_int_equal(kca_event_type(e), type);
    return e;
}

static void must_be_over(kca_queue *q) {
    kca_event *e;
    assert_int_equal(kca_queue_next(q, &e, 1, COME_MS), -KCA_ERROR_STOPPED);
    must_fail(kca_queue_error(q), KCA_ERROR_STOPPED, "has ended");
    kca_queue_free(q);
}

static void settle_step(kca_queue *q, int attempt, int verdict) {
    kca_delivery *d = kca_event_into_delivery(next_step(q, KCA_EVENT_DELIVERY));
    assert_int_equal(kca_delivery_attempt(d), attempt);
    if (verdict == KCA_DONE && kca_delivery_wants_reply(d))
        must(kca_delivery_reply(d, "4", 1));
    must(kca_delivery_settle(d, verdict));
    kca_delivery_free(d);
}

static void test_bindings_handle_it_step_by_step(void **state) {
    scene *x = declare();
    kca_queue *q, *events;
    kca_event *e;
    retry(x, 1, 1);
    begin(x);
    kca_message *m = thing("{}", NULL);
    must(kca_bus_deliver(&q, x->queries, m, 1, 0, COME_MS));
    assert_int_equal(kca_queue_fd(q), -1);
    settle_step(q, 1, KCA_FAILED);
    settle_step(q, 2, KCA_DONE);
    e = next_step(q, KCA_EVENT_REPLY);
    assert_int_equal(kca_message_json_type(kca_event_reply(e), ""), KCA_JSON_NUMBER);
    kca_event_free(e);
    must_be_over(q);
    must(kca_bus_deliver(&q, x->commands, m, 0, 6, -1));
    settle_step(q, 1, KCA_REJECTED);
    e = next_step(q, KCA_EVENT_RECEIPT);
    assert_int_equal(kca_event_token(e), 6);
    assert_int_equal(kca_error_code(kca_event_error(e)), KCA_ERROR_HANDLER);
    kca_event_free(e);
    must_be_over(q);
    events = queue_of(x->system);
    must(kca_bus_deliver(&q, x->queries, m, 1, 6, COME_MS));
    settle_step(q, 1, KCA_DONE);
    must_be_over(q);
    e = next_event(events, KCA_EVENT_REPLY, 0);
    assert_int_equal(kca_event_token(e), 6);
    kca_event_free(e);
    kca_queue_free(events);
    must(kca_bus_deliver(&q, x->queries, m, 1, 0, COME_MS)); /* and is left in the middle */
    e = next_step(q, KCA_EVENT_DELIVERY);
    kca_queue_free(q);
    kca_event_free(e);
    must(kca_bus_deliver(&q, x->commands, m, 0, 0, COME_MS));
    assert_int_equal(kca_queue_dispatch(q, 2, COME_MS), 2); /* its delivery, and its end */
    kca_queue_free(q);
    assert_int_equal(x->calls, 1);
    kca_message_free(m);
    end(x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_system_with_handlers_alone_handles_and_answers),
        cmocka_unit_test(test_a_handler_that_gives_nothing_answers_null),
        cmocka_unit_test(test_a_failure_is_the_outcome),
        cmocka_unit_test(test_a_message_without_a_handler_fails_as_at_a_consumer),
        cmocka_unit_test(test_what_a_bus_cannot_do_is_refused),
        cmocka_unit_test(test_the_handler_sees_what_it_would_read_from_a_topic),
        cmocka_unit_test(test_a_handler_of_many_gets_each_alone_and_one_of_all_names_the_rest),
        cmocka_unit_test(test_a_handler_of_many_is_late_after_its_deadline_too),
        cmocka_unit_test(test_it_is_tried_again_as_the_retries_say),
        cmocka_unit_test(test_a_pause_ends_with_the_time),
        cmocka_unit_test(test_a_handler_knows_its_deadline_and_is_late_after_it),
        cmocka_unit_test(test_a_deferred_delivery_is_settled_by_another_thread),
        cmocka_unit_test(test_a_deferred_delivery_may_outlive_all),
        cmocka_unit_test(test_a_handler_may_settle_and_free_its_delivery),
        cmocka_unit_test(test_what_became_of_messages_is_counted),
        cmocka_unit_test(test_a_handler_that_sends_to_itself_for_ever_is_ended),
        cmocka_unit_test(test_hooks_are_called_around_what_happens_inside),
        cmocka_unit_test(test_the_trace_goes_on_inside),
        cmocka_unit_test(test_a_wait_is_cancelled_by_its_token),
        cmocka_unit_test(test_a_shutdown_waits_for_the_handler),
        cmocka_unit_test(test_a_shutdown_ends_pauses_and_tells_of_what_is_left),
        cmocka_unit_test(test_a_handler_cannot_shut_down_but_free_the_bus),
        cmocka_unit_test(test_an_interrupt_ends_the_wait),
        cmocka_unit_test(test_many_threads_ask_at_once),
        cmocka_unit_test(test_the_same_handler_answers_over_a_channel_too),
        cmocka_unit_test(test_bindings_handle_it_step_by_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
