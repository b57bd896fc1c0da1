/* Deliveries whose key is parked: one rule in each test. Random ones: engine_parking_model_test. */
#include "engine_fixture.h"

static const kca__batch_plan plan = {4, 0};

static kca__engine_setup parking_setup(void) {
    kca__engine_setup setup = plain_setup(100, false);
    setup.dead_letters = true;
    setup.park_max_keys = KCA__PARKING_KEYS;
    setup.park_max_ms = 100000;
    return setup;
}

static void open_parking(fixture *f) {
    open_engine_with(f, parking_setup());
    assign(f, 0);
}

/* The next letter's delivery, with this offset; it is stored. */
static void must_bury(fixture *f, int64_t offset, kca__parked parked) {
    kca_delivery *d = kca__engine_take_condemned(f->engine);
    assert_non_null(d);
    assert_int_equal(d->fate, KCA__FATE_DEAD_LETTER);
    assert_int_equal(d->offset, offset);
    assert_int_equal(d->parked, parked);
    kca__engine_letter_stored(d);
}

static void must_bury_none(fixture *f) {
    assert_null(kca__engine_take_condemned(f->engine));
}

static void park(fixture *f, int64_t offset, int key) {
    accept(f, 0, offset, key);
    finish(take_offset(f, offset), KCA_REJECTED);
    must_bury(f, offset, KCA__PARKED_NOT);
}

static int parked_keys;

static void note_look(void *user, const kca__partition_look *look) {
    (void)user;
    parked_keys = look->parking->count;
}

static int count_parked(fixture *f) {
    kca__engine_look(f->engine, note_look, NULL);
    return parked_keys;
}

/* The next fault says this; "": there is none. */
static void must_hear(fixture *f, const char *part) {
    kca_event *e = kca__notes_take(&f->engine->notes);
    assert_int_equal(e != NULL, *part != '\0');
    if (!e)
        return;
    if (!strstr(e->error->text, part))
        fail_msg("%s: without: %s", e->error->text, part);
    e->release(e);
}

/* ---- following ---- */

static void test_what_follows_is_neither_given_out_nor_retried(void **state) {
    fixture f;
    open_parking(&f);
    park(&f, 0, 1);
    accept(&f, 0, 1, 1);
    accept(&f, 0, 2, -1);
    finish(take_offset(&f, 2), KCA_DONE); /* without a key */
    assert_null(take(&f));
    assert_int_equal(commit(&f), 1); /* it counts once it is stored */
    must_bury(&f, 1, KCA__PARKED_FOLLOWS);
    assert_int_equal(commit(&f), 3);
    kca__engine_counts counts = kca__engine_count(f.engine);
    assert_int_equal(counts.dead_lettered, 1);
    assert_int_equal(counts.parked, 1);
    assert_int_equal(counts.failed, 0);
    assert_int_equal(counts.rejected, 1);
    close_engine(&f);
}

static void test_one_that_failed_to_be_stored_follows_still(void **state) {
    fixture f;
    open_parking(&f);
    park(&f, 0, 1);
    accept(&f, 0, 1, 1);
    accept(&f, 0, 2, 1);
    assert_null(take(&f));
    kca_delivery *d = kca__engine_take_condemned(f.engine);
    kca__engine_letter_failed(d, kca__error_new(KCA_ERROR_NOT_STORED, "away"));
    must_bury_none(&f); /* the next one waits for it */
    pass_ms(&f, 1000);
    must_bury(&f, 1, KCA__PARKED_FOLLOWS);
    assert_null(take(&f));
    must_bury(&f, 2, KCA__PARKED_FOLLOWS);
    close_engine(&f);
}

/* It is answered when it is handled. */
static void test_a_question_that_follows_is_not_answered(void **state) {
    fixture f;
    open_parking(&f);
    park(&f, 0, 1);
    record *r = new_record(&f, 0, 1, 1);
    r->asks = true;
    accept_record(&f, r);
    assert_null(take(&f));
    must_bury(&f, 1, KCA__PARKED_FOLLOWS);
    must_bury_none(&f);
    assert_int_equal(commit(&f), 2);
    assert_int_equal(kca__engine_count(f.engine).not_replied, 0);
    close_engine(&f);
}

static void come(fixture *f, int64_t offset, int key, kca__parked_place place) {
    record *r = new_record(f, 0, offset, key);
    r->batch = 1;
    r->place = place;
    accept_record(f, r);
}

static void test_what_follows_takes_no_place_in_a_batch(void **state) {
    fixture f;
    kca__engine_setup setup = parking_setup();
    setup.batches = &plan;
    setup.batch_count = 1;
    open_engine_with(&f, setup);
    assign(&f, 0);
    for (int i = 0; i < 3; i++)
        come(&f, i, 1, (kca__parked_place){0});
    kca_delivery *d = take(&f), *all[3];
    assert_int_equal(kca__batch_count(&d->event), 3);
    for (int i = 0; i < 3; i++, d = d->batch_next)
        all[i] = d;
    finish(all[1], KCA_DONE);
    finish(all[2], KCA_DONE);
    finish(all[0], KCA_REJECTED); /* the others come again behind it, and follow */
    must_bury(&f, 0, KCA__PARKED_NOT);
    assert_null(take(&f));
    must_bury(&f, 1, KCA__PARKED_FOLLOWS);
    assert_null(take(&f));
    must_bury(&f, 2, KCA__PARKED_FOLLOWS);
    /* Redriven, each is a batch: the next one's turn comes when it is done. */
    come(&f, 3, 1, (kca__parked_place){true, 0, -1, 0});
    come(&f, 4, 1, (kca__parked_place){true, 0, 0, 1});
    come(&f, 5, 1, (kca__parked_place){true, 0, 1, 2});
    for (int i = 3; i < 6; i++) {
        d = take(&f);
        assert_non_null(d);
        assert_int_equal(kca__batch_count(&d->event), 1);
        assert_int_equal(d->offset, i);
        finish(d, KCA_DONE);
    }
    assert_int_equal(count_parked(&f), 0);
    close_engine(&f);
}

/* Its handler is late: what stands in for it becomes the letter, and parks the key. */
static void test_one_that_took_too_long_parks_its_key(void **state) {
    fixture f;
    kca__engine_setup setup = parking_setup();
    setup.processing_timeout_ms = 100;
    setup.abandon = true;
    open_engine_with(&f, setup);
    assign(&f, 0);
    accept(&f, 0, 0, 1);
    accept(&f, 0, 1, 1);
    kca_delivery *late = take_offset(&f, 0);
    pass_ms(&f, 200);
    must_bury(&f, 0, KCA__PARKED_NOT);
    assert_int_equal(count_parked(&f), 1);
    assert_null(take(&f));
    must_bury(&f, 1, KCA__PARKED_FOLLOWS);
    kca__engine_give_back(late);
    close_engine(&f);
}

/* ---- bounds ---- */

static void test_a_key_that_waits_too_long_is_let_go_when_its_next_comes(void **state) {
    fixture f;
    open_parking(&f);
    park(&f, 0, 1);
    simulated_ms += 99000;
    accept(&f, 0, 1, 1);
    assert_null(take(&f));
    must_bury(&f, 1, KCA__PARKED_FOLLOWS);
    must_hear(&f, "");
    simulated_ms += 1000;
    accept(&f, 0, 2, 1);
    kca_delivery *d = take_offset(&f, 2);
    must_hear(&f,
              "consumer reader: key key 1 of things[0], parked since offset 0, is let go: that is "
              "longer than park_max_ms, 100000");
    finish(d, KCA_DONE);
    assert_int_equal(count_parked(&f), 0);
    close_engine(&f);
}

/* One that is skipped leaves a hole, behind which nothing would ever get its turn. */
static void test_a_line_with_a_hole_is_let_go(void **state) {
    fixture f;
    kca__engine_setup setup = parking_setup();
    setup.skip = true;
    open_engine_with(&f, setup);
    assign(&f, 0);
    park(&f, 0, 1);
    accept(&f, 0, 1, 1);
    assert_null(take(&f));
    must_bury(&f, 1, KCA__PARKED_FOLLOWS);
    record *r = new_record(&f, 0, 2, 1);
    r->place = (kca__parked_place){true, 0, 0, 1}; /* too early: it becomes a letter again */
    accept_record(&f, r);
    assert_null(take(&f));
    kca_delivery *d = kca__engine_take_condemned(f.engine);
    kca__engine_letter_refused(d, kca__error_new(KCA_ERROR_TOO_LARGE, "too large"));
    must_hear(&f, "too large");
    must_hear(&f, "is let go: one of its dead letters was skipped");
    assert_int_equal(count_parked(&f), 0);
    close_engine(&f);
}

typedef struct whole_commit {
    int64_t offset;
    char text[KCA__OFFSET_MAP_SIZE + KCA__ORIGIN_SIZE];
} whole_commit;

static void note_whole(void *user, const char *topic, int partition, int64_t offset,
                       const char *text) {
    (void)topic, (void)partition;
    whole_commit *c = user;
    c->offset = offset;
    snprintf(c->text, sizeof c->text, "%s", text);
}

/* Beside as many keys as may be, what was finished ahead has the rest of the room. */
static void test_a_commit_tells_of_parked_keys_and_of_what_is_finished_ahead(void **state) {
    fixture f;
    whole_commit c;
    open_parking(&f);
    for (int i = 0; i < KCA__PARKING_KEYS; i++)
        park(&f, i, i);
    accept(&f, 0, 1000, 500);
    accept(&f, 0, 1001, 501);
    kca_delivery *slow = take_offset(&f, 1000);
    finish(take_offset(&f, 1001), KCA_DONE);
    kca__engine_collect_commits(f.engine, note_whole, &c);
    assert_in_range(strlen(c.text), 1500, 4000);
    finish(slow, KCA_DONE);
    close_engine(&f);

    open_engine_with(&f, parking_setup());
    assert_true(kca__engine_assign(f.engine, "things", 0, c.offset, c.text, strlen(c.text)));
    assert_int_equal(count_parked(&f), KCA__PARKING_KEYS);
    accept(&f, 0, 1000, 500);
    accept(&f, 0, 1001, 501);
    accept(&f, 0, 1002, 7);
    finish(take_offset(&f, 1000), KCA_DONE);
    assert_null(take(&f));
    must_bury(&f, 1002, KCA__PARKED_FOLLOWS);
    assert_int_equal(kca__engine_count(f.engine).finished_before, 1);
    close_engine(&f);
}

/* A broker that takes less gets less: some keys have to go, and are told. */
static void test_a_broker_that_takes_less_metadata_lets_keys_go(void **state) {
    fixture f;
    whole_commit c;
    open_parking(&f);
    for (int i = 0; i < 100; i++)
        park(&f, i, i);
    while (f.engine->longest_metadata > 600)
        kca__engine_shorten_metadata(f.engine);
    kca__engine_commit_failed(f.engine, "things", 0);
    must_hear(&f, "key key 0 of things[0], parked since offset 0, is let go: a commit has no room");
    kca__engine_collect_commits(f.engine, note_whole, &c);
    assert_in_range(strlen(c.text), 300, 600);
    assert_in_range(count_parked(&f), 10, 40);
    close_engine(&f);
}

/* ---- by hand ---- */

static int unpark(fixture *f, const char *key) {
    return kca__engine_unpark(f->engine, "things", 0, key, strlen(key));
}

static void test_a_key_is_let_go_by_hand(void **state) {
    fixture f;
    whole_commit c;
    open_parking(&f);
    park(&f, 0, 1);
    park(&f, 1, 2);
    accept(&f, 0, 2, 1);
    assert_null(take(&f));
    must_bury(&f, 2, KCA__PARKED_FOLLOWS);
    kca__engine_collect_commits(f.engine, note_whole, &c);
    assert_int_equal(unpark(&f, "key 3"), 0);
    assert_int_equal(kca__engine_unpark(f.engine, "others", -1, "key 1", 5), 0);
    assert_int_equal(unpark(&f, "key 1"), 1);
    must_hear(&f, "key key 1 of things[0], parked since offset 0, is let go: it was unparked by");
    accept(&f, 0, 3, 1);
    finish(take_offset(&f, 3), KCA_DONE);
    accept(&f, 0, 4, 2);
    assert_null(take(&f));
    must_bury(&f, 4, KCA__PARKED_FOLLOWS);
    assert_int_equal(kca__engine_unpark(f.engine, NULL, -1, NULL, 0), 1);
    must_hear(&f, "key key 2 of");
    assert_int_equal(count_parked(&f), 0);
    close_engine(&f);
}

/* Nothing has come since the start that would be committed. */
static void test_a_key_that_was_let_go_by_hand_stays_so_over_a_restart(void **state) {
    fixture f;
    whole_commit c;
    open_parking(&f);
    park(&f, 0, 1);
    kca__engine_collect_commits(f.engine, note_whole, &c);
    close_engine(&f);
    open_engine_with(&f, parking_setup());
    assert_true(kca__engine_assign(f.engine, "things", 0, c.offset, c.text, strlen(c.text)));
    assert_int_equal(unpark(&f, "key 1"), 1);
    must_hear(&f, "key key 1 of");
    c.offset = -1;
    kca__engine_collect_commits(f.engine, note_whole, &c);
    assert_int_equal(c.offset, 1);
    assert_null(strstr(c.text, "kca1:p"));
    accept(&f, 0, 1, 1);
    finish(take_offset(&f, 1), KCA_DONE);
    close_engine(&f);
}

/* ---- hashes ---- */

/* As if the key of the record at this offset had the hash of another. */
static void collide(fixture *f, int64_t offset, int64_t with) {
    kca_delivery *a = NULL, *b = NULL;
    for (kca_delivery *d = f->engine->all; d; d = d->all_next)
        if (d->state == KCA__DELIVERY_WAITING)
            *(d->offset == offset ? &a : &b) = d;
    assert_non_null(a);
    assert_int_equal(b->offset, with);
    a->key_hash = b->key_hash;
}

/* Both would stand behind the same letter, and one of them would wait for its turn in vain. */
static void test_keys_with_one_hash_that_follow_at_once_are_let_go(void **state) {
    fixture f;
    open_parking(&f);
    park(&f, 0, 1);
    accept(&f, 0, 1, 1);
    accept(&f, 0, 2, 2);
    collide(&f, 2, 1);
    assert_null(take(&f));
    must_bury(&f, 1, KCA__PARKED_FOLLOWS);
    assert_int_equal(count_parked(&f), 1);
    must_bury(&f, 2, KCA__PARKED_FOLLOWS);
    must_hear(&f, "is let go: another key has the same hash");
    assert_int_equal(count_parked(&f), 0);
    close_engine(&f);
}

/* ---- commits of others ---- */

/* The keys that a commit tells of, in a consumer with this setup. */
static void must_tell_of(kca__engine_setup setup, const char *metadata, const char *part) {
    fixture f;
    open_engine_with(&f, setup);
    assert_true(kca__engine_assign(f.engine, "things", 0, 5, metadata, strlen(metadata)));
    must_hear(&f, part);
    must_hear(&f, "");
    close_engine(&f);
}

static void test_keys_that_a_commit_tells_of_are_not_forgotten_in_silence(void **state) {
    char text[KCA__PARKING_SIZE];
    kca__parked_key key = {
        .hash = 7, .waits_for = 1, .next = 1, .last = 4, .letters = 1, .time_s = 1};
    const kca__parking one = {&key, 1};
    kca__parking_write(text, &one, 5);
    must_tell_of(parking_setup(), text, "");
    kca__engine_setup off = parking_setup();
    off.park_max_keys = 0;
    must_tell_of(off, text, "the parked keys of things[0] are let go: the option park is off here");
    kca__commit_text_write(text, 5, 'p', (const unsigned char *)"\1", 1);
    must_tell_of(parking_setup(), text, "what the commit says of them cannot be read");
}

/* ---- seeks ---- */

static void test_a_seek_keeps_the_keys_that_wait_for_what_does_not_come_again(void **state) {
    fixture f;
    open_parking(&f);
    park(&f, 0, 1);
    park(&f, 5, 2);
    kca__engine_revoke_for(f.engine, "things", 0, 5);
    forget(&f, 0);
    assign(&f, 0);
    assert_int_equal(count_parked(&f), 1);
    accept(&f, 0, 5, 2);
    accept(&f, 0, 6, 1);
    finish(take_offset(&f, 5), KCA_DONE);
    assert_null(take(&f));
    must_bury(&f, 6, KCA__PARKED_FOLLOWS);
    close_engine(&f);
}

/* Its letter is stored only when the partition is read from elsewhere. */
static void must_park_late(bool is_assigned) {
    fixture f;
    open_parking(&f);
    accept(&f, 0, 0, 1);
    accept(&f, 0, 1, 2);
    finish(take_offset(&f, 0), KCA_REJECTED);
    finish(take_offset(&f, 1), KCA_REJECTED);
    kca_delivery *early = kca__engine_take_condemned(f.engine);
    kca_delivery *late = kca__engine_take_condemned(f.engine);
    kca__engine_revoke_for(f.engine, "things", 0, 1);
    forget(&f, 0);
    if (is_assigned)
        assign(&f, 0);
    kca__engine_letter_stored(early);
    kca__engine_letter_stored(late); /* it comes again */
    if (!is_assigned)
        assign(&f, 0);
    assert_int_equal(count_parked(&f), 1);
    accept(&f, 0, 1, 2);
    accept(&f, 0, 2, 1);
    finish(take_offset(&f, 1), KCA_DONE);
    assert_null(take(&f));
    must_bury(&f, 2, KCA__PARKED_FOLLOWS);
    close_engine(&f);
}

static void test_a_letter_that_is_under_way_at_a_seek_parks_its_key(void **state) {
    must_park_late(true);
    must_park_late(false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_follows_is_neither_given_out_nor_retried),
        cmocka_unit_test(test_one_that_failed_to_be_stored_follows_still),
        cmocka_unit_test(test_a_question_that_follows_is_not_answered),
        cmocka_unit_test(test_what_follows_takes_no_place_in_a_batch),
        cmocka_unit_test(test_one_that_took_too_long_parks_its_key),
        cmocka_unit_test(test_a_key_that_waits_too_long_is_let_go_when_its_next_comes),
        cmocka_unit_test(test_a_line_with_a_hole_is_let_go),
        cmocka_unit_test(test_a_commit_tells_of_parked_keys_and_of_what_is_finished_ahead),
        cmocka_unit_test(test_a_broker_that_takes_less_metadata_lets_keys_go),
        cmocka_unit_test(test_a_key_is_let_go_by_hand),
        cmocka_unit_test(test_a_key_that_was_let_go_by_hand_stays_so_over_a_restart),
        cmocka_unit_test(test_keys_with_one_hash_that_follow_at_once_are_let_go),
        cmocka_unit_test(test_keys_that_a_commit_tells_of_are_not_forgotten_in_silence),
        cmocka_unit_test(test_a_letter_that_is_under_way_at_a_seek_parks_its_key),
        cmocka_unit_test(test_a_seek_keeps_the_keys_that_wait_for_what_does_not_come_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
