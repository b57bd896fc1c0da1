#include "system/call.h"
#include "system/handle.h"

#include "base/error.h"
#include "system/local_bus.h"

/* NULL: its answers are read, or given here. */
static kca_error *check_answers(const char *what, const kca_bus *bus) {
    if (!bus->publisher || bus->reply_channel)
        return NULL;
    const kca_publisher_builder *options = bus->publisher->options;
    return kca__error_new(
        KCA_ERROR_STATE,
        "channel %s: %s: its publisher reads no answers: give it a reply_channel%s", options->topic,
        what, options->reply_channel ? ", and read_replies 1" : "");
}

static const char *channel_of(const kca_bus *bus) {
    return bus->publisher ? bus->publisher->options->topic : "(none)";
}

static kca_error *check(const char *what, const kca_bus *bus, const kca_message *m,
                        int timeout_ms) {
    if (!bus || !m)
        return kca__error_new(KCA_ERROR_ARGUMENT, "bus: %s: %s is missing", what,
                              bus ? "message" : "bus");
    kca_error *e = kca__system_check_process(bus->system);
    if (e)
        return e;
    const char *channel = channel_of(bus);
    if (timeout_ms < -1)
        return kca__error_new(
            KCA_ERROR_ARGUMENT,
            "channel %s: %s: timeout_ms must be 0 or more, or -1 for ever, got %d", channel, what,
            timeout_ms);
    if (bus->type == KCA_TYPE_EVENT)
        return kca__error_new(
            KCA_ERROR_ARGUMENT,
            "channel %s: %s: nobody answers an event: publish it, or send through "
            "a command or query bus",
            channel, what);
    return check_answers(what, bus);
}

static kca_error *ask_here(kca_event **out, kca_bus *bus, const kca_message *m, uint64_t token,
                           int timeout_ms) {
    const kca__local_wish wish = {token ? KCA__LOCAL_ASK_BY_TOKEN : KCA__LOCAL_ASK, bus->type,
                                  token, timeout_ms};
    return kca__local_bus_put(out, bus->system, m, &wish);
}

kca_error *kca_bus_send(kca_bus *bus, const kca_message *m, uint64_t token, int timeout_ms) {
    kca_error *e = check("send", bus, m, timeout_ms);
    if (!e && token == 0)
        e = kca__error_new(KCA_ERROR_ARGUMENT,
                           "channel %s: send: token must not be 0: by it the answer is known",
                           channel_of(bus));
    if (e)
        return e;
    if (!bus->publisher)
        return ask_here(NULL, bus, m, token, timeout_ms);
    kca__call call = kca__call_begin(bus->system);
    kca_message *kept = call.system ? kca__message_keep(m) : NULL;
    e = kca__reply_channel_send(bus->reply_channel, bus->publisher, m, bus->type, token,
                                timeout_ms);
    kca__message_let_go(kept);
    kca__call_end(call);
    return e;
}

kca_error *kca_bus_send_for_reply(kca_event **out, kca_bus *bus, const kca_message *m,
                                  int timeout_ms) {
    if (!out)
        return kca__error_new(KCA_ERROR_ARGUMENT, "bus: send: out must not be NULL");
    *out = NULL;
    kca_error *e = check("send", bus, m, timeout_ms);
    if (e)
        return e;
    if (!bus->publisher)
        return ask_here(out, bus, m, 0, timeout_ms);
    kca__call call = kca__call_begin(bus->system);
    kca_message *kept = call.system ? kca__message_keep(m) : NULL;
    e = kca__reply_channel_send_and_wait(out, bus->reply_channel, bus->publisher, m, bus->type,
                                         timeout_ms);
    kca__message_let_go(kept);
    kca__call_end(call);
    return e;
}

kca_error *kca_bus_cancel(kca_bus *bus, uint64_t token) {
    if (!bus)
        return kca__error_new(KCA_ERROR_ARGUMENT, "bus: cancel: bus is missing");
    kca_error *e = kca__system_check_process(bus->system);
    if (e || (bus->reply_channel && kca__asks_cancel(bus->reply_channel->asks, token)) ||
        (!bus->publisher && kca__local_bus_cancel(bus->system, token)))
        return e;
    return kca__error_new(KCA_ERROR_NOT_FOUND,
                          "channel %s: cancel: no ask with the token %llu waits", channel_of(bus),
                          (unsigned long long)token);
}
