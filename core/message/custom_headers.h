/* A message's custom headers: an ordered list without duplicates. */
#ifndef KCA_MESSAGE_CUSTOM_HEADERS_H
#define KCA_MESSAGE_CUSTOM_HEADERS_H

#include "message/message.h"

/* Outbound: sets or replaces; NULL takes the header away. Failures stay in m->error. */
void kca__custom_headers_set(kca_message *m, const char *name, const void *value, size_t len);

/* NULL: none of this name. */
const kca__header *kca__custom_headers_find(const kca_message *m, const char *name);

/* Drops all but the last header of each name, in place; gives how many are left. Quick for any
 * number: a record can have a hundred thousand. */
int kca__custom_headers_unique(kca__header *headers, int count);

/* Frees what an outbound message keeps for its headers. */
void kca__custom_headers_free(kca_message *m);

#endif
