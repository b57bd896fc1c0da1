/* The wire: a record that a translator writes, in one dialect or another. */
#ifndef KCA_MESSAGE_WIRE_H
#define KCA_MESSAGE_WIRE_H

#include "message/message.h"

enum {
    KCA__WIRE_HEADERS = 14, /* most headers that the translator itself writes */
    KCA__WIRE_ROOM = 16     /* in any dialect */
};

/* A written record: key, value and headers. The caller writes the custom ones first: of two headers
 * with one name most readers take the last, which must be the wire's. Ids and time that are made
 * for it are inside the struct, which therefore must not be copied and must outlive the record. */
typedef struct kca__wire {
    kca__header headers[KCA__WIRE_ROOM];
    int header_count;
    const kca__header *custom; /* the message's, or of them those that are not in the value */
    int custom_count;
    const void *key;
    size_t key_len;
    const void *value;
    size_t value_len;
    void *owned; /* by the wire; see kca__wire_clear */
    char message_id[37];
    char correlation_id[37];
    char timestamp[25];
    char traceparent[KCA__TRACEPARENT_ROOM];
} kca__wire;

/* Begins a record with what the message has, and nothing else. */
void kca__wire_begin(kca__wire *out, const kca_message *m);

/* One more header. */
void kca__wire_put(kca__wire *out, const char *name, const char *value);

/* The message's own id, or a fresh one made in `room`. */
const char *kca__wire_id(const char *own, char room[37]);

/* The word of a type, "Event"; "Document" for KCA_TYPE_NONE. */
const char *kca__wire_type(int type);

/* Frees what a dialect has made for the record. */
void kca__wire_clear(kca__wire *wire);

#endif
