#include "message/held_record.h"

#include <stdlib.h>
#include <string.h>

/* Copies bytes to `*room`, with a NUL after them, and moves on; NULL stays NULL. */
static const void *copy(char **room, const void *bytes, size_t len) {
    if (!bytes)
        return NULL;
    char *at = *room;
    memcpy(at, bytes, len);
    at[len] = '\0';
    *room += len + 1;
    return at;
}

static size_t size_of(const kca__record *r) {
    size_t size = sizeof(kca__held_record) + (size_t)r->header_count * sizeof *r->headers +
                  r->key_len + r->value_len + 2;
    for (int i = 0; i < r->header_count; i++)
        size += strlen(r->headers[i].name) + r->headers[i].value_len + 2;
    return size;
}

kca__held_record *kca__held_record_new(const char *topic, const kca__record *record) {
    kca__held_record *r = malloc(size_of(record));
    if (!r)
        return NULL;
    *r = (kca__held_record){.topic = topic, .record = *record};
    kca__header *headers = (kca__header *)(r + 1);
    char *room = (char *)(headers + record->header_count);
    r->record.headers = headers;
    r->record.key = copy(&room, record->key, record->key_len);
    r->record.value = copy(&room, record->value, record->value_len);
    for (int i = 0; i < record->header_count; i++) {
        const kca__header *h = &record->headers[i];
        headers[i].name = copy(&room, h->name, strlen(h->name));
        headers[i].value = copy(&room, h->value, h->value_len);
        headers[i].value_len = h->value_len;
    }
    return r;
}

void kca__held_records_free(kca__held_records *list) {
    kca__held_record *r;
    while ((r = kca__list_take(list)))
        free(r);
}

void kca__held_records_drop(kca__held_records *list, const void *source) {
    kca__held_records kept = {0};
    kca__held_record *r;
    while ((r = kca__list_take(list))) {
        if (r->source == source)
            free(r);
        else
            kca__list_add(&kept, &r->link);
    }
    *list = kept;
}
