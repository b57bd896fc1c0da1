#include "connection.h"

#include "diagnosis.h"
#include "error.h"
#include "option.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum {
    PROBE_SLICE_MS = 250,
    DIAGNOSIS_MS = 2000,
    CREATION_MS = 1000,
    SCRAM_FIXED = 0x020601ff,
    CHAIN_FIXED = 0x020800ff
};

kca_error *kca__connection_new(kca_connection **out, const char *name, const char *hosts) {
    *out = NULL;
    kca_connection *c = calloc(1, sizeof *c);
    if (!c)
        return kca__error_memory();
    c->certificate_fd = -1;
    c->error = kca__option_check_name("connection name", name, 100);
    if (!c->error && (!hosts || !*hosts))
        c->error = kca__error_new(
            KCA_ERROR_ARGUMENT, "connection %s: hosts must be \"host:port,...\" or \"embedded://\"",
            name);
    if (!c->error && strstr(hosts, "://") && !kca__embedded_broker_is_meant(hosts))
        c->error = kca__error_new(
            KCA_ERROR_ARGUMENT,
            "connection %s: hosts must be \"host:port,...\" or \"embedded://\", got \"%s\"", name,
            hosts);
    c->name = kca__text_copy(name ? name : "");
    c->hosts = kca__text_copy(hosts ? hosts : "");
    if (!c->name || !c->hosts) {
        kca__connection_free(c);
        return kca__error_memory();
    }
    *out = c;
    return NULL;
}

kca_error *kca__connection_copy(kca_connection **out, const kca_connection *c) {
    kca_error *e = kca__connection_new(out, c->name, c->hosts);
    if (e)
        return e;
    kca_connection *copy = *out;
    copy->tls = c->tls;
    if (!kca__text_set(&copy->tls_ca, c->tls_ca) ||
        !kca__text_set(&copy->tls_certificate, c->tls_certificate) ||
        !kca__text_set(&copy->tls_key, c->tls_key) ||
        !kca__text_set(&copy->tls_key_password, c->tls_key_password) ||
        !kca__text_set(&copy->sasl_mechanism, c->sasl_mechanism) ||
        !kca__text_set(&copy->sasl_user, c->sasl_user) ||
        !kca__text_set(&copy->sasl_password, c->sasl_password) ||
        !kca__properties_copy(&copy->properties, &c->properties)) {
        kca__connection_free(copy);
        *out = NULL;
        return kca__error_memory();
    }
    return NULL;
}

void kca__connection_free(kca_connection *c) {
    if (!c)
        return;
    kca__connection_close(c);
    char *texts[] = {c->name,           c->hosts,
                     c->tls_ca,         c->tls_certificate,
                     c->tls_key,        c->tls_key_password,
                     c->sasl_mechanism, c->sasl_user,
                     c->sasl_password};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(texts[i]);
    kca__properties_close(&c->properties);
    kca__error_free(c->error);
    free(c);
}

static bool uses_sasl(const kca_connection *c) {
    return c->sasl_mechanism || kca__properties_get(&c->properties, "sasl.mechanism") ||
           kca__properties_get(&c->properties, "sasl.mechanisms");
}

static const char *protocol(const kca_connection *c) {
    if (uses_sasl(c))
        return c->tls ? "sasl_ssl" : "sasl_plaintext";
    return c->tls ? "ssl" : "plaintext";
}

/*
 * librdkafka below 2.8.0 sends only the first certificate of PEM text, without its chain, but all
 * of a file. So text is shown to it as a file: one in memory, without a name.
 */
static kca_error *set_certificate_text(kca_connection *c, rd_kafka_conf_t *conf, const char *who) {
    if (rd_kafka_version() >= CHAIN_FIXED)
        return kca__property_apply(conf, who, "ssl.certificate.pem", c->tls_certificate);
    size_t len = strlen(c->tls_certificate);
    if (c->certificate_fd < 0) {
        c->certificate_fd = memfd_create("kca-certificate", MFD_CLOEXEC);
        if (c->certificate_fd < 0 ||
            write(c->certificate_fd, c->tls_certificate, len) != (ssize_t)len)
            return kca__error_memory();
    }
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", c->certificate_fd);
    return kca__property_apply(conf, who, "ssl.certificate.location", path);
}

static kca_error *configure_tls(kca_connection *c, rd_kafka_conf_t *conf, const char *who) {
    kca_error *e = NULL;
    if (c->tls_ca)
        e = kca__property_apply(
            conf, who, kca__tls_is_pem(c->tls_ca) ? "ssl.ca.pem" : "ssl.ca.location", c->tls_ca);
    if (!e && c->tls_certificate && kca__tls_is_pem(c->tls_certificate))
        e = set_certificate_text(c, conf, who);
    else if (!e && c->tls_certificate)
        e = kca__property_apply(conf, who, "ssl.certificate.location", c->tls_certificate);
    if (!e && c->tls_key)
        e = kca__property_apply(conf, who,
                                kca__tls_is_pem(c->tls_key) ? "ssl.key.pem" : "ssl.key.location",
                                c->tls_key);
    if (!e && c->tls_key_password)
        e = kca__property_apply(conf, who, "ssl.key.password", c->tls_key_password);
    return e;
}

static kca_error *configure_sasl(const kca_connection *c, rd_kafka_conf_t *conf, const char *who) {
    if (!c->sasl_mechanism)
        return NULL;
    kca_error *e = kca__property_apply(conf, who, "sasl.mechanisms", c->sasl_mechanism);
    if (!e)
        e = kca__property_apply(conf, who, "sasl.username", c->sasl_user);
    if (!e)
        e = kca__property_apply(conf, who, "sasl.password", c->sasl_password);
    return e;
}

kca_error *kca__connection_configure(kca_connection *c, rd_kafka_conf_t *conf, bool producer,
                                     const char *who) {
    /* librdkafka's defaults here make an outage of seconds one of a minute. */
    const char *const defaults[][2] = {
        {"bootstrap.servers", c->embedded ? kca__embedded_broker_hosts(c->embedded) : c->hosts},
        {"client.id", "kca"},
        {"reconnect.backoff.max.ms", "1000"},
        {"socket.timeout.ms", "10000"},
        {"socket.nagle.disable", "true"},
        {"security.protocol", protocol(c)},
    };
    kca_error *e = NULL;
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults && !e; i++)
        e = kca__property_apply(conf, who, defaults[i][0], defaults[i][1]);
    if (!e && c->tls)
        e = configure_tls(c, conf, who);
    if (!e)
        e = configure_sasl(c, conf, who);
    if (!e)
        e = kca__properties_apply(&c->properties, conf, producer, who);
    return e;
}

static kca__tls tls_of(const kca_connection *c) {
    return (kca__tls){c->tls, c->tls_ca, c->tls_certificate, c->tls_key, c->tls_key_password};
}

static kca_error *open_embedded(kca_connection *c, const char *const *topics, int topic_count) {
    if (c->tls || uses_sasl(c))
        return kca__error_new(KCA_ERROR_ARGUMENT,
                              "connection %s: the embedded broker speaks neither TLS nor SASL",
                              c->name);
    kca_error *e = kca__embedded_broker_open(&c->embedded, c->name);
    for (int i = 0; i < topic_count && !e; i++)
        e = kca__embedded_broker_add_topic(c->embedded, topics[i]);
    if (!e)
        kca__log_write(c->log, KCA_LOG_WARN, "connection", c->name,
                       "the embedded broker is for trying out: it keeps nothing after shutdown, "
                       "silently drops the oldest records of a partition past 5 MB or 100000 "
                       "records, finds no offsets by time, and delivers aborted transactions; "
                       "listening at %s",
                       kca__embedded_broker_hosts(c->embedded));
    return e;
}

kca_error *kca__connection_open(kca_connection *c, const char *const *topics, int topic_count) {
    if (kca__embedded_broker_is_meant(c->hosts))
        return open_embedded(c, topics, topic_count);
    if (c->sasl_mechanism && strncmp(c->sasl_mechanism, "SCRAM", 5) == 0 &&
        rd_kafka_version() < SCRAM_FIXED)
        kca__log_write(c->log, KCA_LOG_WARN, "connection", c->name,
                       "SCRAM needs librdkafka 2.6.1 or later on Kafka 4 (this is %s)",
                       rd_kafka_version_str());
    kca__tls tls = tls_of(c);
    return c->tls ? kca__tls_check(c->name, &tls) : NULL;
}

kca_error *kca__connection_client(kca__client **out, kca_connection *c, rd_kafka_conf_t *conf,
                                  const char *fingerprint, const char *who) {
    for (kca__client *client = c->clients; client; client = client->next) {
        if (strcmp(client->fingerprint, fingerprint) == 0) {
            rd_kafka_conf_destroy(conf);
            *out = client;
            return NULL;
        }
    }
    kca_error *e = kca__client_open(out, RD_KAFKA_PRODUCER, conf, c->name, who, c->log, c->queue);
    if (e)
        return e;
    (*out)->fingerprint = kca__text_copy(fingerprint);
    if (!(*out)->fingerprint) {
        kca__client_close(*out);
        *out = NULL;
        return kca__error_memory();
    }
    (*out)->next = c->clients;
    c->clients = *out;
    return NULL;
}

static const char *user_of(const kca_connection *c) {
    const char *user =
        c->sasl_user ? c->sasl_user : kca__properties_get(&c->properties, "sasl.username");
    return user ? user : "(none)";
}

static kca_error *authentication_error(const kca_connection *c, const char *trouble) {
    bool scram = c->sasl_mechanism && strncmp(c->sasl_mechanism, "SCRAM", 5) == 0;
    if (scram && rd_kafka_version() < SCRAM_FIXED)
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

/* A broker whose security protocol is the other one just hangs up; SASL adds its own kinds of
 * silence. */
static kca_error *other_error(const kca_connection *c, const char *trouble, bool timed_out) {
    kca_error *e =
        kca__error_new(timed_out ? KCA_ERROR_TIMEOUT : KCA_ERROR_UNREACHABLE,
                       "connection %s: no broker of %s answers as Kafka with %s%s%s%s", c->name,
                       c->hosts, protocol(c), *trouble ? " (" : ": check the listener's protocol",
                       trouble, *trouble ? ")" : "");
    if (e->code != KCA_ERROR_MEMORY)
        e->retriable = 1;
    return e;
}

/* One question to the cluster; NULL when it answered. */
static rd_kafka_resp_err_t ask(kca__client *client, int64_t deadline) {
    const struct rd_kafka_metadata *answer;
    int left = kca__clock_left_ms(deadline);
    int slice = left < 0 || left > 2 * PROBE_SLICE_MS ? PROBE_SLICE_MS : left / 2 + 1;
    rd_kafka_resp_err_t err = rd_kafka_metadata(client->rk, 0, NULL, &answer, slice);
    if (!err)
        rd_kafka_metadata_destroy(answer);
    return err;
}

/* Why it does not answer; sets *definite when waiting on cannot help. NULL: nothing is known yet.
 */
static kca_error *why_not(kca_connection *c, kca__client *client, int64_t deadline,
                          bool *definite) {
    char trouble[512];
    int code = kca__client_trouble(client, trouble);
    *definite = code == RD_KAFKA_RESP_ERR__AUTHENTICATION;
    if (*definite)
        return authentication_error(c, trouble);
    kca__tls tls = tls_of(c);
    int left = kca__clock_left_ms(deadline);
    kca__diagnosis found = kca__diagnose(c->name, c->hosts, &tls,
                                         left < 0 || left > DIAGNOSIS_MS ? DIAGNOSIS_MS : left);
    *definite = found.definite;
    if (!found.error && code)
        return other_error(c, trouble, false);
    return found.error;
}

/* Without publishers, a client of the connection's own asks. */
static kca_error *need_client(kca_connection *c) {
    if (c->clients)
        return NULL;
    char *who = kca__text_format("connection %s", c->name);
    if (!who)
        return kca__error_memory();
    kca__client *client;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    kca_error *e = kca__connection_configure(c, conf, true, who);
    if (e)
        rd_kafka_conf_destroy(conf);
    else
        e = kca__connection_client(&client, c, conf, "", who);
    free(who);
    return e;
}

kca_error *kca__connection_reach(kca_connection *c, int64_t deadline) {
    kca_error *reason = need_client(c);
    if (reason)
        return reason;
    kca__client *client = c->clients;
    bool definite = false;
    while (!definite) {
        if (ask(client, deadline) == RD_KAFKA_RESP_ERR_NO_ERROR) {
            kca__error_free(reason);
            kca__client_forget_trouble(client);
            return NULL;
        }
        kca__error_free(reason);
        reason = why_not(c, client, deadline, &definite);
        if (kca__clock_left_ms(deadline) == 0)
            break;
    }
    return reason ? reason : other_error(c, "", true);
}

/* One look at the topic; its partitions, or 0 with what is in the way. */
static int ask_partitions(kca_connection *c, rd_kafka_topic_t *topic, int timeout_ms,
                          rd_kafka_resp_err_t *err) {
    const struct rd_kafka_metadata *answer;
    *err = rd_kafka_metadata(c->clients->rk, 0, topic, &answer, timeout_ms);
    if (*err)
        return 0;
    *err = answer->topics[0].err;
    int count = *err ? 0 : answer->topics[0].partition_cnt;
    rd_kafka_metadata_destroy(answer);
    return count;
}

/* The number of the topic's partitions; 0: it does not exist. A broker that creates it on demand
 * takes a moment. */
static int count_partitions(kca_connection *c, const char *topic, int64_t deadline) {
    const struct timespec pause = {0, 20000000};
    int64_t patience = kca__clock_deadline(CREATION_MS);
    rd_kafka_topic_t *handle = rd_kafka_topic_new(c->clients->rk, topic, NULL);
    int count = 0, left = 1;
    while (handle && count == 0 && left != 0) {
        rd_kafka_resp_err_t err;
        left = kca__clock_left_ms(patience < deadline ? patience : deadline);
        count = ask_partitions(c, handle, left, &err);
        if (err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
            break;
        if (count == 0)
            nanosleep(&pause, NULL);
    }
    if (handle)
        rd_kafka_topic_destroy(handle);
    return count;
}

kca_error *kca__connection_look_for(kca_connection *c, const char *consumer, const char *topic,
                                    int partition, int64_t deadline) {
    int count = count_partitions(c, topic, deadline);
    if (count == 0)
        kca__log_write(c->log, KCA_LOG_WARN, "consumer", consumer,
                       "topic %s does not exist yet, or may not be seen", topic);
    if (count > 0 && partition >= count)
        return kca__error_new(
            KCA_ERROR_NOT_FOUND,
            "consumer %s: topic %s has partitions 0 to %d, there is no partition %d", consumer,
            topic, count - 1, partition);
    return NULL;
}

void kca__connection_close(kca_connection *c) {
    while (c->clients) {
        kca__client *client = c->clients;
        c->clients = client->next;
        kca__client_close(client);
    }
    kca__embedded_broker_close(c->embedded);
    c->embedded = NULL;
    if (c->certificate_fd >= 0)
        close(c->certificate_fd);
    c->certificate_fd = -1;
}
