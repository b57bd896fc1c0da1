/* Commits of which the answers come late, on librdkafka's mock cluster, which answers as told. */
#include "mock_cluster.h"
#include "recorder.h"
#include "systems.h"

enum {
    OFFSET_COMMIT = 8,
    STALE_MEMBER_EPOCH = 113,
    PROTOCOL_READY = 0x020c00ff,
    COME_MS = 30000,
    LATE_MS = 2000
};

static rd_kafka_t *open_cluster(void) {
    rd_kafka_t *rk = mock_cluster_open();
    rd_kafka_mock_topic_create(rd_kafka_handle_mock_cluster(rk), "in", 1, 1);
    return rk;
}

/* The broker has the first commit of three that it will refuse, and has not answered yet. */
static int is_asked(void *argument) {
    size_t left = 3;
    rd_kafka_mock_broker_error_stack_cnt(argument, 1, OFFSET_COMMIT, &left);
    return left == 2;
}

static void must_be_committed(const char *hosts, const char *wanted) {
    kca_system *s = system_on(hosts);
    start(s);
    char *told;
    must(kca_system_describe_cluster(s, "kafka", "in", "reader", COME_MS, &told));
    if (!strstr(told, wanted))
        fail_msg("no %s in %s", wanted, told);
    kca_string_free(told);
    finish(s);
}

/* The consumer stops while a commit waits for this refusal, and the next two are refused, too. */
static void refuse_at_the_end(rd_kafka_resp_err_t refusal) {
    rd_kafka_t *rk = open_cluster();
    rd_kafka_mock_cluster_t *mock = rd_kafka_handle_mock_cluster(rk);
    const char *hosts = rd_kafka_mock_cluster_bootstraps(mock);
    rd_kafka_mock_broker_push_request_error_rtts(mock, 1, OFFSET_COMMIT, 3, refusal, LATE_MS,
                                                 refusal, 0, refusal, 0);
    recorder *r = recorder_new();
    kca_system *s = system_on(hosts);
    give_consumer(s, consumer_of("in", "reader"));
    give_publisher(s, publisher_of("in"));
    record(s, "thing", r);
    start(s);
    kca_bus *bus = bus_of(s, "in");
    publish_things(bus, 0, 1, 1, 0);
    kca_consumer *c = reader_of(s, "reader");
    runner running;
    runner_start(&running, c);
    must_be_handled(r, 1, COME_MS);
    must_become(is_asked, mock, COME_MS, "a commit is asked for");
    runner_stop(&running);
    kca_bus_free(bus);
    kca_consumer_free(c);
    finish(s);
    must_be_committed(hosts, "\"committed\":1,");
    recorder_free(r);
    rd_kafka_destroy(rk);
}

static void test_a_commit_that_is_refused_while_the_consumer_ends_is_made_again(void **state) {
    refuse_at_the_end(RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE);
}

/* The group has moved on, and this member with it, but it had not heard of that. */
static void test_a_commit_of_an_earlier_epoch_is_made_again_at_once(void **state) {
    if (rd_kafka_version() < PROTOCOL_READY)
        skip();
    refuse_at_the_end((rd_kafka_resp_err_t)STALE_MEMBER_EPOCH);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_commit_that_is_refused_while_the_consumer_ends_is_made_again),
        cmocka_unit_test(test_a_commit_of_an_earlier_epoch_is_made_again_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
