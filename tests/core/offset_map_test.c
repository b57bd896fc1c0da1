/* What is written is read again, exactly; what others wrote, or broke, reads as nothing. The last
 * tests are random; KCA_SEED repeats the one that failed. */
#include "testing.h"

#include <string.h>

#include "chance.h"
#include "failing_memory.h"

#include "base/base64.h"
#include "engine/offset_map.h"

enum {
    SMALL_MAPS = 100000,
    GREAT_MAPS = 300,
    DAMAGES = 100000,
    FORGERIES = 100000,
    MOST_OPEN = 40000,
    MOST_TOLD = KCA__OFFSET_MAP_BYTES * 8, /* that is open and finished in any order */
    LONGEST = KCA__OFFSET_MAP_SIZE - 1
};

/* ---- one partition: what is open in it, and its map as written and read ---- */

static struct {
    int64_t base, end;
    int64_t open[MOST_OPEN];
    int open_count;
    char text[KCA__OFFSET_MAP_SIZE];
    int64_t told; /* up to here */
    kca__offset_map map;
} part;

static void begin(int64_t base) {
    part.base = part.end = base;
    part.open_count = 0;
}

/* Further on by `finished` and then by `open` offsets. */
static void go_on(int64_t finished, int open) {
    part.end += finished;
    for (int i = 0; i < open && part.open_count < MOST_OPEN; i++)
        part.open[part.open_count++] = part.end++;
}

static void write_map(void) {
    kca__offset_map_writer w;
    memset(part.text, 'x', sizeof part.text);
    kca__offset_map_begin(&w, part.base);
    for (int i = 0; i < part.open_count; i++)
        if (!kca__offset_map_add_open(&w, part.open[i]))
            break;
    part.told = kca__offset_map_finish(&w, part.end, part.text);
    check(memchr(part.text, '\0', sizeof part.text));
    check(part.told <= part.end);
}

static void read_map(void) {
    check(kca__offset_map_read(&part.map, part.text, strlen(part.text), part.base));
}

/* The runs read are those between the open offsets, up to where the writer said. */
static void check_map(void) {
    int run = 0;
    int64_t finished = part.base, count = 0;
    for (int i = 0; i <= part.open_count; i++) {
        int64_t end = i < part.open_count ? part.open[i] : part.end;
        end = end < part.told ? end : part.told;
        if (end > finished) {
            check(run < part.map.count);
            check(part.map.runs[run].first == finished);
            check(part.map.runs[run].end == end);
            count += end - finished;
            run++;
        }
        if (i < part.open_count)
            finished = part.open[i] + 1;
    }
    check(run == part.map.count);
    check(kca__offset_map_count(&part.map) == count);
    check((run == 0) == (part.text[0] == '\0'));
}

/* Asked one by one. */
static void ask_map(void) {
    int64_t left = kca__offset_map_count(&part.map);
    int next = 0;
    for (int64_t offset = part.base; offset < part.end + 20; offset++) {
        bool open = next < part.open_count && part.open[next] == offset;
        next += open;
        bool has = kca__offset_map_has(&part.map, offset);
        check(has == (!open && offset < part.told));
        left -= has;
        check(kca__offset_map_count(&part.map) == left);
    }
    check(left == 0);
}

static void write_and_read(void) {
    write_map();
    read_map();
    check_map();
}

static void assert_told_to_the_end(size_t most_characters) {
    write_and_read();
    assert_int_equal(part.told, part.end);
    assert_true(strlen(part.text) <= most_characters);
    kca__offset_map_clear(&part.map);
}

/* ---- writing and reading ---- */

static void test_nothing_finished_is_no_text(void **state) {
    begin(100);
    assert_told_to_the_end(0);
    go_on(0, 1000);
    assert_told_to_the_end(0);
}

static void test_what_is_finished_behind_open_ones_is_told(void **state) {
    begin(100);
    go_on(0, 1);
    go_on(2, 1);
    go_on(1, 0);
    write_and_read();
    assert_int_equal(part.told, 105);
    bool expected[] = {false, true, true, false, true, false};
    for (int i = 0; i < 6; i++)
        assert_int_equal(kca__offset_map_has(&part.map, 100 + i), expected[i]);
    kca__offset_map_clear(&part.map);
    assert_false(kca__offset_map_has(&part.map, 101));
    assert_int_equal(kca__offset_map_count(&part.map), 0);
}

static void test_a_million_behind_one_slow_record_take_few_characters(void **state) {
    begin(1234567890123);
    go_on(0, 1);
    go_on(1000000, 0);
    assert_told_to_the_end(17);
}

static void test_a_gap_of_offsets_at_the_beginning_is_told_as_finished(void **state) {
    begin(100);
    go_on(50, 1);
    go_on(3, 0);
    assert_told_to_the_end(20);
}

static void test_offsets_of_any_size_and_distance(void **state) {
    begin(0);
    for (int i = 0; i < 3; i++)
        go_on(INT64_MAX / 4, 5);
    go_on(INT64_MAX - part.end, 0);
    assert_told_to_the_end(100);
    begin(INT64_MAX - 3);
    go_on(0, 1);
    go_on(2, 0);
    assert_told_to_the_end(20);
    begin(INT64_MAX - 30);
    for (int i = 0; i < 15; i++)
        go_on(1, 1);
    assert_told_to_the_end(20);
}

static void test_thousands_alternating_fit(void **state) {
    begin(5000);
    while (part.end - part.base < MOST_TOLD)
        go_on(1, 1);
    assert_told_to_the_end(LONGEST);
}

static void test_open_ones_at_the_end_take_no_bits(void **state) {
    begin(5000);
    for (int i = 0; i < 40; i++)
        go_on(1, 1);
    go_on(0, 10000);
    assert_told_to_the_end(25);
}

static void test_thousands_of_open_ones_among_many_finished_fit(void **state) {
    begin(5000);
    for (int i = 0; i < KCA__OFFSET_MAP_BYTES / 2 - 1; i++)
        go_on(120, 1);
    assert_told_to_the_end(LONGEST);
}

static void test_what_does_not_fit_is_left_out(void **state) {
    begin(5000);
    while (part.open_count < MOST_OPEN)
        go_on(1, 1);
    write_and_read();
    assert_int_equal(part.told, part.base + MOST_TOLD);
    kca__offset_map_clear(&part.map);

    begin(5000);
    while (part.open_count < MOST_OPEN)
        go_on(100, 1);
    write_and_read();
    assert_in_range(part.told, part.base + 101 * 1480, part.base + 101 * 1500);
    kca__offset_map_clear(&part.map);
}

static void test_a_full_writer_says_so(void **state) {
    kca__offset_map_writer w;
    kca__offset_map_begin(&w, 0);
    int64_t offset = 0;
    while (offset < 2 * MOST_TOLD && kca__offset_map_add_open(&w, offset))
        offset += 2;
    assert_int_equal(offset, MOST_TOLD);
}

static void test_asking_may_skip_offsets(void **state) {
    begin(0);
    for (int i = 0; i < 10; i++)
        go_on(5, 5);
    write_and_read();
    assert_int_equal(kca__offset_map_count(&part.map), 50);
    assert_true(kca__offset_map_has(&part.map, 13));
    assert_true(kca__offset_map_has(&part.map, 13));
    assert_int_equal(kca__offset_map_count(&part.map), 41);
    assert_true(kca__offset_map_has(&part.map, 11)); /* going back */
    assert_int_equal(kca__offset_map_count(&part.map), 41);
    assert_false(kca__offset_map_has(&part.map, 77));
    assert_int_equal(kca__offset_map_count(&part.map), 10);
    assert_false(kca__offset_map_has(&part.map, 71)); /* it is, but that was passed */
    assert_int_equal(kca__offset_map_count(&part.map), 10);
    assert_false(kca__offset_map_has(&part.map, INT64_MAX));
    assert_int_equal(kca__offset_map_count(&part.map), 0);
    kca__offset_map_clear(&part.map);
}

/* What a release wrote, the next ones must read. */
static void test_the_text_is_that_of_the_first_release(void **state) {
    begin(1000);
    go_on(0, 2);
    go_on(300, 1);
    go_on(7, 0);
    write_map();
    assert_string_equal(part.text, "kca1:rqR3uDAKsAgEH");
    begin(1000);
    for (int i = 0; i < 6; i++)
        go_on(1, 1);
    write_map();
    assert_string_equal(part.text, "kca1:bNmQISlUF");
}

/* ---- what others write ---- */

static void assert_empty(const char *text, size_t len, int64_t base) {
    kca__offset_map m;
    assert_true(kca__offset_map_read(&m, text, len, base));
    assert_null(m.runs);
    assert_int_equal(kca__offset_map_count(&m), 0);
    assert_false(kca__offset_map_has(&m, base));
    kca__offset_map_clear(&m);
}

static void test_metadata_of_other_clients_is_no_map(void **state) {
    const char *texts[] = {"",
                           "consumer-1",
                           "kca1",
                           "kca1:",
                           "kca1:r",
                           "kca2:",
                           "bAAAAA",
                           "kca1:rAA",
                           "kca1:zAAAA",
                           "{\"a\":1}",
                           "kca1:rAAAAAAA",
                           "kca1:r====",
                           "kca1:b\xff\xff\xff\xff\xff\xff\xff"};
    assert_empty(NULL, 0, 100);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_empty(texts[i], strlen(texts[i]), 100);
    char zeros[5000] = {0};
    assert_empty(zeros, sizeof zeros, 100);
}

static void write_some(void) {
    begin(100);
    for (int i = 0; i < 20; i++)
        go_on(i % 5, 1 + i % 3);
    go_on(200, 0);
    write_map();
}

static void test_a_map_of_another_committed_offset_is_not_believed(void **state) {
    write_some();
    for (int64_t base = -1; base < 1000; base++)
        if (base != 100)
            assert_empty(part.text, strlen(part.text), base);
    assert_empty(part.text, strlen(part.text), 100 + (INT64_C(1) << 40));
    assert_empty(part.text, strlen(part.text), INT64_MAX);
    read_map();
    check_map();
    kca__offset_map_clear(&part.map);
}

static void test_a_text_that_was_cut_or_grew_is_not_believed(void **state) {
    char grown[KCA__OFFSET_MAP_SIZE + 1];
    write_some();
    size_t len = strlen(part.text);
    for (size_t cut = 0; cut < len; cut++)
        assert_empty(part.text, cut, 100);
    memcpy(grown, part.text, len);
    memset(grown + len, 'A', sizeof grown - len);
    for (size_t more = len + 1; more <= sizeof grown; more++)
        assert_empty(grown, more, 100);
}

static void test_a_text_with_one_character_changed_is_not_believed(void **state) {
    write_some();
    size_t len = strlen(part.text);
    for (size_t i = 0; i < len; i++) {
        char original = part.text[i];
        for (int c = 0; c < 256; c++) {
            part.text[i] = (char)c;
            if (part.text[i] != original)
                assert_empty(part.text, len, 100);
        }
        part.text[i] = original;
    }
}

/* ---- texts with a valid checksum that no writer wrote ---- */

static size_t forge(char *text, int64_t base, char encoding, const unsigned char *payload,
                    size_t len) {
    unsigned char bytes[4 + KCA__OFFSET_MAP_BYTES];
    uint32_t sum = (2166136261u ^ (unsigned char)encoding) * 16777619u;
    for (int i = 0; i < 8; i++)
        sum = (sum ^ (unsigned char)(base >> 8 * i)) * 16777619u;
    for (size_t i = 0; i < len; i++)
        sum = (sum ^ payload[i]) * 16777619u;
    for (int i = 0; i < 4; i++)
        bytes[i] = (unsigned char)(sum >> (24 - 8 * i));
    memcpy(bytes + 4, payload, len);
    memcpy(text, "kca1:", 5);
    text[5] = encoding;
    kca__sink to = {.data = text, .len = 6};
    kca__base64_write(&to, &kca__base64_url, bytes, 4 + len);
    text[to.len] = '\0';
    return to.len;
}

static void assert_forgery_empty(int64_t base, char encoding, const void *payload, size_t len) {
    char text[KCA__OFFSET_MAP_SIZE];
    size_t text_len = forge(text, base, encoding, payload, len);
    assert_empty(text, text_len, base);
}

static void test_the_forged_are_read_when_they_are_right(void **state) {
    kca__offset_map m;
    char text[KCA__OFFSET_MAP_SIZE];
    size_t len = forge(text, 100, 'r', (const unsigned char *)"\1\2", 2);
    assert_true(kca__offset_map_read(&m, text, len, 100));
    assert_int_equal(kca__offset_map_count(&m), 2);
    kca__offset_map_clear(&m);
}

static void test_an_encoding_of_later_releases_is_no_map(void **state) {
    assert_forgery_empty(100, 's', "\1\2", 2);
    assert_forgery_empty(100, 'r', "", 0);
}

static void test_runs_that_are_cut_off_or_too_long_are_no_map(void **state) {
    assert_forgery_empty(100, 'r', "\1", 1);
    assert_forgery_empty(100, 'r', "\1\2\3", 3);
    assert_forgery_empty(100, 'r', "\1\2\3\x84", 4);
    assert_forgery_empty(100, 'r', "\1\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11);
}

static void test_runs_beyond_the_greatest_offset_are_no_map(void **state) {
    const char longest[] = "\1\xff\xff\xff\xff\xff\xff\xff\xff\x7f"; /* 1 open, 2^63 - 1 finished */
    assert_forgery_empty(0, 'r', longest, 10);
    assert_forgery_empty(100, 'r', longest + 1, 9);
    assert_forgery_empty(INT64_MAX - 1, 'r', "\1\1", 2);
    assert_forgery_empty(INT64_MAX - 1, 'r', "\2\0", 2);
    assert_forgery_empty(INT64_MAX - 7, 'b', "\xff", 1);
    assert_forgery_empty(-1, 'r', "\1\2", 2);
    assert_forgery_empty(-1, 'b', "\xff", 1);
}

static void play_forgery(void) {
    unsigned char payload[KCA__OFFSET_MAP_BYTES];
    char text[KCA__OFFSET_MAP_SIZE];
    size_t len = pick(20) ? (size_t)pick(40) : (size_t)pick(sizeof payload + 1);
    int64_t base = pick(2) ? (int64_t)pick(1000) : INT64_MAX - (int64_t)pick(30000);
    int64_t last = base, count = 0;
    uint64_t below = pick(2) ? 256 : 140;
    for (size_t i = 0; i < len; i++)
        payload[i] = (unsigned char)pick(below);
    kca__offset_map m;
    size_t text_len = forge(text, base, "rb"[pick(2)], payload, len);
    check(kca__offset_map_read(&m, text, text_len, base));
    check((size_t)m.count <= len * 4);
    for (int i = 0; i < m.count; i++) {
        check(m.runs[i].first >= last && m.runs[i].end >= m.runs[i].first);
        last = m.runs[i].end;
        count += last - m.runs[i].first;
    }
    check(kca__offset_map_count(&m) == count);
    check(!kca__offset_map_has(&m, last));
    check(kca__offset_map_count(&m) == 0);
    kca__offset_map_clear(&m);
}

static void test_whatever_is_forged_reads_as_runs_in_order(void **state) {
    play_each(play_forgery, FORGERIES);
}

/* ---- random maps ---- */

static int some_open(uint64_t style) {
    return style == 0 ? 1 : 1 + (int)pick(style == 1 ? 3 : 100);
}

static int64_t some_finished(uint64_t style) {
    if (style == 3 && pick(10) == 0)
        return (int64_t)pick(UINT64_C(1) << pick(45));
    return (int64_t)pick(style == 0 ? 3 : style == 1 ? 40 : 300);
}

static void fill(int runs) {
    int64_t bases[] = {0, 1, 1000, (int64_t)pick(UINT64_C(1) << 50)};
    uint64_t open_style = pick(3), finished_style = pick(4);
    begin(bases[pick(4)]);
    for (int i = 0; i < runs; i++)
        go_on(i || pick(2) ? some_finished(finished_style) : 0, some_open(open_style));
    go_on(pick(4) ? some_finished(finished_style) : 0, 0);
}

static void play_map(int runs) {
    fill(runs);
    write_and_read();
    check(strlen(part.text) <= LONGEST);
    check(part.told == part.end || part.told >= part.base + MOST_TOLD);
    check(part.told == part.end || strlen(part.text) > LONGEST - 2 * 4 * 9);
    if (part.end - part.base < 500)
        ask_map();
    kca__offset_map_clear(&part.map);
}

static void play_small_map(void) {
    play_map((int)pick(20));
}

static void play_great_map(void) {
    play_map((int)pick(30000));
}

/* Somebody who read the map has come to `end` only, and writes it again. */
static void write_again(int64_t end) {
    kca__offset_map_writer w;
    char text[KCA__OFFSET_MAP_SIZE];
    for (int64_t offset = part.base; offset < end; offset++)
        kca__offset_map_has(&part.map, offset);
    kca__offset_map_begin(&w, part.base);
    for (int i = 0; i < part.open_count && part.open[i] < end; i++)
        kca__offset_map_add_open(&w, part.open[i]);
    end = kca__offset_map_add_known(&w, end, &part.map);
    check(kca__offset_map_finish(&w, end, text) == end);
    check(strcmp(text, part.text) == 0);
}

static void play_known(void) {
    fill((int)pick(20));
    write_map();
    read_map();
    if (part.end - part.base < 500)
        write_again(part.base + (int64_t)pick((uint64_t)(part.end - part.base) + 1));
    kca__offset_map_clear(&part.map);
}

static void test_what_was_known_stays_told_wherever_its_reader_has_come_to(void **state) {
    play_each(play_known, SMALL_MAPS);
}

static void test_any_map_is_read_as_it_was_written(void **state) {
    play_each(play_small_map, SMALL_MAPS);
}

static void test_any_great_map_is_read_up_to_where_the_writer_said(void **state) {
    play_each(play_great_map, GREAT_MAPS);
}

static void play_damage(void) {
    fill((int)pick(10));
    write_map();
    char text[KCA__OFFSET_MAP_SIZE];
    size_t len = strlen(part.text), damaged_len = len;
    memcpy(text, part.text, sizeof text);
    for (uint64_t changes = pick(5); len > 0 && changes > 0; changes--)
        text[pick(len)] = (char)pick(256);
    if (pick(4) == 0)
        damaged_len = (size_t)pick(sizeof text);
    bool whole = damaged_len == len || damaged_len == len + 1; /* with its NUL */
    bool damaged = !whole || memcmp(text, part.text, len) != 0;
    kca__offset_map m;
    check(kca__offset_map_read(&m, text, damaged_len, part.base));
    check((m.count > 0) == (!damaged && len > 0));
    kca__offset_map_clear(&m);
}

static void test_whatever_is_damaged_is_not_believed(void **state) {
    play_each(play_damage, DAMAGES);
}

/* ---- memory ---- */

static void read_some(void) {
    kca__offset_map m;
    write_some();
    bool read = kca__offset_map_read(&m, part.text, strlen(part.text), part.base);
    assert_int_equal(read, !memory_failed);
    assert_int_equal(kca__offset_map_count(&m) > 0, read);
    kca__offset_map_clear(&m);
}

static void test_a_map_that_cannot_be_read_now_is_empty(void **state) {
    memory_fail_each(read_some);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_finished_is_no_text),
        cmocka_unit_test(test_what_is_finished_behind_open_ones_is_told),
        cmocka_unit_test(test_a_million_behind_one_slow_record_take_few_characters),
        cmocka_unit_test(test_a_gap_of_offsets_at_the_beginning_is_told_as_finished),
        cmocka_unit_test(test_offsets_of_any_size_and_distance),
        cmocka_unit_test(test_thousands_alternating_fit),
        cmocka_unit_test(test_open_ones_at_the_end_take_no_bits),
        cmocka_unit_test(test_thousands_of_open_ones_among_many_finished_fit),
        cmocka_unit_test(test_what_does_not_fit_is_left_out),
        cmocka_unit_test(test_a_full_writer_says_so),
        cmocka_unit_test(test_asking_may_skip_offsets),
        cmocka_unit_test(test_the_text_is_that_of_the_first_release),
        cmocka_unit_test(test_metadata_of_other_clients_is_no_map),
        cmocka_unit_test(test_a_map_of_another_committed_offset_is_not_believed),
        cmocka_unit_test(test_a_text_that_was_cut_or_grew_is_not_believed),
        cmocka_unit_test(test_a_text_with_one_character_changed_is_not_believed),
        cmocka_unit_test(test_the_forged_are_read_when_they_are_right),
        cmocka_unit_test(test_an_encoding_of_later_releases_is_no_map),
        cmocka_unit_test(test_runs_that_are_cut_off_or_too_long_are_no_map),
        cmocka_unit_test(test_runs_beyond_the_greatest_offset_are_no_map),
        cmocka_unit_test(test_whatever_is_forged_reads_as_runs_in_order),
        cmocka_unit_test(test_what_was_known_stays_told_wherever_its_reader_has_come_to),
        cmocka_unit_test(test_any_map_is_read_as_it_was_written),
        cmocka_unit_test(test_any_great_map_is_read_up_to_where_the_writer_said),
        cmocka_unit_test(test_whatever_is_damaged_is_not_believed),
        cmocka_unit_test(test_a_map_that_cannot_be_read_now_is_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
