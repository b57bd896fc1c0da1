#include "message/old_wire.h"

#include "message/custom_headers.h"
#include "message/wire_name.h"
#include "json/json_check.h"
#include "json/json_text.h"

#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

/* Takes the header of this name out of the custom headers; its value is NULL when there is none. */
static kca__header take(kca_message *m, const char *name) {
    const kca__header *found = kca__custom_headers_find(m, name);
    if (!found)
        return (kca__header){name, NULL, 0};
    kca__header taken = *found;
    size_t index = (size_t)(found - m->headers);
    m->header_count--;
    memmove(m->headers + index, m->headers + index + 1,
            ((size_t)m->header_count - index) * sizeof *m->headers);
    return taken;
}

/* Turns a member that is not a string into one, with its JSON text as value: numbers stay exact. */
static bool make_text(cJSON *member, const char *json) {
    size_t len = (size_t)(kca__json_text_end(json) - json);
    char *text = cJSON_malloc(len + 1);
    if (!text)
        return false;
    memcpy(text, json, len);
    text[len] = '\0';
    member->type = cJSON_String;
    member->valuestring = text;
    return true;
}

static void add(kca_message *m, const cJSON *member, const char **values) {
    const char *value = member->valuestring;
    size_t len = strlen(value);
    int wire = kca__wire_name_find(member->string);
    if (len == 0)
        return;
    if (wire < 0 || !kca__wire_name_is_own(wire, value, len))
        m->headers[m->header_count++] = (kca__header){member->string, value, len};
    else if (!values[wire])
        values[wire] = value;
}

/* Makes room for `more` headers; the record's own array has some, where its wire headers were. */
static bool reserve(kca_message *m, int more, int capacity) {
    if (m->header_count + more <= capacity)
        return true;
    kca__header *grown = malloc((size_t)(m->header_count + more) * sizeof *grown);
    if (!grown)
        return false;
    if (m->header_count > 0)
        memcpy(grown, m->headers, (size_t)m->header_count * sizeof *grown);
    m->headers = m->grown_headers = grown;
    return true;
}

static bool read_members(kca_message *m, const kca__header *header, int capacity,
                         const char **values) {
    kca__json_fault fault;
    if (!kca__json_check(header->value, header->value_len, &fault))
        return false;
    cJSON *object = cJSON_ParseWithLengthOpts(header->value, header->value_len, NULL, 0);
    m->old_headers = object;
    if (cJSON_IsNull(object))
        return true;
    if (!cJSON_IsObject(object) || !reserve(m, cJSON_GetArraySize(object), capacity))
        return false;

    const char *json = kca__json_text_skip_space(header->value);
    for (cJSON *member = object->child; member; member = member->next) {
        json =
            member == object->child ? kca__json_text_first(json) : kca__json_text_next(json, true);
        if (cJSON_IsString(member) || make_text(member, json))
            add(m, member, values);
    }
    return true;
}

static bool is_old(const kca_message *m) {
    const kca__header *type = kca__custom_headers_find(m, "type");
    return type && kca__wire_name_is_own(KCA__WIRE_TYPE, type->value, type->value_len) &&
           kca__custom_headers_find(m, "customHeaders");
}

void kca__old_wire_read(kca_message *m, int capacity, const char **values) {
    if (!is_old(m))
        return;
    values[KCA__WIRE_TYPE] = take(m, "type").value;
    kca__header reply = take(m, "replyChannel");
    kca__header custom = take(m, "customHeaders");
    if (kca__wire_name_is_own(KCA__TEXT_REPLY_TO, reply.value, reply.value_len)) {
        if (!values[KCA__TEXT_REPLY_TO])
            values[KCA__TEXT_REPLY_TO] = reply.value;
    } else if (reply.value_len > 0) {
        m->headers[m->header_count++] = reply;
    }
    if (custom.value_len > 0 && !read_members(m, &custom, capacity, values))
        m->headers[m->header_count++] = custom;
}

void kca__old_wire_clear(kca_message *m) {
    cJSON_Delete(m->old_headers);
    free(m->grown_headers);
    m->old_headers = NULL;
    m->grown_headers = NULL;
    m->headers = NULL;
    m->header_count = 0;
}
