/* Replies: what they are on the wire, to whom they go, and that nothing asked counts as done before
 * its reply is stored. */
#include "answering.h"

enum { PLAIN, SILENT, REJECTED, UNASKED, ASKED_ELSEWHERE, UNHANDLED, OWN, QUESTIONS };

/* ---- on the wire, and to whom ---- */

static int answer_with_headers(kca_delivery *d) {
    kca_message *m;
    must(kca_message_new(&m, NULL));
    kca_message_set_payload(m, "[1]", 3);
    kca_message_set_header(m, "colour", "blue");
    kca_message_set_correlation_id(m, "another");
    must(kca_delivery_reply_message(d, m));
    kca_message_free(m);
    return KCA_DONE;
}

static int answer_each_its_way(recorder *r, kca_delivery *d, int id) {
    assert_int_equal(kca_delivery_wants_reply(d), id != UNASKED && id != ASKED_ELSEWHERE);
    if (id == SILENT)
        return KCA_DONE;
    if (id == OWN)
        return answer_with_headers(d);
    must(kca_delivery_reply(d, "wrong", 5)); /* replaced, or dropped */
    return id == REJECTED ? reject_all(r, d, id) : answer_alike(r, d, id);
}

static void must_be_as_gomes_writes_it(const raw_record *r, const char *channel) {
    static const char *const names[] = {"messageId", "messageType",   "timestamp",  "origin",
                                        "version",   "correlationId", "channelName"};
    enum { NAMES = sizeof names / sizeof *names };
    assert_int_equal(r->header_count, NAMES);
    for (int i = 0; i < NAMES; i++)
        assert_non_null(record_header(r, names[i]));
    assert_string_equal(record_header(r, "messageType"), "Document");
    assert_string_equal(record_header(r, "channelName"), channel);
    assert_string_equal(record_header(r, "origin"), "Gomes");
    assert_string_equal(r->key, record_header(r, "correlationId"));
}

static void must_tell_of(kca_queue *q, const char *channel) {
    kca_event *fault = next_event(q, KCA_EVENT_FAULT, COME_MS);
    assert_non_null(fault);
    must_have(kca_error_text(kca_event_error(fault)), channel);
    must_have(kca_error_text(kca_event_error(fault)), "no publisher is declared");
    kca_event_free(fault);
    assert_null(next_event(q, KCA_EVENT_FAULT, 0));
}

static void test_each_question_is_answered_as_it_deserves(void **state) {
    answering a = prepare_answering(NULL, NULL);
    const char *elsewhere = unique("elsewhere");
    for (int id = PLAIN; id <= REJECTED; id++)
        ask(&a, id);
    ask_in(&a, "thing", UNASKED, NULL);
    ask_in(&a, "thing", ASKED_ELSEWHERE, elsewhere);
    ask_in(&a, "thing", ASKED_ELSEWHERE, elsewhere);
    ask_in(&a, "stranger", UNHANDLED, a.replies);
    ask(&a, OWN);
    kca_publisher_builder *replies = publisher_of(a.replies);
    kca_publisher_builder_with_reply_channel(replies, elsewhere); /* is for questions */
    begin_answering(&a, replies, answers_of(&a));
    a.c.recorder->behave = answer_each_its_way;
    kca_queue *q = queue_of(a.c.system);
    runner r;
    runner_start(&r, a.c.consumer);
    must_commit(a.group, a.topic, 0, QUESTIONS + 1);
    runner_stop(&r);
    must_tell_of(q, elsewhere);
    int count;
    raw_record *all = topic_read(&count, a.replies, 1);
    assert_int_equal(count, 5);
    must_be_answered(all, count, PLAIN, "{\"id\":0}");
    must_be_answered(all, count, SILENT, "null");
    must_be_answered(all, count, REJECTED, "{\"error\":\"the amount is -3\"}");
    must_be_answered(all, count, UNHANDLED, "{\"error\":\"no handler has its name\"}");
    for (int id = PLAIN; id <= REJECTED; id++)
        must_be_as_gomes_writes_it(reply_to(all, count, id), a.replies);
    must_be_answered(all, count, OWN, "[1]");
    assert_string_equal(record_header(reply_to(all, count, OWN), "colour"), "blue");
    records_free(all, count);
    assert_int_equal(topic_end(a.dead, 0), 2);
    assert_int_equal(described(a.c.system, "consumers", 0, "replied"), 5);
    assert_int_equal(described(a.c.system, "consumers", 0, "not_replied"), 2);
    kca_queue_free(q);
    end_answering(&a);
}

static void test_without_the_option_nobody_is_answered(void **state) {
    answering a = prepare_answering(NULL, NULL);
    ask(&a, 0);
    begin_answering(&a, publisher_of(a.replies), burying(a.topic, a.group, a.dead, NULL));
    a.c.recorder->behave = answer_alike;
    must(run_for(&a.c, 1));
    assert_int_equal(group_committed(a.group, a.topic, 0), 1);
    assert_int_equal(topic_end(a.replies, 0), 0);
    assert_int_equal(described(a.c.system, "consumers", 0, "not_replied"), 0);
    end_answering(&a);
}

static void test_a_reply_goes_on_with_the_trace(void **state) {
    answering a = prepare_answering(NULL, NULL);
    const char *const headers[][2] = {
        {"route", "thing"},
        {"correlationId", "ask-0"},
        {"replyTo", a.replies},
        {"Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}};
    raw_write_headers(a.writer, a.topic, "k", "{\"id\":0}", headers, 4);
    begin_answering(&a, publisher_of(a.replies), answers_of(&a));
    must(run_for(&a.c, 1));
    int count;
    raw_record *all = topic_read(&count, a.replies, 1);
    assert_int_equal(count, 1);
    assert_string_equal(record_header(all, "Traceparent"), headers[3][1]);
    assert_string_equal(all->key, "ask-0");
    records_free(all, count);
    end_answering(&a);
}

/* ---- the pull form ---- */

static kca_delivery *pull(kca_queue *q) {
    kca_event *e = next_event(q, KCA_EVENT_DELIVERY, COME_MS);
    assert_non_null(e);
    return kca_event_into_delivery(e);
}

/* Also of what is settled, but not freed yet; and what is settled before a stop is answered. */
static void test_pulled_deliveries_are_answered_when_they_are_settled(void **state) {
    answering a = prepare_answering(NULL, NULL);
    kca_queue *q;
    for (int id = 0; id < 3; id++)
        ask(&a, id);
    begin_answering(&a, publisher_of(a.replies), answers_of(&a));
    must(kca_consumer_queue(a.c.consumer, &q));
    kca_delivery *all[3];
    for (int id = 0; id < 3; id++) {
        all[id] = pull(q);
        must(kca_delivery_reply(all[id], id == 1 ? NULL : "7", id == 1 ? 0 : 1));
    }
    must(kca_delivery_settle(all[0], KCA_DONE));
    must_fail(kca_delivery_reply(all[0], "8", 1), KCA_ERROR_STATE, "no longer counts");
    must_commit(a.group, a.topic, 0, 1);
    kca_consumer_stop(a.c.consumer);
    must(kca_delivery_settle(all[1], KCA_DONE));
    must(kca_delivery_settle(all[2], KCA_DUPLICATE)); /* the application knew the answer */
    must_commit(a.group, a.topic, 0, 3);
    kca_queue_free(q);
    for (int id = 0; id < 3; id++)
        kca_delivery_free(all[id]);
    int count;
    raw_record *replies = topic_read(&count, a.replies, 1);
    assert_int_equal(count, 3);
    must_be_answered(replies, count, 0, "7");
    must_be_answered(replies, count, 1, "null");
    must_be_answered(replies, count, 2, "7");
    records_free(replies, count);
    end_answering(&a);
}

/* ---- what the channel does not take ---- */

enum { LARGE = 3000, COUNT = 10 };

static int answer_at_length(recorder *r, kca_delivery *d, int id) {
    char value[LARGE + 2];
    memset(value, 'x', sizeof value);
    value[0] = value[LARGE + 1] = '"';
    must(kca_delivery_reply(d, value, id == 3 ? sizeof value : 2));
    return KCA_DONE;
}

static void answer_all(answering *a, kca_publisher_builder *replies) {
    for (int id = 0; id < COUNT; id++)
        ask(a, id);
    begin_answering(a, replies, answers_of(a));
    runner r;
    a->c.recorder->behave = answer_at_length;
    runner_start(&r, a->c.consumer);
    must_commit(a->group, a->topic, 0, COUNT);
    runner_stop(&r);
}

static void must_have_the_large_one_refused(const answering *a, const char *why) {
    int count;
    raw_record *all = topic_read(&count, a->replies, 1);
    assert_int_equal(count, COUNT);
    must_have(reply_to(all, count, 3)->value, "{\"error\":\"");
    must_have(reply_to(all, count, 3)->value, why);
    must_be_answered(all, count, 4, "\"x");
    records_free(all, count);
    assert_int_equal(described(a->c.system, "consumers", 0, "replied"), COUNT);
    assert_int_equal(described(a->c.system, "consumers", 0, "not_replied"), 0);
}

static void test_a_reply_that_is_too_large_becomes_the_error_that_says_so(void **state) {
    answering a = prepare_answering("max.message.bytes", "1000");
    answer_all(&a, publisher_of(a.replies));
    must_have_the_large_one_refused(&a, "max.message.bytes");
    end_answering(&a);

    a = prepare_answering(NULL, NULL);
    kca_publisher_builder *replies = publisher_of(a.replies);
    kca_publisher_builder_with_batch_bytes(replies, 1000);
    answer_all(&a, replies);
    must_have_the_large_one_refused(&a, "batch_bytes");
    end_answering(&a);
}

static void test_what_a_channel_never_takes_is_done_without_and_told(void **state) {
    answering a = prepare_answering("max.message.bytes", "1");
    ask(&a, 0);
    begin_answering(&a, publisher_of(a.replies), answers_of(&a));
    kca_queue *q = queue_of(a.c.system);
    runner r;
    a.c.recorder->behave = answer_alike;
    runner_start(&r, a.c.consumer);
    must_commit(a.group, a.topic, 0, 1);
    runner_stop(&r);
    for (int i = 0; i < 2; i++) {
        kca_event *fault = next_event(q, KCA_EVENT_FAULT, COME_MS);
        assert_non_null(fault);
        must_have(kca_error_text(kca_event_error(fault)), "the reply of ");
        must_have(kca_error_text(kca_event_error(fault)), i ? "not even as an error" : "stored: ");
        kca_event_free(fault);
    }
    assert_int_equal(described(a.c.system, "consumers", 0, "not_replied"), 1);
    assert_int_equal(topic_end(a.replies, 0), 0);
    kca_queue_free(q);
    end_answering(&a);
}

static int answer_nowhere(recorder *r, kca_delivery *d, int id) {
    (void)r, (void)id;
    kca_message *m;
    must(kca_message_new(&m, NULL));
    kca_message_set_payload(m, "1", 1);
    kca_message_set_partition(m, 9);
    must(kca_delivery_reply_message(d, m));
    kca_message_free(m);
    return KCA_DONE;
}

static void test_a_reply_to_a_partition_that_is_not_there_becomes_an_error(void **state) {
    answering a = prepare_answering(NULL, NULL);
    ask(&a, 0);
    begin_answering(&a, publisher_of(a.replies), answers_of(&a));
    a.c.recorder->behave = answer_nowhere;
    must(run_for(&a.c, 1));
    int count;
    raw_record *all = topic_read(&count, a.replies, 1);
    assert_int_equal(count, 1);
    must_have(reply_to(all, count, 0)->value, "{\"error\":\"");
    records_free(all, count);
    end_answering(&a);
}

/* Nobody would hear of a reply that is not stored. */
static void test_a_publisher_that_asks_for_no_confirmation_gets_it_for_replies(void **state) {
    answering a = prepare_answering(NULL, NULL);
    kca_publisher_builder *replies = publisher_of(a.replies);
    kca_publisher_builder_with_required_acks(replies, 0);
    answer_all(&a, replies);
    assert_int_equal(topic_end(a.replies, 0), COUNT);
    assert_int_equal(described(a.c.system, "consumers", 0, "replied"), COUNT);
    assert_int_equal(described(a.c.system, "publishers", 0, "published"), 0);
    end_answering(&a);
}

/* ---- exactly once ---- */

static int pass_on_and_answer(recorder *r, kca_delivery *d, int id) {
    kca_message *m = thing("{}", NULL);
    must(kca_delivery_publish(d, r->context, m));
    kca_message_free(m);
    if (id == 5)
        return reject_all(r, d, id);
    return answer_at_length(r, d, id);
}

static void test_in_a_transaction_the_reply_goes_with_results_and_offset(void **state) {
    answering a = prepare_answering("max.message.bytes", "1000");
    const char *out = unique("out");
    topic_create(out, 1);
    for (int id = 0; id < COUNT; id++)
        ask(&a, id);
    kca_consumer_builder *b = answers_of(&a);
    kca_consumer_builder_with_transactional_id(b, unique("id"));
    kca_publisher_builder *results = publisher_of(out);
    a.c = (consuming){system_on(listener("PLAINTEXT")), NULL, recorder_new(), a.topic, a.group};
    give_publisher(a.c.system, results);
    give_publisher(a.c.system, publisher_of(a.replies));
    give_publisher(a.c.system, publisher_of(a.dead));
    give_consumer(a.c.system, b);
    record(a.c.system, "thing", a.c.recorder);
    start(a.c.system);
    a.c.consumer = reader_of(a.c.system, a.group);
    kca_bus *bus = bus_of(a.c.system, out);
    a.c.recorder->behave = pass_on_and_answer;
    a.c.recorder->context = bus;
    runner r;
    runner_start(&r, a.c.consumer);
    must_commit(a.group, a.topic, 0, COUNT);
    runner_stop(&r);
    int count;
    raw_record *all = topic_read(&count, a.replies, 1);
    assert_int_equal(count, COUNT); /* each once, though a transaction was aborted for the large */
    must_have(reply_to(all, count, 3)->value, "{\"error\":\"");
    must_be_answered(all, count, 4, "\"x");
    must_be_answered(all, count, 5, "{\"error\":\"the amount is -3\"}");
    records_free(all, count);
    all = topic_read(&count, out, 1);
    assert_int_equal(count, COUNT - 1);
    records_free(all, count);
    all = topic_read(&count, a.dead, 1);
    assert_int_equal(count, 1);
    records_free(all, count);
    kca_bus_free(bus);
    end_answering(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_question_is_answered_as_it_deserves),
        cmocka_unit_test(test_without_the_option_nobody_is_answered),
        cmocka_unit_test(test_a_reply_goes_on_with_the_trace),
        cmocka_unit_test(test_pulled_deliveries_are_answered_when_they_are_settled),
        cmocka_unit_test(test_a_reply_that_is_too_large_becomes_the_error_that_says_so),
        cmocka_unit_test(test_what_a_channel_never_takes_is_done_without_and_told),
        cmocka_unit_test(test_a_reply_to_a_partition_that_is_not_there_becomes_an_error),
        cmocka_unit_test(test_a_publisher_that_asks_for_no_confirmation_gets_it_for_replies),
        cmocka_unit_test(test_in_a_transaction_the_reply_goes_with_results_and_offset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
