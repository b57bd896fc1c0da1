/*
 * What a terminal would obey, or a reader not see, in the texts of others: bytes that are not
 * UTF-8, control characters (C0, DEL, C1), line ends, and characters that change the direction of
 * writing. Every text that the library makes shows them as an escape.
 */
#ifndef KCA_BASE_VISIBLE_H
#define KCA_BASE_VISIBLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/sink.h"

/* The character of `len` bytes (kca__utf8_len) has to be escaped. */
bool kca__visible_hides(const char *character, size_t len);

bool kca__visible_is(const char *text, size_t len);

/* Puts the text with escapes: \n, \r, \t, \u0085 for a character, \xff for a byte that is not
 * UTF-8. */
void kca__visible_put(kca__sink *out, const char *text, size_t len);

#endif
