#include "inbound/remade.h"

#include "connection/connection.h"
#include "inbound/beginnings.h"
#include "inbound/offsets.h"
#include "inbound/poller.h"
#include "inbound/rebalance.h"
#include "kafka/topic_ids.h"

#include <string.h>

enum { ANSWER_MS = 3000, WATCH_MS = 5000 };

/* ---- ids ---- */

/* Not the embedded broker: its topics stay, and it does not answer. */
static void ask(kca__inbound *in) {
    in->ids_are_asked =
        !in->setup.connection->embedded &&
        kca__topic_ids_ask(in->client->rk, in->topic_ids, (const char *const *)in->options->topics,
                           in->options->topic_count);
}

static void see_id(void *user, const char *topic, const unsigned char *id) {
    kca__topic_beginning *mine = kca__beginnings_of(user, topic);
    if (!mine)
        return;
    mine->is_remade |= mine->has_id && memcmp(mine->id, id, KCA__TOPIC_ID_BYTES) != 0;
    mine->has_id = true;
    memcpy(mine->id, id, KCA__TOPIC_ID_BYTES);
}

static void hear(kca__inbound *in, int timeout_ms) {
    rd_kafka_event_t *answer =
        in->ids_are_asked ? rd_kafka_queue_poll(in->topic_ids, timeout_ms) : NULL;
    if (!answer)
        return;
    in->ids_are_asked = false;
    kca__topic_ids_take(answer, see_id, in);
    rd_kafka_event_destroy(answer);
}

void kca__remade_begin(kca__inbound *in) {
    if (!kca__consumer_builder_commits(in->options))
        return;
    int64_t end = kca__inbound_clip_deadline(in, kca__clock_deadline(ANSWER_MS));
    hear(in, kca__clock_left_ms(end)); /* to an older question */
    if (!in->ids_are_asked)
        ask(in);
    hear(in, kca__clock_left_ms(end));
}

void kca__remade_name(const kca__inbound *in, const char *topic, kca__origin *origin) {
    const kca__topic_beginning *mine = kca__beginnings_of(in, topic);
    if (!mine || !mine->has_id)
        return;
    origin->has_id = true;
    memcpy(origin->id, mine->id, KCA__TOPIC_ID_BYTES);
}

/* ---- going back ---- */

static void tell(kca__inbound *in, const char *topic, int partition, int64_t from) {
    kca__engine_tell_reset(in->engine, topic, partition, from, 0, "the topic was made anew");
}

rd_kafka_topic_partition_list_t *kca__remade_find(kca__inbound *in,
                                                  rd_kafka_topic_partition_list_t *committed) {
    rd_kafka_topic_partition_list_t *found = rd_kafka_topic_partition_list_new(0);
    for (int i = 0; committed && i < committed->cnt; i++) {
        rd_kafka_topic_partition_t *p = &committed->elems[i];
        kca__origin origin, now = {0};
        kca__remade_name(in, p->topic, &now);
        if (p->offset < 0 ||
            !kca__origin_read(&origin, kca__beginnings_place(in, p->topic), p->metadata,
                              p->metadata_size, p->offset) ||
            !kca__origin_is_of_another(&origin, &now))
            continue;
        tell(in, p->topic, p->partition, p->offset);
        p->offset = 0;
        p->metadata_size = 0; /* its map is of the other topic */
        rd_kafka_topic_partition_list_add(found, p->topic, p->partition)->offset = 0;
    }
    return found;
}

typedef struct topic_places {
    const char *topic;
    kca__origin now;
    rd_kafka_topic_partition_list_t *list;
} topic_places;

/* One whose offsets went back has begun anew by itself. */
static void add_place(void *user, const kca__partition_look *look) {
    const topic_places *t = user;
    if (strcmp(look->topic, t->topic) == 0 && kca__origin_is_of_another(look->origin, &t->now) &&
        !look->is_anew && look->frontier > 0)
        rd_kafka_topic_partition_list_add(t->list, look->topic, look->partition)->offset =
            look->frontier;
}

static void go_back(kca__inbound *in, const char *topic) {
    topic_places t = {topic, {0}, rd_kafka_topic_partition_list_new(1)};
    kca__remade_name(in, topic, &t.now);
    kca__engine_look(in->engine, add_place, &t);
    for (int i = 0; i < t.list->cnt; i++) {
        rd_kafka_topic_partition_t *p = &t.list->elems[i];
        tell(in, topic, p->partition, p->offset);
        p->offset = 0;
    }
    if (t.list->cnt > 0)
        kca__rebalance_go_to(in, t.list);
    rd_kafka_topic_partition_list_destroy(t.list);
    kca__engine_set_topic_id(in->engine, topic, t.now.id);
}

void kca__remade_watch(kca__inbound *in, int64_t now) {
    hear(in, 0);
    for (int i = 0; i < in->options->topic_count; i++) {
        if (in->beginnings[i].is_remade)
            go_back(in, in->options->topics[i]);
        in->beginnings[i].is_remade = false;
    }
    if (kca__engine_went_back(in->engine)) /* which topic it is now should be known soon */
        in->next_ids_ms = now;
    if (now < in->next_ids_ms || in->ids_are_asked || !kca__consumer_builder_commits(in->options))
        return;
    in->next_ids_ms = now + WATCH_MS;
    ask(in);
}
