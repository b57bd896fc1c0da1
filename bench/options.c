#include "options.h"

#include "workload.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: PROGRAM --brokers HOSTS --topic NAME [--messages N] [--keys N] [--sync]\n"
    "               [--group NAME] [--processors N] [--slow-us MICROSECONDS] [--default-queues]\n";

void die(const char *format, ...) {
    va_list args;
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
    exit(1);
}

static long number(const char *name, const char *text, long lowest) {
    char *end;
    long value = strtol(text, &end, 10);
    if (*end || end == text || value < lowest)
        die("--%s must be a number from %ld, got '%s'", name, lowest, text);
    return value;
}

static void options_set(options *o, const char *name, const char *value) {
    if (!strcmp(name, "brokers"))
        o->brokers = value;
    else if (!strcmp(name, "topic"))
        o->topic = value;
    else if (!strcmp(name, "group"))
        o->group = value;
    else if (!strcmp(name, "messages"))
        o->messages = number(name, value, 1);
    else if (!strcmp(name, "keys"))
        o->keys = number(name, value, 1);
    else if (!strcmp(name, "processors"))
        o->processors = number(name, value, 1);
    else if (!strcmp(name, "slow-us"))
        o->slow_us = number(name, value, 0);
    else if (!strcmp(name, "sync"))
        o->sync = true;
    else
        o->default_queues = true;
}

void options_parse(options *out, int argc, char **argv) {
    static const struct option known[] = {
        {"brokers", required_argument, NULL, 0},  {"topic", required_argument, NULL, 0},
        {"group", required_argument, NULL, 0},    {"messages", required_argument, NULL, 0},
        {"keys", required_argument, NULL, 0},     {"processors", required_argument, NULL, 0},
        {"slow-us", required_argument, NULL, 0},  {"sync", no_argument, NULL, 0},
        {"default-queues", no_argument, NULL, 0}, {NULL, 0, NULL, 0},
    };
    *out = (options){.group = "bench", .messages = 100000, .keys = WORKLOAD_KEYS, .processors = 1};
    int index;
    int found;
    while ((found = getopt_long(argc, argv, "", known, &index)) == 0)
        options_set(out, known[index].name, optarg);
    if (found != -1 || optind != argc || !out->brokers || !out->topic) {
        (void)fputs(usage, stderr);
        exit(2);
    }
}
