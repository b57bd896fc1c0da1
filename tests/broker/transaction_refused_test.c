/* Exactly once, while the cluster refuses some of it for good: that delivery fails alone, and the
 * rest is committed. */
#include "connection_helpers.h"
#include "dead_lettering.h"

#include <stdio.h>

enum { COUNT = 300, LARGE = 5000, GUILTY = 150, DELAY_MS = 600000 };

typedef struct pipe_line {
    consuming c;
    kca_bus *bus;
    const char *in, *out, *dead, *group, *id;
    const char *delay; /* of what goes out; NULL: none */
    kca_queue *queue;
} pipe_line;

static const char *topic_of(const char *what, const char *bytes) {
    const char *topic = unique(what);
    topic_create_with(topic, 1, "max.message.bytes", bytes);
    return topic;
}

static pipe_line prepare_line(const char *out_bytes, const char *dead_bytes) {
    pipe_line p = {.in = unique("in"),
                   .out = topic_of("out", out_bytes),
                   .dead = topic_of("dead", dead_bytes),
                   .group = unique("group"),
                   .id = unique("id")};
    topic_create(p.in, 1);
    topic_fill(p.in, 0, COUNT, 7);
    return p;
}

static void open_prepared(pipe_line *p, kca_system *s, const char *policy) {
    kca_consumer_builder *b = burying(p->in, p->group, p->dead, NULL);
    kca_consumer_builder_with_transactional_id(b, p->id);
    kca_consumer_builder_with_max_attempts(b, 3);
    kca_consumer_builder_with_retry_backoff_ms(b, 10);
    kca_consumer_builder_with_failure_policy(b, policy);
    p->c = (consuming){s, NULL, recorder_new(), p->in, p->group};
    give_consumer(s, b);
    kca_publisher_builder *out = publisher_of(p->out);
    if (p->delay) {
        kca_publisher_builder_with_delay_channel(out, p->delay);
        kca_publisher_builder_with_delay_channel_ms(out, DELAY_MS);
    }
    give_publisher(s, out);
    give_publisher(s, publisher_of(p->dead));
    record(s, "thing", p->c.recorder);
    start(s);
    p->c.consumer = reader_of(s, p->group);
    p->bus = bus_of(s, p->out);
    p->queue = queue_of(s);
}

static pipe_line open_line(const char *out_bytes, const char *dead_bytes, const char *policy) {
    pipe_line p = prepare_line(out_bytes, dead_bytes);
    open_prepared(&p, system_on(listener("PLAINTEXT")), policy);
    return p;
}

static void close_line(pipe_line *p) {
    kca_queue_free(p->queue);
    kca_bus_free(p->bus);
    end(&p->c);
}

/* Publishes `bytes` of payload, or fails with what that says. */
static int pass_on(kca_bus *bus, kca_delivery *d, int id, int bytes) {
    char value[LARGE + 100];
    kca_message *m;
    int len = snprintf(value, sizeof value, "{\"id\":%d,\"pad\":\"", id);
    memset(value + len, 'x', (size_t)bytes);
    memcpy(value + len + bytes, "\"}", 3);
    must(kca_message_new(&m, "result"));
    kca_message_set_payload(m, value, strlen(value));
    kca_error *e = kca_delivery_publish(d, bus, m);
    kca_message_free(m);
    if (e)
        kca_delivery_explain(d, kca_error_name(e), kca_error_text(e));
    int verdict = e ? KCA_FAILED : KCA_DONE;
    kca_error_free(e);
    return verdict;
}

static int one_is_large(recorder *r, kca_delivery *d, int id) {
    return pass_on(r->context, d, id, id == GUILTY ? LARGE : 10);
}

static int all_are_small(recorder *r, kca_delivery *d, int id) {
    return pass_on(r->context, d, id, 10);
}

static int all_are_large(recorder *r, kca_delivery *d, int id) {
    return pass_on(r->context, d, id, 2000 + id * 7 % LARGE / 2);
}

/* Each id once, but for one (-1: none). */
static void must_come_out_but(const char *topic, int missing) {
    int count, times[COUNT] = {0};
    raw_record *all = topic_read(&count, topic, 1);
    for (int i = 0; i < count; i++) {
        int id;
        assert_int_equal(sscanf(all[i].value, "{\"id\":%d", &id), 1);
        assert_in_range(id, 0, COUNT - 1);
        times[id]++;
    }
    records_free(all, count);
    for (int id = 0; id < COUNT; id++)
        assert_int_equal(times[id], id == missing ? 0 : 1);
}

typedef struct contents {
    const char *topic;
    int count;
} contents;

static int holds(void *argument) {
    const contents *wanted = argument;
    int count;
    raw_record *all = topic_read(&count, wanted->topic, 1);
    records_free(all, count);
    return count == wanted->count;
}

/* The end of a transaction reaches its readers a moment after its offsets. */
static void must_hold(const char *topic, int count) {
    must_become(holds, &(contents){topic, count}, COME_MS, "all has come out");
}

static void run_through(pipe_line *p, int (*behave)(recorder *, kca_delivery *, int)) {
    p->c.recorder->behave = behave;
    p->c.recorder->context = p->bus;
    runner r;
    runner_start(&r, p->c.consumer);
    must_commit(p->group, p->in, 0, COUNT);
    runner_stop(&r);
}

static void test_a_result_that_is_too_large_fails_its_delivery_alone(void **state) {
    pipe_line p = open_line("2000", "1048588", "stop");
    run_through(&p, one_is_large);
    must_hold(p.out, COUNT - 1);
    must_come_out_but(p.out, GUILTY);
    must_hold(p.dead, 1);
    int count;
    raw_record *letter = topic_read(&count, p.dead, 1);
    char where[20];
    snprintf(where, sizeof where, "%d", GUILTY);
    assert_string_equal(record_header(letter, "kca-dead-letter-offset"), where);
    assert_string_equal(record_header(letter, "kca-dead-letter-attempts"), "3");
    must_have(record_header(letter, "kca-dead-letter-error-text"), "max.message.bytes");
    must_have(record_header(letter, "kca-dead-letter-error-text"), p.out);
    records_free(letter, count);
    close_line(&p);
}

/* The broker refuses the batch, though it would take each of them. */
static void test_results_that_are_too_large_in_company_come_out(void **state) {
    pipe_line p = open_line("600", "1048588", "stop");
    run_through(&p, all_are_small);
    must_hold(p.out, COUNT);
    must_come_out_but(p.out, -1);
    assert_int_equal(topic_end(p.dead, 0), 0);
    close_line(&p);
}

/* Nothing can be passed on: it ends all the same. */
static void test_when_every_result_is_refused_every_delivery_is_dead_lettered(void **state) {
    pipe_line p = open_line("1000", "1048588", "stop");
    run_through(&p, all_are_large);
    must_hold(p.dead, COUNT);
    must_hold(p.out, 0);
    close_line(&p);
}

/* ---- a topic that is forbidden ---- */

typedef struct two_ways {
    kca_bus *allowed, *forbidden;
} two_ways;

static int one_is_forbidden(recorder *r, kca_delivery *d, int id) {
    const two_ways *ways = r->context;
    return pass_on(id == GUILTY ? ways->forbidden : ways->allowed, d, id, 10);
}

/* alice may do all that the line needs. */
static void allow_alice(const pipe_line *p) {
    char words[600];
    snprintf(words, sizeof words,
             "acl --add --allow-principal User:alice --operation all --topic %s --topic %s "
             "--topic %s --group %s --transactional-id %s",
             p->in, p->out, p->dead, p->group, p->id);
    cluster_do(words);
}

static kca_system *system_of_alice(void) {
    kca_system *s;
    must(kca_system_new(&s));
    give_connection(s, sasl_to(listener("SASL"), "PLAIN", "alice", "alice-secret"));
    return s;
}

static void test_a_result_to_a_forbidden_topic_fails_its_delivery_alone(void **state) {
    pipe_line p = prepare_line("1048588", "1048588");
    const char *forbidden = topic_of("forbidden", "1048588");
    allow_alice(&p);
    kca_system *s = system_of_alice();
    give_publisher(s, publisher_of(forbidden));
    open_prepared(&p, s, "stop");
    two_ways ways = {p.bus, bus_of(s, forbidden)};
    p.c.recorder->behave = one_is_forbidden;
    p.c.recorder->context = &ways;
    runner r;
    runner_start(&r, p.c.consumer);
    must_commit(p.group, p.in, 0, COUNT);
    runner_stop(&r);
    must_hold(p.out, COUNT - 1);
    must_come_out_but(p.out, GUILTY);
    must_hold(p.dead, 1);
    int count;
    raw_record *letter = topic_read(&count, p.dead, 1);
    must_have(record_header(letter, "kca-dead-letter-error-text"), forbidden);
    records_free(letter, count);
    assert_int_equal(topic_end(forbidden, 0), 0);
    kca_bus_free(ways.forbidden);
    close_line(&p);
}

/* Later than by the clock of any machine that runs this. */
static const int64_t far_ms = 4102444800000;

static int one_is_later(recorder *r, kca_delivery *d, int id) {
    kca_message *m;
    if (id != GUILTY)
        return all_are_small(r, d, id);
    must(kca_message_new(&m, "result"));
    kca_message_set_deliver_at_ms(m, far_ms);
    kca_error *e = kca_delivery_publish(d, r->context, m);
    kca_message_free(m);
    int verdict = e ? KCA_FAILED : KCA_DONE;
    kca_error_free(e);
    return verdict;
}

/* What goes to the publisher's own topic is not to blame, and fails no attempt. */
static void test_a_forbidden_delay_channel_fails_what_goes_there_alone(void **state) {
    pipe_line p = prepare_line("1048588", "1048588");
    p.delay = topic_of("delay", "1048588");
    allow_alice(&p);
    open_prepared(&p, system_of_alice(), "stop");
    p.c.recorder->behave = one_is_later;
    p.c.recorder->context = p.bus;
    runner r;
    runner_start(&r, p.c.consumer);
    must_commit(p.group, p.in, 0, COUNT);
    runner_stop(&r);
    must_hold(p.out, COUNT - 1);
    must_come_out_but(p.out, GUILTY);
    must_hold(p.dead, 1);
    assert_int_equal(described(p.c.system, "consumers", 0, "failed"), 3);
    close_line(&p);
}

/* ---- dead letters ---- */

static int guilty_fails(recorder *r, kca_delivery *d, int id) {
    char text[901];
    if (id != GUILTY)
        return all_are_small(r, d, id);
    memset(text, 'x', 900);
    text[900] = '\0';
    kca_delivery_explain(d, "NegativeAmount", text);
    return KCA_REJECTED;
}

static void test_a_dead_letter_that_fits_only_trimmed_goes_with_the_rest(void **state) {
    pipe_line p = open_line("1048588", "1000", "stop");
    run_through(&p, guilty_fails);
    must_hold(p.out, COUNT - 1);
    must_come_out_but(p.out, GUILTY);
    must_hold(p.dead, 1);
    int count;
    raw_record *letter = topic_read(&count, p.dead, 1);
    assert_string_equal(record_header(letter, "kca-dead-letter-error-name"), "NegativeAmount");
    assert_null(record_header(letter, "kca-dead-letter-error-text"));
    records_free(letter, count);
    close_line(&p);
}

static void must_explain(const pipe_line *p, const kca_error *e) {
    char where[200];
    snprintf(where, sizeof where, "%s[0] offset %d, of ", p->in, GUILTY);
    assert_int_equal(kca_error_code(e), KCA_ERROR_TOO_LARGE);
    must_have(kca_error_text(e), where);
    must_have(kca_error_text(e), "NegativeAmount");
    must_have(kca_error_text(e), "not even trimmed");
    must_have(kca_error_text(e), p->dead);
}

static void test_a_refused_dead_letter_is_skipped_and_the_rest_is_committed(void **state) {
    pipe_line p = open_line("1048588", "150", "skip");
    run_through(&p, guilty_fails);
    must_hold(p.out, COUNT - 1);
    must_come_out_but(p.out, GUILTY);
    must_hold(p.dead, 0);
    assert_int_equal(described(p.c.system, "consumers", 0, "skipped"), 1);
    bool told = false;
    kca_event *fault;
    while (!told && (fault = next_event(p.queue, KCA_EVENT_FAULT, COME_MS))) {
        told = kca_event_offset(fault) == GUILTY;
        if (told)
            must_explain(&p, kca_event_error(fault));
        kca_event_free(fault);
    }
    assert_true(told);
    close_line(&p);
}

static void test_a_refused_dead_letter_ends_the_consumer_under_the_policy_stop(void **state) {
    pipe_line p = open_line("1048588", "150", "stop");
    p.c.recorder->behave = guilty_fails;
    p.c.recorder->context = p.bus;
    runner r;
    runner_start(&r, p.c.consumer);
    kca_error *e = runner_join(&r, RUN_MS);
    assert_non_null(e);
    must_explain(&p, e);
    kca_error_free(e);
    assert_in_range(group_committed(p.group, p.in, 0), 0, GUILTY);
    topic_set(p.dead, "max.message.bytes", "100000");
    run_through(&p, guilty_fails);
    must_hold(p.out, COUNT - 1);
    must_come_out_but(p.out, GUILTY);
    must_hold(p.dead, 1);
    close_line(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_result_that_is_too_large_fails_its_delivery_alone),
        cmocka_unit_test(test_results_that_are_too_large_in_company_come_out),
        cmocka_unit_test(test_when_every_result_is_refused_every_delivery_is_dead_lettered),
        cmocka_unit_test(test_a_result_to_a_forbidden_topic_fails_its_delivery_alone),
        cmocka_unit_test(test_a_forbidden_delay_channel_fails_what_goes_there_alone),
        cmocka_unit_test(test_a_dead_letter_that_fits_only_trimmed_goes_with_the_rest),
        cmocka_unit_test(test_a_refused_dead_letter_is_skipped_and_the_rest_is_committed),
        cmocka_unit_test(test_a_refused_dead_letter_ends_the_consumer_under_the_policy_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
