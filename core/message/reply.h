/*
 * A reply: the record that answers a message, as Gomes writes it: the correlation id as asked,
 * which is also its key, the type Document, no name, the result's JSON or {"error":"..."}. Pure.
 */
#ifndef KCA_MESSAGE_REPLY_H
#define KCA_MESSAGE_REPLY_H

#include "message/held_record.h"

/* What a reply answers, and through which channel; borrowed. */
typedef struct kca__reply_frame {
    const kca_message *asked;
    const char *channel; /* the record borrows it */
    int64_t now_ms;
    kca__dialect dialect;
    const kca__trace_context *context; /* that goes on; NULL: that of `asked` */
} kca__reply_frame;

/* The record of `m`; the correlation id is as asked, unless `m` is raw or was asked without one.
 * The trace goes on unless `m` has its own. */
kca_error *kca__reply_hold(kca__held_record **out, const kca__reply_frame *frame,
                           const kca_message *m);

/* A reply with this payload; NULL: `null`. */
kca_error *kca__reply_hold_payload(kca__held_record **out, const kca__reply_frame *frame,
                                   const void *payload, size_t len);

enum { KCA__REPLY_ERROR_MOST = 1000 }; /* bytes of an error's text; more are cut off */

/* The reply that says that it failed. */
kca_error *kca__reply_hold_error(kca__held_record **out, const kca__reply_frame *frame,
                                 const char *text);

#endif
