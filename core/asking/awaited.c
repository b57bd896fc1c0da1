#include "asking/awaited.h"

#include "base/error.h"
#include "base/generation.h"
#include "message/cloud_event.h"
#include "message/json_payload.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

kca__awaited *kca__awaited_new(const char *correlation_id, const char *name) {
    size_t id_size = strlen(correlation_id) + 1, name_size = strlen(name) + 1;
    kca__awaited *ask = calloc(1, sizeof *ask + id_size + name_size);
    if (!ask)
        return NULL;
    memcpy(ask->id, correlation_id, id_size);
    ask->name = memcpy(ask->id + id_size, name, name_size);
    ask->event.generation = kca__generation();
    ask->event.type = KCA_EVENT_REPLY;
    ask->event.partition = -1;
    ask->event.offset = -1;
    ask->event.reset_from = ask->event.reset_to = -1;
    ask->users = 2;
    return ask;
}

void kca__awaited_free(kca__awaited *ask) {
    kca__error_free(ask->event.error);
    if (ask->record) {
        kca__message_clear_inbound(&ask->reply);
        kca__held_record_free(ask->record);
    }
    free(ask);
}

/* Whether it may be {"error": ...}: a large result is not parsed for this. */
static bool begins_as_error(const kca_message *m) {
    static const char word[] = "\"error\"";
    const char *at = m->payload, *end = at + m->payload_len;
    for (int braces = 0; at < end && (isspace((unsigned char)*at) || (*at == '{' && !braces)); at++)
        braces += *at == '{';
    return at && (size_t)(end - at) >= sizeof word - 1 && memcmp(at, word, sizeof word - 1) == 0;
}

/* The error that an answer is: an object with this one member, a text. */
static kca_error *error_of(const kca_message *m) {
    const char *text;
    int members = 0;
    if (!m->payload || !begins_as_error(m))
        return NULL;
    if (kca__json_payload_type(m, "") != KCA_JSON_OBJECT ||
        kca__json_payload_type(m, "/error") != KCA_JSON_STRING)
        return NULL;
    kca__error_free(kca__json_payload_count(m, "", &members));
    if (members != 1)
        return NULL;
    kca_error *unreadable = kca__json_payload_string(m, "/error", &text);
    kca__error_free(unreadable);
    return kca__error_new(KCA_ERROR_REPLY, "%s",
                          unreadable ? "an error whose text has \\u0000 in it" : text);
}

kca_error *kca__awaited_keep(kca__awaited *ask, const kca__record *r, kca__dialect dialect,
                             int64_t now_ms) {
    ask->record = kca__held_record_new(NULL, r);
    if (!ask->record)
        return kca__error_memory();
    kca__message_init_inbound(&ask->reply);
    if (!kca__cloud_event_read(&ask->reply, dialect, &ask->record->record, now_ms))
        return kca__error_memory();
    ask->event.reply = &ask->reply;
    return error_of(&ask->reply);
}
