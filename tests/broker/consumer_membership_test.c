/* Who has which partition: static members, what the application hears of it, how they are dealt. */
#include "consuming.h"

#include "child.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

enum { PARTITIONS = 4 };

static const char *spread(int count) {
    const char *topic = unique("members");
    topic_create(topic, PARTITIONS);
    topic_fill(topic, -1, count, 40);
    return topic;
}

/* What a queue told of partitions, all in all. */
typedef struct tally {
    kca_queue *queue;
    const char *topic, *consumer;
    int assigned, revoked, lost, events;
    bool has[PARTITIONS];
} tally;

static void take(tally *t, const kca_event *e) {
    int what = kca_event_rebalance(e);
    t->events++;
    assert_string_equal(kca_event_consumer(e), t->consumer);
    assert_in_range(kca_event_assignment_count(e), 1, PARTITIONS);
    for (int i = 0; i < kca_event_assignment_count(e); i++) {
        int partition = kca_event_assignment_partition(e, i);
        assert_string_equal(kca_event_assignment_topic(e, i), t->topic);
        assert_in_range(partition, 0, PARTITIONS - 1);
        assert_int_equal(t->has[partition], what != KCA_REBALANCE_ASSIGNED);
        t->has[partition] = what == KCA_REBALANCE_ASSIGNED;
        t->assigned += what == KCA_REBALANCE_ASSIGNED;
        t->revoked += what == KCA_REBALANCE_REVOKED;
        t->lost += what == KCA_REBALANCE_LOST;
    }
}

static int owned(const tally *t) {
    int count = 0;
    for (int i = 0; i < PARTITIONS; i++)
        count += t->has[i];
    return count;
}

/* Takes events until so many partitions are this consumer's. */
static void must_own(tally *t, int count) {
    int64_t stop = now_ms() + COME_MS;
    while (owned(t) != count) {
        kca_event *e = next_event(t->queue, KCA_EVENT_REBALANCE, (int)(stop - now_ms()));
        if (!e)
            fail_msg("%s has %d partitions, wanted %d", t->consumer, owned(t), count);
        take(t, e);
        kca_event_free(e);
    }
}

/* Takes what has been told by now. */
static void catch_up(tally *t) {
    kca_event *e;
    while ((e = next_event(t->queue, KCA_EVENT_REBALANCE, 0))) {
        take(t, e);
        kca_event_free(e);
    }
}

/* ---- events ---- */

static void test_both_forms_hear_what_comes_and_goes(void **state) {
    const char *topic = spread(100), *group = unique("group");
    consuming c = consume(topic, group, short_session(topic, group));
    tally first = {.queue = queue_of(c.system), .topic = topic, .consumer = group};
    runner r;
    runner_start(&r, c.consumer);
    must_own(&first, PARTITIONS);
    consuming other = consume(topic, group, short_session(topic, group));
    tally second = {.topic = topic, .consumer = group};
    must(kca_consumer_queue(other.consumer, &second.queue));
    must_own(&second, 2);
    must_own(&first, 2);
    for (int i = 0; i < PARTITIONS; i++)
        assert_int_equal(first.has[i] + second.has[i], 1);
    kca_consumer_stop(other.consumer);
    must_own(&first, PARTITIONS);
    must_own(&second, 0);
    runner_stop(&r);
    must_own(&first, 0);
    assert_int_equal(first.lost + second.lost, 0);
    kca_queue_free(second.queue);
    kca_queue_free(first.queue);
    end(&other);
    end(&c);
}

/* ---- static members ---- */

static kca_consumer_builder *member(const char *topic, const char *group, const char *name,
                                    int session_ms) {
    kca_consumer_builder *b = consumer_of(topic, group);
    set_session(b, session_ms);
    kca_consumer_builder_with_group_instance_id(b, name);
    return b;
}

static void test_a_static_member_that_is_back_in_time_disturbs_nobody(void **state) {
    const char *topic = spread(0), *group = unique("group");
    consuming c[2];
    runner r[2];
    tally t[2];
    for (int i = 0; i < 2; i++) {
        c[i] = consume(topic, group, member(topic, group, i ? "blue" : "red", 20000));
        t[i] = (tally){.queue = queue_of(c[i].system), .topic = topic, .consumer = group};
        runner_start(&r[i], c[i].consumer);
        must_own(&t[i], i ? 2 : PARTITIONS);
    }
    must_own(&t[0], 2);
    topic_fill(topic, -1, 100, 40);
    must_come(c[0].recorder, 1, COME_MS);
    must_come(c[1].recorder, 1, COME_MS);
    int disturbed = t[0].events;
    bool had[PARTITIONS];
    memcpy(had, t[1].has, sizeof had);
    for (int restarts = 0; restarts < 3; restarts++) {
        runner_stop(&r[1]);
        runner_start(&r[1], c[1].consumer);
        catch_up(&t[1]);
        must_own(&t[1], 2);
        assert_memory_equal(t[1].has, had, sizeof had);
    }
    catch_up(&t[0]);
    assert_int_equal(t[0].events, disturbed);
    runner_stop(&r[1]);
    kca_queue_free(t[1].queue);
    end(&c[1]);
    catch_up(&t[0]);
    assert_int_equal(t[0].events, disturbed); /* not even now, within the session timeout */
    runner_stop(&r[0]);
    kca_queue_free(t[0].queue);
    end(&c[0]);
}

static void test_a_static_member_that_stays_away_loses_its_partitions(void **state) {
    const char *topic = spread(0), *group = unique("group");
    consuming c = consume(topic, group, member(topic, group, "red", 1500));
    tally t = {.queue = queue_of(c.system), .topic = topic, .consumer = group};
    consuming leaving = consume(topic, group, member(topic, group, "blue", 1500));
    runner r, leaving_run;
    runner_start(&r, c.consumer);
    must_own(&t, PARTITIONS);
    runner_start(&leaving_run, leaving.consumer);
    must_own(&t, 2);
    runner_stop(&leaving_run);
    must_own(&t, PARTITIONS);
    runner_stop(&r);
    kca_queue_free(t.queue);
    end(&leaving);
    end(&c);
}

/* ---- lost: a process that sleeps too long finds its partitions gone ---- */

static int run_and_tell_of_loss(const char *topic, const char *group) {
    consuming c = consume(topic, group, short_session(topic, group));
    kca_queue *q = queue_of(c.system);
    runner r;
    runner_start(&r, c.consumer);
    kca_event *e;
    while ((e = next_event(q, KCA_EVENT_REBALANCE, COME_MS))) {
        if (!child_tell(kca_event_rebalance(e)))
            return 1;
        kca_event_free(e);
    }
    return 1;
}

static void test_a_member_that_slept_too_long_hears_that_its_partitions_are_lost(void **state) {
    const char *topic = spread(40), *group = unique("group");
    child sleeping = child_start("lose", topic, group);
    int told;
    assert_true(child_says(&sleeping, &told, COME_MS));
    assert_int_equal(told, KCA_REBALANCE_ASSIGNED);
    kill(sleeping.pid, SIGSTOP);
    consuming c = consume(topic, group, short_session(topic, group));
    tally t = {.queue = queue_of(c.system), .topic = topic, .consumer = group};
    runner r;
    runner_start(&r, c.consumer);
    must_own(&t, PARTITIONS); /* the other is taken for dead */
    kill(sleeping.pid, SIGCONT);
    assert_true(child_says(&sleeping, &told, COME_MS));
    assert_int_equal(told, KCA_REBALANCE_LOST);
    assert_true(child_says(&sleeping, &told, COME_MS)); /* and it joins again */
    assert_int_equal(told, KCA_REBALANCE_ASSIGNED);
    child_kill(&sleeping);
    child_close(&sleeping);
    runner_stop(&r);
    kca_queue_free(t.queue);
    end(&c);
}

/* ---- how they are dealt ---- */

/* The first of a list of strategies counts. */
static bool goes_with_0(const char *strategy, int partition) {
    return strcmp(strategy, "roundrobin") == 0 ? partition % 2 == 0 : partition < PARTITIONS / 2;
}

static void test_each_strategy_deals_all_partitions_to_both(void **state) {
    if (is_dealt_by_broker())
        skip(); /* no member has a strategy */
    const char *const strategies[] = {"range", "roundrobin", "range,roundrobin",
                                      "cooperative-sticky"};
    int count = rd_kafka_version() >= 0x020601ff ? 4 : 3;
    for (int i = 0; i < count; i++) {
        const char *topic = spread(0), *group = unique("group");
        consuming c[2];
        runner r[2];
        tally t[2];
        for (int m = 0; m < 2; m++) {
            kca_consumer_builder *b = short_session(topic, group);
            kca_consumer_builder_with_assignment_strategy(b, strategies[i]);
            c[m] = consume(topic, group, b);
            must_have_property(c[m].system, "consumers", "partition.assignment.strategy",
                               strategies[i]);
            t[m] = (tally){.queue = queue_of(c[m].system), .topic = topic, .consumer = group};
            runner_start(&r[m], c[m].consumer);
            must_own(&t[m], m ? 2 : PARTITIONS);
        }
        must_own(&t[0], 2);
        /* Eager ones give all of it back first, cooperative ones only what the other gets. */
        assert_int_equal(t[0].revoked, i == 3 ? 2 : PARTITIONS);
        for (int p = 0; p < PARTITIONS && i < 3; p++)
            assert_int_equal(t[0].has[p], t[0].has[0] == goes_with_0(strategies[i], p));
        topic_fill(topic, -1, 200, 40);
        must_come(c[0].recorder, 1, COME_MS);
        must_come(c[1].recorder, 1, COME_MS);
        for (int m = 0; m < 2; m++) {
            runner_stop(&r[m]);
            kca_queue_free(t[m].queue);
            end(&c[m]);
        }
        assert_in_range(group_committed_sum(group, topic, PARTITIONS), 2, 200);
    }
}

static void must_not_describe(kca_system *s, const char *option) {
    char *text;
    must(kca_system_describe(s, KCA_FORMAT_JSON, &text));
    must_lack(text, option);
    kca_string_free(text);
}

/* Only what the second one gets is taken from the first. */
static void deal_by_broker(const char *assignor) {
    const char *topic = spread(0), *group = unique("group");
    consuming c[2];
    runner r[2];
    tally t[2];
    for (int m = 0; m < 2; m++) {
        kca_consumer_builder *b;
        must(kca_consumer_builder_new(&b, "kafka", topic, group));
        kca_consumer_builder_with_group_protocol(b, "consumer");
        if (assignor)
            kca_consumer_builder_with_group_remote_assignor(b, assignor);
        c[m] = consume(topic, group, b);
        must_have_property(c[m].system, "consumers", "group.protocol", "consumer");
        must_not_describe(c[m].system, "session_timeout_ms");
        t[m] = (tally){.queue = queue_of(c[m].system), .topic = topic, .consumer = group};
        runner_start(&r[m], c[m].consumer);
        must_own(&t[m], m ? 2 : PARTITIONS);
    }
    must_own(&t[0], 2);
    assert_int_equal(t[0].revoked, 2);
    assert_int_equal(t[0].lost + t[1].lost, 0);
    if (assignor && strcmp(assignor, "range") == 0)
        assert_int_equal(t[0].has[0], t[0].has[1]);
    topic_fill(topic, -1, 200, 40);
    must_come(c[0].recorder, 1, COME_MS);
    must_come(c[1].recorder, 1, COME_MS);
    for (int m = 0; m < 2; m++) {
        runner_stop(&r[m]);
        kca_queue_free(t[m].queue);
        end(&c[m]);
    }
}

static void test_the_broker_deals_by_its_assignor_and_takes_only_what_moves(void **state) {
    if (rd_kafka_version() < 0x020c00ff)
        skip();
    deal_by_broker(NULL);
    deal_by_broker("uniform");
    deal_by_broker("range");
}

int main(int argc, char **argv) {
    if (argc == 4 && strcmp(argv[1], "lose") == 0)
        return run_and_tell_of_loss(argv[2], argv[3]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_forms_hear_what_comes_and_goes),
        cmocka_unit_test(test_a_static_member_that_is_back_in_time_disturbs_nobody),
        cmocka_unit_test(test_a_static_member_that_stays_away_loses_its_partitions),
        cmocka_unit_test(test_a_member_that_slept_too_long_hears_that_its_partitions_are_lost),
        cmocka_unit_test(test_each_strategy_deals_all_partitions_to_both),
        cmocka_unit_test(test_the_broker_deals_by_its_assignor_and_takes_only_what_moves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
