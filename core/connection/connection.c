#include "connection/connection.h"

#include "base/error.h"
#include "base/option.h"
#include "base/text.h"
#include "connection/security.h"
#include "kafka/option_properties.h"
#include "kafka/quirks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

kca_error *kca__connection_new(kca_connection **out, const char *name, const char *hosts) {
    *out = NULL;
    kca_connection *c = calloc(1, sizeof *c);
    if (!c)
        return kca__error_memory();
    kca__options_init(kca__connection_options, c);
    kca__known_brokers_init(&c->known_brokers);
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
    if (c->error) {
        kca_error *e = kca__error_copy(c->error);
        kca__connection_free(c);
        return e;
    }
    *out = c;
    return NULL;
}

kca_error *kca__connection_copy(kca_connection **out, const kca_connection *c) {
    kca_error *e = kca__connection_new(out, c->name, c->hosts);
    if (e || (kca__options_copy(kca__connection_options, *out, c) &&
              kca__properties_copy(&(*out)->properties, &c->properties)))
        return e;
    kca__connection_free(*out);
    *out = NULL;
    return kca__error_memory();
}

void kca__connection_free(kca_connection *c) {
    if (!c)
        return;
    kca__connection_close(c);
    free(c->name);
    free(c->hosts);
    kca__options_close(kca__connection_options, c);
    kca__properties_close(&c->properties);
    kca__known_brokers_close(&c->known_brokers);
    kca__error_free(c->error);
    free(c);
}

bool kca__connection_uses_sasl(const kca_connection *c) {
    return c->sasl_mechanism || kca__properties_get(&c->properties, "sasl.mechanism") ||
           kca__properties_get(&c->properties, "sasl.mechanisms");
}

const char *kca__connection_protocol(const kca_connection *c) {
    if (kca__connection_uses_sasl(c))
        return c->tls ? "sasl_ssl" : "sasl_plaintext";
    return c->tls ? "ssl" : "plaintext";
}

/* A librdkafka that does not send the chain of a certificate given as text is given the text as a
 * file, in memory and without a name. */
static kca_error *set_certificate_text(kca_connection *c, rd_kafka_conf_t *conf, const char *who) {
    if (!kca__has_quirk(KCA__QUIRK_CHAIN_NOT_SENT))
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

kca_error *kca__connection_configure(kca_connection *c, rd_kafka_conf_t *conf, bool producer,
                                     const char *who) {
    /* With librdkafka's defaults for these, an outage of seconds lasts a minute. */
    const char *const defaults[][2] = {
        {"bootstrap.servers", c->embedded ? kca__embedded_broker_hosts(c->embedded) : c->hosts},
        {"client.id", c->name},
        {"reconnect.backoff.max.ms", "1000"},
        {"socket.timeout.ms", "10000"},
        {"socket.nagle.disable", "true"}, /* see KCA__QUIRK_NAGLE */
        {"security.protocol", kca__connection_protocol(c)},
    };
    kca_error *e = kca__property_apply_all(conf, who, defaults, sizeof defaults / sizeof *defaults);
    if (!e && c->tls)
        e = configure_tls(c, conf, who);
    if (!e)
        e = kca__options_apply(kca__connection_options, c, conf, who);
    if (!e)
        e = kca__properties_apply(&c->properties, conf, producer, who);
    return e;
}

kca__tls kca__connection_tls(const kca_connection *c) {
    return (kca__tls){c->tls, c->tls_ca, c->tls_certificate, c->tls_key, c->tls_key_password};
}

static kca_error *open_embedded(kca_connection *c) {
    if (c->tls || kca__connection_uses_sasl(c))
        return kca__error_new(KCA_ERROR_ARGUMENT,
                              "connection %s: the embedded broker speaks neither TLS nor SASL",
                              c->name);
    kca_error *e = kca__embedded_broker_open(&c->embedded, c->name);
    if (!e)
        kca__log_write(c->log, KCA_LOG_WARN, "connection", c->name,
                       "the embedded broker is for trying out: it keeps nothing after shutdown, "
                       "silently drops the oldest records of a partition past 5 MB or 100000 "
                       "records, cannot find offsets by time, and delivers aborted transactions; "
                       "listening at %s",
                       kca__embedded_broker_hosts(c->embedded));
    return e;
}

static void warn_of_weaknesses(const kca_connection *c) {
    const char *texts[KCA__MOST_WEAKNESSES];
    int count = kca__security_weaknesses(texts, c);
    for (int i = 0; i < count; i++)
        kca__log_write(c->log, KCA_LOG_WARN, "connection", c->name, "%s", texts[i]);
}

kca_error *kca__connection_open(kca_connection *c) {
    if (kca__embedded_broker_is_meant(c->hosts))
        return open_embedded(c);
    kca_error *e = kca__security_check(c);
    if (e)
        return e;
    warn_of_weaknesses(c);
    if (c->sasl_mechanism && strncmp(c->sasl_mechanism, "SCRAM", 5) == 0 &&
        kca__has_quirk(KCA__QUIRK_SCRAM_NONCE))
        kca__log_write(c->log, KCA_LOG_WARN, "connection", c->name,
                       "SCRAM needs librdkafka 2.6.1 or later on Kafka 4 (this is %s)",
                       rd_kafka_version_str());
    kca__tls tls = kca__connection_tls(c);
    return c->tls ? kca__tls_check(c->name, &tls) : NULL;
}

static void tell(void *connection, kca_event *e) {
    kca_connection *c = connection;
    kca__event_queue_push_note(c->queue, e);
}

void kca__connection_be_watched(kca_connection *c, kca__watch *w) {
    c->watch = w;
    c->watched = (kca__watched){.kind = "connection",
                                .name = c->name,
                                .connection = c,
                                .well = KCA_STATE_CONNECTED,
                                .owner = c,
                                .tell = tell};
}

void kca__connection_close(kca_connection *c) {
    kca__embedded_broker_close(c->embedded);
    c->embedded = NULL;
    if (c->certificate_fd >= 0)
        close(c->certificate_fd);
    c->certificate_fd = -1;
}
