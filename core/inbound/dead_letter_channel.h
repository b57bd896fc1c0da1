/* Dead letters of an inbound channel adapter, written to their channel's publisher by its poller.
 */
#ifndef KCA_INBOUND_DEAD_LETTER_CHANNEL_H
#define KCA_INBOUND_DEAD_LETTER_CHANNEL_H

#include "inbound/inbound.h"

/* Hands the condemned deliveries to the publisher, without waiting; what became of each comes back
 * to the engine on the publisher's thread. */
void kca__dead_letter_channel_send(kca__inbound *in);

#endif
