/* A message's custom headers, in order: there may be several of one name, and some without a value.
 */
#ifndef KCA_MESSAGE_CUSTOM_HEADERS_H
#define KCA_MESSAGE_CUSTOM_HEADERS_H

#include "message/message.h"

/* Outbound: replaces all of this name; NULL takes them away. Failures stay in m->error. */
void kca__custom_headers_set(kca_message *m, const char *name, const void *value, size_t len);

/* Outbound: one more; NULL: without a value. Failures stay in m->error. */
void kca__custom_headers_add(kca_message *m, const char *name, const void *value, size_t len);

/* Outbound: those of another message, behind its own. False: memory is out. */
bool kca__custom_headers_copy(kca_message *m, const kca_message *from);

/* The last of this name; NULL: none. */
const kca__header *kca__custom_headers_find(const kca_message *m, const char *name);

/* Frees what an outbound message keeps for its headers. */
void kca__custom_headers_free(kca_message *m);

#endif
