/* Deliveries that somebody waits for the reply of: one rule in each test. */
#include "engine_fixture.h"

#include "base/text.h"

static kca__engine_setup answering_setup(bool dead_letters, bool skip) {
    kca__engine_setup setup = plain_setup(10, skip);
    setup.dead_letters = dead_letters;
    setup.retry = (kca__retry_plan){
        .max_attempts = 2, .backoff_ms = 100, .backoff_max_ms = 100, .multiplier = 1};
    return setup;
}

static void open_answering(fixture *f, bool dead_letters, bool skip) {
    open_engine_with(f, answering_setup(dead_letters, skip));
    assign(f, 0);
}

static void accept_question(fixture *f, int64_t offset, int key) {
    record *r = new_record(f, 0, offset, key);
    r->asks = true;
    accept_record(f, r);
}

static kca__held_record *a_record(const char *value) {
    kca__record plain = {.value = value, .value_len = strlen(value)};
    kca__held_record *r = kca__held_record_new("replies", &plain);
    assert_non_null(r);
    return r;
}

static void give(kca_delivery *d, const char *value) {
    d->reply = a_record(value);
    d->reply->kind = KCA__HELD_REPLY;
}

/* The delivery whose reply is to be written now. */
static kca_delivery *to_answer(fixture *f) {
    kca_delivery *d = kca__engine_take_condemned(f->engine);
    assert_non_null(d);
    assert_int_equal(d->fate, KCA__FATE_REPLY);
    return d;
}

static kca_delivery *to_bury(fixture *f) {
    kca_delivery *d = kca__engine_take_condemned(f->engine);
    assert_non_null(d);
    assert_int_equal(d->fate, KCA__FATE_DEAD_LETTER);
    return d;
}

static void must_say(const kca_delivery *d, const char *value) {
    assert_false(d->answers_error);
    assert_non_null(d->reply);
    assert_string_equal(d->reply->record.value, value);
}

static void must_be_error(const kca_delivery *d, const char *text) {
    assert_true(d->answers_error);
    assert_null(d->reply);
    assert_string_equal(d->failure_text, text);
}

static void fail_with(kca_delivery *d, int verdict, const char *text) {
    kca_delivery_explain(d, "Name", text);
    finish(d, verdict);
}

/* ---- done ---- */

static void test_what_is_done_counts_once_its_reply_is_stored(void **state) {
    fixture f;
    open_answering(&f, false, false);
    accept_question(&f, 0, 1);
    accept(&f, 0, 1, 1);
    accept(&f, 0, 2, 2);
    kca_delivery *d = take_offset(&f, 0);
    give(d, "7");
    finish(d, KCA_DONE);
    finish(take_offset(&f, 2), KCA_DONE); /* of another key */
    assert_null(take(&f));                /* the next of its key waits */
    assert_int_equal(commit(&f), 0);
    d = to_answer(&f);
    must_say(d, "7");
    assert_int_equal(commit(&f), NOTHING);
    kca__engine_letter_stored(d);
    finish(take_offset(&f, 1), KCA_DONE);
    assert_int_equal(commit(&f), 3);
    assert_int_equal(f.engine->counts.handled, 3);
    assert_int_equal(f.engine->counts.replied, 1);
    close_engine(&f);
}

static void test_what_nobody_asks_for_is_not_answered(void **state) {
    fixture f;
    open_answering(&f, true, false);
    accept(&f, 0, 0, 1);
    finish(take_offset(&f, 0), KCA_DONE);
    assert_null(kca__engine_take_condemned(f.engine));
    assert_int_equal(commit(&f), 1);
    close_engine(&f);
}

/* Who frees it may be a garbage collector, at some time. */
static void test_a_reply_does_not_wait_for_the_delivery_to_be_freed(void **state) {
    fixture f;
    open_answering(&f, false, false);
    accept_question(&f, 0, 1);
    kca_delivery *kept = take_offset(&f, 0);
    give(kept, "7");
    assert_true(kca__engine_settle(kept, KCA_DONE));
    assert_false(kca__engine_settle(kept, KCA_FAILED));
    kca_delivery *d = to_answer(&f);
    must_say(d, "7");
    kca__engine_letter_stored(d);
    assert_int_equal(commit(&f), 1);
    assert_int_equal(f.live, 1); /* what is kept stays readable */
    kca__engine_give_back(kept);
    close_engine(&f);
}

static void test_a_reply_that_is_not_stored_is_written_again_and_told(void **state) {
    fixture f;
    open_answering(&f, false, false);
    accept_question(&f, 0, 1);
    kca_delivery *d = take_offset(&f, 0);
    give(d, "7");
    finish(d, KCA_DONE);
    kca__engine_letter_failed(to_answer(&f), kca__error_new(KCA_ERROR_NOT_STORED, "away"));
    assert_non_null(strstr(first_note(&f)->error->text, "the reply of things[0] offset 0"));
    assert_null(kca__engine_take_condemned(f.engine));
    pass_ms(&f, 100);
    d = to_answer(&f);
    must_say(d, "7");
    kca__engine_letter_stored(d);
    assert_int_equal(commit(&f), 1);
    close_engine(&f);
}

static void test_a_reply_that_is_refused_for_good_is_told_and_not_waited_for(void **state) {
    fixture f;
    open_answering(&f, false, false);
    accept_question(&f, 0, 1);
    finish(take_offset(&f, 0), KCA_DONE);
    kca__engine_letter_refused(to_answer(&f), kca__error_new(KCA_ERROR_AUTHORIZATION, "no"));
    assert_string_equal(first_note(&f)->error->text, "no");
    assert_null(f.engine->failure);
    assert_int_equal(f.engine->counts.not_replied, 1);
    assert_int_equal(commit(&f), 1);
    close_engine(&f);
}

static void test_a_duplicate_is_answered_only_if_the_application_knows_how(void **state) {
    fixture f;
    open_answering(&f, false, false);
    accept_question(&f, 0, 1);
    accept_question(&f, 1, 2);
    finish(take_offset(&f, 0), KCA_DUPLICATE);
    assert_int_equal(commit(&f), 1);
    kca_delivery *d = take_offset(&f, 1);
    give(d, "7");
    finish(d, KCA_DUPLICATE);
    d = to_answer(&f);
    must_say(d, "7");
    kca__engine_letter_stored(d);
    assert_int_equal(commit(&f), 2);
    close_engine(&f);
}

/* ---- failed ---- */

static void test_only_the_last_failure_is_answered_after_its_dead_letter(void **state) {
    fixture f;
    open_answering(&f, true, false);
    accept_question(&f, 0, 1);
    kca_delivery *d = take_offset(&f, 0);
    give(d, "7");
    fail_with(d, KCA_FAILED, "first");
    assert_null(kca__engine_take_condemned(f.engine));
    pass_ms(&f, 100);
    fail_with(take_offset(&f, 0), KCA_FAILED, "second");
    kca__engine_letter_stored(to_bury(&f));
    assert_int_equal(commit(&f), NOTHING);
    d = to_answer(&f);
    must_be_error(d, "second");
    kca__engine_letter_stored(d);
    assert_int_equal(commit(&f), 1);
    assert_int_equal(f.engine->counts.dead_lettered, 1);
    assert_int_equal(f.engine->counts.replied, 1);
    close_engine(&f);
}

static void test_what_is_skipped_is_answered_and_what_stops_is_not(void **state) {
    for (int skip = 0; skip < 2; skip++) {
        fixture f;
        open_answering(&f, false, skip);
        accept_question(&f, 0, 1);
        fail_with(take_offset(&f, 0), KCA_REJECTED, "no");
        assert_int_equal(commit(&f), NOTHING);
        if (skip) {
            kca_delivery *d = to_answer(&f);
            must_be_error(d, "no");
            kca__engine_letter_stored(d);
            assert_int_equal(commit(&f), 1);
        }
        assert_null(kca__engine_take_condemned(f.engine)); /* it comes again */
        assert_int_equal(f.engine->failure == NULL, skip);
        close_engine(&f);
    }
}

static void test_a_refused_letter_that_is_skipped_is_answered(void **state) {
    fixture f;
    open_answering(&f, true, true);
    accept_question(&f, 0, 1);
    fail_with(take_offset(&f, 0), KCA_REJECTED, "no");
    kca__engine_letter_refused(to_bury(&f), kca__error_new(KCA_ERROR_TOO_LARGE, "too large"));
    assert_int_equal(commit(&f), NOTHING);
    kca_delivery *d = to_answer(&f);
    must_be_error(d, "no");
    kca__engine_letter_stored(d);
    assert_int_equal(commit(&f), 1);
    close_engine(&f);
}

/* What a handler gives after its time is nobody's answer. */
static void test_a_late_delivery_is_answered_with_its_timeout(void **state) {
    for (int abandon = 0; abandon < 2; abandon++) {
        fixture f;
        kca__engine_setup setup = answering_setup(false, true);
        setup.retry.max_attempts = 1;
        setup.processing_timeout_ms = 50;
        setup.abandon = abandon;
        open_engine_with(&f, setup);
        assign(&f, 0);
        accept_question(&f, 0, 1);
        kca_delivery *late = take_offset(&f, 0);
        give(late, "7");
        pass_ms(&f, 50);
        if (!abandon)
            assert_false(kca__engine_settle(late, KCA_DONE));
        kca_delivery *d = to_answer(&f);
        must_be_error(d, "it took longer than its processing time, 50 ms");
        kca__engine_letter_stored(d);
        assert_int_equal(commit(&f), 1);
        kca__engine_give_back(late);
        close_engine(&f);
    }
}

/* ---- ends ---- */

static void test_a_stop_waits_for_the_reply_of_what_is_settled(void **state) {
    fixture f;
    open_answering(&f, false, false);
    accept_question(&f, 0, 1);
    kca_delivery *d = take_offset(&f, 0);
    give(d, "7");
    kca__engine_stop(f.engine, KCA__CLOCK_NEVER);
    assert_true(kca__engine_settle(d, KCA_DONE));
    assert_int_equal(kca__engine_see_rest(f.engine).letters, 1);
    kca_delivery *again = to_answer(&f);
    must_say(again, "7");
    assert_int_equal(kca__engine_see_rest(f.engine).letters, 1);
    kca__engine_letter_stored(again);
    assert_int_equal(kca__engine_see_rest(f.engine).letters, 0);
    assert_int_equal(commit(&f), 1);
    kca__engine_give_back(d);
    close_engine(&f);
}

static void test_a_draining_partition_waits_for_the_reply_of_what_is_done(void **state) {
    fixture f;
    open_answering(&f, false, false);
    accept_question(&f, 0, 1);
    kca_delivery *d = take_offset(&f, 0);
    kca__engine_begin_drain(f.engine, "things", 0);
    finish(d, KCA_DONE);
    assert_int_equal(kca__engine_await_drained(f.engine, KCA__CLOCK_OVER), 1);
    kca__engine_letter_stored(to_answer(&f));
    assert_int_equal(kca__engine_await_drained(f.engine, KCA__CLOCK_OVER), 0);
    assert_int_equal(commit(&f), 1);
    close_engine(&f);
}

static void test_a_draining_partition_waits_for_a_reply_that_is_written_anew(void **state) {
    fixture f;
    open_answering(&f, false, false);
    accept_question(&f, 0, 1);
    kca_delivery *d = take_offset(&f, 0);
    kca__engine_begin_drain(f.engine, "things", 0);
    finish(d, KCA_DONE);
    for (int i = 0; i < 2; i++) {
        kca__engine_letter_postponed(to_answer(&f), 20);
        assert_int_equal(kca__engine_await_drained(f.engine, KCA__CLOCK_OVER), 1);
        pass_ms(&f, 20);
    }
    kca__engine_letter_stored(to_answer(&f));
    assert_int_equal(kca__engine_await_drained(f.engine, KCA__CLOCK_OVER), 0);
    close_engine(&f);
}

static int most_writing;

/* Also asked for the time of what is given out, with the lock held. */
static int64_t looking_clock(void) {
    const kca__assigned *a = current->engine->assigned.first;
    if (a && a->writing > most_writing)
        most_writing = a->writing;
    return simulated_ms;
}

/* A rebalance may look between a thread's settling one and its going on with the next. */
static void test_what_is_settled_in_passing_is_never_between_out_and_to_answer(void **state) {
    fixture f;
    kca__engine_setup setup = answering_setup(false, false);
    setup.processing_timeout_ms = 50;
    setup.clock_ms = looking_clock;
    open_engine_with(&f, setup);
    assign(&f, 0);
    accept_question(&f, 0, 1);
    accept(&f, 0, 1, 2);
    kca__returned returned = {.done = take_offset(&f, 0), .verdict = KCA_DONE};
    kca_event *next;
    most_writing = 0;
    assert_int_equal(kca__engine_take(f.engine, &returned, &next, 1, KCA__CLOCK_OVER), 1);
    assert_int_equal(most_writing, 1);
    kca__engine_letter_stored(to_answer(&f));
    kca__message_init_inbound(&((kca_delivery *)next)->message);
    finish((kca_delivery *)next, KCA_DONE);
    kca__engine_put_away(f.engine, &returned);
    assert_int_equal(commit(&f), 2);
    close_engine(&f);
}

static void test_what_has_gone_is_not_answered_here(void **state) {
    fixture f;
    open_answering(&f, false, false);
    accept_question(&f, 0, 1);
    accept_question(&f, 1, 2);
    kca_delivery *first = take_offset(&f, 0), *second = take_offset(&f, 1);
    give(first, "7");
    finish(first, KCA_DONE);
    kca_delivery *d = to_answer(&f);
    give(second, "8");
    finish(second, KCA_DONE);
    forget(&f, 0);
    assert_null(kca__engine_take_condemned(f.engine));
    kca__engine_letter_stored(d); /* sent, and perhaps once more from elsewhere */
    assert_int_equal(commit(&f), NOTHING);
    assert_int_equal(f.engine->counts.replied, 0);
    close_engine(&f);
}

/* ---- ids ---- */

static kca__deduplication *deduplicating(fixture *f) {
    kca__deduplication *memory = kca__deduplication_new(10);
    kca__engine_setup setup = answering_setup(false, false);
    assert_non_null(memory);
    setup.deduplication = memory;
    open_engine_with(f, setup);
    assign(f, 0);
    return memory;
}

/* Were it a duplicate before, nobody would answer it when it comes again. */
static void test_an_id_is_remembered_once_the_reply_is_stored(void **state) {
    fixture f;
    kca__deduplication *memory = deduplicating(&f);
    accept_question(&f, 0, 1);
    kca_delivery *d = take_offset(&f, 0);
    d->message.texts[KCA__TEXT_MESSAGE_ID] = "m-1";
    finish(d, KCA_DONE);
    assert_false(kca__deduplication_has(memory, "m-1", 3));
    kca__engine_letter_stored(to_answer(&f));
    assert_true(kca__deduplication_has(memory, "m-1", 3));
    close_engine(&f);
    kca__deduplication_free(memory);
}

/* ---- in transactions ---- */

typedef struct contents {
    int partitions;
    kca__held_records batch;
} contents;

static void count_offset(void *user, const char *topic, int partition, int64_t offset,
                         const char *map) {
    (void)topic, (void)partition, (void)offset, (void)map;
    ((contents *)user)->partitions++;
}

static contents collect(fixture *f) {
    contents c = {0};
    assert_true(kca__engine_collect_transaction(f->engine, count_offset, &c, &c.batch));
    return c;
}

/* As the adapter does it. */
static void hold_reply(kca_delivery *d) {
    if (!d->reply)
        give(d, d->failure_text);
    d->reply->letter.trimmed = d->answers_error;
    kca__list_add(&d->published, &d->reply->link);
    d->reply = NULL;
    kca__engine_letter_stored(d);
}

static void answer_in_transaction(fixture *f) {
    kca_delivery *d = take_offset(f, 0);
    kca__list_add(&d->published, &a_record("result")->link);
    give(d, "7");
    finish(d, KCA_DONE);
    hold_reply(to_answer(f));
}

static void test_the_reply_goes_with_what_was_published_and_the_offset(void **state) {
    fixture f;
    open_answering(&f, false, false);
    accept_question(&f, 0, 1);
    kca_delivery *d = take_offset(&f, 0);
    kca__list_add(&d->published, &a_record("result")->link);
    give(d, "7");
    finish(d, KCA_DONE);
    contents c = collect(&f);
    assert_int_equal(c.batch.count, 0);
    assert_int_equal(c.partitions, 0);
    hold_reply(to_answer(&f));
    c = collect(&f);
    assert_int_equal(c.partitions, 1);
    assert_int_equal(c.batch.count, 2);
    const kca__held_record *first = kca__list_first(&c.batch);
    assert_string_equal(first->record.value, "result");
    assert_string_equal(((kca__held_record *)kca__list_next(&first->link))->record.value, "7");
    kca__held_records_free(&c.batch);
    close_engine(&f);
}

/* The transaction is aborted because of the reply, and read again. */
static void abort_for_reply(fixture *f) {
    contents c = collect(f);
    kca__held_record *r = kca__list_first(&c.batch);
    while (r->kind != KCA__HELD_REPLY)
        r = kca__list_next(&r->link);
    kca__engine_refuse(f->engine, r, r->letter.trimmed,
                       kca__error_new(KCA_ERROR_TOO_LARGE, "the reply is too large"));
    kca__held_records_free(&c.batch);
    kca__engine_revoke_all(f->engine);
    assign(f, 0);
    accept_question(f, 0, 1);
}

static void test_a_refused_reply_is_answered_with_that_and_then_not_at_all(void **state) {
    fixture f;
    open_answering(&f, false, false);
    accept_question(&f, 0, 1);
    answer_in_transaction(&f);
    abort_for_reply(&f);
    kca_delivery *d = take_offset(&f, 0);
    assert_int_equal(kca_delivery_attempt(d), 1); /* it has not failed */
    give(d, "7");
    finish(d, KCA_DONE);
    d = to_answer(&f);
    must_be_error(d, "the reply is too large");
    hold_reply(d);
    abort_for_reply(&f);
    d = take_offset(&f, 0);
    finish(d, KCA_DONE);
    assert_null(kca__engine_take_condemned(f.engine));
    assert_int_equal(commit(&f), 1);
    assert_int_equal(f.engine->counts.failed, 0);
    assert_int_equal(f.engine->counts.not_replied, 1);
    assert_string_equal(first_note(&f)->error->text, "the reply is too large");
    close_engine(&f);
}

/* It is handled again at the same attempt, and has an answer too large again. */
static kca_delivery *take_after_refusal(fixture *f) {
    open_answering(f, false, false);
    accept_question(f, 0, 1);
    answer_in_transaction(f);
    abort_for_reply(f);
    kca_delivery *d = take_offset(f, 0);
    give(d, "7");
    return d;
}

/* As a thread that calls handlers does, or as one that has pulled. */
static void finish_in(fixture *f, kca_delivery *d, int verdict, bool in_passing) {
    if (in_passing)
        kca__engine_put_away(f->engine, &(kca__returned){.done = d, .verdict = verdict});
    else
        finish(d, verdict);
}

static void test_a_refused_reply_takes_no_result_with_it(void **state) {
    for (int in_passing = 0; in_passing < 2; in_passing++) {
        fixture f;
        kca_delivery *d = take_after_refusal(&f);
        kca__list_add(&d->published, &a_record("result")->link);
        finish_in(&f, d, KCA_DONE, in_passing);
        d = to_answer(&f);
        must_be_error(d, "the reply is too large");
        hold_reply(d);
        contents c = collect(&f);
        assert_int_equal(c.partitions, 1);
        assert_int_equal(c.batch.count, 2);
        assert_string_equal(((kca__held_record *)kca__list_first(&c.batch))->record.value,
                            "result");
        kca__held_records_free(&c.batch);
        close_engine(&f);
    }
}

/* It was handled elsewhere meanwhile: the answer that the application knows is not taken either. */
static void test_a_duplicate_whose_reply_was_refused_is_answered_with_that(void **state) {
    for (int in_passing = 0; in_passing < 2; in_passing++) {
        fixture f;
        kca_delivery *d = take_after_refusal(&f);
        kca__list_add(&d->published, &a_record("result")->link);
        finish_in(&f, d, KCA_DUPLICATE, in_passing);
        d = to_answer(&f);
        must_be_error(d, "the reply is too large");
        hold_reply(d);
        contents c = collect(&f);
        assert_int_equal(c.partitions, 1);
        assert_int_equal(c.batch.count, 1);
        kca__held_records_free(&c.batch);
        close_engine(&f);
    }
}

static void test_a_failure_that_passes_does_not_hide_why_the_reply_was_refused(void **state) {
    for (int in_passing = 0; in_passing < 2; in_passing++) {
        fixture f;
        kca_delivery *d = take_after_refusal(&f);
        kca_delivery_explain(d, "Name", "passes");
        finish_in(&f, d, KCA_FAILED, in_passing);
        pass_ms(&f, 100);
        finish_in(&f, take_offset(&f, 0), KCA_DONE, in_passing);
        d = to_answer(&f);
        must_be_error(d, "the reply is too large");
        hold_reply(d);
        contents c = collect(&f);
        assert_int_equal(c.batch.count, 1);
        kca__held_records_free(&c.batch);
        close_engine(&f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_done_counts_once_its_reply_is_stored),
        cmocka_unit_test(test_what_nobody_asks_for_is_not_answered),
        cmocka_unit_test(test_a_reply_does_not_wait_for_the_delivery_to_be_freed),
        cmocka_unit_test(test_a_reply_that_is_not_stored_is_written_again_and_told),
        cmocka_unit_test(test_a_reply_that_is_refused_for_good_is_told_and_not_waited_for),
        cmocka_unit_test(test_a_duplicate_is_answered_only_if_the_application_knows_how),
        cmocka_unit_test(test_only_the_last_failure_is_answered_after_its_dead_letter),
        cmocka_unit_test(test_what_is_skipped_is_answered_and_what_stops_is_not),
        cmocka_unit_test(test_a_refused_letter_that_is_skipped_is_answered),
        cmocka_unit_test(test_a_late_delivery_is_answered_with_its_timeout),
        cmocka_unit_test(test_a_stop_waits_for_the_reply_of_what_is_settled),
        cmocka_unit_test(test_a_draining_partition_waits_for_the_reply_of_what_is_done),
        cmocka_unit_test(test_a_draining_partition_waits_for_a_reply_that_is_written_anew),
        cmocka_unit_test(test_what_is_settled_in_passing_is_never_between_out_and_to_answer),
        cmocka_unit_test(test_what_has_gone_is_not_answered_here),
        cmocka_unit_test(test_an_id_is_remembered_once_the_reply_is_stored),
        cmocka_unit_test(test_the_reply_goes_with_what_was_published_and_the_offset),
        cmocka_unit_test(test_a_refused_reply_is_answered_with_that_and_then_not_at_all),
        cmocka_unit_test(test_a_refused_reply_takes_no_result_with_it),
        cmocka_unit_test(test_a_duplicate_whose_reply_was_refused_is_answered_with_that),
        cmocka_unit_test(test_a_failure_that_passes_does_not_hide_why_the_reply_was_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
