/* Consumers that join, leave, and are slow: nothing is skipped, and little comes twice. */
#include "consuming.h"

#include <stdio.h>
#include <time.h>

enum { COUNT = 3000, PARTITIONS = 4 };

static int take_a_while(recorder *r, kca_delivery *d, int id) {
    (void)r, (void)d, (void)id;
    struct timespec work = {0, 1000000};
    nanosleep(&work, NULL);
    return KCA_DONE;
}

static void count_times(int times[COUNT], recorder *r) {
    pthread_mutex_lock(&r->lock);
    for (int i = 0; i < r->came; i++)
        times[r->all[i].id]++;
    pthread_mutex_unlock(&r->lock);
}

/* Each id, not so many: some may have come twice. */
static int all_came(void *argument) {
    consuming *both = argument;
    int times[COUNT] = {0}, missing = 0;
    if (came(both[0].recorder) + came(both[1].recorder) < COUNT)
        return 0;
    count_times(times, both[0].recorder);
    count_times(times, both[1].recorder);
    for (int id = 0; id < COUNT; id++)
        missing += times[id] == 0;
    return missing == 0;
}

static void write_second_half(const char *topic) {
    raw_writer *w = raw_writer_open(NULL);
    for (int id = COUNT / 2; id < COUNT; id++) {
        char key[20], value[40];
        snprintf(key, sizeof key, "k%d", id % 40);
        snprintf(value, sizeof value, "{\"id\":%d}", id);
        raw_write(w, topic, -1, NULL, key, value);
    }
    raw_writer_close(w);
}

/* Only what was handled before an earlier record of its partition had its turn may come again. */
static void must_have_come_to(const consuming *both) {
    int times[COUNT] = {0}, repeated = 0;
    count_times(times, both[0].recorder);
    count_times(times, both[1].recorder);
    for (int id = 0; id < COUNT; id++) {
        assert_in_range(times[id], 1, 2);
        repeated += times[id] == 2;
    }
    assert_in_range(repeated, 0, COUNT / 50);
}

static void test_consumers_that_join_and_leave_lose_nothing_and_repeat_little(void **state) {
    const char *topic = unique("rebalance"), *group = unique("group");
    topic_create(topic, PARTITIONS);
    topic_fill(topic, -1, COUNT / 2, 40);
    consuming both[2];
    runner runs[2];
    for (int i = 0; i < 2; i++) {
        both[i] = consume(topic, group, short_session(topic, group));
        both[i].recorder->behave = take_a_while;
        kca_consumer_with_amount_of_processors(both[i].consumer, 3);
        must(kca_system_log_to_queue(both[i].system, KCA_LOG_INFO));
    }
    kca_queue *q = queue_of(both[1].system);
    runner_start(&runs[0], both[0].consumer);
    must_come(both[0].recorder, 100, COME_MS);
    runner_start(&runs[1], both[1].consumer);
    assert_true(log_says(q, "2 partitions assigned", COME_MS));
    write_second_half(topic);
    must_come(both[1].recorder, 100, COME_MS);
    runner_stop(&runs[0]); /* in the midst of it: the other takes over */
    must_become(all_came, both, COME_MS, "all came");
    runner_stop(&runs[1]);
    must_have_come_to(both);
    assert_int_equal(both[0].recorder->same_key_disorder, 0);
    assert_int_equal(both[1].recorder->same_key_disorder, 0);
    assert_int_equal(group_committed_sum(group, topic, PARTITIONS), COUNT);
    kca_queue_free(q);
    end(&both[0]);
    end(&both[1]);
}

static int first_time_waits(recorder *r, kca_delivery *d, int id) {
    (void)d, (void)id;
    gate_wait(r->context);
    return KCA_DONE;
}

static int both_are_handled(void *argument) {
    consuming *both = argument;
    return described(both[0].system, "consumers", 0, "handled") +
               described(both[1].system, "consumers", 0, "handled") ==
           2;
}

static void fill_two_partitions(const char *topic) {
    topic_create(topic, 2);
    raw_writer *w = raw_writer_open(NULL);
    raw_write(w, topic, 0, NULL, "a", "{\"id\":0}");
    raw_write(w, topic, 1, NULL, "b", "{\"id\":1}");
    raw_writer_close(w);
}

static void test_a_handler_that_holds_up_a_rebalance_too_long_no_longer_counts(void **state) {
    static gate hold = GATE_CLOSED; /* a thread that is left over must not find another's */
    const char *topic = unique("stuck"), *group = unique("group");
    fill_two_partitions(topic);
    consuming both[2];
    for (int i = 0; i < 2; i++) {
        kca_consumer_builder *b = short_session(topic, group);
        kca_consumer_builder_with_rebalance_timeout_ms(b, 2000);
        both[i] = consume(topic, group, b);
        kca_consumer_with_amount_of_processors(both[i].consumer, 4);
        both[i].recorder->behave = i ? NULL : first_time_waits;
        both[i].recorder->context = &hold;
    }
    runner runs[2];
    runner_start(&runs[0], both[0].consumer);
    must_wait_at(&hold, 2, COME_MS);
    runner_start(&runs[1], both[1].consumer);
    must_be_handled(both[1].recorder, 1, COME_MS); /* its partition has been taken away */
    gate_open(&hold);
    must_become(both_are_handled, both, COME_MS, "each is handled once");
    runner_stop(&runs[0]);
    runner_stop(&runs[1]);
    assert_int_equal(times_seen(both[0].recorder, both[1].recorder->all[0].id), 1);
    assert_true(both_are_handled(both));
    assert_int_equal(group_committed_sum(group, topic, 2), 2);
    end(&both[0]);
    end(&both[1]);
}

static int is_later(void *argument) {
    return now_ms() >= *(int64_t *)argument;
}

static void test_a_handler_slower_than_the_poll_interval_keeps_its_partition(void **state) {
    static gate hold = GATE_CLOSED;
    const char *topic = unique("slow"), *group = unique("group");
    topic_create(topic, 1);
    topic_fill(topic, 0, 1, 1);
    kca_consumer_builder *b = short_session(topic, group);
    kca_consumer_builder_with_rebalance_timeout_ms(b, 2000);
    consuming c = consume(topic, group, b);
    c.recorder->behave = first_time_waits;
    c.recorder->context = &hold;
    runner r;
    runner_start(&r, c.consumer);
    must_wait_at(&hold, 1, COME_MS);
    int64_t then = now_ms() + 4000; /* past rebalance_timeout and session_timeout */
    must_become(is_later, &then, 5000, "later");
    gate_open(&hold);
    must_be_handled(c.recorder, 1, COME_MS);
    runner_stop(&r);
    assert_int_equal(came(c.recorder), 1);
    assert_int_equal(described(c.system, "consumers", 0, "handled"), 1);
    assert_int_equal(group_committed(group, topic, 0), 1);
    end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_consumers_that_join_and_leave_lose_nothing_and_repeat_little),
        cmocka_unit_test(test_a_handler_that_holds_up_a_rebalance_too_long_no_longer_counts),
        cmocka_unit_test(test_a_handler_slower_than_the_poll_interval_keeps_its_partition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
