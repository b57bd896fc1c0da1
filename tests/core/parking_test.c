/* Which keys of a partition are parked, who has its turn, and the text that tells of it. */
#include "testing.h"

#include <stdlib.h>
#include <string.h>

#include "chance.h"
#include "engine/parking.h"

enum { OFFSET = 70 };

static kca__parking open_parking(void) {
    kca__parking p;
    assert_true(kca__parking_init(&p));
    return p;
}

static kca__parked_key *park(kca__parking *p, const char *key, int64_t offset) {
    return kca__parking_add(p, kca__parking_hash(key, strlen(key)), offset, 1000);
}

static const kca__parked_place in_none = {0};

static void must_be_place(kca__parked_place is, kca__parked_place wanted) {
    assert_int_equal(is.in_line, wanted.in_line);
    assert_int_equal(is.waits_for, wanted.waits_for);
    assert_int_equal(is.behind, wanted.behind);
    assert_int_equal(is.at, wanted.at);
}

static kca__parked judge(const kca__parked_key *k, int64_t offset, kca__parked_place told) {
    kca__parked_place place;
    kca__parked parked = kca__parking_judge(k, offset, &told, &place);
    bool stands = parked == KCA__PARKED_IN_TURN || parked == KCA__PARKED_FOLLOWS;
    if (stands && told.in_line && told.at <= k->last)
        must_be_place(place, told);
    return parked;
}

/* ---- deciding ---- */

static void test_what_comes_after_a_dead_letter_follows_it(void **state) {
    kca__parking p = open_parking();
    kca__parked_key *k = park(&p, "a", 10);
    kca__parked_place place;
    assert_int_equal(kca__parking_judge(k, 15, &in_none, &place), KCA__PARKED_FOLLOWS);
    must_be_place(place, (kca__parked_place){true, 10, 10, 15});
    k->last = 15;
    assert_int_equal(kca__parking_judge(k, 20, &in_none, &place), KCA__PARKED_FOLLOWS);
    assert_int_equal(place.behind, 15);
    /* What was finished before the line, and comes again, is none of it. */
    assert_int_equal(judge(k, 9, in_none), KCA__PARKED_NOT);
    /* What is in the line already, and comes again, has a letter. */
    assert_int_equal(judge(k, 10, in_none), KCA__PARKED_AGAIN);
    assert_int_equal(judge(k, 15, in_none), KCA__PARKED_AGAIN);
    kca__parking_close(&p);
}

static void test_the_line_is_handled_one_after_another(void **state) {
    kca__parking p = open_parking();
    kca__parked_key *k = park(&p, "a", 10);
    const kca__parked_place first = {true, 10, -1, 10}, second = {true, 10, 10, 15},
                            third = {true, 10, 15, 20};
    k->last = 20;
    assert_int_equal(judge(k, 100, second), KCA__PARKED_FOLLOWS);
    assert_int_equal(judge(k, 101, first), KCA__PARKED_IN_TURN);
    k->passed = true; /* it was handled */
    assert_int_equal(judge(k, 102, first), KCA__PARKED_AGAIN);
    assert_int_equal(judge(k, 103, third), KCA__PARKED_FOLLOWS);
    assert_int_equal(judge(k, 104, second), KCA__PARKED_IN_TURN);
    k->next = 15;
    k->passed = false; /* it has failed again */
    assert_int_equal(judge(k, 105, third), KCA__PARKED_FOLLOWS);
    assert_int_equal(judge(k, 106, first), KCA__PARKED_AGAIN);
    assert_int_equal(judge(k, 107, second), KCA__PARKED_IN_TURN);
    kca__parking_close(&p);
}

static void test_places_that_cannot_be_are_not_believed(void **state) {
    kca__parking p = open_parking();
    kca__parked_key *k = park(&p, "a", 10);
    k->last = 20;
    const kca__parked_place forged[] = {{true, 11, -1, 11}, {true, 10, -1, 15}, {true, 10, 9, 15},
                                        {true, 10, 15, 15}, {true, 10, 20, 30}, {true, 10, 10, 9}};
    for (size_t i = 0; i < sizeof forged / sizeof *forged; i++) {
        kca__parked_place place;
        assert_int_equal(kca__parking_judge(k, 100, &forged[i], &place), KCA__PARKED_FOLLOWS);
        assert_int_equal(place.at, 100);
        assert_int_equal(place.behind, 20);
    }
    kca__parking_close(&p);
}

/* ---- the text ---- */

static void write_and_read(kca__parking *back, const kca__parking *p) {
    char text[KCA__PARKING_SIZE + 20];
    kca__parking_write(text, p, OFFSET);
    assert_int_equal(kca__parking_bytes(p) == 0, *text == '\0');
    assert_in_range(strlen(text), 0, KCA__PARKING_SIZE - 1);
    kca__parking_read(back, text, strlen(text), OFFSET);
}

static void test_the_text_brings_all_of_it_back(void **state) {
    kca__parking p = open_parking(), back = open_parking();
    write_and_read(&back, &p);
    assert_int_equal(back.count, 0);
    kca__parked_key *k = park(&p, "a", 10);
    k->last = 300;
    k->letters = 200;
    k = park(&p, "b", 5);
    k->passed = true;
    k->last = 9;
    k->next = 7;
    kca__parking_add(&p, 42, INT64_MAX / 2, 2000);
    kca__parking_add(&p, 43, 6, 500); /* the clock went back */
    write_and_read(&back, &p);
    assert_int_equal(back.count, 4);
    for (int i = 0; i < 4; i++)
        assert_memory_equal(&back.keys[i], &p.keys[i], sizeof *k);
    assert_int_equal(back.keys[3].time_s, 2000);
    kca__parking_close(&p);
    kca__parking_close(&back);
}

static void test_as_many_keys_as_may_be_have_room(void **state) {
    kca__parking p = open_parking(), back = open_parking();
    for (int i = 0; i < KCA__PARKING_KEYS; i++) {
        kca__parked_key *k =
            kca__parking_add(&p, (uint64_t)i + 1, 3000000000 + i * 1000, 1700000000);
        k->last += i * 100;
    }
    assert_in_range(kca__parking_bytes(&p), 1, KCA__PARKING_BYTES);
    write_and_read(&back, &p);
    assert_int_equal(back.count, KCA__PARKING_KEYS);
    assert_memory_equal(back.keys, p.keys, KCA__PARKING_KEYS * sizeof *p.keys);
    kca__parking_close(&p);
    kca__parking_close(&back);
}

static void test_a_text_of_another_offset_or_damaged_tells_nothing(void **state) {
    kca__parking p = open_parking(), back = open_parking();
    char text[KCA__PARKING_SIZE];
    park(&p, "a", 10);
    kca__parking_write(text, &p, OFFSET);
    size_t len = strlen(text);
    kca__parking_read(&back, text, len, OFFSET + 1);
    kca__parking_read(&back, text, len - 1, OFFSET);
    kca__parking_read(&back, NULL, 0, OFFSET);
    text[len / 2] ^= 1;
    kca__parking_read(&back, text, len, OFFSET);
    assert_int_equal(back.count, 0);
    kca__parking_close(&p);
    kca__parking_close(&back);
}

static size_t put_key(unsigned char *out, unsigned char hash, int64_t time) {
    memset(out, hash, 8);
    size_t len = 8;
    for (int i = 0; i < 3; i++)
        len += kca__varint_put(out + len, 1);
    len += kca__varint_put(out + len, 2 * time);
    return len + kca__varint_put(out + len, 1);
}

/* Whoever may commit can write what would not have room when it is written again. */
static void must_be_refused(int keys, int64_t first_time, bool same_hash) {
    unsigned char bytes[KCA__PARKING_BYTES];
    char text[KCA__PARKING_SIZE];
    kca__parking p = open_parking();
    size_t len = kca__varint_put(bytes, 0);
    len += kca__varint_put(bytes + len, 0);
    for (int i = 0; i < keys; i++)
        len +=
            put_key(bytes + len, same_hash ? 1 : (unsigned char)(i + 1), i == 0 ? first_time : 0);
    kca__commit_text_write(text, OFFSET, 'p', bytes, len);
    assert_true(kca__parking_is_told(text, strlen(text), OFFSET));
    assert_false(kca__parking_read(&p, text, strlen(text), OFFSET));
    assert_int_equal(p.count, 0);
    kca__parking_close(&p);
}

static void test_what_would_not_be_written_so_is_refused(void **state) {
    must_be_refused(119, 1, false); /* the times go back: each takes the most bytes */
    must_be_refused(2, 0, true);    /* one key twice */
    must_be_refused(121, 0, false); /* more than there may be */
}

/* With a checksum that is right, whatever stands in it. */
static void read_anything(void) {
    unsigned char bytes[60];
    char text[KCA__COMMIT_TEXT_SIZE(sizeof bytes)];
    kca__parking p = open_parking();
    size_t len = (size_t)pick(sizeof bytes);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (unsigned char)pick(pick(2) ? 256 : 4);
    kca__commit_text_write(text, OFFSET, 'p', bytes, len);
    kca__parking_read(&p, text, strlen(text), OFFSET);
    for (int i = 0; i < p.count; i++) {
        const kca__parked_key *k = &p.keys[i];
        check(k->hash && k->waits_for >= 0 && k->next >= k->waits_for && k->last >= k->next);
        check(k->letters > 0 && k->letters <= k->last - k->waits_for + 1);
    }
    check(kca__parking_bytes(&p) <= KCA__PARKING_BYTES);
    kca__parking_close(&p);
}

static void test_no_text_makes_lines_that_cannot_be(void **state) {
    play_each(read_anything, 20000);
}

static void test_keys_leave_from_anywhere(void **state) {
    kca__parking p = open_parking();
    park(&p, "a", 1);
    park(&p, "b", 2);
    park(&p, "c", 3);
    kca__parking_remove(&p, &p.keys[1]);
    assert_int_equal(p.count, 2);
    assert_int_equal(p.keys[1].waits_for, 3);
    assert_null(kca__parking_find(&p, kca__parking_hash("b", 1)));
    assert_ptr_equal(kca__parking_find(&p, kca__parking_hash("c", 1)), &p.keys[1]);
    kca__parking_remove(&p, &p.keys[1]);
    kca__parking_remove(&p, &p.keys[0]);
    assert_int_equal(p.count, 0);
    kca__parking_close(&p);
}

/* ---- the header ---- */

static kca__parked_place read_place(const char *text) {
    return kca__parked_place_read(text, strlen(text), "orders", 3, "the billing");
}

static void test_the_header_brings_the_place_back(void **state) {
    const kca__parked_place places[] = {{true, 10, -1, 10}, {true, 10, 15, INT64_MAX / 2}};
    for (size_t i = 0; i < 2; i++) {
        char *text = kca__parked_place_write(&places[i], "orders", 3, "the billing");
        kca__parked_place back = read_place(text);
        must_be_place(back, places[i]);
        assert_false(
            kca__parked_place_read(text, strlen(text), "orders", 2, "the billing").in_line);
        assert_false(kca__parked_place_read(text, strlen(text), "order", 3, "the billing").in_line);
        assert_false(kca__parked_place_read(text, strlen(text), "orders", 3, "the bill").in_line);
        assert_false(
            kca__parked_place_read(text, strlen(text) - 1, "orders", 3, "the billing").in_line);
        free(text);
    }
}

static void test_a_header_of_another_form_says_nothing(void **state) {
    const char *const texts[] = {"",
                                 "10",
                                 "10 - 10",
                                 "10 - 10 3 orders",
                                 "x - 10 3 orders the billing",
                                 "-1 - 10 3 orders the billing",
                                 "10  - 10 3 orders the billing",
                                 "99999999999999999999 - 10 3 orders the billing",
                                 "10 - 10 3 orders the billing "};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_false(read_place(texts[i]).in_line);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_comes_after_a_dead_letter_follows_it),
        cmocka_unit_test(test_the_line_is_handled_one_after_another),
        cmocka_unit_test(test_places_that_cannot_be_are_not_believed),
        cmocka_unit_test(test_the_text_brings_all_of_it_back),
        cmocka_unit_test(test_as_many_keys_as_may_be_have_room),
        cmocka_unit_test(test_a_text_of_another_offset_or_damaged_tells_nothing),
        cmocka_unit_test(test_what_would_not_be_written_so_is_refused),
        cmocka_unit_test(test_no_text_makes_lines_that_cannot_be),
        cmocka_unit_test(test_keys_leave_from_anywhere),
        cmocka_unit_test(test_the_header_brings_the_place_back),
        cmocka_unit_test(test_a_header_of_another_form_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
