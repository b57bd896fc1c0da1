/* Giving librdkafka a record to publish. */
#ifndef KCA_KAFKA_PRODUCE_H
#define KCA_KAFKA_PRODUCE_H

#include <librdkafka/rdkafka.h>

/* Key and value are borrowed; NULL: none. */
typedef struct kca__parcel {
    rd_kafka_topic_t *topic; /* NULL: the topic is `topic_name` */
    const char *topic_name;
    int partition; /* RD_KAFKA_PARTITION_UA: the partitioner chooses */
    const void *key;
    size_t key_len;
    const void *value;
    size_t value_len;
    int64_t timestamp_ms;        /* 0 or -1: now; KCA__MESSAGE_UNTIMED: none */
    rd_kafka_headers_t *headers; /* see record_headers.h */
    void *opaque;                /* the delivery report's */
} kca__parcel;

/* librdkafka copies key and value. Takes the headers, also when it refuses
 * the record; the error, then, is the caller's. */
rd_kafka_error_t *kca__produce(rd_kafka_t *rk, const kca__parcel *parcel);

#endif
