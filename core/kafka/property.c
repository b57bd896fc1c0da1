#include "kafka/property.h"

#include "base/error.h"
#include "base/text.h"
#include "kafka/property_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void kca__properties_close(kca__properties *p) {
    for (int i = 0; i < p->count; i++) {
        free(p->items[i].name);
        free(p->items[i].value);
    }
    free(p->items);
    *p = (kca__properties){0};
}

static bool put(kca__properties *p, const char *name, const char *value) {
    for (int i = 0; i < p->count; i++)
        if (strcmp(p->items[i].name, name) == 0)
            return kca__text_set(&p->items[i].value, value);

    kca__property *grown = realloc(p->items, (size_t)(p->count + 1) * sizeof *grown);
    if (!grown)
        return false;
    p->items = grown;
    kca__property item = {kca__text_copy(name), kca__text_copy(value)};
    if (!item.name || !item.value) {
        free(item.name);
        free(item.value);
        return false;
    }
    p->items[p->count++] = item;
    return true;
}

bool kca__properties_copy(kca__properties *out, const kca__properties *p) {
    *out = (kca__properties){0};
    for (int i = 0; i < p->count; i++) {
        if (!put(out, p->items[i].name, p->items[i].value)) {
            kca__properties_close(out);
            return false;
        }
    }
    return true;
}

const char *kca__properties_get(const kca__properties *p, const char *name) {
    for (int i = 0; i < p->count; i++)
        if (strcmp(p->items[i].name, name) == 0)
            return p->items[i].value;
    return NULL;
}

bool kca__property_is_secret(const char *name) {
    static const char *const parts[] = {"password", "passphrase", "secret", "key.pem",
                                        "oauthbearer.config"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strstr(name, parts[i]))
            return true;
    return false;
}

bool kca__property_is_known(const char *name) {
    return kca__property_table_find(name) != NULL;
}

static kca_error *check_name(int on, const char *who, const char *name) {
    const kca__known_property *known = kca__property_table_find(name);
    if (!known)
        return kca__error_new(KCA_ERROR_ARGUMENT,
                              "%s: librdkafka %s has no property %s; the nearest is %s", who,
                              rd_kafka_version_str(), name, kca__property_table_nearest(name));
    if (on == KCA__ON_PUBLISHER && known->scope == 'C')
        return kca__error_new(KCA_ERROR_ARGUMENT, "%s: property %s is for consumers", who, name);
    if (on == KCA__ON_CONSUMER && known->scope == 'P')
        return kca__error_new(KCA_ERROR_ARGUMENT, "%s: property %s is for publishers", who, name);
    return NULL;
}

kca_error *kca__property_apply(rd_kafka_conf_t *conf, const char *who, const char *name,
                               const char *value) {
    char reason[512];
    if (rd_kafka_conf_set(conf, name, value, reason, sizeof reason) == RD_KAFKA_CONF_OK)
        return NULL;
    if (kca__property_is_secret(name))
        return kca__error_new(KCA_ERROR_ARGUMENT, "%s: property %s: value not allowed", who, name);
    return kca__error_new(KCA_ERROR_ARGUMENT, "%s: property %s=%s: %s", who, name, value, reason);
}

kca_error *kca__property_apply_all(rd_kafka_conf_t *conf, const char *who,
                                   const char *const (*properties)[2], size_t count) {
    kca_error *e = NULL;
    for (size_t i = 0; i < count && !e; i++)
        if (properties[i][1])
            e = kca__property_apply(conf, who, properties[i][0], properties[i][1]);
    return e;
}

kca_error *kca__property_apply_int(rd_kafka_conf_t *conf, const char *who, const char *name,
                                   int value) {
    char text[16];
    snprintf(text, sizeof text, "%d", value);
    return kca__property_apply(conf, who, name, text);
}

kca_error *kca__properties_set(kca__properties *p, int on, const char *who, const char *name,
                               const char *value) {
    if (!name || !*name || !value)
        return kca__error_new(KCA_ERROR_ARGUMENT, "%s: a property needs a name and a value", who);
    kca_error *e = check_name(on, who, name);
    if (e)
        return e;
    rd_kafka_conf_t *scratch = rd_kafka_conf_new();
    e = kca__property_apply(scratch, who, name, value);
    rd_kafka_conf_destroy(scratch);
    if (!e && !put(p, name, value))
        e = kca__error_memory();
    return e;
}

kca_error *kca__properties_apply(const kca__properties *p, rd_kafka_conf_t *conf, bool producer,
                                 const char *who) {
    kca_error *e = NULL;
    for (int i = 0; i < p->count && !e; i++) {
        const kca__known_property *known = kca__property_table_find(p->items[i].name);
        if (known && known->scope == (producer ? 'C' : 'P'))
            continue;
        e = kca__property_apply(conf, who, p->items[i].name, p->items[i].value);
    }
    return e;
}
