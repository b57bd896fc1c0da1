#include "connection/host_list.h"

#include "base/error.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char default_port[] = "9092";
static const char blanks[] = " \t\r\n";

static bool read_port(kca__host *out, const char *text, size_t len) {
    if (len == 0 || len >= sizeof out->port || strspn(text, "0123456789") < len)
        return false;
    memcpy(out->port, text, len);
    out->port[len] = '\0';
    long port = strtol(out->port, NULL, 10);
    return port >= 1 && port <= 65535;
}

static bool read_name(kca__host *out, const char *text, size_t len, const char *forbidden) {
    if (len == 0 || len >= sizeof out->name)
        return false;
    memcpy(out->name, text, len);
    out->name[len] = '\0';
    return strcspn(out->name, forbidden) == len;
}

/* Reads one entry, given without the blanks around it. */
static bool read_host(kca__host *out, const char *text, size_t len) {
    bool bracketed = text[0] == '[';
    const char *end = memchr(text, bracketed ? ']' : ':', len);
    if (bracketed && !end)
        return false;
    size_t name_len = end ? (size_t)(end - text) : len;
    const char *rest = text + name_len + bracketed;
    size_t rest_len = len - name_len - bracketed;

    if (bracketed ? !read_name(out, text + 1, name_len - 1, " \t\r\n/[]@")
                  : !read_name(out, text, name_len, " \t\r\n/[]@:"))
        return false;
    if (rest_len == 0)
        memcpy(out->port, default_port, sizeof default_port);
    else if (rest[0] != ':' || !read_port(out, rest + 1, rest_len - 1))
        return false;
    snprintf(out->text, sizeof out->text, bracketed ? "[%s]:%s" : "%s:%s", out->name, out->port);
    return true;
}

static int count_entries(const char *hosts) {
    int count = 1;
    for (; *hosts; hosts++)
        count += *hosts == ',';
    return count;
}

/* Hides the text before an "@", which may hold a password. */
static kca_error *bad_host(const char *connection, const char *text, size_t len) {
    const char *at = memrchr(text, '@', len);
    const char *shown = at ? at : text;
    return kca__error_new(
        KCA_ERROR_ARGUMENT,
        "connection %s: hosts must be \"host:port,host:port\" with ports 1 to 65535 "
        "and IPv6 as \"[::1]:9092\", got \"%.*s\"",
        connection, (int)(text + len - shown), shown);
}

kca_error *kca__host_list_new(kca__host **out, int *count, const char *connection,
                              const char *hosts) {
    *out = NULL;
    *count = 0;
    kca__host *list = calloc((size_t)count_entries(hosts), sizeof *list);
    if (!list)
        return kca__error_memory();

    for (const char *p = hosts; *p; p += *p == ',') {
        p += strspn(p, blanks);
        size_t len = strcspn(p, ",");
        const char *next = p + len;
        while (len > 0 && strchr(blanks, p[len - 1]))
            len--;
        if (len > 0 && !read_host(&list[(*count)++], p, len)) {
            free(list);
            return bad_host(connection, p, len);
        }
        p = next;
    }
    if (*count == 0) {
        free(list);
        return kca__error_new(KCA_ERROR_ARGUMENT,
                              "connection %s: hosts must be \"host:port,host:port\", got none",
                              connection);
    }
    *out = list;
    return NULL;
}
