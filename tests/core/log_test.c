#include "testing.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

enum { THREADS = 4, LINES = 2000 };

typedef struct fixture {
    kca__event_queue queue;
    kca__log log;
} fixture;

static void open_log(fixture *f, int level) {
    kca__event_queue_init(&f->queue);
    kca__log_init(&f->log, &f->queue);
    atomic_store(&f->log.queue_level, level);
}

static void close_log(fixture *f) {
    kca__event_queue_close(&f->queue);
    kca__log_close(&f->log);
}

/* The next line's text; freed with free(). NULL: none. */
static char *next_line(fixture *f) {
    kca_event *e;
    if (kca__event_queue_take(&f->queue, &e, 1, 0) == 0)
        return NULL;
    char *text = strdup(kca_event_log_text(e));
    kca_event_free(e);
    return text;
}

static void assert_next(fixture *f, const char *expected) {
    char *text = next_line(f);
    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}

static void test_a_line_has_level_component_and_name(void **state) {
    fixture f;
    kca_event *e;
    open_log(&f, KCA_LOG_INFO);
    kca__log_write(&f.log, KCA_LOG_WARN, "consumer", "billing", "%d partitions", 3);
    assert_int_equal(kca__event_queue_take(&f.queue, &e, 1, 0), 1);
    assert_int_equal(kca_event_log_level(e), KCA_LOG_WARN);
    assert_string_equal(kca_event_log_component(e), "consumer billing");
    assert_string_equal(kca_event_log_text(e), "3 partitions");
    kca_event_free(e);
    kca__log_write(&f.log, KCA_LOG_INFO, "system", NULL, "up");
    assert_int_equal(kca__event_queue_take(&f.queue, &e, 1, 0), 1);
    assert_string_equal(kca_event_log_component(e), "system");
    kca_event_free(e);
    close_log(&f);
}

static void test_lines_above_the_level_are_not_written(void **state) {
    fixture f;
    open_log(&f, KCA_LOG_WARN);
    kca__log_write(&f.log, KCA_LOG_INFO, "system", NULL, "no");
    assert_null(next_line(&f));
    atomic_store(&f.log.queue_level, KCA_LOG_OFF);
    kca__log_write(&f.log, KCA_LOG_ERROR, "system", NULL, "no");
    assert_null(next_line(&f));
    close_log(&f);
}

static void test_a_line_is_one_line_and_bounded(void **state) {
    fixture f;
    open_log(&f, KCA_LOG_DEBUG);
    kca__log_write(&f.log, KCA_LOG_INFO, "system", NULL, "a\nb\tc");
    assert_next(&f, "a\\nb\\tc");
    kca__log_write(&f.log, KCA_LOG_INFO, "system", NULL, "caf\xe9 \xc2\x9b");
    assert_next(&f, "caf\\xe9 \\u009b");
    kca__log_write(&f.log, KCA_LOG_INFO, "system", NULL, "%05000d", 1);
    char *text = next_line(&f);
    assert_in_range(strlen(text), 1000, 4999);
    free(text);
    close_log(&f);
}

static void test_secrets_are_blotted_out_of_every_line(void **state) {
    fixture f;
    open_log(&f, KCA_LOG_DEBUG);
    kca__log_add_secret(&f.log, "hunter22");
    assert_true(kca__log_add_secret(&f.log, NULL));
    assert_true(kca__log_add_secret(&f.log, "abc"));
    kca__log_write(&f.log, KCA_LOG_INFO, "system", NULL, "hunter22 abc x%sy", "hunter22hunter22");
    assert_next(&f, "******** abc x****************y");
    close_log(&f);
}

static void test_of_a_secret_that_begins_with_another_nothing_is_left(void **state) {
    fixture f;
    open_log(&f, KCA_LOG_DEBUG);
    kca__log_add_secret(&f.log, "hunter");
    kca__log_add_secret(&f.log, "hunter-and-prey");
    kca__log_add_secret(&f.log, "prey");
    kca__log_write(&f.log, KCA_LOG_INFO, "system", NULL, "[hunter-and-prey] [hunter] [prey]");
    assert_next(&f, "[***************] [******] [****]");
    close_log(&f);
}

static void *write_lines(void *argument) {
    fixture *f = argument;
    for (int i = 0; i < LINES; i++)
        kca__log_write(&f->log, KCA_LOG_INFO, "librdkafka", "c", "line %d hunter22", i);
    return NULL;
}

static void test_many_threads_write_while_secrets_are_added_and_lines_are_read(void **state) {
    fixture f;
    pthread_t threads[THREADS];
    open_log(&f, KCA_LOG_INFO);
    kca__log_add_secret(&f.log, "hunter22");
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, write_lines, &f);
    for (int i = 0; i < 100; i++) {
        char secret[20];
        snprintf(secret, sizeof secret, "secret %d", i);
        kca__log_add_secret(&f.log, secret);
        char *text = next_line(&f);
        if (text)
            assert_null(strstr(text, "hunter22"));
        free(text);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    close_log(&f);
}

static void test_stderr_gets_a_line_with_time_and_level(void **state) {
    fixture f;
    char text[200] = "";
    int ends[2], kept = dup(STDERR_FILENO);
    open_log(&f, KCA_LOG_OFF);
    atomic_store(&f.log.stderr_level, KCA_LOG_WARN);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    kca__log_write(&f.log, KCA_LOG_ERROR, "publisher", "orders", "gone");
    kca__log_write(&f.log, KCA_LOG_INFO, "publisher", "orders", "not this");
    dup2(kept, STDERR_FILENO);
    close(ends[1]);
    assert_true(read(ends[0], text, sizeof text - 1) > 0);
    assert_non_null(strstr(text, " ERROR publisher orders: gone\n"));
    assert_null(strstr(text, "not this"));
    assert_null(next_line(&f));
    close(ends[0]);
    close(kept);
    close_log(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_line_has_level_component_and_name),
        cmocka_unit_test(test_lines_above_the_level_are_not_written),
        cmocka_unit_test(test_a_line_is_one_line_and_bounded),
        cmocka_unit_test(test_secrets_are_blotted_out_of_every_line),
        cmocka_unit_test(test_of_a_secret_that_begins_with_another_nothing_is_left),
        cmocka_unit_test(test_many_threads_write_while_secrets_are_added_and_lines_are_read),
        cmocka_unit_test(test_stderr_gets_a_line_with_time_and_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
