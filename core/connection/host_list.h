/* The hosts of a connection: "host:port,host:port", IPv6 as "[::1]:9092"; a missing port is 9092.
 */
#ifndef KCA_CONNECTION_HOST_LIST_H
#define KCA_CONNECTION_HOST_LIST_H

#include "kca.h"

enum { KCA__HOST_NAME = 256 };

typedef struct kca__host {
    char name[KCA__HOST_NAME]; /* without brackets */
    char port[6];
    char text[KCA__HOST_NAME + 10]; /* "host:port" for people */
} kca__host;

/* An array of at least one host, freed with free(). Errors begin with "connection NAME: ". */
kca_error *kca__host_list_new(kca__host **out, int *count, const char *connection,
                              const char *hosts);

#endif
