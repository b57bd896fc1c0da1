#include "base/sink.h"

#include <string.h>

void kca__sink_put(kca__sink *s, const void *bytes, size_t len) {
    if (s->data && len > 0)
        memcpy(s->data + s->len, bytes, len);
    s->len += len;
}

void kca__sink_put_text(kca__sink *s, const char *text) {
    kca__sink_put(s, text, strlen(text));
}
