/* A broker that takes less metadata with a commit than kca has to tell. */
#include "retrying.h"

#include <stdio.h>

enum { COUNT = 20000, EVERY = 7, LIMIT = 500 };

/* The broker's configuration as it was. */
static char *before;

static const char *configuration(void) {
    static char path[600];
    snprintf(path, sizeof path, "%s/node-1/server.properties", getenv("KCA_KAFKA_DIR"));
    return path;
}

static void restart_with(const char *text, const char *more) {
    FILE *file = fopen(configuration(), "w");
    assert_non_null(file);
    fprintf(file, "%s%s", text, more);
    assert_int_equal(fclose(file), 0);
    cluster_do("kill");
    cluster_do("restart-node");
}

static int limit(void **state) {
    char line[60];
    snprintf(line, sizeof line, "offset.metadata.max.bytes=%d\n", LIMIT);
    before = text_of(configuration());
    char *left_over = strstr(before, line); /* by a run that was killed */
    if (left_over)
        *left_over = '\0';
    restart_with(before, line);
    return 0;
}

static int lift(void **state) {
    restart_with(before, "");
    free(before);
    return 0;
}

static int fail_every_7th(recorder *r, kca_delivery *d, int id) {
    (void)d;
    return id % *(int *)r->context == 0 ? KCA_FAILED : KCA_DONE;
}

/* What tells of finished work ahead; what tells of the topic stays, for it is short. */
static bool has_map(const char *metadata) {
    return strstr(metadata, "kca1:r") || strstr(metadata, "kca1:b");
}

/* Handles all; each of every 7th would be tried again some time. */
static const char *stop_with(const char *topic, int every) {
    const char *group = unique("group");
    kca_consumer_builder *b = retrying(topic, group, 2, NEVER_MS);
    kca_consumer_builder_with_order(b, "none");
    kca_consumer_builder_with_queue_capacity(b, COUNT);
    consuming c = consume(topic, group, b);
    c.recorder->behave = fail_every_7th;
    c.recorder->context = &every;
    must(run_for(&c, COUNT));
    end(&c);
    assert_int_equal(group_committed(group, topic, 0), 0);
    return group;
}

static void test_what_is_too_long_is_left_out_and_the_offset_committed_all_the_same(void **state) {
    const char *topic = unique("limit");
    topic_create(topic, 1);
    topic_fill(topic, 0, COUNT, 0);
    const char *group = stop_with(topic, EVERY);
    char *metadata = group_metadata(group, topic, 0);
    assert_false(has_map(metadata));
    free(metadata);
    group = stop_with(topic, COUNT); /* but what is short is told */
    metadata = group_metadata(group, topic, 0);
    assert_true(has_map(metadata));
    assert_in_range(strlen(metadata), 1, LIMIT);
    free(metadata);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_what_is_too_long_is_left_out_and_the_offset_committed_all_the_same, limit, lift),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
