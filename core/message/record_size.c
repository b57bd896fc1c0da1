#include "message/record_size.h"

#include <string.h>

/* Of format 2: length 5, attributes 1, time 10, offset 5, and the lengths of key and value and the
 * number of headers 5 each. */
enum { FRAMING_BYTES = 36 };

/* As a zigzag varint, 7 bits to a byte. */
static size_t length_size(size_t len) {
    size_t bytes = 1;
    for (uint64_t rest = (uint64_t)len * 2; rest >= 128; rest /= 128)
        bytes++;
    return bytes;
}

size_t kca__record_size_bare(size_t key_len, size_t value_len) {
    return FRAMING_BYTES + key_len + value_len;
}

size_t kca__record_size_headers(const kca__header *headers, int count) {
    size_t size = 0;
    for (int i = 0; i < count; i++) {
        size_t name_len = strlen(headers[i].name);
        size_t value_len = headers[i].value ? headers[i].value_len : 0;
        size += length_size(name_len) + name_len + length_size(value_len) + value_len;
    }
    return size;
}

size_t kca__record_size(const kca__record *record) {
    return kca__record_size_bare(record->key_len, record->value_len) +
           kca__record_size_headers(record->headers, record->header_count);
}
