/* TLS on a real broker: what works, and what each mistake is told as. */
#include "connection_helpers.h"
#include "fake_server.h"

#include <openssl/pem.h>
#include <stdio.h>

static void test_tls_with_a_ca_file(void **state) {
    must_publish_over(tls_to(listener("TLS"), certificate_file("ca.pem"), NULL, NULL),
                      unique("tls"));
}

static void test_tls_with_ca_text(void **state) {
    char *ca = text_of(certificate_file("ca.pem"));
    must_publish_over(tls_to(listener("TLS"), ca, NULL, NULL), unique("tls"));
    free(ca);
}

static void test_mutual_tls_with_files(void **state) {
    const char *topic = unique("mtls");
    char words[300];
    topic_create(topic, 1);
    snprintf(words, sizeof words,
             "acl --add --allow-principal User:kca-client --operation all --topic %s", topic);
    cluster_do(words);
    must_publish_over(tls_to(listener("MTLS"), certificate_file("ca.pem"),
                             certificate_file("client.pem"), certificate_file("client.key")),
                      topic);
    assert_int_equal(topic_end(topic, 0), 1);
}

static void test_mutual_tls_with_texts(void **state) {
    char *ca = text_of(certificate_file("ca.pem")), *key = text_of(certificate_file("client.key")),
         *certificate = text_of(certificate_file("client.pem"));
    must(start_over(tls_to(listener("MTLS"), ca, certificate, key), START_MS));
    free(ca);
    free(certificate);
    free(key);
}

static void test_a_chain_through_an_intermediate_ca(void **state) {
    const char *ca = certificate_file("ca.pem"), *file = certificate_file("chained.pem"),
               *key_file = certificate_file("chained.key");
    must(start_over(tls_to(listener("MTLS"), ca, file, key_file), START_MS));
    char *certificate = text_of(file), *key = text_of(key_file);
    must(start_over(tls_to(listener("MTLS"), ca, certificate, key), START_MS));
    free(certificate);
    free(key);
}

/* The client's key, encrypted; freed with free(). */
static char *encrypted_key(const char *password) {
    FILE *file = fopen(certificate_file("client.key"), "r");
    assert_non_null(file);
    identity client = {.key = PEM_read_PrivateKey(file, NULL, NULL, NULL)};
    fclose(file);
    assert_non_null(client.key);
    char *text = key_pem(&client, password);
    identity_free(&client);
    return text;
}

static kca_connection *with_encrypted_key(const char *key, const char *password) {
    kca_connection *c =
        tls_to(listener("MTLS"), certificate_file("ca.pem"), certificate_file("client.pem"), key);
    if (password)
        kca_connection_with_tls_key_password(c, password);
    return c;
}

static void test_an_encrypted_key_is_opened_by_its_password(void **state) {
    char *key = encrypted_key("open-sesame");
    must(start_over(with_encrypted_key(key, "open-sesame"), START_MS));
    must_be_refused_at_once(with_encrypted_key(key, NULL), KCA_ERROR_TLS, "encrypted",
                            "with_tls_key_password");
    kca_error *e = start_over(with_encrypted_key(key, "open-barley"), START_MS);
    must_lack(kca_error_text(e), "open-barley");
    must_fail(e, KCA_ERROR_TLS, "password");
    free(key);
}

static void test_a_broker_of_another_ca_is_refused_naming_the_ca_file(void **state) {
    const char *ca = certificate_file("ca.pem"), *other = certificate_file("other-ca.pem");
    must_be_refused_at_once(tls_to(listener("OTHER_CA"), ca, NULL, NULL), KCA_ERROR_TLS,
                            "connection kafka", ca, listener("OTHER_CA"));
    must_be_refused_at_once(tls_to(listener("TLS"), other, NULL, NULL), KCA_ERROR_TLS, other);
}

static void test_an_expired_certificate_is_refused_with_its_date(void **state) {
    must_be_refused_at_once(tls_to(listener("EXPIRED"), certificate_file("ca.pem"), NULL, NULL),
                            KCA_ERROR_TLS, "expired", "2021");
}

static void test_a_wrong_name_is_refused_with_the_names_there(void **state) {
    must_be_refused_at_once(tls_to(listener("WRONG_NAME"), certificate_file("ca.pem"), NULL, NULL),
                            KCA_ERROR_TLS, "127.0.0.1", "wrong.example", "other.example");
}

static void test_a_key_of_another_certificate_is_refused(void **state) {
    must_be_refused_at_once(tls_to(listener("MTLS"), certificate_file("ca.pem"),
                                   certificate_file("client.pem"),
                                   certificate_file("mismatched.key")),
                            KCA_ERROR_TLS, "client.pem", "mismatched.key");
}

static void test_a_missing_file_is_named(void **state) {
    must_be_refused_at_once(tls_to(listener("TLS"), "/nowhere/ca.pem", NULL, NULL),
                            KCA_ERROR_ARGUMENT, "/nowhere/ca.pem", "no such file");
}

static void test_a_client_without_the_certificate_asked_for_is_refused(void **state) {
    must_be_refused_at_once(tls_to(listener("MTLS"), certificate_file("ca.pem"), NULL, NULL),
                            KCA_ERROR_TLS, listener("MTLS"), "certificate", "with_tls");
}

static void test_plain_to_a_tls_listener_says_so(void **state) {
    must_be_refused_at_once(connection_to(listener("TLS")), KCA_ERROR_TLS, "speaks TLS",
                            "with_tls");
}

static void test_tls_to_a_plain_listener_says_so(void **state) {
    must_be_refused_at_once(tls_to(listener("PLAINTEXT"), certificate_file("ca.pem"), NULL, NULL),
                            KCA_ERROR_TLS, "does not speak TLS");
}

static void test_nobody_listens_there(void **state) {
    char hosts[40];
    snprintf(hosts, sizeof hosts, "127.0.0.1:%d", closed_port());
    must_be_refused_in_time(connection_to(hosts), 2000, KCA_ERROR_UNREACHABLE, "nobody listens",
                            hosts);
}

static void test_a_name_that_does_not_resolve(void **state) {
    must_be_refused_in_time(connection_to("no-such-broker.invalid:9092"), 2000,
                            KCA_ERROR_UNREACHABLE, "no-such-broker.invalid", "does not resolve");
}

static void test_a_server_that_never_answers(void **state) {
    fake_server *server = fake_server_start((fake_wish){.manner = FAKE_SILENT});
    char hosts[40];
    snprintf(hosts, sizeof hosts, "127.0.0.1:%d", fake_server_port(server));
    must_be_refused_in_time(connection_to(hosts), 3000, KCA_ERROR_UNREACHABLE, hosts);
    fake_server_stop(server);
}

static void test_one_good_host_of_two_is_enough(void **state) {
    char hosts[100];
    snprintf(hosts, sizeof hosts, "127.0.0.1:%d,%s", closed_port(), listener("PLAINTEXT"));
    must(start_over(connection_to(hosts), START_MS));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tls_with_a_ca_file),
        cmocka_unit_test(test_tls_with_ca_text),
        cmocka_unit_test(test_mutual_tls_with_files),
        cmocka_unit_test(test_mutual_tls_with_texts),
        cmocka_unit_test(test_a_chain_through_an_intermediate_ca),
        cmocka_unit_test(test_an_encrypted_key_is_opened_by_its_password),
        cmocka_unit_test(test_a_broker_of_another_ca_is_refused_naming_the_ca_file),
        cmocka_unit_test(test_an_expired_certificate_is_refused_with_its_date),
        cmocka_unit_test(test_a_wrong_name_is_refused_with_the_names_there),
        cmocka_unit_test(test_a_key_of_another_certificate_is_refused),
        cmocka_unit_test(test_a_missing_file_is_named),
        cmocka_unit_test(test_a_client_without_the_certificate_asked_for_is_refused),
        cmocka_unit_test(test_plain_to_a_tls_listener_says_so),
        cmocka_unit_test(test_tls_to_a_plain_listener_says_so),
        cmocka_unit_test(test_nobody_listens_there),
        cmocka_unit_test(test_a_name_that_does_not_resolve),
        cmocka_unit_test(test_a_server_that_never_answers),
        cmocka_unit_test(test_one_good_host_of_two_is_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
