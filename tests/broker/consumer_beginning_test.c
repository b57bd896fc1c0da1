/* Where a group begins: found once, committed at once, so that nothing that comes later is skipped.
 */
#include "consuming.h"

#include <stdio.h>

enum { PARTITIONS = 2, OLD = 5 };

/* Partitions with records of before. */
static const char *old_topic(int partitions) {
    const char *topic = unique("begin");
    topic_create(topic, partitions);
    for (int p = 0; p < partitions; p++)
        topic_fill(topic, p, OLD, 0);
    return topic;
}

static kca_consumer_builder *late(const char *topic, const char *group) {
    kca_consumer_builder *b = consumer_of(topic, group);
    kca_consumer_builder_with_start_offset(b, "latest");
    return b;
}

static void write_id(const char *topic, int partition, int id) {
    char value[40];
    raw_writer *w = raw_writer_open(NULL);
    snprintf(value, sizeof value, "{\"id\":%d}", id);
    raw_write(w, topic, partition, NULL, NULL, value);
    raw_writer_close(w);
}

/* Joins, lets the group begin, and leaves, without a record. */
static void begin_and_leave(const char *topic, const char *group, kca_consumer_builder *b,
                            int partitions) {
    consuming c = consume(topic, group, b);
    runner r;
    runner_start(&r, c.consumer);
    for (int p = 0; p < partitions; p++)
        must_commit(group, topic, p, OLD);
    runner_stop(&r);
    assert_int_equal(came(c.recorder), 0);
    end(&c);
}

/* Ids from `first` on, each once, in any order. */
static void must_be_these(recorder *r, int first, int count) {
    assert_int_equal(came(r), count);
    for (int id = first; id < first + count; id++)
        assert_int_equal(times_seen(r, id), 1);
}

static void must_get(const char *topic, const char *group, kca_consumer_builder *b, int first,
                     int count) {
    consuming c = consume(topic, group, b);
    must(run_for(&c, count));
    must_be_these(c.recorder, first, count);
    end(&c);
}

/* ---- one member ---- */

static void test_what_comes_while_nobody_is_there_is_handled_later(void **state) {
    const char *topic = old_topic(PARTITIONS), *group = unique("group");
    begin_and_leave(topic, group, late(topic, group), PARTITIONS);
    write_id(topic, 0, 100);
    write_id(topic, 1, 101);
    must_get(topic, group, late(topic, group), 100, 2);
}

/* Not with the next commit, which is far off. */
static void test_where_it_begins_is_committed_at_once(void **state) {
    const char *topic = old_topic(PARTITIONS), *group = unique("group");
    kca_consumer_builder *b = late(topic, group);
    kca_consumer_builder_with_commit_interval_ms(b, 3600000);
    begin_and_leave(topic, group, b, PARTITIONS);
}

static void test_a_start_time_is_found_once(void **state) {
    const char *topic = old_topic(PARTITIONS), *group = unique("group");
    kca_consumer_builder *b = consumer_of(topic, group);
    kca_consumer_builder_with_start_offset(b, "4000000000000"); /* in the year 2096 */
    begin_and_leave(topic, group, b, PARTITIONS);
    write_id(topic, 0, 100);
    write_id(topic, 1, 101);
    must_get(topic, group, NULL, 100, 2);
}

/* ---- what appears later ---- */

static void test_a_partition_that_is_added_begins_at_its_first_record(void **state) {
    const char *topic = old_topic(PARTITIONS), *group = unique("group");
    begin_and_leave(topic, group, late(topic, group), PARTITIONS);
    topic_grow(topic, PARTITIONS + 2);
    write_id(topic, PARTITIONS, 100);
    write_id(topic, PARTITIONS + 1, 101);
    must_get(topic, group, late(topic, group), 100, 2);
}

static void test_one_that_is_added_while_it_runs_loses_nothing(void **state) {
    const char *topic = old_topic(PARTITIONS), *group = unique("group");
    kca_consumer_builder *b = late(topic, group);
    kca_consumer_builder_with_watch_partition_changes(b, 1);
    kca_consumer_builder_with_partition_watch_interval_ms(b, 200);
    consuming c = consume(topic, group, b);
    runner r;
    runner_start(&r, c.consumer);
    must_commit(group, topic, 0, OLD);
    topic_grow(topic, PARTITIONS + 1);
    topic_fill(topic, PARTITIONS, 10, 0);
    must_be_handled(c.recorder, 10, COME_MS);
    must_be_these(c.recorder, 0, 10);
    runner_stop(&r);
    end(&c);
}

static int has_let_go(void *argument) {
    const consuming *c = argument;
    return described_partition(c->system, c->topic, 0, "frontier") < 0;
}

/* The group's offsets went with the topic. */
static void test_a_topic_that_is_made_anew_while_it_runs_begins_at_its_first_record(void **state) {
    const char *topic = old_topic(PARTITIONS), *group = unique("group");
    kca_consumer_builder *b = late(topic, group);
    /* librdkafka believes that a topic is gone only after a while. */
    kca_consumer_builder_with_property(b, "topic.metadata.propagation.max.ms", "500");
    consuming c = consume(topic, group, b);
    runner r;
    runner_start(&r, c.consumer);
    must_commit(group, topic, 0, OLD);
    topic_delete(topic);
    must_become(has_let_go, &c, COME_MS, "the partition is taken away");
    topic_create(topic, PARTITIONS);
    topic_fill(topic, 0, 10, 0);
    must_be_handled(c.recorder, 10, COME_MS);
    must_be_these(c.recorder, 0, 10);
    runner_stop(&r);
    end(&c);
}

/* ---- several members ---- */

/* All begin at once: none takes the others' beginning for that of a group that is old. */
static void test_members_that_begin_together_read_nothing_of_before_and_lose_nothing(void **state) {
    enum { MEMBERS = 3, MANY = 6 };
    const char *topic = old_topic(MANY), *group = unique("group");
    consuming c[MEMBERS];
    runner r[MEMBERS];
    for (int i = 0; i < MEMBERS; i++)
        c[i] = consume(topic, group, late(topic, group));
    for (int i = 0; i < MEMBERS; i++)
        runner_start(&r[i], c[i].consumer);
    for (int p = 0; p < MANY; p++)
        must_commit(group, topic, p, OLD);
    for (int p = 0; p < MANY; p++)
        write_id(topic, p, 100 + p);
    for (int p = 0; p < MANY; p++)
        must_commit(group, topic, p, OLD + 1);
    int all = 0;
    for (int i = 0; i < MEMBERS; i++) {
        runner_stop(&r[i]);
        all += came(c[i].recorder);
        for (int id = 0; id < OLD; id++)
            assert_int_equal(times_seen(c[i].recorder, id), 0);
        end(&c[i]);
    }
    assert_in_range(all, MANY, 2 * MANY); /* a rebalance may bring one again */
}

/* A member was lost after it got the partition, before it committed where it begins. */
static void test_a_partition_whose_first_owner_was_lost_begins_where_the_group_did(void **state) {
    const char *topic = old_topic(PARTITIONS), *group = unique("group"), *other = unique("group");
    begin_and_leave(topic, group, late(topic, group), PARTITIONS);
    char *metadata = group_metadata(group, topic, 0);
    must_have(metadata, "kca1:o");
    group_commit(other, topic, 0, OLD, metadata);
    free(metadata);
    write_id(topic, 1, 100);
    write_id(topic, 1, 101);
    must_get(topic, other, late(topic, other), 100, 2);
}

/* Of another program's offsets it is not known when the group began: nothing may be skipped. */
static void test_beside_offsets_of_another_program_a_partition_is_read_from_its_first(
    void **state) {
    const char *topic = old_topic(PARTITIONS), *group = unique("group");
    group_commit(group, topic, 0, OLD, NULL);
    must_get(topic, group, late(topic, group), 0, OLD);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_comes_while_nobody_is_there_is_handled_later),
        cmocka_unit_test(test_where_it_begins_is_committed_at_once),
        cmocka_unit_test(test_a_start_time_is_found_once),
        cmocka_unit_test(test_a_partition_that_is_added_begins_at_its_first_record),
        cmocka_unit_test(test_one_that_is_added_while_it_runs_loses_nothing),
        cmocka_unit_test(test_a_topic_that_is_made_anew_while_it_runs_begins_at_its_first_record),
        cmocka_unit_test(test_members_that_begin_together_read_nothing_of_before_and_lose_nothing),
        cmocka_unit_test(test_a_partition_whose_first_owner_was_lost_begins_where_the_group_did),
        cmocka_unit_test(test_beside_offsets_of_another_program_a_partition_is_read_from_its_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
