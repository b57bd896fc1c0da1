/*
 * Outbound channel adapter: a publisher while its system is started.
 *
 * message -> translator -> slot of the in_flight -> librdkafka -> delivery report -> receipt.
 * Payload and key are copied once, by librdkafka; until then the headers' values point into the
 * message.
 */
#ifndef KCA_OUTBOUND_PUBLISHER_H
#define KCA_OUTBOUND_PUBLISHER_H

#include <librdkafka/rdkafka.h>
#include <stdatomic.h>

#include "message/held_record.h"
#include "message/hooks.h"
#include "message/own_translator.h"
#include "message/translator.h"
#include "outbound/producer.h"
#include "outbound/publisher_builder.h"
#include "telemetry/exporter.h"

typedef struct kca__publisher {
    kca_publisher_builder *options;
    kca_connection *connection; /* the system's copy */
    kca__log *log;
    kca__in_flight *in_flight;
    const kca__hooks *hooks;                 /* the system's; NULL: none */
    const kca__own_translators *translators; /* likewise */
    char *properties; /* effective librdkafka settings, for describe; NULL before the first start */
    kca__exporter *_Atomic exporter; /* NULL: none. Set by start, when the client's id is there */
    kca__client_id client_id;        /* the same at each start */
    bool has_warned;                 /* that nobody confirms */
    kca__dialect dialect;

    /* while started */
    const kca__own_translator *_Atomic own_translator; /* NULL: none */
    kca__producer *producer;                           /* shared with others of equal settings */
    rd_kafka_topic_t *topic;
    atomic_int partitions;      /* that the topic is known to have; 0: not known yet */
    _Atomic(int64_t) no_ask_ms; /* until then the cluster is not asked for them again */
} kca__publisher;

/* Takes `options`. */
kca_error *kca__publisher_new(kca__publisher **out, kca_publisher_builder *options,
                              kca_connection *connection, kca__log *log);
void kca__publisher_free(kca__publisher *p);

kca_error *kca__publisher_open(kca__publisher *p, kca__producers *all);

/* Accepts nothing more and waits for answers until the deadline. Gives how many messages were left
 * then: they are dropped and get failed receipts. */
int kca__publisher_close(kca__publisher *p, int64_t deadline);

/* A timeout_ms: as long as the publisher's options say. */
enum { KCA__PUBLISHER_OWN_LIMIT = -2 };

/* See kca_bus_publish and kca_bus_publish_within. `type` is the bus' own. `out`, where it is not
 * NULL, gets the receipt if the publisher is not async; it is left alone otherwise. */
kca_error *kca__publisher_publish(kca_event **out, kca__publisher *p, const kca_message *m,
                                  int type, uint64_t token, int timeout_ms);

/* The same without hooks. */
kca_error *kca__publisher_put(kca_event **out, kca__publisher *p, const kca_message *m, int type,
                              uint64_t token, int timeout_ms);

/* Publishes without hooks, and does not wait for the answer, whether the publisher is async or not.
 * NULL: `fn(user, error)` is called once, when the broker has answered. */
kca_error *kca__publisher_send(kca__publisher *p, const kca_message *m, int type,
                               kca__written_fn fn, void *user);

/* Writes a record unchanged, without waiting; `partition` -1: the key chooses. NULL: `fn(user,
 * error)` is called once, when the record is answered; else an error, KCA_ERROR_BUFFER_FULL when
 * there is no room. */
kca_error *kca__publisher_write(kca__publisher *p, const kca__record *r, int partition,
                                kca__written_fn fn, void *user);

/* The same, to another topic; NULL: its own. */
kca_error *kca__publisher_write_to(kca__publisher *p, const char *topic, const kca__record *r,
                                   int partition, kca__written_fn fn, void *user);

/* The record of a message, to be written later; it goes on with this context unless the message has
 * one of its own. */
kca_error *kca__publisher_hold(kca__held_record **out, kca__publisher *p, const kca_message *m,
                               int type, const kca__trace_context *context);

/* The record of a message as the channel's dialect makes it, as a raw message. */
kca_error *kca__publisher_record(kca_message **out, const kca__publisher *p, const kca_message *m,
                                 int type, const kca__trace_context *context);

/* An error for a record, of `bytes` as kca__record_size has them, that is larger than the publisher
 * takes. */
kca_error *kca__publisher_check_size(const kca__publisher *p, size_t bytes);

/* An error when the topic has no such partition; -1 is none. It may ask the cluster, for a second
 * at most; when that does not answer, librdkafka refuses the record later. For visitors of
 * in_flight.
 */
kca_error *kca__publisher_check_partition(kca__publisher *p, int partition);

/* The error for a record to a partition of which librdkafka knows nothing. */
kca_error *kca__publisher_no_partition(const char *topic, int partition);

/* The error for a record that the broker refused for itself. */
kca_error *kca__publisher_refusal(const kca__publisher *p, size_t bytes, rd_kafka_resp_err_t err);

/* Waits for answers until the deadline; gives how many messages are still unanswered then. */
int kca__publisher_flush(kca__publisher *p, int64_t deadline);

/* Gives librdkafka the messages of deferred slots. On the producer's service thread. */
void kca__publisher_produce_deferred(kca__producer *producer, kca__list *slots);

/* Reports that librdkafka refused a message whose publish has already returned. Takes `error`. */
void kca__publisher_report_refusal(kca__producer *producer, kca__slot *slot, kca_error *error);

/* Turns a delivery report event into receipts. */
void kca__publisher_take_reports(kca__producer *producer, rd_kafka_event_t *event);

#endif
