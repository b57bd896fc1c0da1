/* What librdkafka takes for stored, and no broker has confirmed. On a cluster of librdkafka's that
 * answers as it is told to. */
#include "behaviour.h"
#include "systems.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

enum { PRODUCE = 0, COME_MS = 20000, ANSWER_MS = 300 };

typedef struct cluster {
    rd_kafka_t *rk;
    rd_kafka_mock_cluster_t *mock;
} cluster;

static cluster open_cluster(const char *topic) {
    char reason[300];
    cluster c = {.rk = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), reason, sizeof reason)};
    assert_non_null(c.rk);
    c.mock = rd_kafka_mock_cluster_new(c.rk, 1);
    assert_int_equal(rd_kafka_mock_topic_create(c.mock, topic, 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    return c;
}

static void close_cluster(cluster *c) {
    rd_kafka_mock_cluster_destroy(c->mock);
    rd_kafka_destroy(c->rk);
}

/* Each in a request of its own, and they are under way at once. */
static kca_publisher_builder *one_by_one(const char *topic) {
    kca_publisher_builder *b = publisher_of(topic);
    kca_publisher_builder_with_idempotence(b, 1);
    kca_publisher_builder_with_batch_size(b, 1);
    kca_publisher_builder_with_linger_ms(b, 0);
    return b;
}

/* The codes of the receipts, by token. */
static void take_receipts(kca_queue *q, int count, int *codes) {
    while (count-- > 0) {
        kca_event *receipt = next_event(q, KCA_EVENT_RECEIPT, COME_MS);
        assert_non_null(receipt);
        codes[kca_event_token(receipt)] = kca_error_code(kca_event_error(receipt));
        if (!kca_event_error(receipt))
            assert_true(kca_event_offset(receipt) >= 0);
        kca_event_free(receipt);
    }
}

/* The broker refuses the first, which is to be sent again, and takes the second: librdkafka
 * concludes that it has the first, too. A broker below 4.5 does so with the first of a partition.
 */
static void test_a_message_that_only_a_later_ones_receipt_speaks_for_is_not_stored(void **state) {
    int codes[4] = {-1, -1, -1, -1};
    const char *topic = unique("unconfirmed");
    cluster c = open_cluster(topic);
    kca_system *s = system_on(rd_kafka_mock_cluster_bootstraps(c.mock));
    give_publisher(s, one_by_one(topic));
    start(s);
    kca_queue *q = queue_of(s);
    kca_bus *bus = bus_of(s, topic);
    publish_things(bus, 0, 1, 1, 1);
    take_receipts(q, 1, codes);
    assert_int_equal(codes[1], KCA_OK);
    rd_kafka_mock_broker_set_rtt(c.mock, 1, ANSWER_MS);
    rd_kafka_mock_push_request_errors(c.mock, PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION);
    publish_things(bus, 1, 2, 1, 1);
    take_receipts(q, 2, codes);
    assert_int_equal(codes[2], KCA_ERROR_NOT_STORED);
    assert_int_equal(codes[3], KCA_OK);
    kca_bus_free(bus);
    kca_queue_free(q);
    finish(s);
    close_cluster(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_message_that_only_a_later_ones_receipt_speaks_for_is_not_stored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
