#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "kafka/property.h"
#include "kafka/property_table.h"
#include "system/native_property.h"

static void assert_refused(kca_error *e, const char *text) {
    assert_int_equal(kca_error_code(e), KCA_ERROR_ARGUMENT);
    assert_string_equal(kca_error_text(e), text);
    kca__error_free(e);
}

static kca_error *set(int on, const char *name, const char *value) {
    kca__properties p = {0};
    kca_error *e = kca__native_property_set(&p, on, "publisher orders", name, value);
    assert_int_equal(p.count, e ? 0 : 1);
    kca__properties_close(&p);
    return e;
}

static void test_a_property_is_set_replaced_and_copied(void **state) {
    kca__properties p = {0}, copy;
    assert_null(kca__properties_set(&p, KCA__ON_CONNECTION, "c", "client.id", "a"));
    assert_null(kca__properties_set(&p, KCA__ON_CONNECTION, "c", "debug", "broker"));
    assert_null(kca__properties_set(&p, KCA__ON_CONNECTION, "c", "client.id", "b"));
    assert_int_equal(p.count, 2);
    assert_true(kca__properties_copy(&copy, &p));
    kca__properties_close(&p);
    assert_string_equal(kca__properties_get(&copy, "client.id"), "b");
    assert_string_equal(kca__properties_get(&copy, "debug"), "broker");
    assert_null(kca__properties_get(&copy, "log_level"));
    kca__properties_close(&copy);
}

static void test_an_unknown_name_is_refused_with_the_nearest(void **state) {
    kca_error *e = set(KCA__ON_PUBLISHER, "client.idd", "a");
    assert_non_null(
        strstr(kca_error_text(e), "has no property client.idd; the nearest is client.id"));
    kca__error_free(e);
    e = set(KCA__ON_PUBLISHER, "sokcet.keepalive.enabled", "true");
    assert_non_null(strstr(kca_error_text(e), "the nearest is socket.keepalive.enable"));
    kca__error_free(e);
}

static void test_what_an_option_stands_for_is_refused_with_the_option(void **state) {
    assert_refused(set(KCA__ON_PUBLISHER, "linger.ms", "5"),
                   "publisher orders: property linger.ms is not set by name: use linger_ms");
    assert_refused(set(KCA__ON_CONNECTION, "ssl.key.password", "x"),
                   "publisher orders: property ssl.key.password is not set by name: use "
                   "with_tls_key_password");
    assert_refused(set(KCA__ON_CONSUMER, "socket.timeout.ms", "5000"),
                   "publisher orders: property socket.timeout.ms is not set by name: use "
                   "read_batch_timeout_ms");
    assert_null(set(KCA__ON_CONNECTION, "socket.timeout.ms", "5000"));
}

static void test_an_adapter_weakens_nothing(void **state) {
    const char *const properties[] = {"enable.ssl.certificate.verification", "ssl.cipher.suites",
                                      "sasl.mechanisms", "enable.sasl.oauthbearer.unsecure.jwt"};
    for (int i = 0; i < 4; i++)
        for (int on = KCA__ON_PUBLISHER; on <= KCA__ON_CONSUMER; on++) {
            kca_error *e = set(on, properties[i], "false");
            assert_non_null(strstr(kca_error_text(e), "is set on the connection, for all"));
            kca__error_free(e);
        }
}

static void test_a_property_of_the_other_side_is_refused(void **state) {
    assert_refused(set(KCA__ON_PUBLISHER, "fetch.error.backoff.ms", "5"),
                   "publisher orders: property fetch.error.backoff.ms is for consumers");
    assert_refused(set(KCA__ON_CONSUMER, "message.timeout.ms", "5"),
                   "publisher orders: property message.timeout.ms is for publishers");
    assert_null(set(KCA__ON_CONNECTION, "message.timeout.ms", "5"));
}

static void test_a_bad_value_is_refused_but_a_secret_one_not_told(void **state) {
    kca_error *e = set(KCA__ON_CONNECTION, "log_level", "loud");
    assert_non_null(strstr(kca_error_text(e), "publisher orders: property log_level=loud: "));
    kca__error_free(e);
    e = set(KCA__ON_CONNECTION, "ssl.keystore.password", "");
    assert_true(!e || !strstr(kca_error_text(e), "="));
    kca__error_free(e);
}

static void test_a_property_needs_a_name_and_a_value(void **state) {
    const char *const text = "publisher orders: a property needs a name and a value";
    assert_refused(set(KCA__ON_CONNECTION, NULL, "x"), text);
    assert_refused(set(KCA__ON_CONNECTION, "", "x"), text);
    assert_refused(set(KCA__ON_CONNECTION, "client.id", NULL), text);
}

static void assert_set_to(const rd_kafka_conf_t *conf, const char *name, const char *expected) {
    char value[20];
    size_t size = sizeof value;
    assert_int_equal(rd_kafka_conf_get(conf, name, value, &size), RD_KAFKA_CONF_OK);
    assert_string_equal(value, expected);
}

static void test_only_what_the_side_takes_is_applied(void **state) {
    kca__properties p = {0};
    assert_null(kca__properties_set(&p, KCA__ON_CONNECTION, "c", "message.timeout.ms", "1234"));
    assert_null(kca__properties_set(&p, KCA__ON_CONNECTION, "c", "fetch.error.backoff.ms", "77"));
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    assert_null(kca__properties_apply(&p, conf, false, "c"));
    assert_set_to(conf, "fetch.error.backoff.ms", "77");
    char *dump = kca__property_dump(conf);
    assert_null(strstr(dump, "1234"));
    free(dump);
    rd_kafka_conf_destroy(conf);
    kca__properties_close(&p);
}

static void test_a_dump_shows_no_secret(void **state) {
    const char *const secrets[][2] = {{"sasl.password", "hunter22"},
                                      {"ssl.key.password", "hunter33"},
                                      {"ssl.keystore.password", "hunter44"},
                                      {"sasl.oauthbearer.client.secret", "hunter55"},
                                      {"sasl.oauthbearer.config", "hunter66"}};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
        assert_true(kca__property_is_secret(secrets[i][0]));
        kca__error_free(kca__property_apply(conf, "c", secrets[i][0], secrets[i][1]));
    }
    assert_null(kca__property_apply(conf, "c", "client.id", "shown"));
    char *dump = kca__property_dump(conf);
    assert_null(strstr(dump, "hunter"));
    assert_non_null(strstr(dump, "\"client.id\":\"shown\""));
    free(dump);
    rd_kafka_conf_destroy(conf);
    assert_false(kca__property_is_secret("client.id"));
}

static void test_a_table_is_set_until_a_value_is_refused(void **state) {
    const char *const properties[][2] = {
        {"client.id", "a"}, {"fetch.error.backoff.ms", NULL}, {"acks", "many"}, {"linger.ms", "7"}};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    assert_null(kca__property_apply_all(conf, "publisher orders", properties, 2));
    assert_set_to(conf, "client.id", "a");
    assert_set_to(conf, "fetch.error.backoff.ms", "500");
    kca_error *e = kca__property_apply_all(conf, "publisher orders", properties, 4);
    assert_int_equal(kca_error_code(e), KCA_ERROR_ARGUMENT);
    assert_non_null(strstr(kca_error_text(e), "publisher orders: property acks=many: "));
    kca__error_free(e);
    assert_set_to(conf, "linger.ms", "5");
    assert_null(kca__property_apply_int(conf, "publisher orders", "linger.ms", 7));
    assert_set_to(conf, "linger.ms", "7");
    rd_kafka_conf_destroy(conf);
}

static void test_the_table_knows_every_name_of_librdkafka_and_its_side(void **state) {
    assert_int_equal(kca__property_table_find("client.id")->scope, '*');
    assert_int_equal(kca__property_table_find("linger.ms")->scope, 'P');
    assert_int_equal(kca__property_table_find("group.id")->scope, 'C');
    assert_null(kca__property_table_find("client"));
    assert_true(kca__property_is_known("acks"));
    assert_false(kca__property_is_known(""));
    assert_string_equal(kca__property_table_nearest("linger.sm"), "linger.ms");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_property_is_set_replaced_and_copied),
        cmocka_unit_test(test_an_unknown_name_is_refused_with_the_nearest),
        cmocka_unit_test(test_what_an_option_stands_for_is_refused_with_the_option),
        cmocka_unit_test(test_an_adapter_weakens_nothing),
        cmocka_unit_test(test_a_property_of_the_other_side_is_refused),
        cmocka_unit_test(test_a_bad_value_is_refused_but_a_secret_one_not_told),
        cmocka_unit_test(test_a_property_needs_a_name_and_a_value),
        cmocka_unit_test(test_only_what_the_side_takes_is_applied),
        cmocka_unit_test(test_a_dump_shows_no_secret),
        cmocka_unit_test(test_a_table_is_set_until_a_value_is_refused),
        cmocka_unit_test(test_the_table_knows_every_name_of_librdkafka_and_its_side),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
