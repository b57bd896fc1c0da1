#include "message/json_payload.h"

#include "base/error.h"
#include "json/json_check.h"
#include "json/json_number.h"
#include "json/json_pointer.h"
#include "json/json_text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

void kca__json_payload_forget(kca_message *m) {
    if (m->json)
        cJSON_Delete(m->json);
    m->json = NULL;
    m->json_state = KCA__JSON_UNKNOWN;
}

/* Casts const away: this is the one place where reading a message changes it. */
static kca_message *cache(const kca_message *m) {
    return (kca_message *)m;
}

bool kca__json_payload_is_valid(const kca_message *m) {
    if (m->json_state == KCA__JSON_UNKNOWN) {
        kca__json_fault fault;
        bool valid = kca__json_check(m->payload, m->payload_len, &fault);
        cache(m)->json_state = valid ? KCA__JSON_VALID : KCA__JSON_BROKEN;
    }
    return m->json_state == KCA__JSON_VALID;
}

kca_error *kca__json_payload_check(const kca_message *m) {
    kca__json_fault fault;
    if (m->payload_len == 0)
        return kca__message_error(m, KCA_ERROR_PAYLOAD, "payload is %s, not JSON",
                                  m->payload ? "empty" : "missing");
    if (kca__json_payload_is_valid(m) || kca__json_check(m->payload, m->payload_len, &fault))
        return NULL;
    return kca__message_error(m, KCA_ERROR_PAYLOAD,
                              "payload of %zu bytes is not JSON at offset %zu: %s", m->payload_len,
                              fault.offset, fault.text);
}

static kca_error *parse(const kca_message *m) {
    if (m->json)
        return NULL;
    kca_error *e = kca__json_payload_check(m);
    if (e)
        return e;
    cache(m)->json = cJSON_ParseWithLengthOpts(m->payload, m->payload_len, NULL, 0);
    if (m->json)
        return NULL;
    return kca__message_error(m, KCA_ERROR_PAYLOAD,
                              "payload is JSON, but cJSON %s has no memory for it or cannot hold a "
                              "number as long as one in it",
                              cJSON_Version());
}

static int type_of(const cJSON *item) {
    if (cJSON_IsNull(item))
        return KCA_JSON_NULL;
    if (cJSON_IsBool(item))
        return KCA_JSON_BOOL;
    if (cJSON_IsNumber(item))
        return KCA_JSON_NUMBER;
    if (cJSON_IsString(item))
        return KCA_JSON_STRING;
    if (cJSON_IsArray(item))
        return KCA_JSON_ARRAY;
    return cJSON_IsObject(item) ? KCA_JSON_OBJECT : KCA_JSON_MISSING;
}

int kca__json_payload_type(const kca_message *m, const char *pointer) {
    if (!kca__json_payload_is_valid(m) || !kca__json_pointer_is_valid(pointer))
        return KCA_JSON_MISSING;
    kca_error *e = parse(m);
    kca__error_free(e);
    return e ? KCA_JSON_MISSING : type_of(kca__json_pointer_find(m->json, pointer, NULL));
}

/* ---- values by pointer ---- */

static kca_error *value_error(const kca_message *m, const char *pointer, const char *what) {
    return kca__message_error(m, KCA_ERROR_PAYLOAD, "payload %s%s%s%s", what,
                              pointer[0] ? ", at \"" : "", pointer, pointer[0] ? "\"" : "");
}

static kca_error *type_error(const kca_message *m, const char *pointer, const cJSON *item,
                             const char *wanted) {
    static const char *const nouns[] = {
        [KCA_JSON_MISSING] = "nothing", [KCA_JSON_NULL] = "null",
        [KCA_JSON_BOOL] = "a bool",     [KCA_JSON_NUMBER] = "a number",
        [KCA_JSON_STRING] = "a string", [KCA_JSON_ARRAY] = "an array",
        [KCA_JSON_OBJECT] = "an object"};
    char what[80];
    snprintf(what, sizeof what, "is %s, not %s", nouns[type_of(item)], wanted);
    return value_error(m, pointer, what);
}

static kca_error *find(const kca_message *m, const char *pointer, const cJSON **out) {
    if (!kca__json_pointer_is_valid(pointer))
        return kca__message_error(m, KCA_ERROR_ARGUMENT,
                                  "a JSON pointer must be \"\" or begin with \"/\", and have \"~\" "
                                  "as \"~0\" or \"~1\" only, got \"%s\"",
                                  pointer);
    kca_error *e = parse(m);
    if (e)
        return e;
    *out = kca__json_pointer_find(m->json, pointer, NULL);
    if (!*out)
        return kca__message_error(m, KCA_ERROR_NOT_FOUND, "payload has nothing at \"%s\"", pointer);
    return NULL;
}

/* The JSON text of the value that was found at `pointer`. */
static const char *text_at(const kca_message *m, const char *pointer) {
    const char *text = kca__json_text_skip_space(m->payload);
    kca__json_pointer_find(m->json, pointer, &text);
    return text;
}

kca_error *kca__json_payload_string(const kca_message *m, const char *pointer, const char **out) {
    const cJSON *item;
    *out = NULL;
    kca_error *e = find(m, pointer, &item);
    if (e)
        return e;
    if (!cJSON_IsString(item))
        return type_error(m, pointer, item, "a string");
    if (memmem(m->payload, m->payload_len, "\\u0000", 6) &&
        kca__json_text_has_nul(text_at(m, pointer)))
        return value_error(m, pointer, "holds \\u0000, which a C text cannot");
    *out = item->valuestring;
    return NULL;
}

kca_error *kca__json_payload_int64(const kca_message *m, const char *pointer, int64_t *out) {
    const cJSON *item;
    *out = 0;
    kca_error *e = find(m, pointer, &item);
    if (e)
        return e;
    if (!cJSON_IsNumber(item))
        return type_error(m, pointer, item, "a number");
    const char *end = (const char *)m->payload + m->payload_len;
    switch (kca__json_number_int64(out, text_at(m, pointer), end)) {
    case KCA__NUMBER_FRACTION:
        return value_error(m, pointer, "is a number with a fraction, not an integer");
    case KCA__NUMBER_TOO_LARGE:
        return value_error(m, pointer, "is a number outside -2^63 to 2^63 - 1");
    default:
        return NULL;
    }
}

kca_error *kca__json_payload_double(const kca_message *m, const char *pointer, double *out) {
    const cJSON *item;
    *out = 0;
    kca_error *e = find(m, pointer, &item);
    if (e)
        return e;
    if (!cJSON_IsNumber(item))
        return type_error(m, pointer, item, "a number");
    if (!isfinite(item->valuedouble))
        return value_error(m, pointer, "is a number too large for a double");
    *out = item->valuedouble;
    return NULL;
}

kca_error *kca__json_payload_bool(const kca_message *m, const char *pointer, int *out) {
    const cJSON *item;
    *out = 0;
    kca_error *e = find(m, pointer, &item);
    if (e)
        return e;
    if (!cJSON_IsBool(item))
        return type_error(m, pointer, item, "a bool");
    *out = cJSON_IsTrue(item);
    return NULL;
}

kca_error *kca__json_payload_count(const kca_message *m, const char *pointer, int *out) {
    const cJSON *item;
    *out = 0;
    kca_error *e = find(m, pointer, &item);
    if (e)
        return e;
    if (!cJSON_IsArray(item) && !cJSON_IsObject(item))
        return type_error(m, pointer, item, "an array or object");
    *out = cJSON_GetArraySize(item);
    return NULL;
}
