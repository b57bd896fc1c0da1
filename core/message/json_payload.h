/* A message's payload as JSON: checked and parsed by cJSON when first asked for, integers read
 * exactly from the text. That changes even a `const` message, so one thread at a time may use it.
 */
#ifndef KCA_MESSAGE_JSON_PAYLOAD_H
#define KCA_MESSAGE_JSON_PAYLOAD_H

#include "message/message.h"

/* kca_message.json_state: whether the payload is known to be JSON. */
enum { KCA__JSON_UNKNOWN, KCA__JSON_VALID, KCA__JSON_BROKEN };

/* Frees the parsed payload, and makes json_state unknown. */
void kca__json_payload_forget(kca_message *m);

bool kca__json_payload_is_valid(const kca_message *m);

/* NULL when the payload is JSON. */
kca_error *kca__json_payload_check(const kca_message *m);

/* KCA_JSON_...; KCA_JSON_MISSING when nothing is there or the payload is not JSON. */
int kca__json_payload_type(const kca_message *m, const char *pointer);

/* The value that `pointer` leads to; on failure `*out` is NULL or 0. */
kca_error *kca__json_payload_string(const kca_message *m, const char *pointer, const char **out);
kca_error *kca__json_payload_int64(const kca_message *m, const char *pointer, int64_t *out);
kca_error *kca__json_payload_double(const kca_message *m, const char *pointer, double *out);
kca_error *kca__json_payload_bool(const kca_message *m, const char *pointer, int *out);
kca_error *kca__json_payload_count(const kca_message *m, const char *pointer, int *out);

#endif
