/* What was finished ahead of a slow record is not repeated, whoever has the partition next. */
#include "retrying.h"

#include "child.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

enum { COUNT = 5000 };

/* Ids 0 ... count - 1 in that partition, without keys: all run side by side. */
static const char *unordered(int partitions, int count) {
    const char *topic = unique("ahead");
    topic_create(topic, partitions);
    for (int i = 0; i < partitions; i++)
        topic_fill(topic, i, count, 0);
    return topic;
}

/* Id 0 fails, and would be tried again in some minutes. */
static int fail_0(recorder *r, kca_delivery *d, int id) {
    (void)r, (void)d;
    return id == 0 ? KCA_FAILED : KCA_DONE;
}

static consuming consume_ahead(const char *topic, const char *group, kca_consumer_builder *b) {
    kca_consumer_builder_with_max_attempts(b, 2);
    kca_consumer_builder_with_retry_delay_ms(b, NEVER_MS);
    consuming c = consume(topic, group, b);
    c.recorder->behave = fail_0;
    kca_consumer_with_amount_of_processors(c.consumer, 2);
    return c;
}

/* Nothing but id 0 comes, and then all is committed. */
static void must_repeat_only_0(const char *topic, const char *group, kca_consumer_builder *b,
                               int partition, int count) {
    consuming c = consume(topic, group, b);
    runner r;
    runner_start(&r, c.consumer);
    must_commit(group, topic, partition, count);
    runner_stop(&r);
    assert_int_equal(came(c.recorder), 1);
    assert_int_equal(times_seen(c.recorder, 0), 1);
    assert_int_equal(described(c.system, "consumers", 0, "finished_before"), count - 1);
    end(&c);
}

static void test_over_a_clean_stop(void **state) {
    const char *topic = unordered(1, COUNT), *group = unique("group");
    consuming c = consume_ahead(topic, group, consumer_of(topic, group));
    must(run_for(&c, COUNT));
    assert_int_equal(group_committed(group, topic, 0), 0);
    end(&c);
    must_repeat_only_0(topic, group, NULL, 0, COUNT);
}

static void test_of_one_partition_without_a_group(void **state) {
    const char *topic = unordered(2, COUNT), *group = unique("group");
    kca_consumer_builder *b[2];
    for (int i = 0; i < 2; i++) {
        b[i] = consumer_of(topic, group);
        kca_consumer_builder_with_partition(b[i], 1);
    }
    consuming c = consume_ahead(topic, group, b[0]);
    must(run_for(&c, COUNT));
    end(&c);
    must_repeat_only_0(topic, group, b[1], 1, COUNT);
}

/* The next one may end before it has read that far: what it knows of stays told. */
static void test_over_two_stops_the_second_of_which_comes_early(void **state) {
    const char *topic = unordered(1, COUNT), *group = unique("group");
    consuming c = consume_ahead(topic, group, consumer_of(topic, group));
    must(run_for(&c, COUNT));
    end(&c);
    consuming second = consume(topic, group, NULL);
    must(run_for(&second, 1));
    int64_t passed = described(second.system, "consumers", 0, "finished_before");
    assert_in_range(passed, 0, COUNT / 2); /* it was early */
    end(&second);
    topic_fill(topic, 0, 1, 0);
    consuming third = consume(topic, group, NULL);
    must(run_for(&third, 1));
    assert_int_equal(third.recorder->all[0].offset, COUNT);
    assert_int_equal(described(third.system, "consumers", 0, "finished_before"),
                     COUNT - (passed + 1));
    end(&third);
}

static void test_over_a_rebalance(void **state) {
    const char *topic = unordered(2, COUNT), *group = unique("group");
    runner r, other_run;
    consuming c = consume_ahead(topic, group, short_session(topic, group));
    runner_start(&r, c.consumer);
    must_be_handled(c.recorder, 2 * COUNT, COME_MS);
    consuming other = consume_ahead(topic, group, short_session(topic, group));
    runner_start(&other_run, other.consumer);
    must_count(other.system, "finished_before", COUNT - 1);
    assert_int_equal(came(other.recorder), 1);
    assert_int_equal(times_seen(other.recorder, 0), 1);
    runner_stop(&other_run); /* and back, and without a member for a moment */
    runner_stop(&r);
    end(&other);
    end(&c);
    consuming last = consume(topic, group, NULL);
    runner_start(&r, last.consumer);
    must_commit(group, topic, 0, COUNT);
    must_commit(group, topic, 1, COUNT);
    runner_stop(&r);
    assert_int_equal(came(last.recorder), 2);
    end(&last);
}

/* ---- a crash ---- */

enum { BEFORE_CRASH = 4000 };

/* Id 0 is never finished, nor is what comes after the first thousands. */
static int tell_or_hang(recorder *r, kca_delivery *d, int id) {
    (void)r, (void)d;
    while (id == 0 || id >= BEFORE_CRASH)
        pause();
    return child_tell(id) ? KCA_DONE : KCA_FAILED;
}

static int hang_until_killed(const char *topic, const char *group) {
    consuming c = consume(topic, group, short_session(topic, group));
    c.recorder->behave = tell_or_hang;
    kca_consumer_with_amount_of_processors(c.consumer, 4);
    kca_error_free(kca_consumer_run(c.consumer));
    return 1;
}

/* Several commits later it is the same: all that was finished is told. */
typedef struct still {
    const char *topic, *group;
    char *metadata;
    int64_t since_ms;
} still;

static int is_still(void *argument) {
    still *s = argument;
    char *now = group_metadata(s->group, s->topic, 0);
    if (!s->metadata || *now == '\0' || strcmp(now, s->metadata) != 0)
        s->since_ms = now_ms();
    free(s->metadata);
    s->metadata = now;
    return now_ms() - s->since_ms > 1000;
}

static void test_over_a_kill(void **state) {
    const char *topic = unordered(1, COUNT), *group = unique("group");
    child dying = child_start("hang", topic, group);
    for (int i = 1, id; i < BEFORE_CRASH; i++) {
        assert_true(child_says(&dying, &id, COME_MS));
        assert_in_range(id, 1, BEFORE_CRASH - 1);
    }
    still s = {topic, group, NULL, now_ms()};
    must_become(is_still, &s, COME_MS, "all is told in the commit");
    child_kill(&dying);
    child_close(&dying);
    assert_int_equal(group_committed(group, topic, 0), 0);
    assert_in_range(strlen(s.metadata), 1, 100);
    free(s.metadata);
    consuming c = consume(topic, group, short_session(topic, group));
    runner r;
    runner_start(&r, c.consumer);
    must_commit(group, topic, 0, COUNT);
    runner_stop(&r);
    assert_int_equal(came(c.recorder), COUNT - BEFORE_CRASH + 1);
    assert_int_equal(times_seen(c.recorder, 0), 1);
    assert_int_equal(described(c.system, "consumers", 0, "finished_before"), BEFORE_CRASH - 1);
    end(&c);
}

int main(int argc, char **argv) {
    if (argc == 4 && strcmp(argv[1], "hang") == 0)
        return hang_until_killed(argv[2], argv[3]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_over_a_clean_stop),
        cmocka_unit_test(test_of_one_partition_without_a_group),
        cmocka_unit_test(test_over_two_stops_the_second_of_which_comes_early),
        cmocka_unit_test(test_over_a_rebalance),
        cmocka_unit_test(test_over_a_kill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
