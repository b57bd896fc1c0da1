#include "inbound/beginnings.h"

#include "base/clock.h"
#include "inbound/every_partition.h"
#include "inbound/offsets.h"

#include <stdlib.h>
#include <string.h>

enum { CLUSTER_ID_MS = 5000 }; /* it is known once anything is */

/* ---- the topic ---- */

uint32_t kca__beginnings_place(kca__inbound *in, const char *topic) {
    char *cluster = rd_kafka_clusterid(in->client->rk, CLUSTER_ID_MS);
    uint32_t place = kca__origin_place(cluster ? cluster : "", topic);
    if (cluster)
        rd_kafka_mem_free(in->client->rk, cluster);
    return place;
}

kca__topic_beginning *kca__beginnings_of(const kca__inbound *in, const char *topic) {
    for (int i = 0; i < in->options->topic_count; i++)
        if (strcmp(in->options->topics[i], topic) == 0)
            return &in->beginnings[i];
    return NULL;
}

static void begin_now(kca__origin *origin, int partitions) {
    origin->has_begun = true;
    origin->partitions = partitions;
    origin->time_ms = kca__clock_unix_ms();
}

void kca__beginnings_see_missing(kca__inbound *in, const char *topic) {
    kca__topic_beginning *mine = kca__beginnings_of(in, topic);
    if (mine && !mine->origin.has_begun)
        begin_now(&mine->origin, 0);
}

/* What the group has of it. */
typedef struct topic_look {
    const char *topic;
    bool known;
    bool has_offsets; /* of the group */
    bool is_first;    /* the group begins now */
    int partitions;
    kca__origin origin; /* the oldest that is told */
} topic_look;

static void look_at_offset(topic_look *look, const rd_kafka_topic_partition_t *p) {
    kca__origin origin;
    if (p->offset < 0)
        return;
    look->has_offsets = true;
    if (kca__origin_read(&origin, look->origin.place, p->metadata, p->metadata_size, p->offset) &&
        origin.has_begun && (!look->origin.has_begun || origin.time_ms < look->origin.time_ms))
        look->origin = origin;
}

static topic_look look_at(kca__inbound *in, const char *topic) {
    topic_look look = {.topic = topic, .origin = {.place = kca__beginnings_place(in, topic)}};
    rd_kafka_topic_partition_list_t *all = rd_kafka_topic_partition_list_new(8);
    rd_kafka_topic_partition_list_t *committed = NULL;
    bool put_out;
    if (kca__every_partition_add(all, in->client->rk, topic) == RD_KAFKA_RESP_ERR_NO_ERROR)
        committed = kca__offsets_look_up(in, all, &put_out);
    look.known = committed != NULL;
    look.partitions = all->cnt;
    for (int i = 0; committed && i < committed->cnt; i++)
        look_at_offset(&look, &committed->elems[i]);
    if (committed)
        rd_kafka_topic_partition_list_destroy(committed);
    rd_kafka_topic_partition_list_destroy(all);
    return look;
}

/* ---- places: times, or RD_KAFKA_OFFSET_BEGINNING and _END ---- */

static int64_t start_place(const kca__inbound *in) {
    int64_t start_time = kca__consumer_builder_start_time(in->options);
    if (start_time >= 0)
        return start_time;
    return kca__consumer_builder_starts_late(in->options) ? RD_KAFKA_OFFSET_END
                                                          : RD_KAFKA_OFFSET_BEGINNING;
}

/* Completes what the commits tell of when the group began. */
static void find_origin(topic_look *look, kca__topic_beginning *mine) {
    if (!look->origin.has_begun && mine->origin.has_begun &&
        (look->has_offsets || !mine->is_committed))
        look->origin = mine->origin;
    if (!look->origin.has_begun && !look->has_offsets) {
        /* What was committed and is gone went with the topic, which was made anew. */
        begin_now(&look->origin, mine->is_committed ? 0 : look->partitions);
        look->is_first = true;
    }
    mine->origin = look->origin;
}

/* Of a partition that the group begins with, or that its owner was lost with, or that appeared
 * later. A retry channel has only what the group itself has yet to do. */
static int64_t place_in(const kca__inbound *in, const topic_look *look, int partition) {
    int64_t start = start_place(in);
    if (kca__consumer_builder_retry_channel(in->options, look->topic) >= 0 ||
        !look->origin.has_begun || partition >= look->origin.partitions)
        return RD_KAFKA_OFFSET_BEGINNING;
    return start == RD_KAFKA_OFFSET_END && !look->is_first ? look->origin.time_ms : start;
}

/* ---- choosing ---- */

static bool has_offset(rd_kafka_topic_partition_list_t *committed,
                       const rd_kafka_topic_partition_t *p) {
    const rd_kafka_topic_partition_t *found =
        rd_kafka_topic_partition_list_find(committed, p->topic, p->partition);
    return found && found->offset >= 0;
}

/* Adds the partitions without an offset, at their places, with an origin for each. One of which it
 * cannot be known now what the group has of its topic is left out. */
static void place_fresh(kca__inbound *in, rd_kafka_topic_partition_list_t *fresh,
                        kca__origin *origins, const rd_kafka_topic_partition_list_t *list,
                        rd_kafka_topic_partition_list_t *committed) {
    topic_look look = {.topic = ""};
    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *p = &list->elems[i];
        kca__topic_beginning *mine = kca__beginnings_of(in, p->topic);
        if (has_offset(committed, p)) {
            mine->is_committed = true;
            continue;
        }
        if (strcmp(look.topic, p->topic) != 0) {
            look = look_at(in, p->topic);
            find_origin(&look, mine);
        }
        if (!look.known)
            continue;
        origins[fresh->cnt] = look.origin;
        rd_kafka_topic_partition_list_add(fresh, p->topic, p->partition)->offset =
            place_in(in, &look, p->partition);
    }
}

/* What was found counts as committed from now on, and becomes so. Gives what did not. */
static rd_kafka_topic_partition_list_t *commit(kca__inbound *in,
                                               rd_kafka_topic_partition_list_t *fresh,
                                               const kca__origin *origins,
                                               rd_kafka_topic_partition_list_t *committed) {
    char text[KCA__ORIGIN_SIZE];
    rd_kafka_topic_partition_list_t *told = rd_kafka_topic_partition_list_new(fresh->cnt);
    for (int i = 0; i < fresh->cnt; i++) {
        const rd_kafka_topic_partition_t *p = &fresh->elems[i];
        kca__origin_write(text, &origins[i], p->offset);
        rd_kafka_topic_partition_list_del(committed, p->topic, p->partition);
        kca__offsets_add(committed, p->topic, p->partition, p->offset, text);
        kca__offsets_add(told, p->topic, p->partition, p->offset, text);
    }
    if (!kca__offsets_commit_now(in, told))
        return told;
    for (int i = 0; i < told->cnt; i++)
        kca__beginnings_of(in, told->elems[i].topic)->is_committed = true;
    rd_kafka_topic_partition_list_destroy(told);
    return rd_kafka_topic_partition_list_new(0);
}

/* A bound that cannot be found now librdkafka finds itself, later; instead of a time it takes the
 * beginning. */
static void set_places(rd_kafka_topic_partition_list_t *list,
                       const rd_kafka_topic_partition_list_t *fresh, bool found) {
    for (int i = 0; i < fresh->cnt; i++) {
        const rd_kafka_topic_partition_t *p = &fresh->elems[i];
        if (found || p->offset < 0)
            rd_kafka_topic_partition_list_find(list, p->topic, p->partition)->offset = p->offset;
    }
}

static void add_at_start(const kca__inbound *in, rd_kafka_topic_partition_list_t *fresh,
                         const rd_kafka_topic_partition_t *p) {
    bool is_retry = kca__consumer_builder_retry_channel(in->options, p->topic) >= 0;
    rd_kafka_topic_partition_list_add(fresh, p->topic, p->partition)->offset =
        is_retry ? RD_KAFKA_OFFSET_BEGINNING : start_place(in);
}

rd_kafka_topic_partition_list_t *kca__beginnings_choose(
    kca__inbound *in, rd_kafka_topic_partition_list_t *list,
    rd_kafka_topic_partition_list_t *committed) {
    bool commits = kca__consumer_builder_commits(in->options);
    int64_t start = start_place(in);
    rd_kafka_topic_partition_list_t *fresh = rd_kafka_topic_partition_list_new(list->cnt);
    kca__origin *origins = calloc((size_t)list->cnt, sizeof *origins);
    if (commits && committed && origins && start != RD_KAFKA_OFFSET_BEGINNING)
        place_fresh(in, fresh, origins, list, committed);
    for (int i = 0; i < list->cnt && !commits; i++)
        add_at_start(in, fresh, &list->elems[i]);
    bool found = kca__offsets_find(in, fresh);
    set_places(list, fresh, found);
    rd_kafka_topic_partition_list_t *told = commits && found ? commit(in, fresh, origins, committed)
                                                             : rd_kafka_topic_partition_list_new(0);
    rd_kafka_topic_partition_list_destroy(fresh);
    free(origins);
    return told;
}
