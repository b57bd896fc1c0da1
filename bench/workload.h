/*
 * The reference workload: an order of 205 bytes, a UUID as key, eight headers.
 *
 * The raw programs send the headers below unchanged. The library makes headers of these names
 * itself, with fresh ids and the time of each message; the ratio between the two includes that
 * work.
 */
#ifndef BENCH_WORKLOAD_H
#define BENCH_WORKLOAD_H

#include <stddef.h>

enum {
    WORKLOAD_HEADERS = 8,
    WORKLOAD_KEYS = 256, /* different keys unless told, so that all partitions take part */
    WORKLOAD_KEY_SIZE = 36,
    WORKLOAD_WARM_UP = 2000, /* messages before the measured part of a publisher */
    WORKLOAD_BUFFER = 2000,  /* messages that a publisher holds; the caller waits for room */
    WORKLOAD_BATCH = 300,    /* messages of one produce request and partition */
    WORKLOAD_LINGER_MS = 5,
    WORKLOAD_FETCH_MESSAGES = 5000, /* messages that a consumer fetches ahead */
    WORKLOAD_FETCH_WAIT_MS = 100    /* the broker's wait for messages, as the library sets it */
};

typedef struct workload_header {
    const char *name;
    const char *value;
} workload_header;

extern const char workload_payload[];
extern const size_t workload_payload_size;
extern const char workload_route[];
extern const workload_header workload_headers[WORKLOAD_HEADERS];

/* Makes the keys, once and before they are used: making them must not cost the messages anything.
 */
void workload_make_keys(long count);

/* The key of message number i: WORKLOAD_KEY_SIZE characters, terminated. */
const char *workload_key(long i);

#endif
