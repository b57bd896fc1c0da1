/* The active endpoints as text and as JSON. */
#include "system.h"

#include "error.h"

#include <cjson/cJSON.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- JSON ---- */

static void add_properties(cJSON *object, const char *properties) {
    cJSON *parsed = properties ? cJSON_Parse(properties) : NULL;
    if (parsed)
        cJSON_AddItemToObject(object, "properties", parsed);
}

static void add_connection(cJSON *list, const kca_connection *c, bool steady) {
    cJSON *o = cJSON_CreateObject();
    cJSON_AddItemToArray(list, o);
    cJSON_AddStringToObject(o, "name", c->name);
    cJSON_AddStringToObject(o, "hosts", c->hosts);
    cJSON_AddBoolToObject(o, "tls", c->tls);
    if (c->sasl_mechanism) {
        cJSON_AddStringToObject(o, "sasl", c->sasl_mechanism);
        cJSON_AddStringToObject(o, "user", c->sasl_user);
    }
    if (!steady)
        return;
    if (c->embedded)
        cJSON_AddStringToObject(o, "embedded_at", kca__embedded_broker_hosts(c->embedded));
    int clients = 0;
    for (kca__client *client = c->clients; client; client = client->next) {
        char trouble[512];
        clients++;
        if (kca__client_trouble(client, trouble))
            cJSON_AddStringToObject(o, "trouble", trouble);
    }
    cJSON_AddNumberToObject(o, "producer_clients", clients);
}

static void add_publisher(cJSON *list, const kca__publisher *p, bool steady) {
    const kca_publisher_builder *b = p->options;
    kca__outbox_counts counts = kca__outbox_count(p->outbox);
    cJSON *o = cJSON_CreateObject();
    cJSON_AddItemToArray(list, o);
    cJSON_AddStringToObject(o, "channel", b->topic);
    cJSON_AddStringToObject(o, "connection", b->connection);
    cJSON_AddBoolToObject(o, "async", b->async);
    cJSON_AddNumberToObject(o, "required_acks", b->required_acks);
    if (b->reply_channel)
        cJSON_AddStringToObject(o, "reply_channel", b->reply_channel);
    cJSON_AddNumberToObject(o, "buffer_messages", b->buffer_messages);
    cJSON_AddNumberToObject(o, "buffer_bytes", b->buffer_bytes);
    cJSON_AddNumberToObject(o, "published", (double)counts.published);
    cJSON_AddNumberToObject(o, "stored", (double)counts.stored);
    cJSON_AddNumberToObject(o, "failed", (double)counts.failed);
    cJSON_AddNumberToObject(o, "unanswered", counts.unanswered);
    cJSON_AddNumberToObject(o, "receipts_waiting", counts.receipts);
    add_properties(o, steady ? p->properties : NULL);
}

static void add_consumer(cJSON *list, kca__consumer *c, bool steady) {
    const kca_consumer_builder *b = c->options;
    kca__engine_counts counts = kca__consumer_count(c);
    cJSON *o = cJSON_CreateObject();
    cJSON_AddItemToArray(list, o);
    cJSON_AddStringToObject(o, "name", b->name);
    cJSON_AddStringToObject(o, "group", kca__consumer_builder_group(b));
    cJSON_AddStringToObject(o, "connection", b->connection);
    cJSON *topics = cJSON_AddArrayToObject(o, "topics");
    for (int i = 0; i < b->topic_count; i++)
        cJSON_AddItemToArray(topics, cJSON_CreateString(b->topics[i]));
    if (b->partition >= 0)
        cJSON_AddNumberToObject(o, "partition", b->partition);
    cJSON_AddStringToObject(o, "form", kca__consumer_form(c));
    cJSON_AddNumberToObject(o, "processors", c->processors);
    cJSON_AddNumberToObject(o, "processing_timeout_ms", c->processing_timeout_ms);
    cJSON_AddNumberToObject(o, "queue_capacity", b->queue_capacity);
    cJSON_AddNumberToObject(o, "commit_interval_ms", b->commit_interval_ms);
    cJSON_AddStringToObject(o, "failure_policy", kca__consumer_builder_skips(b) ? "skip" : "stop");
    cJSON_AddNumberToObject(o, "handled", (double)counts.handled);
    cJSON_AddNumberToObject(o, "failed", (double)counts.failed);
    cJSON_AddNumberToObject(o, "rejected", (double)counts.rejected);
    cJSON_AddNumberToObject(o, "skipped", (double)counts.skipped);
    cJSON_AddNumberToObject(o, "held", counts.held);
    cJSON_AddNumberToObject(o, "out", counts.out);
    add_properties(o, steady ? c->properties : NULL);
}

static void add_handlers(cJSON *list, const kca__handlers *h) {
    for (int i = 0; i < KCA__HANDLER_BUCKETS; i++)
        for (const kca__handler *handler = h->buckets[i]; handler; handler = handler->next)
            cJSON_AddItemToArray(list, cJSON_CreateString(handler->name));
    if (h->any)
        cJSON_AddItemToArray(list, cJSON_CreateString("*"));
}

/* With the lock held; steady: it neither starts nor shuts down meanwhile. */
static cJSON *endpoints(kca__system *s, bool steady) {
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "version", kca_version());
    cJSON_AddStringToObject(root, "librdkafka", rd_kafka_version_str());
    cJSON_AddBoolToObject(root, "started", steady && s->started);
    cJSON *list = cJSON_AddArrayToObject(root, "connections");
    for (int i = 0; i < s->connection_count; i++)
        add_connection(list, s->connections[i], steady);
    list = cJSON_AddArrayToObject(root, "publishers");
    for (int i = 0; i < s->publisher_count; i++)
        add_publisher(list, s->publishers[i], steady);
    list = cJSON_AddArrayToObject(root, "consumers");
    for (int i = 0; i < s->consumer_count; i++)
        add_consumer(list, s->consumers[i], steady);
    add_handlers(cJSON_AddArrayToObject(root, "handlers"), &s->handlers);
    return root;
}

/* ---- text ---- */

static const char *text(const cJSON *o, const char *name) {
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItem(o, name));
    return value ? value : "";
}

static long long number(const cJSON *o, const char *name) {
    return (long long)cJSON_GetNumberValue(cJSON_GetObjectItem(o, name));
}

static bool flag(const cJSON *o, const char *name) {
    return cJSON_IsTrue(cJSON_GetObjectItem(o, name));
}

static void print_consumer(FILE *out, const cJSON *o) {
    const cJSON *topic;
    fprintf(out, "  %-24s reads ", text(o, "name"));
    cJSON_ArrayForEach(topic, cJSON_GetObjectItem(o, "topics"))
        fprintf(out, "%s%s", topic->prev && topic != topic->prev && topic->prev->next ? ", " : "",
                topic->valuestring);
    fprintf(out, " over %s, %s, %lld processors: %lld handled, %lld failed, %lld rejected\n",
            text(o, "connection"), text(o, "form"), number(o, "processors"), number(o, "handled"),
            number(o, "failed"), number(o, "rejected"));
}

static void print(FILE *out, const cJSON *root) {
    const cJSON *o;
    fprintf(out, "kca %s, librdkafka %s, %s\n", text(root, "version"), text(root, "librdkafka"),
            flag(root, "started") ? "started" : "not started");
    fprintf(out, "connections\n");
    cJSON_ArrayForEach(o, cJSON_GetObjectItem(root, "connections"))
        fprintf(out, "  %-24s %s%s%s%s%s\n", text(o, "name"), text(o, "hosts"),
                flag(o, "tls") ? ", TLS" : "", *text(o, "sasl") ? ", SASL " : "", text(o, "sasl"),
                *text(o, "trouble") ? ", in trouble" : "");
    fprintf(out, "publishers\n");
    cJSON_ArrayForEach(o, cJSON_GetObjectItem(root, "publishers"))
        fprintf(out, "  %-24s over %s, %s, acks %lld: %lld stored, %lld failed, %lld unanswered\n",
                text(o, "channel"), text(o, "connection"), flag(o, "async") ? "async" : "sync",
                number(o, "required_acks"), number(o, "stored"), number(o, "failed"),
                number(o, "unanswered"));
    fprintf(out, "consumers\n");
    cJSON_ArrayForEach(o, cJSON_GetObjectItem(root, "consumers")) print_consumer(out, o);
    fprintf(out, "handlers\n");
    cJSON_ArrayForEach(o, cJSON_GetObjectItem(root, "handlers"))
        fprintf(out, "  %s\n", o->valuestring);
}

static char *as_text(const cJSON *root) {
    char *page = NULL;
    size_t size;
    FILE *out = open_memstream(&page, &size);
    if (!out)
        return NULL;
    print(out, root);
    if (fclose(out) != 0) {
        free(page);
        return NULL;
    }
    return page;
}

kca_error *kca__system_describe(char **out, kca__system *s, int format) {
    /* A handler that asks while the system waits for it to shut down must not wait for the system.
     */
    bool steady = pthread_mutex_trylock(&s->turning) == 0;
    pthread_mutex_lock(&s->lock);
    cJSON *root = endpoints(s, steady);
    pthread_mutex_unlock(&s->lock);
    if (steady)
        pthread_mutex_unlock(&s->turning);
    *out = format == KCA_FORMAT_JSON ? cJSON_Print(root) : as_text(root);
    cJSON_Delete(root);
    return *out ? NULL : kca__error_memory();
}
