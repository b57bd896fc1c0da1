/* What a real cluster says of itself that the embedded broker does not. */
#include "consuming.h"

#include <cjson/cJSON.h>

static cJSON *cluster_of(kca_system *s, const char *topic, const char *group) {
    char *text;
    must(kca_system_describe_cluster(s, "kafka", topic, group, COME_MS, &text));
    cJSON *found = cJSON_Parse(text);
    kca_string_free(text);
    assert_non_null(found);
    return found;
}

static void test_a_group_is_described_with_its_members(void **state) {
    const char *topic = unique("orders"), *group = unique("group");
    topic_create(topic, 1);
    topic_fill(topic, 0, 3, 40);
    consuming c = consume(topic, group, NULL);
    runner r;
    runner_start(&r, c.consumer);
    must_be_handled(c.recorder, 3, COME_MS);
    must_commit(group, topic, 0, 3);

    cJSON *cluster = cluster_of(c.system, NULL, group);
    const cJSON *g = cJSON_GetObjectItem(cluster, "group");
    assert_string_equal(cJSON_GetObjectItem(g, "state")->valuestring, "Stable");
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(g, "members")), 1);
    const cJSON *member = cJSON_GetArrayItem(cJSON_GetObjectItem(g, "members"), 0);
    assert_string_equal(cJSON_GetObjectItem(member, "client_id")->valuestring, "kafka");
    const cJSON *topics = cJSON_GetObjectItem(cluster, "topics");
    assert_int_equal(cJSON_GetArraySize(topics), 1);
    const cJSON *partitions = cJSON_GetObjectItem(cJSON_GetArrayItem(topics, 0), "partitions");
    const cJSON *p = cJSON_GetArrayItem(partitions, 0);
    assert_int_equal(cJSON_GetNumberValue(cJSON_GetObjectItem(p, "committed")), 3);
    assert_int_equal(cJSON_GetNumberValue(cJSON_GetObjectItem(p, "lag")), 0);
    cJSON_Delete(cluster);
    runner_stop(&r);
    end(&c);
}

static void test_asking_for_a_topic_does_not_create_it(void **state) {
    kca_system *s = system_on(listener("PLAINTEXT"));
    const char *topic = unique("missing");
    char *text;
    start(s);
    for (int i = 0; i < 2; i++)
        must_fail(kca_system_describe_cluster(s, "kafka", topic, NULL, COME_MS, &text),
                  KCA_ERROR_NOT_FOUND, topic, "does not exist");
    finish(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_group_is_described_with_its_members),
        cmocka_unit_test(test_asking_for_a_topic_does_not_create_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
