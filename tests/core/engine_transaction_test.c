/* What deliveries publish, on its way into a transaction: one rule in each test. */
#include "engine_fixture.h"

static void open_transactional(fixture *f) {
    kca__engine_setup setup = plain_setup(10, false);
    setup.retry = (kca__retry_plan){
        .max_attempts = 2, .backoff_ms = 100, .backoff_max_ms = 100, .multiplier = 1};
    open_engine_with(f, setup);
    assign(f, 0);
    assign(f, 1);
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_published_goes_with_the_offset),
        cmocka_unit_test(test_what_a_failed_attempt_published_is_dropped),
        cmocka_unit_test(test_what_a_partition_published_that_has_gone_does_not_go_out),
        cmocka_unit_test(test_what_was_published_before_a_seek_goes_out),
        cmocka_unit_test(test_a_full_transaction_comes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
