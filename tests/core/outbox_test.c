#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "error.h"
#include "outbox.h"

static kca__slot *take(kca__outbox *o, size_t bytes, uint64_t token) {
    kca__slot *slot;
    assert_null(kca__outbox_take(&slot, o, bytes));
    if (slot) {
        slot->answer = NULL;
        slot->receipt.token = token;
    }
    return slot;
}

/* The broker's answer; gives the receipt, or NULL when none was asked for. */
static kca_event *answer(kca__outbox *o, kca__slot *slot, kca_error *error) {
    kca__event_list receipts;
    kca__event_list_init(&receipts);
    kca__outbox_begin_answers(o);
    kca__outbox_answer(slot, error, 3, 77, &receipts);
    kca__outbox_end_answers(o);
    kca__outbox_leave(o);
    return receipts.first;
}

static kca__outbox *open_outbox(int messages, size_t bytes) {
    kca__outbox *o = kca__outbox_new("orders", messages, bytes);
    assert_non_null(o);
    kca__outbox_open(o);
    return o;
}

static void test_a_receipt_tells_the_token_and_the_place(void **state) {
    (void)state;
    kca__outbox *o = open_outbox(2, 100);
    kca_event *e = answer(o, take(o, 10, 42), NULL);
    assert_int_equal(kca_event_type(e), KCA_EVENT_RECEIPT);
    assert_int_equal(kca_event_token(e), 42);
    assert_null(kca_event_error(e));
    assert_string_equal(kca_event_topic(e), "orders");
    assert_int_equal(kca_event_partition(e), 3);
    assert_int_equal(kca_event_offset(e), 77);
    kca_event_free(e);
    kca__outbox_counts counts = kca__outbox_count(o);
    assert_int_equal(counts.stored, 1);
    assert_int_equal(counts.receipts + counts.unanswered, 0);
    kca__outbox_release(o);
}

static void test_a_failed_message_gives_its_error_to_the_receipt(void **state) {
    (void)state;
    kca__outbox *o = open_outbox(2, 100);
    kca_event *e = answer(o, take(o, 10, 1), kca__error_new(KCA_ERROR_NOT_STORED, "gone"));
    assert_int_equal(kca_error_code(kca_event_error(e)), KCA_ERROR_NOT_STORED);
    kca_event_free(e);
    assert_int_equal(kca__outbox_count(o).failed, 1);
    kca__outbox_release(o);
}

static void test_without_a_token_the_answer_frees_the_place(void **state) {
    (void)state;
    kca__outbox *o = open_outbox(1, 100);
    for (int i = 0; i < 3; i++)
        assert_null(answer(o, take(o, 10, 0), kca__error_new(KCA_ERROR_NOT_STORED, "gone")));
    assert_int_equal(kca__outbox_count(o).published, 3);
    kca__outbox_release(o);
}

static void test_a_receipt_keeps_its_place_until_it_is_freed(void **state) {
    (void)state;
    kca__outbox *o = open_outbox(1, 100);
    kca_event *e = answer(o, take(o, 10, 1), NULL);
    assert_null(take(o, 10, 2));
    assert_int_equal(kca__outbox_filled_by(o), KCA__FILLED_BY_RECEIPTS);
    kca_error *full = kca__outbox_full(o, 5);
    assert_int_equal(full->code, KCA_ERROR_BUFFER_FULL);
    assert_true(full->retriable);
    assert_string_equal(full->text,
                        "publisher orders: no room after 5 ms: 1 receipts wait to be "
                        "read from the system's queue (publish with token 0 to get none)");
    kca__error_free(full);
    kca_event_free(e);
    e = answer(o, take(o, 10, 2), NULL);
    assert_int_equal(kca_event_token(e), 2);
    kca_event_free(e);
    kca__outbox_release(o);
}

static void test_bytes_are_bounded_and_a_larger_message_goes_alone(void **state) {
    (void)state;
    kca__outbox *o = open_outbox(10, 100);
    kca__slot *a = take(o, 60, 0), *b = take(o, 40, 0);
    assert_null(take(o, 1, 0));
    assert_int_equal(kca__outbox_filled_by(o), KCA__FILLED_BY_MESSAGES);
    kca_error *full = kca__outbox_full(o, 0);
    assert_non_null(strstr(full->text, "2 messages of 100 bytes wait for the broker's answer"));
    kca__error_free(full);
    answer(o, a, NULL);
    answer(o, b, NULL);
    kca__slot *large = take(o, 5000, 0);
    assert_non_null(large);
    assert_null(take(o, 1, 0));
    answer(o, large, NULL);
    kca__outbox_release(o);
}

static void test_a_place_given_back_counts_as_nothing(void **state) {
    (void)state;
    kca__outbox *o = open_outbox(1, 100);
    kca__outbox_give_back(take(o, 100, 5));
    kca__outbox_leave(o);
    kca__outbox_counts counts = kca__outbox_count(o);
    assert_int_equal(counts.published + counts.unanswered + counts.receipts, 0);
    answer(o, take(o, 100, 0), NULL);
    kca__outbox_release(o);
}

static void assert_shut(kca__outbox *o) {
    kca__slot *slot;
    kca_error *e = kca__outbox_take(&slot, o, 1);
    assert_null(slot);
    assert_int_equal(e->code, KCA_ERROR_STATE);
    kca__error_free(e);
    assert_false(kca__outbox_enter(o));
}

static void test_a_shut_outbox_takes_nothing_and_opens_again(void **state) {
    (void)state;
    kca__outbox *o = kca__outbox_new("orders", 2, 100);
    assert_shut(o);
    kca__outbox_open(o);
    assert_true(kca__outbox_enter(o));
    kca__outbox_leave(o);
    kca__outbox_shut(o);
    assert_shut(o);
    kca__outbox_open(o);
    answer(o, take(o, 1, 0), NULL);
    kca__outbox_release(o);
}

static void test_receipts_outlive_their_publisher(void **state) {
    (void)state;
    kca__outbox *o = open_outbox(2, 100);
    kca_event *a = answer(o, take(o, 1, 1), NULL), *b = answer(o, take(o, 1, 2), NULL);
    kca__outbox_release(o);
    assert_string_equal(kca_event_topic(a), "orders");
    kca_event_free(a);
    kca_event_free(b);
}

static void test_who_waits_for_answers_gives_up_at_the_deadline(void **state) {
    (void)state;
    kca__outbox *o = open_outbox(2, 100);
    kca__slot *slot = take(o, 1, 0);
    assert_int_equal(kca__outbox_wait_answered(o, kca__clock_deadline(20)), 1);
    answer(o, slot, NULL);
    assert_int_equal(kca__outbox_wait_answered(o, KCA__CLOCK_NEVER), 0);
    kca__outbox_release(o);
}

/* ---- with other threads ---- */

typedef struct other {
    kca__outbox *outbox;
    kca__slot *slot;
    atomic_int done;
    pthread_t thread;
} other;

static void *wait_for_room(void *argument) {
    other *w = argument;
    kca__outbox_wait_for_room(w->outbox, 10, KCA__CLOCK_NEVER);
    atomic_store(&w->done, 1);
    return NULL;
}

static void test_who_waits_for_room_is_woken_by_an_answer_and_by_the_end(void **state) {
    (void)state;
    kca__outbox *o = open_outbox(1, 100);
    other w = {.outbox = o, .slot = take(o, 10, 0)};
    pthread_create(&w.thread, NULL, wait_for_room, &w);
    answer(o, w.slot, NULL);
    pthread_join(w.thread, NULL);
    w.slot = take(o, 10, 0);
    pthread_create(&w.thread, NULL, wait_for_room, &w);
    kca__outbox_shut(o);
    pthread_join(w.thread, NULL);
    answer(o, w.slot, NULL);
    kca__outbox_release(o);
}

static void *answer_and_stay(void *argument) {
    other *w = argument;
    kca__event_list receipts;
    kca__event_list_init(&receipts);
    kca__outbox_begin_answers(w->outbox);
    kca__outbox_answer(w->slot, NULL, 0, 0, &receipts);
    kca__outbox_end_answers(w->outbox);
    kca__outbox_wait_answered(w->outbox, kca__clock_deadline(50));
    atomic_store(&w->done, 1);
    kca__outbox_leave(w->outbox);
    return NULL;
}

/* Else its client would be closed under a publish that has its answer but has not returned. */
static void test_the_end_waits_for_a_publish_that_is_answered_and_still_inside(void **state) {
    (void)state;
    kca__outbox *o = open_outbox(1, 100);
    other w = {.outbox = o, .slot = take(o, 10, 0)};
    pthread_create(&w.thread, NULL, answer_and_stay, &w);
    kca__outbox_shut(o);
    assert_int_equal(kca__outbox_wait_answered(o, KCA__CLOCK_NEVER), 0);
    kca__outbox_wait_left(o);
    assert_int_equal(atomic_load(&w.done), 1);
    pthread_join(w.thread, NULL);
    kca__outbox_release(o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_receipt_tells_the_token_and_the_place),
        cmocka_unit_test(test_a_failed_message_gives_its_error_to_the_receipt),
        cmocka_unit_test(test_without_a_token_the_answer_frees_the_place),
        cmocka_unit_test(test_a_receipt_keeps_its_place_until_it_is_freed),
        cmocka_unit_test(test_bytes_are_bounded_and_a_larger_message_goes_alone),
        cmocka_unit_test(test_a_place_given_back_counts_as_nothing),
        cmocka_unit_test(test_a_shut_outbox_takes_nothing_and_opens_again),
        cmocka_unit_test(test_receipts_outlive_their_publisher),
        cmocka_unit_test(test_who_waits_for_answers_gives_up_at_the_deadline),
        cmocka_unit_test(test_who_waits_for_room_is_woken_by_an_answer_and_by_the_end),
        cmocka_unit_test(test_the_end_waits_for_a_publish_that_is_answered_and_still_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
