#include "message/wire.h"

#include "base/id.h"

#include <stdlib.h>
#include <string.h>

void kca__wire_begin(kca__wire *out, const kca_message *m) {
    out->header_count = 0;
    out->custom = m->headers;
    out->custom_count = m->header_count;
    out->key = m->key;
    out->key_len = m->key_len;
    out->value = m->payload;
    out->value_len = m->payload_len;
    out->owned = NULL;
}

void kca__wire_clear(kca__wire *wire) {
    free(wire->owned);
}

void kca__wire_put(kca__wire *out, const char *name, const char *value) {
    out->headers[out->header_count++] = (kca__header){name, value, strlen(value)};
}

const char *kca__wire_id(const char *own, char room[37]) {
    if (own[0])
        return own;
    kca__id_uuid4(room);
    return room;
}

const char *kca__wire_type(int type) {
    switch (type) {
    case KCA_TYPE_COMMAND:
        return "Command";
    case KCA_TYPE_QUERY:
        return "Query";
    case KCA_TYPE_EVENT:
        return "Event";
    default:
        return "Document";
    }
}
