/* Messages: the payload as JSON. */
#include "base/error.h"
#include "message/json_payload.h"

static kca_error *null_argument(const kca_message *m, const char *pointer) {
    const char *what = !m ? "message" : !pointer ? "JSON pointer" : "out";
    return kca__error_new(KCA_ERROR_ARGUMENT, "message: %s must not be NULL", what);
}

int kca_message_is_json(const kca_message *m) {
    return m && kca__json_payload_is_valid(m);
}

kca_error *kca_message_check_json(const kca_message *m) {
    return m ? kca__json_payload_check(m)
             : kca__error_new(KCA_ERROR_ARGUMENT, "message must not be NULL");
}

kca_error *kca_message_json_string(const kca_message *m, const char *pointer, const char **out) {
    if (out)
        *out = NULL;
    return m && pointer && out ? kca__json_payload_string(m, pointer, out)
                               : null_argument(m, pointer);
}

kca_error *kca_message_json_int64(const kca_message *m, const char *pointer, int64_t *out) {
    if (out)
        *out = 0;
    return m && pointer && out ? kca__json_payload_int64(m, pointer, out)
                               : null_argument(m, pointer);
}

kca_error *kca_message_json_double(const kca_message *m, const char *pointer, double *out) {
    if (out)
        *out = 0;
    return m && pointer && out ? kca__json_payload_double(m, pointer, out)
                               : null_argument(m, pointer);
}

kca_error *kca_message_json_bool(const kca_message *m, const char *pointer, int *out) {
    if (out)
        *out = 0;
    return m && pointer && out ? kca__json_payload_bool(m, pointer, out)
                               : null_argument(m, pointer);
}

kca_error *kca_message_json_count(const kca_message *m, const char *pointer, int *out) {
    if (out)
        *out = 0;
    return m && pointer && out ? kca__json_payload_count(m, pointer, out)
                               : null_argument(m, pointer);
}

int kca_message_json_type(const kca_message *m, const char *pointer) {
    return m && pointer ? kca__json_payload_type(m, pointer) : KCA_JSON_MISSING;
}
