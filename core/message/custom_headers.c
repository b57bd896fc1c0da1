#include "message/custom_headers.h"

#include "base/error.h"
#include "message/wire_name.h"

#include <stdlib.h>
#include <string.h>

enum { NAME_LIMIT = 1000, FEW = 16 };

/* ---- outbound ---- */

static kca_error *check_name(const kca_message *m, const char *name) {
    size_t len = name ? strlen(name) : 0;
    if (len < 1 || len > NAME_LIMIT)
        return kca__message_error(m, KCA_ERROR_ARGUMENT,
                                  "header name must be 1 to %d characters, got %zu", NAME_LIMIT,
                                  len);
    for (const unsigned char *p = (const unsigned char *)name; *p; p++)
        if (*p < ' ' || *p == 0x7f)
            return kca__message_error(
                m, KCA_ERROR_ARGUMENT,
                "header name must be without control characters, got one (code %d) in \"%s\"", *p,
                name);
    const char *setter = kca__wire_name_setter(name);
    if (setter)
        return kca__message_error(m, KCA_ERROR_ARGUMENT,
                                  "header %s belongs to the wire; it is set by %s", name, setter);
    return NULL;
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

static bool put(kca_message *m, int index, const char *name, const void *value, size_t len) {
    if (index == m->header_count && !grow(m))
        return false;
    kca__buffer *b = &m->store->headers[index];
    if (index < m->header_count)
        name = m->headers[index].name;
    if (!kca__buffer_set_pair(b, name, value, len))
        return false;
    m->headers[index] = (kca__header){b->data, b->data + strlen(b->data) + 1, len};
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

void kca__custom_headers_set(kca_message *m, const char *name, const void *value, size_t len) {
    kca_error *e = check_name(m, name);
    if (!e)
        e = check_value(m, name, value, len);
    if (e) {
        kca__error_keep_first(&m->error, e);
        return;
    }
    const kca__header *found = kca__custom_headers_find(m, name);
    int index = found ? (int)(found - m->headers) : m->header_count;
    if (value) {
        if (!put(m, index, name, value, len))
            kca__error_keep_first(&m->error, kca__error_memory());
    } else if (found) {
        take_away(m, index);
    }
}

void kca__custom_headers_free(kca_message *m) {
    for (int i = 0; i < m->store->header_capacity; i++)
        kca__buffer_free(&m->store->headers[i]);
    free(m->store->headers);
    free(m->headers);
}

/* ---- both ---- */

const kca__header *kca__custom_headers_find(const kca_message *m, const char *name) {
    for (int i = 0; i < m->header_count; i++)
        if (strcmp(m->headers[i].name, name) == 0)
            return &m->headers[i];
    return NULL;
}

/* ---- inbound ---- */

/* Closes the gaps that headers without a name left. */
static int compact(kca__header *headers, int count) {
    int kept = 0;
    for (int i = 0; i < count; i++)
        if (headers[i].name)
            headers[kept++] = headers[i];
    return kept;
}

static int by_name_then_place(const void *a, const void *b) {
    const kca__header *x = *(kca__header *const *)a, *y = *(kca__header *const *)b;
    int order = strcmp(x->name, y->name);
    return order ? order : (x > y) - (x < y);
}

static int unique_of_many(kca__header *headers, int count) {
    kca__header **sorted = malloc((size_t)count * sizeof *sorted);
    if (!sorted)
        return count;
    for (int i = 0; i < count; i++)
        sorted[i] = &headers[i];
    qsort(sorted, (size_t)count, sizeof *sorted, by_name_then_place);
    for (int i = 0; i + 1 < count; i++)
        if (strcmp(sorted[i]->name, sorted[i + 1]->name) == 0)
            sorted[i]->name = NULL;
    free(sorted);
    return compact(headers, count);
}

int kca__custom_headers_unique(kca__header *headers, int count) {
    if (count > FEW)
        return unique_of_many(headers, count);
    bool duplicates = false;
    for (int i = 0; i < count; i++) {
        for (int j = i + 1; j < count; j++) {
            if (strcmp(headers[i].name, headers[j].name) == 0) {
                headers[i].name = NULL;
                duplicates = true;
                break;
            }
        }
    }
    return duplicates ? compact(headers, count) : count;
}
