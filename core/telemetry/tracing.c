/* Spans begin and end here. Part of the exporter. */
#include "telemetry/exporter_private.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/id.h"

#include <string.h>

/* Where a new span goes; its parent, if it has one, is `parent`. */
static void place(kca__span_place *out, kca__exporter *x, const kca__span_place *parent) {
    if (parent)
        memcpy(out->trace_id, parent->trace_id, sizeof out->trace_id);
    else
        kca__id_bytes(out->trace_id, sizeof out->trace_id);
    kca__id_bytes(out->span_id, sizeof out->span_id);
    out->trace_id[KCA__TRACE_ID_BYTES - 1] |= !parent; /* ids of zeros are none */
    out->span_id[KCA__SPAN_ID_BYTES - 1] |= 1;
    out->sampled = kca__sampler_takes(kca__exporter_sampler(x), parent, out->trace_id);
}

/* NULL: it is not sampled, or would be dropped. */
static kca__span *begin(kca__exporter *x, kca__span_operation operation, const kca__span_place *own,
                        const kca__span_place *parent, const kca_message *m,
                        const kca__span_owner *owner) {
    if (!own->sampled || !kca__exporter_has_room(x))
        return NULL;
    kca__span *span = kca__span_new(operation, owner->destination);
    if (!span)
        return NULL;
    span->exporter = x;
    span->place = *own;
    if (parent) {
        span->has_parent = true;
        memcpy(span->parent_id, parent->span_id, sizeof span->parent_id);
    }
    kca__span_set_text(span, KCA__SPAN_CLIENT_ID, owner->client_id);
    kca__span_set_text(span, KCA__SPAN_GROUP, owner->group);
    kca__span_describe(span, m);
    span->begun_ns = kca__clock_unix_ns();
    return span;
}

static void end(kca__span *span) {
    kca__exporter_add(span->exporter, span);
}

void kca__exporter_begin_publish(kca__publish_trace *out, kca__exporter *x, const kca_message *m,
                                 const kca__span_owner *owner) {
    out->context = *kca__trace_context_current();
    out->send = NULL;
    if (!x || m->raw)
        return;
    kca__span_place current, created, sent;
    bool has_current = kca__span_place_read(&current, out->context.traceparent);
    if (!kca__span_place_read(&created, m->texts[KCA__TEXT_TRACEPARENT])) {
        const kca__span_place *parent = has_current ? &current : NULL;
        place(&created, x, parent);
        kca__span_place_write(out->traceparent, &created);
        out->context.traceparent = out->traceparent;
        kca__span *create = begin(x, KCA__SPAN_CREATE, &created, parent, m, owner);
        if (create)
            end(create);
    }
    const kca__span_place *parent = has_current ? &current : &created;
    place(&sent, x, parent);
    out->send = begin(x, KCA__SPAN_SEND, &sent, parent, m, owner);
    if (out->send) {
        out->send->has_link = true;
        out->send->linked = created;
    }
}

void kca__span_end_send(kca__span *send, const kca_error *error, int partition, int64_t offset) {
    if (!send)
        return;
    send->partition = partition;
    send->offset = offset;
    if (error)
        kca__span_fail(send, kca__error_name(error), error->text);
    end(send);
}

kca__span *kca__exporter_begin_process(char out_traceparent[KCA__TRACEPARENT_ROOM],
                                       kca__exporter *x, const kca_message *m,
                                       const kca__span_owner *owner) {
    kca__span_place own, parent;
    bool has_parent = kca__span_place_read(&parent, m->texts[KCA__TEXT_TRACEPARENT]);
    place(&own, x, has_parent ? &parent : NULL);
    kca__span_place_write(out_traceparent, &own);
    kca__span *span = begin(x, KCA__SPAN_PROCESS, &own, has_parent ? &parent : NULL, m, owner);
    if (span && has_parent) {
        span->has_link = true;
        span->linked = parent;
    }
    return span;
}

static const char *word_of(int verdict) {
    switch (verdict) {
    case KCA_DONE:
        return "done";
    case KCA_FAILED:
        return "failed";
    case KCA_REJECTED:
        return "rejected";
    case KCA_DUPLICATE:
        return "duplicate";
    default:
        return NULL;
    }
}

void kca__span_end_process(kca__span *process, int verdict, const char *error_name,
                           const char *error_text) {
    if (!process)
        return;
    kca__span_set_text(process, KCA__SPAN_VERDICT, word_of(verdict));
    if (verdict == KCA_FAILED || verdict == KCA_REJECTED)
        kca__span_fail(process, error_name, error_text);
    end(process);
}
