/* A server on loopback to diagnose, as good or as bad as the test wants it. It serves one client at
 * a time. */
#ifndef KCA_TESTS_FAKE_SERVER_H
#define KCA_TESTS_FAKE_SERVER_H

#include "certificates.h"

typedef enum fake_manner {
    FAKE_BROKER, /* answers ApiVersions, closes on anything else */
    FAKE_WEB,    /* answers as HTTP servers do */
    FAKE_SILENT, /* says nothing, in TLS after the handshake */
    FAKE_CLOSING /* closes, in TLS after the handshake */
} fake_manner;

typedef struct fake_wish {
    fake_manner manner;
    const identity *tls;          /* NULL: plain */
    const identity *intermediate; /* sent after the certificate */
    const identity *client_ca;    /* requires client certificates that it signed */
    int tls_version;              /* the only one, TLS1_2_VERSION ...; 0: any */
    bool closes_on_plain;         /* without an alert, as Java does */
    bool ipv6;
    char *asked_name; /* room for 100: the server name that the last client asked for */
} fake_wish;

typedef struct fake_server fake_server;

/* NULL when IPv6 was wished for and the machine has none. */
fake_server *fake_server_start(fake_wish wish);
void fake_server_stop(fake_server *s);
int fake_server_port(const fake_server *s);

/* A port of 127.0.0.1 where nobody listens. */
int closed_port(void);

#endif
