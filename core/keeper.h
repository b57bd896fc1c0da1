/* Keeper: the thread of an inbound channel adapter that polls librdkafka without pause, and in the
 * end leaves the group. */
#ifndef KCA_CORE_KEEPER_H
#define KCA_CORE_KEEPER_H

#include "inbound_channel_adapter.h"

/* The thread's function; its argument is the adapter. Ends when the adapter is stopped and drained.
 */
void *kca__keeper(void *adapter);

/* How long to wait for the broker's answer to a commit or to leaving the group. */
int kca__keeper_patience_ms(kca__inbound *in);

/* `end`, or the deadline of a stop that came meanwhile and wants it sooner. */
int64_t kca__keeper_sooner_stop(kca__inbound *in, int64_t end);

#endif
