#include "base/id.h"

#include "base/generation.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/rand.h>

enum {
    BLOCK = 4096, /* bytes fetched at once, for 256 ids */
    ID_BYTES = 16,
    SYSTEM_MOST = 256 /* getentropy gives no more at once */
};

static _Thread_local unsigned char block[BLOCK];
static _Thread_local size_t left; /* bytes of the block's end that no id has used */
static _Thread_local unsigned generation;

/* By OpenSSL's generator, which takes a sixth of the system's time; the system's stands in for it.
 */
static bool fill(void) {
    if (RAND_bytes(block, BLOCK) == 1)
        return true;
    for (size_t have = 0; have < BLOCK; have += SYSTEM_MOST)
        if (getentropy(block + have, SYSTEM_MOST) != 0)
            return false;
    return true;
}

/* Aborts without random bytes: ids that repeat are worse than no program at all. */
static void refill(void) {
    if (!fill())
        abort();
    kca__generation_watch();
    generation = kca__generation();
    left = BLOCK;
}

/* Bytes that nobody else gets. */
static unsigned char *take(size_t len) {
    if (left < len || generation != kca__generation())
        refill();
    unsigned char *bytes = block + (BLOCK - left);
    left -= len;
    return bytes;
}

void kca__id_bytes(unsigned char *out, size_t len) {
    memcpy(out, take(len), len);
}

void kca__id_uuid4(char out[37]) {
    static const char hex[] = "0123456789abcdef";
    unsigned char *bytes = take(ID_BYTES);
    bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80);
    char *p = out;
    for (int i = 0; i < ID_BYTES; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *p++ = '-';
        *p++ = hex[bytes[i] >> 4];
        *p++ = hex[bytes[i] & 0x0f];
    }
    *p = '\0';
}
