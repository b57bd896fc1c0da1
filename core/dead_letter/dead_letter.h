/*
 * Dead letter: a record that was given up, as it is written to the dead-letter topic, and what the
 * failed record was, read back to redrive it. Pure: knows nothing of librdkafka, takes the time as
 * an argument.
 *
 * kca     key, value and headers as they were, and text headers "kca-dead-letter-...": topic,
 *         partition, offset, timestamp, group, attempts, error-name, error-text, time. What is not
 *         known is left out, the topic never is. Times are RFC 3339 in UTC.
 * spring  the same with spring-kafka's binary headers "kafka_dlt-...", behind two of ours that
 *         Spring does not read: kca-dead-letter-attempts and -time. As in Spring, the original
 *         topic, offset ... of earlier hops stay before ours and the last of a name counts; the
 *         exceptions of earlier hops go.
 * gomes   key as it was (Gomes' is the correlation id; a record without a key stays without); the
 *         value is Gomes' envelope {"ReasonError":"...","Payload":...,"Headers":{...}}; headers are
 *         those of Gomes' dead letters, then kca's, then kca-dead-letter-payload, which says what
 *         the payload is: `json` the value's own bytes, never printed anew; `text` a string;
 *         `base64` a string; `none` null, for a tombstone.
 *
 * Gomes' envelope has one text per name, sorted. So a header's last value stands there, one that is
 * not UTF-8 in base64 under "base64:NAME", and one without a value as null. When that loses
 * anything but the order of names, the header kca-dead-letter-headers has all of them exactly: for
 * each the name, a NUL, the value's length (int32, big-endian; -1 without a value), the value, a
 * NUL.
 *
 * Read back, a record is what it was, byte for byte, but for:
 *  - headers "kca-dead-letter-..." that it had already (an earlier hop's): every format drops them,
 *    so that of a failed dead letter in Gomes' format a payload that is not JSON stays a string;
 *  - spring: its "kafka_dlt-..." headers other than "kafka_dlt-original-...";
 *  - gomes: the order of headers, when all of them are texts with different names;
 *  - what Gomes itself wrote has lost topic, partition, offset and attempts, and numbers that a
 *    double cannot hold.
 * Error name and text are bounded and without control characters, lest a dead letter outgrows the
 * broker's limit on account of its own error.
 */
#ifndef KCA_DEAD_LETTER_DEAD_LETTER_H
#define KCA_DEAD_LETTER_DEAD_LETTER_H

#include "message/translator.h"

enum { KCA__DEAD_LETTER_KCA, KCA__DEAD_LETTER_SPRING, KCA__DEAD_LETTER_GOMES };

enum { KCA__DEAD_LETTER_ERROR_MOST = 1000 }; /* bytes of an error's name and of its text */

/* The text as dead letters have it: without control characters, in UTF-8, bounded; its length. */
size_t kca__dead_letter_plain(char out[KCA__DEAD_LETTER_ERROR_MOST + 1], const char *text);

/* Instead of a format, when reading. */
enum { KCA__DEAD_LETTER_NONE = -1, KCA__DEAD_LETTER_NO_MEMORY = -2 };

/* "kca", "spring" or "gomes"; KCA__DEAD_LETTER_NONE: another name. */
int kca__dead_letter_format(const char *name);

/* A failed record and how it failed; everything is borrowed. Texts may be NULL for none when
 * writing; reading gives "" then. */
typedef struct kca__dead_letter {
    const void *key; /* NULL: none, which is not the same as an empty one */
    size_t key_len;
    const void *value; /* NULL: a tombstone */
    size_t value_len;
    const kca__header *headers; /* all of the record's, in order; names are not NULL */
    int header_count;

    const char *topic;
    int partition;        /* -1: unknown */
    int64_t offset;       /* -1: unknown */
    int64_t timestamp_ms; /* the record's own; -1: none */
    bool log_append_time; /* whether that is the broker's time; only spring tells */

    const char *group; /* the consumer's group id */
    int attempts;      /* 0: unknown */
    const char *error_name;
    const char *error_text;
    int64_t time_ms; /* when it was given up; -1: unknown */
} kca__dead_letter;

/* What to publish. It leads into its own block and into what the dead letter borrows. */
typedef struct kca__dead_letter_record {
    kca__record record; /* without a timestamp; a value of NULL: a tombstone */
    void *block;
} kca__dead_letter_record;

/* `channel` is the dead-letter channel's name, which only Gomes' format has. False when memory is
 * out; `out` is empty then. One allocation, and a passing one for gomes. */
bool kca__dead_letter_write(kca__dead_letter_record *out, const kca__dead_letter *d, int format,
                            const char *channel);
void kca__dead_letter_record_clear(kca__dead_letter_record *r);

/* A dead letter read. It leads into its own block and into the record. */
typedef struct kca__dead_letter_reading {
    kca__dead_letter letter;
    void *block;
} kca__dead_letter_reading;

/* Gives the format, which is that of the record's last dead-letter header; without any, Gomes'
 * envelope is known by its members. KCA__DEAD_LETTER_NONE: not a dead letter, or one of ours that
 * was damaged. Only for a format there is anything to clear. */
int kca__dead_letter_read(kca__dead_letter_reading *out, const kca__record *record);
void kca__dead_letter_reading_clear(kca__dead_letter_reading *r);

#endif
