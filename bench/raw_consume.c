/*
 * Reads every message and its headers with librdkafka alone. The measured part runs from the first
 * message to the last, so that joining the group is not in it.
 */
#include "measure.h"
#include "raw_consumer.h"
#include "workload.h"

#include <unistd.h>

/* The least that a program does with headers: it looks at each. The sum keeps the compiler honest.
 */
static size_t read_headers(const rd_kafka_message_t *message) {
    rd_kafka_headers_t *headers;
    const char *name;
    const void *value;
    size_t size;
    size_t total = 0;
    if (rd_kafka_message_headers(message, &headers))
        return 0;
    for (size_t i = 0; !rd_kafka_header_get_all(headers, i, &name, &value, &size); i++)
        total += size;
    return total;
}

static size_t take_one(raw_consumer *c, long slow_us) {
    rd_kafka_message_t *message = raw_consumer_next(c);
    size_t bytes = message->len + read_headers(message);
    rd_kafka_message_destroy(message);
    if (slow_us)
        (void)usleep((useconds_t)slow_us);
    return bytes;
}

static size_t take_all(raw_consumer *c, const options *o) {
    size_t bytes = 0;
    for (long i = 0; i < o->messages; i++)
        bytes += take_one(c, o->slow_us);
    return bytes;
}

int main(int argc, char **argv) {
    options o;
    raw_consumer c;
    measure m = {0};
    options_parse(&o, argc, argv);
    raw_consumer_open(&c, &o);
    (void)take_one(&c, 0);
    measure_start(&m);
    size_t bytes = take_all(&c, &o);
    measure_stop(&m);
    if (bytes < (size_t)o.messages * workload_payload_size)
        die("raw_consume: %zu bytes are too few for %ld messages", bytes, o.messages);
    measure_print(&m, "raw_consume", rd_kafka_version_str(), o.messages);
    raw_consumer_close(&c);
    return 0;
}
