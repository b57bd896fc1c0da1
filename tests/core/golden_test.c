/* Records that the real Gomes wrote to a real broker: read, compared field by field, written back.
 */
#include "testing.h"

#include <stdio.h>
#include <time.h>

#include <cjson/cJSON.h>

#include "base/error.h"
#include "message/reply.h"
#include "message/trace_context.h"
#include "records.h"

enum { LONGEST_LINE = 1 << 16 };

typedef struct golden {
    cJSON *json; /* the line */
    test_record source;
} golden;

static const char *member(const cJSON *json, const char *name) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);
    assert_true(cJSON_IsString(item));
    return item->valuestring;
}

static void golden_open(golden *g, const char *line) {
    g->json = cJSON_Parse(line);
    assert_non_null(g->json);
    record_init(&g->source);
    const cJSON *headers = cJSON_GetObjectItemCaseSensitive(g->json, "headers");
    for (const cJSON *h = headers->child; h; h = h->next->next)
        record_add(&g->source, h->valuestring, h->next->valuestring);

    kca__record *record = &g->source.record;
    record->key = member(g->json, "key");
    record->key_len = strlen(record->key);
    record->value = member(g->json, "payload");
    record->value_len = strlen(record->value);
    record->timestamp_ms = (int64_t)cJSON_GetObjectItemCaseSensitive(g->json, "ts")->valuedouble;
}

static void golden_close(golden *g) {
    record_free(&g->source);
    cJSON_Delete(g->json);
}

/* The line's header of this name, or what stands for a missing one. */
static const char *given(const golden *g, const char *name, const char *missing) {
    for (int i = 0; i < g->source.count; i++)
        if (strcmp(g->source.given[i].name, name) == 0)
            return g->source.given[i].value;
    return missing;
}

static int64_t time_of(const char *text) {
    struct tm tm = {0};
    assert_int_equal(sscanf(text, "%d-%d-%d %d:%d:%d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
                            &tm.tm_hour, &tm.tm_min, &tm.tm_sec),
                     6);
    tm.tm_year -= 1900;
    tm.tm_mon--;
    return (int64_t)timegm(&tm) * 1000;
}

static int type_of(const char *text) {
    static const char *const names[] = {"", "Command", "Query", "Event", "Document"};
    for (int i = KCA_TYPE_COMMAND; i <= KCA_TYPE_DOCUMENT; i++)
        if (strcmp(names[i], text) == 0)
            return i;
    fail_msg("type %s", text);
    return 0;
}

static bool is_wire_name(const char *name) {
    static const char *const names[] = {"messageId", "messageType",   "timestamp", "origin",
                                        "version",   "correlationId", "route",     "channelName",
                                        "replyTo",   "Traceparent",   "Tracestate"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static void assert_is_read(const golden *g, const kca_message *m) {
    assert_string_equal(kca_message_message_id(m), given(g, "messageId", NULL));
    assert_int_equal(kca_message_type(m), type_of(given(g, "messageType", NULL)));
    assert_int_equal(kca_message_timestamp_ms(m), time_of(given(g, "timestamp", NULL)));
    assert_string_equal(kca_message_origin(m), given(g, "origin", NULL));
    assert_string_equal(kca_message_version(m), given(g, "version", NULL));
    assert_string_equal(kca_message_correlation_id(m), given(g, "correlationId", NULL));
    assert_string_equal(kca_message_name(m), given(g, "route", ""));
    assert_string_equal(kca_message_channel(m), member(g->json, "topic"));
    assert_string_equal(kca_message_reply_to(m), given(g, "replyTo", ""));
    assert_string_equal(kca_message_traceparent(m), given(g, "Traceparent", ""));
    assert_string_equal(kca_message_tracestate(m), given(g, "Tracestate", ""));

    int custom = 0;
    for (int i = 0; i < g->source.count; i++) {
        const char *name = g->source.given[i].name;
        if (is_wire_name(name))
            continue;
        assert_string_equal(kca_message_header_name(m, custom), name);
        assert_string_equal(kca_message_header(m, name), g->source.given[i].value);
        custom++;
    }
    assert_int_equal(kca_message_header_count(m), custom);
}

static void assert_body_is_read(const golden *g, const kca_message *m) {
    assert_string_equal(kca_message_key(m), member(g->json, "key"));
    assert_int_equal(kca_message_key_len(m), strlen(member(g->json, "key")));
    assert_ptr_equal(kca_message_payload(m), g->source.record.value);
    assert_int_equal(kca_message_payload_len(m), strlen(member(g->json, "payload")));
    assert_null(kca_message_check_json(m));
}

static void assert_is_written_back(const golden *g, const kca_message *m) {
    kca__channel_defaults channel = {.channel = given(g, "channelName", NULL), .reply_to = ""};
    kca__wire wire;
    kca__translator_write(&wire, m, &channel, 0);
    for (int i = 0; i < g->source.count; i++) {
        const char *name = g->source.given[i].name;
        const char *back = is_wire_name(name) ? written(&wire, name) : kca_message_header(m, name);
        assert_non_null(back);
        assert_string_equal(back, g->source.given[i].value);
    }
    int added = (written(&wire, "traceparent") != NULL) + (written(&wire, "tracestate") != NULL);
    assert_int_equal(wire.header_count + m->header_count, g->source.count + added);
    assert_int_equal(added, kca_message_traceparent(m)[0] ? 2 : 0);
    if (added > 0) {
        assert_string_equal(written(&wire, "traceparent"), given(g, "Traceparent", NULL));
        assert_string_equal(written(&wire, "tracestate"), given(g, "Tracestate", NULL));
    }
    assert_int_equal(wire.key_len, strlen(member(g->json, "key")));
    assert_memory_equal(wire.key, member(g->json, "key"), wire.key_len);
}

/* Runs each line of a file through reader and writer; the number of lines. */
static int check_file(const char *name, void (*check)(const kca_message *m)) {
    static char line[LONGEST_LINE];
    char path[1000];
    int lines = 0;
    snprintf(path, sizeof path, "%s/gomes/%s", KCA_TEST_DATA, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    for (; fgets(line, sizeof line, file); lines++) {
        golden g;
        kca_message m;
        golden_open(&g, line);
        kca__message_init_inbound(&m);
        kca__translator_read(&m, &g.source.record, 0);
        assert_is_read(&g, &m);
        assert_body_is_read(&g, &m);
        assert_is_written_back(&g, &m);
        check(&m);
        kca__message_clear_inbound(&m);
        golden_close(&g);
    }
    fclose(file);
    return lines;
}

static void check_event(const kca_message *m) {
    int64_t qty;
    assert_int_equal(kca_message_type(m), KCA_TYPE_EVENT);
    if (kca_message_json_type(m, "/qty") == KCA_JSON_MISSING)
        return;
    assert_null(kca_message_json_int64(m, "/qty", &qty));
    assert_int_equal(qty, INT64_C(9007199254740993));
}

static void check_command(const kca_message *m) {
    const char *text;
    assert_int_equal(kca_message_type(m), KCA_TYPE_COMMAND);
    assert_string_equal(kca_message_name(m), "orderCreated");
    assert_null(kca_message_json_string(m, "/orderId", &text));
    assert_string_equal(text, "CMD-1");
}

static void check_dead_letter(const kca_message *m) {
    const char *text;
    assert_int_equal(kca_message_type(m), KCA_TYPE_DOCUMENT);
    assert_string_equal(kca_message_name(m), "");
    assert_null(kca_message_json_string(m, "/ReasonError", &text));
    assert_null(kca_message_json_string(m, "/Headers/correlationId", &text));
    assert_string_equal(text, kca_message_correlation_id(m));
}

/* What kca answers to the same question: Gomes' seven headers, key and payload. */
static void must_be_answered_alike(const kca_message *m, const char *text) {
    static const char *const names[] = {"messageId", "messageType",   "timestamp",  "origin",
                                        "version",   "correlationId", "channelName"};
    enum { NAMES = sizeof names / sizeof *names };
    kca_message asked;
    kca__held_record *reply;
    kca__message_init_inbound(&asked);
    asked.texts[KCA__TEXT_CORRELATION_ID] = kca_message_correlation_id(m);
    const kca__reply_frame frame = {
        .asked = &asked, .channel = kca_message_channel(m), .now_ms = kca_message_timestamp_ms(m)};
    assert_null(kca__reply_hold_error(&reply, &frame, text));
    assert_int_equal(reply->record.header_count, NAMES);
    for (int i = 0; i < NAMES; i++) {
        int found = 0;
        for (int h = 0; h < NAMES; h++)
            found += strcmp(reply->record.headers[h].name, names[i]) == 0;
        assert_int_equal(found, 1);
    }
    assert_int_equal(reply->record.key_len, kca_message_key_len(m));
    assert_memory_equal(reply->record.key, kca_message_key(m), kca_message_key_len(m));
    assert_int_equal(reply->record.value_len, kca_message_payload_len(m));
    assert_memory_equal(reply->record.value, kca_message_payload(m), kca_message_payload_len(m));
    kca_message back;
    kca__message_init_inbound(&back);
    kca__translator_read(&back, &reply->record, 0);
    assert_int_equal(kca_message_type(&back), kca_message_type(m));
    assert_int_equal(kca_message_timestamp_ms(&back), kca_message_timestamp_ms(m));
    assert_string_equal(kca_message_correlation_id(&back), kca_message_correlation_id(m));
    assert_string_equal(kca_message_channel(&back), kca_message_channel(m));
    assert_string_equal(kca_message_origin(&back), kca_message_origin(m));
    assert_string_equal(kca_message_version(&back), kca_message_version(m));
    kca__message_clear_inbound(&back);
    kca__held_record_free(reply);
}

static void check_reply(const kca_message *m) {
    const char *text;
    assert_int_equal(kca_message_type(m), KCA_TYPE_DOCUMENT);
    assert_string_equal(kca_message_name(m), "");
    assert_null(kca_message_json_string(m, "/error", &text));
    must_be_answered_alike(m, text);
}

static void test_events_of_gomes(void **state) {
    assert_int_equal(check_file("events.jsonl", check_event), 18);
}

static void test_commands_of_gomes(void **state) {
    assert_int_equal(check_file("commands.jsonl", check_command), 3);
}

static void test_dead_letters_of_gomes(void **state) {
    assert_int_equal(check_file("dlq.jsonl", check_dead_letter), 10);
}

static void test_replies_of_gomes(void **state) {
    assert_int_equal(check_file("replies.jsonl", check_reply), 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events_of_gomes),
        cmocka_unit_test(test_commands_of_gomes),
        cmocka_unit_test(test_dead_letters_of_gomes),
        cmocka_unit_test(test_replies_of_gomes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
