/*
 * The command line and the failures of all programs here.
 */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <stdbool.h>

typedef struct options {
    const char *brokers;
    const char *topic;
    const char *group;   /* consumers only */
    long messages;       /* to measure, the warm-up not counted */
    long keys;           /* raw_publish: how many different ones */
    long processors;     /* kca_consume */
    long slow_us;        /* what the handler sleeps for each message, 0: nothing */
    bool sync;           /* publishers: one message at a time */
    bool default_queues; /* raw programs: librdkafka's own queue sizes instead of bounded ones */
} options;

void options_parse(options *out, int argc, char **argv);

/* Prints one line and ends the program: a benchmark that met an error has nothing to say. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
