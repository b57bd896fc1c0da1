/*
 * A message, which the application builds and publishes, or reads from a delivery.
 *
 * Outbound messages own their texts. Inbound messages are views: every pointer leads into the
 * record that the delivery holds, nothing is copied, and setters must not be called (the exported
 * ones do nothing then). Texts are never NULL ("" is none), end with NUL, and are UTF-8.
 */
#ifndef KCA_MESSAGE_MESSAGE_H
#define KCA_MESSAGE_MESSAGE_H

#include "base/buffer.h"
#include "kca.h"
#include "message/trace_context.h"

struct cJSON;

/* A record's header as a record and a custom header of a message have it. `value` ends with a NUL
 * that value_len does not count; NULL when the header has no value. */
typedef struct kca__header {
    const char *name;
    const char *value;
    size_t value_len;
} kca__header;

enum { KCA__MESSAGE_TEXTS = 9 };

/* The time of a raw message whose record is to have none: Kafka's -1. */
#define KCA__MESSAGE_UNTIMED INT64_MIN

/* Index into kca_message.texts. */
enum {
    KCA__TEXT_NAME,
    KCA__TEXT_MESSAGE_ID,
    KCA__TEXT_CORRELATION_ID,
    KCA__TEXT_ORIGIN,
    KCA__TEXT_VERSION,
    KCA__TEXT_CHANNEL,
    KCA__TEXT_REPLY_TO,
    KCA__TEXT_TRACEPARENT,
    KCA__TEXT_TRACESTATE
};

/* The text that stands in for a missing one: "Gomes", "1.0", else "". Static. */
const char *kca__message_default_text(int text);

/* The memory that an outbound message owns; its texts, payload, key and headers point into it. */
typedef struct kca__message_store {
    kca__buffer texts[KCA__MESSAGE_TEXTS];
    kca__buffer payload;
    kca__buffer key;
    kca__buffer *headers; /* header_capacity of them: a name and a value each, those in use first */
    int header_capacity;
    char *why_name, *why_text;  /* explained by the translator that makes it; NULL: not */
    struct kca_message *record; /* it is written as this one; NULL: as a translator makes it */
} kca__message_store;

struct kca_message {
    const char *texts[KCA__MESSAGE_TEXTS];
    int type;             /* KCA_TYPE_... */
    int64_t timestamp_ms; /* -1: none; raw: the record's own, or KCA__MESSAGE_UNTIMED */
    const void *payload;
    size_t payload_len;
    const void *key; /* outbound NULL: the correlation id is the key */
    size_t key_len;
    kca__header *headers; /* custom ones */
    int header_count;
    int partition;         /* outbound: to write to; -1: the key chooses */
    int64_t deliver_at_ms; /* outbound: not handed out before; 0: at once */
    bool raw;     /* outbound: a record that is written as it is; see kca_message_set_raw */
    bool unnamed; /* outbound: it may be published without a name */

    int keepers; /* outbound: calls that use it and may call the application meanwhile */
    bool freed;  /* by the application, while a call keeps it */

    /* private to message.c, custom_headers.c, json_payload.c, old_wire.c and cloud_event_read.c */
    bool inbound;
    int json_state;            /* KCA__JSON_... */
    struct cJSON *json;        /* parsed payload, when asked for */
    struct cJSON *old_headers; /* inbound: parsed `customHeaders` of the old wire; texts point in */
    void *event_block;         /* inbound: what a CloudEvent's envelope holds, read */
    kca__header *grown_headers;     /* inbound: `headers` when the record's own array had no room */
    struct kca_message *translated; /* inbound: what an own translator made, whose view this is */
    kca_error *error;               /* outbound: first failure of the setters */
    kca__message_store *store;      /* outbound */
};

/* Makes `m` an empty inbound view; no allocation. */
void kca__message_init_inbound(kca_message *m);

/* The id by which a repetition is known, borrowed: the message id, or the bytes of a header
 * messageId that is no text. NULL: none. */
const char *kca__message_identity(size_t *out_len, const kca_message *m);

/* The trace context and baggage that a message caused by this one goes on with; borrowed. */
kca__trace_context kca__message_context(const kca_message *m);

/* Makes an inbound view one of another message. What it has come to own is left behind. */
void kca__message_view(kca_message *m, const kca_message *of);

/* Frees the memory that an inbound view has come to own (JSON, old headers, grown header array);
 * the struct stays the caller's. */
void kca__message_clear_inbound(kca_message *m);

/* An outbound message, for kca__message_free. */
kca_error *kca__message_new(kca_message **out, const char *name);

/* An outbound message that is as any other, its first failure included. */
kca_error *kca__message_clone(kca_message **out, const kca_message *m);
void kca__message_free(kca_message *m);

/* Around a call inside which the application may free the message that it gave. keep gives what
 * let_go takes: NULL for a delivery's message, which the application cannot free. */
kca_message *kca__message_keep(const kca_message *m);
void kca__message_let_go(kca_message *m);

/* Makes an outbound message an empty one of this name, or without a name when that is refused; its
 * memory is kept. */
kca_error *kca__message_reset(kca_message *m, const char *name);

/* Setters of outbound messages; the first failure stays in m->error. NULL or "" takes a text away;
 * a payload or key that is not NULL may be empty. */
void kca__message_set_text(kca_message *m, int text, const char *value);
void kca__message_set_payload(kca_message *m, const void *payload, size_t len);
void kca__message_set_key(kca_message *m, const void *key, size_t len);
void kca__message_set_type(kca_message *m, int type);
void kca__message_set_timestamp_ms(kca_message *m, int64_t ms);
void kca__message_set_partition(kca_message *m, int partition);
void kca__message_set_deliver_at_ms(kca_message *m, int64_t ms);
void kca__message_set_raw(kca_message *m, bool raw);
void kca__message_set_trace_context(kca_message *m, const char *traceparent,
                                    const char *tracestate);

/* See kca_message_set_all, kca_message_set_record and kca_message_explain. */
void kca__message_set_all(kca_message *m, const kca_message *from);
void kca__message_set_record(kca_message *m, const kca_message *record);
void kca__message_explain(kca_message *m, const char *error_name, const char *text);

/* The time of its record; 0: librdkafka stamps it. */
int64_t kca__message_record_time_ms(const kca_message *m);

/* What keeps the message from being published, as a new error: the setters' first failure, or that
 * it has no name and nobody asked for one without. */
kca_error *kca__message_check(const kca_message *m);

/* An error whose text begins with "message NAME: ". */
kca_error *kca__message_error(const kca_message *m, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Makes an error as kca__message_error does, and keeps it in m->error if it is the first. */
void kca__message_fail(kca_message *m, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
