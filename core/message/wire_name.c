#include "message/wire_name.h"

#include "base/utf8.h"
#include "message/trace_context.h"
#include "message/wire_time.h"

#include <string.h>
#include <strings.h>

static int match(const char *name, const char *wire_name, size_t len, int found) {
    return memcmp(name, wire_name, len) == 0 ? found : KCA__WIRE_CUSTOM;
}

static int trace_match(const char *name, const char *wire_name, int w3c, int gomes) {
    if (strcmp(name, wire_name) == 0)
        return w3c;
    return strcasecmp(name, wire_name) == 0 ? gomes : KCA__WIRE_CUSTOM;
}

/* Called for every header that is read, so it is quick: the length alone leaves one or two
 * candidates. */
int kca__wire_name_find(const char *name) {
    switch (strlen(name)) {
    case 4:
        return match(name, "type", 4, KCA__WIRE_OLD);
    case 5:
        return match(name, "route", 5, KCA__TEXT_NAME);
    case 6:
        return match(name, "origin", 6, KCA__TEXT_ORIGIN);
    case 7:
        return name[0] == 'v' ? match(name, "version", 7, KCA__TEXT_VERSION)
                              : match(name, "replyTo", 7, KCA__TEXT_REPLY_TO);
    case 9:
        return name[0] == 'm' ? match(name, "messageId", 9, KCA__TEXT_MESSAGE_ID)
                              : match(name, "timestamp", 9, KCA__WIRE_TIMESTAMP);
    case 10:
        return trace_match(name, "tracestate", KCA__TEXT_TRACESTATE, KCA__WIRE_GOMES_TRACESTATE);
    case 11:
        if (name[0] == 'm')
            return match(name, "messageType", 11, KCA__WIRE_TYPE);
        if (name[0] == 'c')
            return match(name, "channelName", 11, KCA__TEXT_CHANNEL);
        return trace_match(name, "traceparent", KCA__TEXT_TRACEPARENT, KCA__WIRE_GOMES_TRACEPARENT);
    case 12:
        return match(name, "replyChannel", 12, KCA__WIRE_OLD);
    case 13:
        return name[1] == 'o' ? match(name, "correlationId", 13, KCA__TEXT_CORRELATION_ID)
                              : match(name, "customHeaders", 13, KCA__WIRE_OLD);
    default:
        return KCA__WIRE_CUSTOM;
    }
}

int kca__wire_name_type(const char *word) {
    if (strcmp(word, "Event") == 0)
        return KCA_TYPE_EVENT;
    if (strcmp(word, "Command") == 0)
        return KCA_TYPE_COMMAND;
    if (strcmp(word, "Query") == 0)
        return KCA_TYPE_QUERY;
    return strcmp(word, "Document") == 0 ? KCA_TYPE_DOCUMENT : KCA_TYPE_NONE;
}

bool kca__wire_name_is_own(int meaning, const char *value, size_t len) {
    int64_t ms;
    if (!value || len == 0 || !kca__utf8_is_text(value, len))
        return false;
    switch (meaning) {
    case KCA__WIRE_TYPE:
        return kca__wire_name_type(value) != KCA_TYPE_NONE;
    case KCA__WIRE_TIMESTAMP:
        return kca__wire_time_read(&ms, value);
    case KCA__TEXT_TRACEPARENT:
    case KCA__WIRE_GOMES_TRACEPARENT:
        return kca__trace_context_is_valid(value);
    default:
        return true;
    }
}

const char *kca__wire_name_field(const char *name) {
    static const char *const fields[KCA__WIRE_NAMES] = {
        [KCA__TEXT_NAME] = "name",
        [KCA__TEXT_MESSAGE_ID] = "message_id",
        [KCA__TEXT_CORRELATION_ID] = "correlation_id",
        [KCA__TEXT_ORIGIN] = "origin",
        [KCA__TEXT_VERSION] = "version",
        [KCA__TEXT_CHANNEL] = "the publisher's topic",
        [KCA__TEXT_REPLY_TO] = "reply_to",
        [KCA__TEXT_TRACEPARENT] = "trace_context",
        [KCA__TEXT_TRACESTATE] = "trace_context",
        [KCA__WIRE_TYPE] = "type",
        [KCA__WIRE_TIMESTAMP] = "timestamp_ms",
        [KCA__WIRE_GOMES_TRACEPARENT] = "trace_context",
        [KCA__WIRE_GOMES_TRACESTATE] = "trace_context",
    };
    int found = kca__wire_name_find(name);
    return found >= 0 ? fields[found] : NULL;
}
