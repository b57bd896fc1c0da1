/* Records, and errors that come instead of records, from librdkafka. */
#ifndef KCA_INBOUND_FETCH_H
#define KCA_INBOUND_FETCH_H

#include "inbound/inbound.h"

/* Up to `max` records from the fetch queue; waits for the first. By one thread at a time. */
int kca__fetch(kca__inbound *in, kca__inbound_record *out, int max, int timeout_ms);

/* librdkafka fetches at once, not when its threads next wake; for those that need it. */
void kca__fetch_nudge(kca__inbound *in);

/* An error that came instead of a record. It is never handed out as an empty delivery. */
void kca__fetch_take_error(kca__inbound *in, const rd_kafka_message_t *m);

#endif
