#include "kafka/option_properties.h"

#include "kafka/property.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

kca_error *kca__options_apply(const kca__option *rows, const void *object, rd_kafka_conf_t *conf,
                              const char *who) {
    kca_error *e = NULL;
    for (const kca__option *row = rows; row->name && !e; row++) {
        char room[32];
        const char *value = row->sets ? kca__option_value(row, object, room) : NULL;
        if (value)
            e = kca__property_apply(conf, who, row->sets, value);
    }
    return e;
}

/* The next of names with spaces between them, from `*rest` on; its length, 0: there is none. */
static size_t next_name(const char **name, const char **rest) {
    *name = *rest + strspn(*rest, " ");
    size_t len = strcspn(*name, " ");
    *rest = *name + len;
    return len;
}

static void print(FILE *out, const char *names, rd_kafka_conf_t *conf) {
    const char *name, *rest = names ? names : "";
    for (size_t len; (len = next_name(&name, &rest)) > 0;) {
        char called[100], value[100];
        size_t size = sizeof value;
        snprintf(called, sizeof called, "%.*s", (int)len, name);
        if (rd_kafka_conf_get(conf, called, value, &size) == RD_KAFKA_CONF_OK)
            fprintf(out, "%s=%s;", called, value);
    }
}

char *kca__options_fingerprint(const kca__option *rows, rd_kafka_conf_t *conf) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    for (const kca__option *row = rows; row->name; row++) {
        print(out, row->sets, conf);
        print(out, row->stands_for, conf);
    }
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

static bool has(const char *names, const char *wanted) {
    const char *name, *rest = names ? names : "";
    for (size_t len; (len = next_name(&name, &rest)) > 0;)
        if (strlen(wanted) == len && strncmp(name, wanted, len) == 0)
            return true;
    return false;
}

const kca__option *kca__options_owner_of(const kca__option *rows, const char *property) {
    for (const kca__option *row = rows; row->name; row++)
        if (has(row->sets, property) || has(row->stands_for, property))
            return row;
    return NULL;
}
