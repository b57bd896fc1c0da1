/* What is found wrong with hosts, one kind of server after the other. SIGPIPE would end this
 * program. */
#include "diagnosis_expect.h"

static const kca__tls plain = {.enabled = false};

static void test_finds_nothing_wrong_with_good_brokers(void **state) {
    kca__tls with_client = {true, ca_text, client_text, client_key_text, NULL};
    expect_of_server(fine, "127.0.0.1", (fake_wish){.tls = NULL}, &plain);
    expect_of_server(fine, "localhost", (fake_wish){.tls = NULL}, &plain);
    expect_of_server(fine, "127.0.0.1", (fake_wish){.tls = &good}, &trusting);
    expect_of_server(fine, "localhost", (fake_wish){.tls = &good}, &trusting);
    expect_of_server(fine, "127.0.0.1",
                     (fake_wish){.tls = &good, .tls_version = TLS1_2_VERSION, .client_ca = &ca},
                     &with_client);
    expect_of_server(fine, "127.0.0.1", (fake_wish){.tls = &good, .client_ca = &ca}, &with_client);
}

static void test_asks_for_the_server_by_name_but_not_by_address(void **state) {
    char asked[100] = "";
    fake_wish wish = {.tls = &good, .asked_name = asked};
    expect_of_server(fine, "localhost", wish, &trusting);
    assert_string_equal(asked, "localhost");
    expect_of_server(fine, "127.0.0.1", wish, &trusting);
    assert_string_equal(asked, "");
}

static void test_reaches_ipv6_addresses_in_brackets(void **state) {
    const identity *const certificates[] = {NULL, &good};
    for (int i = 0; i < 2; i++) {
        char host[100];
        fake_server *s = fake_server_start((fake_wish){.tls = certificates[i], .ipv6 = true});
        if (!s)
            skip();
        snprintf(host, sizeof host, "[::1]:%d", fake_server_port(s));
        expect(fine, host, i ? &trusting : &plain);
        fake_server_stop(s);
    }
}

static void test_says_when_nobody_listens(void **state) {
    char host[100];
    snprintf(host, sizeof host, "127.0.0.1:%d", closed_port());
    expected x = {
        KCA_ERROR_UNREACHABLE, false,
        "connection kafka: nobody listens at HOST (connection refused): check the address "
        "and that the broker runs"};
    expect(x, host, &plain);
    expect(x, host, &trusting);
}

/* Why it does not resolve is the machine's to say. */
static void test_says_when_a_name_does_not_resolve(void **state) {
    static const char begin[] =
        "connection kafka: the name no-such-host.invalid does not resolve (";
    static const char end[] = "): check the host name and DNS";
    kca__diagnosis d = kca__diagnose("kafka", "no-such-host.invalid:9092", &plain, TIMEOUT_MS);
    assert_non_null(d.error);
    assert_memory_equal(d.error->text, begin, strlen(begin));
    assert_string_equal(d.error->text + strlen(d.error->text) - strlen(end), end);
    assert_int_equal(d.error->code, KCA_ERROR_UNREACHABLE);
    assert_int_equal(d.error->retriable, 1);
    assert_false(d.definite);
    kca__error_free(d.error);
}

static void test_says_when_a_server_is_silent_or_closes(void **state) {
    expected silent = {KCA_ERROR_UNREACHABLE, false,
                       "connection kafka: HOST accepts connections but does not answer: check the "
                       "port and that the broker is well"};
    expected closing = {KCA_ERROR_UNREACHABLE, false,
                        "connection kafka: HOST accepts connections and closes them without an "
                        "answer: check that the broker behind it runs"};
    expect_of_server(silent, "127.0.0.1", (fake_wish){.manner = FAKE_SILENT}, &plain);
    expect_of_server(silent, "127.0.0.1", (fake_wish){.manner = FAKE_SILENT}, &trusting);
    expect_of_server(silent, "127.0.0.1", (fake_wish){.manner = FAKE_SILENT, .tls = &good},
                     &trusting);
    expect_of_server(closing, "127.0.0.1", (fake_wish){.manner = FAKE_CLOSING}, &plain);
    expect_of_server(closing, "127.0.0.1", (fake_wish){.manner = FAKE_CLOSING}, &trusting);
    expect_of_server(closing, "127.0.0.1", (fake_wish){.manner = FAKE_CLOSING, .tls = &good},
                     &trusting);
}

static void test_says_when_only_one_side_speaks_tls(void **state) {
    expected server_does = tls_error("connection kafka: HOST speaks TLS and this connection does "
                                     "not: add TLS to it (with_tls)");
    expected server_does_not =
        tls_error("connection kafka: HOST does not speak TLS and this connection does: use the "
                  "broker's TLS port, or leave TLS out (with_tls)");
    expect_of_server(server_does, "127.0.0.1", (fake_wish){.tls = &good}, &plain);
    expect_of_server(server_does, "127.0.0.1", (fake_wish){.tls = &good, .closes_on_plain = true},
                     &plain);
    expect_of_server(server_does, "127.0.0.1",
                     (fake_wish){.tls = &good, .closes_on_plain = true, .client_ca = &ca}, &plain);
    expect_of_server(server_does_not, "127.0.0.1", (fake_wish){.tls = NULL}, &trusting);
    expect_of_server(server_does_not, "127.0.0.1", (fake_wish){.manner = FAKE_WEB}, &trusting);
}

static void test_says_when_the_server_is_no_broker(void **state) {
    expected x = {KCA_ERROR_UNREACHABLE, true,
                  "connection kafka: HOST answers, but not as a Kafka broker does: check the port"};
    expect_of_server(x, "127.0.0.1", (fake_wish){.manner = FAKE_WEB}, &plain);
    expect_of_server(x, "127.0.0.1", (fake_wish){.manner = FAKE_WEB, .tls = &good}, &trusting);
}

static void test_is_content_with_one_good_host(void **state) {
    fake_server *s = fake_server_start((fake_wish){.tls = NULL});
    fake_server *tls = fake_server_start((fake_wish){.tls = &good});
    char hosts[300];
    snprintf(hosts, sizeof hosts,
             " 127.0.0.1:%d , no-such-host.invalid:1,127.0.0.1:%d,127.0.0.1:%d ", closed_port(),
             fake_server_port(tls), fake_server_port(s));
    expect(fine, hosts, &plain);
    fake_server_stop(s);
    fake_server_stop(tls);
}

static void test_prefers_a_definite_cause_over_one_that_may_pass(void **state) {
    fake_server *tls = fake_server_start((fake_wish){.tls = &good});
    char hosts[300], host[100];
    snprintf(host, sizeof host, "127.0.0.1:%d", fake_server_port(tls));
    snprintf(hosts, sizeof hosts, "%s,127.0.0.1:%d", host, closed_port());
    expect_within(TIMEOUT_MS,
                  tls_error("connection kafka: HOST speaks TLS and this connection does not: add "
                            "TLS to it (with_tls)"),
                  hosts, host, &plain);
    fake_server_stop(tls);
}

/* The silent ones may not use up the time of those after them. */
static void test_leaves_time_for_the_later_hosts(void **state) {
    fake_server *silent = fake_server_start((fake_wish){.manner = FAKE_SILENT});
    fake_server *s = fake_server_start((fake_wish){.tls = NULL});
    char hosts[300];
    snprintf(hosts, sizeof hosts, "127.0.0.1:%d,127.0.0.1:%d,127.0.0.1:%d",
             fake_server_port(silent), fake_server_port(silent), fake_server_port(s));
    expect_within(3 * SHORT_MS, fine, hosts, "", &plain);
    fake_server_stop(s);
    fake_server_stop(silent);
}

static void test_has_no_time_at_timeout_0(void **state) {
    fake_server *s = fake_server_start((fake_wish){.manner = FAKE_SILENT});
    char host[100];
    snprintf(host, sizeof host, "127.0.0.1:%d", fake_server_port(s));
    kca__diagnosis d = kca__diagnose("kafka", host, &plain, 0);
    assert_non_null(d.error);
    assert_int_equal(d.error->code, KCA_ERROR_UNREACHABLE);
    assert_false(d.definite);
    kca__error_free(d.error);
    fake_server_stop(s);
}

static void expect_bad_hosts(const char *hosts, const char *shown) {
    char text[500];
    snprintf(
        text, sizeof text,
        "connection kafka: hosts must be \"host:port,host:port\" with ports 1 to 65535 and IPv6 "
        "as \"[::1]:9092\", got %s",
        shown);
    expect((expected){KCA_ERROR_ARGUMENT, true, text}, hosts, &plain);
}

static void test_refuses_hosts_that_cannot_be(void **state) {
    expect_bad_hosts("localhost:9092,a:b", "\"a:b\"");
    expect_bad_hosts("a:0", "\"a:0\"");
    expect_bad_hosts("a:65536", "\"a:65536\"");
    expect_bad_hosts("a:1234567", "\"a:1234567\"");
    expect_bad_hosts("a:", "\"a:\"");
    expect_bad_hosts(":9092", "\":9092\"");
    expect_bad_hosts("::1", "\"::1\"");
    expect_bad_hosts("[::1:9092", "\"[::1:9092\"");
    expect_bad_hosts("[::1]9092", "\"[::1]9092\"");
    expect_bad_hosts("[]:9092", "\"[]:9092\"");
    expect_bad_hosts("SSL://a:9092", "\"SSL://a:9092\"");
    expect_bad_hosts("a b:9092", "\"a b:9092\"");
    expect_bad_hosts("alice:secret@a:9092", "\"@a:9092\"");
    expected none = {KCA_ERROR_ARGUMENT, true,
                     "connection kafka: hosts must be \"host:port,host:port\", got none"};
    expect(none, "", &plain);
    expect(none, " , ,", &plain);
}

static void test_begins_with_the_files(void **state) {
    kca__tls tls = {.enabled = true, .ca = "missing.pem"};
    expect(
        (expected){KCA_ERROR_ARGUMENT, true, "connection kafka: CA file missing.pem: no such file"},
        "no-such-host.invalid", &tls);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_nothing_wrong_with_good_brokers),
        cmocka_unit_test(test_asks_for_the_server_by_name_but_not_by_address),
        cmocka_unit_test(test_reaches_ipv6_addresses_in_brackets),
        cmocka_unit_test(test_says_when_nobody_listens),
        cmocka_unit_test(test_says_when_a_name_does_not_resolve),
        cmocka_unit_test(test_says_when_a_server_is_silent_or_closes),
        cmocka_unit_test(test_says_when_only_one_side_speaks_tls),
        cmocka_unit_test(test_says_when_the_server_is_no_broker),
        cmocka_unit_test(test_is_content_with_one_good_host),
        cmocka_unit_test(test_prefers_a_definite_cause_over_one_that_may_pass),
        cmocka_unit_test(test_leaves_time_for_the_later_hosts),
        cmocka_unit_test(test_has_no_time_at_timeout_0),
        cmocka_unit_test(test_refuses_hosts_that_cannot_be),
        cmocka_unit_test(test_begins_with_the_files),
    };
    return cmocka_run_group_tests(tests, make_all, drop_all);
}
