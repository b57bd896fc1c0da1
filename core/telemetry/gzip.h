/* Compression of a request's body. */
#ifndef KCA_TELEMETRY_GZIP_H
#define KCA_TELEMETRY_GZIP_H

#include <stddef.h>

/* Free with free(). NULL: memory is out. */
void *kca__gzip(size_t *out_len, const void *bytes, size_t len);

#endif
