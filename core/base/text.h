/* Small helpers for texts. */
#ifndef KCA_BASE_TEXT_H
#define KCA_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* A copy; NULL for NULL and when memory is out. */
char *kca__text_copy(const char *text);

/* Replaces `*text` by a copy of `value`, or by NULL. False when memory is out; then nothing
 * changes. */
bool kca__text_set(char **text, const char *value);

/* As printf; NULL when memory is out. */
char *kca__text_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Edit distance of two names, for "did you mean". */
int kca__text_distance(const char *a, const char *b);

#endif
