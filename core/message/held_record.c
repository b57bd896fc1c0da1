#include "message/held_record.h"

#include "message/block.h"

#include <stdlib.h>
#include <string.h>

kca__held_record *kca__held_record_new(const char *topic, const kca__record *record) {
    kca__held_record *r =
        malloc(sizeof *r + kca__block_headers_size(record->headers, record->header_count) +
               record->key_len + record->value_len + 2);
    if (!r)
        return NULL;
    *r = (kca__held_record){.topic = topic, .partition = -1, .record = *record};
    char *end = (char *)(r + 1);
    r->record.headers = kca__block_put_headers(&end, record->headers, record->header_count);
    r->record.key = kca__block_put(&end, record->key, record->key_len);
    r->record.value = kca__block_put(&end, record->value, record->value_len);
    return r;
}

kca__held_record *kca__held_record_of(const char *topic, const kca_message *m,
                                      const kca__wire *wire, const kca__header *more,
                                      int more_count) {
    int own = wire->header_count + wire->custom_count, count = own + more_count;
    kca__header *headers = malloc(((size_t)count + 1) * sizeof *headers);
    if (!headers)
        return NULL;
    if (wire->custom_count > 0)
        memcpy(headers, wire->custom, (size_t)wire->custom_count * sizeof *headers);
    memcpy(headers + wire->custom_count, wire->headers,
           (size_t)wire->header_count * sizeof *headers);
    if (more_count > 0)
        memcpy(headers + own, more, (size_t)more_count * sizeof *headers);
    const kca__record record = {.key = wire->key,
                                .key_len = wire->key_len,
                                .value = wire->value,
                                .value_len = wire->value_len,
                                .timestamp_ms = kca__message_record_time_ms(m),
                                .headers = headers,
                                .header_count = count};
    kca__held_record *r = kca__held_record_new(topic, &record);
    if (r)
        r->partition = m->partition;
    free(headers);
    return r;
}

void kca__held_record_free(kca__held_record *r) {
    free(r->letter.name);
    free(r->letter.text);
    free(r);
}

void kca__held_records_free(kca__held_records *list) {
    kca__held_record *r;
    while ((r = kca__list_take(list)))
        kca__held_record_free(r);
}

void kca__held_records_drop(kca__held_records *list, const void *source) {
    kca__held_records kept = {0};
    kca__held_record *r;
    while ((r = kca__list_take(list))) {
        if (r->source == source)
            kca__held_record_free(r);
        else
            kca__list_add(&kept, &r->link);
    }
    *list = kept;
}
