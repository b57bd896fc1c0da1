#include "connection/cluster_group.h"

#include "kafka/quirks.h"

#include <stdbool.h>
#include <string.h>

static void add_member(cJSON *members, const char *client_id, const char *host) {
    cJSON *m = cJSON_CreateObject();
    cJSON_AddItemToArray(members, m);
    cJSON_AddStringToObject(m, "client_id", client_id);
    cJSON_AddStringToObject(m, "host", host);
}

/* ---- librdkafka's first question, for groups of the classic protocol alone ---- */

static bool list(cJSON *o, rd_kafka_t *rk, const char *group, int timeout_ms) {
    const struct rd_kafka_group_list *groups;
    if (rd_kafka_list_groups(rk, group, &groups, timeout_ms))
        return false;
    const struct rd_kafka_group_info *g = groups->group_cnt > 0 ? &groups->groups[0] : NULL;
    bool told = g && !g->err;
    if (told) {
        cJSON_AddStringToObject(o, "state", g->state);
        cJSON *members = cJSON_AddArrayToObject(o, "members");
        for (int i = 0; i < g->member_cnt; i++)
            add_member(members, g->members[i].client_id, g->members[i].client_host);
    }
    rd_kafka_group_list_destroy(groups);
    return told;
}

/* ---- its second one ---- */

static bool add_description(cJSON *o, rd_kafka_event_t *answer) {
    size_t count = 0;
    if (!answer || rd_kafka_event_error(answer))
        return false;
    const rd_kafka_ConsumerGroupDescription_t **groups =
        rd_kafka_DescribeConsumerGroups_result_groups(
            rd_kafka_event_DescribeConsumerGroups_result(answer), &count);
    if (count != 1 || rd_kafka_ConsumerGroupDescription_error(groups[0]))
        return false;
    rd_kafka_consumer_group_state_t state = rd_kafka_ConsumerGroupDescription_state(groups[0]);
    cJSON_AddStringToObject(o, "state", rd_kafka_consumer_group_state_name(state));
    cJSON *members = cJSON_AddArrayToObject(o, "members");
    for (size_t i = 0; i < rd_kafka_ConsumerGroupDescription_member_count(groups[0]); i++) {
        const rd_kafka_MemberDescription_t *m =
            rd_kafka_ConsumerGroupDescription_member(groups[0], i);
        add_member(members, rd_kafka_MemberDescription_client_id(m),
                   rd_kafka_MemberDescription_host(m));
    }
    return true;
}

static bool describe(cJSON *o, rd_kafka_t *rk, const char *group, int timeout_ms) {
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS);
    rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, NULL, 0);
    rd_kafka_DescribeConsumerGroups(rk, &group, 1, options, queue);
    rd_kafka_event_t *answer = rd_kafka_queue_poll(queue, timeout_ms);
    bool told = add_description(o, answer);
    if (answer)
        rd_kafka_event_destroy(answer);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
    return told;
}

static bool is_dead(const cJSON *o) {
    const char *state = cJSON_GetStringValue(cJSON_GetObjectItem(o, "state"));
    return state && strcmp(state, "Dead") == 0;
}

/* The second question only where the first one knows no such group: when it is not answered in
 * time, librdkafka 2.16.1 ends the process (see KCA__QUIRK_DESCRIBE_GROUPS_ABORTS). */
cJSON *kca__cluster_group_ask(rd_kafka_t *rk, const char *group, int timeout_ms) {
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "name", group);
    bool told = list(o, rk, group, timeout_ms);
    if (told && is_dead(o) && !kca__has_quirk(KCA__QUIRK_GROUPS_ALL_CLASSIC)) {
        cJSON_DeleteItemFromObject(o, "state");
        cJSON_DeleteItemFromObject(o, "members");
        told = describe(o, rk, group, timeout_ms);
    }
    if (!told) {
        cJSON_AddNullToObject(o, "state");
        cJSON_AddNullToObject(o, "members");
    }
    return o;
}
