/* What is found wrong with TLS files and texts before any socket is opened. */
#include "base/error.h"
#include "certificates.h"
#include "connection/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include "testing.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char folder[] = "/tmp/kca-tls-XXXXXX";
static identity ca, client, other;
static char *ca_text, *client_text, *key_text, *other_key_text, *locked_key_text;

static int make_all(void **state) {
    ca = identity_new((identity_wish){.name = "test CA", .ca = true});
    client = identity_new((identity_wish){.name = "client", .signer = &ca});
    other = identity_new((identity_wish){.name = "other", .signer = &ca});
    ca_text = certificate_pem(&ca);
    client_text = certificate_pem(&client);
    key_text = key_pem(&client, NULL);
    other_key_text = key_pem(&other, NULL);
    locked_key_text = key_pem(&client, "open sesame");
    if (!mkdtemp(folder) || chdir(folder) != 0)
        return -1;
    write_text("ca.pem", ca_text, NULL);
    write_text("client.pem", client_text, NULL);
    write_text("client.key", key_text, NULL);
    write_text("other.key", other_key_text, NULL);
    write_text("locked.key", locked_key_text, NULL);
    write_text("empty.pem", "", NULL);
    write_text("junk.pem", "\x30\x82\x01\x02 not PEM", NULL);
    write_text("both.pem", client_text, key_text);
    return mkdir("folder", 0700);
}

static int drop_all(void **state) {
    static const char *const files[] = {"ca.pem",     "client.pem", "client.key", "other.key",
                                        "locked.key", "empty.pem",  "junk.pem",   "both.pem"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        unlink(files[i]);
    rmdir("folder");
    identity_free(&ca);
    identity_free(&client);
    identity_free(&other);
    free(ca_text);
    free(client_text);
    free(key_text);
    free(other_key_text);
    free(locked_key_text);
    return chdir("/") == 0 && rmdir(folder) == 0 ? 0 : -1;
}

static void expect_fine(kca__tls tls) {
    tls.enabled = true;
    kca_error *e = kca__tls_check("kafka", &tls);
    assert_string_equal(e ? e->text : "", "");
    assert_int_equal(ERR_peek_error(), 0);
}

/* Of the text what begins with `text`. */
static void expect(int code, const char *text, kca__tls tls) {
    tls.enabled = true;
    kca_error *e = kca__tls_check("kafka", &tls);
    char begin[500];
    assert_non_null(e);
    snprintf(begin, sizeof begin, "%.*s", (int)strlen(text), e->text);
    assert_string_equal(begin, text);
    assert_int_equal(e->code, code);
    assert_int_equal(e->retriable, 0);
    assert_int_equal(ERR_peek_error(), 0);
    kca__error_free(e);
}

static kca__tls ca_is(const char *given) {
    return (kca__tls){.ca = given};
}

static kca__tls client_is(const char *certificate, const char *key, const char *password) {
    return (kca__tls){.certificate = certificate, .key = key, .key_password = password};
}

static void test_tells_pem_text_from_a_path(void **state) {
    assert_true(kca__tls_is_pem(ca_text));
    assert_true(kca__tls_is_pem("\n-----BEGIN CERTIFICATE-----\n"));
    assert_true(kca__tls_is_pem("subject: CN=x\n-----BEGIN CERTIFICATE-----\n"));
    assert_false(kca__tls_is_pem("certs/ca.pem"));
    assert_false(kca__tls_is_pem(""));
    assert_false(kca__tls_is_pem(NULL));
}

static void test_takes_good_files_and_texts(void **state) {
    expect_fine(ca_is(NULL));
    expect_fine(ca_is("ca.pem"));
    expect_fine(ca_is(ca_text));
    expect_fine(client_is("client.pem", "client.key", NULL));
    expect_fine(client_is(client_text, key_text, NULL));
    expect_fine(client_is("client.pem", key_text, "not needed"));
    expect_fine(client_is("both.pem", "both.pem", NULL));
    expect_fine(client_is("client.pem", "locked.key", "open sesame"));
    expect_fine(client_is(client_text, locked_key_text, "open sesame"));
}

static void test_looks_at_nothing_when_tls_is_off(void **state) {
    kca__tls tls = ca_is("missing.pem");
    assert_null(kca__tls_check("kafka", &tls));
}

static void test_takes_a_certificate_with_its_chain(void **state) {
    identity middle = identity_new((identity_wish){.name = "middle", .signer = &ca, .ca = true});
    identity leaf = identity_new((identity_wish){.name = "leaf", .signer = &middle});
    char *leaf_text = certificate_pem(&leaf), *middle_text = certificate_pem(&middle);
    char *leaf_key = key_pem(&leaf, NULL);
    write_text("both.pem", leaf_text, middle_text);
    expect_fine(client_is("both.pem", leaf_key, NULL));

    write_text("both.pem", middle_text, leaf_text);
    expect(KCA_ERROR_TLS,
           "connection kafka: the given key text does not match certificate both.pem",
           client_is("both.pem", leaf_key, NULL));
    write_text("both.pem", client_text, key_text);
    free(leaf_text);
    free(middle_text);
    free(leaf_key);
    identity_free(&middle);
    identity_free(&leaf);
}

/* Old formats that openssl still writes: EC PARAMETERS before the key, and keys that are not
 * PKCS#8. */
static void test_takes_keys_of_old_formats(void **state) {
    const EVP_CIPHER *const ciphers[] = {NULL, EVP_aes_128_cbc()};
    for (int i = 0; i < 2; i++) {
        BIO *file = BIO_new_file("both.pem", "w");
        BIO_puts(file, "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n"
                       "-----END EC PARAMETERS-----\n");
        assert_true(PEM_write_bio_PrivateKey_traditional(file, client.key, ciphers[i],
                                                         (const unsigned char *)"old",
                                                         ciphers[i] ? 3 : 0, NULL, NULL));
        BIO_free(file);
        expect_fine(client_is("client.pem", "both.pem", "old"));
    }
    expect(KCA_ERROR_TLS, "connection kafka: key both.pem is encrypted: give its password",
           client_is("client.pem", "both.pem", NULL));
    write_text("both.pem", client_text, key_text);
}

static void test_names_files_that_cannot_be_read(void **state) {
    expect(KCA_ERROR_ARGUMENT, "connection kafka: CA file missing.pem: no such file",
           ca_is("missing.pem"));
    expect(KCA_ERROR_ARGUMENT, "connection kafka: CA file folder is a directory, not a file",
           ca_is("folder"));
    expect(KCA_ERROR_ARGUMENT, "connection kafka: CA file /dev/null is not a regular file",
           ca_is("/dev/null"));
    expect(KCA_ERROR_ARGUMENT, "connection kafka: CA file empty.pem is empty", ca_is("empty.pem"));
    expect(KCA_ERROR_ARGUMENT, "connection kafka: certificate missing.pem: no such file",
           client_is("missing.pem", "client.key", NULL));
    expect(KCA_ERROR_ARGUMENT, "connection kafka: key ca.pem/x: Not a directory",
           client_is("client.pem", "ca.pem/x", NULL));
}

static void test_wants_certificate_and_key_together(void **state) {
    expect(KCA_ERROR_ARGUMENT,
           "connection kafka: certificate client.pem comes without a key: give both or neither",
           client_is("client.pem", NULL, NULL));
    expect(KCA_ERROR_ARGUMENT,
           "connection kafka: the given key text comes without a certificate: give both",
           client_is(NULL, key_text, NULL));
}

static void test_says_what_a_file_holds_instead(void **state) {
    expect(KCA_ERROR_TLS, "connection kafka: CA file junk.pem is not PEM, it has no \"-----BEGIN\"",
           ca_is("junk.pem"));
    expect(KCA_ERROR_TLS, "connection kafka: CA file client.key holds no certificate, but a key",
           ca_is("client.key"));
    expect(KCA_ERROR_TLS, "connection kafka: key client.pem holds no private key",
           client_is("client.pem", "client.pem", NULL));
    expect(KCA_ERROR_TLS,
           "connection kafka: certificate client.key holds no certificate, but a key",
           client_is("client.key", "client.pem", NULL));
}

static void test_says_where_pem_breaks(void **state) {
    char text[5000];
    snprintf(text, sizeof text, "%s%s", ca_text, client_text);
    char *end = strstr(text, "-----END"); /* the letters alone may be in the base64 */
    end[65] = end[205] = '*';
    expect(KCA_ERROR_TLS,
           "connection kafka: the given CA text: certificate number 2 in it cannot be read (bad ",
           ca_is(text));

    snprintf(text, sizeof text, "%.200s", ca_text);
    expect(KCA_ERROR_TLS,
           "connection kafka: the given CA text: certificate number 1 in it cannot be read (",
           ca_is(text));
    expect(KCA_ERROR_TLS,
           "connection kafka: the given CA text: certificate number 1 in it cannot be read (it has "
           "\"\\n\" spelled out where lines should end)",
           ca_is("-----BEGIN CERTIFICATE-----\\nMIIB\\n-----END CERTIFICATE-----\\n"));

    snprintf(text, sizeof text, "%.100s\n-----END PRIVATE KEY-----\n", key_text);
    expect(KCA_ERROR_TLS, "connection kafka: the given key text: the private key cannot be read (",
           client_is(client_text, text, NULL));
}

static void test_says_which_key_needs_which_password(void **state) {
    expect(
        KCA_ERROR_TLS,
        "connection kafka: key locked.key is encrypted: give its password (with_tls_key_password)",
        client_is("client.pem", "locked.key", NULL));
    expect(KCA_ERROR_TLS,
           "connection kafka: the given key text: the password given does not open it",
           client_is("client.pem", locked_key_text, "open barley"));
    expect(KCA_ERROR_TLS, "connection kafka: key locked.key: the password given does not open it",
           client_is("client.pem", "locked.key", ""));
    char longest[3000];
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    expect(KCA_ERROR_TLS, "connection kafka: key locked.key: the password given does not open it",
           client_is("client.pem", "locked.key", longest));
}

static void test_refuses_a_key_of_another_certificate(void **state) {
    expect(KCA_ERROR_TLS, "connection kafka: key other.key does not match certificate client.pem",
           client_is("client.pem", "other.key", NULL));
    expect(KCA_ERROR_TLS,
           "connection kafka: the given key text does not match the given certificate text",
           client_is(client_text, other_key_text, NULL));
}

static void test_refuses_a_client_certificate_out_of_its_time(void **state) {
    char begin[200], day[20];
    time_t ends = time(NULL) - 3600;
    strftime(day, sizeof day, "%Y-%m-%d", gmtime(&ends));
    identity old = identity_new(
        (identity_wish){.name = "old", .signer = &ca, .begins_s = -7200, .ends_s = -3600});
    identity coming = identity_new(
        (identity_wish){.name = "coming", .signer = &ca, .begins_s = 86400, .ends_s = 172800});
    char *old_text = certificate_pem(&old), *old_key = key_pem(&old, NULL);
    char *coming_text = certificate_pem(&coming), *coming_key = key_pem(&coming, NULL);

    snprintf(begin, sizeof begin,
             "connection kafka: the given certificate text (\"CN=old\") has expired: it was valid "
             "until %s ",
             day);
    expect(KCA_ERROR_TLS, begin, client_is(old_text, old_key, NULL));
    expect(
        KCA_ERROR_TLS,
        "connection kafka: the given certificate text (\"CN=coming\") is not valid yet: its time "
        "begins at ",
        client_is(coming_text, coming_key, NULL));
    free(old_text);
    free(old_key);
    free(coming_text);
    free(coming_key);
    identity_free(&old);
    identity_free(&coming);
}

static void test_takes_a_bundle_as_long_as_one_ca_is_valid(void **state) {
    identity old = identity_new(
        (identity_wish){.name = "old CA", .ca = true, .begins_s = -7200, .ends_s = -3600});
    char *old_text = certificate_pem(&old);
    char text[5000];
    snprintf(text, sizeof text, "%s# our own\n%s%s", old_text, ca_text, ca_text);
    expect_fine(ca_is(text));
    expect(KCA_ERROR_TLS,
           "connection kafka: the given CA text: every certificate in it has expired, the last was "
           "valid until ",
           ca_is(old_text));
    free(old_text);
    identity_free(&old);
}

static void expect_hidden(kca__tls tls, const char *secret) {
    tls.enabled = true;
    kca_error *e = kca__tls_check("kafka", &tls);
    assert_non_null(e);
    assert_null(strstr(e->text, secret));
    kca__error_free(e);
}

/* A key in any shape is taken for a path by mistake only if that path is not shown. */
static void test_never_shows_keys_or_passwords(void **state) {
    char body[1000] = "";
    char lines[1000];
    const char *begin = strchr(key_text, '\n') + 1;
    snprintf(lines, sizeof lines, "%.*s", (int)(strstr(begin, "-----END") - begin), begin);
    size_t body_len = 0;
    for (const char *p = lines; *p; p++)
        if (*p != '\n')
            body[body_len++] = *p;
    char secret[21];
    snprintf(secret, sizeof secret, "%.20s", body + 40);

    expect_hidden(client_is("client.pem", body, NULL), secret);
    expect_hidden(client_is("client.pem", lines, NULL), secret);
    expect_hidden(client_is(body, "client.key", NULL), secret);
    body[64] = ' ';
    expect_hidden(client_is("client.pem", body, NULL), secret);
    expect_hidden(client_is(NULL, body, NULL), secret);
    expect_hidden(ca_is(lines), secret);
    expect_hidden(ca_is(key_text), secret);
    expect_hidden(client_is("client.pem", other_key_text, NULL), "BEGIN");
    expect_hidden(client_is("client.pem", "locked.key", "wrong password"), "wrong password");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tells_pem_text_from_a_path),
        cmocka_unit_test(test_takes_good_files_and_texts),
        cmocka_unit_test(test_looks_at_nothing_when_tls_is_off),
        cmocka_unit_test(test_takes_a_certificate_with_its_chain),
        cmocka_unit_test(test_takes_keys_of_old_formats),
        cmocka_unit_test(test_names_files_that_cannot_be_read),
        cmocka_unit_test(test_wants_certificate_and_key_together),
        cmocka_unit_test(test_says_what_a_file_holds_instead),
        cmocka_unit_test(test_says_where_pem_breaks),
        cmocka_unit_test(test_says_which_key_needs_which_password),
        cmocka_unit_test(test_refuses_a_key_of_another_certificate),
        cmocka_unit_test(test_refuses_a_client_certificate_out_of_its_time),
        cmocka_unit_test(test_takes_a_bundle_as_long_as_one_ca_is_valid),
        cmocka_unit_test(test_never_shows_keys_or_passwords),
    };
    return cmocka_run_group_tests(tests, make_all, drop_all);
}
