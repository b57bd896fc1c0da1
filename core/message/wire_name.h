/* The names of the headers that the wire itself uses; every other header is a custom one. */
#ifndef KCA_MESSAGE_WIRE_NAME_H
#define KCA_MESSAGE_WIRE_NAME_H

#include "message/message.h"

/* The meaning of a wire header: a text of the message (KCA__TEXT_...) or one of these. */
enum {
    KCA__WIRE_TYPE = KCA__MESSAGE_TEXTS,
    KCA__WIRE_TIMESTAMP,
    KCA__WIRE_GOMES_TRACEPARENT, /* "Traceparent", or any other case but W3C's */
    KCA__WIRE_GOMES_TRACESTATE,
    KCA__WIRE_NAMES,
    KCA__WIRE_CUSTOM = -1,
    KCA__WIRE_OLD = -2 /* a name that only the wire before 2026-02-15 had */
};

/* The meaning of the header `name`. Case counts, except for the two of the trace context. */
int kca__wire_name_find(const char *name);

/* Whether a value is in the form that the wire writes under a name of this meaning: a text in
 * UTF-8, for a type, a time and a traceparent one that can be read. What is not is another's
 * header, which only has the same name. */
bool kca__wire_name_is_own(int meaning, const char *value, size_t len);

/* The type of this word, KCA_TYPE_...; KCA_TYPE_NONE: it is not the wire's. */
int kca__wire_name_type(const char *word);

/* The field (or the place) that a custom header of this name would bypass; NULL: the name is free.
 */
const char *kca__wire_name_field(const char *name);

#endif
