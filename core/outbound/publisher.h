/*
 * Outbound channel adapter: a publisher while its system is started.
 *
 * message -> translator -> slot of the in_flight -> librdkafka -> delivery report -> receipt.
 * Payload and key are copied once, by librdkafka; the headers' values point into the message until
 * then.
 */
#ifndef KCA_OUTBOUND_PUBLISHER_H
#define KCA_OUTBOUND_PUBLISHER_H

#include <librdkafka/rdkafka.h>

#include "message/held_record.h"
#include "message/translator.h"
#include "outbound/producer.h"
#include "outbound/publisher_builder.h"

typedef struct kca__publisher {
    kca_publisher_builder *options;
    kca_connection *connection; /* the system's copy */
    kca__log *log;
    kca__in_flight *in_flight;
    char *properties; /* effective librdkafka settings, for describe; NULL before the first start */

    /* while started */
    kca__producer *producer; /* shared with others of equal settings */
    rd_kafka_topic_t *topic;
} kca__publisher;

/* Takes `options`. */
kca_error *kca__publisher_new(kca__publisher **out, kca_publisher_builder *options,
                              kca_connection *connection, kca__log *log);
void kca__publisher_free(kca__publisher *p);

kca_error *kca__publisher_open(kca__publisher *p, kca__producers *all);

/* Accepts nothing more, waits for answers until the deadline, and gives how many messages were
 * left: those are dropped and get failed receipts. */
int kca__publisher_close(kca__publisher *p, int64_t deadline);

/* See kca_bus_publish. `type` is the bus' own. */
kca_error *kca__publisher_publish(kca__publisher *p, const kca_message *m, int type,
                                  uint64_t token);

/* Writes a record as it stands, without waiting for anything: NULL, and `fn(user, error)` is called
 * once when it is answered; or an error, KCA_ERROR_BUFFER_FULL when there is no room. */
kca_error *kca__publisher_write(kca__publisher *p, const kca__record *r, kca__written_fn fn,
                                void *user);

/* The record of a message, kept to be written later; it continues the trace of `cause` unless it
 * has one. */
kca_error *kca__publisher_hold(kca__held_record **out, const kca__publisher *p,
                               const kca_message *m, int type, const kca_message *cause);

/* The error of a record that is larger than it takes. */
kca_error *kca__publisher_too_large(const kca__publisher *p, size_t bytes);

/* Gives the number still unanswered when the deadline is over. */
int kca__publisher_flush(kca__publisher *p, int64_t deadline);

/* Gives librdkafka the messages of deferred slots. On the producer's service thread. */
void kca__publisher_produce_deferred(kca__producer *producer, kca__list *slots);

/* librdkafka refuses a message whose publish has returned. Takes `error`. */
void kca__publisher_report_refusal(kca__producer *producer, kca__slot *slot, kca_error *error);

/* Turns a delivery report event into receipts. */
void kca__publisher_take_reports(kca__producer *producer, rd_kafka_event_t *event);

#endif
