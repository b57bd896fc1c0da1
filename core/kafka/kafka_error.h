/* librdkafka's errors as ours. */
#ifndef KCA_KAFKA_KAFKA_ERROR_H
#define KCA_KAFKA_KAFKA_ERROR_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>

#include "base/error.h"

/* Codes of the group protocol "consumer" that the oldest librdkafka has no names for. */
enum {
    KCA__FENCED_MEMBER_EPOCH = 110,
    KCA__UNRELEASED_INSTANCE_ID = 111,
    KCA__UNSUPPORTED_ASSIGNOR = 112,
    KCA__STALE_MEMBER_EPOCH = 113
};

/* A new error of `code`, KCA_ERROR_..., that comes of librdkafka's `err`, 0 for none. `marks` as
 * kca__error_mark has them, the text as kca__error_new does. */
kca_error *kca__error_from_kafka(int code, rd_kafka_resp_err_t err, int marks, const char *format,
                                 ...) __attribute__((format(printf, 4, 5)));

/* KCA_ERROR_TOO_LARGE or KCA_ERROR_AUTHORIZATION for a record that was not stored because of that,
 * else `otherwise`. */
int kca__error_code_of_record(rd_kafka_resp_err_t err, int otherwise);

/* Whether what was not stored may be stored another time. This alone decides what is tried again,
 * and what kca_error_retriable says of it. */
typedef enum kca__refusal {
    KCA__REFUSAL_NONE,   /* it may: whatever went wrong passes */
    KCA__REFUSAL_RECORD, /* never: the record, or another one that was sent with it */
    KCA__REFUSAL_TOPIC   /* never, until an operator changes something: any record there */
} kca__refusal;

kca__refusal kca__error_refusal(rd_kafka_resp_err_t err);

/* Whether the cluster has no topic of that name. */
bool kca__error_is_missing_topic(rd_kafka_resp_err_t err);

#endif
