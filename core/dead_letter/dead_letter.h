/*
 * Dead letter: a record that was given up, in the form that is written to the dead-letter topic;
 * and reading it back to the failed record, to redrive that. Pure: knows nothing of librdkafka,
 * takes the time as an argument.
 *
 * kca     key, value and headers as they were, and text headers "kca-dead-letter-...": topic,
 *         partition, offset, timestamp, group, attempts, error-name, error-text, time. Unknown ones
 *         are left out, except the topic. Times are RFC 3339 in UTC. Where keys are parked also
 *         waits-for, behind and at (parked_place.h), and of what was not handled "parked": it
 *         "follows" another, or was "repeated".
 * spring  key, value and headers as they were, two headers of ours that Spring does not read
 *         (kca-dead-letter-attempts and -time), and then spring-kafka's binary headers
 *         "kafka_dlt-...". As in Spring, the original topic, offset ... of earlier hops stay before
 *         ours and the last of a name counts; the exceptions of earlier hops are removed.
 * gomes   key as it was (Gomes' is the correlation id; a record without a key stays without); the
 *         value is Gomes' envelope {"ReasonError":"...","Payload":...,"Headers":{...}}; headers are
 *         those of Gomes' dead letters, then kca's, then kca-dead-letter-payload, which says what
 *         the payload is: `json` the value's own bytes, never printed anew; `text` a string;
 *         `base64` a string; `none` null, for a tombstone.
 *
 * Gomes' envelope has one text per name, sorted. So it holds a header's last value: in base64 under
 * "base64:NAME" when it is not UTF-8, and null when there is none. If that loses anything but the
 * order of names, the header kca-dead-letter-headers holds all headers exactly: for each the name,
 * a NUL, the value's length (int32, big-endian; -1 without a value), the value, a NUL.
 *
 * Other houses' dead letters are only read: see dead_letter_houses.c. What they added does not go
 * back with the record, nor do their counts of attempts, for which they would skip work.
 *
 * Read back, a record is what it was, byte for byte, except for:
 *  - headers "kca-dead-letter-..." that it had already (an earlier hop's): every format drops them,
 *    so when a dead letter in Gomes' format fails, a payload in it that is not JSON stays a string;
 *  - spring: its "kafka_dlt-..." headers other than "kafka_dlt-original-...";
 *  - gomes: the order of headers, when all of them are texts with different names;
 *  - letters that Gomes itself wrote: they have lost topic, partition, offset and attempts, and
 *    numbers that a double cannot hold.
 * Error name and text are bounded, so that its own error cannot make a dead letter larger than the
 * broker takes, and have no control characters.
 *
 * A trimmed one, for a broker that refuses the whole one, is as small as can be and still goes back
 * to where it came from: topic, partition, offset and a short error name stay. kca: nothing else of
 * ours; spring: of kafka_dlt- all but the message, for Spring reads them; gomes: in ReasonError the
 * text's beginning, and what it needs to be read back exactly.
 */
#ifndef KCA_DEAD_LETTER_DEAD_LETTER_H
#define KCA_DEAD_LETTER_DEAD_LETTER_H

#include "dead_letter/parked_place.h"
#include "message/translator.h"

enum {
    KCA__DEAD_LETTER_KCA,
    KCA__DEAD_LETTER_SPRING,
    KCA__DEAD_LETTER_GOMES,
    KCA__DEAD_LETTER_FOREIGN /* only read */
};

/* Bytes of an error's name and of its text. */
enum { KCA__DEAD_LETTER_ERROR_MOST = 1000, KCA__DEAD_LETTER_ERROR_TRIMMED = 100 };

/* Writes the text in the form that dead letters have: one line of UTF-8, bounded, with escapes
 * (base/visible) for what would not be seen in it. Gives its length. */
size_t kca__dead_letter_plain(char out[KCA__DEAD_LETTER_ERROR_MOST + 1], const char *text);
size_t kca__dead_letter_plain_bytes(char out[KCA__DEAD_LETTER_ERROR_MOST + 1], const char *text,
                                    size_t len);

/* How a record became one: it failed; it followed a dead letter of its key; or the same, once more.
 * The two that did not fail have these error names. */
typedef enum kca__dead_letter_kind {
    KCA__DEAD_LETTER_FAILED,
    KCA__DEAD_LETTER_FOLLOWS,
    KCA__DEAD_LETTER_REPEATED
} kca__dead_letter_kind;

#define KCA__DEAD_LETTER_PARKED_NAME   "parked"
#define KCA__DEAD_LETTER_REPEATED_NAME "repeated"

/* Answers of kca__dead_letter_read that are not formats. */
enum { KCA__DEAD_LETTER_NONE = -1, KCA__DEAD_LETTER_NO_MEMORY = -2 };

/* "kca", "spring" or "gomes"; KCA__DEAD_LETTER_NONE: another name. */
int kca__dead_letter_format(const char *name);

/* A failed record and how it failed; everything is borrowed. Texts may be NULL for none when
 * writing; reading gives "" then. */
typedef struct kca__dead_letter {
    const void *key; /* NULL: no key, unlike an empty one */
    size_t key_len;
    const void *value; /* NULL: a tombstone */
    size_t value_len;
    const kca__header *headers; /* all of the record's, in order; names are not NULL */
    int header_count;

    const char *topic;
    int partition;        /* -1: unknown */
    int64_t offset;       /* -1: unknown */
    int64_t timestamp_ms; /* the record's own; -1: none */
    bool log_append_time; /* whether the broker set that time; only spring says so */

    const char *group; /* the consumer's group id */
    int attempts;      /* 0: unknown */
    const char *error_name;
    const char *error_text;
    int64_t time_ms; /* when it was given up; -1: unknown */
    kca__dead_letter_kind kind;
    kca__parked_place place;
    bool trimmed; /* written without what can be left out */
} kca__dead_letter;

/* The record to publish. It points into its own block and into what the dead letter borrows. */
typedef struct kca__dead_letter_record {
    kca__record record; /* without a timestamp; a value of NULL: a tombstone */
    void *block;
} kca__dead_letter_record;

/* `channel` is the dead-letter channel's name, which only Gomes' format has. False when memory is
 * out; `out` is empty then. Costs one allocation, and for gomes a second, temporary one. */
bool kca__dead_letter_write(kca__dead_letter_record *out, const kca__dead_letter *d, int format,
                            const char *channel);
void kca__dead_letter_record_clear(kca__dead_letter_record *r);

/* A dead letter that was read. It points into its own block and into the record. */
typedef struct kca__dead_letter_reading {
    kca__dead_letter letter;
    const char *house; /* whose form it has: "kca", "gomes", or one of dead_letter_houses.c */
    bool is_ours;      /* our headers alone say where it came from */
    void *block;
} kca__dead_letter_reading;

/* Reads a dead letter and gives its format, which the record's last dead-letter header tells;
 * without one, Gomes' envelope is known by its members. KCA__DEAD_LETTER_NONE: not a dead letter,
 * or a damaged one of ours. Only after a format must the reading be cleared. */
int kca__dead_letter_read(kca__dead_letter_reading *out, const kca__record *record);
void kca__dead_letter_reading_clear(kca__dead_letter_reading *r);

#endif
