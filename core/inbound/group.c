#include "inbound/group.h"

#include "base/error.h"
#include "base/number.h"
#include "kafka/quirks.h"

#include <string.h>

enum { EMBEDDED_SESSION_MS = 4000 };

/* Options of the protocol "classic" alone, and who decides instead with "consumer". */
static const char *const classic_options[][2] = {
    {"session_timeout_ms", "the broker decides, by group.consumer.session.timeout.ms"},
    {"heartbeat_interval_ms", "the broker decides, by group.consumer.heartbeat.interval.ms"},
    {"assignment_strategy", "the broker deals the partitions: use group_remote_assignor"},
};
enum { CLASSIC_OPTIONS = sizeof classic_options / sizeof *classic_options };

bool kca__group_is_dealt_by_broker(const kca_consumer_builder *b) {
    return strcmp(b->group_protocol, "consumer") == 0;
}

bool kca__group_uses(const kca_consumer_builder *b, const char *option) {
    bool used = true;
    for (int i = 0; i < CLASSIC_OPTIONS && kca__group_is_dealt_by_broker(b); i++)
        used &= strcmp(classic_options[i][0], option) != 0;
    return used;
}

/* ---- checks ---- */

static kca_error *check_classic(const kca_consumer_builder *b) {
    if (b->group_remote_assignor)
        return kca__error_new(KCA_ERROR_ARGUMENT,
                              "consumer %s: group_remote_assignor needs group_protocol consumer, "
                              "got classic, in which members deal the partitions: use "
                              "assignment_strategy",
                              b->name);
    if (strcmp(b->assignment_strategy, "cooperative-sticky") == 0 &&
        kca__has_quirk(KCA__QUIRK_COOPERATIVE_LOOPS))
        return kca__error_new(KCA_ERROR_ARGUMENT,
                              "consumer %s: assignment_strategy cooperative-sticky needs "
                              "librdkafka 2.6.1 or later, before which it may loop for ever (this "
                              "is %s): use range,roundrobin, range or roundrobin",
                              b->name, rd_kafka_version_str());
    if (b->heartbeat_interval_ms > b->session_timeout_ms / 3)
        return kca__error_new(KCA_ERROR_ARGUMENT,
                              "consumer %s: heartbeat_interval_ms must be at most a third of "
                              "session_timeout_ms (%d / 3 = %d), got %d",
                              b->name, b->session_timeout_ms, b->session_timeout_ms / 3,
                              b->heartbeat_interval_ms);
    if (b->rebalance_timeout_ms < b->session_timeout_ms)
        return kca__error_new(
            KCA_ERROR_ARGUMENT,
            "consumer %s: rebalance_timeout_ms must be at least session_timeout_ms, %d, "
            "got %d",
            b->name, b->session_timeout_ms, b->rebalance_timeout_ms);
    return NULL;
}

static kca_error *check_dealt_by_broker(const kca_consumer_builder *b) {
    if (kca__has_quirk(KCA__QUIRK_GROUP_PROTOCOL_PREVIEW))
        return kca__error_new(KCA_ERROR_ARGUMENT,
                              "consumer %s: group_protocol consumer needs librdkafka 2.12.0 or "
                              "later (this is %s): use classic",
                              b->name, rd_kafka_version_str());
    for (int i = 0; i < CLASSIC_OPTIONS; i++)
        if (kca__options_has(kca__consumer_options, b->given, classic_options[i][0]))
            return kca__error_new(KCA_ERROR_ARGUMENT,
                                  "consumer %s: %s is not for group_protocol consumer: %s", b->name,
                                  classic_options[i][0], classic_options[i][1]);
    return NULL;
}

kca_error *kca__group_check(const kca_consumer_builder *b) {
    return kca__group_is_dealt_by_broker(b) ? check_dealt_by_broker(b) : check_classic(b);
}

/* ---- properties ---- */

static kca_error *configure_classic(const kca_consumer_builder *b, bool embedded,
                                    rd_kafka_conf_t *conf, const char *who) {
    int session_ms = b->session_timeout_ms, heartbeat_ms = b->heartbeat_interval_ms;
    if (embedded) {
        session_ms = kca__min_int(session_ms, EMBEDDED_SESSION_MS);
        heartbeat_ms = kca__min_int(heartbeat_ms, EMBEDDED_SESSION_MS / 4);
    }
    kca_error *e = kca__property_apply_int(conf, who, "session.timeout.ms", session_ms);
    if (!e)
        e = kca__property_apply_int(conf, who, "heartbeat.interval.ms", heartbeat_ms);
    if (!e)
        e = kca__property_apply(conf, who, "partition.assignment.strategy", b->assignment_strategy);
    return e;
}

kca_error *kca__group_configure(const kca_consumer_builder *b, bool embedded, rd_kafka_conf_t *conf,
                                const char *who) {
    const char *const texts[][2] = {
        {"group.protocol", "consumer"},
        {"group.remote.assignor", b->group_remote_assignor},
    };
    kca_error *e = kca__group_is_dealt_by_broker(b)
                       ? kca__property_apply_all(conf, who, texts, sizeof texts / sizeof *texts)
                       : configure_classic(b, embedded, conf, who);
    return e ? e : kca__property_apply(conf, who, "group.id", kca__consumer_builder_group(b));
}
