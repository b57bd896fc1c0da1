/* What is never delivered (the marks of transactions, records of aborted ones) keeps no commit from
 * the partition's end. */
#include "consuming.h"

#include <stdio.h>

enum { TRANSACTION_MS = 20000 };

/* ---- transactions of another program ---- */

static void must_do(rd_kafka_error_t *error) {
    if (error)
        fail_msg("%s", rd_kafka_error_string(error));
}

static raw_writer *open_writer(void) {
    raw_writer *w = raw_writer_open(unique("writer"));
    must_do(rd_kafka_init_transactions(raw_writer_client(w), TRANSACTION_MS));
    return w;
}

/* Ids from `first` on. */
static void begin(raw_writer *w, const char *topic, int first, int count) {
    must_do(rd_kafka_begin_transaction(raw_writer_client(w)));
    for (int id = first; id < first + count; id++) {
        char value[40];
        snprintf(value, sizeof value, "{\"id\":%d}", id);
        raw_write(w, topic, 0, NULL, "k0", value);
    }
    rd_kafka_flush(raw_writer_client(w), TRANSACTION_MS);
}

static void commit_it(raw_writer *w) {
    must_do(rd_kafka_commit_transaction(raw_writer_client(w), TRANSACTION_MS));
}

static void abort_it(raw_writer *w) {
    must_do(rd_kafka_abort_transaction(raw_writer_client(w), TRANSACTION_MS));
}

static void write_transaction(raw_writer *w, const char *topic, int first, int count) {
    begin(w, topic, first, count);
    commit_it(w);
}

/* ---- what is seen of it ---- */

typedef struct place {
    kca_system *system;
    const char *topic;
} place;

static int has_no_lag(void *argument) {
    const place *p = argument;
    return described_partition(p->system, p->topic, 0, "high_watermark") ==
               topic_end(p->topic, 0) &&
           described_partition(p->system, p->topic, 0, "lag") == 0;
}

static int has_no_lag_on_the_broker(void *argument) {
    const consuming *c = argument;
    return group_committed(c->group, c->topic, 0) == topic_end(c->topic, 0);
}

/* Commits, and what describe says, reach the partition's end. */
static void must_reach_the_end(consuming *c) {
    must_become(has_no_lag, &(place){c->system, c->topic}, COME_MS, "no lag");
    must_become(has_no_lag_on_the_broker, c, COME_MS, "no lag on the broker");
}

/* ---- what health says of it ---- */

enum { SOON_MS = 200 };

static int is_stuck(void *argument) {
    char *text;
    int code;
    must(kca_system_health_code(argument, SOON_MS, &code));
    must(kca_system_health(argument, SOON_MS, &text));
    bool says_why = strstr(text, "the broker has more, which does not come") != NULL;
    kca_string_free(text);
    return code == KCA_HEALTH_STUCK && says_why;
}

static int is_ready(void *argument) {
    int code;
    must(kca_system_health_code(argument, SOON_MS, &code));
    return code == KCA_HEALTH_READY;
}

/* ---- tests ---- */

static void test_commits_reach_the_end_beyond_marks_and_aborted_records(void **state) {
    const char *topic = unique("gaps"), *group = unique("group");
    topic_create(topic, 1);
    raw_writer *w = open_writer();
    consuming c = consume(topic, group, NULL);
    runner r;
    runner_start(&r, c.consumer);
    write_transaction(w, topic, 0, 5);
    must_be_handled(c.recorder, 5, COME_MS);
    must_reach_the_end(&c);
    begin(w, topic, 1000, 2000);
    abort_it(w);
    must_reach_the_end(&c);
    write_transaction(w, topic, 5, 5);
    must_be_handled(c.recorder, 10, COME_MS);
    must_reach_the_end(&c);
    runner_stop(&r);
    assert_int_equal(came(c.recorder), 10);
    assert_int_equal(topic_end(topic, 0), 2013);
    raw_writer_close(w);
    end(&c);
}

static void test_a_group_that_comes_back_to_marks_alone_passes_them(void **state) {
    const char *topic = unique("gaps"), *group = unique("group");
    topic_create(topic, 1);
    topic_fill(topic, 0, 3, 1);
    raw_writer *w = open_writer();
    group_commit(group, topic, 0, 3, NULL);
    begin(w, topic, 0, 7);
    abort_it(w);
    consuming c = consume(topic, group, NULL);
    runner r;
    runner_start(&r, c.consumer);
    must_commit(group, topic, 0, 11);
    must_reach_the_end(&c);
    runner_stop(&r);
    assert_int_equal(came(c.recorder), 0);
    raw_writer_close(w);
    end(&c);
}

/* The property enable.partition.eof was not set. */
static void test_who_did_not_ask_for_the_end_hears_nothing_of_it(void **state) {
    const char *topic = unique("gaps"), *group = unique("group");
    topic_create(topic, 1);
    raw_writer *w = open_writer();
    begin(w, topic, 0, 7);
    abort_it(w);
    consuming c = consume(topic, group, NULL);
    kca_queue *q;
    must(kca_consumer_queue(c.consumer, &q));
    while (group_committed(group, topic, 0) != 8) {
        kca_event *e;
        if (kca_queue_next(q, &e, 1, 100) == 0)
            continue;
        assert_int_not_equal(kca_event_type(e), KCA_EVENT_END);
        kca_event_free(e);
    }
    kca_consumer_stop(c.consumer);
    kca_queue_free(q);
    raw_writer_close(w);
    end(&c);
}

static int wait_at_5(recorder *r, kca_delivery *d, int id) {
    (void)d;
    if (id == 5)
        gate_wait(r->context);
    return KCA_DONE;
}

/* The end is known, but not all before it is settled; and one transaction is still open. */
static void test_nothing_that_is_not_settled_or_not_decided_is_passed(void **state) {
    static gate hold = GATE_CLOSED;
    const char *topic = unique("gaps"), *group = unique("group");
    topic_create(topic, 1);
    raw_writer *w = open_writer(), *other = open_writer();
    write_transaction(w, topic, 0, 8);
    begin(other, topic, 1000, 1); /* at 9 */
    begin(w, topic, 2000, 1);
    abort_it(w);
    consuming c = consume(topic, group, NULL);
    c.recorder->behave = wait_at_5;
    c.recorder->context = &hold;
    runner r;
    runner_start(&r, c.consumer);
    must_wait_at(&hold, 1, COME_MS);
    must_commit(group, topic, 0, 5);
    gate_open(&hold);
    must_commit(group, topic, 0, 9); /* the open one keeps the rest back */
    must_become(is_stuck, c.system, COME_MS, "stuck");
    commit_it(other);
    must_be_handled(c.recorder, 9, COME_MS);
    must_reach_the_end(&c);
    must_become(is_ready, c.system, COME_MS, "ready");
    runner_stop(&r);
    assert_int_equal(times_seen(c.recorder, 1000), 1);
    raw_writer_close(other);
    raw_writer_close(w);
    end(&c);
}

/* ---- in transactions of its own ---- */

/* Each id below 3 leads to the next, in the topic that it came from. */
static int pass_on_three_times(recorder *r, kca_delivery *d, int id) {
    kca_message *m;
    char payload[40];
    if (id >= 3)
        return KCA_DONE;
    snprintf(payload, sizeof payload, "{\"id\":%d}", id + 1);
    m = thing(payload, "k0");
    must(kca_delivery_publish(d, r->context, m));
    kca_message_free(m);
    return KCA_DONE;
}

/* A commit writes marks behind the results, and those do not lead to another commit without end. */
static void test_exactly_once_into_its_own_topic_comes_to_rest_at_the_end(void **state) {
    const char *topic = unique("gaps"), *group = unique("group");
    topic_create(topic, 1);
    topic_fill(topic, 0, 1, 1);
    consuming c = {system_on(listener("PLAINTEXT")), NULL, recorder_new(), topic, group};
    kca_consumer_builder *b = consumer_of(topic, group);
    kca_consumer_builder_with_transactional_id(b, unique("id"));
    give_consumer(c.system, b);
    give_publisher(c.system, publisher_of(topic));
    record(c.system, "thing", c.recorder);
    start(c.system);
    c.consumer = reader_of(c.system, group);
    kca_bus *bus = bus_of(c.system, topic);
    c.recorder->behave = pass_on_three_times;
    c.recorder->context = bus;
    runner r;
    runner_start(&r, c.consumer);
    must_be_handled(c.recorder, 4, COME_MS);
    must_reach_the_end(&c);
    runner_stop(&r);
    assert_int_equal(topic_end(topic, 0), 7); /* each of three results with its mark */
    assert_int_equal(group_committed(group, topic, 0), 7);
    kca_bus_free(bus);
    end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commits_reach_the_end_beyond_marks_and_aborted_records),
        cmocka_unit_test(test_a_group_that_comes_back_to_marks_alone_passes_them),
        cmocka_unit_test(test_who_did_not_ask_for_the_end_hears_nothing_of_it),
        cmocka_unit_test(test_nothing_that_is_not_settled_or_not_decided_is_passed),
        cmocka_unit_test(test_exactly_once_into_its_own_topic_comes_to_rest_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
