/* A redrive's questions to the cluster, and its errors. */
#include "redrive/redrive_run.h"

#include "kafka/kafka_error.h"

#include <stdarg.h>
#include <stdio.h>

enum { SLICE_MS = 500 };

kca_error *kca__redrive_error(const kca__redrive_run *run, int code, rd_kafka_resp_err_t err,
                              const char *format, ...) {
    char text[1500];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    bool retriable = code == KCA_ERROR_TIMEOUT || code == KCA_ERROR_NOT_STORED;
    return kca__error_from_kafka(code, err, retriable ? KCA__RETRIABLE : 0, "%s: %s", run->who,
                                 text);
}

void kca__redrive_fail(kca__redrive_run *run, kca_error *e) {
    if (e && e->code == KCA_ERROR_TIMEOUT)
        kca__error_free(e);
    else if (e)
        kca__error_keep_first(&run->failure, e);
}

/* Errors that may be over a moment later. */
static bool is_passing(rd_kafka_resp_err_t err) {
    switch (err) {
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__WAIT_COORD:
    case RD_KAFKA_RESP_ERR__WAIT_CACHE:
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
        return true;
    default:
        return false;
    }
}

static kca_error *refused(const kca__redrive_run *run, rd_kafka_resp_err_t err, const char *what) {
    switch (err) {
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        return kca__redrive_error(run, KCA_ERROR_NOT_FOUND, err, "%s: it does not exist", what);
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
        return kca__redrive_error(run, KCA_ERROR_AUTHORIZATION, err, "%s: %s", what,
                                  rd_kafka_err2str(err));
    case RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID:
    case RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION:
        return kca__redrive_error(run, KCA_ERROR_STATE, err,
                                  "%s: a consumer is in that group: choose another group_id", what);
    default:
        return kca__redrive_error(run, KCA_ERROR_BROKER, err, "%s: %s", what,
                                  rd_kafka_err2str(err));
    }
}

static kca_error *late(kca__redrive_run *run, rd_kafka_resp_err_t err, const char *what) {
    char trouble[512];
    kca__client_trouble(run->reader, trouble);
    return kca__redrive_error(
        run, KCA_ERROR_TIMEOUT, err, "%s: the cluster did not answer in time: %s%s%s%s", what,
        rd_kafka_err2str(err), *trouble ? " (" : "", trouble, *trouble ? ")" : "");
}

kca_error *kca__redrive_ask(kca__redrive_run *run, kca__question question, void *about,
                            const char *what, int64_t deadline) {
    const kca__asking asking = {.rk = run->reader->rk,
                                .deadline = deadline,
                                .closing = run->closing,
                                .slice_ms = SLICE_MS,
                                .may_pass = is_passing};
    rd_kafka_resp_err_t err;
    switch (kca__ask(&err, &asking, question, about)) {
    case KCA__ASK_ANSWERED:
        return NULL;
    case KCA__ASK_REFUSED:
        return refused(run, err, what);
    case KCA__ASK_LATE:
        return late(run, err, what);
    default:
        return kca__redrive_error(run, KCA_ERROR_STOPPED, err, "the system shuts down");
    }
}

/* ---- topics ---- */

kca_error *kca__redrive_count_partitions(kca__redrive_run *run, const char *topic, int *out) {
    char what[300];
    kca__topic_look look = {rd_kafka_topic_new(run->reader->rk, topic, NULL), 0};
    *out = 0;
    if (!look.topic)
        return kca__redrive_error(run, KCA_ERROR_BROKER, rd_kafka_last_error(), "topic %s: %s",
                                  topic, rd_kafka_err2str(rd_kafka_last_error()));
    snprintf(what, sizeof what, "topic %s", topic);
    kca_error *e = kca__redrive_ask(run, kca__ask_partitions, &look, what, run->deadline);
    rd_kafka_topic_destroy(look.topic);
    *out = look.partitions;
    return e;
}
