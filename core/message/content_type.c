#include "message/content_type.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

bool kca__content_type_is_name(const char *name) {
    return strcasecmp(name, "content-type") == 0;
}

/* The media type without its parameters. */
static size_t type_len(const char *type) {
    return strcspn(type, "; \t");
}

static bool ends_with(const char *type, const char *end) {
    size_t len = type_len(type), end_len = strlen(end);
    return len >= end_len && strncasecmp(type + len - end_len, end, end_len) == 0;
}

bool kca__content_type_is_json(const char *type) {
    return ends_with(type, "/json") || ends_with(type, "+json");
}

bool kca__content_type_is_event(const char *type) {
    return strncasecmp(type, "application/cloudevents", strlen("application/cloudevents")) == 0;
}

bool kca__content_type_is_text(const char *type) {
    return strncasecmp(type, "text/", 5) == 0;
}
