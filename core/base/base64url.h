/* Bytes as text of A-Z a-z 0-9 - _ (RFC 4648, section 5), without padding. */
#ifndef KCA_BASE_BASE64URL_H
#define KCA_BASE_BASE64URL_H

#include <stdbool.h>
#include <stddef.h>

/* Writes (4 * len + 2) / 3 characters and NUL. */
void kca__base64url_write(char *out, const unsigned char *bytes, size_t len);

/* Writes text_len * 3 / 4 bytes. False: that is no text that kca__base64url_write writes; for each
 * sequence of bytes there is exactly one. */
bool kca__base64url_read(unsigned char *out, const char *text, size_t text_len);

#endif
