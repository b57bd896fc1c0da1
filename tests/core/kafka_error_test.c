#include "testing.h"

#include "kafka/kafka_error.h"

static void test_an_error_tells_what_of_librdkafka_it_comes_of(void **state) {
    kca_error *e = kca__error_from_kafka(KCA_ERROR_BROKER, RD_KAFKA_RESP_ERR__TRANSPORT,
                                         KCA__RETRIABLE, "topic %s: %s", "orders", "gone");
    assert_int_equal(kca_error_code(e), KCA_ERROR_BROKER);
    assert_int_equal(kca_error_rdkafka_code(e), RD_KAFKA_RESP_ERR__TRANSPORT);
    assert_int_equal(kca_error_retriable(e), 1);
    assert_int_equal(kca_error_fatal(e), 0);
    assert_string_equal(kca_error_text(e), "topic orders: gone");
    kca_error_free(e);
}

static void test_what_refuses_a_record_has_a_code_of_ours(void **state) {
    const struct {
        rd_kafka_resp_err_t err;
        int code;
    } rows[] = {
        {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, KCA_ERROR_TOO_LARGE},
        {RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, KCA_ERROR_TOO_LARGE},
        {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, KCA_ERROR_AUTHORIZATION},
        {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, KCA_ERROR_AUTHORIZATION},
        {RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, KCA_ERROR_NOT_STORED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(kca__error_code_of_record(rows[i].err, KCA_ERROR_NOT_STORED),
                         rows[i].code);
}

/* The row is the whole rule of what is tried again. */
static void test_a_refusal_for_good_is_told_apart_from_trouble_that_passes(void **state) {
    static const struct {
        rd_kafka_resp_err_t err;
        kca__refusal refusal;
    } rows[] = {
        {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, KCA__REFUSAL_RECORD},
        {RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, KCA__REFUSAL_RECORD},
        {RD_KAFKA_RESP_ERR_INVALID_RECORD, KCA__REFUSAL_RECORD},
        {RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP, KCA__REFUSAL_RECORD},
        {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, KCA__REFUSAL_TOPIC},
        {RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, KCA__REFUSAL_TOPIC},
        {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, KCA__REFUSAL_TOPIC},
        {RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, KCA__REFUSAL_TOPIC},
        {RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION, KCA__REFUSAL_TOPIC},
        {RD_KAFKA_RESP_ERR_NO_ERROR, KCA__REFUSAL_NONE}, /* not confirmed */
        {RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, KCA__REFUSAL_NONE},
        {RD_KAFKA_RESP_ERR__TRANSPORT, KCA__REFUSAL_NONE},
        {RD_KAFKA_RESP_ERR__QUEUE_FULL, KCA__REFUSAL_NONE},
        {RD_KAFKA_RESP_ERR__PURGE_QUEUE, KCA__REFUSAL_NONE},
        {RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, KCA__REFUSAL_NONE},
        {RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, KCA__REFUSAL_NONE},
        {RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR, KCA__REFUSAL_NONE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(kca__error_refusal(rows[i].err), rows[i].refusal);
}

static void test_a_topic_is_missing_to_the_broker_or_to_librdkafka(void **state) {
    assert_true(kca__error_is_missing_topic(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART));
    assert_true(kca__error_is_missing_topic(RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC));
    assert_false(kca__error_is_missing_topic(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED));
    assert_false(kca__error_is_missing_topic(RD_KAFKA_RESP_ERR_NO_ERROR));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_error_tells_what_of_librdkafka_it_comes_of),
        cmocka_unit_test(test_what_refuses_a_record_has_a_code_of_ours),
        cmocka_unit_test(test_a_refusal_for_good_is_told_apart_from_trouble_that_passes),
        cmocka_unit_test(test_a_topic_is_missing_to_the_broker_or_to_librdkafka),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
