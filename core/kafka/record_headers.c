#include "kafka/record_headers.h"

#include "message/record_size.h"

#include <stdlib.h>

bool kca__record_headers(kca__header **out, int *out_count, const rd_kafka_message_t *m,
                         kca__header *room, int room_count) {
    rd_kafka_headers_t *headers;
    *out = room;
    *out_count = 0;
    if (rd_kafka_message_headers(m, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return true;
    size_t count = rd_kafka_header_cnt(headers);
    kca__header *all = count > (size_t)room_count ? malloc(count * sizeof *all) : room;
    if (!all && count > 0)
        return false;
    for (size_t i = 0; i < count; i++) {
        const void *value = NULL;
        rd_kafka_header_get_all(headers, i, &all[i].name, &value, &all[i].value_len);
        all[i].value = value;
    }
    *out = all;
    *out_count = (int)count;
    return true;
}

size_t kca__record_headers_size(const rd_kafka_message_t *m) {
    rd_kafka_headers_t *headers;
    size_t size = 0;
    if (rd_kafka_message_headers(m, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return size;
    kca__header h;
    const void *value;
    for (size_t i = 0; !rd_kafka_header_get_all(headers, i, &h.name, &value, &h.value_len); i++) {
        h.value = value;
        size += kca__record_size_headers(&h, 1);
    }
    return size;
}

rd_kafka_headers_t *kca__record_headers_new(const kca__header *headers, int count) {
    rd_kafka_headers_t *list = rd_kafka_headers_new((size_t)count);
    kca__record_headers_add(list, headers, count);
    return list;
}

void kca__record_headers_add(rd_kafka_headers_t *list, const kca__header *headers, int count) {
    for (int i = 0; i < count; i++)
        rd_kafka_header_add(list, headers[i].name, -1, headers[i].value,
                            (ssize_t)headers[i].value_len);
}

int kca__record_headers_count(const rd_kafka_message_t *m) {
    rd_kafka_headers_t *headers;
    return rd_kafka_message_headers(m, &headers) ? 0 : (int)rd_kafka_header_cnt(headers);
}

bool kca__record_headers_at(kca__header *out, const rd_kafka_message_t *m, int index) {
    rd_kafka_headers_t *headers;
    const void *value = NULL;
    if (index < 0 || rd_kafka_message_headers(m, &headers) ||
        rd_kafka_header_get_all(headers, (size_t)index, &out->name, &value, &out->value_len))
        return false;
    out->value = value;
    return true;
}
