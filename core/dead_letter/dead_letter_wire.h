/* Private to the dead_letter*.c: the headers' names, and the draft that the formats are written to.
 */
#ifndef KCA_DEAD_LETTER_DEAD_LETTER_WIRE_H
#define KCA_DEAD_LETTER_DEAD_LETTER_WIRE_H

#include "base/sink.h"
#include "dead_letter/dead_letter.h"

#define KCA__DEAD_LETTER_PREFIX     "kca-dead-letter-"
#define KCA__DEAD_LETTER_TOPIC      KCA__DEAD_LETTER_PREFIX "topic"
#define KCA__DEAD_LETTER_PARTITION  KCA__DEAD_LETTER_PREFIX "partition"
#define KCA__DEAD_LETTER_OFFSET     KCA__DEAD_LETTER_PREFIX "offset"
#define KCA__DEAD_LETTER_TIMESTAMP  KCA__DEAD_LETTER_PREFIX "timestamp"
#define KCA__DEAD_LETTER_GROUP      KCA__DEAD_LETTER_PREFIX "group"
#define KCA__DEAD_LETTER_ATTEMPTS   KCA__DEAD_LETTER_PREFIX "attempts"
#define KCA__DEAD_LETTER_ERROR_NAME KCA__DEAD_LETTER_PREFIX "error-name"
#define KCA__DEAD_LETTER_ERROR_TEXT KCA__DEAD_LETTER_PREFIX "error-text"
#define KCA__DEAD_LETTER_TIME       KCA__DEAD_LETTER_PREFIX "time"
#define KCA__DEAD_LETTER_PARKED     KCA__DEAD_LETTER_PREFIX "parked"
#define KCA__DEAD_LETTER_WAITS_FOR  KCA__DEAD_LETTER_PREFIX "waits-for"
#define KCA__DEAD_LETTER_BEHIND     KCA__DEAD_LETTER_PREFIX "behind"
#define KCA__DEAD_LETTER_AT         KCA__DEAD_LETTER_PREFIX "at"
#define KCA__DEAD_LETTER_PAYLOAD    KCA__DEAD_LETTER_PREFIX "payload" /* gomes only */
#define KCA__DEAD_LETTER_HEADERS    KCA__DEAD_LETTER_PREFIX "headers" /* gomes only */

#define KCA__SPRING_PREFIX         "kafka_dlt-"
#define KCA__SPRING_ORIGINAL       KCA__SPRING_PREFIX "original-"
#define KCA__SPRING_TOPIC          KCA__SPRING_ORIGINAL "topic"
#define KCA__SPRING_PARTITION      KCA__SPRING_ORIGINAL "partition"
#define KCA__SPRING_OFFSET         KCA__SPRING_ORIGINAL "offset"
#define KCA__SPRING_TIMESTAMP      KCA__SPRING_ORIGINAL "timestamp"
#define KCA__SPRING_TIMESTAMP_TYPE KCA__SPRING_ORIGINAL "timestamp-type"
#define KCA__SPRING_GROUP          KCA__SPRING_ORIGINAL "consumer-group"
#define KCA__SPRING_EXCEPTION      KCA__SPRING_PREFIX "exception-fqcn"
#define KCA__SPRING_MESSAGE        KCA__SPRING_PREFIX "exception-message"

/* True for a header that our dead letters add. */
bool kca__dead_letter_is_ours(const char *name);

/* True for a header of Spring's dead letters that each hop replaces: no history is kept of it. */
bool kca__dead_letter_is_springs_last(const char *name);

bool kca__dead_letter_has_prefix(const char *name, const char *prefix);

/* ---- writing: all of it is composed twice, see sink.h ---- */

typedef struct kca__dead_letter_draft {
    kca__header *headers; /* NULL: only counts */
    int header_count;
    kca__sink sink; /* bytes made for headers and value, which are not borrowed */
    const char *value;
    size_t value_len;
} kca__dead_letter_draft;

/* Add a header: with a borrowed value; with a copied value; with a text ("" for NULL); with a text,
 * but none when it is NULL or "". */
void kca__draft_add(kca__dead_letter_draft *out, const char *name, const void *value, size_t len);
void kca__draft_add_copy(kca__dead_letter_draft *out, const char *name, const void *value,
                         size_t len);
void kca__draft_add_text(kca__dead_letter_draft *out, const char *name, const char *text);
void kca__draft_add_known(kca__dead_letter_draft *out, const char *name, const char *text);

/* Add a header, but none for an unknown value: a number below `least`, a time that cannot be
 * written.
 */
void kca__draft_add_number(kca__dead_letter_draft *out, const char *name, int64_t number,
                           int64_t least);
void kca__draft_add_time(kca__dead_letter_draft *out, const char *name, int64_t ms);

/* Adds an error's name or text; no header when it is missing. */
void kca__draft_add_error(kca__dead_letter_draft *out, const char *name, const char *text);

void kca__dead_letter_add_ours(kca__dead_letter_draft *out, const kca__dead_letter *d);
void kca__dead_letter_write_kca(kca__dead_letter_draft *out, const kca__dead_letter *d);
void kca__dead_letter_write_spring(kca__dead_letter_draft *out, const kca__dead_letter *d);

/* Facts about a dead letter that writing Gomes' envelope needs beforehand. */
typedef struct kca__envelope {
    const kca__header **headers; /* those of the record that the envelope holds, by name */
    int header_count;
    bool loses_headers;
    int payload; /* KCA__PAYLOAD_... */
} kca__envelope;

enum { KCA__PAYLOAD_JSON, KCA__PAYLOAD_TEXT, KCA__PAYLOAD_BASE64, KCA__PAYLOAD_NONE };

/* The value of kca-dead-letter-payload. */
extern const char *const kca__payload_names[KCA__PAYLOAD_NONE + 1];

bool kca__envelope_prepare(kca__envelope *out, const kca__dead_letter *d);
void kca__envelope_clear(kca__envelope *e);
void kca__dead_letter_write_gomes(kca__dead_letter_draft *out, const kca__dead_letter *d,
                                  const kca__envelope *e, const char *channel);

/* ---- reading ---- */

enum { KCA__HOUSE_SIGNS = 3, KCA__HOUSE_ADDS = 10, KCA__HOUSE_SKIPS = 5 };

/* A library that writes dead letters, and its headers. NULL: it has none for that. In `adds` and
 * `skips` a name that ends in '*' is the beginning of one. */
typedef struct kca__house {
    const char *name;
    int format;         /* KCA__DEAD_LETTER_... */
    bool javas;         /* numbers are Java's, big-endian, of 4 and 8 bytes; else decimal texts */
    bool keeps_history; /* where it came from is added to what earlier hops said of that */
    const char *signs[KCA__HOUSE_SIGNS]; /* each of them tells that it is its dead letter */
    const char *topic, *partition, *offset, *timestamp, *timestamp_type, *group;
    const char *attempts, *next_attempt; /* one of them */
    const char *cause, *error_name;      /* the cause's class is the error's name, if it is there */
    const char *error_text, *time;
    const char *adds[KCA__HOUSE_ADDS];   /* do not belong to the failed record */
    const char *skips[KCA__HOUSE_SKIPS]; /* would make it skip work: not sent back either */
} kca__house;

extern const kca__house kca__houses[]; /* ends with a name of NULL */

bool kca__house_adds(const kca__house *h, const char *name);
bool kca__house_drops(const kca__house *h, const char *name);
bool kca__house_has_signed(const kca__house *h, const kca__record *record);

/* The value of the last header of a name: as text, "" for none; a topic's name, which is whole, or
 * "" as well; the number that decimal digits write, else `unknown`; a time, -1 for none; a
 * big-endian number of exactly `bytes` bytes, -1 for a negative or unreadable one. `name` NULL:
 * there is none. */
const char *kca__dead_letter_text(const kca__record *record, const char *name);
const char *kca__dead_letter_name(const kca__record *record, const char *name);
int64_t kca__dead_letter_decimal(const kca__record *record, const char *name, int64_t most,
                                 int64_t unknown);
int64_t kca__dead_letter_time(const kca__record *record, const char *name);
int64_t kca__dead_letter_binary(const kca__record *record, const char *name, size_t bytes);

/* Reads our own headers. */
void kca__dead_letter_read_ours(kca__dead_letter *out, const kca__record *record);

/* Reads Gomes' envelope, as kca__dead_letter_read; `out` already has what the record's own headers
 * say. `payload` is the value of kca-dead-letter-payload, NULL when Gomes itself wrote the letter.
 */
int kca__dead_letter_read_gomes(kca__dead_letter_reading *out, const kca__record *record,
                                const char *payload);

/* The last header of this name that has a value; NULL: none. */
const kca__header *kca__dead_letter_find(const kca__header *headers, int count, const char *name);

#endif
