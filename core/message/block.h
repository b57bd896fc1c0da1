/* Copies into one block of memory, whose size is counted beforehand: headers first, as their array
 * is aligned like the block, then bytes. */
#ifndef KCA_MESSAGE_BLOCK_H
#define KCA_MESSAGE_BLOCK_H

#include <string.h>

#include "message/message.h"

/* Bytes of a block that kca__block_put_headers uses. */
static inline size_t kca__block_headers_size(const kca__header *headers, int count) {
    size_t size = (size_t)count * sizeof *headers;
    for (int i = 0; i < count; i++)
        size += strlen(headers[i].name) + headers[i].value_len + 2;
    return size;
}

/* Copies bytes to `*end`, with a NUL after them, and moves on; NULL stays NULL. */
static inline const void *kca__block_put(char **end, const void *bytes, size_t len) {
    if (!bytes)
        return NULL;
    char *at = *end;
    memcpy(at, bytes, len);
    at[len] = '\0';
    *end += len + 1;
    return at;
}

/* Copies headers to `*end`, the beginning of the block, and moves on. */
static inline kca__header *kca__block_put_headers(char **end, const kca__header *headers,
                                                  int count) {
    kca__header *copies = (void *)*end;
    *end += (size_t)count * sizeof *copies;
    for (int i = 0; i < count; i++) {
        copies[i].name = kca__block_put(end, headers[i].name, strlen(headers[i].name));
        copies[i].value = kca__block_put(end, headers[i].value, headers[i].value_len);
        copies[i].value_len = headers[i].value_len;
    }
    return copies;
}

#endif
