#include "inbound/seek.h"

#include "base/text.h"
#include "inbound/inbound.h"
#include "inbound/rebalance.h"
#include "kafka/ask.h"
#include "kafka/kafka_error.h"

#include <stdlib.h>
#include <string.h>

enum { LOOK_UP_MS = 5000 };

/* Two threads use it, the one that asks and the poller: the last one frees it. */
struct kca__seek {
    kca__seek *next;
    char *topic;
    int partition;
    int64_t to;
    bool is_time;
    bool done;
    bool left; /* the thread that asked has given up */
    kca_error *error;
};

void kca__seeks_init(kca__seeks *seeks) {
    *seeks = (kca__seeks){0};
    pthread_mutex_init(&seeks->lock, NULL);
    kca__clock_condition_init(&seeks->done);
}

void kca__seeks_close(kca__seeks *seeks) {
    pthread_cond_destroy(&seeks->done);
    pthread_mutex_destroy(&seeks->lock);
}

static void free_seek(kca__seek *s) {
    kca__error_free(s->error);
    free(s->topic);
    free(s);
}

static kca__seek *new_seek(const char *topic, int partition, int64_t to, bool is_time) {
    kca__seek *s = calloc(1, sizeof *s);
    if (!s || !(s->topic = kca__text_copy(topic))) {
        free(s);
        return NULL;
    }
    s->partition = partition;
    s->to = to;
    s->is_time = is_time;
    return s;
}

static kca_error *has_stopped(const kca__inbound *in) {
    return kca__error_new(KCA_ERROR_STOPPED, "consumer %s has stopped", in->options->name);
}

/* False: the poller has ended. */
static bool add(kca__seeks *seeks, kca__seek *s) {
    pthread_mutex_lock(&seeks->lock);
    bool open = !seeks->closed;
    kca__seek **last = &seeks->first;
    while (*last)
        last = &(*last)->next;
    if (open)
        *last = s;
    pthread_mutex_unlock(&seeks->lock);
    return open;
}

kca_error *kca__seek_and_wait(kca__inbound *in, const char *topic, int partition, int64_t to,
                              bool is_time, int64_t deadline) {
    kca__seeks *seeks = &in->seeks;
    kca__seek *s = new_seek(topic, partition, to, is_time);
    if (!s)
        return kca__error_memory();
    if (!add(seeks, s)) {
        free_seek(s);
        return has_stopped(in);
    }
    rd_kafka_queue_yield(in->main_queue);
    pthread_mutex_lock(&seeks->lock);
    while (!s->done)
        if (!kca__clock_wait(&seeks->done, &seeks->lock, deadline))
            break;
    s->left = true;
    bool done = s->done;
    kca_error *error = s->error;
    s->error = NULL;
    pthread_mutex_unlock(&seeks->lock);
    if (!done)
        return kca__error_new(KCA_ERROR_TIMEOUT, "consumer %s: seek in %s: not done in time",
                              in->options->name, topic);
    free_seek(s);
    return error;
}

/* ---- the poller's ---- */

static kca__seek *take(kca__seeks *seeks) {
    pthread_mutex_lock(&seeks->lock);
    kca__seek *s = seeks->first;
    if (s)
        seeks->first = s->next;
    pthread_mutex_unlock(&seeks->lock);
    return s;
}

static void answer(kca__seeks *seeks, kca__seek *s, kca_error *error) {
    pthread_mutex_lock(&seeks->lock);
    s->error = error;
    s->done = true;
    bool left = s->left;
    pthread_cond_broadcast(&seeks->done);
    pthread_mutex_unlock(&seeks->lock);
    if (left)
        free_seek(s);
}

static kca_error *seek_error(const kca__inbound *in, const kca__seek *s, rd_kafka_resp_err_t err) {
    return kca__error_from_kafka(KCA_ERROR_BROKER, err, KCA__RETRIABLE,
                                 "consumer %s: seek in %s: %s", in->options->name, s->topic,
                                 rd_kafka_err2str(err));
}

typedef struct choice {
    const kca__seek *seek;
    rd_kafka_topic_partition_list_t *list;
} choice;

static void choose(void *user, const kca__partition_look *look) {
    const choice *c = user;
    const kca__seek *s = c->seek;
    if (strcmp(look->topic, s->topic) != 0 ||
        (s->partition >= 0 && look->partition != s->partition))
        return;
    int64_t to = s->to;
    if (!s->is_time && to < 0)
        to = to == KCA_OFFSET_END ? RD_KAFKA_OFFSET_END : RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_topic_partition_list_add(c->list, look->topic, look->partition)->offset = to;
}

/* Times become offsets; a time after the last record is the end. */
static kca_error *find_offsets(kca__inbound *in, const kca__seek *s,
                               rd_kafka_topic_partition_list_t *list) {
    rd_kafka_resp_err_t err =
        kca__ask_error(rd_kafka_offsets_for_times(in->client->rk, list, LOOK_UP_MS), list);
    return err ? seek_error(in, s, err) : NULL;
}

/* Beginning and end become offsets, too. The end: librdkafka would ask for it some time after the
 * seek, and skip what came meanwhile. To the broker they are times like others; librdkafka's own
 * question for them may wait for too long, see KCA__QUIRK_WATERMARKS_WAIT. */
static kca_error *find_bounds(kca__inbound *in, const kca__seek *s,
                              rd_kafka_topic_partition_list_t *list) {
    rd_kafka_topic_partition_list_t *bounds = rd_kafka_topic_partition_list_new(1);
    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *p = &list->elems[i];
        if (p->offset == RD_KAFKA_OFFSET_END || p->offset == RD_KAFKA_OFFSET_BEGINNING)
            rd_kafka_topic_partition_list_add(bounds, p->topic, p->partition)->offset = p->offset;
    }
    kca_error *e = bounds->cnt > 0 ? find_offsets(in, s, bounds) : NULL;
    for (int i = 0; i < bounds->cnt && !e; i++) {
        const rd_kafka_topic_partition_t *p = &bounds->elems[i];
        rd_kafka_topic_partition_list_find(list, p->topic, p->partition)->offset = p->offset;
    }
    rd_kafka_topic_partition_list_destroy(bounds);
    return e;
}

/* A copy of the list with the bound's offsets, the caller's; or an error. */
static kca_error *look_up_bound(rd_kafka_topic_partition_list_t **out, kca__inbound *in,
                                const kca__seek *s, const rd_kafka_topic_partition_list_t *list,
                                int64_t bound) {
    *out = rd_kafka_topic_partition_list_copy(list);
    for (int i = 0; i < (*out)->cnt; i++)
        (*out)->elems[i].offset = bound;
    return find_offsets(in, s, *out);
}

static kca_error *check_place(const kca__inbound *in, const rd_kafka_topic_partition_t *p,
                              int64_t begin, int64_t end) {
    if (p->offset >= begin && p->offset <= end)
        return NULL;
    return kca__error_new(KCA_ERROR_OFFSET,
                          "consumer %s: seek in %s[%d]: the offset must be %lld to %lld, got %lld",
                          in->options->name, p->topic, (int)p->partition, (long long)begin,
                          (long long)end, (long long)p->offset);
}

/* Outside the partition librdkafka would go to the earliest record left. */
static kca_error *check_places(kca__inbound *in, const kca__seek *s,
                               const rd_kafka_topic_partition_list_t *list) {
    rd_kafka_topic_partition_list_t *begins = NULL, *ends = NULL;
    kca_error *e = look_up_bound(&begins, in, s, list, RD_KAFKA_OFFSET_BEGINNING);
    if (!e)
        e = look_up_bound(&ends, in, s, list, RD_KAFKA_OFFSET_END);
    for (int i = 0; i < list->cnt && !e; i++)
        e = check_place(in, &list->elems[i], begins->elems[i].offset, ends->elems[i].offset);
    rd_kafka_topic_partition_list_destroy(begins);
    if (ends)
        rd_kafka_topic_partition_list_destroy(ends);
    return e;
}

static kca_error *seek(kca__inbound *in, const kca__seek *s) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    kca__engine_look(in->engine, choose, &(choice){s, list});
    kca_error *e = NULL;
    if (list->cnt == 0)
        e = s->partition < 0
                ? kca__error_new(KCA_ERROR_NOT_FOUND,
                                 "consumer %s: seek: no partition of %s is assigned to it now",
                                 in->options->name, s->topic)
                : kca__error_new(KCA_ERROR_NOT_FOUND,
                                 "consumer %s: seek: %s[%d] is not assigned to it now",
                                 in->options->name, s->topic, s->partition);
    if (!e && s->is_time)
        e = find_offsets(in, s, list);
    if (!e && !s->is_time && s->to >= 0)
        e = check_places(in, s, list);
    if (!e)
        e = find_bounds(in, s, list);
    if (!e) {
        rd_kafka_resp_err_t err = kca__rebalance_go_to(in, list);
        e = err ? seek_error(in, s, err) : NULL;
    }
    rd_kafka_topic_partition_list_destroy(list);
    return e;
}

void kca__seek_all(kca__inbound *in) {
    kca__seek *s;
    while ((s = take(&in->seeks)))
        answer(&in->seeks, s, seek(in, s));
}

void kca__seek_none(kca__inbound *in) {
    pthread_mutex_lock(&in->seeks.lock);
    in->seeks.closed = true;
    pthread_mutex_unlock(&in->seeks.lock);
    kca__seek *s;
    while ((s = take(&in->seeks)))
        answer(&in->seeks, s, has_stopped(in));
}
