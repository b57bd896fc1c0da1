/* What a worker that publishes and one that asks have in common. */
#include "ledger.h"
#include "worker.h"

#include <stdatomic.h>
#include <stdio.h>

kca_publisher_builder *lasting_publisher(const worker_options *o) {
    kca_publisher_builder *b;
    require(kca_publisher_builder_new(&b, "kafka", o->topic));
    kca_publisher_builder_with_required_acks(b, -1);
    kca_publisher_builder_with_idempotence(b, 1);
    kca_publisher_builder_with_max_attempts(b, 1000000);
    return b;
}

kca_message *new_thing(const worker_options *o, int id) {
    char text[40];
    kca_message *m;
    require(kca_message_new(&m, "thing"));
    int len = snprintf(text, sizeof text, "{\"id\":%d}", id);
    kca_message_set_payload(m, text, (size_t)len);
    len = snprintf(text, sizeof text, "k%d", id % o->keys);
    kca_message_set_key(m, text, (size_t)len);
    snprintf(text, sizeof text, "%d", id);
    kca_message_set_correlation_id(m, text);
    ledger_note(o->ledger, "sent %d", id);
    return m;
}

static void stop(void *stopping) {
    atomic_store((atomic_bool *)stopping, true);
}

void send_until_term(const worker_options *o, void (*send)(void *, int), void *argument) {
    static atomic_bool stopping;
    on_term(stop, &stopping);
    for (int id = o->from; !stopping; id++) {
        send(argument, id);
        pass_us(1000000 / o->a_second);
    }
}
