/*
 * Connection: a cluster and how to reach it.
 *
 * The application's object is a declaration. The system keeps a copy, which also holds the embedded
 * broker while the system is started.
 */
#ifndef KCA_CONNECTION_CONNECTION_H
#define KCA_CONNECTION_CONNECTION_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>

#include "base/option_table.h"
#include "connection/embedded_broker.h"
#include "connection/known_brokers.h"
#include "connection/tls.h"
#include "connection/watch.h"
#include "kafka/client.h"
#include "kafka/property.h"

/* The options are the rows of kca__connection_options. */
struct kca_connection {
    char *name;
    char *hosts;
    int tls;
    char *tls_ca;
    char *tls_certificate;
    char *tls_key;
    char *tls_key_password;
    const char *sasl_mechanism; /* NULL: no SASL, or by with_property */
    char *sasl_user;
    char *sasl_password;
    int unencrypted_sasl;
    int fault_after_ms;
    kca__properties properties;
    kca_error *error;

    /* of the system's copy, while started */
    kca__log *log;
    kca__event_queue *queue;
    kca__watch *watch;
    kca__watched watched; /* its producers' clients */
    kca__known_brokers known_brokers;
    kca__embedded_broker *embedded;
    int certificate_fd; /* PEM text shown to librdkafka as a file; -1: none */
};

extern const kca__option kca__connection_options[];

kca_error *kca__connection_new(kca_connection **out, const char *name, const char *hosts);
kca_error *kca__connection_copy(kca_connection **out, const kca_connection *c);
void kca__connection_free(kca_connection *c);

/* Sets the connection's properties in `conf`; `who` begins error texts. */
kca_error *kca__connection_configure(kca_connection *c, rd_kafka_conf_t *conf, bool producer,
                                     const char *who);

bool kca__connection_uses_sasl(const kca_connection *c);
kca__tls kca__connection_tls(const kca_connection *c);

/* security.protocol */
const char *kca__connection_protocol(const kca_connection *c);

/* Checks security and the TLS files, says what is weak, and starts the embedded broker if the hosts
 * are "embedded://". */
kca_error *kca__connection_open(kca_connection *c);

/* Asks the cluster something through this client of it, until it answers or the deadline is over;
 * the error says why it cannot be reached. */
kca_error *kca__connection_reach(kca_connection *c, kca__client *client, int64_t deadline);

/* Why the cluster does not answer this client now; looks until the deadline at most. */
kca_error *kca__connection_why_not(kca_connection *c, kca__client *client, int64_t deadline);

/* Whether the consumer's topic exists, and its one partition (-1: none is named). A topic that does
 * not exist is only a warning: it may come. Brokers that create topics on demand create it now. */
kca_error *kca__connection_look_for(const kca_connection *c, kca__client *client,
                                    const char *consumer, const char *topic, int partition,
                                    int64_t deadline);

/* Its state is kept by `w` from now on, which must outlive it. */
void kca__connection_be_watched(kca_connection *c, kca__watch *w);

/* Ends the embedded broker; the connection's clients must be closed before. */
void kca__connection_close(kca_connection *c);

#endif
