#include "outbound/publisher_builder.h"

#include "base/error.h"
#include "base/option.h"

#include <limits.h>
#include <stdio.h>

kca_error *kca_publisher_builder_new(kca_publisher_builder **out, const char *connection,
                                     const char *topic) {
    if (!out)
        return kca__error_new(KCA_ERROR_ARGUMENT, "kca_publisher_builder_new: out is NULL");
    return kca__publisher_builder_new(out, connection, topic);
}

void kca_publisher_builder_free(kca_publisher_builder *b) {
    kca__publisher_builder_free(b);
}

const kca_error *kca_publisher_builder_error(const kca_publisher_builder *b) {
    return b ? b->error : NULL;
}

static kca__option_owner owner_of(kca_publisher_builder *b) {
    return (kca__option_owner){"publisher", b->topic, &b->error};
}

void kca_publisher_builder_with_max_attempts(kca_publisher_builder *b, int attempts) {
    if (b)
        kca__option_int(&b->max_attempts, owner_of(b), "max_attempts", attempts, 1, 1000000);
}

void kca_publisher_builder_with_batch_size(kca_publisher_builder *b, int messages) {
    if (b)
        kca__option_int(&b->batch_size, owner_of(b), "batch_size", messages, 1, 1000000);
}

void kca_publisher_builder_with_batch_bytes(kca_publisher_builder *b, int bytes) {
    if (b)
        kca__option_int(&b->batch_bytes, owner_of(b), "batch_bytes", bytes, 1000, 1000000000);
}

void kca_publisher_builder_with_async(kca_publisher_builder *b, int async) {
    if (b)
        kca__option_int(&b->async, owner_of(b), "async", async, 0, 1);
}

void kca_publisher_builder_with_linger_ms(kca_publisher_builder *b, int linger_ms) {
    if (b)
        kca__option_int(&b->linger_ms, owner_of(b), "linger_ms", linger_ms, 0, 900000);
}

void kca_publisher_builder_with_idempotence(kca_publisher_builder *b, int idempotence) {
    if (b)
        kca__option_int(&b->idempotence, owner_of(b), "idempotence", idempotence, 0, 1);
}

void kca_publisher_builder_with_buffer_messages(kca_publisher_builder *b, int messages) {
    if (b)
        kca__option_int(&b->buffer_messages, owner_of(b), "buffer_messages", messages, 1, 10000000);
}

void kca_publisher_builder_with_buffer_bytes(kca_publisher_builder *b, int bytes) {
    if (b)
        kca__option_int(&b->buffer_bytes, owner_of(b), "buffer_bytes", bytes, 1000, 2000000000);
}

void kca_publisher_builder_with_buffer_timeout_ms(kca_publisher_builder *b, int timeout_ms) {
    if (b)
        kca__option_int(&b->buffer_timeout_ms, owner_of(b), "buffer_timeout_ms", timeout_ms, -1,
                        INT_MAX);
}

void kca_publisher_builder_with_background(kca_publisher_builder *b, int background) {
    if (b)
        kca__option_int(&b->background, owner_of(b), "background", background, 0, 1);
}

void kca_publisher_builder_with_required_acks(kca_publisher_builder *b, int acks) {
    if (b)
        kca__option_int(&b->required_acks, owner_of(b), "required_acks", acks, -1, 1);
}

void kca_publisher_builder_with_reply_channel(kca_publisher_builder *b, const char *channel) {
    if (b)
        kca__option_text(&b->reply_channel, owner_of(b), "reply_channel", channel);
}

void kca_publisher_builder_with_compression(kca_publisher_builder *b, const char *codec) {
    static const char *const codecs[] = {"none", "gzip", "snappy", "lz4", "zstd", NULL};
    if (b)
        kca__option_choice(&b->compression, owner_of(b), "compression", codec, codecs);
}

void kca_publisher_builder_with_property(kca_publisher_builder *b, const char *name,
                                         const char *value) {
    if (!b)
        return;
    char who[300];
    snprintf(who, sizeof who, "publisher %s", b->topic);
    kca_error *e = kca__properties_set(&b->properties, KCA__ON_PUBLISHER, who, name, value);
    if (e)
        kca__error_keep_first(&b->error, e);
}
