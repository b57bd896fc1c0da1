#include "system/call.h"
#include "system/handle.h"

#include "base/error.h"
#include "base/id.h"
#include "outbound/publisher_hooks.h"
#include "system/local_bus.h"

#include <stdlib.h>

/* `channel` NULL: a bus without one. */
static kca_error *new_bus(kca_bus **out, kca_system *s, const char *channel, int type) {
    if (out)
        *out = NULL;
    if (!s || !out || (!channel && type == KCA_TYPE_EVENT))
        return kca__error_new(KCA_ERROR_ARGUMENT, "system: bus: %s is missing",
                              !s     ? "system"
                              : !out ? "out"
                                     : "the channel");
    kca_error *e = kca__system_check_process(s->core);
    if (e)
        return e;
    kca__publisher *publisher = channel ? kca__system_find_publisher(s->core, channel) : NULL;
    if (channel && !publisher)
        return kca__error_new(KCA_ERROR_NOT_FOUND, "channel %s: no publisher is declared for it",
                              channel);
    kca_bus *bus = calloc(1, sizeof *bus);
    if (!bus)
        return kca__error_memory();
    *bus = (kca_bus){s->core, publisher,
                     publisher ? kca__system_find_reply_channel(s->core, publisher) : NULL, type};
    kca__system_hold_handle(s->core);
    *out = bus;
    return NULL;
}

kca_error *kca_system_event_bus(kca_system *s, const char *channel, kca_bus **out) {
    return new_bus(out, s, channel, KCA_TYPE_EVENT);
}

kca_error *kca_system_command_bus(kca_system *s, const char *channel, kca_bus **out) {
    return new_bus(out, s, channel, KCA_TYPE_COMMAND);
}

kca_error *kca_system_query_bus(kca_system *s, const char *channel, kca_bus **out) {
    return new_bus(out, s, channel, KCA_TYPE_QUERY);
}

void kca_bus_free(kca_bus *bus) {
    if (!bus)
        return;
    kca__system_release_handle(bus->system);
    free(bus);
}

/* `out` NULL: no receipt is wanted. */
static kca_error *publish_here(kca_event **out, kca_bus *bus, const kca_message *m, uint64_t token,
                               int timeout_ms) {
    const kca__local_wish wish = {KCA__LOCAL_PUBLISH, bus->type, token,
                                  timeout_ms == KCA__PUBLISHER_OWN_LIMIT ? -1 : timeout_ms};
    return kca__local_bus_put(out, bus->system, m, &wish);
}

/* The interrupt function, or a hook, may free the bus and the message. `out` NULL: no receipt is
 * wanted. */
static kca_error *publish(kca_event **out, kca_bus *bus, const kca_message *m, uint64_t token,
                          int timeout_ms) {
    if (out)
        *out = NULL;
    if (!bus || !m)
        return kca__error_new(KCA_ERROR_ARGUMENT, "bus: publish: %s is missing",
                              bus ? "message" : "bus");
    if (kca__system_is_foreign(bus->system))
        return kca__system_check_process(bus->system);
    if (!bus->publisher)
        return publish_here(out, bus, m, token, timeout_ms);
    kca__call call = kca__call_begin(bus->system);
    kca_message *kept = call.system ? kca__message_keep(m) : NULL;
    kca_error *e = kca__publisher_publish(out, bus->publisher, m, bus->type, token, timeout_ms);
    kca__message_let_go(kept);
    kca__call_end(call);
    return e;
}

kca_error *kca_bus_publish(kca_bus *bus, const kca_message *m, uint64_t token) {
    return publish(NULL, bus, m, token, KCA__PUBLISHER_OWN_LIMIT);
}

kca_error *kca_bus_publish_for_receipt(kca_event **out, kca_bus *bus, const kca_message *m,
                                       uint64_t token) {
    if (!out)
        return kca__error_new(KCA_ERROR_ARGUMENT, "bus: publish: out must not be NULL");
    return publish(out, bus, m, token, KCA__PUBLISHER_OWN_LIMIT);
}

kca_error *kca_bus_publish_within(kca_event **out, kca_bus *bus, const kca_message *m,
                                  uint64_t token, int timeout_ms) {
    if (out)
        *out = NULL;
    if (bus && timeout_ms < -1)
        return kca__error_new(
            KCA_ERROR_ARGUMENT,
            "publisher %s: publish: timeout_ms must be 0 or more, or -1 for ever, got %d",
            bus->publisher ? bus->publisher->options->topic : "(none)", timeout_ms);
    return publish(out, bus, m, token, timeout_ms);
}

kca_error *kca_bus_drop(kca_event **out, kca_bus *bus, uint64_t token) {
    if (out)
        *out = NULL;
    if (!bus || !out)
        return kca__error_new(KCA_ERROR_ARGUMENT, "bus: drop: %s is missing", bus ? "out" : "bus");
    kca_error *e = kca__system_check_process(bus->system);
    if (!e && !bus->publisher)
        return kca__local_bus_drop(out, bus->system, token);
    return e ? e : kca__publisher_drop(out, bus->publisher, token);
}

/* Ids by which others may know it, and the record's too. */
static kca_error *give_ids(kca_message *m) {
    char id[37];
    kca__id_uuid4(id);
    if (!m->texts[KCA__TEXT_MESSAGE_ID][0])
        kca__message_set_text(m, KCA__TEXT_MESSAGE_ID, id);
    kca__id_uuid4(id);
    if (!m->texts[KCA__TEXT_CORRELATION_ID][0])
        kca__message_set_text(m, KCA__TEXT_CORRELATION_ID, id);
    return kca__message_check(m);
}

kca_error *kca_bus_record(kca_message **out, kca_bus *bus, kca_message *m) {
    if (out)
        *out = NULL;
    if (!bus || !m || !out)
        return kca__error_new(KCA_ERROR_ARGUMENT, "bus: record: %s is missing",
                              !bus ? "bus"
                              : !m ? "message"
                                   : "out");
    if (m->inbound)
        return kca__error_new(KCA_ERROR_ARGUMENT,
                              "bus: record: a delivery's message cannot be changed: copy it");
    kca_error *e = kca__system_check_process(bus->system);
    if (e || m->raw)
        return e;
    e = give_ids(m);
    return e ? e
             : kca__publisher_record(out, bus->publisher, m, bus->type,
                                     kca__trace_context_current());
}

kca_error *kca_bus_flush(kca_bus *bus, int timeout_ms) {
    if (!bus)
        return kca__error_new(KCA_ERROR_ARGUMENT, "bus: flush: bus is missing");
    kca_error *e = kca__system_check_process(bus->system);
    kca__publisher *p = bus->publisher;
    if (!e && timeout_ms < -1)
        e = kca__error_new(
            KCA_ERROR_ARGUMENT,
            "publisher %s: flush: timeout_ms must be 0 or more, or -1 for ever, got %d",
            p ? p->options->topic : "(none)", timeout_ms);
    if (e || !p)
        return e;
    kca__call call = kca__call_begin(bus->system);
    int left = kca__publisher_flush(p, kca__clock_deadline(timeout_ms));
    if (left > 0)
        e = kca__error_new(KCA_ERROR_TIMEOUT,
                           "publisher %s: %d messages are not answered after %d ms",
                           p->options->topic, left, timeout_ms);
    kca__call_end(call);
    return e;
}
