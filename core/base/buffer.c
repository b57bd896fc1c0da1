#include "base/buffer.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Room for `size` bytes: the buffer's own, or new memory a quarter larger than asked for; NULL:
 * memory is out. */
static char *room(const kca__buffer *b, size_t size, size_t *capacity) {
    *capacity = b->capacity;
    if (size <= b->capacity)
        return b->data;
    if (size > PTRDIFF_MAX / 2)
        return NULL;
    *capacity = size + size / 4;
    return malloc(*capacity);
}

static void keep(kca__buffer *b, char *data, size_t capacity) {
    if (data != b->data)
        free(b->data);
    b->data = data;
    b->capacity = capacity;
}

bool kca__buffer_set(kca__buffer *b, const void *bytes, size_t len) {
    size_t capacity;
    char *data = len < SIZE_MAX ? room(b, len + 1, &capacity) : NULL;
    if (!data)
        return false;
    if (len > 0)
        memmove(data, bytes, len);
    data[len] = '\0';
    keep(b, data, capacity);
    return true;
}

bool kca__buffer_set_pair(kca__buffer *b, const char *first, const void *second,
                          size_t second_len) {
    size_t first_size = strlen(first) + 1;
    size_t capacity;
    char *data = NULL;
    if (second_len < SIZE_MAX - first_size)
        data = room(b, first_size + second_len + 1, &capacity);
    if (!data)
        return false;

    memmove(data, first, first_size);
    memmove(data + first_size, second, second_len);
    data[first_size + second_len] = '\0';
    keep(b, data, capacity);
    return true;
}

void kca__buffer_free(kca__buffer *b) {
    free(b->data);
    b->data = NULL;
    b->capacity = 0;
}
