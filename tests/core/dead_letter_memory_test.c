/* Dead letters when memory runs out: written or read whole, or not at all, and nothing leaks. */
#include "testing.h"

#include "dead_letters.h"
#include "failing_memory.h"

static const kca__header HEADERS[] = {TEXT("z", "1"), TEXT("token", "\xff\0"), TEXT("z", "2")};

static void there_and_back(int format) {
    kca__dead_letter d = dead_letter(HEADERS, COUNT_OF(HEADERS));
    kca__dead_letter_record written;
    kca__dead_letter_reading reading;
    d.value = "not JSON";
    d.value_len = 8;
    bool done = kca__dead_letter_write(&written, &d, format, "orders.dead");
    assert_int_equal(done, !memory_failed);
    assert_int_equal(done, written.block != NULL);
    if (!done)
        return;
    int found = kca__dead_letter_read(&reading, &written.record);
    assert_int_equal(found, memory_failed ? KCA__DEAD_LETTER_NO_MEMORY : format);
    if (found == format) {
        assert_record_is(&reading.letter, &d);
        kca__dead_letter_reading_clear(&reading);
    }
    kca__dead_letter_record_clear(&written);
}

static void kca(void) {
    there_and_back(KCA__DEAD_LETTER_KCA);
}

static void spring(void) {
    there_and_back(KCA__DEAD_LETTER_SPRING);
}

static void gomes(void) {
    there_and_back(KCA__DEAD_LETTER_GOMES);
}

static void test_kcas_dead_letters_are_whole_or_not_at_all(void **state) {
    memory_fail_each(kca);
}

static void test_springs_dead_letters_are_whole_or_not_at_all(void **state) {
    memory_fail_each(spring);
}

static void test_gomes_dead_letters_are_whole_or_not_at_all(void **state) {
    memory_fail_each(gomes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kcas_dead_letters_are_whole_or_not_at_all),
        cmocka_unit_test(test_springs_dead_letters_are_whole_or_not_at_all),
        cmocka_unit_test(test_gomes_dead_letters_are_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
