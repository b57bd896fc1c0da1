#include "engine/commit_text.h"

#include "base/base64.h"

#include <string.h>

enum { MOST_BYTES = 3072 }; /* of a part: a broker takes 4096 characters by default */

static const char magic[] = "kca1:";

static uint32_t add_to_checksum(uint32_t sum, unsigned byte) {
    return (sum ^ byte) * 16777619u;
}

static uint32_t checksum(int64_t offset, char letter, const unsigned char *payload, size_t len) {
    uint32_t sum = add_to_checksum(2166136261u, (unsigned char)letter);
    for (int shift = 0; shift < 64; shift += 8)
        sum = add_to_checksum(sum, (unsigned char)((uint64_t)offset >> shift));
    for (size_t i = 0; i < len; i++)
        sum = add_to_checksum(sum, payload[i]);
    return sum;
}

void kca__commit_text_write(char *out, int64_t offset, char letter, const unsigned char *payload,
                            size_t len) {
    unsigned char bytes[MOST_BYTES];
    uint32_t sum = checksum(offset, letter, payload, len);
    for (int i = 0; i < KCA__COMMIT_TEXT_CHECKSUM; i++)
        bytes[i] = (unsigned char)(sum >> (24 - 8 * i));
    memcpy(bytes + KCA__COMMIT_TEXT_CHECKSUM, payload, len);
    kca__sink to = {.data = out};
    kca__sink_put(&to, magic, KCA__COMMIT_TEXT_HEAD - 1);
    kca__sink_put(&to, &letter, 1);
    kca__base64_write(&to, &kca__base64_url, bytes, KCA__COMMIT_TEXT_CHECKSUM + len);
    kca__sink_put(&to, "", 1);
}

/* The part that begins at `text`. */
static size_t read_part(unsigned char *out, size_t room, const char *text, size_t len, char letter,
                        int64_t offset) {
    unsigned char bytes[MOST_BYTES];
    size_t count;
    if (len < KCA__COMMIT_TEXT_HEAD || memcmp(text, magic, KCA__COMMIT_TEXT_HEAD - 1) != 0 ||
        text[KCA__COMMIT_TEXT_HEAD - 1] != letter)
        return 0;
    if (len - KCA__COMMIT_TEXT_HEAD > sizeof bytes / 3 * 4 ||
        !kca__base64_read(bytes, &count, &kca__base64_url, text + KCA__COMMIT_TEXT_HEAD,
                          len - KCA__COMMIT_TEXT_HEAD) ||
        count <= KCA__COMMIT_TEXT_CHECKSUM)
        return 0;
    uint32_t sum = 0;
    for (int i = 0; i < KCA__COMMIT_TEXT_CHECKSUM; i++)
        sum = sum << 8 | bytes[i];
    count -= KCA__COMMIT_TEXT_CHECKSUM;
    const unsigned char *payload = bytes + KCA__COMMIT_TEXT_CHECKSUM;
    if (count > room || sum != checksum(offset, letter, payload, count))
        return 0;
    memcpy(out, payload, count);
    return count;
}

size_t kca__commit_text_read(unsigned char *out, size_t room, const char *text, size_t len,
                             char letter, int64_t offset) {
    size_t found = 0;
    if (text && len > 0 && text[len - 1] == '\0')
        len--; /* as it is committed; see inbound/offsets.c */
    while (text && len > 0 && found == 0) {
        const char *space = memchr(text, ' ', len);
        size_t part = space ? (size_t)(space - text) : len;
        found = read_part(out, room, text, part, letter, offset);
        text += space ? part + 1 : part;
        len -= space ? part + 1 : part;
    }
    return found;
}

size_t kca__varint_put(unsigned char *out, int64_t number) {
    size_t len = 0;
    uint64_t rest = (uint64_t)number;
    for (; rest > 127; rest >>= 7)
        out[len++] = (unsigned char)(rest | 128);
    out[len++] = (unsigned char)rest;
    return len;
}

bool kca__varint_get(int64_t *out, const unsigned char **at, const unsigned char *end) {
    uint64_t number = 0;
    for (int i = 0; i < KCA__VARINT_SIZE && *at < end; i++) {
        unsigned char byte = *(*at)++;
        number |= (uint64_t)(byte & 127) << (7 * i);
        if (byte < 128) {
            *out = (int64_t)number;
            return true;
        }
    }
    return false;
}
