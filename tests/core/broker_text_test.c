/* What librdkafka 2.0.2 to 2.16.1 says of brokers. */
#include "testing.h"

#include "connection/broker_text.h"

static void must_read(const char *text, const char *address, bool coordinator, const char *rest) {
    kca__broker_text read;
    kca__broker_text_read(&read, text);
    assert_string_equal(read.address, address);
    assert_int_equal(read.coordinator, coordinator);
    assert_string_equal(read.rest, rest);
}

static void test_the_broker_is_read(void **state) {
    must_read("127.0.0.1:21841/1: Connect to ipv4#127.0.0.1:21841 failed: Connection refused",
              "127.0.0.1:21841", false,
              "Connect to ipv4#127.0.0.1:21841 failed: Connection refused");
    must_read("127.0.0.1:9092/bootstrap: Disconnected", "127.0.0.1:9092", false, "Disconnected");
    must_read("sasl_ssl://k.example.org:9093/12: SASL authentication error: refused",
              "k.example.org:9093", false, "SASL authentication error: refused");
    must_read("GroupCoordinator: 127.0.0.1:21841: Connect to ipv4#127.0.0.1:21841 failed",
              "127.0.0.1:21841", true, "Connect to ipv4#127.0.0.1:21841 failed");
    must_read("ssl://GroupCoordinator: k:9093: SSL handshake failed", "k:9093", true,
              "SSL handshake failed");
    must_read("ipv6-host/[::1]:9092/3: Disconnected", "", false,
              "ipv6-host/[::1]:9092/3: Disconnected");
    must_read("[::1]:9092/3: Disconnected", "[::1]:9092", false, "Disconnected");
}

static void test_other_texts_name_none(void **state) {
    must_read("1/1 brokers are down", "", false, "1/1 brokers are down");
    must_read("", "", false, "");
    must_read("Failed to resolve 'nowhere:9092': Name or service not known", "", false,
              "Failed to resolve 'nowhere:9092': Name or service not known");
    must_read("GroupCoordinator: Disconnected", "", true, "Disconnected");
    must_read(":9092/1: x", "", false, ":9092/1: x");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_broker_is_read),
        cmocka_unit_test(test_other_texts_name_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
