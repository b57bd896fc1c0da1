/* Describes the active endpoints as text and as JSON. */
#include "system/system.h"

#include "base/error.h"
#include "connection/security.h"
#include "inbound/group.h"
#include "message/wire_time.h"

#include <cjson/cJSON.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- JSON ---- */

static void add_properties(cJSON *object, const char *properties) {
    cJSON *parsed = properties ? cJSON_Parse(properties) : NULL;
    if (parsed)
        cJSON_AddItemToObject(object, "properties", parsed);
}

static void add_trouble(cJSON *o, const kca__trouble *t) {
    if (t->broker >= 0)
        cJSON_AddNumberToObject(o, "broker", t->broker);
    else
        cJSON_AddNullToObject(o, "broker");
    cJSON_AddBoolToObject(o, "coordinator", t->coordinator);
    cJSON_AddStringToObject(o, "address", t->address);
    cJSON_AddStringToObject(o, "reason", t->reason);
}

static void add_state(cJSON *o, kca__state state) {
    char since[25];
    cJSON_AddStringToObject(o, "state", kca__state_name(state.now));
    if (state.now == KCA__STATE_STOPPED)
        return;
    kca__wire_time_write_rfc3339(since, state.since_unix_ms);
    cJSON_AddStringToObject(o, "since", since);
    if (state.in_trouble)
        add_trouble(cJSON_AddObjectToObject(o, "last_error"), &state.trouble);
    else
        cJSON_AddNullToObject(o, "last_error");
}

static void add_connection(cJSON *list, const kca__system *s, const kca_connection *c,
                           bool steady) {
    cJSON *o = cJSON_CreateObject();
    cJSON_AddItemToArray(list, o);
    cJSON_AddStringToObject(o, "name", c->name);
    cJSON_AddStringToObject(o, "hosts", c->hosts);
    cJSON_AddBoolToObject(o, "tls", c->tls);
    if (c->sasl_mechanism) {
        cJSON_AddStringToObject(o, "sasl", c->sasl_mechanism);
        cJSON_AddStringToObject(o, "user", c->sasl_user);
    }
    const char *texts[KCA__MOST_WEAKNESSES];
    int count = kca__security_weaknesses(texts, c);
    cJSON *weaknesses = cJSON_AddArrayToObject(o, "weaknesses");
    for (int i = 0; i < count; i++)
        cJSON_AddItemToArray(weaknesses, cJSON_CreateString(texts[i]));
    if (!steady)
        return;
    if (c->embedded)
        cJSON_AddStringToObject(o, "embedded_at", kca__embedded_broker_hosts(c->embedded));
    cJSON_AddNumberToObject(o, "fault_after_ms", c->fault_after_ms);
    add_state(o, kca__watch_look(c->watch, &c->watched));
    int clients = 0;
    for (const kca__producer *p = s->producers.first; p; p = p->next)
        clients += p->connection == c;
    cJSON_AddNumberToObject(o, "producer_clients", clients);
}

static void add_ints(cJSON *list, const kca__option_ints *ints) {
    for (int i = 0; i < ints->count; i++)
        cJSON_AddItemToArray(list, cJSON_CreateNumber(ints->items[i]));
}

static void add_texts(cJSON *list, const kca__option_texts *texts) {
    for (int i = 0; i < texts->count; i++)
        cJSON_AddItemToArray(list, cJSON_CreateString(texts->items[i]));
}

static void add_option(cJSON *o, const kca__option *row, const void *object) {
    switch (row->kind) {
    case KCA__OPTION_FLAG:
        cJSON_AddBoolToObject(o, row->name, kca__option_number(row, object) != 0);
        break;
    case KCA__OPTION_INT:
    case KCA__OPTION_TIME:
    case KCA__OPTION_DOUBLE:
        cJSON_AddNumberToObject(o, row->name, kca__option_number(row, object));
        break;
    case KCA__OPTION_TEXT:
    case KCA__OPTION_CHOICE:
        if (kca__option_word(row, object))
            cJSON_AddStringToObject(o, row->name, kca__option_word(row, object));
        break;
    case KCA__OPTION_INTS:
        add_ints(cJSON_AddArrayToObject(o, row->name), kca__option_field(row, object));
        break;
    case KCA__OPTION_TEXTS:
        add_texts(cJSON_AddArrayToObject(o, row->name), kca__option_field(row, object));
        break;
    }
}

/* Every option under its name, but for those that are there already: their value in effect is
 * another than what was set. */
static void add_options(cJSON *o, const kca__option *rows, const void *object) {
    for (const kca__option *row = rows; row->name; row++)
        if (!row->hidden && !cJSON_HasObjectItem(o, row->name))
            add_option(o, row, object);
}

static void add_publisher(cJSON *list, const kca__publisher *p, bool steady) {
    const kca_publisher_builder *b = p->options;
    kca__in_flight_counts counts = kca__in_flight_count(p->in_flight);
    cJSON *o = cJSON_CreateObject();
    cJSON_AddItemToArray(list, o);
    cJSON_AddStringToObject(o, "channel", b->topic);
    cJSON_AddStringToObject(o, "connection", b->connection);
    cJSON_AddNumberToObject(o, "linger_ms", kca__publisher_builder_linger_ms(b));
    add_options(o, kca__publisher_options, b);
    cJSON_AddNumberToObject(o, "published", (double)counts.published);
    cJSON_AddNumberToObject(o, "stored", (double)counts.stored);
    cJSON_AddNumberToObject(o, "failed", (double)counts.failed);
    cJSON_AddNumberToObject(o, "unanswered", counts.unanswered);
    cJSON_AddNumberToObject(o, "receipts_waiting", counts.receipts);
    add_properties(o, steady ? p->properties : NULL);
}

static void add_reply_channel(cJSON *list, const kca__reply_channel *r) {
    kca__asks_counts counts = kca__asks_count(r->asks);
    cJSON *o = cJSON_CreateObject();
    cJSON_AddItemToArray(list, o);
    cJSON_AddStringToObject(o, "channel", r->channel);
    cJSON_AddStringToObject(o, "connection", r->connection);
    cJSON_AddNumberToObject(o, "partitions", atomic_load(&r->partitions));
    cJSON_AddNumberToObject(o, "asked", (double)counts.asked);
    cJSON_AddNumberToObject(o, "waiting", counts.waiting);
    cJSON_AddNumberToObject(o, "answered", (double)counts.answered);
    cJSON_AddNumberToObject(o, "answered_with_error", (double)counts.refused);
    cJSON_AddNumberToObject(o, "unsent", (double)counts.unsent);
    cJSON_AddNumberToObject(o, "timed_out", (double)counts.timed_out);
    cJSON_AddNumberToObject(o, "cancelled", (double)counts.cancelled);
    cJSON_AddNumberToObject(o, "stopped", (double)counts.stopped);
    cJSON_AddNumberToObject(o, "late", (double)counts.late);
    cJSON_AddNumberToObject(o, "unknown", (double)counts.unknown);
}

/* -1: not known. */
static void add_offset(cJSON *o, const char *name, int64_t offset) {
    if (offset >= 0)
        cJSON_AddNumberToObject(o, name, (double)offset);
    else
        cJSON_AddNullToObject(o, name);
}

/* The key's text is not known until one of its messages has come to this process. */
static void add_line(cJSON *list, const kca__parked_key *k) {
    char since[25];
    cJSON *o = cJSON_CreateObject();
    cJSON_AddItemToArray(list, o);
    if (*k->text)
        cJSON_AddStringToObject(o, "key", k->text);
    else
        cJSON_AddNullToObject(o, "key");
    cJSON_AddNumberToObject(o, "waits_for", (double)k->waits_for);
    cJSON_AddNumberToObject(o, "letters", (double)k->letters);
    kca__wire_time_write_rfc3339(since, k->time_s * 1000);
    cJSON_AddStringToObject(o, "since", since);
}

/* The lag: how much is not settled yet, from the frontier to the high watermark. */
static void add_partition(void *user, const kca__partition_look *look, int64_t high) {
    cJSON *o = cJSON_CreateObject();
    cJSON_AddItemToArray(user, o);
    int64_t lag = high >= 0 && look->frontier >= 0 ? high - look->frontier : -1;
    cJSON_AddStringToObject(o, "topic", look->topic);
    cJSON_AddNumberToObject(o, "partition", look->partition);
    add_offset(o, "frontier", look->frontier);
    add_offset(o, "committed", look->committed);
    add_offset(o, "read", look->end);
    add_offset(o, "high_watermark", high);
    add_offset(o, "lag", lag < 0 && high >= 0 && look->frontier >= 0 ? 0 : lag);
    cJSON_AddNumberToObject(o, "held", look->held);
    cJSON_AddNumberToObject(o, "out", look->out);
    cJSON_AddNumberToObject(o, "parked_keys", look->parking->count);
    cJSON *lines = cJSON_AddArrayToObject(o, "parked_lines");
    for (int i = 0; i < look->parking->count; i++)
        add_line(lines, &look->parking->keys[i]);
    cJSON_AddBoolToObject(o, "paused", look->paused);
}

static void add_counts(cJSON *o, const kca__engine_counts *counts) {
    cJSON_AddNumberToObject(o, "handled", (double)counts->handled);
    cJSON_AddNumberToObject(o, "failed", (double)counts->failed);
    cJSON_AddNumberToObject(o, "rejected", (double)counts->rejected);
    cJSON_AddNumberToObject(o, "retried", (double)counts->retried);
    cJSON_AddNumberToObject(o, "retry_stored", (double)counts->retry_stored);
    cJSON_AddNumberToObject(o, "timed_out", (double)counts->timed_out);
    cJSON_AddNumberToObject(o, "relayed", (double)counts->relayed);
    cJSON_AddNumberToObject(o, "dead_lettered", (double)counts->dead_lettered);
    cJSON_AddNumberToObject(o, "parked", (double)counts->parked);
    cJSON_AddNumberToObject(o, "replied", (double)counts->replied);
    cJSON_AddNumberToObject(o, "not_replied", (double)counts->not_replied);
    cJSON_AddNumberToObject(o, "skipped", (double)counts->skipped);
    cJSON_AddNumberToObject(o, "duplicates", (double)counts->duplicates);
    cJSON_AddNumberToObject(o, "passed_over", (double)counts->passed_over);
    cJSON_AddNumberToObject(o, "finished_before", (double)counts->finished_before);
    cJSON_AddNumberToObject(o, "held", counts->held);
    cJSON_AddNumberToObject(o, "out", counts->out);
    cJSON_AddNumberToObject(o, "waiting", counts->waiting);
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
    if (b->partition != KCA_PARTITION_ASSIGNED)
        cJSON_AddNumberToObject(o, "partition", b->partition);
    cJSON_AddStringToObject(o, "form", kca__consumer_form(c));
    add_state(o, kca__consumer_state(c));
    cJSON_AddNumberToObject(o, "processors", c->processors);
    cJSON_AddNumberToObject(o, "processing_timeout_ms", c->processing_timeout_ms);
    cJSON_AddNumberToObject(o, "commit_interval_ms", kca__consumer_builder_commit_interval_ms(b));
    cJSON_AddNumberToObject(o, "max_attempts", kca__consumer_builder_retry(b).max_attempts);
    add_options(o, kca__consumer_options, b);
    for (const kca__option *row = kca__consumer_options; row->name; row++)
        if (!kca__group_uses(b, row->name))
            cJSON_DeleteItemFromObject(o, row->name);
    add_counts(o, &counts);
    kca__consumer_look(c, add_partition, cJSON_AddArrayToObject(o, "partitions"));
    add_properties(o, steady ? c->properties : NULL);
}

static void add_locals_locked(cJSON *o, const kca__system *s) {
    const kca__local_counts *counts = &s->local_counts;
    int under_way = 0;
    for (const kca__local *l = s->locals; l; l = l->next)
        under_way++;
    cJSON_AddNumberToObject(o, "handled", (double)counts->handled);
    cJSON_AddNumberToObject(o, "failed", (double)counts->failed);
    cJSON_AddNumberToObject(o, "rejected", (double)counts->rejected);
    cJSON_AddNumberToObject(o, "retried", (double)counts->retried);
    cJSON_AddNumberToObject(o, "timed_out", (double)counts->timed_out);
    cJSON_AddNumberToObject(o, "cancelled", (double)counts->cancelled);
    cJSON_AddNumberToObject(o, "stopped", (double)counts->stopped);
    cJSON_AddNumberToObject(o, "under_way", under_way);
}

static void add_handlers(cJSON *list, const kca__handlers *h) {
    for (int i = 0; i < KCA__HANDLER_BUCKETS; i++)
        for (const kca__handler *handler = h->buckets[i]; handler; handler = handler->next)
            cJSON_AddItemToArray(list, cJSON_CreateString(handler->name));
    if (h->any)
        cJSON_AddItemToArray(list, cJSON_CreateString("*"));
}

static void add_redrive(cJSON *list, kca__redrive_visit *visit) {
    cJSON *o = cJSON_CreateObject();
    cJSON_AddItemToArray(list, o);
    cJSON_AddStringToObject(o, "topic", visit->options->topic);
    cJSON_AddStringToObject(o, "group", visit->options->group_id);
    cJSON_AddBoolToObject(o, "dry_run", visit->options->dry_run);
    cJSON_AddNumberToObject(o, "records", (double)visit->progress.records);
    cJSON_AddNumberToObject(o, "read", (double)visit->progress.read);
    cJSON_AddNumberToObject(o, "redriven", (double)visit->progress.redriven);
}

/* Steady: it neither starts nor shuts down meanwhile. */
static void add_exporter(cJSON *o, kca__exporter *x) {
    kca__exporter_counts counts = kca__exporter_count(x);
    cJSON_AddStringToObject(o, "url", kca__exporter_url(x));
    cJSON_AddNumberToObject(o, "sent", (double)counts.sent);
    cJSON_AddNumberToObject(o, "waiting", counts.waiting);
    cJSON_AddNumberToObject(o, "dropped", (double)counts.dropped);
    cJSON_AddNumberToObject(o, "failed", (double)counts.failed);
}

static cJSON *endpoints_locked(kca__system *s, bool steady) {
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "version", KCA_VERSION);
    cJSON_AddStringToObject(root, "librdkafka", rd_kafka_version_str());
    cJSON_AddBoolToObject(root, "started", steady && s->started);
    cJSON *list = cJSON_AddArrayToObject(root, "connections");
    for (int i = 0; i < s->connection_count; i++)
        add_connection(list, s, s->connections[i], steady);
    cJSON *publishers = cJSON_AddArrayToObject(root, "publishers");
    cJSON *reply_channels = cJSON_AddArrayToObject(root, "reply_channels");
    list = cJSON_AddArrayToObject(root, "consumers");
    for (int i = 0; i < s->consumer_count; i++)
        add_consumer(list, s->consumers[i], steady);
    /* After the consumers: what a delivery that counts as done has published is counted. */
    for (int i = 0; i < s->publisher_count; i++)
        add_publisher(publishers, s->publishers[i], steady);
    for (int i = 0; i < s->reply_channel_count; i++)
        add_reply_channel(reply_channels, s->reply_channels[i]);
    add_locals_locked(cJSON_AddObjectToObject(root, "local_buses"), s);
    add_handlers(cJSON_AddArrayToObject(root, "handlers"), &s->handlers);
    if (s->exporter)
        add_exporter(cJSON_AddObjectToObject(root, "exporter"), s->exporter);
    list = cJSON_AddArrayToObject(root, "redrives");
    for (kca__redrive_visit *v = kca__list_first(&s->redrives); v; v = kca__list_next(&v->link))
        add_redrive(list, v);
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

static void print_offset(FILE *out, const char *label, const cJSON *o, const char *name) {
    if (cJSON_IsNumber(cJSON_GetObjectItem(o, name)))
        fprintf(out, "%s%lld", label, number(o, name));
    else
        fprintf(out, "%s?", label);
}

static void print_line(FILE *out, const cJSON *o) {
    fprintf(out, "      key %s is parked since %s: %lld letters, waits for offset %lld\n",
            *text(o, "key") ? text(o, "key") : "(not seen yet)", text(o, "since"),
            number(o, "letters"), number(o, "waits_for"));
}

static void print_partition(FILE *out, const cJSON *o) {
    const cJSON *line;
    fprintf(out, "    %s[%lld]", text(o, "topic"), number(o, "partition"));
    print_offset(out, " at ", o, "frontier");
    print_offset(out, ", lag ", o, "lag");
    fprintf(out, "%s\n", flag(o, "paused") ? ", paused" : "");
    cJSON_ArrayForEach(line, cJSON_GetObjectItem(o, "parked_lines")) print_line(out, line);
}

/* A line of its own, only if there is something to say. */
static void print_state(FILE *out, const cJSON *o) {
    const cJSON *error = cJSON_GetObjectItem(o, "last_error");
    bool well = strcmp(text(o, "state"), "connecting") != 0 &&
                strcmp(text(o, "state"), "reconnecting") != 0;
    if (well && !cJSON_IsObject(error))
        return;
    fprintf(out, "    %s since %s", text(o, "state"), text(o, "since"));
    if (cJSON_IsObject(error))
        fprintf(out, ": %s%s", flag(error, "coordinator") ? "group coordinator: " : "",
                text(error, "reason"));
    fprintf(out, "\n");
}

static void print_connection(FILE *out, const cJSON *o) {
    fprintf(out, "  %-24s %s%s%s%s%s%s\n", text(o, "name"), text(o, "hosts"),
            flag(o, "tls") ? ", TLS" : "", *text(o, "sasl") ? ", SASL " : "", text(o, "sasl"),
            *text(o, "state") ? ", " : "", text(o, "state"));
    const cJSON *weakness;
    cJSON_ArrayForEach(weakness, cJSON_GetObjectItem(o, "weaknesses"))
        fprintf(out, "    weak: %s\n", weakness->valuestring);
    print_state(out, o);
}

static void print_consumer(FILE *out, const cJSON *o) {
    const cJSON *topic;
    bool runs = strcmp(text(o, "state"), "stopped") != 0;
    fprintf(out, "  %-24s reads ", text(o, "name"));
    cJSON_ArrayForEach(topic, cJSON_GetObjectItem(o, "topics"))
        fprintf(out, "%s%s", topic->prev && topic != topic->prev && topic->prev->next ? ", " : "",
                topic->valuestring);
    fprintf(out,
            " over %s, %s%s%s, %lld processors: %lld handled, %lld failed, %lld rejected, %lld "
            "dead-lettered\n",
            text(o, "connection"), text(o, "form"), runs ? ", " : "", runs ? text(o, "state") : "",
            number(o, "processors"), number(o, "handled"), number(o, "failed"),
            number(o, "rejected"), number(o, "dead_lettered"));
    print_state(out, o);
    const cJSON *p;
    cJSON_ArrayForEach(p, cJSON_GetObjectItem(o, "partitions")) print_partition(out, p);
}

/* Without acks no broker says what it has stored. */
static void print_publisher(FILE *out, const cJSON *o) {
    long long acks = number(o, "required_acks");
    fprintf(out,
            "  %-24s over %s, %s, acks %lld: %lld published, %lld %s, %lld failed, %lld "
            "unanswered\n",
            text(o, "channel"), text(o, "connection"), flag(o, "async") ? "async" : "sync", acks,
            number(o, "published"), number(o, "stored"), acks ? "stored" : "sent",
            number(o, "failed"), number(o, "unanswered"));
}

static void print_reply_channel(FILE *out, const cJSON *o) {
    fprintf(
        out,
        "  %-24s over %s: %lld asked, %lld waiting, %lld answered, %lld answered with an error, "
        "%lld timed out, %lld late\n",
        text(o, "channel"), text(o, "connection"), number(o, "asked"), number(o, "waiting"),
        number(o, "answered"), number(o, "answered_with_error"), number(o, "timed_out"),
        number(o, "late"));
}

/* A line of its own, only if there is something to say. */
static void print_locals(FILE *out, const cJSON *o) {
    const cJSON *count;
    bool any = false;
    cJSON_ArrayForEach(count, o) any |= cJSON_GetNumberValue(count) > 0;
    if (any)
        fprintf(out,
                "buses without a channel: %lld handled, %lld failed, %lld rejected, %lld timed "
                "out, %lld under way\n",
                number(o, "handled"), number(o, "failed"), number(o, "rejected"),
                number(o, "timed_out"), number(o, "under_way"));
}

static void print(FILE *out, const cJSON *root) {
    const cJSON *o;
    fprintf(out, "kca %s, librdkafka %s, %s\n", text(root, "version"), text(root, "librdkafka"),
            flag(root, "started") ? "started" : "not started");
    fprintf(out, "connections\n");
    cJSON_ArrayForEach(o, cJSON_GetObjectItem(root, "connections")) print_connection(out, o);
    fprintf(out, "publishers\n");
    cJSON_ArrayForEach(o, cJSON_GetObjectItem(root, "publishers")) print_publisher(out, o);
    const cJSON *channels = cJSON_GetObjectItem(root, "reply_channels");
    if (cJSON_GetArraySize(channels) > 0)
        fprintf(out, "reply channels\n");
    cJSON_ArrayForEach(o, channels) print_reply_channel(out, o);
    fprintf(out, "consumers\n");
    cJSON_ArrayForEach(o, cJSON_GetObjectItem(root, "consumers")) print_consumer(out, o);
    print_locals(out, cJSON_GetObjectItem(root, "local_buses"));
    const cJSON *exporter = cJSON_GetObjectItem(root, "exporter");
    if (exporter)
        fprintf(out, "exporter\n  %s: %lld sent, %lld waiting, %lld dropped, %lld failed\n",
                text(exporter, "url"), number(exporter, "sent"), number(exporter, "waiting"),
                number(exporter, "dropped"), number(exporter, "failed"));
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
    /* Only tries the lock: shutdown, which holds it, may wait for the very handler that asks here.
     */
    bool steady = pthread_mutex_trylock(&s->lifecycle_lock) == 0;
    pthread_mutex_lock(&s->lock);
    cJSON *root = endpoints_locked(s, steady);
    pthread_mutex_unlock(&s->lock);
    if (steady)
        pthread_mutex_unlock(&s->lifecycle_lock);
    *out = format == KCA_FORMAT_JSON ? cJSON_Print(root) : as_text(root);
    cJSON_Delete(root);
    return *out ? NULL : kca__error_memory();
}
