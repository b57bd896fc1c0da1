/* CloudEvents become messages. */
#include "message/cloud_event.h"

#include "base/base64.h"
#include "message/content_type.h"
#include "message/wire_name.h"
#include "json/json_check.h"
#include "json/json_string.h"
#include "json/json_text.h"

#include <stdlib.h>
#include <string.h>

static const char correlation_attribute[] = "correlationid";

void kca__cloud_event_clear(kca_message *m) {
    free(m->event_block);
    m->event_block = NULL;
    m->headers = NULL;
    m->header_count = 0;
}

/* ---- which mode ---- */

typedef enum event_mode { NO_EVENT, BINARY, STRUCTURED } event_mode;

static event_mode mode_of(const kca__record *record) {
    event_mode mode = NO_EVENT;
    for (int i = 0; i < record->header_count; i++) {
        const kca__header *h = &record->headers[i];
        if (!h->name || !h->value || h->value_len == 0)
            continue;
        if (kca__content_type_is_name(h->name) && kca__content_type_is_event(h->value))
            return record->value ? STRUCTURED : NO_EVENT;
        if (strcmp(h->name, "ce_specversion") == 0)
            mode = BINARY;
    }
    return mode;
}

/* ---- attributes ---- */

/* Keeps an attribute's value, of duplicates the first that comes here. False: it is an extension,
 * or has not the form that it must have. */
static bool take(const char **values, int meaning, const char *value, size_t len) {
    if (meaning == KCA__CLOUD_EVENT_VERSION)
        return true;
    if (meaning < 0 || !kca__wire_name_is_own(meaning, value, len))
        return false;
    if (!values[meaning])
        values[meaning] = value;
    return true;
}

/* The trace of the transport is the fresher one: a relay renews it, and leaves the event alone. */
typedef struct transport {
    const char *traceparent;
    const char *tracestate;
} transport;

static bool take_transport(transport *t, const kca__header *h) {
    if (strcmp(h->name, "traceparent") == 0 &&
        kca__wire_name_is_own(KCA__TEXT_TRACEPARENT, h->value, h->value_len))
        t->traceparent = t->traceparent ? t->traceparent : h->value;
    else if (strcmp(h->name, "tracestate") == 0 &&
             kca__wire_name_is_own(KCA__TEXT_TRACESTATE, h->value, h->value_len))
        t->tracestate = t->tracestate ? t->tracestate : h->value;
    else
        return false;
    return true;
}

static void choose_trace(const char **values, const transport *t) {
    if (t->traceparent) {
        values[KCA__TEXT_TRACEPARENT] = t->traceparent;
        values[KCA__TEXT_TRACESTATE] = t->tracestate;
    } else if (!values[KCA__TEXT_TRACEPARENT]) {
        values[KCA__TEXT_TRACESTATE] = NULL;
    }
}

/* ---- binary ---- */

static bool take_header(const char **values, transport *t, const kca__header *h) {
    const char *attribute = kca__cloud_event_header(h->name);
    return attribute ? take(values, kca__cloud_event_attribute(attribute), h->value, h->value_len)
                     : take_transport(t, h);
}

static void read_binary(kca_message *out, kca__record *record, int64_t now_ms) {
    const char *values[KCA__WIRE_NAMES] = {0};
    transport t = {0};
    kca__header *headers = record->headers;
    int first = record->header_count;
    for (int i = record->header_count - 1; i >= 0; i--)
        if (headers[i].name && !take_header(values, &t, &headers[i]))
            headers[--first] = headers[i];
    out->headers = headers + first;
    out->header_count = record->header_count - first;
    choose_trace(values, &t);
    kca__translator_take(out, record, values, KCA_TYPE_EVENT, now_ms);
}

/* ---- structured ---- */

typedef struct member {
    const char *name; /* strings and values as they stand in the text */
    const char *value;
    const char *end;
} member;

/* Moves from behind '{', or from the end of a value, to the next member; false: there is none. */
static bool next_member(member *m, const char *at) {
    at = kca__json_text_skip_space(at);
    if (*at == ',')
        at = kca__json_text_skip_space(at + 1);
    if (*at == '}')
        return false;
    m->name = at;
    m->value = kca__json_text_skip_space(kca__json_text_end(at));
    m->value = kca__json_text_skip_space(m->value + 1);
    m->end = kca__json_text_end(m->value);
    return true;
}

static bool has_name(const member *m, const char *name) {
    size_t len = strlen(name);
    return strncmp(m->name + 1, name, len) == 0 && m->name[len + 1] == '"';
}

typedef struct envelope {
    const char *object; /* behind its '{' */
    int members;
    size_t text_size; /* of all, with data_base64 and a data that is a string */
    bool is_event;
} envelope;

static bool is_string(const member *m) {
    return *m->value == '"';
}

/* False: it is none. */
static bool open_envelope(envelope *e, const kca__record *record) {
    kca__json_fault fault;
    *e = (envelope){0};
    if (!kca__json_check(record->value, record->value_len, &fault))
        return false;
    const char *text = kca__json_text_skip_space(record->value);
    if (*text != '{')
        return false;
    e->object = text + 1;
    member m = {.end = e->object};
    while (next_member(&m, m.end)) {
        e->members++;
        e->is_event |= has_name(&m, "specversion") && is_string(&m);
        if (kca__json_text_has_nul(m.name))
            return false;
        if (!has_name(&m, "data") || is_string(&m))
            e->text_size += (size_t)(m.end - m.name) + 8; /* "ce_" and two NULs */
    }
    return e->is_event;
}

/* What is read of an envelope; texts are put at `end`. */
typedef struct unpacking {
    char *end;
    const char *values[KCA__WIRE_NAMES];
    kca__header *headers;
    int header_count;
    const char *content_type;
    const char *data, *data_end; /* as they stand */
    const char *base64;
} unpacking;

/* The text of a string, and of any other value its JSON, with a NUL. */
static const char *put_value(unpacking *u, const member *m, size_t *out_len) {
    char *text = u->end;
    if (is_string(m)) {
        *out_len = kca__json_string_read(text, m->value);
    } else {
        *out_len = (size_t)(m->end - m->value);
        memcpy(text, m->value, *out_len);
    }
    text[*out_len] = '\0';
    u->end += *out_len + 1;
    return text;
}

static bool is_null(const member *m) {
    return *m->value == 'n';
}

static void unpack_attribute(unpacking *u, const member *m) {
    char *header = u->end;
    memcpy(header, "ce_", 3);
    size_t name_len = kca__json_string_read(header + 3, m->name);
    header[3 + name_len] = '\0';
    u->end += name_len + 4;
    size_t len;
    const char *value = put_value(u, m, &len);
    int meaning = kca__cloud_event_attribute(header + 3);
    if (meaning >= 0)
        u->values[meaning] = NULL; /* of members with one name the last counts */
    if (meaning == KCA__CLOUD_EVENT_CONTENT) {
        u->content_type = value;
        u->headers[u->header_count++] = (kca__header){"content-type", value, len};
    } else if (!take(u->values, meaning, value, len)) {
        u->headers[u->header_count++] = (kca__header){header, value, len};
    }
}

static void unpack(unpacking *u, const envelope *e) {
    member m = {.end = e->object};
    while (next_member(&m, m.end)) {
        if (has_name(&m, "data")) {
            u->data = m.value;
            u->data_end = m.end;
        } else if (has_name(&m, "data_base64") && is_string(&m)) {
            u->base64 = m.value;
        } else if (!is_null(&m)) {
            unpack_attribute(u, &m);
        }
    }
}

/* The payload takes the place of the record's value. False: data_base64 is none. */
static bool unpack_data(unpacking *u, kca__record *payload) {
    payload->value = NULL;
    payload->value_len = 0;
    if (u->data && *u->data == '"' && u->content_type &&
        !kca__content_type_is_json(u->content_type)) {
        payload->value = u->end;
        payload->value_len = kca__json_string_read(u->end, u->data);
    } else if (u->data) {
        payload->value = u->data;
        payload->value_len = (size_t)(u->data_end - u->data);
    } else if (u->base64) {
        size_t len = kca__json_string_read(u->end, u->base64);
        payload->value = u->end;
        return kca__base64_read(u->end, &payload->value_len, &kca__base64_standard, u->end, len);
    }
    return true;
}

/* Of the record's own headers all stay that the envelope does not stand for. */
static void keep_headers(unpacking *u, transport *t, const kca__record *record) {
    for (int i = record->header_count - 1; i >= 0; i--)
        if (record->headers[i].name)
            take_transport(t, &record->headers[i]);
    for (int i = 0; i < record->header_count; i++) {
        const kca__header *h = &record->headers[i];
        transport ignored = {0};
        if (h->name && !kca__content_type_is_name(h->name) && !kca__cloud_event_header(h->name) &&
            !take_transport(&ignored, h))
            u->headers[u->header_count++] = *h;
    }
}

static bool read_structured(kca_message *out, kca__record *record, const envelope *e,
                            int64_t now_ms, bool *is_event) {
    size_t headers_size = (size_t)(record->header_count + e->members) * sizeof(kca__header);
    char *block = malloc(headers_size + e->text_size + 1);
    if (!block)
        return false;
    unpacking u = {.end = block + headers_size, .headers = (void *)block};
    transport t = {0};
    kca__record payload = *record;
    keep_headers(&u, &t, record);
    unpack(&u, e);
    *is_event = unpack_data(&u, &payload);
    if (!*is_event) {
        free(block);
        return true;
    }
    out->event_block = block;
    out->headers = u.headers;
    out->header_count = u.header_count;
    choose_trace(u.values, &t);
    kca__translator_take(out, &payload, u.values, KCA_TYPE_EVENT, now_ms);
    return true;
}

bool kca__cloud_event_read(kca_message *out, kca__dialect dialect, kca__record *record,
                           int64_t now_ms) {
    event_mode mode = dialect == KCA__DIALECT_GOMES ? NO_EVENT : mode_of(record);
    envelope e;
    bool is_event = false;
    if (mode == BINARY) {
        read_binary(out, record, now_ms);
        return true;
    }
    if (mode == STRUCTURED && open_envelope(&e, record) &&
        !read_structured(out, record, &e, now_ms, &is_event))
        return false;
    if (!is_event)
        kca__translator_read(out, record, now_ms);
    return true;
}

char *kca__cloud_event_correlation_id(const kca__record *record) {
    envelope e;
    if (mode_of(record) != STRUCTURED || !open_envelope(&e, record))
        return NULL;
    member m = {.end = e.object}, found = {0};
    while (next_member(&m, m.end))
        if (has_name(&m, correlation_attribute))
            found = m;
    if (!found.value || !is_string(&found))
        return NULL;
    char *id = malloc((size_t)(found.end - found.value));
    if (!id)
        return NULL;
    size_t len = kca__json_string_read(id, found.value);
    id[len] = '\0';
    if (kca__wire_name_is_own(KCA__TEXT_CORRELATION_ID, id, len))
        return id;
    free(id);
    return NULL;
}
