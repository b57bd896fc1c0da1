/* Why a cluster cannot be reached: looks at each host as a person with telnet and openssl s_client
 * would. */
#ifndef KCA_CONNECTION_DIAGNOSIS_H
#define KCA_CONNECTION_DIAGNOSIS_H

#include "connection/tls.h"

typedef struct kca__diagnosis {
    kca_error *error; /* NULL: nothing wrong found up to and including TLS; the caller owns it */
    bool definite;    /* waiting longer cannot help (certificates, protocol); it can while a host is
                         not    up yet */
} kca__diagnosis;

/*
 * Tries the hosts ("host:port,host") one by one until one is fine, within `timeout_ms`: resolves,
 * connects, and
 * - with tls->enabled: shakes hands and verifies as librdkafka would (chain and host name);
 * - without: asks for ApiVersions and sees whether a TLS server answers.
 * The error is of the first host with a definite cause, else of the last one; it begins with
 * "connection NAME: ".
 */
kca__diagnosis kca__diagnose(const char *connection, const char *hosts, const kca__tls *tls,
                             int timeout_ms);

#endif
