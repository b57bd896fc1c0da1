/* Retries that are pending when a consumer ends, and those of deliveries that the application holds
 * itself. */
#include "retrying.h"

#include "child.h"

#include <pthread.h>

/* ---- the end comes before the retry ---- */

static int fail_0_and_tell(recorder *r, kca_delivery *d, int id) {
    (void)r, (void)d;
    return child_tell(id) && id > 0 ? KCA_DONE : KCA_FAILED;
}

static int retry_until_killed(const char *topic, const char *group) {
    kca_consumer_builder *b = short_session(topic, group);
    kca_consumer_builder_with_max_attempts(b, 0);
    kca_consumer_builder_with_retry_delay_ms(b, NEVER_MS);
    consuming c = consume(topic, group, b);
    c.recorder->behave = fail_0_and_tell;
    kca_error_free(kca_consumer_run(c.consumer));
    return 1;
}

static void test_a_retry_comes_after_a_kill(void **state) {
    const char *topic = filled(20, 20), *group = unique("group");
    child dying = child_start("retry", topic, group);
    for (int i = 0, id; i < 20; i++)
        assert_true(child_says(&dying, &id, COME_MS));
    child_kill(&dying);
    child_close(&dying);
    consuming c = consume(topic, group, short_session(topic, group));
    runner r;
    runner_start(&r, c.consumer);
    must_commit(group, topic, 0, 20);
    runner_stop(&r);
    assert_int_equal(times_seen(c.recorder, 0), 1);
    end(&c);
}

static int fail_0(recorder *r, kca_delivery *d, int id) {
    (void)d;
    return id == 0 && *(int *)r->context ? KCA_FAILED : KCA_DONE;
}

static void test_a_retry_comes_after_a_shutdown_that_did_not_wait_for_it(void **state) {
    int fails = 1;
    const char *topic = filled(3, 3), *group = unique("group");
    consuming c = consume(topic, group, retrying(topic, group, 2, NEVER_MS));
    c.recorder->behave = fail_0;
    c.recorder->context = &fails;
    runner r;
    runner_start(&r, c.consumer);
    must_be_handled(c.recorder, 3, COME_MS);
    must_count(c.system, "waiting", 1);
    int64_t begin = now_ms();
    must(kca_system_shutdown(c.system, 20000));
    assert_in_range(now_ms() - begin, 0, 10000);
    must(runner_join(&r, RUN_MS));
    fails = 0;
    start(c.system);
    runner_start(&r, c.consumer);
    must_commit(group, topic, 0, 3);
    runner_stop(&r);
    assert_int_equal(times_seen(c.recorder, 0), 2);
    end(&c);
}

static int wait_and_fail_once(recorder *r, kca_delivery *d, int id) {
    (void)d, (void)id;
    gate_wait(r->context);
    return came(r) == 1 ? KCA_FAILED : KCA_DONE;
}

static void test_what_fails_while_it_stops_comes_after_the_next_start(void **state) {
    static gate hold = GATE_CLOSED;
    const char *topic = filled(1, 1), *group = unique("group");
    consuming c = consume(topic, group, retrying(topic, group, 2, 1));
    c.recorder->behave = wait_and_fail_once;
    c.recorder->context = &hold;
    runner r;
    runner_start(&r, c.consumer);
    must_wait_at(&hold, 1, COME_MS);
    kca_consumer_stop(c.consumer);
    gate_open(&hold);
    must(runner_join(&r, RUN_MS));
    assert_int_equal(came(c.recorder), 1);
    assert_int_equal(group_committed(group, topic, 0), -1);
    must(run_for(&c, 1));
    assert_int_equal(group_committed(group, topic, 0), 1);
    end(&c);
}

/* ---- deliveries that the application holds ---- */

typedef struct pulling {
    kca_system *system;
    kca_consumer *consumer;
    kca_queue *queue;
} pulling;

static pulling pull(const char *group, kca_consumer_builder *b) {
    pulling p = {.system = system_on(listener("PLAINTEXT"))};
    give_consumer(p.system, b);
    must(kca_system_add_handler(p.system, "*", NULL, NULL, NULL));
    start(p.system);
    p.consumer = reader_of(p.system, group);
    must(kca_consumer_queue(p.consumer, &p.queue));
    return p;
}

static kca_delivery *next(pulling *p) {
    kca_delivery *d = kca_event_into_delivery(next_event(p->queue, KCA_EVENT_DELIVERY, COME_MS));
    assert_non_null(d);
    return d;
}

static void test_a_pulled_delivery_comes_again_whether_it_was_freed_or_not(void **state) {
    const char *topic = filled(1, 1), *group = unique("group");
    pulling p = pull(group, retrying(topic, group, 3, 1));
    kca_delivery *first = next(&p);
    must(kca_delivery_settle(first, KCA_FAILED));
    kca_delivery *d = next(&p);
    assert_int_equal(kca_delivery_attempt(d), 2);
    assert_int_equal(kca_delivery_offset(d), 0);
    assert_int_equal(kca_delivery_attempt(first), 1); /* still readable */
    assert_string_equal(kca_message_name(kca_delivery_message(first)), "thing");
    kca_delivery_free(first);
    kca_delivery_free(d); /* without settling: it failed */
    d = next(&p);
    assert_int_equal(kca_delivery_attempt(d), 3);
    must(kca_delivery_settle(d, KCA_DONE));
    kca_delivery_free(d);
    must_commit(group, topic, 0, 1);
    kca_queue_free(p.queue);
    kca_consumer_free(p.consumer);
    finish(p.system);
}

static void test_a_failed_one_that_is_freed_after_the_stop_comes_after_the_next_start(
    void **state) {
    const char *topic = filled(1, 1), *group = unique("group");
    pulling p = pull(group, retrying(topic, group, 2, NEVER_MS));
    kca_delivery *d = next(&p);
    must(kca_delivery_settle(d, KCA_FAILED));
    kca_consumer_stop(p.consumer);
    kca_delivery_free(d);
    kca_queue_free(p.queue);
    assert_int_equal(group_committed(group, topic, 0), -1);
    must(kca_consumer_queue(p.consumer, &p.queue));
    d = next(&p);
    assert_int_equal(kca_delivery_offset(d), 0);
    must(kca_delivery_settle(d, KCA_DONE));
    kca_delivery_free(d);
    must_commit(group, topic, 0, 1);
    kca_queue_free(p.queue);
    kca_consumer_free(p.consumer);
    finish(p.system);
}

typedef struct keeping {
    gate taken;
    kca_delivery *delivery;
} keeping;

static int keep_the_first(recorder *r, kca_delivery *d, int id) {
    (void)id;
    keeping *k = r->context;
    if (kca_delivery_attempt(d) > 1)
        return KCA_DONE;
    k->delivery = d;
    gate_open(&k->taken);
    return KCA_DEFERRED;
}

static void test_a_deferred_delivery_that_fails_comes_again(void **state) {
    keeping k = {.taken = GATE_CLOSED};
    const char *topic = filled(2, 1), *group = unique("group");
    consuming c = consume(topic, group, retrying(topic, group, 2, 1));
    c.recorder->behave = keep_the_first;
    c.recorder->context = &k;
    runner r;
    runner_start(&r, c.consumer);
    gate_wait(&k.taken);
    must_be_handled(c.recorder, 1, COME_MS);
    kca_delivery *first = k.delivery;
    assert_int_equal(kca_delivery_offset(first), 0);
    must(kca_delivery_settle(first, KCA_FAILED));
    kca_delivery_free(first);
    must_be_handled(c.recorder, 3, COME_MS); /* it again, and the next of its key, deferred too */
    assert_int_equal(c.recorder->all[1].id, 0);
    assert_int_equal(c.recorder->all[2].id, 1);
    must(kca_delivery_settle(k.delivery, KCA_DONE));
    kca_delivery_free(k.delivery);
    must_commit(group, topic, 0, 2);
    runner_stop(&r);
    end(&c);
}

int main(int argc, char **argv) {
    if (argc == 4 && strcmp(argv[1], "retry") == 0)
        return retry_until_killed(argv[2], argv[3]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_retry_comes_after_a_kill),
        cmocka_unit_test(test_a_retry_comes_after_a_shutdown_that_did_not_wait_for_it),
        cmocka_unit_test(test_a_pulled_delivery_comes_again_whether_it_was_freed_or_not),
        cmocka_unit_test(test_what_fails_while_it_stops_comes_after_the_next_start),
        cmocka_unit_test(test_a_failed_one_that_is_freed_after_the_stop_comes_after_the_next_start),
        cmocka_unit_test(test_a_deferred_delivery_that_fails_comes_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
