/* Asks a server for the versions of Kafka's requests, which every broker answers before anything
 * else. */
#ifndef KCA_CONNECTION_KAFKA_GREETING_H
#define KCA_CONNECTION_KAFKA_GREETING_H

#include "connection/link.h"

typedef enum kca__greeting {
    KCA__GREETING_KAFKA, /* a broker's answer */
    KCA__GREETING_TLS,   /* a plain link, and a TLS record came back */
    KCA__GREETING_OTHER, /* something else came back */
    KCA__GREETING_NONE   /* no answer; the link's state says why */
} kca__greeting;

kca__greeting kca__kafka_greet(kca__link *l);

#endif
