/* How large a record is, as librdkafka counts it before it takes one: value, key, headers, and the
 * most that the record's own framing needs. On the wire it is a few bytes smaller. Pure. */
#ifndef KCA_MESSAGE_RECORD_SIZE_H
#define KCA_MESSAGE_RECORD_SIZE_H

#include "message/translator.h"

/* Of one with this key and value, and without headers. */
size_t kca__record_size_bare(size_t key_len, size_t value_len);

/* What these headers add to it. */
size_t kca__record_size_headers(const kca__header *headers, int count);

size_t kca__record_size(const kca__record *record);

#endif
