/* A JSON number as an exact integer: never by way of a double. */
#ifndef KCA_JSON_JSON_NUMBER_H
#define KCA_JSON_JSON_NUMBER_H

#include <stdint.h>

enum { KCA__NUMBER_EXACT, KCA__NUMBER_FRACTION, KCA__NUMBER_TOO_LARGE };

/* Reads the valid JSON number that begins at `text` and ends before `end` at the latest. "1.0" and
 * "1e3" are integers too. `*out` is 0 unless the answer is KCA__NUMBER_EXACT. */
int kca__json_number_int64(int64_t *out, const char *text, const char *end);

#endif
