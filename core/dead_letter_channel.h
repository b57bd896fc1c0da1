/* Dead letters of an inbound channel adapter, written to their channel's publisher by its keeper.
 */
#ifndef KCA_CORE_DEAD_LETTER_CHANNEL_H
#define KCA_CORE_DEAD_LETTER_CHANNEL_H

#include "inbound_channel_adapter.h"

/* Hands the condemned deliveries to the publisher, without waiting; what became of each comes back
 * to the engine on the publisher's thread. */
void kca__dead_letter_channel_send(kca__inbound *in);

#endif
