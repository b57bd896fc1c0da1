/* What becomes of deliveries that failed: one rule in each test. */
#include "engine_fixture.h"

static kca__engine_setup retrying_setup(int max_attempts, bool dead_letters) {
    kca__engine_setup setup = plain_setup(10, false);
    setup.retry = (kca__retry_plan){
        .max_attempts = max_attempts, .backoff_ms = 100, .backoff_max_ms = 1000, .multiplier = 2};
    setup.dead_letters = dead_letters;
    return setup;
}

static void open_with(fixture *f, kca__engine_setup setup) {
    open_engine_with(f, setup);
    assign(f, 0);
}

static void open_retrying(fixture *f, int max_attempts, bool dead_letters) {
    open_with(f, retrying_setup(max_attempts, dead_letters));
}

static void open_timed(fixture *f, int max_attempts, bool dead_letters) {
    kca__engine_setup setup = retrying_setup(max_attempts, dead_letters);
    setup.processing_timeout_ms = 50;
    open_with(f, setup);
}

static kca_delivery *condemned(fixture *f) {
    return kca__engine_take_condemned(f->engine);
}

static void fail_with(kca_delivery *d, const char *name) {
    kca_delivery_explain(d, name, "the amount is -3");
    finish(d, KCA_FAILED);
}

/* ---- retries ---- */

static void test_a_failed_delivery_comes_again_after_its_pause(void **state) {
    fixture f;
    open_retrying(&f, 3, false);
    accept(&f, 0, 5, 1);
    kca_delivery *d = take(&f);
    assert_int_equal(kca_delivery_attempt(d), 1);
    finish(d, KCA_FAILED);
    assert_int_equal(f.poller_woken, 1);
    pass_ms(&f, 99);
    assert_null(take(&f));
    pass_ms(&f, 1);
    d = take_offset(&f, 5);
    assert_int_equal(kca_delivery_attempt(d), 2);
    finish(d, KCA_FAILED);
    pass_ms(&f, 199);
    assert_null(take(&f));
    pass_ms(&f, 1);
    d = take_offset(&f, 5);
    assert_int_equal(kca_delivery_attempt(d), 3);
    assert_int_equal(commit(&f), NOTHING);
    finish(d, KCA_DONE);
    assert_int_equal(commit(&f), 6);
    assert_int_equal(f.engine->counts.retried, 2);
    assert_int_equal(f.engine->counts.failed, 2);
    assert_int_equal(f.engine->counts.handled, 1);
    close_engine(&f);
}

static void test_a_waiting_retry_blocks_its_key_only(void **state) {
    fixture f;
    open_retrying(&f, 2, false);
    accept(&f, 0, 0, 1);
    accept(&f, 0, 1, 1);
    accept(&f, 0, 2, 2);
    finish(take_offset(&f, 0), KCA_FAILED);
    finish(take_offset(&f, 2), KCA_DONE);
    assert_null(take(&f));
    pass_ms(&f, 100);
    finish(take_offset(&f, 0), KCA_DONE);
    finish(take_offset(&f, 1), KCA_DONE);
    assert_int_equal(commit(&f), 3);
    close_engine(&f);
}

/* A handler that settles it itself, and returns: another thread may have its record by then. */
static void test_a_delivery_whose_record_goes_on_is_put_away_under_the_lock(void **state) {
    fixture f;
    open_retrying(&f, 2, false);
    accept(&f, 0, 0, 1);
    kca_delivery *d = take_offset(&f, 0);
    assert_true(kca__engine_settle(d, KCA_FAILED));
    assert_false(kca__engine_has_ended(d));
    kca__engine_give_back(d);
    pass_ms(&f, 100);
    finish(take_offset(&f, 0), KCA_DONE);
    close_engine(&f);
}

/* Who frees it may be a garbage collector, at some time. */
static void test_a_retry_does_not_wait_for_the_failed_delivery_to_be_freed(void **state) {
    fixture f;
    open_retrying(&f, 3, true);
    accept(&f, 0, 0, 1);
    kca_delivery *kept[3];
    for (int i = 0; i < 3; i++) {
        kept[i] = take_offset(&f, 0);
        assert_int_equal(kept[i]->attempt, i + 1);
        assert_true(kca__engine_settle(kept[i], KCA_FAILED));
        assert_false(kca__engine_settle(kept[i], KCA_DONE));
        pass_ms(&f, 500);
    }
    kca__engine_letter_stored(condemned(&f));
    assert_int_equal(commit(&f), 1);
    assert_int_equal(f.live, 1); /* what is kept stays readable */
    for (int i = 0; i < 3; i++)
        kca__engine_give_back(kept[i]);
    assert_int_equal(f.live, 0);
    close_engine(&f);
}

static void test_a_delivery_knows_how_long_it_may_take(void **state) {
    fixture f;
    open_timed(&f, 2, false);
    accept(&f, 0, 0, 1);
    kca_delivery *d = take(&f);
    assert_int_equal(kca_delivery_left_ms(d), 50);
    pass_ms(&f, 49);
    assert_int_equal(kca_delivery_left_ms(d), 1);
    pass_ms(&f, 10);
    assert_int_equal(kca_delivery_left_ms(d), 0);
    kca__engine_give_back(d);
    pass_ms(&f, 100);
    d = take(&f);
    assert_int_equal(kca_delivery_attempt(d), 2);
    assert_int_equal(kca_delivery_left_ms(d), 50);
    finish(d, KCA_DONE);
    close_engine(&f);

    open_retrying(&f, 2, false);
    accept(&f, 0, 0, 1);
    d = take(&f);
    assert_int_equal(kca_delivery_left_ms(d), -1);
    finish(d, KCA_DONE);
    close_engine(&f);
}

static void test_settling_a_late_delivery_tells_that_its_handler_is_back(void **state) {
    fixture f;
    open_timed(&f, 2, false);
    accept(&f, 0, 0, 1);
    kca_delivery *late = take(&f);
    pass_ms(&f, 50);
    pass_ms(&f, 1000);
    assert_null(take(&f));
    assert_false(kca__engine_settle(late, KCA_DONE));
    pass_ms(&f, 0);
    finish(take_offset(&f, 0), KCA_DONE);
    kca__engine_give_back(late);
    close_engine(&f);
}

static void test_the_last_attempt_stops_the_consumer_and_says_which_it_was(void **state) {
    fixture f;
    open_retrying(&f, 2, false);
    accept(&f, 0, 0, 1);
    fail_with(take(&f), "NegativeAmount");
    pass_ms(&f, 100);
    fail_with(take(&f), "NegativeAmount");
    assert_non_null(strstr(f.engine->failure->text, "failed at things[0] offset 0, NegativeAmount "
                                                    "(the last attempt): the amount is -3"));
    assert_int_equal(commit(&f), NOTHING);
    close_engine(&f);
}

static void test_an_error_of_the_list_is_not_tried_again(void **state) {
    fixture f;
    char *names[] = {"Broken", "NegativeAmount"};
    kca__engine_setup setup = retrying_setup(5, true);
    setup.retry.rejected_errors = names;
    setup.retry.rejected_count = 2;
    open_with(&f, setup);
    accept(&f, 0, 0, 1);
    fail_with(take(&f), "NegativeAmount");
    assert_int_equal(f.engine->condemned.count, 1);
    assert_int_equal(f.engine->counts.retried, 0);
    close_engine(&f);
}

/* A stop must not wait for a pause of hours, and the record must come again. */
static void test_a_retry_that_the_end_comes_before_is_not_settled(void **state) {
    fixture f;
    open_retrying(&f, 0, true);
    accept(&f, 0, 0, 1);
    accept(&f, 0, 1, 2);
    kca_delivery *late = take_offset(&f, 0);
    finish(take_offset(&f, 1), KCA_FAILED);
    kca__engine_stop(f.engine, KCA__CLOCK_NEVER);
    finish(late, KCA_FAILED);
    assert_int_equal(f.engine->condemned.count, 0);
    assert_int_equal(commit(&f), NOTHING);
    assert_int_equal(kca__engine_shut(f.engine), 0);
    assert_int_equal(f.live, 0);
    close_engine(&f);
}

/* It may have failed for want of an answer, which the end took from it. */
static void spare_at_the_end(kca__engine_setup setup) {
    fixture f;
    open_with(&f, setup);
    for (int64_t offset = 0; offset < 2; offset++)
        accept(&f, 0, offset, (int)offset + 1);
    kca_delivery *failed = take_offset(&f, 0);
    kca_delivery *rejected = take_offset(&f, 1);
    kca__engine_stop(f.engine, KCA__CLOCK_NEVER);
    kca__engine_spare(f.engine);
    finish(rejected, KCA_REJECTED);
    finish(failed, KCA_FAILED);
    assert_int_equal(f.engine->counts.skipped + f.engine->condemned.count, 1);
    assert_true(commit(&f) <= 0); /* not beyond it */
    kca__engine_shut(f.engine);
    close_engine(&f);
}

static void test_what_fails_for_good_while_asks_are_ended_comes_again(void **state) {
    kca__engine_setup skipping = retrying_setup(1, false);
    skipping.skip = true;
    spare_at_the_end(skipping);
    spare_at_the_end(retrying_setup(1, true));
}

static void test_retries_of_a_partition_that_goes_are_dropped(void **state) {
    fixture f;
    open_retrying(&f, 2, false);
    assign(&f, 1);
    accept(&f, 0, 0, 1);
    accept(&f, 1, 0, 1);
    finish(take(&f), KCA_FAILED);
    finish(take(&f), KCA_FAILED);
    forget(&f, 0);
    assert_int_equal(f.live, 1);
    pass_ms(&f, 100);
    kca_delivery *d = take(&f);
    assert_int_equal(((record *)d->record)->partition, 1);
    finish(d, KCA_DONE);
    assert_null(take(&f));
    close_engine(&f);
}

/* ---- dead letters ---- */

static void test_a_rejected_delivery_is_dead_lettered_at_once(void **state) {
    fixture f;
    open_retrying(&f, 5, true);
    accept(&f, 0, 7, 1);
    kca_delivery *d = take(&f);
    kca_delivery_explain(d, "NegativeAmount", "the amount is -3");
    finish(d, KCA_REJECTED);
    assert_int_equal(f.poller_woken, 1);
    d = condemned(&f);
    assert_non_null(d);
    assert_int_equal(d->offset, 7);
    assert_string_equal(d->failure_name, "NegativeAmount");
    assert_string_equal(d->failure_text, "the amount is -3");
    assert_int_equal(commit(&f), NOTHING);
    kca__engine_letter_stored(d);
    assert_int_equal(commit(&f), 8);
    assert_int_equal(f.engine->counts.rejected, 1);
    assert_int_equal(f.engine->counts.dead_lettered, 1);
    assert_int_equal(f.live, 0);
    close_engine(&f);
}

static void test_the_last_failed_attempt_is_dead_lettered_with_its_reason(void **state) {
    fixture f;
    open_retrying(&f, 2, true);
    accept(&f, 0, 0, 1);
    fail_with(take(&f), "First");
    pass_ms(&f, 100);
    fail_with(take(&f), "Second");
    kca_delivery *d = condemned(&f);
    assert_int_equal(d->attempt, 2);
    assert_string_equal(d->failure_name, "Second");
    kca__engine_letter_stored(d);
    close_engine(&f);
}

static void test_a_dead_letter_under_way_blocks_its_key_only(void **state) {
    fixture f;
    open_retrying(&f, 1, true);
    accept(&f, 0, 0, 1);
    accept(&f, 0, 1, 1);
    accept(&f, 0, 2, 2);
    finish(take_offset(&f, 0), KCA_FAILED);
    kca_delivery *writing = condemned(&f);
    finish(take_offset(&f, 2), KCA_DONE);
    assert_null(take(&f));
    kca__engine_letter_stored(writing);
    finish(take_offset(&f, 1), KCA_DONE);
    assert_int_equal(commit(&f), 3);
    close_engine(&f);
}

/* Fault 2 of Gomes: a failed dead-letter write was committed anyway. */
static void test_a_dead_letter_that_is_not_stored_is_written_again_with_a_fault_each_time(
    void **state) {
    fixture f;
    open_retrying(&f, 1, true);
    accept(&f, 0, 0, 1);
    finish(take(&f), KCA_FAILED);
    int64_t pause = 100;
    for (int n = 1; n <= 20; n++) {
        kca_delivery *d = condemned(&f);
        assert_non_null(d);
        kca__engine_letter_failed(d, kca__error_new(KCA_ERROR_NOT_STORED, "the broker is away"));
        assert_int_equal(kca__notes_count(&f.engine->notes), n);
        assert_int_equal(commit(&f), NOTHING);
        pass_ms(&f, pause - 1);
        assert_null(condemned(&f));
        pass_ms(&f, 1);
        pause = pause * 2 < 10000 ? pause * 2 : 10000;
    }
    assert_string_equal(first_note(&f)->error->text,
                        "consumer reader: the dead letter of things[0] offset 0 is not stored: the "
                        "broker is away");
    assert_int_equal(first_note(&f)->error->code, KCA_ERROR_NOT_STORED);
    assert_int_equal(first_note(&f)->offset, 0);
    kca__engine_letter_stored(condemned(&f));
    assert_int_equal(commit(&f), 1);
    close_engine(&f);
}

static void test_a_dead_letter_without_room_is_written_later_without_a_fault(void **state) {
    fixture f;
    open_retrying(&f, 1, true);
    accept(&f, 0, 0, 1);
    finish(take(&f), KCA_FAILED);
    kca__engine_letter_postponed(condemned(&f), 20);
    assert_int_equal(kca__notes_count(&f.engine->notes), 0);
    assert_int_equal(commit(&f), NOTHING);
    assert_null(condemned(&f));
    kca__engine_stop(f.engine, KCA__CLOCK_NEVER); /* a stop does not give it up */
    pass_ms(&f, 20);
    kca__engine_letter_stored(condemned(&f));
    assert_int_equal(commit(&f), 1);
    close_engine(&f);
}

static void test_a_dead_letter_that_is_not_stored_at_the_end_comes_again(void **state) {
    fixture f;
    open_retrying(&f, 1, true);
    accept(&f, 0, 0, 1);
    finish(take(&f), KCA_FAILED);
    kca_delivery *d = condemned(&f);
    kca__engine_stop(f.engine, KCA__CLOCK_NEVER);
    kca__engine_letter_failed(d, kca__error_new(KCA_ERROR_NOT_STORED, "the broker is away"));
    assert_int_equal(commit(&f), NOTHING);
    assert_int_equal(f.live, 0);
    close_engine(&f);
}

static kca_error *too_large(void) {
    return kca__error_new(KCA_ERROR_TOO_LARGE, "the letter is too large");
}

/* The next of its key goes on, as if there were no channel. */
static void test_a_refused_dead_letter_is_skipped_with_a_fault(void **state) {
    fixture f;
    kca__engine_setup setup = retrying_setup(1, true);
    setup.skip = true;
    open_with(&f, setup);
    accept(&f, 0, 0, 1);
    accept(&f, 0, 1, 1);
    finish(take(&f), KCA_FAILED);
    kca__engine_letter_refused(condemned(&f), too_large());
    assert_int_equal(kca__notes_count(&f.engine->notes), 1);
    assert_string_equal(kca_error_text(first_note(&f)->error), "the letter is too large");
    assert_int_equal(first_note(&f)->offset, 0);
    assert_int_equal(commit(&f), 1);
    assert_int_equal(f.engine->counts.skipped, 1);
    finish(take_offset(&f, 1), KCA_DONE);
    assert_int_equal(commit(&f), 2);
    close_engine(&f);
}

static void test_a_refused_dead_letter_ends_the_engine_under_the_policy_stop(void **state) {
    fixture f;
    open_retrying(&f, 1, true);
    accept(&f, 0, 0, 1);
    accept(&f, 0, 1, 2);
    finish(take(&f), KCA_FAILED);
    kca__engine_letter_refused(condemned(&f), too_large());
    kca_error *failure = kca__engine_failure(f.engine);
    assert_string_equal(kca_error_text(failure), "the letter is too large");
    kca_error_free(failure);
    assert_null(take(&f));
    assert_int_equal(commit(&f), NOTHING);
    close_engine(&f);
}

static void test_a_refused_dead_letter_of_a_partition_that_went_says_nothing(void **state) {
    fixture f;
    open_retrying(&f, 1, true);
    accept(&f, 0, 0, 1);
    finish(take(&f), KCA_FAILED);
    kca_delivery *writing = condemned(&f);
    forget(&f, 0);
    kca__engine_letter_refused(writing, too_large());
    assert_int_equal(kca__notes_count(&f.engine->notes), 0);
    assert_null(f.engine->failure);
    close_engine(&f);
}

/* The publisher's answer may come when the consumer is gone. */
static void test_an_engine_lives_until_its_dead_letters_are_answered(void **state) {
    fixture f;
    open_retrying(&f, 1, true);
    accept(&f, 0, 0, 1);
    finish(take(&f), KCA_FAILED);
    kca_delivery *d = condemned(&f);
    kca__engine_shut(f.engine);
    kca__engine_release(f.engine);
    assert_int_equal(f.let_go, 0);
    kca__engine_letter_stored(d);
    assert_int_equal(f.let_go, 1);
    assert_int_equal(f.live, 0);
}

static void test_a_dead_letter_of_a_partition_that_went_moves_nothing(void **state) {
    fixture f;
    open_retrying(&f, 1, true);
    accept(&f, 0, 0, 1);
    accept(&f, 0, 1, 2);
    finish(take(&f), KCA_FAILED);
    finish(take(&f), KCA_FAILED);
    kca_delivery *writing = condemned(&f);
    kca__engine_begin_drain(f.engine, "things", 0);
    assert_int_equal(kca__engine_await_drained(f.engine, kca__clock_ms()), 2);
    forget(&f, 0);
    assert_int_equal(f.engine->condemned.count, 0);
    assign(&f, 0);
    kca__engine_letter_stored(writing);
    assert_int_equal(commit(&f), NOTHING);
    assert_int_equal(f.engine->counts.dead_lettered, 0);
    close_engine(&f);
}

/* ---- processing times ---- */

/* Fault 1 of Gomes: a message whose handler timed out was neither dead-lettered nor redelivered. */
static void test_a_late_delivery_is_tried_again_once_its_handler_is_back(void **state) {
    fixture f;
    open_timed(&f, 2, true);
    accept(&f, 0, 0, 1);
    accept(&f, 0, 1, 1);
    kca_delivery *late = take(&f);
    pass_ms(&f, 50);
    assert_int_equal(f.engine->counts.timed_out, 1);
    pass_ms(&f, 1000);
    assert_null(take(&f));
    assert_false(kca__engine_settle(late, KCA_DONE));
    kca__engine_give_back(late);
    pass_ms(&f, 0);
    kca_delivery *again = take_offset(&f, 0);
    assert_int_equal(again->attempt, 2);
    pass_ms(&f, 50);
    kca__engine_give_back(again);
    kca_delivery *dead = condemned(&f);
    assert_string_equal(dead->failure_name, "timeout");
    assert_non_null(strstr(dead->failure_text, "processing time, 50 ms"));
    kca__engine_letter_stored(dead);
    finish(take_offset(&f, 1), KCA_DONE);
    assert_int_equal(commit(&f), 2);
    close_engine(&f);
}

static kca__engine_setup abandoning_setup(int max_attempts) {
    kca__engine_setup setup = retrying_setup(max_attempts, true);
    setup.processing_timeout_ms = 50;
    setup.abandon = true;
    return setup;
}

static void test_an_abandoned_delivery_is_tried_again_beside_its_late_handler(void **state) {
    fixture f;
    open_with(&f, abandoning_setup(2));
    accept(&f, 0, 0, 1);
    accept(&f, 0, 1, 1);
    kca_delivery *late = take(&f);
    pass_ms(&f, 50);
    pass_ms(&f, 100);
    kca_delivery *again = take_offset(&f, 0);
    assert_ptr_not_equal(again, late);
    assert_int_equal(again->attempt, 2);
    assert_ptr_equal(again->record, late->record);
    assert_null(take(&f));
    finish(again, KCA_DONE);
    kca_delivery *next = take_offset(&f, 1);
    assert_int_equal(commit(&f), 1);
    assert_false(kca__engine_settle(late, KCA_FAILED));
    assert_int_equal(f.live, 2); /* what the late handler has stays readable */
    kca__engine_give_back(late);
    assert_int_equal(f.live, 1);
    finish(next, KCA_DONE);
    assert_int_equal(commit(&f), 2);
    close_engine(&f);
}

static void test_an_abandoned_delivery_is_dead_lettered_while_its_handlers_hang(void **state) {
    fixture f;
    open_with(&f, abandoning_setup(2));
    accept(&f, 0, 0, 1);
    kca_delivery *first = take(&f);
    pass_ms(&f, 50);
    pass_ms(&f, 100);
    kca_delivery *second = take(&f);
    pass_ms(&f, 50);
    kca_delivery *dead = condemned(&f);
    assert_non_null(dead);
    kca__engine_give_back(second);
    assert_ptr_equal(dead->record, first->record);
    kca__engine_letter_stored(dead);
    assert_int_equal(commit(&f), 1);
    assert_int_equal(f.live, 1);
    kca__engine_give_back(first);
    assert_int_equal(f.live, 0);
    close_engine(&f);
}

static void test_late_handlers_hold_room_until_they_are_back(void **state) {
    fixture f;
    kca__engine_setup setup = abandoning_setup(0);
    setup.capacity = 2;
    open_with(&f, setup);
    accept(&f, 0, 0, 1);
    kca_delivery *late[3];
    for (int i = 0; i < 3; i++) {
        late[i] = take(&f);
        assert_non_null(late[i]);
        pass_ms(&f, 50);
        pass_ms(&f, 1200);
    }
    assert_int_equal(kca__engine_room_locked(f.engine), 0);
    for (int i = 0; i < 3; i++)
        kca__engine_give_back(late[i]);
    assert_int_equal(kca__engine_room_locked(f.engine), 1);
    finish(take(&f), KCA_DONE);
    close_engine(&f);
}

/* ---- duplicates ---- */

static void test_a_duplicate_is_settled_as_done_and_counted(void **state) {
    fixture f;
    open_retrying(&f, 1, true);
    accept(&f, 0, 0, 1);
    finish(take(&f), KCA_DUPLICATE);
    assert_int_equal(commit(&f), 1);
    assert_int_equal(f.engine->counts.duplicates, 1);
    assert_int_equal(f.engine->counts.handled, 0);
    close_engine(&f);
}

static void test_an_id_is_remembered_when_its_message_is_done(void **state) {
    fixture f;
    kca__deduplication *memory = kca__deduplication_new(10);
    kca__engine_setup setup = retrying_setup(2, true);
    setup.deduplication = memory;
    open_with(&f, setup);
    accept(&f, 0, 0, 1);
    kca_delivery *d = take(&f);
    d->message.texts[KCA__TEXT_MESSAGE_ID] = "id-1";
    finish(d, KCA_FAILED);
    assert_false(kca__deduplication_has(memory, "id-1", 4));
    pass_ms(&f, 100);
    d = take(&f);
    d->message.texts[KCA__TEXT_MESSAGE_ID] = "id-1";
    finish(d, KCA_DONE);
    assert_true(kca__deduplication_has(memory, "id-1", 4));
    close_engine(&f);
    kca__deduplication_free(memory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_failed_delivery_comes_again_after_its_pause),
        cmocka_unit_test(test_a_waiting_retry_blocks_its_key_only),
        cmocka_unit_test(test_a_delivery_whose_record_goes_on_is_put_away_under_the_lock),
        cmocka_unit_test(test_a_retry_does_not_wait_for_the_failed_delivery_to_be_freed),
        cmocka_unit_test(test_a_delivery_knows_how_long_it_may_take),
        cmocka_unit_test(test_settling_a_late_delivery_tells_that_its_handler_is_back),
        cmocka_unit_test(test_the_last_attempt_stops_the_consumer_and_says_which_it_was),
        cmocka_unit_test(test_an_error_of_the_list_is_not_tried_again),
        cmocka_unit_test(test_a_retry_that_the_end_comes_before_is_not_settled),
        cmocka_unit_test(test_what_fails_for_good_while_asks_are_ended_comes_again),
        cmocka_unit_test(test_retries_of_a_partition_that_goes_are_dropped),
        cmocka_unit_test(test_a_rejected_delivery_is_dead_lettered_at_once),
        cmocka_unit_test(test_the_last_failed_attempt_is_dead_lettered_with_its_reason),
        cmocka_unit_test(test_a_dead_letter_under_way_blocks_its_key_only),
        cmocka_unit_test(
            test_a_dead_letter_that_is_not_stored_is_written_again_with_a_fault_each_time),
        cmocka_unit_test(test_a_dead_letter_without_room_is_written_later_without_a_fault),
        cmocka_unit_test(test_a_dead_letter_that_is_not_stored_at_the_end_comes_again),
        cmocka_unit_test(test_a_refused_dead_letter_is_skipped_with_a_fault),
        cmocka_unit_test(test_a_refused_dead_letter_ends_the_engine_under_the_policy_stop),
        cmocka_unit_test(test_a_refused_dead_letter_of_a_partition_that_went_says_nothing),
        cmocka_unit_test(test_an_engine_lives_until_its_dead_letters_are_answered),
        cmocka_unit_test(test_a_dead_letter_of_a_partition_that_went_moves_nothing),
        cmocka_unit_test(test_a_late_delivery_is_tried_again_once_its_handler_is_back),
        cmocka_unit_test(test_an_abandoned_delivery_is_tried_again_beside_its_late_handler),
        cmocka_unit_test(test_an_abandoned_delivery_is_dead_lettered_while_its_handlers_hang),
        cmocka_unit_test(test_late_handlers_hold_room_until_they_are_back),
        cmocka_unit_test(test_a_duplicate_is_settled_as_done_and_counted),
        cmocka_unit_test(test_an_id_is_remembered_when_its_message_is_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
