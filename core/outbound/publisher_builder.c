#include "outbound/publisher_builder.h"

#include "base/error.h"
#include "base/option.h"
#include "base/text.h"
#include "kafka/option_properties.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The in_flight bounds what is under way; librdkafka's own bounds must never be met first. */
#define UNBOUNDED_MESSAGES "10000000"
#define UNBOUNDED_KBYTES   "2147483647"

kca_error *kca__publisher_builder_new(kca_publisher_builder **out, const char *connection,
                                      const char *topic) {
    *out = NULL;
    kca_publisher_builder *b = calloc(1, sizeof *b);
    if (!b)
        return kca__error_memory();
    kca__options_init(kca__publisher_options, b);
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
    kca_error *e = kca__publisher_builder_new(out, b->connection, b->topic);
    if (e || (kca__options_copy(kca__publisher_options, *out, b) &&
              kca__properties_copy(&(*out)->properties, &b->properties))) {
        if (!e)
            (*out)->given = b->given;
        return e;
    }
    kca__publisher_builder_free(*out);
    *out = NULL;
    return kca__error_memory();
}

void kca__publisher_builder_free(kca_publisher_builder *b) {
    if (!b)
        return;
    free(b->connection);
    free(b->topic);
    kca__options_close(kca__publisher_options, b);
    kca__properties_close(&b->properties);
    kca__error_free(b->error);
    free(b);
}

kca_error *kca__publisher_builder_check(const kca_publisher_builder *b) {
    if (b->error)
        return kca__error_copy(b->error);
    if (b->delay_channel.count != b->delay_channel_ms.count)
        return kca__error_new(KCA_ERROR_ARGUMENT,
                              "publisher %s: there must be as many delay_channel_ms as "
                              "delay_channel, %d, got %d",
                              b->topic, b->delay_channel.count, b->delay_channel_ms.count);
    for (int i = 0; i < b->delay_channel.count; i++)
        if (strcmp(b->delay_channel.items[i], b->topic) == 0)
            return kca__error_new(KCA_ERROR_ARGUMENT,
                                  "publisher %s: delay_channel %s is its own topic: name topics "
                                  "for delayed messages alone",
                                  b->topic, b->topic);
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

kca__dialect kca__publisher_builder_dialect(const kca_publisher_builder *b) {
    if (strcmp(b->dialect, "cloudevents-structured") == 0)
        return KCA__DIALECT_STRUCTURED;
    return strcmp(b->dialect, "cloudevents") == 0 ? KCA__DIALECT_CLOUD_EVENTS : KCA__DIALECT_GOMES;
}

int kca__publisher_builder_linger_ms(const kca_publisher_builder *b) {
    return b->async ? b->linger_ms : 0;
}

/* Begins with what the options' rows set. */
static kca_error *configure(const kca_publisher_builder *b, rd_kafka_conf_t *conf,
                            const char *who) {
    static const char *const fixed[][2] = {
        {"queue.buffering.max.messages", UNBOUNDED_MESSAGES},
        {"queue.buffering.max.kbytes", UNBOUNDED_KBYTES},
        {"partitioner", "murmur2_random"},
    };
    kca_error *e = kca__options_apply(kca__publisher_options, b, conf, who);
    if (!e)
        e = kca__property_apply_int(conf, who, "message.send.max.retries", b->max_attempts - 1);
    if (!e)
        e = kca__property_apply_int(conf, who, "message.max.bytes", b->batch_bytes);
    if (!e)
        e = kca__property_apply_int(conf, who, "linger.ms", kca__publisher_builder_linger_ms(b));
    if (!e)
        e = kca__property_apply_all(conf, who, fixed, sizeof fixed / sizeof *fixed);
    if (!e)
        e = kca__properties_apply(&b->properties, conf, true, who);
    return e;
}

kca_error *kca__publisher_builder_configure(char **out_fingerprint, const kca_publisher_builder *b,
                                            rd_kafka_conf_t *conf) {
    char who[300];
    snprintf(who, sizeof who, "publisher %s", b->topic);
    *out_fingerprint = NULL;
    kca_error *e = configure(b, conf, who);
    if (e)
        return e;
    char *text = kca__options_fingerprint(kca__publisher_options, conf);
    for (int i = 0; i < b->properties.count && text; i++) {
        char *longer = kca__text_format("%s%s=%s;", text, b->properties.items[i].name,
                                        b->properties.items[i].value);
        free(text);
        text = longer;
    }
    *out_fingerprint = text;
    return text ? NULL : kca__error_memory();
}
