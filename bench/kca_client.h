/*
 * The part that the programs over libkca share: a system with one connection, and failures that end
 * the program.
 */
#ifndef BENCH_KCA_CLIENT_H
#define BENCH_KCA_CLIENT_H

#include "options.h"

#include <kca.h>

extern const char kca_client_connection[];

enum { KCA_CLIENT_TIMEOUT_MS = 30000 };

/* Ends the program with the error's text unless it is NULL. */
void check(kca_error *error);

/* Declares the consumer of the topic, before the system starts; its name is the group's. */
void kca_client_declare_consumer(kca_system *system, const options *o);

/* A system with the connection of that name and its warnings on stderr. */
kca_system *kca_client_system(const options *o);

#endif
