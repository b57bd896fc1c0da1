/*
 * The part that the raw programs share: a librdkafka configuration that fails loudly.
 */
#ifndef BENCH_RAW_CLIENT_H
#define BENCH_RAW_CLIENT_H

#include "options.h"

#include <librdkafka/rdkafka.h>

rd_kafka_conf_t *raw_conf_new(const options *o);
void raw_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value);
void raw_conf_set_number(rd_kafka_conf_t *conf, const char *name, int value);

/* Takes the configuration over. */
rd_kafka_t *raw_client_new(rd_kafka_type_t type, rd_kafka_conf_t *conf);

#endif
