/* Poller: the thread of an inbound channel adapter that polls librdkafka without pause, and in the
 * end leaves the group. */
#ifndef KCA_INBOUND_POLLER_H
#define KCA_INBOUND_POLLER_H

#include "inbound/inbound.h"

/* The thread's function; its argument is the adapter. Ends when the adapter is stopped and drained.
 */
void *kca__poller_run(void *adapter);

/* How long to wait for the broker's answer to a commit or to leaving the group. */
int kca__inbound_close_timeout_ms(kca__inbound *in);

/* `end`, or the deadline of a stop that came meanwhile and wants it sooner. */
int64_t kca__inbound_clip_deadline(kca__inbound *in, int64_t end);

#endif
