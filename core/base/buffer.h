/* A block of bytes that grows, and is used again. */
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

/* Holds copies of two parts, each with a NUL after it. A part that lies in the buffer must not be
 * overwritten by the copy of the one before it. */
bool kca__buffer_set_pair(kca__buffer *b, const char *first, const void *second, size_t second_len);

void kca__buffer_free(kca__buffer *b);

#endif
