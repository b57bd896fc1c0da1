/* Bytes of one's own that grow and are used again. */
#ifndef KCA_BASE_BUFFER_H
#define KCA_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

typedef struct kca__buffer {
    char *data;
    size_t capacity;
} kca__buffer;

/* Holds a copy of `bytes` with a NUL after it; `bytes` may lie in the buffer. False when memory is
 * out; then nothing changes. */
bool kca__buffer_set(kca__buffer *b, const void *bytes, size_t len);

/* The same for two parts, each with a NUL after it; one that lies in the buffer must not be
 * overwritten by what is copied before it. */
bool kca__buffer_set_pair(kca__buffer *b, const char *first, const void *second, size_t second_len);

void kca__buffer_free(kca__buffer *b);

#endif
