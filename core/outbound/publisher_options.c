/* The options of a publisher. */
#include "outbound/publisher_builder.h"

#include <limits.h>
#include <stddef.h>

#define OPTION(option) .name = #option, .field = offsetof(kca_publisher_builder, option)

enum { WEEK_MS = 604800000 };

static const char *const dialects[] = {"gomes", "cloudevents", "cloudevents-structured", NULL};
static const char *const codecs[] = {"none", "gzip", "snappy", "lz4", "zstd", NULL};

static kca_error *check_delay_channel(kca__option_owner owner, const char *channel) {
    (void)owner;
    return kca__option_check_topic(channel);
}

const kca__option kca__publisher_options[] = {
    {OPTION(max_attempts), .kind = KCA__OPTION_INT, .least = 1, .most = 1000000, .initial = 10,
     .stands_for = "message.send.max.retries retries", .document = "WithMaxAttempts"},
    {OPTION(batch_size), .kind = KCA__OPTION_INT, .least = 1, .most = 1000000, .initial = 100,
     .sets = "batch.num.messages", .document = "WithBatchSize"},
    {OPTION(batch_bytes), .kind = KCA__OPTION_INT, .least = 1000, .most = 1000000000,
     .initial = 1048576, .sets = "batch.size", .stands_for = "message.max.bytes",
     .document = "WithBatchBytes"},
    {OPTION(async), .kind = KCA__OPTION_FLAG, .initial = 1, .document = "WithAsync"},
    {OPTION(required_acks), .kind = KCA__OPTION_INT, .least = -1, .most = 1, .sets = "acks",
     .stands_for = "request.required.acks", .document = "WithRequiredAcks"},
    {OPTION(reply_channel), .kind = KCA__OPTION_TEXT},
    {OPTION(read_replies), .kind = KCA__OPTION_FLAG, .initial = 1},
    {OPTION(compression), .kind = KCA__OPTION_CHOICE, .choices = codecs,
     .sets = "compression.codec", .stands_for = "compression.type"},
    {OPTION(linger_ms), .kind = KCA__OPTION_INT, .least = 0, .most = 900000, .initial = 5,
     .sets = "linger.ms", .stands_for = "queue.buffering.max.ms"},
    {OPTION(idempotence), .kind = KCA__OPTION_FLAG, .sets = "enable.idempotence"},
    {OPTION(buffer_messages), .kind = KCA__OPTION_INT, .least = 1, .most = 10000000,
     .initial = 2000, .stands_for = "queue.buffering.max.messages"},
    {OPTION(buffer_bytes), .kind = KCA__OPTION_INT, .least = 1000, .most = 2000000000,
     .initial = 33554432, .stands_for = "queue.buffering.max.kbytes"},
    {OPTION(buffer_timeout_ms), .kind = KCA__OPTION_INT, .least = -1, .most = INT_MAX,
     .initial = 10000},
    {OPTION(background), .kind = KCA__OPTION_FLAG},
    {OPTION(dialect), .kind = KCA__OPTION_CHOICE, .choices = dialects},
    {OPTION(delay_channel), .kind = KCA__OPTION_TEXTS, .check = check_delay_channel},
    {OPTION(delay_channel_ms), .kind = KCA__OPTION_INTS, .least = 0, .most = WEEK_MS,
     .at_most = 100},
    {.name = NULL},
};
