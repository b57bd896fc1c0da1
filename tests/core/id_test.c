#include "testing.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/id.h"

enum { MANY = 100000, PER_THREAD = 20000, THREADS = 4, AFTER_FORK = 600 };

typedef char id[37];

static int compare(const void *a, const void *b) {
    return strcmp(a, b);
}

static void assert_all_differ(id *ids, size_t count) {
    qsort(ids, count, sizeof *ids, compare);
    for (size_t i = 1; i < count; i++)
        assert_string_not_equal(ids[i - 1], ids[i]);
}

static void test_an_id_is_a_version_4_uuid_in_lowercase(void **state) {
    for (int n = 0; n < 1000; n++) {
        id one;
        kca__id_uuid4(one);
        assert_int_equal(strlen(one), 36);
        for (int i = 0; i < 36; i++) {
            if (i == 8 || i == 13 || i == 18 || i == 23)
                assert_int_equal(one[i], '-');
            else
                assert_non_null(strchr("0123456789abcdef", one[i]));
        }
        assert_int_equal(one[14], '4');
        assert_non_null(strchr("89ab", one[19]));
    }
}

static void test_ids_do_not_repeat(void **state) {
    id *ids = malloc(MANY * sizeof *ids);
    for (int i = 0; i < MANY; i++)
        kca__id_uuid4(ids[i]);
    assert_all_differ(ids, MANY);
    free(ids);
}

static void *make_ids(void *argument) {
    id *ids = argument;
    for (int i = 0; i < PER_THREAD; i++)
        kca__id_uuid4(ids[i]);
    return NULL;
}

static void test_threads_do_not_share_ids(void **state) {
    id *ids = malloc(THREADS * PER_THREAD * sizeof *ids);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_ids, ids + i * PER_THREAD), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_all_differ(ids, THREADS * PER_THREAD);
    free(ids);
}

static void read_fully(int fd, void *out, size_t size) {
    for (size_t have = 0; have < size;) {
        ssize_t n = read(fd, (char *)out + have, size - have);
        assert_true(n > 0);
        have += (size_t)n;
    }
}

static void test_a_forked_child_does_not_repeat_its_parents_ids(void **state) {
    static id ids[2 * AFTER_FORK];
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    kca__id_uuid4(ids[0]); /* a block is begun */

    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        for (int i = 0; i < AFTER_FORK; i++)
            kca__id_uuid4(ids[i]);
        _exit(write(ends[1], ids, AFTER_FORK * sizeof *ids) == AFTER_FORK * sizeof *ids ? 0 : 1);
    }
    for (int i = 0; i < AFTER_FORK; i++)
        kca__id_uuid4(ids[i]);
    read_fully(ends[0], ids + AFTER_FORK, AFTER_FORK * sizeof *ids);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    close(ends[0]);
    close(ends[1]);
    assert_all_differ(ids, 2 * AFTER_FORK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_id_is_a_version_4_uuid_in_lowercase),
        cmocka_unit_test(test_ids_do_not_repeat),
        cmocka_unit_test(test_threads_do_not_share_ids),
        cmocka_unit_test(test_a_forked_child_does_not_repeat_its_parents_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
