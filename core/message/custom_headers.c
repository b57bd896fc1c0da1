#include "message/custom_headers.h"

#include "base/error.h"
#include "base/option.h"
#include "message/wire_name.h"

#include <stdlib.h>
#include <string.h>

enum { NAME_LIMIT = 1000 };

/* ---- outbound ---- */

static kca_error *check_name(const kca_message *m, const char *name) {
    size_t len = name ? strlen(name) : 0;
    if (name && m->raw)
        return NULL;
    if (len < 1 || len > NAME_LIMIT)
        return kca__message_error(m, KCA_ERROR_ARGUMENT,
                                  "header name must be 1 to %d characters, got %zu", NAME_LIMIT,
                                  len);
    kca_error *fault = kca__option_check_text("header name", name);
    if (!fault)
        return NULL;
    kca_error *e = kca__message_error(m, fault->code, "%s", fault->text);
    kca__error_free(fault);
    return e;
}

/* A header that has only the name of one of the wire's, in a form that no reader takes for it, is a
 * stranger's, and goes on as it came. */
static kca_error *check_wire(const kca_message *m, const char *name, const void *value,
                             size_t len) {
    const char *field = kca__wire_name_field(name);
    bool own = value && (len == 0 || kca__wire_name_is_own(kca__wire_name_find(name), value, len));
    if (!field || !own || m->raw)
        return NULL;
    return kca__message_error(m, KCA_ERROR_ARGUMENT,
                              "header %s belongs to the wire: set %s instead", name, field);
}

static kca_error *check_value(const kca_message *m, const char *name, const void *value,
                              size_t len) {
    if (len > INT32_MAX || (!value && len > 0))
        return kca__message_error(
            m, KCA_ERROR_ARGUMENT,
            "header value must be at most %d bytes and not NULL, got %zu bytes%s for %s", INT32_MAX,
            len, value ? "" : " at NULL", name);
    return NULL;
}

/* Makes room for one more header. */
static bool grow(kca_message *m) {
    kca__message_store *store = m->store;
    if (m->header_count < store->header_capacity)
        return true;
    int capacity = store->header_capacity ? store->header_capacity * 2 : 8;
    kca__header *headers = realloc(m->headers, (size_t)capacity * sizeof *headers);
    if (!headers)
        return false;
    m->headers = headers;
    kca__buffer *buffers = realloc(store->headers, (size_t)capacity * sizeof *buffers);
    if (!buffers)
        return false;
    memset(buffers + store->header_capacity, 0,
           (size_t)(capacity - store->header_capacity) * sizeof *buffers);
    store->headers = buffers;
    store->header_capacity = capacity;
    return true;
}

/* Writes the header at `index`, at most one behind the last. */
static bool put(kca_message *m, int index, const char *name, const void *value, size_t len) {
    if (index == m->header_count && !grow(m))
        return false;
    kca__buffer *b = &m->store->headers[index];
    if (index < m->header_count)
        name = m->headers[index].name;
    if (!kca__buffer_set_pair(b, name, value ? value : "", len))
        return false;
    m->headers[index] = (kca__header){b->data, value ? b->data + strlen(b->data) + 1 : NULL, len};
    if (index == m->header_count)
        m->header_count++;
    return true;
}

/* Moves the buffer behind those in use, where it serves the next header. */
static void take_away(kca_message *m, int index) {
    kca__buffer *buffers = m->store->headers, freed = buffers[index];
    int last = --m->header_count;
    size_t after = (size_t)(last - index);
    memmove(m->headers + index, m->headers + index + 1, after * sizeof *m->headers);
    memmove(buffers + index, buffers + index + 1, after * sizeof *buffers);
    buffers[last] = freed;
}

static bool is_allowed(kca_message *m, const char *name, const void *value, size_t len) {
    kca_error *e = check_name(m, name);
    if (!e)
        e = check_value(m, name, value, len);
    if (!e)
        e = check_wire(m, name, value, len);
    kca__error_keep_first(&m->error, e);
    return !e;
}

void kca__custom_headers_set(kca_message *m, const char *name, const void *value, size_t len) {
    if (!is_allowed(m, name, value, len))
        return;
    int first = m->header_count;
    for (int i = m->header_count - 1; i >= 0; i--) {
        if (strcmp(m->headers[i].name, name) != 0)
            continue;
        if (first < m->header_count)
            take_away(m, first);
        first = i;
    }
    if (value && !put(m, first, name, value, len))
        kca__error_keep_first(&m->error, kca__error_memory());
    else if (!value && first < m->header_count)
        take_away(m, first);
}

void kca__custom_headers_add(kca_message *m, const char *name, const void *value, size_t len) {
    if (is_allowed(m, name, value, len) && !put(m, m->header_count, name, value, len))
        kca__error_keep_first(&m->error, kca__error_memory());
}

bool kca__custom_headers_copy(kca_message *m, const kca_message *from) {
    for (int i = 0; i < from->header_count; i++) {
        const kca__header *h = &from->headers[i];
        if (!put(m, m->header_count, h->name, h->value, h->value_len))
            return false;
    }
    return true;
}

void kca__custom_headers_free(kca_message *m) {
    for (int i = 0; i < m->store->header_capacity; i++)
        kca__buffer_free(&m->store->headers[i]);
    free(m->store->headers);
    free(m->headers);
}

/* ---- both ---- */

const kca__header *kca__custom_headers_find(const kca_message *m, const char *name) {
    for (int i = m->header_count - 1; i >= 0; i--)
        if (strcmp(m->headers[i].name, name) == 0)
            return &m->headers[i];
    return NULL;
}
