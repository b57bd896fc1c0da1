#include "inbound/group_refusal.h"

#include "base/text.h"
#include "inbound/group.h"
#include "kafka/kafka_error.h"

#include <stdlib.h>

enum { ASK_MS = 1000 }; /* the poller serves nothing else meanwhile */

/* By which strategy the group deals its partitions now; NULL: not to be known, or memory is out. */
static char *strategy_of_others(kca__inbound *in) {
    const struct rd_kafka_group_list *groups;
    const char *group = kca__consumer_builder_group(in->options);
    if (rd_kafka_list_groups(in->client->rk, group, &groups, ASK_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return NULL;
    const char *found = groups->group_cnt == 1 ? groups->groups[0].protocol : NULL;
    char *strategy = found && *found ? kca__text_copy(found) : NULL;
    rd_kafka_group_list_destroy(groups);
    return strategy;
}

static char *explain_disagreement(kca__inbound *in) {
    const char *group = kca__consumer_builder_group(in->options);
    char *theirs = strategy_of_others(in);
    char *why = theirs
                    ? kca__text_format(
                          "the members of group %s deal partitions by %s, this one by %s: set "
                          "assignment_strategy (partition.assignment.strategy of members without "
                          "kca) to one that all of them have",
                          group, theirs, in->options->assignment_strategy)
                    : kca__text_format(
                          "the members of group %s do not deal partitions by %s: set "
                          "assignment_strategy (partition.assignment.strategy of members without "
                          "kca) to one that all of them have, and group_protocol alike",
                          group, in->options->assignment_strategy);
    free(theirs);
    return why;
}

/* The broker says no more than that. */
static char *explain_forbidden_topic(const kca_consumer_builder *b) {
    return b->topic_count == 1
               ? kca__text_format("it may not read or describe topic %s", b->topics[0])
               : kca__text_format("it may not read or describe topic %s, or another of its %d",
                                  b->topics[0], b->topic_count);
}

char *kca__group_explain(kca__inbound *in, rd_kafka_resp_err_t err) {
    const kca_consumer_builder *b = in->options;
    if (err == RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL)
        return explain_disagreement(in);
    if (!kca__group_is_dealt_by_broker(b))
        return NULL;
    switch ((int)err) {
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED: /* of its topics, if not for one's records */
        return explain_forbidden_topic(b);
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
        return kca__text_format("it may not read group %s", kca__consumer_builder_group(b));
    case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION:
        return kca__text_copy("the broker does not know group_protocol consumer, which Kafka 4 "
                              "has: use classic");
    case RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND:
        return kca__text_format("the members of group %s use group_protocol classic, and the "
                                "broker does not let them mix (its group.consumer.migration.policy)"
                                ": set group_protocol alike in all of them",
                                kca__consumer_builder_group(b));
    case KCA__UNRELEASED_INSTANCE_ID:
        return kca__text_format("a member of group %s has group_instance_id %s already, or had it "
                                "when it died: then it is free after the group's session timeout",
                                kca__consumer_builder_group(b), b->group_instance_id);
    case KCA__UNSUPPORTED_ASSIGNOR:
        return kca__text_format("the broker has no group_remote_assignor %s: use one of its "
                                "group.consumer.assignors",
                                b->group_remote_assignor);
    default:
        return NULL;
    }
}
