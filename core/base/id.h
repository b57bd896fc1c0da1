/* Random ids, cheap: each thread fetches its random bytes in blocks. */
#ifndef KCA_BASE_ID_H
#define KCA_BASE_ID_H

#include <stddef.h>

/* Writes 36 characters and NUL. Safe after fork: a child never repeats its parent's ids. */
void kca__id_uuid4(char out[37]);

/* Up to 64 random bytes, likewise. */
void kca__id_bytes(unsigned char *out, size_t len);

/* Of a topic's id, which is a UUID. */
enum { KCA__TOPIC_ID_BYTES = 16 };

#endif
