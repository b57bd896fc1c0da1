/* A sink takes the bytes of a text that is composed. Without memory it only counts them: code that
 * composes twice, the first time without memory, needs one allocation of the right size. */
#ifndef KCA_BASE_SINK_H
#define KCA_BASE_SINK_H

#include <stddef.h>

typedef struct kca__sink {
    char *data; /* NULL: only counts */
    size_t len;
} kca__sink;

void kca__sink_put(kca__sink *s, const void *bytes, size_t len);
void kca__sink_put_text(kca__sink *s, const char *text);

#endif
