/* The names of CloudEvents. */
#include "message/cloud_event.h"

#include "message/wire_name.h"

#include <string.h>

static const struct {
    const char *name;
    int meaning;
} attributes[] = {
    {"specversion", KCA__CLOUD_EVENT_VERSION},
    {"id", KCA__TEXT_MESSAGE_ID},
    {"source", KCA__TEXT_ORIGIN},
    {"type", KCA__TEXT_NAME},
    {"time", KCA__WIRE_TIMESTAMP},
    {"datacontenttype", KCA__CLOUD_EVENT_CONTENT},
    {"data", KCA__CLOUD_EVENT_DATA},
    {"correlationid", KCA__TEXT_CORRELATION_ID},
    {"version", KCA__TEXT_VERSION},
    {"messagetype", KCA__WIRE_TYPE},
    {"channelname", KCA__TEXT_CHANNEL},
    {"replyto", KCA__TEXT_REPLY_TO},
    {"traceparent", KCA__TEXT_TRACEPARENT},
    {"tracestate", KCA__TEXT_TRACESTATE},
};

int kca__cloud_event_attribute(const char *name) {
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++)
        if (strcmp(attributes[i].name, name) == 0)
            return attributes[i].meaning;
    return KCA__WIRE_CUSTOM;
}

const char *kca__cloud_event_header(const char *name) {
    return strncmp(name, "ce_", 3) == 0 && name[3] ? name + 3 : NULL;
}
