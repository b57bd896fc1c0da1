#include "testing.h"

#include "base/clock.h"
#include "kafka/ask.h"

enum { SLICE_MS = 50, MOST_ANSWERS = 3 };

/* A cluster that gives these answers, one after another. */
typedef struct cluster {
    rd_kafka_resp_err_t answers[MOST_ANSWERS];
    int asked;
    int longest_ms;
    atomic_bool *closing; /* set by the first question; NULL: not */
} cluster;

static rd_kafka_resp_err_t question(rd_kafka_t *rk, void *about, int timeout_ms) {
    cluster *c = about;
    assert_true(c->asked < MOST_ANSWERS);
    if (timeout_ms > c->longest_ms)
        c->longest_ms = timeout_ms;
    if (c->closing)
        atomic_store(c->closing, true);
    return c->answers[c->asked++];
}

static bool may_pass(rd_kafka_resp_err_t err) {
    return err == RD_KAFKA_RESP_ERR__TIMED_OUT;
}

static kca__ask_end ask(cluster *c, int64_t deadline, rd_kafka_resp_err_t *err) {
    const kca__asking asking = {
        .deadline = deadline, .closing = c->closing, .slice_ms = SLICE_MS, .may_pass = may_pass};
    return kca__ask(err, &asking, question, c);
}

static void test_a_question_is_asked_until_it_is_answered(void **state) {
    cluster c = {.answers = {RD_KAFKA_RESP_ERR__TIMED_OUT, RD_KAFKA_RESP_ERR__TIMED_OUT}};
    rd_kafka_resp_err_t err;
    assert_int_equal(ask(&c, KCA__CLOCK_NEVER, &err), KCA__ASK_ANSWERED);
    assert_int_equal(err, RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(c.asked, 3);
    assert_int_equal(c.longest_ms, SLICE_MS);
}

static void test_what_does_not_pass_ends_it_at_once(void **state) {
    cluster c = {
        .answers = {RD_KAFKA_RESP_ERR__TIMED_OUT, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED}};
    rd_kafka_resp_err_t err;
    assert_int_equal(ask(&c, KCA__CLOCK_NEVER, &err), KCA__ASK_REFUSED);
    assert_int_equal(err, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    assert_int_equal(c.asked, 2);
}

static void test_after_the_deadline_it_is_asked_once_without_waiting(void **state) {
    cluster late = {.answers = {RD_KAFKA_RESP_ERR__TIMED_OUT}}, answered = {.asked = 0};
    rd_kafka_resp_err_t err;
    assert_int_equal(ask(&late, KCA__CLOCK_OVER, &err), KCA__ASK_LATE);
    assert_int_equal(err, RD_KAFKA_RESP_ERR__TIMED_OUT);
    assert_int_equal(late.asked, 1);
    assert_int_equal(late.longest_ms, 0);
    assert_int_equal(ask(&answered, KCA__CLOCK_OVER, &err), KCA__ASK_ANSWERED);
}

static void test_it_ends_when_its_asker_leaves(void **state) {
    atomic_bool closing = false;
    cluster c = {.answers = {RD_KAFKA_RESP_ERR__TIMED_OUT}, .closing = &closing};
    rd_kafka_resp_err_t err;
    assert_int_equal(ask(&c, KCA__CLOCK_NEVER, &err), KCA__ASK_CLOSING);
    assert_int_equal(c.asked, 1);
}

static void test_a_list_has_the_error_of_its_first_partition_that_failed(void **state) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(3);
    for (int i = 0; i < 3; i++)
        rd_kafka_topic_partition_list_add(list, "orders", i);
    assert_int_equal(kca__ask_error(RD_KAFKA_RESP_ERR_NO_ERROR, list), 0);
    list->elems[1].err = RD_KAFKA_RESP_ERR_NOT_COORDINATOR;
    list->elems[2].err = RD_KAFKA_RESP_ERR__TRANSPORT;
    assert_int_equal(kca__ask_error(RD_KAFKA_RESP_ERR_NO_ERROR, list),
                     RD_KAFKA_RESP_ERR_NOT_COORDINATOR);
    assert_int_equal(kca__ask_error(RD_KAFKA_RESP_ERR__TIMED_OUT, list),
                     RD_KAFKA_RESP_ERR__TIMED_OUT);
    rd_kafka_topic_partition_list_destroy(list);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_question_is_asked_until_it_is_answered),
        cmocka_unit_test(test_what_does_not_pass_ends_it_at_once),
        cmocka_unit_test(test_after_the_deadline_it_is_asked_once_without_waiting),
        cmocka_unit_test(test_it_ends_when_its_asker_leaves),
        cmocka_unit_test(test_a_list_has_the_error_of_its_first_partition_that_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
