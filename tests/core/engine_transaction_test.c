/* What deliveries publish, on its way into a transaction: one rule in each test. */
#include "engine_fixture.h"

#include "base/text.h"

static void open_with(fixture *f, bool dead_letters, bool skip) {
    kca__engine_setup setup = plain_setup(10, skip);
    setup.dead_letters = dead_letters;
    setup.retry = (kca__retry_plan){
        .max_attempts = 2, .backoff_ms = 100, .backoff_max_ms = 100, .multiplier = 1};
    open_engine_with(f, setup);
    assign(f, 0);
    assign(f, 1);
}

static void open_transactional(fixture *f) {
    open_with(f, false, false);
}

static void publish(kca_delivery *d, const char *value) {
    kca__record plain = {.value = value, .value_len = strlen(value)};
    kca__held_record *r = kca__held_record_new("out", &plain);
    assert_non_null(r);
    kca__list_add(&d->published, &r->link);
}

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

/* The batch has just this, and is freed. */
static void must_hold(contents c, const char *value) {
    assert_int_equal(c.batch.count, value ? 1 : 0);
    const kca__held_record *first = kca__list_first(&c.batch);
    if (value)
        assert_string_equal(first->record.value, value);
    kca__held_records_free(&c.batch);
}

static void test_what_was_published_goes_with_the_offset(void **state) {
    fixture f;
    open_transactional(&f);
    accept(&f, 0, 0, 1);
    kca_delivery *d = take_offset(&f, 0);
    publish(d, "a");
    contents c = collect(&f);
    assert_int_equal(c.partitions, 0);
    must_hold(c, NULL);
    finish(d, KCA_DONE);
    c = collect(&f);
    assert_int_equal(c.partitions, 1);
    must_hold(c, "a");
    close_engine(&f);
}

static void test_what_a_failed_attempt_published_is_dropped(void **state) {
    fixture f;
    open_transactional(&f);
    accept(&f, 0, 0, 1);
    kca_delivery *d = take_offset(&f, 0);
    publish(d, "first");
    finish(d, KCA_FAILED);
    pass_ms(&f, 100);
    d = take_offset(&f, 0);
    publish(d, "second");
    finish(d, KCA_DONE);
    must_hold(collect(&f), "second");
    close_engine(&f);
}

/* It was settled after the last transaction that the partition could be in: it comes again, and
 * publishes again, wherever the partition is now. */
static void test_what_a_partition_published_that_has_gone_does_not_go_out(void **state) {
    fixture f;
    open_transactional(&f);
    accept(&f, 0, 0, 1);
    accept(&f, 1, 0, 1);
    kca_delivery *gone = take(&f), *stays = take(&f);
    publish(gone, "gone");
    publish(stays, "stays");
    kca__engine_begin_drain(f.engine, "things", 0);
    finish(stays, KCA_DONE);
    finish(gone, KCA_DONE);
    forget(&f, 0);
    kca__engine_disown(f.engine, "things", 0);
    contents c = collect(&f);
    assert_int_equal(c.partitions, 1);
    must_hold(c, "stays");
    close_engine(&f);
}

/* The application chose to go elsewhere: what it did before stays done. */
static void test_what_was_published_before_a_seek_goes_out(void **state) {
    fixture f;
    open_transactional(&f);
    accept(&f, 0, 0, 1);
    kca_delivery *d = take_offset(&f, 0);
    publish(d, "a");
    finish(d, KCA_DONE);
    forget(&f, 0);
    assign(&f, 0);
    must_hold(collect(&f), "a");
    close_engine(&f);
}

/* Who polls is not told of what he cannot have yet, but of the transaction that makes way for it.
 */
static void test_a_full_transaction_comes_first(void **state) {
    fixture f;
    open_transactional(&f);
    assert_in_range(kca__notifier_fd(&f.engine->notifier), 0, 1000000);
    accept(&f, 0, 0, 1);
    accept(&f, 0, 1, 2);
    kca_delivery *d = take_offset(&f, 0);
    for (int i = 0; i < 10000; i++)
        publish(d, "many");
    kca__notifier_clear(&f.engine->notifier);
    finish(d, KCA_DONE);
    assert_true(f.poller_woken > 0);
    assert_null(take(&f));
    assert_int_equal(atomic_load(&f.engine->notifier.raised), 0);
    contents c = collect(&f);
    assert_int_equal(c.batch.count, 10000);
    kca__held_records_free(&c.batch);
    assert_int_equal(atomic_load(&f.engine->notifier.raised), 1);
    finish(take_offset(&f, 1), KCA_DONE);
    close_engine(&f);
}

/* ---- what the cluster refused for good ---- */

static kca_error *too_large(void) {
    return kca__error_new(KCA_ERROR_TOO_LARGE, "the record is too large");
}

/* The transaction is aborted because of this record of it, and read again. */
static void abort_for(fixture *f, contents *c, bool for_good) {
    const kca__held_record *guilty = kca__list_first(&c->batch);
    kca__engine_refuse(f->engine, guilty, for_good, too_large());
    kca__held_records_free(&c->batch);
    kca__engine_revoke_all(f->engine);
    assign(f, 0);
}

static contents with_a_result(fixture *f) {
    accept(f, 0, 0, 1);
    kca_delivery *d = take_offset(f, 0);
    publish(d, "a");
    finish(d, KCA_DONE);
    return collect(f);
}

static void test_a_delivery_whose_result_was_refused_has_failed_once(void **state) {
    fixture f;
    open_transactional(&f);
    contents c = with_a_result(&f);
    abort_for(&f, &c, false);
    accept(&f, 0, 0, 1);
    accept(&f, 0, 1, 1);
    assert_null(take(&f)); /* the next of its key waits for it */
    assert_int_equal(f.engine->counts.failed, 1);
    must_hold(collect(&f), NULL);
    pass_ms(&f, 100);
    kca_delivery *d = take_offset(&f, 0);
    assert_int_equal(kca_delivery_attempt(d), 2);
    finish(d, KCA_DONE);
    finish(take_offset(&f, 1), KCA_DONE);
    assert_int_equal(commit(&f), 2);
    close_engine(&f);
}

static void test_a_refused_result_at_the_last_attempt_is_dead_lettered(void **state) {
    fixture f;
    open_with(&f, true, false);
    contents c = with_a_result(&f);
    ((kca__held_record *)kca__list_first(&c.batch))->attempt = 2;
    abort_for(&f, &c, false);
    accept(&f, 0, 0, 1);
    assert_null(take(&f));
    kca_delivery *d = kca__engine_take_condemned(f.engine);
    assert_non_null(d);
    assert_string_equal(d->failure_name, "refused");
    assert_string_equal(d->failure_text, "the record is too large");
    assert_int_equal(d->attempt, 2);
    assert_false(d->letter.trimmed);
    kca__engine_letter_stored(d);
    assert_int_equal(commit(&f), 1);
    close_engine(&f);
}

/* Its dead letter as the channel holds it. */
static contents with_a_letter(fixture *f) {
    accept(f, 0, 0, 1);
    finish(take_offset(f, 0), KCA_REJECTED);
    kca_delivery *d = kca__engine_take_condemned(f->engine);
    assert_non_null(d);
    publish(d, "letter");
    kca__held_record *held = kca__list_first(&d->published);
    held->kind = KCA__HELD_LETTER;
    held->letter.name = kca__text_copy("NegativeAmount");
    kca__engine_letter_stored(d);
    return collect(f);
}

static void test_a_refused_letter_is_written_trimmed_without_the_handler(void **state) {
    fixture f;
    open_with(&f, true, false);
    contents c = with_a_letter(&f);
    abort_for(&f, &c, false);
    accept(&f, 0, 0, 1);
    assert_null(take(&f));
    kca_delivery *d = kca__engine_take_condemned(f.engine);
    assert_non_null(d);
    assert_true(d->letter.trimmed);
    assert_int_equal(d->attempt, 1);
    assert_string_equal(d->failure_name, "NegativeAmount");
    assert_null(d->failure_text);
    kca__engine_letter_stored(d);
    assert_int_equal(commit(&f), 1);
    close_engine(&f);
}

static void test_a_letter_refused_for_good_is_left_to_the_policy(void **state) {
    for (int skip = 0; skip < 2; skip++) {
        fixture f;
        open_with(&f, true, skip);
        contents c = with_a_letter(&f);
        abort_for(&f, &c, true);
        accept(&f, 0, 0, 1);
        accept(&f, 0, 1, 2);
        kca_delivery *next = take(&f);
        assert_int_equal(next != NULL, skip);
        assert_int_equal(f.engine->failure == NULL, skip);
        assert_string_equal(kca_error_text(first_note(&f)->error), "the record is too large");
        if (next)
            finish(next, KCA_DONE);
        assert_int_equal(commit(&f), skip ? 2 : NOTHING);
        close_engine(&f);
    }
}

/* Another member finds out for itself. */
static void test_what_was_refused_of_a_partition_that_went_is_forgotten(void **state) {
    fixture f;
    open_transactional(&f);
    contents c = with_a_result(&f);
    abort_for(&f, &c, false);
    forget(&f, 0);
    kca__engine_disown(f.engine, "things", 0);
    assign(&f, 0);
    accept(&f, 0, 0, 1);
    finish(take_offset(&f, 0), KCA_DONE);
    close_engine(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_published_goes_with_the_offset),
        cmocka_unit_test(test_what_a_failed_attempt_published_is_dropped),
        cmocka_unit_test(test_what_a_partition_published_that_has_gone_does_not_go_out),
        cmocka_unit_test(test_what_was_published_before_a_seek_goes_out),
        cmocka_unit_test(test_a_full_transaction_comes_first),
        cmocka_unit_test(test_a_delivery_whose_result_was_refused_has_failed_once),
        cmocka_unit_test(test_a_refused_result_at_the_last_attempt_is_dead_lettered),
        cmocka_unit_test(test_a_refused_letter_is_written_trimmed_without_the_handler),
        cmocka_unit_test(test_a_letter_refused_for_good_is_left_to_the_policy),
        cmocka_unit_test(test_what_was_refused_of_a_partition_that_went_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
