/* What own translators make of a consumer's records. */
#ifndef KCA_INBOUND_TRANSLATION_H
#define KCA_INBOUND_TRANSLATION_H

#include "inbound/inbound.h"

/* Has the message of a delivery, which is read, made by its channel's translator, if there is one.
 * `out_verdict`: KCA_DONE, or why it cannot be had, which is explained. False: memory is out. */
bool kca__translation_read(int *out_verdict, kca__inbound *in, kca_delivery *d);

/* The same with a message that is only looked at. False: it cannot be had. */
bool kca__translation_look(const kca__inbound *in, const rd_kafka_message_t *m, kca_message *read);

/* A copy of the record as a raw message. */
kca_error *kca__translation_record(kca_message **out, const rd_kafka_message_t *m);

/* See kca_delivery_translate. */
kca_error *kca__translation_give(kca_delivery *d, const kca_message *m);

#endif
