/*
 * Dead letters and other letters of an inbound channel adapter: a dead letter is written to its
 * channel's publisher by the poller, and so are replies (replies.h), and what is retried by way of
 * a channel (retry_channel.h).
 *
 * One that is not stored for a reason that passes is written again and again. One that is refused
 * for good (kca__error_refusal) is, when that may be the fault of the records it was sent with,
 * written alone; when it is too large, written trimmed; and else the failure policy decides.
 */
#ifndef KCA_INBOUND_DEAD_LETTER_CHANNEL_H
#define KCA_INBOUND_DEAD_LETTER_CHANNEL_H

#include "dead_letter/dead_letter.h"
#include "inbound/inbound.h"

/* Hands the condemned deliveries to the publishers of their letters, without waiting; what became
 * of each comes back to the engine on the publisher's thread. True: there may be more, for the next
 * call. */
bool kca__dead_letter_channel_send(kca__inbound *in);

/* The dead letter of a delivery, whose record's headers these are; some may be taken out. All of it
 * is borrowed. */
kca__dead_letter kca__dead_letter_channel_letter(const kca__inbound *in, const kca_delivery *d,
                                                 kca__header *headers, int header_count);

/* The error for a letter that is refused for good: which record it is of, why that was given up,
 * and why that cannot be told in a dead letter. Takes `refusal`. */
kca_error *kca__dead_letter_channel_explain(const kca__inbound *in, const kca__topic_partition *tp,
                                            int64_t offset, const kca__held_letter *letter,
                                            kca_error *refusal);

/* No more are written. Those that are under way alone, and not answered by the deadline, have
 * failed. */
void kca__dead_letter_channel_close(kca__inbound *in, int64_t deadline);

#endif
