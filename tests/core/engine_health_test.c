/* What each frontier waits for, and since when: the engine with records that are only numbers. */
#include "engine_fixture.h"

enum { HOUR_MS = 3600000 };

static int64_t low, high = -1;

static int64_t first_offset(void *owner, const char *topic, int partition) {
    (void)owner, (void)topic, (void)partition;
    return low;
}

static int64_t high_watermark(void *owner, const char *topic, int partition) {
    (void)owner, (void)topic, (void)partition;
    return high;
}

static void open_with(fixture *f, int capacity, kca__engine_setup setup) {
    setup.capacity = capacity;
    setup.first_offset = first_offset;
    setup.high_watermark = high_watermark;
    low = 0;
    high = -1;
    open_engine_with(f, setup);
    assign(f, 0);
}

static void copy_standing(void *user, const kca__partition_look *look) {
    if (look->partition == 0)
        *(kca__standing *)user = look->standing;
}

static kca__standing standing_with(fixture *f, bool records_come) {
    kca__standing s = {.since_ms = -1};
    kca__engine_see_standings(f->engine, simulated_ms, records_come);
    kca__engine_look(f->engine, copy_standing, &s);
    return s;
}

/* Partition 0 waits for this, at this offset, for so long. */
static void must_stand(fixture *f, kca__waits_for waits_for, int64_t offset, int64_t for_ms) {
    kca__standing s = standing_with(f, false);
    assert_int_equal(s.waits_for, waits_for);
    assert_int_equal(s.offset, offset);
    assert_int_equal(simulated_ms - s.since_ms, for_ms);
}

static void test_an_idle_partition_waits_for_nothing_however_long(void **state) {
    fixture f;
    open_with(&f, 10, plain_setup(10, false));
    must_stand(&f, KCA__WAITS_FOR_NOTHING, -1, 0);
    pass_ms(&f, HOUR_MS);
    accept(&f, 0, 7, 1);
    finish(take_offset(&f, 7), KCA_DONE);
    high = 8;
    must_stand(&f, KCA__WAITS_FOR_NOTHING, 8, 0);
    pass_ms(&f, HOUR_MS);
    must_stand(&f, KCA__WAITS_FOR_NOTHING, 8, HOUR_MS);
    close_engine(&f);
}

/* Not since the partition became idle. */
static void test_records_that_do_not_come_wait_since_there_are_some(void **state) {
    fixture f;
    open_with(&f, 10, plain_setup(10, false));
    accept(&f, 0, 7, 1);
    finish(take_offset(&f, 7), KCA_DONE);
    high = 8;
    must_stand(&f, KCA__WAITS_FOR_NOTHING, 8, 0);
    pass_ms(&f, HOUR_MS);
    high = 9;
    must_stand(&f, KCA__WAITS_FOR_RECORDS, 8, 0);
    pass_ms(&f, 5000);
    must_stand(&f, KCA__WAITS_FOR_RECORDS, 8, 5000);
    close_engine(&f);
}

static void test_where_nothing_came_yet_the_fetch_queue_says_whether_there_is_more(void **state) {
    fixture f;
    open_with(&f, 10, plain_setup(10, false));
    high = 100;
    assert_int_equal(standing_with(&f, false).waits_for, KCA__WAITS_FOR_NOTHING);
    assert_int_equal(standing_with(&f, true).waits_for, KCA__WAITS_FOR_RECORDS);
    low = 100;
    assert_int_equal(standing_with(&f, true).waits_for, KCA__WAITS_FOR_NOTHING);
    close_engine(&f);
}

static void test_a_record_waits_for_its_turn_then_for_its_handler(void **state) {
    fixture f;
    open_with(&f, 2, plain_setup(2, false));
    accept(&f, 0, 1, 1);
    accept(&f, 0, 2, 2);
    must_stand(&f, KCA__WAITS_FOR_TURN, 1, 0);
    pass_ms(&f, 3000);
    must_stand(&f, KCA__WAITS_FOR_TURN, 1, 3000);
    kca_delivery *first = take_offset(&f, 1), *second = take_offset(&f, 2);
    must_stand(&f, KCA__WAITS_FOR_HANDLER, 1, 0);
    pass_ms(&f, 2000);
    finish(second, KCA_DONE); /* ahead of the frontier */
    must_stand(&f, KCA__WAITS_FOR_HANDLER, 1, 2000);
    finish(first, KCA_DONE);
    must_stand(&f, KCA__WAITS_FOR_NOTHING, 3, 0);
    close_engine(&f);
}

/* Only giving out and settling are turns. */
static void test_the_pulse_tells_when_something_was_taken_or_settled_last(void **state) {
    fixture f;
    open_with(&f, 10, plain_setup(10, false));
    kca__engine_see_standings(f.engine, simulated_ms, false);
    accept(&f, 0, 1, 1);
    int64_t began_ms = simulated_ms;
    pass_ms(&f, 4000);
    kca__engine_see_standings(f.engine, simulated_ms, false);
    assert_int_equal(kca__engine_feel_pulse(f.engine).turn_ms, began_ms);
    kca_delivery *d = take_offset(&f, 1);
    kca__engine_see_standings(f.engine, simulated_ms, false);
    assert_int_equal(kca__engine_feel_pulse(f.engine).turn_ms, simulated_ms);
    assert_false(kca__engine_feel_pulse(f.engine).in_time);
    pass_ms(&f, 4000);
    finish(d, KCA_DONE);
    kca__engine_see_standings(f.engine, simulated_ms, false);
    assert_int_equal(kca__engine_feel_pulse(f.engine).turn_ms, simulated_ms);
    close_engine(&f);
}

static void test_a_full_engine_lets_others_wait_for_their_turn(void **state) {
    fixture f;
    open_with(&f, 1, plain_setup(1, false));
    high = 10;
    assign(&f, 1);
    accept(&f, 0, 9, 1);
    finish(take_offset(&f, 9), KCA_DONE);
    accept(&f, 1, 1, 1);
    kca_delivery *d = take_offset(&f, 1);
    high = 11;
    must_stand(&f, KCA__WAITS_FOR_TURN, 10, 0);
    finish(d, KCA_DONE);
    must_stand(&f, KCA__WAITS_FOR_RECORDS, 10, 0);
    close_engine(&f);
}

static void test_a_retry_waits_for_its_time_and_each_attempt_begins_anew(void **state) {
    fixture f;
    kca__engine_setup setup = plain_setup(10, false);
    setup.retry = (kca__retry_plan){
        .max_attempts = 3, .backoff_ms = HOUR_MS, .backoff_max_ms = HOUR_MS, .multiplier = 1};
    open_with(&f, 10, setup);
    accept(&f, 0, 1, 1);
    finish(take_offset(&f, 1), KCA_FAILED);
    must_stand(&f, KCA__WAITS_FOR_TIME, 1, 0);
    pass_ms(&f, HOUR_MS / 2);
    must_stand(&f, KCA__WAITS_FOR_TIME, 1, HOUR_MS / 2);
    pass_ms(&f, HOUR_MS);
    kca_delivery *d = take_offset(&f, 1);
    must_stand(&f, KCA__WAITS_FOR_HANDLER, 1, 0);
    finish(d, KCA_FAILED);
    pass_ms(&f, HOUR_MS); /* nobody looked meanwhile */
    d = take_offset(&f, 1);
    must_stand(&f, KCA__WAITS_FOR_HANDLER, 1, 0);
    finish(d, KCA_DONE);
    close_engine(&f);
}

static void test_the_pulse_tells_when_the_poller_is_to_come_round(void **state) {
    fixture f;
    open_with(&f, 10, plain_setup(10, false));
    assert_int_equal(kca__engine_feel_pulse(f.engine).due_ms, KCA__CLOCK_NEVER);
    pass_ms(&f, 0);
    assert_int_equal(kca__engine_feel_pulse(f.engine).due_ms, simulated_ms + 1000);
    kca__engine_stop(f.engine, KCA__CLOCK_NEVER);
    assert_int_equal(kca__engine_feel_pulse(f.engine).due_ms, KCA__CLOCK_NEVER);
    close_engine(&f);
}

static void paused(void *user, const char *topic, int partition, bool kept_back) {
    (void)user, (void)topic, (void)partition, (void)kept_back;
}

static void test_a_paused_partition_waits_to_be_resumed_but_a_handler_is_still_seen(void **state) {
    fixture f;
    open_with(&f, 10, plain_setup(10, false));
    accept(&f, 0, 1, 1);
    accept(&f, 0, 2, 2);
    assert_true(kca__engine_set_paused(f.engine, "things", 0, true, paused, NULL));
    must_stand(&f, KCA__WAITS_FOR_RESUME, 1, 0);
    assert_true(kca__engine_set_paused(f.engine, "things", 0, false, paused, NULL));
    kca_delivery *d = take_offset(&f, 1);
    assert_true(kca__engine_set_paused(f.engine, "things", 0, true, paused, NULL));
    must_stand(&f, KCA__WAITS_FOR_HANDLER, 1, 0);
    finish(d, KCA_DONE);
    must_stand(&f, KCA__WAITS_FOR_RESUME, 2, 0);
    close_engine(&f);
}

/* Also while it is written again and again. */
static void test_a_letter_that_is_not_stored_waits_since_the_first_try(void **state) {
    fixture f;
    kca__engine_setup setup = plain_setup(10, false);
    setup.dead_letters = true;
    open_with(&f, 10, setup);
    accept(&f, 0, 1, 1);
    finish(take_offset(&f, 1), KCA_FAILED);
    must_stand(&f, KCA__WAITS_FOR_LETTER, 1, 0);
    for (int i = 1; i <= 3; i++) {
        kca_delivery *d = kca__engine_take_condemned(f.engine);
        assert_non_null(d);
        must_stand(&f, KCA__WAITS_FOR_LETTER, 1, (i - 1) * HOUR_MS);
        kca__engine_letter_failed(d, kca__error_new(KCA_ERROR_NOT_STORED, "no broker"));
        must_stand(&f, KCA__WAITS_FOR_LETTER, 1, (i - 1) * HOUR_MS);
        pass_ms(&f, HOUR_MS);
    }
    kca__engine_letter_stored(kca__engine_take_condemned(f.engine));
    must_stand(&f, KCA__WAITS_FOR_NOTHING, 2, 0);
    close_engine(&f);
}

/* Of a gathered batch until its time has come: then somebody should take it. */
static void test_a_batch_waits_for_its_time_then_for_its_turn(void **state) {
    fixture f;
    kca__engine_setup setup = plain_setup(10, false);
    const kca__batch_plan plan = {.most = 5, .wait_ms = 1000};
    setup.batches = &plan;
    setup.batch_count = 1;
    open_with(&f, 10, setup);
    record *r = new_record(&f, 0, 1, 1);
    r->batch = 1;
    accept_record(&f, r);
    assert_null(take(&f));
    must_stand(&f, KCA__WAITS_FOR_TIME, 1, 0);
    pass_ms(&f, 1000);
    must_stand(&f, KCA__WAITS_FOR_TURN, 1, 0);
    close_engine(&f);
}

/* ---- handlers that are late ---- */

static void must_be_late(fixture *f, int late, bool in_time) {
    kca__engine_pulse pulse = kca__engine_feel_pulse(f->engine);
    assert_int_equal(pulse.late, late);
    assert_int_equal(pulse.in_time, in_time);
}

static void count_late(bool abandon) {
    fixture f;
    kca__engine_setup setup = plain_setup(10, true);
    setup.processing_timeout_ms = 1000;
    setup.abandon = abandon;
    open_with(&f, 10, setup);
    accept(&f, 0, 1, 1);
    accept(&f, 0, 2, 2);
    kca_delivery *settled = take_offset(&f, 1);
    pass_ms(&f, 500);
    kca_delivery *freed = take_offset(&f, 2);
    must_be_late(&f, 0, true);
    int64_t due_ms = simulated_ms + 500;
    pass_ms(&f, 999);
    must_be_late(&f, 1, true);
    pass_ms(&f, 2000);
    must_be_late(&f, 2, false);
    assert_int_equal(kca__engine_feel_pulse(f.engine).late_since_ms, due_ms);
    assert_false(kca__engine_settle(settled, KCA_DONE)); /* it is back, though memory is kept */
    must_be_late(&f, 1, false);
    kca__engine_give_back(freed);
    must_be_late(&f, 0, false);
    kca__engine_give_back(settled);
    close_engine(&f);
}

static void test_a_handler_is_late_until_it_settles_or_frees(void **state) {
    count_late(false);
    count_late(true);
}

static void test_what_is_used_again_is_not_late(void **state) {
    fixture f;
    kca__engine_setup setup = plain_setup(10, true);
    setup.processing_timeout_ms = 1000;
    open_with(&f, 10, setup);
    for (int i = 1; i <= 3; i++) {
        accept(&f, 0, i, 1);
        kca_delivery *d = take_offset(&f, i);
        must_be_late(&f, 0, true);
        pass_ms(&f, 1000);
        must_be_late(&f, 1, false);
        kca__engine_give_back(d);
        must_be_late(&f, 0, false);
    }
    close_engine(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_idle_partition_waits_for_nothing_however_long),
        cmocka_unit_test(test_records_that_do_not_come_wait_since_there_are_some),
        cmocka_unit_test(test_where_nothing_came_yet_the_fetch_queue_says_whether_there_is_more),
        cmocka_unit_test(test_a_record_waits_for_its_turn_then_for_its_handler),
        cmocka_unit_test(test_the_pulse_tells_when_something_was_taken_or_settled_last),
        cmocka_unit_test(test_a_full_engine_lets_others_wait_for_their_turn),
        cmocka_unit_test(test_a_retry_waits_for_its_time_and_each_attempt_begins_anew),
        cmocka_unit_test(test_the_pulse_tells_when_the_poller_is_to_come_round),
        cmocka_unit_test(test_a_paused_partition_waits_to_be_resumed_but_a_handler_is_still_seen),
        cmocka_unit_test(test_a_letter_that_is_not_stored_waits_since_the_first_try),
        cmocka_unit_test(test_a_batch_waits_for_its_time_then_for_its_turn),
        cmocka_unit_test(test_a_handler_is_late_until_it_settles_or_frees),
        cmocka_unit_test(test_what_is_used_again_is_not_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
