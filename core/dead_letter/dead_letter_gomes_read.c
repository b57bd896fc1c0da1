#include "base/base64.h"
#include "dead_letter/dead_letter_wire.h"
#include "message/wire_time.h"
#include "json/json_check.h"
#include "json/json_string.h"
#include "json/json_text.h"

#include <stdlib.h>
#include <string.h>

/* Member of an object in JSON that is known to be valid. */
typedef struct member {
    const char *name; /* at its quote */
    const char *colon;
    const char *value;
    const char *end;   /* of the value */
    const char *after; /* the comma or brace behind it */
} member;

/* Reads the member at `p`, which is behind '{' or ','; false: there is none. */
static bool take_member(member *out, const char *p) {
    out->name = kca__json_text_skip_space(p);
    if (*out->name != '"')
        return false;
    out->colon = kca__json_text_skip_space(kca__json_text_end(out->name));
    out->value = kca__json_text_skip_space(out->colon + 1);
    out->end = kca__json_text_end(out->value);
    out->after = kca__json_text_skip_space(out->end);
    return true;
}

static bool next_member(member *m) {
    return *m->after == ',' && take_member(m, m->after + 1);
}

static bool is_named(const member *m, const char *name) {
    size_t len = strlen(name);
    return strncmp(m->name + 1, name, len) == 0 && m->name[len + 1] == '"';
}

typedef struct envelope {
    member reason;
    member payload;
    member headers;
} envelope;

static bool find_envelope(envelope *out, const kca__record *record) {
    kca__json_fault fault;
    member m;
    memset(out, 0, sizeof *out);
    if (!record->value || !kca__json_check(record->value, record->value_len, &fault))
        return false;
    const char *object = kca__json_text_skip_space(record->value);
    if (*object != '{')
        return false;
    for (bool more = take_member(&m, object + 1); more; more = next_member(&m)) {
        if (is_named(&m, "ReasonError"))
            out->reason = m;
        else if (is_named(&m, "Payload"))
            out->payload = m;
        else if (is_named(&m, "Headers"))
            out->headers = m;
    }
    return out->reason.name && *out->reason.value == '"' && out->payload.name &&
           out->headers.name && (*out->headers.value == '{' || *out->headers.value == 'n');
}

/* ---- texts: each is shorter than what it is read from, so the value's length is room for all ----
 */

static const char *take_string(char **room, const char *string, size_t *len) {
    char *text = *room;
    *len = kca__json_string_read(text, string);
    text[*len] = '\0';
    *room += *len + 1;
    return text;
}

/* Copies the text of a value that is not a string, unchanged: numbers stay exact. */
static const char *take_raw(char **room, const member *m, size_t *len) {
    char *text = *room;
    *len = (size_t)(m->end - m->value);
    memcpy(text, m->value, *len);
    text[*len] = '\0';
    *room += *len + 1;
    return text;
}

/* ---- headers ---- */

static int count_members(const member *headers) {
    member m;
    int count = 0;
    bool more = *headers->value == '{' && take_member(&m, headers->value + 1);
    for (; more; more = next_member(&m))
        count++;
    return count;
}

static void take_members(kca__header *out, char **room, const member *headers) {
    member m;
    bool more = *headers->value == '{' && take_member(&m, headers->value + 1);
    for (; more; more = next_member(&m), out++) {
        size_t name_len;
        memset(out, 0, sizeof *out);
        out->name = take_string(room, m.name, &name_len);
        if (*m.value == '"')
            out->value = take_string(room, m.value, &out->value_len);
        else if (*m.value != 'n')
            out->value = take_raw(room, &m, &out->value_len);
    }
}

/* Reads one header of kca-dead-letter-headers at `*p`, see dead_letter.h; false: it is damaged. */
static bool take_exact(kca__header *out, const char **p, const char *end) {
    const char *name_end = memchr(*p, '\0', (size_t)(end - *p));
    if (!name_end || end - name_end < 6)
        return false;
    const unsigned char *size = (const unsigned char *)name_end + 1;
    uint32_t len = (uint32_t)size[0] << 24 | (uint32_t)size[1] << 16 | (uint32_t)size[2] << 8 |
                   (uint32_t)size[3];
    const char *value = name_end + 5;
    bool none = len == UINT32_MAX;
    if (none)
        len = 0;
    if (len >= (size_t)(end - value) || value[len] != '\0')
        return false;
    *out = (kca__header){*p, none ? NULL : value, len};
    *p = value + len + 1;
    return true;
}

/* The number of headers in kca-dead-letter-headers; -1: it is damaged. */
static int count_exact(const kca__header *exact) {
    const char *p = exact->value, *end = p + exact->value_len;
    kca__header h;
    int count = 0;
    for (; p < end; count++)
        if (!take_exact(&h, &p, end))
            return -1;
    return count;
}

static void take_all_exact(kca__header *out, const kca__header *exact) {
    const char *p = exact->value, *end = p + exact->value_len;
    while (p < end)
        take_exact(out++, &p, end);
}

/* ---- payload ---- */

/* Takes the payload: the JSON value from a letter that Gomes wrote; all bytes, with the white space
 * around the value, from a letter of ours. */
static void take_json(kca__dead_letter *out, const member *m, bool ours) {
    const char *start = ours ? m->colon + 1 : m->value;
    out->value = start;
    out->value_len = (size_t)((ours ? m->after : m->end) - start);
}

static bool take_payload(kca__dead_letter *out, char **room, const member *m, const char *payload) {
    int kind = KCA__PAYLOAD_JSON;
    out->value = NULL;
    out->value_len = 0;
    while (payload && kind <= KCA__PAYLOAD_NONE && strcmp(payload, kca__payload_names[kind]) != 0)
        kind++;
    if (kind == KCA__PAYLOAD_JSON)
        take_json(out, m, payload != NULL);
    if (kind == KCA__PAYLOAD_JSON || kind == KCA__PAYLOAD_NONE)
        return true;
    if (kind > KCA__PAYLOAD_NONE || *m->value != '"')
        return false;
    char *text = *room;
    out->value = take_string(room, m->value, &out->value_len);
    return kind == KCA__PAYLOAD_TEXT ||
           kca__base64_read(text, &out->value_len, &kca__base64_standard, text, out->value_len);
}

/* ---- the whole letter ---- */

static const char *value_of(const kca__header *headers, int count, const char *name) {
    const kca__header *h = kca__dead_letter_find(headers, count, name);
    return h ? h->value : "";
}

/* Reads what the headers of a letter by Gomes itself say beyond the envelope. */
static void read_gomes_own(kca__dead_letter *out, const kca__record *record) {
    const char *time = value_of(record->headers, record->header_count, "timestamp");
    out->topic = value_of(out->headers, out->header_count, "channelName");
    if (!kca__wire_time_read(&out->time_ms, time))
        out->time_ms = -1;
}

int kca__dead_letter_read_gomes(kca__dead_letter_reading *out, const kca__record *record,
                                const char *payload) {
    kca__dead_letter *d = &out->letter;
    envelope e;
    if (!find_envelope(&e, record))
        return KCA__DEAD_LETTER_NONE;
    const kca__header *exact =
        payload
            ? kca__dead_letter_find(record->headers, record->header_count, KCA__DEAD_LETTER_HEADERS)
            : NULL;
    int count = exact ? count_exact(exact) : count_members(&e.headers);
    if (count < 0)
        return KCA__DEAD_LETTER_NONE;
    size_t headers_size = (size_t)count * sizeof(kca__header);
    kca__header *headers = malloc(headers_size + record->value_len);
    if (!headers)
        return KCA__DEAD_LETTER_NO_MEMORY;

    char *room = (char *)headers + headers_size;
    size_t len;
    if (!take_payload(d, &room, &e.payload, payload)) {
        free(headers);
        return KCA__DEAD_LETTER_NONE;
    }
    if (exact)
        take_all_exact(headers, exact);
    else
        take_members(headers, &room, &e.headers);
    out->block = headers;
    d->headers = headers;
    d->header_count = count;
    if (!d->error_text[0])
        d->error_text = take_string(&room, e.reason.value, &len);
    if (!payload)
        read_gomes_own(d, record);
    return KCA__DEAD_LETTER_GOMES;
}
