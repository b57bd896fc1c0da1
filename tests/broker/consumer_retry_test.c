/* A delivery that failed comes again: when, how often, and what goes on meanwhile. */
#include "retrying.h"

#include <pthread.h>
#include <stdio.h>

enum { MOST = 2000, LATE_MS = 2000 };

typedef struct call {
    int id, attempt;
    int64_t at_ms;
} call;

/* What the handler does: it fails each id that `every` divides, with each of its first `failures`
 * attempts, and notes its calls. */
typedef struct plan {
    int every, failures;
    const char *error_name;
    pthread_mutex_t lock;
    call calls[MOST];
    int count;
} plan;

static int follow(recorder *r, kca_delivery *d, int id) {
    plan *p = r->context;
    int attempt = kca_delivery_attempt(d);
    int fails = id % p->every == 0 && attempt <= p->failures;
    pthread_mutex_lock(&p->lock);
    if (p->count < MOST)
        p->calls[p->count++] = (call){id, attempt, now_ms()};
    pthread_mutex_unlock(&p->lock);
    if (fails)
        kca_delivery_explain(d, p->error_name ? p->error_name : "Busy", "the table is locked");
    return fails ? KCA_FAILED : KCA_DONE;
}

static plan *plan_of(int every, int failures) {
    plan *p = calloc(1, sizeof *p);
    assert_non_null(p);
    p->every = every;
    p->failures = failures;
    pthread_mutex_init(&p->lock, NULL);
    return p;
}

static consuming consume_by(plan *p, const char *topic, const char *group,
                            kca_consumer_builder *b) {
    consuming c = consume(topic, group, b);
    c.recorder->behave = follow;
    c.recorder->context = p;
    return c;
}

static void must_have_paused(const plan *p, const int64_t *pauses_ms, int count) {
    assert_int_equal(p->count, count + 1);
    for (int i = 0; i < count; i++) {
        assert_int_equal(p->calls[i].attempt, i + 1);
        int64_t pause = p->calls[i + 1].at_ms - p->calls[i].at_ms;
        assert_in_range(pause, pauses_ms[i] - 1, pauses_ms[i] + LATE_MS);
    }
}

static void test_pauses_grow_and_attempts_are_counted(void **state) {
    plan *p = plan_of(1, 3);
    const char *topic = filled(1, 1), *group = unique("group");
    consuming c = consume_by(p, topic, group, retrying(topic, group, 4, 100));
    must(run_for(&c, 4));
    must_have_paused(p, (const int64_t[]){100, 200, 400}, 3);
    assert_int_equal(described(c.system, "consumers", 0, "retried"), 3);
    assert_int_equal(described(c.system, "consumers", 0, "handled"), 1);
    assert_int_equal(group_committed(group, topic, 0), 1);
    end(&c);
    free(p);
}

static void test_a_list_of_pauses_is_kept_to_and_then_the_policy_decides(void **state) {
    plan *p = plan_of(1, MOST);
    const char *topic = filled(1, 1), *group = unique("group");
    kca_consumer_builder *b = consumer_of(topic, group);
    kca_consumer_builder_with_retry_delay_ms(b, 300);
    kca_consumer_builder_with_retry_delay_ms(b, 50);
    kca_consumer_builder_with_retry_jitter_percent(b, 0);
    consuming c = consume_by(p, topic, group, b);
    must_fail(kca_consumer_run(c.consumer), KCA_ERROR_HANDLER, topic, "offset 0", "Busy",
              "the table is locked", "the last attempt");
    must_have_paused(p, (const int64_t[]){300, 50}, 2);
    assert_int_equal(group_committed(group, topic, 0), -1);
    end(&c);
    free(p);
}

static void test_other_keys_go_on_while_one_waits_for_its_retry(void **state) {
    plan *p = plan_of(1000, 1); /* id 0 only */
    const char *topic = filled(500, 100), *group = unique("group");
    consuming c = consume_by(p, topic, group, retrying(topic, group, 2, NEVER_MS));
    runner r;
    runner_start(&r, c.consumer);
    must_be_handled(c.recorder, 496, COME_MS); /* but for 100, 200, 300 and 400, of its key */
    must_count(c.system, "waiting", 1);
    must_commit(group, topic, 0, 0);
    assert_int_equal(came(c.recorder), 496);
    runner_stop(&r); /* it comes again after the next start, and the attempts begin anew */
    assert_int_equal(group_committed(group, topic, 0), 0);
    p->failures = 0;
    consuming other = consume_by(p, topic, group, NULL);
    runner_start(&r, other.consumer);
    must_commit(group, topic, 0, 500);
    runner_stop(&r);
    assert_int_equal(other.recorder->all[0].id, 0);
    assert_int_equal(came(other.recorder), 5);
    assert_int_equal(p->calls[496].attempt, 1);
    assert_int_equal(other.recorder->same_key_disorder, 0);
    end(&other);
    end(&c);
    free(p);
}

static void test_a_key_keeps_its_order_over_retries(void **state) {
    enum { COUNT = 200, KEYS = 10 };
    plan *p = plan_of(3, 2);
    const char *topic = filled(COUNT, KEYS), *group = unique("group");
    consuming c = consume_by(p, topic, group, retrying(topic, group, 3, 2));
    kca_consumer_with_amount_of_processors(c.consumer, 4);
    must(run_for(&c, COUNT + 2 * ((COUNT + 2) / 3)));
    int last[KEYS], attempts[KEYS];
    for (int key = 0; key < KEYS; key++)
        last[key] = key - KEYS, attempts[key] = 1;
    for (int i = 0; i < p->count; i++) {
        const call *now = &p->calls[i];
        int key = now->id % KEYS;
        bool again = now->id == last[key];
        assert_int_equal(now->id, again ? last[key] : last[key] + KEYS);
        assert_int_equal(now->attempt, again ? attempts[key] + 1 : 1);
        last[key] = now->id;
        attempts[key] = now->attempt;
    }
    assert_int_equal(c.recorder->same_key_inside, 0);
    assert_int_equal(group_committed(group, topic, 0), COUNT);
    end(&c);
    free(p);
}

static void test_with_order_partition_all_of_it_waits(void **state) {
    plan *p = plan_of(5, 2);
    const char *topic = filled(20, 20), *group = unique("group");
    kca_consumer_builder *b = retrying(topic, group, 3, 5);
    kca_consumer_builder_with_order(b, "partition");
    consuming c = consume_by(p, topic, group, b);
    kca_consumer_with_amount_of_processors(c.consumer, 4);
    must(run_for(&c, 28));
    for (int i = 1; i < 28; i++)
        assert_in_range(p->calls[i].id, p->calls[i - 1].id, p->calls[i - 1].id + 1);
    assert_int_equal(c.recorder->most_inside, 1);
    end(&c);
    free(p);
}

static void test_a_rejected_error_is_not_tried_again(void **state) {
    plan *p = plan_of(10, MOST); /* ids 0 and 10 */
    p->error_name = "Fatal";
    const char *topic = filled(12, 12), *group = unique("group");
    kca_consumer_builder *b = retrying(topic, group, 5, 1);
    kca_consumer_builder_with_rejected_error(b, "Broken");
    kca_consumer_builder_with_rejected_error(b, "Fatal");
    kca_consumer_builder_with_failure_policy(b, "skip");
    consuming c = consume_by(p, topic, group, b);
    must(run_for(&c, 12));
    assert_int_equal(described(c.system, "consumers", 0, "skipped"), 2);
    assert_int_equal(described(c.system, "consumers", 0, "retried"), 0);
    assert_int_equal(group_committed(group, topic, 0), 12);
    p->error_name = "Fata"; /* another */
    topic_fill(topic, 0, 1, 1);
    must(run_for(&c, 5));
    assert_int_equal(described(c.system, "consumers", 0, "retried"), 4);
    end(&c);
    free(p);
}

static void test_attempts_without_end_go_on(void **state) {
    plan *p = plan_of(1, 60);
    const char *topic = filled(1, 1), *group = unique("group");
    kca_consumer_builder *b = retrying(topic, group, 0, 1);
    kca_consumer_builder_with_retry_backoff_multiplier(b, 1.0);
    consuming c = consume_by(p, topic, group, b);
    must(run_for(&c, 61));
    assert_int_equal(p->calls[60].attempt, 61);
    assert_int_equal(group_committed(group, topic, 0), 1);
    end(&c);
    free(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pauses_grow_and_attempts_are_counted),
        cmocka_unit_test(test_a_list_of_pauses_is_kept_to_and_then_the_policy_decides),
        cmocka_unit_test(test_other_keys_go_on_while_one_waits_for_its_retry),
        cmocka_unit_test(test_a_key_keeps_its_order_over_retries),
        cmocka_unit_test(test_with_order_partition_all_of_it_waits),
        cmocka_unit_test(test_a_rejected_error_is_not_tried_again),
        cmocka_unit_test(test_attempts_without_end_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
