/*
 * Security: what protects a connection's messages and passwords on their way. Nothing given for TLS
 * or SASL is dropped in silence, and what is weak is said.
 */
#ifndef KCA_CONNECTION_SECURITY_H
#define KCA_CONNECTION_SECURITY_H

#include "connection/connection.h"

enum { KCA__MOST_WEAKNESSES = 3 };

/* Refuses what contradicts itself, and a weakness that no option names. */
kca_error *kca__security_check(const kca_connection *c);

/* What was given up by an option that names it, one text each; their number. */
int kca__security_weaknesses(const char *out[KCA__MOST_WEAKNESSES], const kca_connection *c);

/* It accepts certificates that a diagnosis would blame. */
bool kca__security_is_lenient(const kca_connection *c);

#endif
