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

enum { KCA__WIRE_HEADERS = 14 }; /* most headers that the translator itself writes */

/* The values that a channel adds to a message. Texts may be NULL for none. */
typedef struct kca__channel_defaults {
    const char *channel;        /* channelName */
    const char *reply_to;       /* "" none */
    int type;                   /* for messages of KCA_TYPE_NONE */
    kca__trace_context context; /* for messages without one */
    const char *correlation_id; /* of a reply: instead of the message's own */
} kca__channel_defaults;

/* A written record: key and wire headers. The caller writes the message's custom ones before them:
 * of two headers with one name most readers take the last, which must be the wire's. Ids and
 * time that are made for it are inside the struct, which therefore must not be copied and must
 * outlive the record. */
typedef struct kca__wire {
    kca__header headers[KCA__WIRE_HEADERS];
    int header_count;
    const void *key;
    size_t key_len;
    char message_id[37];
    char correlation_id[37];
    char timestamp[20];
    char traceparent[KCA__TRACEPARENT_ROOM];
} kca__wire;

/* Of a raw message: its key, and no headers. */
void kca__translator_write(kca__wire *out, const kca_message *m,
                           const kca__channel_defaults *channel, int64_t now_ms);

#endif
