#include "telemetry/gzip.h"

#ifdef KCA_HAS_LIBCURL

#include <stdlib.h>
#include <zlib.h>

enum { GZIP_BITS = 15 + 16, MEMORY = 8 }; /* 16: gzip's head, not zlib's */

void *kca__gzip(size_t *out_len, const void *bytes, size_t len) {
    z_stream z = {0};
    if (deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, GZIP_BITS, MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
        return NULL;
    size_t room = deflateBound(&z, (uLong)len);
    void *out = malloc(room);
    z.next_in = (z_const Bytef *)bytes;
    z.avail_in = (uInt)len;
    z.next_out = out;
    z.avail_out = (uInt)room;
    if (out && deflate(&z, Z_FINISH) != Z_STREAM_END) {
        free(out);
        out = NULL;
    }
    *out_len = z.total_out;
    deflateEnd(&z);
    return out;
}

#endif
