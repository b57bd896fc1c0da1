/* UTF-8, as Unicode allows it: nothing overlong, no surrogates, nothing beyond U+10FFFF. */
#ifndef KCA_BASE_UTF8_H
#define KCA_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the character at `p`, which is before `end`; 0: there is no valid character. */
size_t kca__utf8_len(const char *p, const char *end);

bool kca__utf8_is_valid(const void *bytes, size_t len);

/* Valid, and without a NUL: a C text can hold it. */
bool kca__utf8_is_text(const void *bytes, size_t len);

/* The length of `text`, at most `most` bytes, without splitting a character. */
size_t kca__utf8_clip(const char *text, size_t most);

#endif
