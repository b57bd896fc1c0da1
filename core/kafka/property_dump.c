/* Effective properties: as JSON, for describe, and the name of a client. */
#include "kafka/property.h"

#include <cjson/cJSON.h>
#include <string.h>

/* Pointers say nothing, secrets must not be said. */
static bool is_shown(const char *name) {
    size_t len = strlen(name);
    return !(len > 3 && strcmp(name + len - 3, "_cb") == 0) && !strstr(name, "opaque") &&
           !strstr(name, "interceptors") && strcmp(name, "default_topic_conf") != 0 &&
           !kca__property_is_secret(name);
}

static void add(cJSON *object, const char **pairs, size_t count) {
    for (size_t i = 0; pairs && i + 1 < count; i += 2)
        if (is_shown(pairs[i]) && !cJSON_HasObjectItem(object, pairs[i]))
            cJSON_AddStringToObject(object, pairs[i], pairs[i + 1]);
    if (pairs)
        rd_kafka_conf_dump_free(pairs, count);
}

char *kca__property_dump(rd_kafka_conf_t *conf) {
    cJSON *object = cJSON_CreateObject();
    size_t count = 0;
    const char **pairs = rd_kafka_conf_dump(conf, &count);
    add(object, pairs, count);
    rd_kafka_topic_conf_t *topic = rd_kafka_conf_get_default_topic_conf(conf);
    if (topic) {
        pairs = rd_kafka_topic_conf_dump(topic, &count);
        add(object, pairs, count);
    }
    char *text = cJSON_PrintUnformatted(object);
    cJSON_Delete(object);
    return text;
}

void kca__property_client_id(kca__client_id *out, const rd_kafka_conf_t *conf) {
    size_t size = sizeof out->text;
    if (rd_kafka_conf_get(conf, "client.id", out->text, &size) != RD_KAFKA_CONF_OK)
        out->text[0] = '\0';
    out->text[sizeof out->text - 1] = '\0';
}
