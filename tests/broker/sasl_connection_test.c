/* SASL on a real broker, and that passwords stay where they are. */
#include "connection_helpers.h"

#include <stdio.h>

static void test_plain_with_and_without_tls(void **state) {
    must_publish_over(sasl_to(listener("SASL"), "PLAIN", "admin", "admin-secret"), unique("sasl"));
    kca_connection *c = sasl_to(listener("SASL_TLS"), "PLAIN", "admin", "admin-secret");
    kca_connection_with_tls(c, certificate_file("ca.pem"), NULL, NULL);
    must_publish_over(c, unique("sasl"));
}

/* Debian 12's librdkafka doubles the nonce, and Kafka 4 looks. */
static int scram_works(void) {
    int major = 0, minor = 0, patch = 0;
    assert_true(sscanf(kca_rdkafka_version(), "%d.%d.%d", &major, &minor, &patch) >= 2);
    return major * 10000 + minor * 100 + patch >= 20601;
}

static void test_scram_works_or_names_the_version_that_does(void **state) {
    const char *const mechanisms[] = {"SCRAM-SHA-256", "SCRAM-SHA-512"};
    for (int i = 0; i < 2; i++) {
        kca_connection *c = sasl_to(listener("SASL"), mechanisms[i], "admin", "admin-secret");
        if (scram_works())
            must_publish_over(c, unique("scram"));
        else
            must_be_refused_at_once(c, KCA_ERROR_AUTHENTICATION, "user admin", "2.6.1",
                                    kca_rdkafka_version());
    }
}

static void test_oauthbearer_by_properties(void **state) {
    const char *topic = unique("oauth");
    kca_connection *c = connection_to(listener("SASL"));
    kca_connection_with_property(c, "sasl.mechanisms", "OAUTHBEARER");
    kca_connection_with_property(c, "enable.sasl.oauthbearer.unsecure.jwt", "true");
    kca_connection_with_property(c, "sasl.oauthbearer.config", "principal=admin");
    must_publish_over(c, topic);
    assert_int_equal(topic_count(topic, 3), 1);
}

static void test_a_wrong_password_is_refused_at_once(void **state) {
    must_be_refused_at_once(sasl_to(listener("SASL"), "PLAIN", "alice", "not-her-password"),
                            KCA_ERROR_AUTHENTICATION, "connection kafka",
                            "authentication refused for user alice");
    kca_connection *c = sasl_to(listener("SASL_TLS"), "PLAIN", "alice", "not-her-password");
    kca_connection_with_tls(c, certificate_file("ca.pem"), NULL, NULL);
    must_be_refused_at_once(c, KCA_ERROR_AUTHENTICATION, "authentication refused for user alice");
}

static void test_sasl_to_a_listener_without_it_fails_in_time(void **state) {
    int64_t begin = now_ms();
    kca_error *e =
        start_over(sasl_to(listener("PLAINTEXT"), "PLAIN", "admin", "admin-secret"), 4000);
    assert_non_null(e);
    must_have(kca_error_text(e), "connection kafka");
    must_have(kca_error_text(e), "SASL");
    kca_error_free(e);
    assert_in_range(now_ms() - begin, 0, 5500);
}

static void test_no_sasl_to_a_listener_that_wants_it_fails_in_time(void **state) {
    int64_t begin = now_ms();
    kca_error *e = start_over(connection_to(listener("SASL")), 4000);
    assert_non_null(e);
    must_have(kca_error_text(e), "connection kafka");
    kca_error_free(e);
    assert_in_range(now_ms() - begin, 0, 5500);
}

static void must_not_log(kca_system *s, const char *secret) {
    kca_queue *q = queue_of(s);
    kca_event *event;
    int lines = 0;
    while ((event = next_event(q, KCA_EVENT_LOG, 0))) {
        must_lack(kca_event_log_text(event), secret);
        kca_event_free(event);
        lines++;
    }
    assert_true(lines > 5);
    kca_queue_free(q);
}

static void must_not_describe(kca_system *s, const char *secret) {
    for (int format = KCA_FORMAT_TEXT; format <= KCA_FORMAT_JSON; format++) {
        char *text;
        must(kca_system_describe(s, format, &text));
        must_lack(text, secret);
        kca_string_free(text);
    }
}

static kca_system *talkative_system(kca_connection *c) {
    kca_system *s;
    must(kca_system_new(&s));
    kca_connection_with_property(c, "debug", "security,broker,conf");
    give_connection(s, c);
    give_publisher(s, publisher_of(unique("secret")));
    must(kca_system_log_to_queue(s, KCA_LOG_DEBUG));
    return s;
}

static void test_the_password_is_shown_nowhere(void **state) {
    const char *const passwords[] = {"admin-secret", "wrong-pass-phrase"};
    for (int i = 0; i < 2; i++) {
        kca_system *s = talkative_system(sasl_to(listener("SASL"), "PLAIN", "admin", passwords[i]));
        kca_error *e = kca_system_start(s, START_MS);
        assert_int_equal(kca_error_code(e), i ? KCA_ERROR_AUTHENTICATION : KCA_OK);
        must_lack(kca_error_text(e), passwords[i]);
        kca_error_free(e);
        must_not_describe(s, passwords[i]);
        must_not_log(s, passwords[i]);
        kca_system_free(s);
    }
}

static void test_a_password_given_as_property_is_shown_nowhere(void **state) {
    kca_connection *c = connection_to(listener("SASL"));
    kca_connection_with_property(c, "sasl.mechanisms", "PLAIN");
    kca_connection_with_unencrypted_sasl(c, 1);
    kca_connection_with_property(c, "sasl.username", "alice");
    kca_connection_with_property(c, "sasl.password", "alice-secret");
    kca_system *s = talkative_system(c);
    start(s);
    must_not_describe(s, "alice-secret");
    must_not_log(s, "alice-secret");
    finish(s);
}

static void test_start_works_after_one_that_failed(void **state) {
    kca_system *s = system_on(listener("PLAINTEXT"));
    const char *topic = unique("again");
    give_publisher(s, publisher_of(topic));
    kca_publisher_builder *lost;
    must(kca_publisher_builder_new(&lost, "rabbit", unique("lost")));
    give_publisher(s, lost);
    must_fail(kca_system_start(s, START_MS), KCA_ERROR_NOT_FOUND, "connection rabbit");
    kca_connection *c;
    must(kca_connection_new(&c, "rabbit", listener("PLAINTEXT")));
    give_connection(s, c);
    start(s);
    kca_bus *bus = bus_of(s, topic);
    publish_things(bus, 0, 1, 1, 0);
    must(kca_bus_flush(bus, 10000));
    kca_bus_free(bus);
    finish(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_with_and_without_tls),
        cmocka_unit_test(test_scram_works_or_names_the_version_that_does),
        cmocka_unit_test(test_oauthbearer_by_properties),
        cmocka_unit_test(test_a_wrong_password_is_refused_at_once),
        cmocka_unit_test(test_sasl_to_a_listener_without_it_fails_in_time),
        cmocka_unit_test(test_no_sasl_to_a_listener_that_wants_it_fails_in_time),
        cmocka_unit_test(test_the_password_is_shown_nowhere),
        cmocka_unit_test(test_a_password_given_as_property_is_shown_nowhere),
        cmocka_unit_test(test_start_works_after_one_that_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
