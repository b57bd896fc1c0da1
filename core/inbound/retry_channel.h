/*
 * Retry channels of an inbound channel adapter. A delivery that failed for the nth time, and is to
 * be tried again, is written to the nth of them by the poller, as a dead letter is, and is done
 * when the broker has it. The consumer reads them beside its own topics. There a record waits for
 * its time, which its headers tell, in librdkafka's queue, as one with delay_ms does, and then
 * comes as the next attempt of the one that failed.
 *
 * Headers may be anybody's. So a record in the nth channel has failed n times or more, whatever it
 * says, waits for a day at most, counted from when it was written, and is of a topic that the
 * consumer reads, or of the channel itself.
 */
#ifndef KCA_INBOUND_RETRY_CHANNEL_H
#define KCA_INBOUND_RETRY_CHANNEL_H

#include "dead_letter/dead_letter.h"
#include "inbound/inbound.h"

/* What the fetched record's headers tell, if it is of a retry channel; one of another group is
 * passed over. */
void kca__retry_channel_look(kca__inbound *in, kca__inbound_record *r);

/* If the letter's record is of a retry channel, what hops added is taken out of its headers, and it
 * comes from where it came from at first. */
void kca__retry_channel_trace_back(const kca__inbound *in, kca__dead_letter *letter,
                                   kca__header *headers);

/* Hands the record to its channel's publisher, without waiting; what becomes of it comes back to
 * the engine. An error: the delivery is still the caller's. */
kca_error *kca__retry_channel_write(kca__inbound *in, kca_delivery *d);

/* It is not stored. `certain`: it was refused for itself. Takes `error`; the delivery is the
 * engine's then. */
void kca__retry_channel_not_stored(const kca__inbound *in, kca_delivery *d, kca_error *error,
                                   bool certain);

/* The error for a record that its channel refuses for good. Takes `refusal`. */
kca_error *kca__retry_channel_explain(const kca__inbound *in, const kca__topic_partition *tp,
                                      int64_t offset, const char *channel, kca_error *refusal);

#endif
