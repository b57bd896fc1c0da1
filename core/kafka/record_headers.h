/* Headers between librdkafka's records and kca's modules. */
#ifndef KCA_KAFKA_RECORD_HEADERS_H
#define KCA_KAFKA_RECORD_HEADERS_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>

#include "message/message.h"

/* All headers of `m`, borrowed from it. They stand in `room`, or, when it is too small for them, in
 * a list that the caller frees with free(). False when memory is out. */
bool kca__record_headers(kca__header **out, int *out_count, const rd_kafka_message_t *m,
                         kca__header *room, int room_count);

/* What they add to the record's size: see message/record_size.h. */
size_t kca__record_headers_size(const rd_kafka_message_t *m);

/* A list with copies of these headers. */
rd_kafka_headers_t *kca__record_headers_new(const kca__header *headers, int count);

/* Copies headers to the end of a list. */
void kca__record_headers_add(rd_kafka_headers_t *list, const kca__header *headers, int count);

/* How many headers a record has, and one of them; false: there is none at this index. */
int kca__record_headers_count(const rd_kafka_message_t *m);
bool kca__record_headers_at(kca__header *out, const rd_kafka_message_t *m, int index);

#endif
