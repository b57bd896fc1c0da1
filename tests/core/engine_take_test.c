/* Taking, as a processor's thread does it: it brings back its last delivery, and fetches when
 * nothing is ready. */
#include "engine_fixture.h"

/* What waits to be fetched: records of partition 0, each with a key of its own. */
typedef struct source {
    fixture f; /* first: the owner is the source */
    int64_t next, end;
    int fetches;
    int last_room, last_timeout_ms;
} source;

static int fetch(void *owner, kca__inbound_record *out, int room, int timeout_ms) {
    source *s = owner;
    int count = 0;
    s->fetches++;
    s->last_room = room;
    s->last_timeout_ms = timeout_ms;
    for (; count < room && s->next < s->end; s->next++)
        out[count++] = came(new_record(&s->f, 0, s->next, (int)s->next));
    return count;
}

static void open_source_with(source *s, kca__engine_setup setup, int64_t records) {
    setup.fetch = fetch;
    open_engine_with(&s->f, setup);
    s->next = s->fetches = 0;
    s->end = records;
    assign(&s->f, 0);
}

static void open_source(source *s, int capacity, int64_t records) {
    open_source_with(s, plain_setup(capacity, false), records);
}

static int take_now(source *s, kca__returned *returned, kca_event **out, int max) {
    int count = kca__engine_take(s->f.engine, returned, out, max, KCA__CLOCK_OVER);
    for (int i = 0; i < count; i++)
        if (out[i]->type == KCA_EVENT_DELIVERY)
            kca__message_init_inbound(&((kca_delivery *)out[i])->message);
    return count;
}

static void test_a_thread_that_finds_nothing_ready_fetches(void **state) {
    source s;
    kca__returned returned = {0};
    kca_event *out[2];
    open_source(&s, 10, 3);
    assert_int_equal(take_now(&s, &returned, out, 2), 2);
    assert_int_equal(s.fetches, 1);
    assert_int_equal(s.last_room, 10);
    assert_int_equal(s.last_timeout_ms, 0);
    assert_int_equal(kca__engine_out(s.f.engine), 2);
    for (int i = 0; i < 2; i++)
        finish((kca_delivery *)out[i], KCA_DONE);
    assert_int_equal(take_now(&s, &returned, out, 2), 1); /* was fetched with the others */
    finish((kca_delivery *)out[0], KCA_DONE);
    assert_int_equal(commit(&s.f), 3);
    close_engine(&s.f);
}

static void test_what_is_brought_back_is_settled_and_makes_room_before_the_next_fetch(
    void **state) {
    source s;
    kca__returned returned = {0};
    kca_event *out;
    open_source(&s, 1, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(take_now(&s, &returned, &out, 1), 1);
        assert_int_equal(s.fetches, i + 1);
        assert_int_equal(s.last_room, 1);
        assert_int_equal(commit(&s.f), i ? i : NOTHING);
        assert_int_equal(s.f.live, 1); /* the last one's record is released */
        returned.done = (kca_delivery *)out;
        returned.verdict = KCA_DONE;
    }
    kca__engine_put_away(s.f.engine, &returned);
    assert_null(returned.done);
    assert_null(returned.spent);
    assert_int_equal(commit(&s.f), 3);
    assert_int_equal(s.f.live, 0);
    close_engine(&s.f);
}

static void test_a_failure_that_is_brought_back_comes_again_after_its_pause(void **state) {
    source s;
    kca__returned returned = {0};
    kca_event *out;
    kca__engine_setup setup = plain_setup(10, false);
    setup.retry = (kca__retry_plan){
        .max_attempts = 2, .backoff_ms = 100, .backoff_max_ms = 100, .multiplier = 1};
    open_source_with(&s, setup, 1);
    assert_int_equal(take_now(&s, &returned, &out, 1), 1);
    returned.done = (kca_delivery *)out;
    returned.verdict = KCA_FAILED;
    assert_int_equal(take_now(&s, &returned, &out, 1), 0);
    assert_null(returned.done);
    assert_int_equal(kca__engine_count(s.f.engine).waiting, 1);
    pass_ms(&s.f, 100);
    assert_int_equal(take_now(&s, &returned, &out, 1), 1);
    assert_int_equal(((kca_delivery *)out)->attempt, 2);
    finish((kca_delivery *)out, KCA_DONE);
    assert_int_equal(commit(&s.f), 1);
    close_engine(&s.f);
}

static void test_nothing_is_fetched_without_room(void **state) {
    source s;
    kca__returned returned = {0};
    kca_event *first, *out;
    open_source(&s, 1, 2);
    assert_int_equal(take_now(&s, &returned, &first, 1), 1);
    assert_int_equal(take_now(&s, &returned, &out, 1), 0);
    assert_int_equal(s.fetches, 1);
    finish((kca_delivery *)first, KCA_DONE);
    assert_int_equal(take_now(&s, &returned, &out, 1), 1);
    assert_int_equal(s.fetches, 2);
    finish((kca_delivery *)out, KCA_DONE);
    close_engine(&s.f);
}

static void test_nothing_is_fetched_while_fetching_is_held(void **state) {
    source s;
    kca__returned returned = {0};
    kca_event *out;
    open_source(&s, 10, 1);
    kca__engine_hold_fetch(s.f.engine);
    assert_int_equal(take_now(&s, &returned, &out, 1), 0);
    assert_int_equal(s.fetches, 0);
    kca__engine_release_fetch(s.f.engine);
    assert_int_equal(take_now(&s, &returned, &out, 1), 1);
    finish((kca_delivery *)out, KCA_DONE);
    close_engine(&s.f);
}

static void test_notes_are_taken_before_deliveries(void **state) {
    source s;
    kca__returned returned = {0};
    kca_event *out[4];
    open_source(&s, 10, 1);
    kca__engine_fault(s.f.engine, kca__error_new(KCA_ERROR_BROKER, "away"), "things", 0, -1);
    assert_int_equal(take_now(&s, &returned, out, 4), 1);
    assert_int_equal(out[0]->type, KCA_EVENT_FAULT);
    assert_string_equal(out[0]->error->text, "away");
    out[0]->release(out[0]);
    assert_int_equal(take_now(&s, &returned, out, 4), 1);
    assert_int_equal(out[0]->type, KCA_EVENT_DELIVERY);
    finish((kca_delivery *)out[0], KCA_DONE);
    close_engine(&s.f);
}

static void test_what_is_brought_back_counts_after_the_stop_and_nothing_more_is_given_out(
    void **state) {
    source s;
    kca__returned returned = {0};
    kca_event *out;
    open_source(&s, 10, 2);
    assert_int_equal(take_now(&s, &returned, &out, 1), 1);
    kca__engine_stop(s.f.engine, KCA__CLOCK_NEVER);
    returned.done = (kca_delivery *)out;
    returned.verdict = KCA_DONE;
    assert_int_equal(take_now(&s, &returned, &out, 1), -KCA_ERROR_STOPPED);
    assert_int_equal(commit(&s.f), 1);
    kca__engine_put_away(s.f.engine, &returned);
    close_engine(&s.f);
}

static void test_only_a_sooner_deadline_of_a_stop_counts(void **state) {
    fixture f;
    open_engine(&f, 10, false);
    assert_true(kca__engine_drain_deadline(f.engine) == KCA__CLOCK_NEVER);
    assert_false(kca__engine_is_stopping(f.engine));
    kca__engine_stop(f.engine, 5000);
    kca__engine_stop(f.engine, 7000);
    assert_int_equal(kca__engine_drain_deadline(f.engine), 5000);
    kca__engine_stop(f.engine, 3000);
    assert_int_equal(kca__engine_drain_deadline(f.engine), 3000);
    assert_true(kca__engine_is_stopping(f.engine));
    close_engine(&f);
}

static void test_an_error_of_a_stopping_engine_is_no_failure_of_it(void **state) {
    fixture f;
    open_engine(&f, 10, false);
    kca__engine_stop(f.engine, KCA__CLOCK_NEVER);
    kca__engine_fail_unless_stopping(f.engine, kca__error_new(KCA_ERROR_BROKER, "away"));
    assert_null(kca__engine_failure(f.engine));
    kca__engine_fail(f.engine, kca__error_new(KCA_ERROR_BROKER, "away"));
    kca_error *failure = kca__engine_failure(f.engine);
    assert_string_equal(failure->text, "away");
    kca__error_free(failure);
    close_engine(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_thread_that_finds_nothing_ready_fetches),
        cmocka_unit_test(test_what_is_brought_back_is_settled_and_makes_room_before_the_next_fetch),
        cmocka_unit_test(test_a_failure_that_is_brought_back_comes_again_after_its_pause),
        cmocka_unit_test(test_nothing_is_fetched_without_room),
        cmocka_unit_test(test_nothing_is_fetched_while_fetching_is_held),
        cmocka_unit_test(test_notes_are_taken_before_deliveries),
        cmocka_unit_test(
            test_what_is_brought_back_counts_after_the_stop_and_nothing_more_is_given_out),
        cmocka_unit_test(test_only_a_sooner_deadline_of_a_stop_counts),
        cmocka_unit_test(test_an_error_of_a_stopping_engine_is_no_failure_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
