/* A JSON string and the text that it stands for. */
#ifndef KCA_JSON_JSON_STRING_H
#define KCA_JSON_JSON_STRING_H

#include "base/sink.h"

/* Writes the text without quotes, escaped as Go does: also < > & and U+2028/9; bytes that are not
 * UTF-8 become U+FFFD. */
void kca__json_string_escape(kca__sink *out, const char *text, size_t len);

/* Writes the escaped text with its quotes. */
void kca__json_string_write(kca__sink *out, const char *text, size_t len);

/* Reads the string at `string`, which is known to be valid, and gives the text's length: at most
 * that of the string without its quotes. No NUL is added. */
size_t kca__json_string_read(char *out, const char *string);

#endif
