/* Reaches a connection's cluster, or says why it cannot be reached. */
#include "connection/connection.h"

#include "base/error.h"
#include "base/interrupt.h"
#include "base/text.h"
#include "connection/diagnosis.h"
#include "connection/security.h"
#include "kafka/ask.h"
#include "kafka/quirks.h"

#include <stdlib.h>
#include <string.h>

enum { PROBE_SLICE_MS = 250, DIAGNOSIS_MS = 2000, CREATION_MS = 1000 };

static const char *user_of(const kca_connection *c) {
    const char *user =
        c->sasl_user ? c->sasl_user : kca__properties_get(&c->properties, "sasl.username");
    return user ? user : "(none)";
}

static kca_error *authentication_error(const kca_connection *c, const char *trouble) {
    if (strstr(trouble, "not valid in current SASL state"))
        return kca__error_new(
            KCA_ERROR_AUTHENTICATION,
            "connection %s: this listener of %s takes no SASL: leave it out, or use "
            "the broker's SASL port (%s)",
            c->name, c->hosts, trouble);
    bool scram = c->sasl_mechanism && strncmp(c->sasl_mechanism, "SCRAM", 5) == 0;
    if (scram && kca__has_quirk(KCA__QUIRK_SCRAM_NONCE))
        return kca__error_new(
            KCA_ERROR_AUTHENTICATION,
            "connection %s: authentication refused for user %s: SCRAM with librdkafka %s does not "
            "work on Kafka 4; use librdkafka 2.6.1 or later, or PLAIN over TLS (%s)",
            c->name, user_of(c), rd_kafka_version_str(), trouble);
    return kca__error_new(KCA_ERROR_AUTHENTICATION,
                          "connection %s: authentication refused for user %s: check user, password "
                          "and mechanism (%s)",
                          c->name, user_of(c), trouble);
}

/* For brokers that just hang up, as with another security protocol, or stay silent, as SASL may
 * make them. */
static kca_error *other_error(const kca_connection *c, const char *trouble, bool timed_out) {
    kca_error *e = kca__error_new(timed_out ? KCA_ERROR_TIMEOUT : KCA_ERROR_UNREACHABLE,
                                  "connection %s: no broker of %s answers as Kafka with %s%s%s%s",
                                  c->name, c->hosts, kca__connection_protocol(c),
                                  *trouble ? " (" : ": check the listener's protocol", trouble,
                                  *trouble ? ")" : "");
    return kca__error_mark(e, 0, KCA__RETRIABLE);
}

/* One question to the cluster; NULL when it answered. */
static rd_kafka_resp_err_t ask(kca_connection *c, kca__client *client, int64_t deadline) {
    const struct rd_kafka_metadata *answer;
    int left = kca__interrupt_left_ms(deadline);
    int slice = left < 0 || left > 2 * PROBE_SLICE_MS ? PROBE_SLICE_MS : left / 2 + 1;
    rd_kafka_resp_err_t err = rd_kafka_metadata(client->rk, 0, NULL, &answer, slice);
    if (!err) {
        kca__known_brokers_take(&c->known_brokers, answer);
        rd_kafka_metadata_destroy(answer);
    }
    return err;
}

/* Why the cluster does not answer; sets *definite when more waiting cannot help. NULL: not known
 * yet.
 */
static kca_error *why_not(kca_connection *c, kca__client *client, int64_t deadline,
                          bool *definite) {
    char trouble[KCA__TROUBLE_TEXT];
    int code = kca__client_trouble(client, trouble);
    *definite = code == RD_KAFKA_RESP_ERR__AUTHENTICATION;
    if (*definite)
        return authentication_error(c, trouble);
    if (c->embedded || kca__security_is_lenient(c))
        return code ? other_error(c, trouble, false) : NULL;
    kca__tls tls = kca__connection_tls(c);
    int left = kca__clock_left_ms(deadline);
    kca__diagnosis found = kca__diagnose(c->name, c->hosts, &tls,
                                         left < 0 || left > DIAGNOSIS_MS ? DIAGNOSIS_MS : left);
    *definite = found.definite;
    if (!found.error && code)
        return other_error(c, trouble, false);
    return found.error;
}

kca_error *kca__connection_reach(kca_connection *c, kca__client *client, int64_t deadline) {
    kca_error *reason = NULL;
    bool definite = false;
    while (!definite) {
        if (ask(c, client, deadline) == RD_KAFKA_RESP_ERR_NO_ERROR) {
            kca__error_free(reason);
            kca__client_forget_trouble(client);
            return NULL;
        }
        kca__error_free(reason);
        reason = why_not(c, client, deadline, &definite);
        if (kca__interrupt_left_ms(deadline) == 0)
            break;
    }
    return reason ? reason : other_error(c, "", true);
}

kca_error *kca__connection_why_not(kca_connection *c, kca__client *client, int64_t deadline) {
    bool definite;
    kca_error *reason = why_not(c, client, deadline, &definite);
    return reason ? reason : other_error(c, "", true);
}

static bool may_come(rd_kafka_resp_err_t err) {
    return err != RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
}

/* The number of the topic's partitions; 0: it does not exist. A broker that creates it on demand
 * takes a moment. */
static int count_partitions(kca__client *client, const char *topic, int64_t deadline) {
    int64_t patience = kca__clock_deadline(CREATION_MS);
    const kca__asking asking = {.rk = client->rk,
                                .deadline = patience < deadline ? patience : deadline,
                                .slice_ms = kca__interrupt_slice_ms(CREATION_MS),
                                .may_pass = may_come};
    kca__topic_look look = {rd_kafka_topic_new(client->rk, topic, NULL), 0};
    if (!look.topic)
        return 0;
    rd_kafka_resp_err_t err;
    kca__ask(&err, &asking, kca__ask_partitions, &look);
    rd_kafka_topic_destroy(look.topic);
    return look.partitions;
}

kca_error *kca__connection_look_for(const kca_connection *c, kca__client *client,
                                    const char *consumer, const char *topic, int partition,
                                    int64_t deadline) {
    int count = count_partitions(client, topic, deadline);
    if (count == 0)
        kca__log_write(c->log, KCA_LOG_WARN, "consumer", consumer,
                       "topic %s does not exist yet, or is hidden from this user", topic);
    if (count > 0 && partition >= count)
        return kca__error_new(
            KCA_ERROR_NOT_FOUND,
            "consumer %s: topic %s has partitions 0 to %d, there is no partition %d", consumer,
            topic, count - 1, partition);
    return NULL;
}
