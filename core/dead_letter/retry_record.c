#include "dead_letter/retry_record.h"

#include "dead_letter/dead_letter_wire.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX     "kca-retry-"
#define TOPIC      PREFIX "topic"
#define PARTITION  PREFIX "partition"
#define OFFSET     PREFIX "offset"
#define TIMESTAMP  PREFIX "timestamp"
#define GROUP      PREFIX "group"
#define ATTEMPTS   PREFIX "attempts"
#define ERROR_NAME PREFIX "error-name"
#define ERROR_TEXT PREFIX "error-text"
#define DUE        PREFIX "due-ms"

/* Spring's */
#define SPRING_PREFIX         "retry_topic-"
#define SPRING_ATTEMPTS       SPRING_PREFIX "attempts"
#define SPRING_DUE            SPRING_PREFIX "backoff-timestamp"
#define SPRING_BEGAN          SPRING_PREFIX "original-timestamp"
#define SPRING_ORIGINAL       "kafka_original-"
#define SPRING_TOPIC          SPRING_ORIGINAL "topic"
#define SPRING_PARTITION      SPRING_ORIGINAL "partition"
#define SPRING_OFFSET         SPRING_ORIGINAL "offset"
#define SPRING_TIMESTAMP      SPRING_ORIGINAL "timestamp"
#define SPRING_TIMESTAMP_TYPE SPRING_ORIGINAL "timestamp-type"
#define SPRING_EXCEPTION      "kafka_exception-"
#define SPRING_KEY_EXCEPTION  "kafka_key-exception-"

enum { BINARY_MOST = 8, ATTEMPTS_BYTES = 4 };

/* ---- reading ---- */

/* A number as Java's BigInteger writes it; -1: negative, longer than 8 bytes, or none. */
static int64_t big_integer(const kca__record *record, const char *name) {
    int64_t number = -1;
    for (size_t bytes = 1; bytes <= BINARY_MOST && number < 0; bytes++)
        number = kca__dead_letter_binary(record, name, bytes);
    return number;
}

static int64_t max(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* Spring writes 4 bytes, and wrote one. */
static int attempts_of_spring(const kca__record *record) {
    int64_t next = kca__dead_letter_binary(record, SPRING_ATTEMPTS, ATTEMPTS_BYTES);
    if (next < 0)
        next = kca__dead_letter_binary(record, SPRING_ATTEMPTS, 1);
    return next > 1 ? (int)next - 1 : 0;
}

static void read_springs_origin(kca__retry_record *out, const kca__record *record) {
    out->topic = kca__dead_letter_name(record, SPRING_TOPIC);
    out->partition = (int)kca__dead_letter_binary(record, SPRING_PARTITION, 4);
    out->offset = kca__dead_letter_binary(record, SPRING_OFFSET, 8);
    out->timestamp_ms = kca__dead_letter_binary(record, SPRING_TIMESTAMP, 8);
    out->log_append_time =
        strcmp(kca__dead_letter_text(record, SPRING_TIMESTAMP_TYPE), "LogAppendTime") == 0;
}

void kca__retry_record_read(kca__retry_record *out, const kca__header *headers, int count) {
    const kca__record record = {.headers = (kca__header *)(uintptr_t)headers,
                                .header_count = count};
    *out = (kca__retry_record){.topic = kca__dead_letter_name(&record, TOPIC),
                               .group = kca__dead_letter_text(&record, GROUP)};
    out->attempts = (int)max(kca__dead_letter_decimal(&record, ATTEMPTS, INT_MAX, 0),
                             attempts_of_spring(&record));
    out->due_ms = max(kca__dead_letter_decimal(&record, DUE, INT64_MAX, -1),
                      big_integer(&record, SPRING_DUE));
    if (*out->topic) {
        out->partition = (int)kca__dead_letter_decimal(&record, PARTITION, INT_MAX, -1);
        out->offset = kca__dead_letter_decimal(&record, OFFSET, INT64_MAX, -1);
        out->timestamp_ms = kca__dead_letter_time(&record, TIMESTAMP);
    } else {
        read_springs_origin(out, &record);
    }
}

/* ---- writing ---- */

/* A header that hops of ours write, or with `springs` also Spring's. Those that say when it is due
 * and how often it has failed are read whoever wrote them. */
static bool is_of_a_hop(const char *name, bool springs) {
    if (kca__dead_letter_has_prefix(name, PREFIX) ||
        kca__dead_letter_has_prefix(name, SPRING_PREFIX))
        return true;
    return springs && (kca__dead_letter_has_prefix(name, SPRING_ORIGINAL) ||
                       kca__dead_letter_has_prefix(name, SPRING_EXCEPTION) ||
                       kca__dead_letter_has_prefix(name, SPRING_KEY_EXCEPTION) ||
                       strcmp(name, KCA__SPRING_GROUP) == 0);
}

int kca__retry_record_strip(kca__header *headers, int count) {
    bool springs = !kca__dead_letter_find(headers, count, TOPIC);
    int left = 0;
    for (int i = 0; i < count; i++)
        if (!is_of_a_hop(headers[i].name, springs))
            headers[left++] = headers[i];
    return left;
}

static void add_binary(kca__dead_letter_draft *out, const char *name, int64_t number,
                       size_t bytes) {
    char text[BINARY_MOST];
    for (size_t i = 0; i < bytes; i++)
        text[i] = (char)((uint64_t)number >> (8 * (bytes - 1 - i)) & 0xff);
    kca__draft_add_copy(out, name, text, bytes);
}

static void add_big_integer(kca__dead_letter_draft *out, const char *name, int64_t number) {
    size_t bytes = 1;
    while (bytes < BINARY_MOST && (uint64_t)number >> (8 * bytes - 1) != 0)
        bytes++;
    add_binary(out, name, number, bytes);
}

static void compose_for_spring(kca__dead_letter_draft *out, const kca__dead_letter *d,
                               int64_t due_ms) {
    int64_t timestamp_ms = max(d->timestamp_ms, 0);
    kca__draft_add_text(out, SPRING_TOPIC, d->topic);
    add_binary(out, SPRING_PARTITION, d->partition, 4);
    add_binary(out, SPRING_OFFSET, d->offset, 8);
    add_binary(out, SPRING_TIMESTAMP, timestamp_ms, 8);
    kca__draft_add_text(out, SPRING_TIMESTAMP_TYPE,
                        d->log_append_time ? "LogAppendTime" : "CreateTime");
    kca__draft_add_text(out, KCA__SPRING_GROUP, d->group);
    kca__draft_add_error(out, SPRING_EXCEPTION "fqcn", d->error_name);
    kca__draft_add_error(out, SPRING_EXCEPTION "message", d->error_text);
    add_binary(out, SPRING_ATTEMPTS, (int64_t)d->attempts + 1, ATTEMPTS_BYTES);
    add_big_integer(out, SPRING_BEGAN, timestamp_ms);
    add_big_integer(out, SPRING_DUE, due_ms);
}

static void compose_ours(kca__dead_letter_draft *out, const kca__dead_letter *d, int64_t due_ms) {
    kca__draft_add_text(out, TOPIC, d->topic);
    kca__draft_add_number(out, PARTITION, d->partition, 0);
    kca__draft_add_number(out, OFFSET, d->offset, 0);
    kca__draft_add_time(out, TIMESTAMP, d->timestamp_ms);
    kca__draft_add_known(out, GROUP, d->group);
    kca__draft_add_number(out, ATTEMPTS, d->attempts, 1);
    kca__draft_add_error(out, ERROR_NAME, d->error_name);
    kca__draft_add_error(out, ERROR_TEXT, d->error_text);
    kca__draft_add_number(out, DUE, due_ms, 0);
}

/* What an earlier hop wrote, or a stranger, would be read as ours. */
static void compose(kca__dead_letter_draft *out, const kca__dead_letter *d, int64_t due_ms,
                    int format) {
    bool for_spring = format == KCA__DEAD_LETTER_SPRING;
    for (int i = 0; i < d->header_count; i++) {
        const kca__header *h = &d->headers[i];
        if (!is_of_a_hop(h->name, for_spring))
            kca__draft_add(out, h->name, h->value, h->value_len);
    }
    (for_spring ? compose_for_spring : compose_ours)(out, d, due_ms);
}

/* With `d->trimmed` without the error, which is all that can be left out. */
bool kca__retry_record_write(kca__dead_letter_record *out, const kca__dead_letter *failed,
                             int64_t due_ms, int format) {
    kca__dead_letter_draft draft = {0};
    kca__dead_letter trimmed = *failed;
    const kca__dead_letter *d = failed->trimmed ? &trimmed : failed;
    trimmed.error_name = trimmed.error_text = NULL;
    memset(out, 0, sizeof *out);
    compose(&draft, d, due_ms, format);
    size_t headers_size = (size_t)draft.header_count * sizeof *draft.headers;
    char *block = malloc(headers_size + draft.sink.len);
    if (!block)
        return false;
    draft = (kca__dead_letter_draft){.headers = (void *)block};
    draft.sink.data = block + headers_size;
    compose(&draft, d, due_ms, format);
    out->block = block;
    out->record = (kca__record){.key = d->key,
                                .key_len = d->key ? d->key_len : 0,
                                .value = d->value,
                                .value_len = d->value ? d->value_len : 0,
                                .timestamp_ms = -1,
                                .headers = draft.headers,
                                .header_count = draft.header_count};
    return true;
}
