/* Order modes, pausing, and what a restart knows of finished work: one rule in each test. */
#include "engine_fixture.h"

static void test_order_by_partition_has_one_delivery_of_it_out_at_a_time(void **state) {
    fixture f;
    kca__engine_setup setup = plain_setup(10, false);
    setup.order = KCA__ORDER_PARTITION;
    open_engine_with(&f, setup);
    assign(&f, 0);
    assign(&f, 1);
    accept(&f, 0, 0, 1);
    accept(&f, 0, 1, 2);
    accept(&f, 0, 2, -1);
    accept(&f, 1, 0, 1);
    kca_delivery *first = take_offset(&f, 0), *other = take_offset(&f, 0);
    assert_null(take(&f));
    finish(first, KCA_DONE);
    finish(take_offset(&f, 1), KCA_DONE);
    finish(take_offset(&f, 2), KCA_DONE);
    finish(other, KCA_DONE);
    close_engine(&f);
}

static void test_without_order_equal_keys_run_side_by_side(void **state) {
    fixture f;
    kca__engine_setup setup = plain_setup(10, false);
    setup.order = KCA__ORDER_NONE;
    open_engine_with(&f, setup);
    assign(&f, 0);
    for (int i = 0; i < 3; i++)
        accept(&f, 0, i, 1);
    kca_delivery *a = take_offset(&f, 0), *b = take_offset(&f, 1), *c = take_offset(&f, 2);
    finish(c, KCA_DONE);
    finish(a, KCA_DONE);
    assert_int_equal(commit(&f), 1);
    finish(b, KCA_DONE);
    assert_int_equal(commit(&f), 3);
    close_engine(&f);
}

/* Across a rebalance: the partition went while a handler ran, and came back. */
static void test_a_key_waits_for_its_handler_of_an_earlier_assignment(void **state) {
    fixture f;
    open_engine(&f, 10, false);
    assign(&f, 0);
    accept(&f, 0, 5, 1);
    kca_delivery *late = take_offset(&f, 5);
    kca__engine_begin_drain(f.engine, "things", 0);
    forget(&f, 0);
    assign(&f, 0);
    accept(&f, 0, 5, 1);
    accept(&f, 0, 6, 2);
    finish(take_offset(&f, 6), KCA_DONE);
    assert_null(take(&f));
    kca__engine_give_back(late);
    finish(take_offset(&f, 5), KCA_DONE);
    assert_int_equal(commit(&f), 7);
    close_engine(&f);
}

/* ---- finished work beyond the frontier ---- */

static void test_a_restart_does_not_repeat_what_was_finished_ahead_of_a_slow_record(void **state) {
    fixture f;
    char map[KCA__OFFSET_MAP_SIZE];
    open_engine(&f, 5000, false);
    assign(&f, 0);
    for (int i = 0; i < 4000; i++)
        accept(&f, 0, i, i);
    kca_delivery *slow = take_offset(&f, 0);
    for (int i = 1; i < 3900; i++)
        finish(take_offset(&f, i), KCA_DONE);
    assert_int_equal(commit_with(&f, map), 0);
    assert_in_range(strlen(map), 1, 40);
    kca__engine_shut(f.engine); /* the process dies */
    kca__engine_give_back(slow);
    close_engine(&f);

    open_engine(&f, 5000, false);
    assert_true(kca__engine_assign(f.engine, "things", 0, 0, map, strlen(map)));
    for (int i = 0; i < 4000; i++)
        accept(&f, 0, i, i);
    assert_int_equal(f.live, 101);
    assert_int_equal(f.engine->counts.finished_before, 3899);
    finish(take_offset(&f, 0), KCA_DONE);
    assert_int_equal(commit(&f), 3900);
    finish(take_offset(&f, 3900), KCA_DONE);
    assert_int_equal(commit(&f), 3901);
    close_engine(&f);
}

static void test_what_was_finished_before_is_told_again_at_the_next_commit(void **state) {
    fixture f;
    char map[KCA__OFFSET_MAP_SIZE];
    for (int life = 0; life < 3; life++) {
        open_engine(&f, 10, false);
        assert_true(
            kca__engine_assign(f.engine, "things", 0, life ? 0 : -1, map, life ? strlen(map) : 0));
        for (int i = 0; i < 6; i++)
            accept(&f, 0, i, i);
        kca_delivery *slow = take_offset(&f, 0);
        finish(take_offset(&f, life * 2 + 1), KCA_DONE);
        finish(take_offset(&f, life * 2 + 2), KCA_DONE);
        assert_int_equal(f.engine->counts.finished_before, life * 2);
        assert_int_equal(commit_with(&f, map), 0);
        kca__engine_shut(f.engine);
        kca__engine_give_back(slow);
        close_engine(&f);
        if (life == 1)
            break;
    }
}

static void test_a_map_is_of_no_use_when_the_records_begin_below_it(void **state) {
    fixture f;
    char map[KCA__OFFSET_MAP_SIZE];
    kca__offset_map_writer w;
    kca__offset_map_begin(&w, 100);
    kca__offset_map_add_open(&w, 100);
    kca__offset_map_finish(&w, 110, map);
    open_engine(&f, 300, false);
    assert_true(kca__engine_assign(f.engine, "things", 0, 100, map, strlen(map)));
    for (int i = 0; i < 120; i++) /* the topic was made anew */
        accept(&f, 0, i, i);
    assert_int_equal(f.live, 120);
    close_engine(&f);
}

static void test_metadata_of_other_clients_means_nothing(void **state) {
    const char *const texts[] = {"", "consumer-1", "kca1:", "kca1:r", "\xff\xfe"};
    for (int i = 0; i < 5; i++) {
        fixture f;
        open_engine(&f, 10, false);
        assert_true(kca__engine_assign(f.engine, "things", 0, 5, texts[i], strlen(texts[i])));
        accept(&f, 0, 5, 1);
        finish(take_offset(&f, 5), KCA_DONE);
        assert_int_equal(commit(&f), 6);
        close_engine(&f);
    }
}

static void test_finished_work_alone_is_committed_too(void **state) {
    fixture f;
    char map[KCA__OFFSET_MAP_SIZE];
    open_engine(&f, 10, false);
    assign(&f, 0);
    for (int i = 0; i < 3; i++)
        accept(&f, 0, i, i);
    kca_delivery *slow = take_offset(&f, 0);
    finish(take_offset(&f, 1), KCA_DONE);
    assert_int_equal(commit_with(&f, map), 0);
    assert_string_not_equal(map, "");
    assert_int_equal(commit(&f), NOTHING); /* nothing new */
    finish(take_offset(&f, 2), KCA_DONE);
    assert_int_equal(commit(&f), 0);
    finish(slow, KCA_DONE);
    assert_int_equal(commit_with(&f, map), 3);
    assert_string_equal(map, "");
    close_engine(&f);
}

/* ---- pausing ---- */

static void count_partition(void *user, const char *topic, int partition, bool paused) {
    (void)paused;
    assert_string_equal(topic, "things");
    ((int *)user)[partition]++;
}

static void set_paused(fixture *f, const char *topic, int partition, bool paused, int *changed) {
    int none[4] = {0};
    assert_true(kca__engine_set_paused(f->engine, topic, partition, paused, count_partition,
                                       changed ? changed : none));
}

static void test_nothing_of_a_paused_partition_is_given_out(void **state) {
    fixture f;
    open_engine(&f, 10, false);
    assign(&f, 0);
    assign(&f, 1);
    accept(&f, 0, 0, 1);
    accept(&f, 0, 1, 1);
    accept(&f, 0, 2, 2);
    accept(&f, 1, 0, 1);
    kca_delivery *before = take_offset(&f, 0);
    set_paused(&f, "things", 0, true, NULL);
    kca_delivery *other = take(&f);
    assert_int_equal(((record *)other->record)->partition, 1);
    finish(other, KCA_DONE);
    assert_null(take(&f));
    finish(before, KCA_DONE); /* what is out goes on, and counts */
    assert_null(take(&f));
    assert_int_equal(commit(&f), 1);
    set_paused(&f, "things", 0, false, NULL);
    finish(take_offset(&f, 2), KCA_DONE);
    finish(take_offset(&f, 1), KCA_DONE);
    assert_int_equal(commit(&f), 3);
    close_engine(&f);
}

static void test_a_paused_partition_takes_no_room_from_the_others(void **state) {
    fixture f;
    open_engine(&f, 4, false);
    assign(&f, 0);
    assign(&f, 1);
    accept(&f, 0, 0, 1);
    accept(&f, 0, 1, 2);
    assert_int_equal(kca__engine_room_locked(f.engine), 2);
    set_paused(&f, "things", 0, true, NULL);
    assert_int_equal(kca__engine_room_locked(f.engine), 4);
    accept(&f, 0, 2, 3); /* was on its way */
    assert_int_equal(kca__engine_room_locked(f.engine), 4);
    accept(&f, 1, 0, 1);
    assert_int_equal(kca__engine_room_locked(f.engine), 3);
    set_paused(&f, "things", 0, false, NULL);
    assert_int_equal(kca__engine_room_locked(f.engine), 0);
    for (int i = 0; i < 4; i++)
        finish(take(&f), KCA_DONE);
    assert_int_equal(kca__engine_room_locked(f.engine), 4);
    close_engine(&f);
}

/* Who only polls hears of it: what waits in librdkafka's queue is told of once, when it comes. */
static void test_pausing_a_partition_that_filled_the_room_wakes_who_polls(void **state) {
    fixture f;
    open_engine(&f, 2, false);
    assert_in_range(kca__notifier_fd(&f.engine->notifier), 0, 1000000);
    assign(&f, 0);
    assign(&f, 1);
    accept(&f, 0, 0, 1);
    accept(&f, 0, 1, 2);
    kca_delivery *kept[] = {take(&f), take(&f)};
    kca__notifier_clear(&f.engine->notifier);
    assert_int_equal(kca__engine_room_locked(f.engine), 0);
    set_paused(&f, "things", 0, true, NULL);
    assert_int_equal(kca__engine_room_locked(f.engine), 2);
    assert_int_equal(atomic_load(&f.engine->notifier.raised), 1);
    finish(kept[0], KCA_DONE);
    finish(kept[1], KCA_DONE);
    close_engine(&f);
}

static void test_a_partition_stays_paused_when_it_goes_and_comes_back(void **state) {
    fixture f;
    open_engine(&f, 10, false);
    assign(&f, 0);
    accept(&f, 0, 0, 1);
    set_paused(&f, "things", 0, true, NULL);
    assert_null(take(&f));
    kca__engine_begin_drain(f.engine, "things", 0);
    forget(&f, 0);
    assert_int_equal(f.live, 0);
    assign(&f, 0);
    assert_true(is_paused(&f, 0));
    accept(&f, 0, 0, 1);
    assert_null(take(&f));
    assert_int_equal(kca__engine_room_locked(f.engine), 10);
    set_paused(&f, "things", 0, false, NULL);
    finish(take_offset(&f, 0), KCA_DONE);
    assert_int_equal(kca__engine_room_locked(f.engine), 10);
    close_engine(&f);
}

static void test_all_partitions_are_paused_at_once(void **state) {
    fixture f;
    int changed[4] = {0};
    open_engine(&f, 10, false);
    assign(&f, 0);
    assign(&f, 2);
    set_paused(&f, NULL, -1, true, changed);
    assert_int_equal(changed[0] + changed[2], 2);
    assert_true(is_paused(&f, 2));
    set_paused(&f, "things", -1, false, changed);
    assert_false(is_paused(&f, 0));
    assert_int_equal(changed[0] + changed[2], 4);
    set_paused(&f, "things", 3, true, changed); /* not assigned yet */
    assert_int_equal(changed[3], 0);
    assign(&f, 3);
    assert_true(is_paused(&f, 3));
    close_engine(&f);
}

static void test_a_retry_of_a_paused_partition_waits_for_its_resumption(void **state) {
    fixture f;
    kca__engine_setup setup = plain_setup(10, false);
    setup.retry = (kca__retry_plan){.max_attempts = 2, .multiplier = 1};
    open_engine_with(&f, setup);
    assign(&f, 0);
    accept(&f, 0, 0, 1);
    kca_delivery *d = take(&f);
    set_paused(&f, "things", 0, true, NULL);
    finish(d, KCA_FAILED);
    pass_ms(&f, 10);
    assert_null(take(&f));
    set_paused(&f, "things", 0, false, NULL);
    finish(take_offset(&f, 0), KCA_DONE);
    close_engine(&f);
}

/* ---- looking ---- */

static void note_look(void *user, const kca__partition_look *look) {
    kca__partition_look *looks = user;
    looks[look->partition] = *look;
}

static void test_a_look_tells_where_each_partition_stands(void **state) {
    fixture f;
    kca__partition_look looks[2];
    open_engine(&f, 10, false);
    assert_true(kca__engine_assign(f.engine, "things", 0, 40, "", 0));
    assign(&f, 1);
    kca__engine_look(f.engine, note_look, looks);
    assert_int_equal(looks[0].frontier, 40);
    assert_int_equal(looks[0].committed, 40);
    assert_int_equal(looks[1].frontier, -1);
    accept(&f, 0, 42, 1);
    accept(&f, 0, 43, 2);
    finish(take(&f), KCA_DONE);
    kca_delivery *d = take(&f);
    assert_int_equal(commit(&f), 43);
    kca__engine_look(f.engine, note_look, looks);
    assert_int_equal(looks[0].frontier, 43);
    assert_int_equal(looks[0].committed, 43);
    assert_int_equal(looks[0].end, 44);
    assert_int_equal(looks[0].held, 1);
    assert_int_equal(looks[0].out, 1);
    finish(d, KCA_DONE);
    close_engine(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_by_partition_has_one_delivery_of_it_out_at_a_time),
        cmocka_unit_test(test_without_order_equal_keys_run_side_by_side),
        cmocka_unit_test(test_a_key_waits_for_its_handler_of_an_earlier_assignment),
        cmocka_unit_test(test_a_restart_does_not_repeat_what_was_finished_ahead_of_a_slow_record),
        cmocka_unit_test(test_what_was_finished_before_is_told_again_at_the_next_commit),
        cmocka_unit_test(test_a_map_is_of_no_use_when_the_records_begin_below_it),
        cmocka_unit_test(test_metadata_of_other_clients_means_nothing),
        cmocka_unit_test(test_finished_work_alone_is_committed_too),
        cmocka_unit_test(test_nothing_of_a_paused_partition_is_given_out),
        cmocka_unit_test(test_a_paused_partition_takes_no_room_from_the_others),
        cmocka_unit_test(test_pausing_a_partition_that_filled_the_room_wakes_who_polls),
        cmocka_unit_test(test_a_partition_stays_paused_when_it_goes_and_comes_back),
        cmocka_unit_test(test_all_partitions_are_paused_at_once),
        cmocka_unit_test(test_a_retry_of_a_paused_partition_waits_for_its_resumption),
        cmocka_unit_test(test_a_look_tells_where_each_partition_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
