/*
 * A client is well if the cluster answers it, and if the broker that librdkafka complained of can
 * be reached, or is no part of the cluster any more. So a cluster whose first hosts answer, but
 * which advertises an address that leads nowhere, is found. The group's coordinator is not asked:
 * while a member waits for the others, its broker answers nothing else on that connection, and
 * librdkafka's own admin requests may abort the process when they time out (seen in 2.16.1).
 */
#include "connection/probe.h"

#include "base/clock.h"
#include "base/error.h"
#include "connection/broker_text.h"
#include "connection/connection.h"
#include "connection/diagnosis.h"
#include "connection/host_list.h"
#include "connection/security.h"
#include "kafka/ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ASK_MS = 1500, SLICE_MS = 250, DIAGNOSIS_MS = 1500, MOST_LOOKS = 10 };

static const char ADVERTISED[] =
    "; the cluster advertises this address: check advertised.listeners";

static bool may_pass(rd_kafka_resp_err_t err) {
    return err != RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t ask_brokers(rd_kafka_t *rk, void *about, int timeout_ms) {
    return rd_kafka_metadata(rk, 0, NULL, about, timeout_ms);
}

/* The error begins with the connection's name, which the trouble's reader knows. */
static void take_reason(kca__trouble *out, const kca_connection *c, kca_error *e,
                        const char *also) {
    char prefix[120];
    int length = snprintf(prefix, sizeof prefix, "connection %s: ", c->name);
    bool named = strncmp(e->text, prefix, (size_t)length) == 0;
    out->code = e->code;
    snprintf(out->reason, sizeof out->reason, "%s%s", e->text + (named ? length : 0), also);
    kca__error_free(e);
}

static bool is_a_host(const kca_connection *c, const char *address) {
    kca__host *hosts = NULL;
    int count = 0;
    kca__error_free(kca__host_list_new(&hosts, &count, c->name, c->hosts));
    bool found = false;
    for (int i = 0; i < count; i++)
        found |= strcmp(hosts[i].text, address) == 0;
    free(hosts);
    return found;
}

/* The broker there cannot be reached. */
static bool address_fails(kca__trouble *out, const kca__probing *p, const char *address,
                          const char *also) {
    kca_connection *c = p->connection;
    if (c->embedded || kca__security_is_lenient(c))
        return false;
    kca__tls tls = kca__connection_tls(c);
    kca__diagnosis found = kca__diagnose(c->name, address, &tls, DIAGNOSIS_MS);
    if (!found.error)
        return false;
    take_reason(out, c, found.error, is_a_host(c, address) ? "" : also);
    if (address != out->address)
        snprintf(out->address, sizeof out->address, "%s", address);
    return true;
}

/* A broker of the cluster cannot be reached, though others can: the one that was complained of, or
 * any, if none was named. */
static bool broker_fails(kca__trouble *out, const kca__probing *p, const kca__broker_text *told) {
    kca__known_broker *all;
    int count = kca__known_brokers_look(&p->connection->known_brokers, &all);
    bool fails = false;
    int looks = 0;
    for (int i = 0; i < count && looks < MOST_LOOKS && !fails && !atomic_load(p->closing); i++) {
        if (*told->address && strcmp(told->address, all[i].address) != 0)
            continue;
        looks++;
        fails = address_fails(out, p, all[i].address, ADVERTISED);
        if (fails)
            out->broker = all[i].id;
    }
    free(all);
    return fails;
}

/* librdkafka asks the first hosts no more once it knows the cluster's own addresses: they may
 * answer all the same. */
static const char *blame_address(const kca__probing *p) {
    kca_connection *c = p->connection;
    kca__tls tls = kca__connection_tls(c);
    kca__diagnosis hosts = kca__diagnose(c->name, c->hosts, &tls, DIAGNOSIS_MS);
    bool answer = !hosts.error;
    kca__error_free(hosts.error);
    return answer ? ADVERTISED : "";
}

static void explain_cluster(kca__trouble *out, const kca__probing *p) {
    if (*out->address && address_fails(out, p, out->address, blame_address(p)))
        return;
    if (!*out->address && broker_fails(out, p, &(kca__broker_text){0}))
        return;
    kca_error *e =
        kca__connection_why_not(p->connection, p->client, kca__clock_deadline(DIAGNOSIS_MS));
    out->coordinator = false;
    take_reason(out, p->connection, e, "");
}

bool kca__probe(kca__trouble *out, const kca__probing *p) {
    const struct rd_kafka_metadata *m = NULL;
    kca__broker_text told;
    kca__broker_text_read(&told, p->told);
    *out = (kca__trouble){.broker = -1, .coordinator = told.coordinator};
    memcpy(out->address, told.address, sizeof out->address);
    rd_kafka_resp_err_t err;
    const kca__asking a = {.rk = p->client->rk,
                           .deadline = kca__clock_deadline(ASK_MS),
                           .closing = p->closing,
                           .slice_ms = SLICE_MS,
                           .may_pass = may_pass};
    kca__ask(&err, &a, ask_brokers, &m);
    if (err) {
        explain_cluster(out, p);
        return false;
    }
    kca__known_brokers_take(&p->connection->known_brokers, m);
    rd_kafka_metadata_destroy(m);
    return !broker_fails(out, p, &told);
}
