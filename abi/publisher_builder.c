#include "outbound/publisher_builder.h"

#include "base/error.h"
#include "system/native_property.h"

#include <stdio.h>

kca_error *kca_publisher_builder_new(kca_publisher_builder **out, const char *connection,
                                     const char *topic) {
    if (!out)
        return kca__error_new(KCA_ERROR_ARGUMENT, "publisher builder: new: out is missing");
    return kca__publisher_builder_new(out, connection, topic);
}

void kca_publisher_builder_free(kca_publisher_builder *b) {
    kca__publisher_builder_free(b);
}

const kca_error *kca_publisher_builder_error(const kca_publisher_builder *b) {
    return b ? b->error : NULL;
}

static kca__options options_of(kca_publisher_builder *b) {
    return (kca__options){kca__publisher_options,
                          b,
                          {"publisher", b ? b->topic : NULL, b ? &b->error : NULL},
                          b ? &b->given : NULL};
}

void kca_publisher_builder_with_max_attempts(kca_publisher_builder *b, int attempts) {
    kca__options_set_int(options_of(b), "max_attempts", attempts);
}

void kca_publisher_builder_with_batch_size(kca_publisher_builder *b, int messages) {
    kca__options_set_int(options_of(b), "batch_size", messages);
}

void kca_publisher_builder_with_batch_bytes(kca_publisher_builder *b, int bytes) {
    kca__options_set_int(options_of(b), "batch_bytes", bytes);
}

void kca_publisher_builder_with_async(kca_publisher_builder *b, int async) {
    kca__options_set_int(options_of(b), "async", async);
}

void kca_publisher_builder_with_linger_ms(kca_publisher_builder *b, int linger_ms) {
    kca__options_set_int(options_of(b), "linger_ms", linger_ms);
}

void kca_publisher_builder_with_idempotence(kca_publisher_builder *b, int idempotence) {
    kca__options_set_int(options_of(b), "idempotence", idempotence);
}

void kca_publisher_builder_with_buffer_messages(kca_publisher_builder *b, int messages) {
    kca__options_set_int(options_of(b), "buffer_messages", messages);
}

void kca_publisher_builder_with_buffer_bytes(kca_publisher_builder *b, int bytes) {
    kca__options_set_int(options_of(b), "buffer_bytes", bytes);
}

void kca_publisher_builder_with_buffer_timeout_ms(kca_publisher_builder *b, int timeout_ms) {
    kca__options_set_int(options_of(b), "buffer_timeout_ms", timeout_ms);
}

void kca_publisher_builder_with_background(kca_publisher_builder *b, int background) {
    kca__options_set_int(options_of(b), "background", background);
}

void kca_publisher_builder_with_required_acks(kca_publisher_builder *b, int acks) {
    kca__options_set_int(options_of(b), "required_acks", acks);
}

void kca_publisher_builder_with_reply_channel(kca_publisher_builder *b, const char *channel) {
    kca__options_set_text(options_of(b), "reply_channel", channel);
}

void kca_publisher_builder_with_read_replies(kca_publisher_builder *b, int read_replies) {
    kca__options_set_int(options_of(b), "read_replies", read_replies);
}

void kca_publisher_builder_with_compression(kca_publisher_builder *b, const char *codec) {
    kca__options_set_text(options_of(b), "compression", codec);
}

void kca_publisher_builder_with_dialect(kca_publisher_builder *b, const char *dialect) {
    kca__options_set_text(options_of(b), "dialect", dialect);
}

void kca_publisher_builder_with_delay_channel(kca_publisher_builder *b, const char *channel) {
    kca__options_add_text(options_of(b), "delay_channel", channel);
}

void kca_publisher_builder_with_delay_channel_ms(kca_publisher_builder *b, int delay_ms) {
    kca__options_add_int(options_of(b), "delay_channel_ms", delay_ms);
}

void kca_publisher_builder_with_property(kca_publisher_builder *b, const char *name,
                                         const char *value) {
    if (!b)
        return;
    char who[300];
    snprintf(who, sizeof who, "publisher %s", b->topic);
    kca_error *e = kca__native_property_set(&b->properties, KCA__ON_PUBLISHER, who, name, value);
    if (e)
        kca__error_keep_first(&b->error, e);
}
