/* Dead letters that their channel never takes: written in another form, and else the failure policy
 * decides. What becomes of those that it does not take for a while is in
 * consumer_dead_letter_loss_test. */
#include "dead_lettering.h"

#include <stdio.h>

enum { COUNT = 10, SMALL = 1000, TEXT = 950 };

static const char *small_morgue(const char *bytes) {
    const char *topic = unique("dead");
    topic_create_with(topic, 1, "max.message.bytes", bytes);
    return topic;
}

/* ---- in another form ---- */

static int reject_3_at_length(recorder *r, kca_delivery *d, int id) {
    char text[TEXT + 1];
    (void)r;
    if (id != 3)
        return KCA_DONE;
    memset(text, 'x', TEXT);
    text[TEXT] = '\0';
    kca_delivery_explain(d, "NegativeAmount", text);
    return KCA_REJECTED;
}

static raw_record *the_one_letter(const char *dead) {
    int count;
    raw_record *all = topic_read(&count, dead, 1);
    assert_int_equal(count, 1);
    return all;
}

static raw_record *bury_trimmed(const char *format) {
    const char *topic = filled(COUNT), *group = unique("group"), *dead = small_morgue("1000");
    consuming c =
        consume_beside(publisher_of(dead), topic, group, burying(topic, group, dead, format));
    c.recorder->behave = reject_3_at_length;
    runner r;
    runner_start(&r, c.consumer);
    must_commit(group, topic, 0, COUNT);
    runner_stop(&r);
    assert_int_equal(described(c.system, "consumers", 0, "dead_lettered"), 1);
    assert_int_equal(described(c.system, "consumers", 0, "skipped"), 0);
    end(&c);
    return the_one_letter(dead);
}

static void test_a_letter_that_fits_only_trimmed_is_stored_trimmed(void **state) {
    raw_record *letter = bury_trimmed("kca");
    assert_string_equal(letter->value, "{\"id\":3}");
    assert_string_equal(record_header(letter, "kca-dead-letter-offset"), "3");
    assert_string_equal(record_header(letter, "kca-dead-letter-error-name"), "NegativeAmount");
    assert_null(record_header(letter, "kca-dead-letter-error-text"));
    records_free(letter, 1);

    letter = bury_trimmed("spring");
    assert_string_equal(letter->value, "{\"id\":3}");
    assert_string_equal(record_header(letter, "kafka_dlt-exception-fqcn"), "NegativeAmount");
    assert_non_null(record_header(letter, "kafka_dlt-original-offset"));
    assert_null(record_header(letter, "kafka_dlt-exception-message"));
    records_free(letter, 1);

    letter = bury_trimmed("gomes");
    must_have(letter->value, "\"Payload\":{\"id\":3}");
    must_have(letter->value, "\"ReasonError\":\"xxx");
    assert_in_range(strlen(letter->value), 0, TEXT);
    assert_string_equal(record_header(letter, "kca-dead-letter-offset"), "3");
    records_free(letter, 1);
}

/* Each would fit; together they are more than the topic takes, and the broker refuses all. */
static void test_letters_that_are_too_large_in_company_are_stored_whole(void **state) {
    const char *topic = filled(COUNT), *group = unique("group"), *dead = small_morgue("1000");
    consuming c =
        consume_beside(publisher_of(dead), topic, group, burying(topic, group, dead, NULL));
    c.recorder->behave = reject_all;
    runner r;
    runner_start(&r, c.consumer);
    must_commit(group, topic, 0, COUNT);
    runner_stop(&r);
    assert_int_equal(described(c.system, "consumers", 0, "dead_lettered"), COUNT);
    end(&c);
    int count;
    raw_record *all = topic_read(&count, dead, 1);
    assert_int_equal(count, COUNT);
    for (int i = 0; i < count; i++)
        assert_string_equal(record_header(&all[i], "kca-dead-letter-error-text"),
                            "the amount is -3");
    records_free(all, count);
}

/* ---- in no form ---- */

static void must_tell(const kca_error *e, int code, const char *topic, const char *dead) {
    char where[200];
    snprintf(where, sizeof where, "%s[0] offset 3, of ", topic);
    assert_int_equal(kca_error_code(e), code);
    assert_int_equal(kca_error_retriable(e), 0);
    must_have(kca_error_text(e), where);
    must_have(kca_error_text(e), "NegativeAmount: the amount is -3");
    must_have(kca_error_text(e), "dead letter cannot be stored");
    must_have(kca_error_text(e), dead);
}

static void test_policy_skip_tells_a_fault_with_the_sizes_and_goes_on(void **state) {
    const char *topic = filled(COUNT), *group = unique("group"), *dead = small_morgue("1");
    kca_consumer_builder *b = burying(topic, group, dead, NULL);
    kca_consumer_builder_with_failure_policy(b, "skip");
    consuming c = consume_beside(publisher_of(dead), topic, group, b);
    c.recorder->behave = reject_3;
    kca_queue *q = queue_of(c.system);
    runner r;
    runner_start(&r, c.consumer);
    kca_event *fault = next_event(q, KCA_EVENT_FAULT, COME_MS);
    assert_non_null(fault);
    must_tell(kca_event_error(fault), KCA_ERROR_TOO_LARGE, topic, dead);
    must_have(kca_error_text(kca_event_error(fault)), "not even trimmed");
    must_have(kca_error_text(kca_event_error(fault)), "max.message.bytes");
    assert_int_equal(kca_event_offset(fault), 3);
    kca_event_free(fault);
    must_commit(group, topic, 0, COUNT);
    runner_stop(&r);
    assert_int_equal(described(c.system, "consumers", 0, "skipped"), 1);
    assert_int_equal(topic_end(dead, 0), 0);
    kca_queue_free(q);
    end(&c);
}

static void test_policy_stop_ends_with_it_and_gets_the_record_again(void **state) {
    const char *topic = filled(COUNT), *group = unique("group"), *dead = small_morgue("1");
    consuming c =
        consume_beside(publisher_of(dead), topic, group, burying(topic, group, dead, NULL));
    c.recorder->behave = reject_3;
    runner r;
    runner_start(&r, c.consumer);
    kca_error *e = runner_join(&r, RUN_MS);
    assert_non_null(e);
    must_tell(e, KCA_ERROR_TOO_LARGE, topic, dead);
    kca_error_free(e);
    assert_in_range(group_committed(group, topic, 0), 0, 3);
    topic_set(dead, "max.message.bytes", "100000");
    runner_start(&r, c.consumer);
    must_commit(group, topic, 0, COUNT);
    runner_stop(&r);
    raw_record *letter = the_one_letter(dead);
    assert_string_equal(record_header(letter, "kca-dead-letter-offset"), "3");
    records_free(letter, 1);
    end(&c);
}

/* What the publisher itself does not take is known before it is sent. */
static void test_a_letter_larger_than_batch_bytes_is_trimmed_too(void **state) {
    const char *topic = filled(COUNT), *group = unique("group"), *dead = morgue();
    kca_publisher_builder *letters = publisher_of(dead);
    kca_publisher_builder_with_batch_bytes(letters, SMALL);
    consuming c = consume_beside(letters, topic, group, burying(topic, group, dead, NULL));
    c.recorder->behave = reject_3_at_length;
    runner r;
    runner_start(&r, c.consumer);
    must_commit(group, topic, 0, COUNT);
    runner_stop(&r);
    raw_record *letter = the_one_letter(dead);
    assert_null(record_header(letter, "kca-dead-letter-error-text"));
    records_free(letter, 1);
    end(&c);
}

/* ---- whatever it holds ---- */

static void must_stop_with(kca_system *s, kca_consumer *c, int code, const char *topic,
                           const char *dead) {
    runner r;
    runner_start(&r, c);
    kca_error *e = runner_join(&r, RUN_MS);
    assert_non_null(e);
    must_tell(e, code, topic, dead);
    kca_error_free(e);
    assert_int_equal(described(s, "consumers", 0, "dead_lettered"), 0);
}

static kca_connection *connection_of_alice(void) {
    kca_connection *c;
    must(kca_connection_new(&c, "alice", listener("SASL")));
    kca_connection_with_sasl(c, "PLAIN", "alice", "alice-secret");
    kca_connection_with_unencrypted_sasl(c, 1);
    return c;
}

static void test_a_forbidden_topic_is_a_refusal_for_good(void **state) {
    const char *topic = filled(COUNT), *group = unique("group"), *dead = morgue();
    kca_publisher_builder *letters;
    must(kca_publisher_builder_new(&letters, "alice", dead));
    kca_publisher_builder_with_required_acks(letters, -1);
    consuming c = {system_on(listener("PLAINTEXT")), NULL, recorder_new(), topic, group};
    give_connection(c.system, connection_of_alice());
    give_publisher(c.system, letters);
    give_consumer(c.system, burying(topic, group, dead, NULL));
    record(c.system, "thing", c.recorder);
    start(c.system);
    c.consumer = reader_of(c.system, group);
    c.recorder->behave = reject_3;
    must_stop_with(c.system, c.consumer, KCA_ERROR_AUTHORIZATION, topic, dead);
    end(&c);
}

static void test_a_topic_that_nobody_makes_is_a_refusal_for_good(void **state) {
    const char *topic = filled(COUNT), *group = unique("group"), *dead = unique("dead");
    kca_publisher_builder *letters = publisher_of(dead);
    kca_publisher_builder_with_property(letters, "allow.auto.create.topics", "false");
    kca_publisher_builder_with_property(letters, "topic.metadata.propagation.max.ms", "1000");
    consuming c = consume_beside(letters, topic, group, burying(topic, group, dead, NULL));
    c.recorder->behave = reject_3;
    must_stop_with(c.system, c.consumer, KCA_ERROR_NOT_STORED, topic, dead);
    end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_letter_that_fits_only_trimmed_is_stored_trimmed),
        cmocka_unit_test(test_letters_that_are_too_large_in_company_are_stored_whole),
        cmocka_unit_test(test_policy_skip_tells_a_fault_with_the_sizes_and_goes_on),
        cmocka_unit_test(test_policy_stop_ends_with_it_and_gets_the_record_again),
        cmocka_unit_test(test_a_letter_larger_than_batch_bytes_is_trimmed_too),
        cmocka_unit_test(test_a_forbidden_topic_is_a_refusal_for_good),
        cmocka_unit_test(test_a_topic_that_nobody_makes_is_a_refusal_for_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
