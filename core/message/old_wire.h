/* The wire before 2026-02-15: `type` for messageType, `replyChannel` for replyTo, and
 * `customHeaders`, a JSON object of custom headers. */
#ifndef KCA_MESSAGE_OLD_WIRE_H
#define KCA_MESSAGE_OLD_WIRE_H

#include "message/message.h"

/* If the record is of the old wire, which always has a type of the four and `customHeaders`: takes
 * the old wire's headers out of `m->headers` (room for `capacity`): their values go to `values`, at
 * KCA__TEXT_... and KCA__WIRE_..., where none is yet, and the members of customHeaders become
 * custom headers. A header that cannot be read stays a custom header. */
void kca__old_wire_read(kca_message *m, int capacity, const char **values);

/* Frees the memory of kca__old_wire_read; m->headers is empty then. */
void kca__old_wire_clear(kca_message *m);

#endif
