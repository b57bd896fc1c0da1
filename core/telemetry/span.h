/*
 * A span of OpenTelemetry: what a publish or the handling of a delivery took, and what came of it.
 * Names are those of its conventions for messaging; attributes of kca's own begin with `kca.`.
 *
 * Only one that is sampled is made, and it is whoever has it that ends it, once. The ids and flags
 * of one that is not sampled go on all the same, in the message's traceparent.
 */
#ifndef KCA_TELEMETRY_SPAN_H
#define KCA_TELEMETRY_SPAN_H

#include "base/list.h"
#include "kca.h"
#include "message/message.h"

enum { KCA__TRACE_ID_BYTES = 16, KCA__SPAN_ID_BYTES = 8 };

/* What a traceparent says. */
typedef struct kca__span_place {
    unsigned char trace_id[KCA__TRACE_ID_BYTES];
    unsigned char span_id[KCA__SPAN_ID_BYTES];
    bool sampled;
} kca__span_place;

/* False: it has not the form, or there is none (NULL, ""). */
bool kca__span_place_read(kca__span_place *out, const char *traceparent);
void kca__span_place_write(char out[KCA__TRACEPARENT_ROOM], const kca__span_place *place);

typedef enum kca__span_operation {
    KCA__SPAN_CREATE, /* of a message, whose context is this one's */
    KCA__SPAN_SEND,   /* until the broker has answered */
    KCA__SPAN_PROCESS /* one attempt of a handler */
} kca__span_operation;

/* Its texts; NULL: there is none. */
typedef enum kca__span_text {
    KCA__SPAN_DESTINATION,
    KCA__SPAN_CLIENT_ID,
    KCA__SPAN_GROUP,
    KCA__SPAN_MESSAGE_ID,
    KCA__SPAN_CONVERSATION_ID,
    KCA__SPAN_KEY,
    KCA__SPAN_VERDICT,
    KCA__SPAN_ERROR_TYPE,
    KCA__SPAN_ERROR_TEXT,
    KCA__SPAN_TEXTS
} kca__span_text;

typedef struct kca__span {
    kca__link link;
    struct kca__exporter *exporter;
    kca__span_operation operation;
    kca__span_place place;
    unsigned char parent_id[KCA__SPAN_ID_BYTES];
    bool has_parent, has_link, has_failed;
    kca__span_place linked; /* of the same message's creation */
    int64_t begun_ns, ended_ns;
    int partition; /* -1: not known, as the offset */
    int64_t offset;
    int attempt;        /* 0: it is no process */
    int64_t body_bytes; /* -1: a tombstone */
    char *texts[KCA__SPAN_TEXTS];
} kca__span;

/* NULL: memory is out. Texts that are too long are cut. */
kca__span *kca__span_new(kca__span_operation operation, const char *destination);
void kca__span_free(kca__span *span);

/* One that is not UTF-8 is left out. */
void kca__span_set_text(kca__span *span, kca__span_text which, const char *text);

/* Ids, key and size of the message. */
void kca__span_describe(kca__span *span, const kca_message *m);

/* Why it failed; a name of NULL or "" is "_OTHER". */
void kca__span_fail(kca__span *span, const char *error_type, const char *text);

#endif
