/* UUIDv4 text, cheap: each thread fetches its random bytes in blocks. */
#ifndef KCA_BASE_ID_H
#define KCA_BASE_ID_H

/* Writes 36 characters and NUL. Safe after fork: a child never repeats its parent's ids. */
void kca__id_uuid4(char out[37]);

/* Of a topic's id, which is a UUID. */
enum { KCA__TOPIC_ID_BYTES = 16 };

#endif
