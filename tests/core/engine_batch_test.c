/* Batches of the inbound engine: when they are given out, and what becomes of those in them. */
#include "engine_fixture.h"

enum { MOST = 4, WAIT_MS = 100 };

static const kca__batch_plan plan = {MOST, WAIT_MS};

static kca__engine_setup batch_setup(void) {
    kca__engine_setup setup = plain_setup(20, false);
    setup.batches = &plan;
    setup.batch_count = 1;
    setup.retry.max_attempts = 2;
    setup.retry.backoff_ms = setup.retry.backoff_max_ms = 50;
    setup.retry.multiplier = 1;
    return setup;
}

static void open_batches(fixture *f) {
    open_engine_with(f, batch_setup());
    assign(f, 0);
    assign(f, 1);
}

/* A record of the batch. */
static void come(fixture *f, int partition, int64_t offset, int key) {
    record *r = new_record(f, partition, offset, key);
    r->batch = 1;
    accept_record(f, r);
}

/* The next batch; gives how many deliveries it has, 0: none is given out. */
static int take_batch(fixture *f, kca_delivery *out[MOST]) {
    kca_delivery *d = take(f);
    if (!d)
        return 0;
    int count = kca__batch_count(&d->event);
    assert_int_equal(d->event.type, KCA_EVENT_BATCH);
    assert_in_range(count, 1, MOST);
    for (d = kca__batch_open(&d->event); d; d = d->batch_next)
        *out++ = d;
    return count;
}

/* A batch of exactly these offsets of partition 0. */
static void expect_batch(fixture *f, kca_delivery *out[MOST], const int64_t *offsets, int count) {
    assert_int_equal(take_batch(f, out), count);
    for (int i = 0; i < count; i++)
        assert_int_equal(out[i]->offset, offsets[i]);
}

static void settle_all(kca_delivery *const *all, int count, int verdict) {
    kca__engine_settle_batch(all, count, verdict, false);
    for (int i = 0; i < count; i++)
        kca__engine_give_back(all[i]);
}

static void test_a_batch_is_given_out_when_it_is_full(void **state) {
    fixture f;
    kca_delivery *all[MOST];
    open_batches(&f);
    for (int i = 0; i < MOST - 1; i++)
        come(&f, 0, i, i);
    assert_null(take(&f));
    come(&f, 1, 7, 0);
    come(&f, 1, 8, 1);
    assert_int_equal(take_batch(&f, all), MOST);
    assert_int_equal(all[MOST - 1]->assigned->topic_partition->number, 1);
    assert_null(take(&f));
    assert_int_equal(kca__engine_out(f.engine), MOST);
    settle_all(all, MOST, KCA_DONE);
    assert_int_equal(commit(&f), MOST - 1);
    close_engine(&f);
}

static void test_a_batch_is_given_out_when_its_time_has_come(void **state) {
    fixture f;
    kca_delivery *all[MOST];
    open_batches(&f);
    come(&f, 0, 0, 0);
    assert_null(take(&f));
    assert_true(f.poller_woken > 0);
    pass_ms(&f, WAIT_MS - 1);
    come(&f, 0, 1, 1);
    assert_null(take(&f));
    pass_ms(&f, 1);
    expect_batch(&f, all, (int64_t[]){0, 1}, 2);
    settle_all(all, 2, KCA_DONE);
    close_engine(&f);
}

static void test_others_do_not_wait_for_a_batch(void **state) {
    fixture f;
    open_batches(&f);
    come(&f, 0, 0, 0);
    accept(&f, 0, 1, 1);
    finish(take_offset(&f, 1), KCA_DONE);
    assert_null(take(&f));
    close_engine(&f);
}

static void test_one_key_fills_a_batch_and_the_next_waits_for_it(void **state) {
    fixture f;
    kca_delivery *all[MOST], *next[MOST];
    open_batches(&f);
    come(&f, 0, 0, 5);
    assert_null(take(&f));
    for (int i = 1; i < MOST + 2; i++)
        come(&f, 0, i, 5);
    expect_batch(&f, all, (int64_t[]){0, 1, 2, 3}, MOST);
    pass_ms(&f, WAIT_MS);
    assert_null(take(&f));
    settle_all(all, MOST, KCA_DONE);
    assert_null(take(&f));
    pass_ms(&f, WAIT_MS);
    expect_batch(&f, next, (int64_t[]){4, 5}, 2);
    settle_all(next, 2, KCA_DONE);
    assert_int_equal(commit(&f), MOST + 2);
    close_engine(&f);
}

static void test_a_name_between_ends_the_run_of_a_key(void **state) {
    fixture f;
    kca_delivery *all[MOST];
    open_batches(&f);
    come(&f, 0, 0, 5);
    accept(&f, 0, 1, 5);
    come(&f, 0, 2, 5);
    assert_null(take(&f));
    pass_ms(&f, WAIT_MS);
    expect_batch(&f, all, (int64_t[]){0}, 1);
    settle_all(all, 1, KCA_DONE);
    finish(take_offset(&f, 1), KCA_DONE);
    assert_null(take(&f));
    pass_ms(&f, WAIT_MS);
    expect_batch(&f, all, (int64_t[]){2}, 1);
    settle_all(all, 1, KCA_DONE);
    close_engine(&f);
}

static void test_a_verdict_waits_for_those_before_it_of_its_key(void **state) {
    fixture f;
    kca_delivery *all[MOST];
    open_batches(&f);
    for (int i = 0; i < MOST; i++)
        come(&f, 0, i, i < 3 ? 5 : 6);
    assert_int_equal(take_batch(&f, all), MOST);
    finish(all[2], KCA_DONE);
    finish(all[1], KCA_DONE);
    finish(all[3], KCA_DONE);
    char text[KCA__OFFSET_MAP_SIZE];
    kca__offset_map map;
    assert_int_equal(commit_with(&f, text), 0);
    assert_true(kca__offset_map_read(&map, text, strlen(text), 0));
    for (int i = 0; i < MOST; i++)
        assert_int_equal(kca__offset_map_has(&map, i), i == 3);
    kca__offset_map_clear(&map);
    finish(all[0], KCA_DONE);
    assert_int_equal(commit(&f), MOST);
    assert_int_equal(kca__engine_count(f.engine).handled, MOST);
    assert_int_equal(f.live, 0);
    close_engine(&f);
}

static void test_a_failed_one_takes_only_those_behind_it_of_its_key_along(void **state) {
    fixture f;
    kca_delivery *all[MOST], *again[MOST];
    open_batches(&f);
    for (int i = 0; i < MOST; i++)
        come(&f, 0, i, i < 3 ? 5 : 6);
    assert_int_equal(take_batch(&f, all), MOST);
    assert_true(kca__engine_has_out(all[2]));
    assert_true(kca__engine_settle(all[1], KCA_FAILED));
    assert_false(kca__engine_has_out(all[2])); /* so it need not be handled */
    assert_true(kca__engine_has_out(all[0]) && kca__engine_has_out(all[3]));
    assert_true(kca__engine_settle(all[2], KCA_DONE));
    assert_true(kca__engine_settle(all[0], KCA_DONE));
    assert_false(kca__engine_settle(all[2], KCA_DONE));
    assert_true(kca__engine_settle(all[3], KCA_DONE));
    for (int i = 0; i < MOST; i++)
        kca__engine_give_back(all[i]);
    assert_int_equal(commit(&f), 1);
    pass_ms(&f, WAIT_MS / 2);
    assert_null(take(&f)); /* the retry has come, and is gathered with the one behind it */
    pass_ms(&f, WAIT_MS);
    expect_batch(&f, again, (int64_t[]){1, 2}, 2);
    assert_int_equal(again[0]->attempt, 2);
    assert_int_equal(again[1]->attempt, 1);
    settle_all(again, 2, KCA_DONE);
    assert_int_equal(commit(&f), MOST);
    close_engine(&f);
}

/* So none runs beside an earlier one of its key, whatever the application still does with it. */
static void test_a_retry_waits_until_those_behind_it_are_back(void **state) {
    fixture f;
    kca_delivery *all[MOST], *again[MOST];
    open_batches(&f);
    for (int i = 0; i < MOST; i++)
        come(&f, 0, i, 5);
    assert_int_equal(take_batch(&f, all), MOST);
    finish(all[0], KCA_FAILED);
    assert_false(kca__engine_has_out(all[3]));
    assert_false(kca__engine_settle(all[3], KCA_DONE));
    kca__engine_give_back(all[1]);
    pass_ms(&f, WAIT_MS);
    assert_null(take(&f));
    pass_ms(&f, WAIT_MS);
    assert_null(take(&f)); /* the third is not back */
    kca__engine_give_back(all[2]);
    expect_batch(&f, again, (int64_t[]){0, 1, 2, 3}, MOST);
    settle_all(again, MOST, KCA_DONE);
    kca__engine_give_back(all[3]);
    close_engine(&f);
}

static void test_a_batch_that_failed_as_a_whole_comes_one_by_one(void **state) {
    fixture f;
    kca_delivery *all[MOST], *one[MOST];
    open_batches(&f);
    for (int i = 0; i < MOST; i++)
        come(&f, 0, i, i % 2);
    assert_int_equal(take_batch(&f, all), MOST);
    settle_all(all, MOST, KCA_REJECTED);
    for (int i = 0; i < 2; i++) {
        expect_batch(&f, one, (int64_t[]){i}, 1);
        assert_int_equal(one[0]->attempt, 1);
        settle_all(one, 1, KCA_DONE);
    }
    expect_batch(&f, one, (int64_t[]){2}, 1);
    settle_all(one, 1, KCA_FAILED); /* of one it is a failure */
    expect_batch(&f, one, (int64_t[]){3}, 1);
    settle_all(one, 1, KCA_DONE);
    assert_int_equal(kca__engine_count(f.engine).failed, 1);
    assert_int_equal(commit(&f), 2);
    pass_ms(&f, 60);
    expect_batch(&f, one, (int64_t[]){2}, 1);
    assert_int_equal(one[0]->attempt, 2);
    settle_all(one, 1, KCA_DONE);
    assert_int_equal(commit(&f), MOST);
    close_engine(&f);
}

static void test_a_batch_that_takes_too_long_comes_one_by_one(void **state) {
    fixture f;
    kca_delivery *all[MOST], *one[MOST];
    kca__engine_setup setup = batch_setup();
    setup.processing_timeout_ms = 1000;
    open_engine_with(&f, setup);
    assign(&f, 0);
    come(&f, 0, 0, 5);
    assert_null(take(&f));
    pass_ms(&f, WAIT_MS - 1); /* waiting in the batch is no part of its time */
    for (int i = 1; i < MOST; i++)
        come(&f, 0, i, 5);
    assert_int_equal(take_batch(&f, all), MOST);
    pass_ms(&f, 999);
    assert_true(kca__engine_settle(all[1], KCA_DONE));
    pass_ms(&f, 1);
    assert_false(kca__engine_settle(all[0], KCA_DONE));
    assert_null(take(&f)); /* two of one key never run at once: some are not back */
    for (int i = 0; i < MOST; i++)
        kca__engine_give_back(all[i]);
    expect_batch(&f, one, (int64_t[]){0}, 1);
    settle_all(one, 1, KCA_DONE);
    assert_null(take(&f));
    pass_ms(&f, WAIT_MS);
    expect_batch(&f, one, (int64_t[]){1}, 1);
    settle_all(one, 1, KCA_DONE);
    assert_int_equal(commit(&f), 2);
    close_engine(&f);
}

static void test_a_full_engine_gives_out_what_it_has(void **state) {
    fixture f;
    kca_delivery *all[MOST];
    kca__engine_setup setup = batch_setup();
    setup.capacity = 3;
    open_engine_with(&f, setup);
    assign(&f, 0);
    for (int i = 0; i < 2; i++)
        come(&f, 0, i, i);
    accept(&f, 0, 2, 9);
    kca_delivery *single = take_offset(&f, 2);
    assert_null(take(&f)); /* when that is done there is room */
    finish(single, KCA_DONE);
    assert_null(take(&f));
    come(&f, 0, 3, 3);
    assert_int_equal(take_batch(&f, all), 3);
    settle_all(all, 3, KCA_DONE);
    close_engine(&f);
}

static void test_a_partition_that_goes_does_not_wait_for_a_batch(void **state) {
    fixture f;
    kca_delivery *all[MOST];
    open_batches(&f);
    come(&f, 0, 0, 0);
    come(&f, 1, 0, 0);
    assert_null(take(&f));
    kca__engine_begin_drain(f.engine, "things", 0);
    assert_int_equal(kca__engine_await_drained(f.engine, KCA__CLOCK_OVER), 0);
    forget(&f, 0);
    assert_int_equal(f.live, 1);
    pass_ms(&f, WAIT_MS);
    assert_int_equal(take_batch(&f, all), 1);
    assert_int_equal(all[0]->assigned->topic_partition->number, 1);
    settle_all(all, 1, KCA_DONE);
    close_engine(&f);
}

static void test_a_paused_partition_leaves_its_batch(void **state) {
    fixture f;
    kca_delivery *all[MOST];
    open_batches(&f);
    come(&f, 0, 0, 5);
    come(&f, 0, 1, 5);
    come(&f, 1, 0, 5);
    assert_null(take(&f));
    assert_true(kca__engine_set_paused(f.engine, "things", 0, true, keep_back, &f));
    pass_ms(&f, WAIT_MS);
    assert_int_equal(take_batch(&f, all), 1);
    settle_all(all, 1, KCA_DONE);
    assert_true(kca__engine_set_paused(f.engine, "things", 0, false, keep_back, &f));
    assert_null(take(&f));
    pass_ms(&f, WAIT_MS);
    expect_batch(&f, all, (int64_t[]){0, 1}, 2);
    settle_all(all, 2, KCA_DONE);
    close_engine(&f);
}

static void test_a_stop_gives_out_no_batch(void **state) {
    fixture f;
    open_batches(&f);
    come(&f, 0, 0, 5);
    assert_null(take(&f));
    kca__engine_stop(f.engine, KCA__CLOCK_NEVER);
    pass_ms(&f, WAIT_MS);
    assert_null(take(&f));
    kca__engine_rest rest = kca__engine_see_rest(f.engine);
    assert_int_equal(rest.out, 0);
    assert_int_equal(kca__engine_shut(f.engine), 0);
    assert_int_equal(commit(&f), NOTHING);
    close_engine(&f);
}

/* What is called off while it stops must come again after the next start, not count. */
static void test_nothing_behind_a_failure_counts_while_it_stops(void **state) {
    fixture f;
    kca_delivery *all[MOST];
    open_batches(&f);
    for (int i = 0; i < MOST; i++)
        come(&f, 0, i, 5);
    assert_int_equal(take_batch(&f, all), MOST);
    assert_true(kca__engine_settle(all[1], KCA_DONE));
    kca__engine_stop(f.engine, KCA__CLOCK_NEVER);
    assert_true(kca__engine_settle(all[0], KCA_FAILED));
    for (int i = 0; i < MOST; i++)
        kca__engine_give_back(all[i]);
    assert_int_equal(commit(&f), NOTHING);
    assert_int_equal(kca__engine_see_rest(f.engine).out, 0);
    close_engine(&f);
}

static void test_an_event_that_is_freed_fails_all_of_its_batch(void **state) {
    fixture f;
    open_batches(&f);
    for (int i = 0; i < MOST; i++)
        come(&f, 0, i, i);
    kca_delivery *first = take(&f);
    first->event.release(&first->event);
    assert_int_equal(kca__engine_count(f.engine).failed, MOST);
    assert_int_equal(kca__engine_out(f.engine), 0);
    close_engine(&f);
}

/* ---- with replies ---- */

/* Somebody waits for its reply. */
static void come_asking(fixture *f, int64_t offset, int key) {
    record *r = new_record(f, 0, offset, key);
    r->batch = 1;
    r->asks = true;
    accept_record(f, r);
}

/* A batch of one key whose first is asked for a reply, all of it settled as done. */
static void settle_before_a_reply(fixture *f, kca_delivery *all[MOST]) {
    open_batches(f);
    come_asking(f, 0, 5);
    for (int i = 1; i < MOST; i++)
        come(f, 0, i, 5);
    assert_int_equal(take_batch(f, all), MOST);
    settle_all(all, MOST, KCA_DONE);
    assert_int_equal(kca__engine_out(f->engine), 0);
    assert_int_equal(commit(f), NOTHING);
}

static void test_those_behind_an_answered_one_wait_for_its_reply(void **state) {
    fixture f;
    kca_delivery *all[MOST];
    settle_before_a_reply(&f, all);
    pass_ms(&f, WAIT_MS);
    assert_null(take(&f)); /* and are not handled again */
    kca__engine_letter_stored(kca__engine_take_condemned(f.engine));
    assert_int_equal(commit(&f), MOST);
    assert_null(take(&f));
    assert_int_equal(kca__engine_count(f.engine).handled, MOST);
    assert_int_equal(f.live, 0);
    close_engine(&f);
}

static void test_each_of_a_key_is_answered_in_its_turn(void **state) {
    fixture f;
    kca_delivery *all[MOST];
    open_batches(&f);
    for (int i = 0; i < MOST; i++)
        come_asking(&f, i, 5);
    assert_int_equal(take_batch(&f, all), MOST);
    for (int i = MOST - 1; i >= 0; i--)
        assert_true(kca__engine_settle(all[i], i == 2 ? KCA_FAILED : KCA_DONE));
    for (int i = 0; i < 2; i++) {
        kca_delivery *d = kca__engine_take_condemned(f.engine);
        assert_non_null(d);
        assert_int_equal(d->offset, i);
        assert_null(kca__engine_take_condemned(f.engine));
        kca__engine_letter_stored(d);
        assert_int_equal(commit(&f), i + 1);
    }
    for (int i = 0; i < MOST; i++)
        kca__engine_give_back(all[i]);
    pass_ms(&f, WAIT_MS);
    assert_null(take(&f));
    pass_ms(&f, WAIT_MS);
    expect_batch(&f, all, (int64_t[]){2, 3}, 2); /* the retry, and the one that it called off */
    settle_all(all, 2, KCA_DONE);
    close_engine(&f);
}

static void test_nothing_behind_a_reply_that_is_not_stored_counts(void **state) {
    fixture f;
    kca_delivery *all[MOST];
    settle_before_a_reply(&f, all);
    kca__engine_stop(f.engine, KCA__CLOCK_NEVER);
    assert_int_equal(kca__engine_see_rest(f.engine).letters, 1);
    kca__engine_letter_failed(kca__engine_take_condemned(f.engine),
                              kca__error_new(KCA_ERROR_NOT_STORED, "away"));
    assert_int_equal(kca__engine_see_rest(f.engine).letters, 0);
    assert_int_equal(commit(&f), NOTHING); /* they come again after it */
    close_engine(&f);
}

/* ... and what was kept behind that counts after it. */
static void test_what_takes_too_long_behind_an_answered_one_comes_again(void **state) {
    fixture f;
    kca_delivery *all[MOST], *one[MOST];
    kca__engine_setup setup = batch_setup();
    setup.processing_timeout_ms = 1000;
    open_engine_with(&f, setup);
    assign(&f, 0);
    come_asking(&f, 0, 5);
    for (int i = 1; i < MOST; i++)
        come(&f, 0, i, 5);
    assert_int_equal(take_batch(&f, all), MOST);
    assert_true(kca__engine_settle(all[0], KCA_DONE));
    assert_true(kca__engine_settle(all[2], KCA_DONE));
    pass_ms(&f, 1000);
    assert_false(kca__engine_settle(all[1], KCA_DONE));
    for (int i = 0; i < MOST; i++)
        kca__engine_give_back(all[i]);
    assert_null(take(&f));
    kca__engine_letter_stored(kca__engine_take_condemned(f.engine));
    assert_int_equal(commit(&f), 1);
    expect_batch(&f, one, (int64_t[]){1}, 1); /* of several that took too long: alone */
    settle_all(one, 1, KCA_DONE);
    assert_null(take(&f));
    pass_ms(&f, WAIT_MS);
    expect_batch(&f, one, (int64_t[]){2}, 1);
    settle_all(one, 1, KCA_DONE);
    expect_batch(&f, one, (int64_t[]){3}, 1);
    settle_all(one, 1, KCA_DONE);
    assert_int_equal(commit(&f), MOST);
    close_engine(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_batch_is_given_out_when_it_is_full),
        cmocka_unit_test(test_a_batch_is_given_out_when_its_time_has_come),
        cmocka_unit_test(test_others_do_not_wait_for_a_batch),
        cmocka_unit_test(test_one_key_fills_a_batch_and_the_next_waits_for_it),
        cmocka_unit_test(test_a_name_between_ends_the_run_of_a_key),
        cmocka_unit_test(test_a_verdict_waits_for_those_before_it_of_its_key),
        cmocka_unit_test(test_a_failed_one_takes_only_those_behind_it_of_its_key_along),
        cmocka_unit_test(test_a_retry_waits_until_those_behind_it_are_back),
        cmocka_unit_test(test_a_batch_that_failed_as_a_whole_comes_one_by_one),
        cmocka_unit_test(test_a_batch_that_takes_too_long_comes_one_by_one),
        cmocka_unit_test(test_a_full_engine_gives_out_what_it_has),
        cmocka_unit_test(test_a_partition_that_goes_does_not_wait_for_a_batch),
        cmocka_unit_test(test_a_paused_partition_leaves_its_batch),
        cmocka_unit_test(test_a_stop_gives_out_no_batch),
        cmocka_unit_test(test_nothing_behind_a_failure_counts_while_it_stops),
        cmocka_unit_test(test_an_event_that_is_freed_fails_all_of_its_batch),
        cmocka_unit_test(test_those_behind_an_answered_one_wait_for_its_reply),
        cmocka_unit_test(test_each_of_a_key_is_answered_in_its_turn),
        cmocka_unit_test(test_nothing_behind_a_reply_that_is_not_stored_counts),
        cmocka_unit_test(test_what_takes_too_long_behind_an_answered_one_comes_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
