/* Records made at random, from a fixed seed. */
#include "testing.h"

#include "base/utf8.h"
#include "message/wire_name.h"
#include "readings.h"

static const char *const NAMES[] = {
    "messageId",   "messageType", "timestamp",  "origin",     "version",      "correlationId",
    "route",       "channelName", "replyTo",    "type",       "replyChannel", "customHeaders",
    "traceparent", "Traceparent", "tracestate", "Tracestate", "tenant",       "",
    "TraceParent", "routf"};

static const char *const VALUES[] = {"",
                                     "Event",
                                     "Query",
                                     "2026-02-16 10:00:00",
                                     "2026-02-16T10:00:00.5+01:00",
                                     "9999-99-99 99:99:99",
                                     TRACEPARENT,
                                     ZERO_TRACEPARENT,
                                     "{\"a\":\"b\",\"c\":[1,2,{}],\"route\":\"r\",\"\":\"x\"}",
                                     "{\"a\":1,\"a\":2,\"traceparent\":\"" OTHER_TRACEPARENT "\"}",
                                     "{\"a\":",
                                     "null"};

static void add_random(test_record *r, unsigned *seed) {
    char bytes[24];
    size_t len = (size_t)rand_r(seed) % sizeof bytes;
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)rand_r(seed);
    const char *value = VALUES[(size_t)rand_r(seed) % (sizeof VALUES / sizeof VALUES[0])];
    const char *name = NAMES[(size_t)rand_r(seed) % (sizeof NAMES / sizeof NAMES[0])];
    switch (rand_r(seed) % 16) {
    case 0:
        record_add_bytes(r, name, bytes, len);
        break;
    case 1:
        record_add_bytes(r, bytes[0] ? "x" : NULL, bytes, len);
        break;
    case 2:
        record_add(r, name, NULL);
        break;
    default:
        record_add(r, name, value);
    }
}

static const kca__channel_defaults CHANNEL = {.channel = "orders"};

static void assert_sound(const kca_message *m) {
    assert_true(kca_message_type(m) >= KCA_TYPE_COMMAND &&
                kca_message_type(m) <= KCA_TYPE_DOCUMENT);
    assert_true(kca_message_timestamp_ms(m) >= 0);
    for (int i = 0; i < KCA__MESSAGE_TEXTS; i++)
        assert_true(kca__utf8_is_text(m->texts[i], strlen(m->texts[i])));
    for (int i = 0; i < m->header_count; i++) {
        const kca__header *h = &m->headers[i];
        int wire = kca__wire_name_find(h->name);
        assert_true(!h->value || h->value[h->value_len] == '\0');
        assert_true(wire < 0 || !kca__wire_name_is_own(wire, h->value, h->value_len));
    }
}

/* What was written is read back as it was. */
static void assert_survives(const kca_message *m, kca__wire *wire) {
    kca__record record = {.key = wire->key, .key_len = wire->key_len, .timestamp_ms = -1};
    int count = wire->header_count + m->header_count;
    record.headers = malloc((size_t)count * sizeof *record.headers);
    if (m->header_count > 0)
        memcpy(record.headers, m->headers, (size_t)m->header_count * sizeof *record.headers);
    memcpy(record.headers + m->header_count, wire->headers,
           (size_t)wire->header_count * sizeof *record.headers);
    record.header_count = count;
    kca_message back;
    kca__message_init_inbound(&back);
    kca__translator_read(&back, &record, NOW);
    for (int i = 0; i < KCA__MESSAGE_TEXTS; i++)
        if (i != KCA__TEXT_CHANNEL && m->texts[i][0])
            assert_string_equal(back.texts[i], m->texts[i]);
    assert_int_equal(back.type, m->type);
    assert_int_equal(back.timestamp_ms, m->timestamp_ms / 1000 * 1000);
    assert_int_equal(back.header_count, m->header_count);
    for (int i = 0; i < m->header_count; i++)
        assert_ptr_equal(back.headers[i].value, m->headers[i].value);
    kca__message_clear_inbound(&back);
    free(record.headers);
}

static void test_any_record_can_be_read_and_written_and_read_again(void **state) {
    unsigned seed = 20260215;
    print_message("seed %u\n", seed);
    for (int n = 0; n < 200000; n++) {
        test_record source;
        kca_message m;
        kca__wire wire;
        record_init(&source);
        for (int count = rand_r(&seed) % 24; count > 0; count--)
            add_random(&source, &seed);
        source.record.timestamp_ms = rand_r(&seed) % 2 ? rand_r(&seed) : -1;
        kca__message_init_inbound(&m);
        kca__translator_read(&m, &source.record, NOW);
        assert_sound(&m);
        kca__translator_write(&wire, &m, &CHANNEL, NOW);
        assert_survives(&m, &wire);
        kca__message_clear_inbound(&m);
        record_free(&source);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_record_can_be_read_and_written_and_read_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
