#include "connection/broker_text.h"

#include <string.h>

static const char COORDINATOR[] = "GroupCoordinator";

/* The length of "host:port" at the beginning of a name; 0: it is none. */
static size_t address_length(const char *name, size_t length) {
    const char *slash = memchr(name, '/', length);
    size_t end = slash ? (size_t)(slash - name) : length;
    size_t digits = 0;
    while (digits < end && name[end - digits - 1] >= '0' && name[end - digits - 1] <= '9')
        digits++;
    return digits > 0 && digits + 1 < end && name[end - digits - 1] == ':' ? end : 0;
}

/* "ssl://", "sasl_plaintext://" */
static const char *without_protocol(const char *name, size_t *length) {
    const char *found = strstr(name, "://");
    if (!found || found >= name + *length)
        return name;
    *length -= (size_t)(found + 3 - name);
    return found + 3;
}

/* Each name ends with ": "; there may be two, "GroupCoordinator: 127.0.0.1:9092: ". */
void kca__broker_text_read(kca__broker_text *out, const char *text) {
    *out = (kca__broker_text){.rest = text};
    const char *end;
    while (!*out->address && (end = strstr(out->rest, ": "))) {
        size_t length = (size_t)(end - out->rest);
        const char *name = without_protocol(out->rest, &length);
        size_t address = address_length(name, length);
        bool coordinator = strncmp(name, COORDINATOR, sizeof COORDINATOR - 1) == 0;
        if (!coordinator && (address == 0 || address >= sizeof out->address))
            return;
        out->coordinator |= coordinator;
        if (!coordinator)
            memcpy(out->address, name, address);
        out->rest = end + 2;
    }
}
