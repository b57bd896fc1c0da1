/*
 * Own translators: the application's pairs of functions between the messages of a channel and its
 * records. Pure.
 *
 * A record stands as a raw message. Each function gets what it is to make as the channel's dialect
 * makes it, and changes that, or makes it anew.
 */
#ifndef KCA_MESSAGE_OWN_TRANSLATOR_H
#define KCA_MESSAGE_OWN_TRANSLATOR_H

#include "message/translator.h"

typedef struct kca__own_translator {
    char *channel;
    kca_translator_fn to_record, to_message; /* NULL: the dialect alone */
    void *user;
    kca_free_fn free_user;
} kca__own_translator;

/* Those of a system; filled before start, only read afterwards. */
typedef struct kca__own_translators {
    kca__own_translator *all;
    int count;
    const void *owner; /* the system */
} kca__own_translators;

/* Copies the channel's name. On failure the caller still has `user`. */
kca_error *kca__own_translators_add(kca__own_translators *list, const kca__own_translator *t);

/* Frees the users; then the memory. */
void kca__own_translators_close(kca__own_translators *list);
void kca__own_translators_free(kca__own_translators *list);

/* NULL: the channel has none. */
const kca__own_translator *kca__own_translators_find(const kca__own_translators *list,
                                                     const char *channel);

/* What a translator said of what it made. */
typedef struct kca__translated {
    int verdict;             /* KCA_DONE, or KCA_FAILED or KCA_REJECTED */
    const char *name, *text; /* why it failed; borrowed from what it made */
} kca__translated;

/* Has `fn`, one of the translator's, make `out` of `in`. */
kca__translated kca__own_translator_call(const kca__own_translators *list,
                                         const kca__own_translator *t, kca_translator_fn fn,
                                         kca_message *out, const kca_message *in);

/* The record that `wire` is, of the message `m`, as a raw message, for kca__message_free. */
kca_error *kca__raw_record_new(kca_message **out, const kca_message *m, const kca__wire *wire);

/* A view of a record as a raw message. The array of headers stays the caller's. */
void kca__raw_record_view(kca_message *out, const kca__record *record, const char *topic,
                          int partition);

#endif
