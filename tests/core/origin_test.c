#include "testing.h"

#include <string.h>

#include "chance.h"

#include "engine/offset_map.h"
#include "engine/origin.h"

static kca__origin some_origin(void) {
    kca__origin o = {.place = kca__origin_place("cluster", "orders"),
                     .has_begun = pick(2) == 0,
                     .partitions = (int)pick(1000000),
                     .time_ms = (int64_t)pick(UINT64_C(1) << 60),
                     .has_id = pick(2) == 0};
    for (int i = 0; i < KCA__TOPIC_ID_BYTES; i++)
        o.id[i] = (unsigned char)pick(256);
    return o;
}

static void must_tell(const kca__origin *told, const kca__origin *wanted) {
    check(told->has_begun == wanted->has_begun);
    check(told->has_id == wanted->has_id);
    if (wanted->has_begun)
        check(told->partitions == wanted->partitions && told->time_ms == wanted->time_ms);
    if (wanted->has_id)
        check(memcmp(told->id, wanted->id, KCA__TOPIC_ID_BYTES) == 0);
}

static void write_and_read(void) {
    char text[KCA__ORIGIN_SIZE];
    kca__origin o = some_origin(), told;
    int64_t offset = (int64_t)pick(UINT64_C(1) << 62);
    kca__origin_write(text, &o, offset);
    check(strlen(text) < sizeof text);
    check(kca__origin_read(&told, o.place, text, strlen(text), offset) == (*text != '\0'));
    must_tell(&told, &o);
    check(told.place == o.place);
    check(kca__origin_read(&told, o.place, text, strlen(text) + 1, offset) == (*text != '\0'));
    must_tell(&told, &o); /* with its NUL */
}

static void test_any_origin_is_read_as_it_was_written(void **state) {
    play_each(write_and_read, 20000);
}

/* A map comes first. */
static void test_it_is_found_beside_a_map(void **state) {
    char text[KCA__OFFSET_MAP_SIZE + KCA__ORIGIN_SIZE];
    kca__origin told,
        o = {.place = 7, .has_begun = true, .partitions = 3, .time_ms = 1700000000000};
    kca__offset_map map;
    kca__offset_map_writer w;
    kca__offset_map_begin(&w, 5);
    kca__offset_map_add_open(&w, 5);
    kca__offset_map_finish(&w, 8, text);
    strcat(text, " ");
    kca__origin_write(text + strlen(text), &o, 5);
    assert_true(kca__origin_read(&told, 7, text, strlen(text), 5));
    must_tell(&told, &o);
    assert_true(kca__offset_map_read(&map, text, strlen(text), 5));
    assert_int_equal(kca__offset_map_count(&map), 2);
    assert_false(kca__offset_map_has(&map, 5));
    assert_true(kca__offset_map_has(&map, 7));
    kca__offset_map_clear(&map);
}

static void test_nothing_known_is_no_text(void **state) {
    char text[KCA__ORIGIN_SIZE];
    kca__origin_write(text, &(kca__origin){.place = 7}, 5);
    assert_string_equal(text, "");
}

static void test_one_of_another_place_or_offset_is_not_believed(void **state) {
    char text[KCA__ORIGIN_SIZE];
    kca__origin told, o = {.place = 7, .has_begun = true, .partitions = 3, .time_ms = 9};
    kca__origin_write(text, &o, 5);
    assert_false(kca__origin_read(&told, 8, text, strlen(text), 5));
    assert_false(kca__origin_read(&told, 7, text, strlen(text), 6));
    assert_false(kca__origin_read(&told, 7, "", 0, 5));
    assert_false(kca__origin_read(&told, 7, NULL, 0, 5));
    assert_false(told.has_begun || told.has_id);
    assert_int_not_equal(kca__origin_place("a", "b"), kca__origin_place("a", "c"));
    assert_int_not_equal(kca__origin_place("a", "bc"), kca__origin_place("ab", "c"));
}

static void damage(void) {
    char text[KCA__ORIGIN_SIZE];
    kca__origin told, o = some_origin();
    o.has_begun = true;
    kca__origin_write(text, &o, 77);
    size_t len = strlen(text);
    size_t at = pick(len);
    text[at] = (char)(text[at] ^ (1 << pick(7)));
    check(!kca__origin_read(&told, o.place, text, len, 77));
    check(!told.has_begun);
}

static void test_whatever_is_damaged_is_not_believed(void **state) {
    play_each(damage, 20000);
}

/* Right by its checksum, and any bytes. */
static void forge(void) {
    char text[KCA__COMMIT_TEXT_SIZE(60)];
    unsigned char bytes[60];
    kca__origin told;
    size_t len = pick(sizeof bytes + 1);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (unsigned char)(pick(2) ? pick(256) : 255);
    memset(bytes, 0, len < 4 ? len : 4);
    kca__commit_text_write(text, 3, 'o', bytes, len);
    if (kca__origin_read(&told, 0, text, strlen(text), 3) && told.has_begun)
        check(told.partitions >= 0 && told.time_ms >= 0);
}

static void test_whatever_is_forged_reads_as_numbers_that_can_be(void **state) {
    play_each(forge, 20000);
}

static void test_ids_differ_only_when_both_are_known(void **state) {
    kca__origin a = {.has_id = true, .id = {1}}, b = {.has_id = true, .id = {2}}, none = {0};
    assert_true(kca__origin_is_of_another(&a, &b));
    assert_false(kca__origin_is_of_another(&a, &a));
    assert_false(kca__origin_is_of_another(&a, &none));
    assert_false(kca__origin_is_of_another(&none, &a));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_origin_is_read_as_it_was_written),
        cmocka_unit_test(test_it_is_found_beside_a_map),
        cmocka_unit_test(test_nothing_known_is_no_text),
        cmocka_unit_test(test_one_of_another_place_or_offset_is_not_believed),
        cmocka_unit_test(test_whatever_is_damaged_is_not_believed),
        cmocka_unit_test(test_whatever_is_forged_reads_as_numbers_that_can_be),
        cmocka_unit_test(test_ids_differ_only_when_both_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
