/* Messages with a JSON payload, as a delivery has them. Include cmocka.h first. */
#ifndef KCA_TESTS_PAYLOADS_H
#define KCA_TESTS_PAYLOADS_H

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "message/message.h"

static const char order[] =
    "{\"orderId\":\"ORD-1\",\"amount\":299.99,\"qty\":9007199254740993,\"paid\":true,\"open\":"
    "false,"
    "\"note\":null,\"items\":[{\"sku\":\"A\"},{\"sku\":\"B\"},[]],\"empty\":{}}";

/* Views of bytes on the heap without one to spare, as a record's payload is. */
static inline kca_message *view_bytes(const void *payload, size_t len) {
    kca_message *m = malloc(sizeof *m);
    kca__message_init_inbound(m);
    m->texts[KCA__TEXT_NAME] = "m";
    m->payload = memcpy(malloc(len ? len : 1), payload, len);
    m->payload_len = len;
    return m;
}

static inline kca_message *view(const char *payload) {
    return view_bytes(payload, strlen(payload));
}

static inline void drop(kca_message *m) {
    kca__message_clear_inbound(m);
    free((void *)m->payload);
    free(m);
}

static inline void assert_error(kca_error *e, int code, const char *text) {
    assert_non_null(e);
    assert_string_equal(e->text, text);
    assert_int_equal(e->code, code);
    kca_error_free(e);
}

#endif
