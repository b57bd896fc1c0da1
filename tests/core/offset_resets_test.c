/* Lines of librdkafka's log that tell of an offset reset, as its versions write them. */
#include "testing.h"

#include "kafka/offset_resets.h"

static const char old_line[] =
    "[thrd:main]: orders.v1 [12]: offset reset (at offset 50, broker 1) to cached BEGINNING offset "
    "150: fetch failed due to requested offset not available on the broker: Broker: Offset out of "
    "range";
static const char new_line[] =
    "[thrd:main]: orders.v1 [3]: offset reset (at offset 9000000000 (leader epoch 0), broker 1) to "
    "offset BEGINNING (leader epoch -1): fetch failed: Broker: Offset out of range";

static void test_a_line_is_noted_until_it_is_taken(void **state) {
    kca__offset_resets r;
    kca__offset_resets_init(&r);
    kca__offset_resets_see(&r, "OFFSET", old_line);
    kca__offset_resets_see(&r, "OFFSET", new_line);
    assert_int_equal(kca__offset_resets_take(&r, "orders.v1", 1), -1);
    assert_int_equal(kca__offset_resets_take(&r, "orders", 12), -1);
    assert_int_equal(kca__offset_resets_take(&r, "orders.v1", 12), 50);
    assert_int_equal(kca__offset_resets_take(&r, "orders.v1", 12), -1);
    assert_int_equal(kca__offset_resets_take(&r, "orders.v1", 3), 9000000000);
    assert_int_equal(atomic_load(&r.count), 0);
    kca__offset_resets_see(&r, "OFFSET", old_line); /* freed with it */
    kca__offset_resets_close(&r);
}

static void test_other_lines_are_none(void **state) {
    static const char *const others[] = {
        "",
        "[thrd:main]: orders [1]: offset reset (at offset BEGINNING, broker 1) to offset 0",
        "[thrd:main]: orders [1]: offset reset (at offset -1001, broker 1) to offset 0",
        "]: offset reset (at offset 5",
        "[1]: offset reset (at offset 5",
        "orders [x]: offset reset (at offset 5",
        "orders [1]: something else (at offset 5"};
    kca__offset_resets r;
    kca__offset_resets_init(&r);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        kca__offset_resets_see(&r, "OFFSET", others[i]);
    kca__offset_resets_see(&r, "FETCH", old_line);
    assert_int_equal(atomic_load(&r.count), 0);
    kca__offset_resets_close(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_line_is_noted_until_it_is_taken),
        cmocka_unit_test(test_other_lines_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
