/* What a broker says that refuses a member for good, on librdkafka's mock cluster. */
#include "mock_cluster.h"
#include "recorder.h"
#include "systems.h"

enum {
    GROUP_HEARTBEAT = 68,
    PROTOCOL_READY = 0x020c00ff,
    UNRELEASED_INSTANCE_ID = 111,
    UNSUPPORTED_ASSIGNOR = 112,
    END_MS = 30000
};

static kca_consumer_builder *member(void) {
    kca_consumer_builder *b;
    must(kca_consumer_builder_new(&b, "kafka", "in", "reader"));
    kca_consumer_builder_with_group_protocol(b, "consumer");
    kca_consumer_builder_with_group_remote_assignor(b, "uniform");
    kca_consumer_builder_with_group_instance_id(b, "red");
    return b;
}

/* The run of a member of that cluster ends so. */
static void must_end(rd_kafka_mock_cluster_t *mock, int code, const char *text) {
    kca_system *s = system_on(rd_kafka_mock_cluster_bootstraps(mock));
    recorder *r = recorder_new();
    give_consumer(s, member());
    record(s, "thing", r);
    start(s);
    kca_consumer *c = reader_of(s, "reader");
    runner running;
    runner_start(&running, c);
    must_fail(runner_join(&running, END_MS), code, "consumer reader: ", text);
    kca_consumer_free(c);
    finish(s);
    recorder_free(r);
}

static void test_what_the_broker_refuses_for_good_ends_the_run_and_names_the_setting(void **state) {
    if (rd_kafka_version() < PROTOCOL_READY)
        skip();
    static const struct {
        int refusal, code;
        const char *text;
    } cases[] = {
        {RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION, KCA_ERROR_BROKER,
         "the broker does not know group_protocol consumer, which Kafka 4 has: use classic"},
        {RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND, KCA_ERROR_BROKER, "set group_protocol alike"},
        {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, KCA_ERROR_AUTHORIZATION,
         "it may not read group reader"},
        {UNRELEASED_INSTANCE_ID, KCA_ERROR_BROKER, "has group_instance_id red already"},
        {UNSUPPORTED_ASSIGNOR, KCA_ERROR_BROKER, "the broker has no group_remote_assignor uniform"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rd_kafka_t *rk = mock_cluster_open();
        rd_kafka_mock_cluster_t *mock = rd_kafka_handle_mock_cluster(rk);
        rd_kafka_mock_topic_create(mock, "in", 1, 1);
        rd_kafka_mock_push_request_errors(mock, GROUP_HEARTBEAT, 1,
                                          (rd_kafka_resp_err_t)cases[i].refusal);
        must_end(mock, cases[i].code, cases[i].text);
        rd_kafka_destroy(rk);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_the_broker_refuses_for_good_ends_the_run_and_names_the_setting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
