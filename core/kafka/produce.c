#include "kafka/produce.h"

#include "message/message.h"

#include <stdint.h>

enum { FIELDS = 8 };

/* To librdkafka 0 is now, and what is below 0 the record's own. */
static int64_t time_of(int64_t timestamp_ms) {
    if (timestamp_ms == KCA__MESSAGE_UNTIMED)
        return -1;
    return timestamp_ms == -1 ? 0 : timestamp_ms;
}

/* The headers go as a list, see KCA__QUIRK_HEADERS_FREED_TWICE: it is ours again when librdkafka
 * refuses the record. */
rd_kafka_error_t *kca__produce(rd_kafka_t *rk, const kca__parcel *parcel) {
    rd_kafka_vu_t fields[FIELDS];
    if (parcel->topic) {
        fields[0].vtype = RD_KAFKA_VTYPE_RKT;
        fields[0].u.rkt = parcel->topic;
    } else {
        fields[0].vtype = RD_KAFKA_VTYPE_TOPIC;
        fields[0].u.cstr = parcel->topic_name;
    }
    fields[1].vtype = RD_KAFKA_VTYPE_PARTITION;
    fields[1].u.i32 = parcel->partition;
    fields[2].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
    fields[2].u.i = RD_KAFKA_MSG_F_COPY;
    fields[3].vtype = RD_KAFKA_VTYPE_OPAQUE;
    fields[3].u.ptr = parcel->opaque;
    fields[4].vtype = RD_KAFKA_VTYPE_VALUE;
    fields[4].u.mem.ptr = (void *)(uintptr_t)parcel->value;
    fields[4].u.mem.size = parcel->value_len;
    fields[5].vtype = RD_KAFKA_VTYPE_KEY;
    fields[5].u.mem.ptr = (void *)(uintptr_t)parcel->key;
    fields[5].u.mem.size = parcel->key_len;
    fields[6].vtype = RD_KAFKA_VTYPE_HEADERS;
    fields[6].u.headers = parcel->headers;
    fields[7].vtype = RD_KAFKA_VTYPE_TIMESTAMP;
    fields[7].u.i64 = time_of(parcel->timestamp_ms);
    rd_kafka_error_t *error = rd_kafka_produceva(rk, fields, FIELDS);
    if (error)
        rd_kafka_headers_destroy(parcel->headers);
    return error;
}
