/* The wire before 2026-02-15: `type` for messageType, `replyChannel` for replyTo, and
 * `customHeaders`, a JSON object of custom headers. */
#ifndef KCA_MESSAGE_OLD_WIRE_H
#define KCA_MESSAGE_OLD_WIRE_H

#include "message/message.h"

/* Moves what those headers say from `m->headers` (room for `capacity`) to `values`, by
 * KCA__TEXT_... and KCA__WIRE_..., where nothing stands yet, and to custom headers of their own.
 * What cannot be read stays a custom header. */
void kca__old_wire_read(kca_message *m, int capacity, const char **values);

/* Frees what kca__old_wire_read made; m->headers is empty then. */
void kca__old_wire_clear(kca_message *m);

#endif
