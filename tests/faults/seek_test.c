/* Going to the end of a partition that nobody answers for. */
#include "broker/consuming.h"
#include "nodes.h"

enum { PARTITIONS = 3, COUNT = 30, SEEK_MS = 1000 };

/* One that another node leads than coordinates the group: commits go on. */
static int partition_apart(const char *topic, const char *group) {
    int coordinator = group_coordinator(group);
    for (int partition = 0; partition < PARTITIONS; partition++)
        if (partition_leader(topic, partition) != coordinator)
            return partition;
    fail_msg("node %d leads them all", coordinator);
    return -1;
}

static int partition_of_others(const char *topic, int node) {
    for (int partition = 0; partition < PARTITIONS; partition++)
        if (partition_leader(topic, partition) != node)
            return partition;
    fail_msg("node %d leads them all", node);
    return -1;
}

static void test_a_seek_to_an_end_that_nobody_tells_stops_nothing_else(void **state) {
    const char *topic = unique("seek"), *group = unique("group");
    topic_create(topic, PARTITIONS);
    must_be_in_sync(topic, PARTITIONS);
    for (int partition = 0; partition < PARTITIONS; partition++)
        topic_fill(topic, partition, COUNT, 1);
    consuming c = consume(topic, group, NULL);
    runner r;
    runner_start(&r, c.consumer);
    for (int partition = 0; partition < PARTITIONS; partition++)
        must_commit(group, topic, partition, COUNT);
    int away = partition_apart(topic, group), node = partition_leader(topic, away);
    int other = partition_of_others(topic, node);
    node_pause(node);
    kca_error *e = kca_consumer_seek(c.consumer, topic, away, KCA_OFFSET_END, SEEK_MS);
    assert_int_equal(kca_error_code(e), KCA_ERROR_TIMEOUT);
    kca_error_free(e);
    topic_fill(topic, other, COUNT, 1);
    must_commit(group, topic, other, 2 * COUNT);
    node_continue(node);
    topic_fill(topic, away, COUNT, 1);
    must_commit(group, topic, away, 2 * COUNT);
    runner_stop(&r);
    end(&c);
}

static int heal(void **state) {
    nodes_heal();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_seek_to_an_end_that_nobody_tells_stops_nothing_else,
                                        heal, heal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
