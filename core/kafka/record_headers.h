/* The headers of a librdkafka record, as kca's modules see them. */
#ifndef KCA_KAFKA_RECORD_HEADERS_H
#define KCA_KAFKA_RECORD_HEADERS_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>

#include "message/message.h"

/* All of them as they are, borrowed from the record; the list is freed with free(). False when
 * memory is out. */
bool kca__record_headers(kca__header **out, int *out_count, const rd_kafka_message_t *m);

#endif
