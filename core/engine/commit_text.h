/*
 * Commit text: a part of a commit's metadata, which says more than the offset can.
 *
 *   kca1:<letter><base64url of a checksum (4 bytes, big endian) and a payload>
 *
 * The letter says what the payload is. Parts stand side by side, with a space between. What a part
 * says is true of the offset that it was committed with, and told wrongly it would be a record
 * lost. So the checksum (FNV-1a) is over that offset, letter and payload: a text that was damaged,
 * or copied to another offset (as mirroring and tools that move groups do), is not read. Nor is
 * what other clients write, nor a letter that this version does not know.
 *
 * Pure: no threads, no librdkafka.
 */
#ifndef KCA_ENGINE_COMMIT_TEXT_H
#define KCA_ENGINE_COMMIT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    KCA__COMMIT_TEXT_HEAD = 6,     /* characters before the base64url */
    KCA__COMMIT_TEXT_CHECKSUM = 4, /* bytes before the payload */
    KCA__VARINT_SIZE = 9           /* the most bytes, of 63 bits */
};

/* Characters, with the NUL, that a part with a payload of so many bytes takes. */
#define KCA__COMMIT_TEXT_SIZE(bytes)                                                               \
    (KCA__COMMIT_TEXT_HEAD + ((bytes) + KCA__COMMIT_TEXT_CHECKSUM) * 4 / 3 + 2)

/* Writes the part and a NUL. */
void kca__commit_text_write(char *out, int64_t offset, char letter, const unsigned char *payload,
                            size_t len);

/* The payload of the part with this letter, of up to `room` bytes, and its length; 0: there is
 * none, or it is not of this offset. `text` may be NULL. */
size_t kca__commit_text_read(unsigned char *out, size_t room, const char *text, size_t len,
                             char letter, int64_t offset);

/* 7 bits a byte, the lowest first. Gives the bytes. */
size_t kca__varint_put(unsigned char *out, int64_t number);

/* Moves `at` behind it. False: it is cut off or too long. */
bool kca__varint_get(int64_t *out, const unsigned char **at, const unsigned char *end);

#endif
