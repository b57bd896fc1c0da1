#include "workload.h"

#include "options.h"

#include <stdio.h>
#include <stdlib.h>

const char workload_payload[] =
    "{\"orderId\":\"ORD-000001\",\"amount\":299.99,\"customer\":{\"id\":\"CUST-1042\","
    "\"name\":\"Maria Silva\",\"email\":\"maria@ex.com\"},\"items\":[{\"sku\":\"SKU-001\","
    "\"qty\":1,\"price\":99.99},{\"sku\":\"SKU-002\",\"qty\":2,\"price\":101.36}]}";

const size_t workload_payload_size = sizeof workload_payload - 1;

const char workload_route[] = "orderCreated";

const workload_header workload_headers[WORKLOAD_HEADERS] = {
    {"messageId", "0b5a7f3e-9c41-4c52-8f0e-6a1d2b3c4d5e"},
    {"messageType", "Event"},
    {"timestamp", "2026-01-02 03:04:05"},
    {"origin", "bench"},
    {"version", "1.0"},
    {"correlationId", "7d9f2c1a-5b3e-4f60-91a2-c3d4e5f60718"},
    {"route", "orderCreated"},
    {"channelName", "orders"},
};

typedef char workload_uuid[WORKLOAD_KEY_SIZE + 1];

static workload_uuid *keys;
static long key_count;

/* The odd multiplier makes the first eight digits different for each n. */
static void make_key(char *out, unsigned n) {
    (void)snprintf(out, sizeof(workload_uuid), "%08x-%04x-4%03x-8%03x-%012x", n * 2654435761U,
                   n * 40503U & 0xffffU, n & 0xfffU, n * 7U & 0xfffU, n * 2246822519U);
}

void workload_make_keys(long count) {
    keys = calloc((size_t)count, sizeof *keys);
    if (!keys)
        die("no memory for %ld keys", count);
    key_count = count;
    for (long i = 0; i < count; i++)
        make_key(keys[i], (unsigned)i);
}

const char *workload_key(long i) {
    return keys[i % key_count];
}
