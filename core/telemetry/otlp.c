#include "telemetry/otlp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

/* OTLP's numbers. */
enum { KIND_CLIENT = 3, KIND_PRODUCER = 4, KIND_CONSUMER = 5, STATUS_ERROR = 2 };

enum { NUMBER_ROOM = 24, ID_ROOM = 2 * KCA__TRACE_ID_BYTES + 1 };

static const char *const names[] = {
    [KCA__SPAN_CREATE] = "create", [KCA__SPAN_SEND] = "send", [KCA__SPAN_PROCESS] = "process"};

static const int kinds[] = {[KCA__SPAN_CREATE] = KIND_PRODUCER,
                            [KCA__SPAN_SEND] = KIND_CLIENT,
                            [KCA__SPAN_PROCESS] = KIND_CONSUMER};

static const char *const attributes[KCA__SPAN_TEXTS] = {
    [KCA__SPAN_DESTINATION] = "messaging.destination.name",
    [KCA__SPAN_CLIENT_ID] = "messaging.client.id",
    [KCA__SPAN_GROUP] = "messaging.consumer.group.name",
    [KCA__SPAN_MESSAGE_ID] = "messaging.message.id",
    [KCA__SPAN_CONVERSATION_ID] = "messaging.message.conversation_id",
    [KCA__SPAN_KEY] = "messaging.kafka.message.key",
    [KCA__SPAN_VERDICT] = "kca.verdict",
    [KCA__SPAN_ERROR_TYPE] = "error.type"};

/* ---- parts ---- */

static cJSON *add_attribute(cJSON *list, const char *key) {
    cJSON *attribute = cJSON_CreateObject();
    cJSON_AddItemToArray(list, attribute);
    cJSON_AddStringToObject(attribute, "key", key);
    return cJSON_AddObjectToObject(attribute, "value");
}

static void add_text(cJSON *list, const char *key, const char *value) {
    if (value)
        cJSON_AddStringToObject(add_attribute(list, key), "stringValue", value);
}

static void add_number_text(cJSON *o, const char *name, int64_t number) {
    char text[NUMBER_ROOM];
    snprintf(text, sizeof text, "%lld", (long long)number);
    cJSON_AddStringToObject(o, name, text);
}

static void add_number(cJSON *list, const char *key, int64_t number) {
    add_number_text(add_attribute(list, key), "intValue", number);
}

static void add_id(cJSON *o, const char *name, const unsigned char *bytes, int len) {
    char text[ID_ROOM];
    for (int i = 0; i < len; i++)
        snprintf(text + (ptrdiff_t)2 * i, 3, "%02x", bytes[i]);
    cJSON_AddStringToObject(o, name, text);
}

/* ---- spans ---- */

static void add_attributes(cJSON *list, const kca__span *span) {
    add_text(list, "messaging.system", "kafka");
    add_text(list, "messaging.operation.name", names[span->operation]);
    add_text(list, "messaging.operation.type", names[span->operation]);
    for (int i = 0; i < KCA__SPAN_TEXTS; i++)
        if (attributes[i])
            add_text(list, attributes[i], span->texts[i]);
    if (span->body_bytes >= 0)
        add_number(list, "messaging.message.body.size", span->body_bytes);
    else
        cJSON_AddTrueToObject(add_attribute(list, "messaging.kafka.message.tombstone"),
                              "boolValue");
    if (span->partition >= 0) {
        char text[NUMBER_ROOM];
        snprintf(text, sizeof text, "%d", span->partition);
        add_text(list, "messaging.destination.partition.id", text);
    }
    if (span->offset >= 0)
        add_number(list, "messaging.kafka.offset", span->offset);
    if (span->attempt > 0)
        add_number(list, "kca.attempt", span->attempt);
}

static void add_status(cJSON *o, const kca__span *span) {
    if (!span->has_failed)
        return;
    cJSON *status = cJSON_AddObjectToObject(o, "status");
    cJSON_AddNumberToObject(status, "code", STATUS_ERROR);
    if (span->texts[KCA__SPAN_ERROR_TEXT])
        cJSON_AddStringToObject(status, "message", span->texts[KCA__SPAN_ERROR_TEXT]);
}

static void add_span(cJSON *list, const kca__span *span) {
    const char *destination = span->texts[KCA__SPAN_DESTINATION];
    char name[512];
    cJSON *o = cJSON_CreateObject();
    cJSON_AddItemToArray(list, o);
    add_id(o, "traceId", span->place.trace_id, KCA__TRACE_ID_BYTES);
    add_id(o, "spanId", span->place.span_id, KCA__SPAN_ID_BYTES);
    if (span->has_parent)
        add_id(o, "parentSpanId", span->parent_id, KCA__SPAN_ID_BYTES);
    snprintf(name, sizeof name, "%s %s", names[span->operation], destination ? destination : "");
    cJSON_AddStringToObject(o, "name", name);
    cJSON_AddNumberToObject(o, "kind", kinds[span->operation]);
    add_number_text(o, "startTimeUnixNano", span->begun_ns);
    add_number_text(o, "endTimeUnixNano", span->ended_ns);
    add_attributes(cJSON_AddArrayToObject(o, "attributes"), span);
    if (span->has_link) {
        cJSON *link = cJSON_CreateObject();
        cJSON_AddItemToArray(cJSON_AddArrayToObject(o, "links"), link);
        add_id(link, "traceId", span->linked.trace_id, KCA__TRACE_ID_BYTES);
        add_id(link, "spanId", span->linked.span_id, KCA__SPAN_ID_BYTES);
    }
    add_status(o, span);
}

/* ---- the whole ---- */

/* The service's name comes from its own setting, if that is given. */
typedef struct resource {
    cJSON *list;
    const char *service_name;
    bool is_named;
} resource;

static bool add_resource_attribute(void *user, const char *name, const char *value) {
    resource *r = user;
    bool names_service = strcmp(name, "service.name") == 0;
    if (!names_service || !r->service_name)
        add_text(r->list, name, value);
    r->is_named |= names_service;
    return true;
}

static void add_resource(cJSON *list, const kca__exporter_settings *settings) {
    resource r = {list, settings->service_name, settings->service_name != NULL};
    add_text(list, "service.name", settings->service_name);
    kca__exporter_settings_each(settings->resource, add_resource_attribute, &r);
    if (!r.is_named)
        add_text(list, "service.name", "unknown_service");
    add_text(list, "telemetry.sdk.name", "kca");
    add_text(list, "telemetry.sdk.language", "c");
    add_text(list, "telemetry.sdk.version", KCA_VERSION);
}

static cJSON *add_first(cJSON *o, const char *list) {
    cJSON *item = cJSON_CreateObject();
    cJSON_AddItemToArray(cJSON_AddArrayToObject(o, list), item);
    return item;
}

char *kca__otlp_write(const kca__list *spans, const kca__exporter_settings *settings) {
    cJSON *root = cJSON_CreateObject();
    cJSON *of_resource = add_first(root, "resourceSpans");
    add_resource(
        cJSON_AddArrayToObject(cJSON_AddObjectToObject(of_resource, "resource"), "attributes"),
        settings);
    cJSON *of_scope = add_first(of_resource, "scopeSpans");
    cJSON *scope = cJSON_AddObjectToObject(of_scope, "scope");
    cJSON_AddStringToObject(scope, "name", "kca");
    cJSON_AddStringToObject(scope, "version", KCA_VERSION);
    cJSON *list = cJSON_AddArrayToObject(of_scope, "spans");
    for (const kca__span *span = kca__list_first(spans); span; span = kca__list_next(&span->link))
        add_span(list, span);
    char *text = cJSON_PrintUnformatted(root);
    cJSON_Delete(root);
    return text;
}

int64_t kca__otlp_read_refused(const char *answer) {
    cJSON *root = cJSON_Parse(answer);
    const cJSON *refused =
        cJSON_GetObjectItem(cJSON_GetObjectItem(root, "partialSuccess"), "rejectedSpans");
    int64_t count = 0;
    if (cJSON_IsString(refused))
        count = strtoll(refused->valuestring, NULL, 10);
    else if (cJSON_IsNumber(refused))
        count = (int64_t)refused->valuedouble;
    cJSON_Delete(root);
    return count > 0 ? count : 0;
}
