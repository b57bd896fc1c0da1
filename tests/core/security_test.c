/* Nothing given for TLS or SASL is dropped in silence, and what is weak is named and told. */
#include "connection/security.h"

#include "base/error.h"
#include "base/log.h"
#include "testing.h"

#include <string.h>

static kca_connection *connection(void) {
    kca_connection *c;
    assert_null(kca_connection_new(&c, "kafka", "127.0.0.1:1"));
    return c;
}

/* The connection is freed. */
static void must_refuse(kca_connection *c, const char *said) {
    assert_null(kca_connection_error(c));
    kca_error *e = kca__connection_open(c);
    assert_non_null(e);
    assert_int_equal(kca_error_code(e), KCA_ERROR_ARGUMENT);
    if (!strstr(kca_error_text(e), said))
        fail_msg("%s: lacks %s", kca_error_text(e), said);
    kca_error_free(e);
    kca_connection_free(c);
}

static void must_have_weaknesses(kca_connection *c, int count, const char *said) {
    const char *texts[KCA__MOST_WEAKNESSES];
    assert_null(kca__security_check(c));
    assert_int_equal(kca__security_weaknesses(texts, c), count);
    for (int i = 0; i < count; i++)
        assert_non_null(strstr(texts[i], said));
    kca_connection_free(c);
}

static void test_plain_without_tls_must_be_allowed_by_name(void **state) {
    kca_connection *c = connection();
    kca_connection_with_sasl(c, "PLAIN", "user", "secret");
    must_refuse(c, "connection kafka: SASL PLAIN without TLS");
    c = connection();
    kca_connection_with_property(c, "sasl.mechanism", "plain");
    must_refuse(c, "allow it by unencrypted_sasl");
    c = connection();
    kca_connection_with_sasl(c, "PLAIN", "user", "secret");
    kca_connection_with_unencrypted_sasl(c, 1);
    must_have_weaknesses(c, 1, "unencrypted_sasl");
}

static void test_what_is_safe_is_not_called_weak(void **state) {
    kca_connection *c = connection();
    kca_connection_with_sasl(c, "SCRAM-SHA-512", "user", "secret");
    must_have_weaknesses(c, 0, "");
    c = connection();
    kca_connection_with_sasl(c, "PLAIN", "user", "secret");
    kca_connection_with_tls(c, NULL, NULL, NULL);
    kca_connection_with_property(c, "enable.ssl.certificate.verification", "true");
    kca_connection_with_property(c, "ssl.endpoint.identification.algorithm", "HTTPS");
    assert_false(kca__security_is_lenient(c));
    must_have_weaknesses(c, 0, "");
}

static void test_verification_switched_off_is_told(void **state) {
    const char *const off[][2] = {{"enable.ssl.certificate.verification", "False"},
                                  {"enable.ssl.certificate.verification", "0"},
                                  {"ssl.endpoint.identification.algorithm", "none"}};
    for (int i = 0; i < 3; i++) {
        kca_connection *c = connection();
        kca_connection_with_tls(c, NULL, NULL, NULL);
        kca_connection_with_property(c, off[i][0], off[i][1]);
        assert_null(kca_connection_error(c));
        assert_true(kca__security_is_lenient(c));
        must_have_weaknesses(c, 1, off[i][0]);
    }
}

static void test_properties_of_what_is_not_used_are_refused(void **state) {
    const char *const unused[][2] = {{"ssl.cipher.suites", "DHE-RSA-AES256-SHA"},
                                     {"enable.ssl.certificate.verification", "false"},
                                     {"sasl.username", "user"},
                                     {"enable.sasl.oauthbearer.unsecure.jwt", "true"}};
    for (int i = 0; i < 4; i++) {
        kca_connection *c = connection();
        kca_connection_with_property(c, unused[i][0], unused[i][1]);
        must_refuse(c, unused[i][0]);
    }
    kca_connection *c = connection();
    kca_connection_with_tls_key_password(c, "secret");
    must_refuse(c, "the TLS key's password is given without TLS");
}

static void test_two_mechanisms_are_a_contradiction(void **state) {
    kca_connection *c = connection();
    kca_connection_with_sasl(c, "SCRAM-SHA-256", "user", "secret");
    kca_connection_with_property(c, "sasl.mechanisms", "PLAIN");
    must_refuse(c, "SASL mechanism SCRAM-SHA-256 contradicts the property's PLAIN");
}

static void test_a_weakness_is_logged_at_start_and_described(void **state) {
    kca_system *s;
    kca_queue *q;
    kca_event *event;
    char *text;
    bool told = false;
    assert_null(kca_system_new(&s));
    kca_connection *c = connection();
    kca_connection_with_sasl(c, "PLAIN", "user", "secret");
    kca_connection_with_unencrypted_sasl(c, 1);
    assert_null(kca_system_add_connection(s, c));
    kca_connection_free(c);
    assert_null(kca_system_log_to_queue(s, KCA_LOG_WARN));
    assert_null(kca_system_queue(s, &q));
    kca_error_free(kca_system_start(s, 0));
    while (kca_queue_next(q, &event, 1, 0) == 1) {
        if (kca_event_type(event) == KCA_EVENT_LOG)
            told |= strstr(kca_event_log_text(event), "unencrypted_sasl") != NULL;
        kca_event_free(event);
    }
    assert_true(told);
    for (int format = KCA_FORMAT_TEXT; format <= KCA_FORMAT_JSON; format++) {
        assert_null(kca_system_describe(s, format, &text));
        assert_non_null(strstr(text, "unencrypted_sasl"));
        kca_string_free(text);
    }
    kca_queue_free(q);
    kca_system_free(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_without_tls_must_be_allowed_by_name),
        cmocka_unit_test(test_what_is_safe_is_not_called_weak),
        cmocka_unit_test(test_verification_switched_off_is_told),
        cmocka_unit_test(test_properties_of_what_is_not_used_are_refused),
        cmocka_unit_test(test_two_mechanisms_are_a_contradiction),
        cmocka_unit_test(test_a_weakness_is_logged_at_start_and_described),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
