#include "outbound/publisher_builder.h"

#include "base/error.h"
#include "base/option.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>

/* The in_flight bounds what is under way; librdkafka's own bounds must never be met first. */
#define UNBOUNDED_MESSAGES "10000000"
#define UNBOUNDED_KBYTES   "2147483647"

enum { DEFAULT_LINGER_MS = 5 };

kca_error *kca__publisher_builder_new(kca_publisher_builder **out, const char *connection,
                                      const char *topic) {
    *out = NULL;
    kca_publisher_builder *b = calloc(1, sizeof *b);
    if (!b)
        return kca__error_memory();
    *b = (kca_publisher_builder){
        .max_attempts = 10,
        .batch_size = 100,
        .batch_bytes = 1048576,
        .async = 1,
        .linger_ms = -1,
        .buffer_messages = 2000,
        .buffer_bytes = 33554432,
        .buffer_timeout_ms = 10000,
    };
    b->error = kca__option_check_topic(topic);
    if (!b->error)
        b->error = kca__option_check_name("connection name", connection, 100);
    b->connection = kca__text_copy(connection ? connection : "");
    b->topic = kca__text_copy(topic ? topic : "");
    if (!b->connection || !b->topic) {
        kca__publisher_builder_free(b);
        return kca__error_memory();
    }
    if (b->error) {
        kca_error *e = kca__error_copy(b->error);
        kca__publisher_builder_free(b);
        return e;
    }
    *out = b;
    return NULL;
}

kca_error *kca__publisher_builder_copy(kca_publisher_builder **out,
                                       const kca_publisher_builder *b) {
    *out = NULL;
    kca_publisher_builder *copy = calloc(1, sizeof *copy);
    if (!copy)
        return kca__error_memory();
    *copy = *b;
    copy->connection = kca__text_copy(b->connection);
    copy->topic = kca__text_copy(b->topic);
    copy->reply_channel = kca__text_copy(b->reply_channel);
    copy->compression = kca__text_copy(b->compression);
    copy->error = kca__error_copy(b->error);
    bool copied = kca__properties_copy(&copy->properties, &b->properties);
    if (!copied || !copy->connection || !copy->topic ||
        (b->reply_channel && !copy->reply_channel) || (b->compression && !copy->compression)) {
        kca__publisher_builder_free(copy);
        return kca__error_memory();
    }
    *out = copy;
    return NULL;
}

void kca__publisher_builder_free(kca_publisher_builder *b) {
    if (!b)
        return;
    free(b->connection);
    free(b->topic);
    free(b->reply_channel);
    free(b->compression);
    kca__properties_close(&b->properties);
    kca__error_free(b->error);
    free(b);
}

kca_error *kca__publisher_builder_check(const kca_publisher_builder *b) {
    if (b->error)
        return kca__error_copy(b->error);
    if (b->idempotence && b->required_acks != -1)
        return kca__error_new(KCA_ERROR_ARGUMENT,
                              "publisher %s: idempotence needs required_acks -1, got %d", b->topic,
                              b->required_acks);
    if (b->idempotence && b->max_attempts < 2)
        return kca__error_new(KCA_ERROR_ARGUMENT,
                              "publisher %s: idempotence needs max_attempts of at least 2, got %d",
                              b->topic, b->max_attempts);
    return NULL;
}

typedef struct setting {
    const char *name;
    char value[32];
} setting;

/* The properties that the integer options stand for. */
static int settings_of(setting out[16], const kca_publisher_builder *b) {
    int linger_ms = b->linger_ms >= 0 ? b->linger_ms : DEFAULT_LINGER_MS;
    const struct {
        const char *name;
        int value;
    } numbers[] = {
        {"message.send.max.retries", b->max_attempts - 1},
        {"batch.num.messages", b->batch_size},
        {"batch.size", b->batch_bytes},
        {"message.max.bytes", b->batch_bytes},
        {"linger.ms", b->async ? linger_ms : 0},
        {"acks", b->required_acks},
    };
    int count = 0;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++, count++) {
        out[count].name = numbers[i].name;
        snprintf(out[count].value, sizeof out[count].value, "%d", numbers[i].value);
    }
    return count;
}

static const char *chosen_compression(const kca_publisher_builder *b) {
    return b->compression ? b->compression : "none";
}

kca_error *kca__publisher_builder_configure(char **out_fingerprint, const kca_publisher_builder *b,
                                            rd_kafka_conf_t *conf) {
    char who[300];
    snprintf(who, sizeof who, "publisher %s", b->topic);
    *out_fingerprint = NULL;

    setting settings[16];
    int count = settings_of(settings, b);
    kca_error *e = NULL;
    for (int i = 0; i < count && !e; i++)
        e = kca__property_apply(conf, who, settings[i].name, settings[i].value);
    const char *const fixed[][2] = {
        {"queue.buffering.max.messages", UNBOUNDED_MESSAGES},
        {"queue.buffering.max.kbytes", UNBOUNDED_KBYTES},
        {"partitioner", "murmur2_random"},
        {"compression.codec", chosen_compression(b)},
        {"enable.idempotence", b->idempotence ? "true" : "false"},
    };
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed && !e; i++)
        e = kca__property_apply(conf, who, fixed[i][0], fixed[i][1]);
    if (!e)
        e = kca__properties_apply(&b->properties, conf, true, who);
    if (e)
        return e;

    char *text = kca__text_format("%s;%d;", chosen_compression(b), b->idempotence);
    for (int i = 0; i < count && text; i++) {
        char *longer = kca__text_format("%s%s=%s;", text, settings[i].name, settings[i].value);
        free(text);
        text = longer;
    }
    for (int i = 0; i < b->properties.count && text; i++) {
        char *longer = kca__text_format("%s%s=%s;", text, b->properties.items[i].name,
                                        b->properties.items[i].value);
        free(text);
        text = longer;
    }
    *out_fingerprint = text;
    return text ? NULL : kca__error_memory();
}
