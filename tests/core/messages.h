/* Messages as an application makes them. Include cmocka.h first. */
#ifndef KCA_TESTS_MESSAGES_H
#define KCA_TESTS_MESSAGES_H

#include "base/error.h"
#include "message/message.h"

static inline kca_message *new_message(const char *name) {
    kca_message *m;
    assert_null(kca_message_new(&m, name));
    assert_non_null(m);
    return m;
}

/* The message has failed with this code and text; both are gone with it. */
static inline void assert_failed(kca_message *m, int code, const char *text) {
    const kca_error *e = kca_message_error(m);
    assert_non_null(e);
    assert_string_equal(e->text, text);
    assert_int_equal(e->code, code);
    kca_message_free(m);
}

#endif
