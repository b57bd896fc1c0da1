/* The wire's timestamp text, always UTC: "YYYY-MM-DD HH:MM:SS"; and RFC 3339's. */
#ifndef KCA_MESSAGE_WIRE_TIME_H
#define KCA_MESSAGE_WIRE_TIME_H

#include <stdbool.h>
#include <stdint.h>

/* 9999-12-31 23:59:59.999, the last that four digits of a year can write. */
#define KCA__WIRE_TIME_MAX_MS INT64_C(253402300799999)

/* Writes 19 characters and NUL; each thread keeps the text of its last second. A time before 1970
 * or after KCA__WIRE_TIME_MAX_MS becomes the nearer of the two. */
void kca__wire_time_write(char out[20], int64_t ms);

/* Writes RFC 3339's form, 24 characters and NUL: "2026-11-24T03:41:44.123Z". */
void kca__wire_time_write_rfc3339(char out[25], int64_t ms);

/* Reads the wire's form and ISO 8601 ("2026-02-16T10:00:00.005Z"; fraction and offset may be
 * missing, no offset means UTC). False: unreadable, or outside 1970 to 9999. */
bool kca__wire_time_read(int64_t *out_ms, const char *text);

/* Reads milliseconds since 1970 in 12 to 15 digits, as others write a time (fewer digits may be
 * seconds). False: something else, or outside 1970 to 9999. */
bool kca__wire_time_read_digits(int64_t *out_ms, const char *text);

#endif
