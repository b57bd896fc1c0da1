/* Deliveries that are written on: retried by way of a topic, or relayed. One rule in each test. */
#include "engine_fixture.h"

static kca__engine_setup passing_on(int max_attempts, bool dead_letters) {
    kca__engine_setup setup = plain_setup(10, false);
    setup.retry = (kca__retry_plan){
        .max_attempts = max_attempts, .backoff_ms = 100, .backoff_max_ms = 1000, .multiplier = 2};
    setup.retry_channels = true;
    setup.dead_letters = dead_letters;
    return setup;
}

static void open_with(fixture *f, kca__engine_setup setup) {
    open_engine_with(f, setup);
    assign(f, 0);
}

static void accept_attempted(fixture *f, int64_t offset, int attempts) {
    kca__inbound_record inbound = came(new_record(f, 0, offset, 1));
    inbound.attempts = attempts;
    pthread_mutex_lock(&f->engine->lock);
    kca__engine_accept_locked(f->engine, &inbound, 1);
    pthread_mutex_unlock(&f->engine->lock);
}

/* The next letter to be written, which is of this kind. */
static kca_delivery *owed(fixture *f, kca__fate fate) {
    kca_delivery *d = kca__engine_take_condemned(f->engine);
    assert_non_null(d);
    assert_int_equal(d->fate, fate);
    return d;
}

static void fail_one(kca_delivery *d) {
    kca_delivery_explain(d, "Busy", "the table is locked");
    finish(d, KCA_FAILED);
}

static void test_a_failure_is_done_here_once_its_retry_channel_has_it(void **state) {
    fixture f;
    open_with(&f, passing_on(3, true));
    accept(&f, 0, 0, 1);
    accept(&f, 0, 1, 1);
    fail_one(take_offset(&f, 0));
    kca_delivery *d = owed(&f, KCA__FATE_RETRY_CHANNEL);
    assert_int_equal(d->attempt, 1);
    assert_string_equal(d->failure_name, "Busy");
    assert_null(take(&f)); /* its key waits for the broker only */
    assert_int_equal(commit(&f), NOTHING);
    kca__engine_letter_stored(d);
    assert_int_equal(commit(&f), 1);
    finish(take_offset(&f, 1), KCA_DONE);
    assert_int_equal(commit(&f), 2);
    assert_int_equal(f.engine->counts.retried, 1);
    assert_int_equal(f.engine->counts.retry_stored, 1);
    assert_int_equal(f.engine->counts.dead_lettered, 0);
    close_engine(&f);
}

static void test_attempts_go_on_where_the_record_says_and_end_in_a_dead_letter(void **state) {
    fixture f;
    open_with(&f, passing_on(3, true));
    accept_attempted(&f, 0, 1);
    kca_delivery *d = take_offset(&f, 0);
    assert_int_equal(kca_delivery_attempt(d), 2);
    fail_one(d);
    kca__engine_letter_stored(owed(&f, KCA__FATE_RETRY_CHANNEL));
    accept_attempted(&f, 1, 2);
    fail_one(take_offset(&f, 1));
    d = owed(&f, KCA__FATE_DEAD_LETTER);
    assert_int_equal(d->attempt, 3);
    kca__engine_letter_stored(d);
    accept_attempted(&f, 2, 1000000); /* forged: it is the last attempt */
    fail_one(take_offset(&f, 2));
    kca__engine_letter_stored(owed(&f, KCA__FATE_DEAD_LETTER));
    assert_int_equal(commit(&f), 3);
    close_engine(&f);
}

static void test_what_another_group_retries_is_passed_over(void **state) {
    fixture f;
    open_with(&f, passing_on(3, true));
    for (int64_t offset = 0; offset < 3; offset++) {
        kca__inbound_record inbound = came(new_record(&f, 0, offset, 1));
        inbound.is_of_others = offset == 1;
        pthread_mutex_lock(&f.engine->lock);
        kca__engine_accept_locked(f.engine, &inbound, 1);
        pthread_mutex_unlock(&f.engine->lock);
    }
    finish(take_offset(&f, 0), KCA_DONE);
    assert_int_equal(commit(&f), 2);
    finish(take_offset(&f, 2), KCA_DONE);
    assert_int_equal(commit(&f), 3);
    assert_int_equal(f.engine->counts.passed_over, 1);
    assert_int_equal(f.engine->counts.finished_before, 0);
    assert_int_equal(f.engine->counts.handled, 2);
    close_engine(&f);
}

static void test_what_is_rejected_goes_straight_to_the_dead_letters(void **state) {
    fixture f;
    open_with(&f, passing_on(3, true));
    accept(&f, 0, 0, 1);
    finish(take(&f), KCA_REJECTED);
    kca__engine_letter_stored(owed(&f, KCA__FATE_DEAD_LETTER));
    assert_int_equal(f.engine->counts.retry_stored, 0);
    close_engine(&f);
}

static void test_what_the_channel_does_not_take_now_is_written_again(void **state) {
    fixture f;
    open_with(&f, passing_on(2, true));
    accept(&f, 0, 0, 1);
    fail_one(take(&f));
    kca__engine_letter_failed(owed(&f, KCA__FATE_RETRY_CHANNEL),
                              kca__error_new(KCA_ERROR_NOT_STORED, "the broker is away"));
    assert_string_equal(
        first_note(&f)->error->text,
        "consumer reader: the retry of things[0] offset 0 is not stored: the broker "
        "is away");
    assert_null(kca__engine_take_condemned(f.engine));
    pass_ms(&f, 100);
    assert_int_equal(commit(&f), NOTHING);
    kca__engine_letter_stored(owed(&f, KCA__FATE_RETRY_CHANNEL));
    assert_int_equal(commit(&f), 1);
    close_engine(&f);
}

static void refuse(kca_delivery *d) {
    kca__engine_letter_refused(d, kca__error_new(KCA_ERROR_TOO_LARGE, "too large"));
}

static void test_what_the_channel_refuses_is_dead_lettered_with_a_fault(void **state) {
    fixture f;
    open_with(&f, passing_on(3, true));
    accept(&f, 0, 0, 1);
    fail_one(take(&f));
    kca_delivery *d = owed(&f, KCA__FATE_RETRY_CHANNEL);
    d->letter.alone = true;
    refuse(d);
    assert_string_equal(first_note(&f)->error->text, "too large");
    assert_int_equal(commit(&f), NOTHING);
    d = owed(&f, KCA__FATE_DEAD_LETTER);
    assert_false(d->letter.alone);
    assert_string_equal(d->failure_name, "Busy");
    kca__engine_letter_stored(d);
    assert_int_equal(commit(&f), 1);
    close_engine(&f);
}

static void test_without_dead_letters_a_refusal_is_the_policys(void **state) {
    fixture f;
    kca__engine_setup setup = passing_on(3, false);
    setup.skip = true;
    open_with(&f, setup);
    accept(&f, 0, 0, 1);
    fail_one(take(&f));
    refuse(owed(&f, KCA__FATE_RETRY_CHANNEL));
    assert_int_equal(commit(&f), 1);
    assert_int_equal(f.engine->counts.skipped, 1);
    close_engine(&f);
    open_with(&f, passing_on(3, false));
    accept(&f, 0, 0, 1);
    fail_one(take(&f));
    refuse(owed(&f, KCA__FATE_RETRY_CHANNEL));
    assert_int_equal(commit(&f), NOTHING);
    kca_error *e = kca__engine_failure(f.engine);
    assert_string_equal(e->text, "too large");
    kca__error_free(e);
    close_engine(&f);
}

static void test_who_asks_is_answered_at_the_end_only(void **state) {
    fixture f;
    open_with(&f, passing_on(2, true));
    record *r = new_record(&f, 0, 0, 1);
    r->asks = true;
    accept_record(&f, r);
    fail_one(take(&f));
    kca__engine_letter_stored(owed(&f, KCA__FATE_RETRY_CHANNEL));
    assert_null(kca__engine_take_condemned(f.engine));
    assert_int_equal(commit(&f), 1);
    close_engine(&f);
}

static void test_a_stop_waits_until_the_channel_has_it(void **state) {
    fixture f;
    open_with(&f, passing_on(2, true));
    accept(&f, 0, 0, 1);
    kca_delivery *d = take(&f);
    kca__engine_stop(f.engine, KCA__CLOCK_NEVER);
    assert_true(kca__engine_settle(d, KCA_FAILED)); /* and not freed yet */
    assert_int_equal(kca__engine_see_rest(f.engine).letters, 1);
    kca__engine_letter_stored(owed(&f, KCA__FATE_RETRY_CHANNEL));
    assert_int_equal(kca__engine_see_rest(f.engine).letters, 0);
    assert_int_equal(commit(&f), 1);
    kca__engine_give_back(d);
    close_engine(&f);
}

static void test_a_partition_that_has_gone_does_not_count_what_comes_later(void **state) {
    fixture f;
    open_with(&f, passing_on(2, true));
    accept(&f, 0, 0, 1);
    fail_one(take(&f));
    kca_delivery *d = owed(&f, KCA__FATE_RETRY_CHANNEL);
    kca__engine_begin_drain(f.engine, "things", 0);
    assert_int_equal(kca__engine_await_drained(f.engine, KCA__CLOCK_OVER), 1);
    forget(&f, 0);
    kca__engine_letter_stored(d);
    assert_int_equal(commit(&f), NOTHING);
    assert_int_equal(f.engine->counts.retry_stored, 0);
    close_engine(&f);
}

static void test_what_a_transaction_could_not_pass_on_is_dead_lettered(void **state) {
    fixture f;
    open_with(&f, passing_on(3, true));
    accept(&f, 0, 0, 1);
    const kca__topic_partition *tp =
        kca__assigned_list_topic_partition(&f.engine->assigned, "things", 0);
    char name[] = "Busy";
    kca__held_record held = {
        .source = tp, .attempt = 1, .kind = KCA__HELD_RETRY, .letter.name = name};
    kca__engine_refuse(f.engine, &held, true, kca__error_new(KCA_ERROR_TOO_LARGE, "too large"));
    assert_null(take(&f));
    assert_string_equal(first_note(&f)->error->text, "too large");
    kca_delivery *d = owed(&f, KCA__FATE_DEAD_LETTER);
    assert_string_equal(d->failure_name, "Busy");
    kca__engine_letter_stored(d);
    assert_int_equal(commit(&f), 1);
    close_engine(&f);
}

/* ---- relays ---- */

static void open_relay(fixture *f, bool dead_letters) {
    kca__engine_setup setup = plain_setup(10, true);
    setup.relays = true;
    setup.dead_letters = dead_letters;
    open_with(f, setup);
}

static void test_a_relay_writes_on_at_its_time_and_gives_nothing_out(void **state) {
    fixture f;
    open_relay(&f, false);
    kca__inbound_record inbound = came(new_record(&f, 0, 0, 1));
    inbound.delay_ms = 100;
    pthread_mutex_lock(&f.engine->lock);
    kca__engine_accept_locked(f.engine, &inbound, 1);
    pthread_mutex_unlock(&f.engine->lock);
    accept(&f, 0, 1, 2); /* its time has come, but it is another's */
    assert_null(take(&f));
    kca__engine_letter_stored(owed(&f, KCA__FATE_RELAY));
    assert_null(kca__engine_take_condemned(f.engine));
    assert_true(f.kept_back[0]);
    pass_ms(&f, 100);
    assert_null(take(&f));
    assert_int_equal(commit(&f), 0);
    kca__engine_letter_stored(owed(&f, KCA__FATE_RELAY));
    assert_int_equal(commit(&f), 2);
    assert_int_equal(f.engine->counts.relayed, 2);
    assert_int_equal(f.engine->counts.handled, 0);
    assert_int_equal(f.live, 0);
    close_engine(&f);
}

static void test_what_cannot_be_relayed_is_dead_lettered_with_the_reason(void **state) {
    fixture f;
    open_relay(&f, true);
    accept(&f, 0, 0, 1);
    assert_null(take(&f));
    refuse(owed(&f, KCA__FATE_RELAY));
    kca_delivery *d = owed(&f, KCA__FATE_DEAD_LETTER);
    assert_string_equal(d->failure_name, "relay");
    assert_string_equal(d->failure_text, "too large");
    kca__engine_letter_stored(d);
    assert_int_equal(commit(&f), 1);
    close_engine(&f);
    open_relay(&f, false);
    accept(&f, 0, 0, 1);
    assert_null(take(&f));
    refuse(owed(&f, KCA__FATE_RELAY));
    assert_int_equal(commit(&f), 1);
    assert_int_equal(f.engine->counts.skipped, 1);
    close_engine(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_failure_is_done_here_once_its_retry_channel_has_it),
        cmocka_unit_test(test_attempts_go_on_where_the_record_says_and_end_in_a_dead_letter),
        cmocka_unit_test(test_what_another_group_retries_is_passed_over),
        cmocka_unit_test(test_what_is_rejected_goes_straight_to_the_dead_letters),
        cmocka_unit_test(test_what_the_channel_does_not_take_now_is_written_again),
        cmocka_unit_test(test_what_the_channel_refuses_is_dead_lettered_with_a_fault),
        cmocka_unit_test(test_without_dead_letters_a_refusal_is_the_policys),
        cmocka_unit_test(test_who_asks_is_answered_at_the_end_only),
        cmocka_unit_test(test_a_stop_waits_until_the_channel_has_it),
        cmocka_unit_test(test_a_partition_that_has_gone_does_not_count_what_comes_later),
        cmocka_unit_test(test_what_a_transaction_could_not_pass_on_is_dead_lettered),
        cmocka_unit_test(test_a_relay_writes_on_at_its_time_and_gives_nothing_out),
        cmocka_unit_test(test_what_cannot_be_relayed_is_dead_lettered_with_the_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
