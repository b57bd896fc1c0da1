#include "kafka/record_headers.h"

#include <stdlib.h>

bool kca__record_headers(kca__header **out, int *out_count, const rd_kafka_message_t *m) {
    rd_kafka_headers_t *headers;
    *out = NULL;
    *out_count = 0;
    if (rd_kafka_message_headers(m, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return true;
    size_t count = rd_kafka_header_cnt(headers);
    kca__header *all = malloc((count + 1) * sizeof *all);
    if (!all)
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
