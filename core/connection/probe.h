/* Probe: asks the cluster through a client, and looks at the broker that librdkafka complained of,
 * to tell trouble that lasts from trouble that has passed. */
#ifndef KCA_CONNECTION_PROBE_H
#define KCA_CONNECTION_PROBE_H

#include <stdatomic.h>

#include "base/state.h"
#include "kafka/client.h"

typedef struct kca__probing {
    kca_connection *connection;
    kca__client *client;
    const char *told;           /* librdkafka's last complaint; "": none */
    const atomic_bool *closing; /* ends the probe soon: its result does not count then */
} kca__probing;

/* True: all is well. Takes some seconds when it is not. */
bool kca__probe(kca__trouble *out, const kca__probing *p);

#endif
