#include "inbound/group.h"

#include "base/error.h"
#include "base/text.h"
#include "kafka/quirks.h"

#include <stdlib.h>
#include <string.h>

enum { ASK_MS = 1000 }; /* the poller serves nothing else meanwhile */

kca_error *kca__group_check(const kca_consumer_builder *b) {
    bool cooperative = strcmp(b->assignment_strategy, "cooperative-sticky") == 0;
    if (!cooperative || !kca__has_quirk(KCA__QUIRK_COOPERATIVE_LOOPS))
        return NULL;
    return kca__error_new(KCA_ERROR_ARGUMENT,
                          "consumer %s: assignment_strategy cooperative-sticky needs librdkafka "
                          "2.6.1 or later, before which it may loop for ever (this is %s): use "
                          "range,roundrobin, range or roundrobin",
                          b->name, rd_kafka_version_str());
}

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
    const char *mine = in->options->assignment_strategy;
    char *theirs = strategy_of_others(in);
    char *why = kca__text_format(
        "the members of group %s deal partitions by %s, this one by %s: set assignment_strategy "
        "(partition.assignment.strategy of members without kca) to one that all of them have",
        kca__consumer_builder_group(in->options), theirs ? theirs : "another strategy", mine);
    free(theirs);
    return why;
}

char *kca__group_explain(kca__inbound *in, rd_kafka_resp_err_t err) {
    return err == RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL ? explain_disagreement(in) : NULL;
}
