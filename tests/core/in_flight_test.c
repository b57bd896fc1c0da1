#include "testing.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/error.h"
#include "outbound/in_flight.h"

static kca__slot *take(kca__in_flight *o, size_t bytes, uint64_t token) {
    kca__slot *slot;
    assert_null(kca__in_flight_take(&slot, o, bytes));
    if (slot) {
        slot->answer = NULL;
        slot->receipt.token = token;
    }
    return slot;
}

/* The broker's answer; gives the receipt, or NULL when none was asked for. */
static kca_event *answer(kca__in_flight *o, kca__slot *slot, kca_error *error) {
    kca__event_list receipts = {0};
    kca__in_flight_begin_answers(o);
    kca__in_flight_answer_locked(slot, error, 3, 77, &receipts);
    kca__in_flight_end_answers(o);
    kca__in_flight_leave(o);
    return kca__list_first(&receipts);
}

static kca__in_flight *open_outbox(int messages, size_t bytes) {
    kca__in_flight *o = kca__in_flight_new("orders", messages, bytes);
    assert_non_null(o);
    kca__in_flight_open(o);
    return o;
}

static void test_a_receipt_tells_the_token_and_the_place(void **state) {
    kca__in_flight *o = open_outbox(2, 100);
    kca_event *e = answer(o, take(o, 10, 42), NULL);
    assert_int_equal(kca_event_type(e), KCA_EVENT_RECEIPT);
    assert_int_equal(kca_event_token(e), 42);
    assert_null(kca_event_error(e));
    assert_string_equal(kca_event_topic(e), "orders");
    assert_int_equal(kca_event_partition(e), 3);
    assert_int_equal(kca_event_offset(e), 77);
    kca_event_free(e);
    kca__in_flight_counts counts = kca__in_flight_count(o);
    assert_int_equal(counts.stored, 1);
    assert_int_equal(counts.receipts + counts.unanswered, 0);
    kca__in_flight_release(o);
}

static void test_a_failed_message_gives_its_error_to_the_receipt(void **state) {
    kca__in_flight *o = open_outbox(2, 100);
    kca_event *e = answer(o, take(o, 10, 1), kca__error_new(KCA_ERROR_NOT_STORED, "gone"));
    assert_int_equal(kca_error_code(kca_event_error(e)), KCA_ERROR_NOT_STORED);
    kca_event_free(e);
    assert_int_equal(kca__in_flight_count(o).failed, 1);
    kca__in_flight_release(o);
}

static void test_without_a_token_the_answer_frees_the_place(void **state) {
    kca__in_flight *o = open_outbox(1, 100);
    for (int i = 0; i < 3; i++)
        assert_null(answer(o, take(o, 10, 0), kca__error_new(KCA_ERROR_NOT_STORED, "gone")));
    assert_int_equal(kca__in_flight_count(o).published, 3);
    kca__in_flight_release(o);
}

static void test_what_was_accepted_is_published_whatever_became_of_it(void **state) {
    kca__in_flight *o = open_outbox(10, 100);
    kca__slot *slots[] = {take(o, 10, 0), take(o, 10, 0), take(o, 10, 0)};
    answer(o, slots[0], NULL);
    answer(o, slots[1], kca__error_new(KCA_ERROR_NOT_STORED, "gone"));
    kca__in_flight_counts counts = kca__in_flight_count(o);
    assert_int_equal(counts.published, 3);
    assert_int_equal(counts.stored, 1);
    assert_int_equal(counts.failed, 1);
    assert_int_equal(counts.unanswered, 1);
    answer(o, slots[2], NULL);
    assert_int_equal(kca__in_flight_count(o).published, 3);
    kca__in_flight_release(o);
}

static void test_a_receipt_keeps_its_place_until_it_is_freed(void **state) {
    kca__in_flight *o = open_outbox(1, 100);
    kca_event *e = answer(o, take(o, 10, 1), NULL);
    assert_null(take(o, 10, 2));
    assert_int_equal(kca__in_flight_filled_by(o), KCA__FILLED_BY_RECEIPTS);
    kca_error *full = kca__in_flight_full(o, 5);
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
    kca__in_flight_release(o);
}

static void test_bytes_are_bounded_and_a_larger_message_goes_alone(void **state) {
    kca__in_flight *o = open_outbox(10, 100);
    kca__slot *a = take(o, 60, 0), *b = take(o, 40, 0);
    assert_null(take(o, 1, 0));
    assert_int_equal(kca__in_flight_filled_by(o), KCA__FILLED_BY_MESSAGES);
    kca_error *full = kca__in_flight_full(o, 0);
    assert_non_null(strstr(full->text, "2 messages of 100 bytes wait for the broker's answer"));
    kca__error_free(full);
    answer(o, a, NULL);
    answer(o, b, NULL);
    kca__slot *large = take(o, 5000, 0);
    assert_non_null(large);
    assert_null(take(o, 1, 0));
    answer(o, large, NULL);
    kca__in_flight_release(o);
}

static void test_a_place_given_back_counts_as_nothing(void **state) {
    kca__in_flight *o = open_outbox(1, 100);
    kca__in_flight_give_back(take(o, 100, 5));
    kca__in_flight_leave(o);
    kca__in_flight_counts counts = kca__in_flight_count(o);
    assert_int_equal(counts.published + counts.unanswered + counts.receipts, 0);
    answer(o, take(o, 100, 0), NULL);
    kca__in_flight_release(o);
}

static void assert_shut(kca__in_flight *o) {
    kca__slot *slot;
    kca_error *e = kca__in_flight_take(&slot, o, 1);
    assert_null(slot);
    assert_int_equal(e->code, KCA_ERROR_STATE);
    kca__error_free(e);
    assert_false(kca__in_flight_enter(o));
}

static void test_a_shut_outbox_takes_nothing_and_opens_again(void **state) {
    kca__in_flight *o = kca__in_flight_new("orders", 2, 100);
    assert_shut(o);
    kca__in_flight_open(o);
    assert_true(kca__in_flight_enter(o));
    kca__in_flight_leave(o);
    kca__in_flight_shut(o);
    assert_shut(o);
    kca__in_flight_open(o);
    answer(o, take(o, 1, 0), NULL);
    kca__in_flight_release(o);
}

static void test_receipts_outlive_their_publisher(void **state) {
    kca__in_flight *o = open_outbox(2, 100);
    kca_event *a = answer(o, take(o, 1, 1), NULL), *b = answer(o, take(o, 1, 2), NULL);
    kca__in_flight_release(o);
    assert_string_equal(kca_event_topic(a), "orders");
    kca_event_free(a);
    kca_event_free(b);
}

static void test_who_waits_for_answers_gives_up_at_the_deadline(void **state) {
    kca__in_flight *o = open_outbox(2, 100);
    kca__slot *slot = take(o, 1, 0);
    assert_int_equal(kca__in_flight_wait_answered(o, kca__clock_deadline(20)), 1);
    answer(o, slot, NULL);
    assert_int_equal(kca__in_flight_wait_answered(o, KCA__CLOCK_NEVER), 0);
    kca__in_flight_release(o);
}

/* ---- with other threads ---- */

typedef struct other {
    kca__in_flight *in_flight;
    kca__slot *slot;
    atomic_int done;
    pthread_t thread;
} other;

static void *wait_for_room(void *argument) {
    other *w = argument;
    kca__in_flight_wait_for_room(w->in_flight, 10, KCA__CLOCK_NEVER);
    atomic_store(&w->done, 1);
    return NULL;
}

static void test_who_waits_for_room_is_woken_by_an_answer_and_by_the_end(void **state) {
    kca__in_flight *o = open_outbox(1, 100);
    other w = {.in_flight = o, .slot = take(o, 10, 0)};
    pthread_create(&w.thread, NULL, wait_for_room, &w);
    answer(o, w.slot, NULL);
    pthread_join(w.thread, NULL);
    w.slot = take(o, 10, 0);
    pthread_create(&w.thread, NULL, wait_for_room, &w);
    kca__in_flight_shut(o);
    pthread_join(w.thread, NULL);
    answer(o, w.slot, NULL);
    kca__in_flight_release(o);
}

static void *answer_and_stay(void *argument) {
    other *w = argument;
    kca__event_list receipts = {0};
    kca__in_flight_begin_answers(w->in_flight);
    kca__in_flight_answer_locked(w->slot, NULL, 0, 0, &receipts);
    kca__in_flight_end_answers(w->in_flight);
    kca__in_flight_wait_answered(w->in_flight, kca__clock_deadline(50));
    atomic_store(&w->done, 1);
    kca__in_flight_leave(w->in_flight);
    return NULL;
}

/* Else its client would be closed under a publish that has its answer but has not returned. */
static void test_the_end_waits_for_a_publish_that_is_answered_and_still_inside(void **state) {
    kca__in_flight *o = open_outbox(1, 100);
    other w = {.in_flight = o, .slot = take(o, 10, 0)};
    pthread_create(&w.thread, NULL, answer_and_stay, &w);
    kca__in_flight_shut(o);
    assert_int_equal(kca__in_flight_wait_answered(o, KCA__CLOCK_NEVER), 0);
    kca__in_flight_wait_left(o);
    assert_int_equal(atomic_load(&w.done), 1);
    pthread_join(w.thread, NULL);
    kca__in_flight_release(o);
}

/* Also behind many that were used before it. */
static void test_the_oldest_message_that_is_unanswered_is_known(void **state) {
    enum { MANY = 2500 };
    kca__slot *slots[MANY];
    kca__in_flight *o = open_outbox(MANY, 100000);
    assert_int_equal(kca__in_flight_oldest_ms(o), 0);
    for (int i = 0; i < MANY; i++)
        slots[i] = take(o, 1, 0);
    for (int i = 0; i < MANY; i++)
        slots[i]->taken_ms = 1000 + MANY - i;
    for (int i = MANY; i-- > 0;) {
        assert_int_equal(kca__in_flight_oldest_ms(o), 1000 + MANY - i);
        if (i % 2)
            answer(o, slots[i], NULL);
        else {
            kca__in_flight_give_back(slots[i]);
            kca__in_flight_leave(o);
        }
    }
    assert_int_equal(kca__in_flight_oldest_ms(o), 0);
    int64_t before_ms = kca__clock_coarse_ms();
    kca__slot *slot = take(o, 1, 0);
    assert_in_range(kca__in_flight_oldest_ms(o), before_ms, kca__clock_coarse_ms());
    answer(o, slot, NULL);
    kca__in_flight_release(o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_receipt_tells_the_token_and_the_place),
        cmocka_unit_test(test_a_failed_message_gives_its_error_to_the_receipt),
        cmocka_unit_test(test_without_a_token_the_answer_frees_the_place),
        cmocka_unit_test(test_what_was_accepted_is_published_whatever_became_of_it),
        cmocka_unit_test(test_a_receipt_keeps_its_place_until_it_is_freed),
        cmocka_unit_test(test_bytes_are_bounded_and_a_larger_message_goes_alone),
        cmocka_unit_test(test_a_place_given_back_counts_as_nothing),
        cmocka_unit_test(test_a_shut_outbox_takes_nothing_and_opens_again),
        cmocka_unit_test(test_receipts_outlive_their_publisher),
        cmocka_unit_test(test_who_waits_for_answers_gives_up_at_the_deadline),
        cmocka_unit_test(test_who_waits_for_room_is_woken_by_an_answer_and_by_the_end),
        cmocka_unit_test(test_the_end_waits_for_a_publish_that_is_answered_and_still_inside),
        cmocka_unit_test(test_the_oldest_message_that_is_unanswered_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
