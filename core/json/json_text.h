/* Finds where values begin and end in JSON text that is known to be valid. */
#ifndef KCA_JSON_JSON_TEXT_H
#define KCA_JSON_JSON_TEXT_H

#include <stdbool.h>

const char *kca__json_text_skip_space(const char *text);

/* The first value in the array or object (not an empty one) that begins at `container`. */
const char *kca__json_text_first(const char *container);

/* The value after the one at `value`, which must not be the last; `members`: both are in an object.
 */
const char *kca__json_text_next(const char *value, bool members);

/* The end of the value at `value`; a number or word must stand inside an array or object. */
const char *kca__json_text_end(const char *value);

/* True when the string at `string` has the escape \u0000. */
bool kca__json_text_has_nul(const char *string);

#endif
