#include "message/reply.h"

#include "base/error.h"
#include "base/utf8.h"
#include "message/cloud_event.h"
#include "json/json_string.h"

#include <stdlib.h>
#include <string.h>

kca_error *kca__reply_hold(kca__held_record **out, const kca__reply_frame *frame,
                           const kca_message *m) {
    *out = NULL;
    if (m->error)
        return kca__error_copy(m->error);
    const kca__channel_defaults defaults = {
        .dialect = frame->dialect,
        .channel = frame->channel,
        .reply_to = "",
        .type = KCA_TYPE_DOCUMENT,
        .correlation_id = frame->asked->texts[KCA__TEXT_CORRELATION_ID],
        .context = frame->context ? *frame->context : kca__message_context(frame->asked),
    };
    kca__wire wire;
    if (!kca__cloud_event_write(&wire, m, &defaults, frame->now_ms))
        return kca__error_memory();
    *out = kca__held_record_of(frame->channel, m, &wire, NULL, 0);
    kca__wire_clear(&wire);
    if (!*out)
        return kca__error_memory();
    (*out)->kind = KCA__HELD_REPLY;
    return NULL;
}

kca_error *kca__reply_hold_payload(kca__held_record **out, const kca__reply_frame *frame,
                                   const void *payload, size_t len) {
    *out = NULL;
    kca_message *m;
    kca_error *e = kca__message_new(&m, NULL);
    if (e)
        return e;
    kca__message_set_payload(m, payload ? payload : "null", payload ? len : 4);
    e = kca__reply_hold(out, frame, m);
    kca__message_free(m);
    return e;
}

static void write_error(kca__sink *out, const char *text) {
    kca__sink_put_text(out, "{\"error\":");
    kca__json_string_write(out, text, kca__utf8_clip(text, KCA__REPLY_ERROR_MOST));
    kca__sink_put_text(out, "}");
}

kca_error *kca__reply_hold_error(kca__held_record **out, const kca__reply_frame *frame,
                                 const char *text) {
    *out = NULL;
    kca__sink sink = {NULL, 0};
    write_error(&sink, text);
    char *payload = malloc(sink.len);
    if (!payload)
        return kca__error_memory();
    sink = (kca__sink){payload, 0};
    write_error(&sink, text);
    kca_error *e = kca__reply_hold_payload(out, frame, payload, sink.len);
    free(payload);
    return e;
}
