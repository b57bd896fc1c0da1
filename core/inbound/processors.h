/* Processors: the threads of the callback form. They live inside kca__processors_run only. */
#ifndef KCA_INBOUND_PROCESSORS_H
#define KCA_INBOUND_PROCESSORS_H

#include "inbound/consumer.h"

/* Takes, handles and settles on `count` threads, this one among them, until the adapter stops. */
kca_error *kca__processors_run(const kca__consumer *c, kca__inbound *in, int count);

#endif
