/* The options of a connection. with_tls and with_sasl set several each. */
#include "connection/connection.h"

#include <stddef.h>

#define OPTION(option) .field = offsetof(kca_connection, option)

static const char *const mechanisms[] = {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", NULL};

const kca__option kca__connection_options[] = {
    {.name = "tls", OPTION(tls), .kind = KCA__OPTION_FLAG, .document = "WithTlsConfig"},
    {.name = "TLS authority",
     OPTION(tls_ca),
     .kind = KCA__OPTION_TEXT,
     .stands_for = "ssl.ca.location ssl.ca.pem",
     .instead = "with_tls"},
    {.name = "TLS certificate",
     OPTION(tls_certificate),
     .kind = KCA__OPTION_TEXT,
     .stands_for = "ssl.certificate.location ssl.certificate.pem",
     .instead = "with_tls"},
    {.name = "TLS key",
     OPTION(tls_key),
     .kind = KCA__OPTION_TEXT,
     .stands_for = "ssl.key.location ssl.key.pem",
     .instead = "with_tls",
     .hidden = true},
    {.name = "tls_key_password",
     OPTION(tls_key_password),
     .kind = KCA__OPTION_TEXT,
     .stands_for = "ssl.key.password",
     .instead = "with_tls_key_password",
     .hidden = true},
    {.name = "SASL mechanism",
     OPTION(sasl_mechanism),
     .kind = KCA__OPTION_CHOICE,
     .choices = mechanisms,
     .depends = true,
     .sets = "sasl.mechanisms",
     .refusal = KCA__REFUSED_NOWHERE},
    {.name = "SASL user",
     OPTION(sasl_user),
     .kind = KCA__OPTION_TEXT,
     .sets = "sasl.username",
     .refusal = KCA__REFUSED_NOWHERE},
    {.name = "SASL password",
     OPTION(sasl_password),
     .kind = KCA__OPTION_TEXT,
     .sets = "sasl.password",
     .refusal = KCA__REFUSED_NOWHERE,
     .hidden = true},
    {.name = "fault_after_ms",
     OPTION(fault_after_ms),
     .kind = KCA__OPTION_INT,
     .least = 0,
     .most = 86400000,
     .initial = 30000},
    {.name = NULL},
};
