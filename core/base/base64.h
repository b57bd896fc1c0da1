/*
 * Base64 (RFC 4648), without line breaks, in two forms: one codec with an alphabet and a pad flag.
 * For each sequence of bytes there is exactly one text in each form; no other text is read.
 */
#ifndef KCA_BASE_BASE64_H
#define KCA_BASE_BASE64_H

#include <stdbool.h>

#include "base/sink.h"

typedef struct kca__base64 {
    const char *digits; /* 64 */
    bool padded;        /* "=" fills the last group up to four characters */
} kca__base64;

extern const kca__base64 kca__base64_standard; /* section 4: A-Z a-z 0-9 + /, padded */
extern const kca__base64 kca__base64_url;      /* section 5: A-Z a-z 0-9 - _, not padded */

/* Writes (4 * len + 2) / 3 digits, and their padding. */
void kca__base64_write(kca__sink *out, const kca__base64 *form, const void *bytes, size_t len);

/* Gives at most `len` * 3 / 4 bytes; `out` may be `text`. False: kca__base64_write writes no such
 * text. */
bool kca__base64_read(void *out, size_t *out_len, const kca__base64 *form, const char *text,
                      size_t len);

#endif
