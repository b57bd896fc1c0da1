#include "base/base64.h"
#include "base/id.h"
#include "base/utf8.h"
#include "dead_letter/dead_letter_wire.h"
#include "message/wire_time.h"
#include "json/json_check.h"
#include "json/json_string.h"

#include <stdlib.h>
#include <string.h>

const char *const kca__payload_names[KCA__PAYLOAD_NONE + 1] = {
    [KCA__PAYLOAD_JSON] = "json",
    [KCA__PAYLOAD_TEXT] = "text",
    [KCA__PAYLOAD_BASE64] = "base64",
    [KCA__PAYLOAD_NONE] = "none",
};

/* ---- beforehand ---- */

/* The form of the payload. JSON that would be too deep to be read inside the envelope becomes text.
 */
static int payload_of(const kca__dead_letter *d) {
    kca__json_fault fault;
    if (!d->value)
        return KCA__PAYLOAD_NONE;
    if (kca__json_check_inside(d->value, d->value_len, 1, &fault))
        return KCA__PAYLOAD_JSON;
    return kca__utf8_is_valid(d->value, d->value_len) ? KCA__PAYLOAD_TEXT : KCA__PAYLOAD_BASE64;
}

static bool is_text(const kca__header *h) {
    return !h->value || kca__utf8_is_valid(h->value, h->value_len);
}

static int by_name_then_place(const void *a, const void *b) {
    const kca__header *x = *(const kca__header *const *)a, *y = *(const kca__header *const *)b;
    int order = strcmp(x->name, y->name);
    return order ? order : (x > y) - (x < y);
}

bool kca__envelope_prepare(kca__envelope *out, const kca__dead_letter *d) {
    memset(out, 0, sizeof *out);
    out->payload = payload_of(d);
    if (d->header_count == 0)
        return true;
    out->headers = malloc((size_t)d->header_count * sizeof *out->headers);
    if (!out->headers)
        return false;

    int count = 0, last = 0;
    for (int i = 0; i < d->header_count; i++) {
        const kca__header *h = &d->headers[i];
        if (kca__dead_letter_is_ours(h->name))
            continue;
        out->headers[count++] = h;
        out->loses_headers |= !is_text(h) || !kca__utf8_is_valid(h->name, strlen(h->name));
    }
    qsort(out->headers, (size_t)count, sizeof *out->headers, by_name_then_place);
    for (int i = 0; i < count; i++) {
        if (i + 1 == count || strcmp(out->headers[i]->name, out->headers[i + 1]->name) != 0)
            out->headers[last++] = out->headers[i];
    }
    out->loses_headers |= last < count;
    out->header_count = last;
    return true;
}

void kca__envelope_clear(kca__envelope *e) {
    free(e->headers);
}

/* ---- the value ---- */

static void put_base64(kca__sink *out, const void *bytes, size_t len) {
    kca__sink_put(out, "\"", 1);
    kca__base64_write(out, &kca__base64_standard, bytes, len);
    kca__sink_put(out, "\"", 1);
}

static void put_payload(kca__sink *out, const kca__dead_letter *d, int payload) {
    switch (payload) {
    case KCA__PAYLOAD_JSON:
        kca__sink_put(out, d->value, d->value_len);
        break;
    case KCA__PAYLOAD_TEXT:
        kca__json_string_write(out, d->value, d->value_len);
        break;
    case KCA__PAYLOAD_BASE64:
        put_base64(out, d->value, d->value_len);
        break;
    default:
        kca__sink_put_text(out, "null");
    }
}

static void put_header(kca__sink *out, const kca__header *h) {
    bool text = is_text(h);
    kca__sink_put_text(out, text ? "\"" : "\"base64:");
    kca__json_string_escape(out, h->name, strlen(h->name));
    kca__sink_put_text(out, "\":");
    if (!h->value)
        kca__sink_put_text(out, "null");
    else if (text)
        kca__json_string_write(out, h->value, h->value_len);
    else
        put_base64(out, h->value, h->value_len);
}

static void put_envelope(kca__sink *out, const kca__dead_letter *d, const kca__envelope *e) {
    char plain[KCA__DEAD_LETTER_ERROR_MOST + 1];
    size_t len = kca__dead_letter_plain(plain, d->error_text);
    kca__sink_put_text(out, "{\"ReasonError\":");
    kca__json_string_write(out, plain, len);
    kca__sink_put_text(out, ",\"Payload\":");
    put_payload(out, d, e->payload);
    kca__sink_put_text(out, ",\"Headers\":{");
    for (int i = 0; i < e->header_count; i++) {
        if (i > 0)
            kca__sink_put(out, ",", 1);
        put_header(out, e->headers[i]);
    }
    kca__sink_put_text(out, "}}");
}

/* ---- the headers ---- */

/* Adds the failed message's own id, so that a second copy of a dead letter can be recognised. */
static void add_id(kca__dead_letter_draft *out, const kca__dead_letter *d, const char *name) {
    const kca__header *h = kca__dead_letter_find(d->headers, d->header_count, name);
    char id[37];
    if (h && h->value_len > 0) {
        kca__draft_add(out, name, h->value, h->value_len);
        return;
    }
    kca__id_uuid4(id);
    kca__draft_add_copy(out, name, id, sizeof id - 1);
}

static void add_gomes(kca__dead_letter_draft *out, const kca__dead_letter *d, const char *channel) {
    char time[20];
    kca__wire_time_write(time, d->time_ms);
    add_id(out, d, "messageId");
    kca__draft_add_text(out, "messageType", "Document");
    kca__draft_add_copy(out, "timestamp", time, sizeof time - 1);
    kca__draft_add_text(out, "origin", kca__message_default_text(KCA__TEXT_ORIGIN));
    kca__draft_add_text(out, "version", kca__message_default_text(KCA__TEXT_VERSION));
    add_id(out, d, "correlationId");
    kca__draft_add_text(out, "channelName", channel);
}

static void put_exactly(kca__sink *out, const kca__header *h) {
    uint32_t len = h->value ? (uint32_t)h->value_len : UINT32_MAX;
    unsigned char size[4] = {(unsigned char)(len >> 24), (unsigned char)(len >> 16),
                             (unsigned char)(len >> 8), (unsigned char)len};
    kca__sink_put(out, h->name, strlen(h->name) + 1);
    kca__sink_put(out, size, sizeof size);
    if (h->value)
        kca__sink_put(out, h->value, h->value_len);
    kca__sink_put(out, "", 1);
}

static void add_exact_headers(kca__dead_letter_draft *out, const kca__dead_letter *d) {
    size_t start = out->sink.len;
    for (int i = 0; i < d->header_count; i++)
        if (!kca__dead_letter_is_ours(d->headers[i].name))
            put_exactly(&out->sink, &d->headers[i]);
    const char *value = out->sink.data ? out->sink.data + start : NULL;
    kca__draft_add(out, KCA__DEAD_LETTER_HEADERS, value, out->sink.len - start);
    kca__sink_put(&out->sink, "", 1);
}

void kca__dead_letter_write_gomes(kca__dead_letter_draft *out, const kca__dead_letter *d,
                                  const kca__envelope *e, const char *channel) {
    add_gomes(out, d, channel);
    kca__dead_letter_add_ours(out, d);
    kca__draft_add_text(out, KCA__DEAD_LETTER_PAYLOAD, kca__payload_names[e->payload]);
    if (e->loses_headers)
        add_exact_headers(out, d);

    size_t start = out->sink.len;
    put_envelope(&out->sink, d, e);
    out->value = out->sink.data ? out->sink.data + start : NULL;
    out->value_len = out->sink.len - start;
}
