/* The inbound engine with records that are only numbers: one rule in each test. The random
 * schedules are in engine_model_test.c. */
#include "engine_fixture.h"

#include <poll.h>

static void test_records_of_one_key_are_given_out_one_after_another(void **state) {
    fixture f;
    open_engine(&f, 10, false);
    assign(&f, 0);
    accept(&f, 0, 1, 7);
    accept(&f, 0, 2, 7);
    accept(&f, 0, 3, 8);
    kca_delivery *first = take_offset(&f, 1), *other = take_offset(&f, 3);
    assert_null(take(&f));
    finish(first, KCA_DONE);
    kca_delivery *second = take_offset(&f, 2);
    finish(other, KCA_DONE);
    finish(second, KCA_DONE);
    close_engine(&f);
}

static void test_records_without_a_key_wait_for_nobody(void **state) {
    fixture f;
    open_engine(&f, 10, false);
    assign(&f, 0);
    accept(&f, 0, 1, -1);
    accept(&f, 0, 2, -1);
    kca_delivery *a = take_offset(&f, 1), *b = take_offset(&f, 2);
    finish(b, KCA_DONE);
    finish(a, KCA_DONE);
    close_engine(&f);
}

static void test_a_commit_waits_for_the_slowest_of_three(void **state) {
    fixture f;
    open_engine(&f, 10, false);
    assign(&f, 0);
    for (int i = 0; i < 3; i++)
        accept(&f, 0, 100 + i, i);
    kca_delivery *slow = take(&f), *b = take(&f), *c = take(&f);
    assert_int_equal(commit(&f), NOTHING);
    finish(c, KCA_DONE);
    finish(b, KCA_DONE);
    assert_int_equal(commit(&f), 100);
    finish(slow, KCA_DONE);
    assert_int_equal(commit(&f), 103);
    assert_int_equal(commit(&f), NOTHING);
    close_engine(&f);
}

static void test_the_frontier_passes_what_is_never_delivered(void **state) {
    fixture f;
    open_engine(&f, 10, false);
    assert_true(kca__engine_assign(f.engine, "things", 0, 5, NULL, 0));
    accept_end(&f, 0, 5); /* nothing new */
    assert_int_equal(commit(&f), NOTHING);
    accept_end(&f, 0, 8);
    assert_int_equal(commit(&f), 8);
    accept(&f, 0, 9, 1);
    accept_end(&f, 0, 12);
    assert_int_equal(commit(&f), NOTHING);
    kca_delivery *d = take_offset(&f, 9);
    accept_end(&f, 0, 20);
    assert_int_equal(commit(&f), NOTHING);
    finish(d, KCA_DONE);
    assert_int_equal(commit(&f), 20);
    close_engine(&f);
}

static void test_an_end_that_goes_back_begins_the_partition_anew(void **state) {
    fixture f;
    open_engine(&f, 10, false);
    assign(&f, 0);
    accept(&f, 0, 9, 1);
    kca_delivery *d = take_offset(&f, 9);
    accept_end(&f, 0, 3);
    assert_int_equal(commit(&f), 3);
    assert_false(kca__engine_settle(d, KCA_DONE));
    kca__engine_give_back(d);
    accept(&f, 0, 3, 1);
    finish(take_offset(&f, 3), KCA_DONE);
    assert_int_equal(commit(&f), 4);
    close_engine(&f);
}

static void must_tell_reset(fixture *f, int64_t from, int64_t to) {
    kca_event *e = kca__notes_take(&f->engine->notes);
    assert_non_null(e);
    assert_int_equal(e->error->code, KCA_ERROR_OFFSET);
    assert_int_equal(e->reset_from, from);
    assert_int_equal(e->reset_to, to);
    e->release(e);
    assert_null(kca__notes_take(&f->engine->notes));
}

static void accept_after_reset(fixture *f, int64_t offset, int64_t from) {
    record *r = new_record(f, 0, offset, 1);
    kca__inbound_record inbound = came(r);
    inbound.was_reset = true;
    inbound.reset_from = from;
    pthread_mutex_lock(&f->engine->lock);
    kca__engine_accept_locked(f->engine, &inbound, 1);
    pthread_mutex_unlock(&f->engine->lock);
}

static void test_what_is_gone_is_told_once_the_next_record_has_come(void **state) {
    fixture f;
    open_engine(&f, 10, false);
    assert_true(kca__engine_assign(f.engine, "things", 0, 5, NULL, 0));
    accept_after_reset(&f, 5, 6); /* it was fetched before the reset */
    assert_null(kca__notes_take(&f.engine->notes));
    accept(&f, 0, 30, 1);
    must_tell_reset(&f, 6, 30);
    finish(take_offset(&f, 5), KCA_DONE);
    assert_int_equal(commit(&f), 30); /* what is gone is not waited for */
    accept_after_reset(&f, 31, 6);    /* long passed */
    assert_null(kca__notes_take(&f.engine->notes));
    close_engine(&f);
}

static void test_offsets_that_go_back_are_told(void **state) {
    fixture f;
    open_engine(&f, 10, false);
    assert_true(kca__engine_assign(f.engine, "things", 0, 500, NULL, 0));
    accept(&f, 0, 3, 1);
    must_tell_reset(&f, 500, 3);
    accept(&f, 0, 4, 1);
    accept_end(&f, 0, 1);
    must_tell_reset(&f, 5, 1);
    assert_int_equal(commit(&f), 1);
    close_engine(&f);
}

static void test_a_commit_that_failed_is_tried_again(void **state) {
    fixture f;
    open_engine(&f, 10, false);
    assign(&f, 0);
    accept(&f, 0, 5, 1);
    finish(take(&f), KCA_DONE);
    assert_int_equal(commit(&f), 6);
    kca__engine_commit_failed(f.engine, "things", 0);
    assert_int_equal(commit(&f), 6);
    close_engine(&f);
}

static void test_a_failure_ends_the_engine_and_commits_nothing_beyond(void **state) {
    fixture f;
    open_engine(&f, 10, false);
    assign(&f, 0);
    for (int i = 0; i < 3; i++)
        accept(&f, 0, i, i);
    finish(take_offset(&f, 0), KCA_DONE);
    kca_delivery *bad = take_offset(&f, 1);
    kca_delivery_explain(bad, "NegativeAmount", "the amount is -3");
    finish(bad, KCA_REJECTED);
    assert_null(take(&f));
    assert_int_equal(commit(&f), 1);
    assert_string_equal(f.engine->failure->text,
                        "consumer reader: a message without a name was rejected at things[0] "
                        "offset 1, NegativeAmount: the amount is -3");
    assert_int_equal(f.engine->failure->code, KCA_ERROR_HANDLER);
    assert_int_equal(kca__notes_count(&f.engine->notes), 1);
    close_engine(&f);
}

static void test_the_policy_skip_passes_a_failure_with_a_fault(void **state) {
    fixture f;
    open_engine(&f, 10, true);
    assign(&f, 0);
    accept(&f, 0, 0, 1);
    accept(&f, 0, 1, 1);
    finish(take(&f), KCA_FAILED);
    assert_int_equal(commit(&f), 1);
    assert_int_equal(kca__notes_count(&f.engine->notes), 1);
    assert_int_equal(first_note(&f)->offset, 0);
    finish(take_offset(&f, 1), KCA_DONE);
    assert_int_equal(f.engine->counts.skipped, 1);
    assert_int_equal(f.engine->counts.handled, 1);
    close_engine(&f);
}

static void test_a_delivery_freed_without_being_settled_counts_as_failed(void **state) {
    fixture f;
    open_engine(&f, 10, false);
    assign(&f, 0);
    accept(&f, 0, 0, 1);
    kca__engine_give_back(take(&f));
    assert_non_null(strstr(f.engine->failure->text, "freed without being settled"));
    assert_int_equal(commit(&f), NOTHING);
    close_engine(&f);
}

static void test_settling_counts_once(void **state) {
    fixture f;
    open_engine(&f, 10, false);
    assign(&f, 0);
    accept(&f, 0, 0, 1);
    kca_delivery *d = take(&f);
    assert_true(kca__engine_settle(d, KCA_DONE));
    assert_false(kca__engine_settle(d, KCA_FAILED));
    kca__engine_give_back(d);
    assert_null(f.engine->failure);
    assert_int_equal(f.engine->counts.handled, 1);
    close_engine(&f);
}

static void test_what_expires_counts_as_failed_and_keeps_its_lane_until_it_is_back(void **state) {
    fixture f;
    kca__engine_setup setup = plain_setup(10, true);
    setup.processing_timeout_ms = 1000;
    open_engine_with(&f, setup);
    assign(&f, 0);
    accept(&f, 0, 0, 1);
    accept(&f, 0, 1, 1);
    kca_delivery *slow = take(&f);
    simulated_ms = slow->deadline_ms - 1;
    assert_int_equal(kca__engine_see_to_due(f.engine, simulated_ms, INT64_MAX), slow->deadline_ms);
    assert_int_equal(f.engine->counts.failed, 0);
    assert_true(kca__engine_see_to_due(f.engine, slow->deadline_ms, INT64_MAX) == INT64_MAX);
    assert_int_equal(f.engine->counts.failed, 1);
    assert_int_equal(commit(&f), 1);
    assert_null(take(&f));
    kca__engine_give_back(slow);
    finish(take_offset(&f, 1), KCA_DONE);
    close_engine(&f);
}

static void test_a_revoked_partition_is_drained_and_then_forgotten(void **state) {
    fixture f;
    open_engine(&f, 10, false);
    assign(&f, 0);
    for (int i = 0; i < 4; i++)
        accept(&f, 0, i, i);
    kca_delivery *in_time = take(&f), *late = take(&f);
    kca__engine_begin_drain(f.engine, "things", 0);
    assert_null(take(&f));
    assert_int_equal(kca__engine_await_drained(f.engine, kca__clock_ms()), 2);
    finish(in_time, KCA_DONE);
    assert_int_equal(kca__engine_await_drained(f.engine, kca__clock_ms()), 1);
    assert_int_equal(commit(&f), 1);
    forget(&f, 0);
    assert_int_equal(f.engine->held, 1);
    assert_int_equal(f.engine->out, 0);
    assert_false(kca__engine_settle(late, KCA_DONE));
    kca__engine_give_back(late);
    assert_int_equal(commit(&f), NOTHING);
    close_engine(&f);
}

static void test_records_of_partitions_that_are_not_assigned_are_dropped(void **state) {
    fixture f;
    open_engine(&f, 10, false);
    accept(&f, 3, 0, 1);
    assert_null(take(&f));
    assert_int_equal(f.live, 0);
    close_engine(&f);
}

static void test_a_partition_whose_offsets_go_back_begins_anew(void **state) {
    fixture f;
    open_engine(&f, 10, false);
    assign(&f, 0);
    accept(&f, 0, 100, 1);
    accept(&f, 0, 101, 2);
    kca_delivery *old = take_offset(&f, 100);
    accept(&f, 0, 0, 1);
    assert_null(take(&f)); /* its key's last handler still runs */
    assert_false(kca__engine_settle(old, KCA_DONE));
    kca__engine_give_back(old);
    finish(take_offset(&f, 0), KCA_DONE);
    assert_int_equal(commit(&f), 1);
    close_engine(&f);
}

static void test_nothing_of_a_partition_that_goes_is_given_out_when_its_offsets_go_back(
    void **state) {
    fixture f;
    open_engine(&f, 10, false);
    assign(&f, 0);
    accept(&f, 0, 100, 1);
    kca_delivery *old = take_offset(&f, 100);
    kca__engine_begin_drain(f.engine, "things", 0);
    accept(&f, 0, 0, 1);
    assert_null(take(&f));
    kca__engine_give_back(old);
    close_engine(&f);
}

static void test_a_withdrawn_delivery_counts_as_nothing(void **state) {
    fixture f;
    open_engine(&f, 10, true);
    assign(&f, 0);
    accept(&f, 0, 0, 1);
    accept(&f, 0, 1, 2);
    kca__engine_withdraw(take_offset(&f, 0));
    finish(take_offset(&f, 1), KCA_DONE);
    assert_int_equal(commit(&f), 0);
    assert_int_equal(f.engine->counts.failed, 0);
    assert_int_equal(f.engine->out, 0);
    close_engine(&f);
}

static void test_a_full_engine_has_no_room_until_a_delivery_is_back(void **state) {
    fixture f;
    open_engine(&f, 2, false);
    assign(&f, 0);
    accept(&f, 0, 0, 1);
    accept(&f, 0, 1, 1);
    assert_int_equal(kca__engine_room_locked(f.engine), 0);
    kca_delivery *d = take(&f);
    assert_true(kca__engine_settle(d, KCA_DONE));
    assert_int_equal(kca__engine_room_locked(f.engine), 0);
    kca__engine_give_back(d);
    assert_int_equal(kca__engine_room_locked(f.engine), 1);
    close_engine(&f);
}

static void test_an_engine_lives_until_the_last_delivery_is_back(void **state) {
    fixture f;
    open_engine(&f, 10, false);
    assign(&f, 0);
    for (int i = 0; i < 4; i++)
        accept(&f, 0, i, 1);
    kca_delivery *d = take(&f);
    assert_int_equal(kca__engine_shut(f.engine), 1);
    assert_int_equal(f.live, 1);
    kca__engine_release(f.engine);
    assert_int_equal(f.let_go, 0);
    kca__engine_give_back(d);
    assert_int_equal(f.let_go, 1);
    assert_int_equal(f.live, 0);
}

/* Leaving the group takes all partitions away before the end. */
static void test_the_end_tells_of_unsettled_deliveries_whose_partition_has_gone(void **state) {
    fixture f;
    open_engine(&f, 10, false);
    assign(&f, 0);
    for (int i = 0; i < 3; i++)
        accept(&f, 0, i, i);
    kca_delivery *a = take(&f), *b = take(&f), *settled = take(&f);
    assert_true(kca__engine_settle(settled, KCA_DONE));
    kca__engine_begin_drain(f.engine, "things", 0);
    forget(&f, 0);
    assert_int_equal(kca__engine_shut(f.engine), 2);
    kca__engine_give_back(a);
    kca__engine_give_back(b);
    kca__engine_give_back(settled);
    close_engine(&f);
}

static void test_only_the_newest_faults_are_kept(void **state) {
    fixture f;
    open_engine(&f, 10, true);
    pthread_mutex_lock(&f.engine->lock);
    for (int i = 0; i < KCA__NOTES_MOST + 5; i++)
        kca__engine_fault_locked(f.engine, kca__error_new(KCA_ERROR_BROKER, "%d", i), "t", 0, i);
    pthread_mutex_unlock(&f.engine->lock);
    assert_int_equal(kca__notes_count(&f.engine->notes), KCA__NOTES_MOST);
    assert_int_equal(first_note(&f)->offset, 5);
    close_engine(&f);
}

/* ---- a burst that is on its way while its partition goes and comes ---- */

static void *assign_after_the_burst(void *argument) {
    fixture *f = argument;
    kca__engine_await_fetch(f->engine);
    assign(f, 0);
    return NULL;
}

static void test_a_burst_of_the_last_assignment_does_not_move_the_next_ones_frontier(void **state) {
    fixture f;
    pthread_t poller;
    open_engine(&f, 10, false);
    assign(&f, 0);
    f.engine->fetching = true;
    record *on_its_way = new_record(&f, 0, 100, 1);
    kca__engine_begin_drain(f.engine, "things", 0);
    forget(&f, 0);
    pthread_create(&poller, NULL, assign_after_the_burst, &f);
    pthread_mutex_lock(&f.engine->lock);
    while (!f.woken) {
        pthread_mutex_unlock(&f.engine->lock);
        poll(NULL, 0, 1);
        pthread_mutex_lock(&f.engine->lock);
    }
    pthread_mutex_unlock(&f.engine->lock);
    accept_record(&f, on_its_way);
    pthread_mutex_lock(&f.engine->lock);
    kca__engine_end_fetch_locked(f.engine);
    pthread_mutex_unlock(&f.engine->lock);
    pthread_join(poller, NULL);
    assert_null(take(&f));
    assert_int_equal(f.live, 0);
    close_engine(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records_of_one_key_are_given_out_one_after_another),
        cmocka_unit_test(test_records_without_a_key_wait_for_nobody),
        cmocka_unit_test(test_a_commit_waits_for_the_slowest_of_three),
        cmocka_unit_test(test_the_frontier_passes_what_is_never_delivered),
        cmocka_unit_test(test_an_end_that_goes_back_begins_the_partition_anew),
        cmocka_unit_test(test_what_is_gone_is_told_once_the_next_record_has_come),
        cmocka_unit_test(test_offsets_that_go_back_are_told),
        cmocka_unit_test(test_a_commit_that_failed_is_tried_again),
        cmocka_unit_test(test_a_failure_ends_the_engine_and_commits_nothing_beyond),
        cmocka_unit_test(test_the_policy_skip_passes_a_failure_with_a_fault),
        cmocka_unit_test(test_a_delivery_freed_without_being_settled_counts_as_failed),
        cmocka_unit_test(test_settling_counts_once),
        cmocka_unit_test(test_what_expires_counts_as_failed_and_keeps_its_lane_until_it_is_back),
        cmocka_unit_test(test_a_revoked_partition_is_drained_and_then_forgotten),
        cmocka_unit_test(test_records_of_partitions_that_are_not_assigned_are_dropped),
        cmocka_unit_test(test_a_partition_whose_offsets_go_back_begins_anew),
        cmocka_unit_test(
            test_nothing_of_a_partition_that_goes_is_given_out_when_its_offsets_go_back),
        cmocka_unit_test(test_a_withdrawn_delivery_counts_as_nothing),
        cmocka_unit_test(test_a_full_engine_has_no_room_until_a_delivery_is_back),
        cmocka_unit_test(test_an_engine_lives_until_the_last_delivery_is_back),
        cmocka_unit_test(test_the_end_tells_of_unsettled_deliveries_whose_partition_has_gone),
        cmocka_unit_test(test_only_the_newest_faults_are_kept),
        cmocka_unit_test(test_a_burst_of_the_last_assignment_does_not_move_the_next_ones_frontier),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
