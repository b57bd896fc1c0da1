/* librdkafka's errors as ours. */
#ifndef KCA_KAFKA_KAFKA_ERROR_H
#define KCA_KAFKA_KAFKA_ERROR_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>

#include "base/error.h"

/* A new error of `code`, KCA_ERROR_..., that comes of librdkafka's `err`, 0 for none. `marks` as
 * kca__error_mark has them, the text as kca__error_new does. */
kca_error *kca__error_from_kafka(int code, rd_kafka_resp_err_t err, int marks, const char *format,
                                 ...) __attribute__((format(printf, 4, 5)));

/* KCA_ERROR_TOO_LARGE or KCA_ERROR_AUTHORIZATION for a record that was not stored because of that,
 * else `otherwise`. */
int kca__error_code_of_record(rd_kafka_resp_err_t err, int otherwise);

/* Whether the cluster has no topic of that name. */
bool kca__error_is_missing_topic(rd_kafka_resp_err_t err);

#endif
