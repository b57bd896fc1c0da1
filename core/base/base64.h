/* Base64 (RFC 4648) with padding, without line breaks. */
#ifndef KCA_BASE_BASE64_H
#define KCA_BASE_BASE64_H

#include <stdbool.h>

#include "base/sink.h"

void kca__base64_write(kca__sink *out, const void *bytes, size_t len);

/* Gives at most `len` / 4 * 3 bytes; `out` may be `text`. False: not base64 as it is written here.
 */
bool kca__base64_read(char *out, size_t *out_len, const char *text, size_t len);

#endif
