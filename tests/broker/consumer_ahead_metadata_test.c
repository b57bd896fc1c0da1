/* The metadata of commits, in which finished work ahead is told: its size, and that of others. */
#include "retrying.h"

#include <pthread.h>
#include <stdio.h>

/* A broker refuses more (offset.metadata.max.bytes). */
enum { COUNT = 20000, EVERY = 7, STUCK = (COUNT + EVERY - 1) / EVERY, MOST_BYTES = 4096 };

typedef struct keeping {
    pthread_mutex_t lock;
    kca_delivery *all[STUCK];
    int count;
} keeping;

static int keep_every_7th(recorder *r, kca_delivery *d, int id) {
    keeping *k = r->context;
    if (id % EVERY != 0)
        return KCA_DONE;
    pthread_mutex_lock(&k->lock);
    k->all[k->count++] = d;
    pthread_mutex_unlock(&k->lock);
    return KCA_DEFERRED;
}

static kca_consumer_builder *roomy(const char *topic, const char *group) {
    kca_consumer_builder *b = consumer_of(topic, group);
    kca_consumer_builder_with_order(b, "none");
    kca_consumer_builder_with_queue_capacity(b, COUNT);
    return b;
}

static void test_with_every_7th_stuck_it_is_bounded_and_nothing_is_lost(void **state) {
    keeping *k = calloc(1, sizeof *k);
    pthread_mutex_init(&k->lock, NULL);
    const char *topic = unique("stuck"), *group = unique("group");
    topic_create(topic, 1);
    topic_fill(topic, 0, COUNT, 0);
    consuming c = consume(topic, group, roomy(topic, group));
    c.recorder->behave = keep_every_7th;
    c.recorder->context = k;
    runner r;
    runner_start(&r, c.consumer);
    must_be_handled(c.recorder, COUNT, COME_MS);
    must_fail(kca_system_shutdown(c.system, 100), KCA_ERROR_TIMEOUT, "deliveries were not settled");
    must(runner_join(&r, RUN_MS));
    for (int i = 0; i < k->count; i++)
        kca_delivery_free(k->all[i]);
    assert_int_equal(k->count, STUCK);
    assert_int_equal(group_committed(group, topic, 0), 0);
    char *metadata = group_metadata(group, topic, 0);
    assert_in_range(strlen(metadata), 100, MOST_BYTES);
    free(metadata);

    consuming other = consume(topic, group, roomy(topic, group));
    runner_start(&r, other.consumer);
    must_commit(group, topic, 0, COUNT);
    runner_stop(&r);
    assert_int_equal(came(other.recorder), STUCK);
    for (int id = 0; id < COUNT; id += EVERY)
        assert_int_equal(times_seen(other.recorder, id), 1);
    assert_int_equal(described(other.system, "consumers", 0, "finished_before"), COUNT - STUCK);
    end(&other);
    end(&c);
    free(k);
}

/* Others' metadata, and ours beside an offset that it was not made for. */
static void must_begin_at_10_with(const char *metadata) {
    const char *topic = filled(20, 20), *group = unique("group");
    group_commit(group, topic, 0, 10, metadata);
    consuming c = consume(topic, group, NULL);
    must(kca_system_log_to_queue(c.system, KCA_LOG_WARN));
    must(run_for(&c, 10));
    assert_int_equal(c.recorder->all[0].id, 10);
    assert_int_equal(described(c.system, "consumers", 0, "finished_before"), 0);
    assert_int_equal(group_committed(group, topic, 0), 20);
    kca_queue *q = queue_of(c.system);
    assert_false(log_says(q, "", 0));
    kca_queue_free(q);
    end(&c);
}

static void test_metadata_of_others_is_read_without_complaint(void **state) {
    must_begin_at_10_with(NULL);
    must_begin_at_10_with("x");
    must_begin_at_10_with("kca1:");
    must_begin_at_10_with("kca1:rAAAAAAEF");
    must_begin_at_10_with("kca2:something of a later version");
}

/* As tools do that move groups. */
static void test_a_map_moved_to_another_offset_counts_for_nothing(void **state) {
    const char *topic = filled(30, 30), *group = unique("group");
    kca_consumer_builder *b = consumer_of(topic, group);
    kca_consumer_builder_with_failure_policy(b, "skip");
    consuming c = consume(topic, group, b);
    keeping *k = calloc(1, sizeof *k);
    pthread_mutex_init(&k->lock, NULL);
    c.recorder->behave = keep_every_7th;
    c.recorder->context = k;
    runner r;
    runner_start(&r, c.consumer);
    must_be_handled(c.recorder, 30, COME_MS);
    kca_error_free(kca_system_shutdown(c.system, 0));
    must(runner_join(&r, RUN_MS));
    for (int i = 0; i < k->count; i++)
        kca_delivery_free(k->all[i]);
    char *map = group_metadata(group, topic, 0);
    must_have(map, "kca1:");
    group_commit(group, topic, 0, 3, map);
    consuming other = consume(topic, group, NULL);
    must(run_for(&other, 27));
    assert_int_equal(missing_of(other.recorder, 30), 3); /* 0, 1 and 2 */
    assert_int_equal(group_committed(group, topic, 0), 30);
    end(&other);
    end(&c);
    free(map);
    free(k);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_with_every_7th_stuck_it_is_bounded_and_nothing_is_lost),
        cmocka_unit_test(test_metadata_of_others_is_read_without_complaint),
        cmocka_unit_test(test_a_map_moved_to_another_offset_counts_for_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
