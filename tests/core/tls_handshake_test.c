/* What is found wrong with the certificates of brokers, and by brokers with those of clients. */
#include "diagnosis_expect.h"

#include <time.h>

static void test_names_the_ca_that_is_not_trusted(void **state) {
    kca__tls by_text = {.enabled = true, .ca = other_ca_text};
    kca__tls by_system = {.enabled = true};
    expect_of_server(tls_error("connection kafka: the certificate of HOST is signed by \"CN=test "
                               "CA\", which is not in the given CA text: give that CA (with_tls) "
                               "if this is the right broker"),
                     "127.0.0.1", (fake_wish){.tls = &good}, &by_text);
    expect_of_server(tls_error("connection kafka: the certificate of HOST is signed by \"CN=test "
                               "CA\", which is not in the system's list of CAs: give that CA "
                               "(with_tls) if this is the right broker"),
                     "127.0.0.1", (fake_wish){.tls = &good, .intermediate = &ca}, &by_system);

    identity foreign = identity_new(
        (identity_wish){.name = "foreign", .alt_names = "IP:127.0.0.1", .signer = &other_ca});
    char text[500];
    snprintf(text, sizeof text,
             "connection kafka: the certificate of HOST is signed by \"CN=another CA\", which is "
             "not in %s: give that CA (with_tls) if this is the right broker",
             ca_file);
    expect_of_server(tls_error(text), "127.0.0.1", (fake_wish){.tls = &foreign}, &trusting);
    identity_free(&foreign);
}

static void test_follows_chains_to_their_end(void **state) {
    identity middle = identity_new((identity_wish){.name = "middle", .signer = &ca, .ca = true});
    identity leaf = identity_new(
        (identity_wish){.name = "leaf", .alt_names = "IP:127.0.0.1", .signer = &middle});
    char *middle_text = certificate_pem(&middle);
    kca__tls by_middle = {.enabled = true, .ca = middle_text};
    kca__tls by_other = {.enabled = true, .ca = other_ca_text};
    fake_wish whole = {.tls = &leaf, .intermediate = &middle};
    char text[500];

    expect_of_server(fine, "127.0.0.1", whole, &trusting);
    snprintf(
        text, sizeof text,
        "connection kafka: the certificate of HOST is signed by \"CN=middle\", which is not in "
        "%s: give that CA (with_tls) if this is the right broker",
        ca_file);
    expect_of_server(tls_error(text), "127.0.0.1", (fake_wish){.tls = &leaf}, &trusting);
    expected leads = tls_error("connection kafka: the certificate of HOST leads to \"CN=test CA\", "
                               "which is not in the given CA text: give that CA (with_tls) if this "
                               "is the right broker");
    expect_of_server(leads, "127.0.0.1", whole, &by_middle);
    expect_of_server(leads, "127.0.0.1", whole, &by_other);
    free(middle_text);
    identity_free(&middle);
    identity_free(&leaf);
}

static void test_tells_a_ca_from_its_namesake(void **state) {
    for (int key_ids = 0; key_ids < 2; key_ids++) {
        identity twin =
            identity_new((identity_wish){.name = "test CA", .ca = true, .key_ids = key_ids == 1});
        identity leaf = identity_new((identity_wish){
            .name = "l", .alt_names = "IP:127.0.0.1", .signer = &twin, .key_ids = key_ids == 1});
        char text[500];
        snprintf(text, sizeof text,
                 "connection kafka: the certificate of HOST is signed by another \"CN=test CA\" "
                 "than the one in %s: same name, other key",
                 ca_file);
        expect_of_server(tls_error(text), "127.0.0.1", (fake_wish){.tls = &leaf}, &trusting);
        expect_of_server(tls_error(text), "127.0.0.1",
                         (fake_wish){.tls = &leaf, .intermediate = &twin}, &trusting);
        identity_free(&twin);
        identity_free(&leaf);
    }
}

static void test_takes_a_self_signed_certificate_only_when_it_is_given(void **state) {
    identity self = identity_new((identity_wish){.name = "self", .alt_names = "IP:127.0.0.1"});
    char *self_text = certificate_pem(&self);
    kca__tls given = {.enabled = true, .ca = self_text};
    char text[500];
    snprintf(text, sizeof text,
             "connection kafka: the certificate of HOST is self-signed (\"CN=self\") and is not in "
             "%s: give it as CA (with_tls) if this is the right broker",
             ca_file);
    expect_of_server(tls_error(text), "127.0.0.1", (fake_wish){.tls = &self}, &trusting);
    expect_of_server(fine, "127.0.0.1", (fake_wish){.tls = &self}, &given);
    free(self_text);
    identity_free(&self);
}

/* As "2026-01-02 03:04:05 UTC"; the certificate was made within this second or the one before. */
static void expect_time(const char *before, const char *after, long from_now_s,
                        identity_wish wish) {
    identity i = identity_new(wish);
    char time_text[40], text[500];
    struct tm tm;
    ASN1_TIME_to_tm(from_now_s < 0 ? X509_get0_notAfter(i.certificate)
                                   : X509_get0_notBefore(i.certificate),
                    &tm);
    assert_true(labs(timegm(&tm) - time(NULL) - from_now_s) < 5);
    strftime(time_text, sizeof time_text, "%Y-%m-%d %H:%M:%S UTC", &tm);
    snprintf(text, sizeof text, "connection kafka: the certificate of HOST %s %s%s", before,
             time_text, after);
    expect_of_server(tls_error(text), "127.0.0.1", (fake_wish){.tls = &i}, &trusting);
    identity_free(&i);
}

static void test_says_until_when_and_from_when_a_certificate_is_valid(void **state) {
    expect_time("has expired: it was valid until", "", -DAY_S,
                (identity_wish){.name = "old",
                                .alt_names = "IP:127.0.0.1",
                                .signer = &ca,
                                .begins_s = -2 * DAY_S,
                                .ends_s = -DAY_S});
    expect_time("is not valid yet: its time begins at", " (is this machine's clock right?)", DAY_S,
                (identity_wish){.name = "coming",
                                .alt_names = "IP:127.0.0.1",
                                .signer = &ca,
                                .begins_s = DAY_S,
                                .ends_s = 2 * DAY_S});
}

static void test_says_which_ca_of_a_chain_has_expired(void **state) {
    identity middle = identity_new((identity_wish){
        .name = "middle", .signer = &ca, .ca = true, .begins_s = -2 * DAY_S, .ends_s = -DAY_S});
    identity leaf = identity_new(
        (identity_wish){.name = "leaf", .alt_names = "IP:127.0.0.1", .signer = &middle});
    char time_text[40], text[500];
    struct tm tm;
    ASN1_TIME_to_tm(X509_get0_notAfter(middle.certificate), &tm);
    strftime(time_text, sizeof time_text, "%Y-%m-%d %H:%M:%S UTC", &tm);
    snprintf(
        text, sizeof text,
        "connection kafka: the CA \"CN=middle\" of the certificate of HOST has expired: it was "
        "valid until %s",
        time_text);
    expect_of_server(tls_error(text), "127.0.0.1",
                     (fake_wish){.tls = &leaf, .intermediate = &middle}, &trusting);
    identity_free(&middle);
    identity_free(&leaf);
}

static void expect_names(const char *name, const char *alt_names, const char *shown) {
    identity i = identity_new((identity_wish){.name = name, .alt_names = alt_names, .signer = &ca});
    char text[800];
    snprintf(text, sizeof text,
             "connection kafka: the certificate of HOST is issued for %s, not for 127.0.0.1: use a "
             "name of the certificate, or have this one added to it",
             shown);
    expect_of_server(tls_error(text), "127.0.0.1", (fake_wish){.tls = &i}, &trusting);
    identity_free(&i);
}

static void test_lists_the_names_of_a_certificate_for_others(void **state) {
    expect_names("x", "DNS:wrong.example,DNS:other.example", "wrong.example, other.example");
    expect_names("x", "DNS:*.example,IP:10.1.2.3,IP:fe80::1,email:a@b.example",
                 "*.example, 10.1.2.3, fe80::1");
    expect_names("127.0.0.1", NULL, "CN=127.0.0.1");
    expect_names(NULL, NULL, "no host at all");

    char long_name[65], names[400], shown[400];
    memset(long_name, 'a', 60);
    snprintf(long_name + 60, sizeof long_name - 60, ".b");
    snprintf(names, sizeof names, "DNS:%s,DNS:%s,DNS:%s,DNS:%s,DNS:c.example", long_name, long_name,
             long_name, long_name);
    snprintf(shown, sizeof shown, "%s, %s, %s, ...", long_name, long_name, long_name);
    expect_names("x", names, shown);
}

static void test_compares_the_name_that_was_asked_for(void **state) {
    identity i =
        identity_new((identity_wish){.name = "x", .alt_names = "IP:127.0.0.1", .signer = &ca});
    expect_of_server(
        tls_error("connection kafka: the certificate of HOST is issued for 127.0.0.1, CN=x, "
                  "not for localhost: use a name of the certificate, or have this one added "
                  "to it"),
        "localhost", (fake_wish){.tls = &i}, &trusting);
    expect_of_server(fine, "127.0.0.1", (fake_wish){.tls = &i}, &trusting);
    identity_free(&i);
}

/* With TLS 1.3 the alert comes after the handshake. */
static void test_says_that_a_client_certificate_is_required(void **state) {
    fake_wish wish = {.tls = &good, .client_ca = &ca, .tls_version = TLS1_2_VERSION};
    expect_of_server(
        tls_error("connection kafka: HOST requires a client certificate and this "
                  "connection has none: give certificate and key (with_tls) (TLS alert "
                  "40, handshake failure)"),
        "127.0.0.1", wish, &trusting);
    wish.tls_version = TLS1_3_VERSION;
    expect_of_server(
        tls_error("connection kafka: HOST requires a client certificate and this "
                  "connection has none: give certificate and key (with_tls) (TLS alert "
                  "116, certificate required)"),
        "127.0.0.1", wish, &trusting);
}

static void test_says_that_the_client_certificate_is_refused(void **state) {
    const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    kca__tls tls = {true, ca_text, foreign_text, foreign_key, NULL};
    for (int i = 0; i < 2; i++)
        expect_of_server(
            tls_error("connection kafka: HOST does not accept the given certificate text as client "
                      "certificate (TLS alert 48, unknown ca): the broker must trust its signer"),
            "127.0.0.1", (fake_wish){.tls = &good, .client_ca = &ca, .tls_version = versions[i]},
            &tls);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_the_ca_that_is_not_trusted),
        cmocka_unit_test(test_follows_chains_to_their_end),
        cmocka_unit_test(test_tells_a_ca_from_its_namesake),
        cmocka_unit_test(test_takes_a_self_signed_certificate_only_when_it_is_given),
        cmocka_unit_test(test_says_until_when_and_from_when_a_certificate_is_valid),
        cmocka_unit_test(test_says_which_ca_of_a_chain_has_expired),
        cmocka_unit_test(test_lists_the_names_of_a_certificate_for_others),
        cmocka_unit_test(test_compares_the_name_that_was_asked_for),
        cmocka_unit_test(test_says_that_a_client_certificate_is_required),
        cmocka_unit_test(test_says_that_the_client_certificate_is_refused),
    };
    return cmocka_run_group_tests(tests, make_all, drop_all);
}
