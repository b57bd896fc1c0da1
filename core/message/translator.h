/*
 * Translator: message <-> record, in Gomes' dialect. Pure: knows nothing of librdkafka, takes the
 * time as an argument.
 *
 * Reading never fails: missing headers get their defaults, and what only has the name of a wire
 * header, but not its form, stays a custom header, byte for byte; so no record can stall a
 * consumer, and nothing of a stranger's record is lost. Writing makes fresh ids where the message
 * has none, and allocates nothing.
 */
#ifndef KCA_MESSAGE_TRANSLATOR_H
#define KCA_MESSAGE_TRANSLATOR_H

#include "message/message.h"
#include "message/trace_context.h"
#include "message/wire.h"

/* Which form records have; see cloud_event.h for those that are not Gomes'. */
typedef enum kca__dialect {
    KCA__DIALECT_GOMES,
    KCA__DIALECT_CLOUD_EVENTS, /* written in binary mode */
    KCA__DIALECT_STRUCTURED
} kca__dialect;

/* A record, for reading and writing; everything in it is borrowed. */
typedef struct kca__record {
    const void *key;
    size_t key_len;
    const void *value;
    size_t value_len;
    int64_t timestamp_ms; /* the record's own; -1: none */
    kca__header *headers;
    int header_count;
} kca__record;

/* Fills `out` (made by kca__message_init_inbound) with views into `record`. `record->headers` is
 * rearranged: the custom ones move to its front and become out->headers. `now_ms` is the time of a
 * record that has none. */
void kca__translator_read(kca_message *out, kca__record *record, int64_t now_ms);

/* Fills `out` for a dialect: its texts, type and time from `values`, at KCA__TEXT_... and
 * KCA__WIRE_..., where NULL is none; payload and key from `record`. `type` is that of a message
 * which names none. out->headers are set before. */
void kca__translator_take(kca_message *out, const kca__record *record, const char **values,
                          int type, int64_t now_ms);

/* The values that a channel adds to a message. Texts may be NULL for none. */
typedef struct kca__channel_defaults {
    const char *channel;        /* channelName */
    const char *reply_to;       /* "" none */
    int type;                   /* for messages of KCA_TYPE_NONE */
    kca__trace_context context; /* for messages without one */
    const char *correlation_id; /* of a reply: instead of the message's own */
    kca__dialect dialect;
} kca__channel_defaults;

/* Of a raw message: its key and payload, and no headers. */
void kca__translator_write(kca__wire *out, const kca_message *m,
                           const kca__channel_defaults *channel, int64_t now_ms);

#endif
