/*
 * The inbound engine against a model: random schedules of arriving, taking, settling, freeing, time
 * passing, dead letters, commits, rebalances, pauses, seeks, retention, stops and crashes, with
 * what is committed and the records themselves outliving the engine. Each schedule ends by handling
 * what is left. KCA_SEED repeats the schedule that failed, KCA_SCHEDULES says how many are played.
 *
 * What must hold, always:
 *   nothing skipped  what a commit tells to be finished, offset and map, is finished
 *   order            when a record is given out, all before it in its lane are finished, or before
 *                    it in its batch, and none of the others is with the application
 *   batches          hold no more than they may, and only what is of them; what was in one that
 *                    failed as a whole comes alone; what is behind an answered one waits for its
 *                    reply, and counts then
 *   no repetition    what the commit that an assignment began with told, and what was settled in
 *                    it, is not given out in it
 *   no way back      commits only grow, but for a seek
 *   in time          nothing is given out before its time has come
 *   nothing silent   what retention took unread is told, from where to where
 *   no silence       what is asked for a reply is finished once that is stored, or refused for good
 *   retry channels   what they have comes again as the next attempt; it is finished where it failed
 *                    once they have it, and not answered by that
 *   no early end     a stop that waits ends when no dead letter or reply is owed any more, and then
 *                    all that was settled is committed
 *   nothing stuck    in the end all is finished and committed
 */
#include "engine_fixture.h"

#include "chance.h"

enum {
    PARTITIONS = 3,
    KEYS = 4,
    MOST_RECORDS = 60,
    MOST_LOGGED = 3 * MOST_RECORDS, /* with those that failed elsewhere */
    RETRY_PLACE = PARTITIONS - 1,   /* where those go */
    MOST_OUT = 64,
    MOST_WRITING = 16,
    MOST_GUILTY = 20,
    BATCHES = 2,
    MOST_IN_ONE = 6,
    SCHEDULES = 100000,
    STEPS = 250
};

typedef struct entry {
    int64_t offset;
    int key;         /* -1: none */
    int attempts;    /* that failed elsewhere */
    int64_t time_ms; /* not given out before */
    bool done;       /* for good, or passed over by a seek */
    bool told;       /* to this assignment as finished */
    bool settled;    /* in this assignment */
    bool owed;       /* a letter, by this assignment: the application is done with it */
    bool asks;       /* for a reply */
    bool silent;     /* in this assignment: its reply was refused in every form */
    bool kept;       /* in this assignment: handled, and to be answered */
    int batch;       /* 0: by itself */
    int group;  /* that it was given out with last, in this assignment; 0: none, or called off */
    bool alone; /* in this assignment its batch failed as a whole */
    bool waits; /* for those before it in its group and lane: the next is its verdict */
    int verdict, attempt;
    bool given; /* a reply */
} entry;

/* A partition on the broker, and the engine's assignment of it. */
typedef struct place {
    entry entries[MOST_LOGGED];
    int count;
    int64_t end;       /* beyond the last record: what is between is never delivered */
    int64_t committed; /* -1: nothing */
    char map[KCA__OFFSET_MAP_SIZE];
    bool sought; /* since the last commit: it may go back */

    bool assigned, revoked;
    int assignment;     /* counts assignments */
    int next;           /* to be fetched */
    int64_t begin;      /* where fetching began, or the last end */
    int64_t low;        /* the first that retention has left */
    int64_t reset_from; /* fetching was here, below it; what comes next must tell; -1 */
} place;

typedef struct held {
    kca_delivery *delivery;
    int partition, index, assignment;
    bool settled; /* or expired */
    bool is_back; /* the application has settled it, whatever came of that */
    bool doomed;  /* it is to be dead-lettered or answered when it is back */
    int group;    /* 0: by itself */
    int size;     /* of the group */
} held;

/* A delivery for which a transaction was aborted, and whose turn has not come again. */
typedef struct guilty {
    int partition, index;
    const kca__topic_partition *topic_partition;
    bool given_up; /* then: no attempt is left, and no dead letter is possible */
    bool is_reply, for_good;
} guilty;

typedef struct model {
    fixture f;
    place places[PARTITIONS];
    held out[MOST_OUT];
    int out_count;
    held writing[MOST_WRITING];
    int writing_count;
    guilty guilty[MOST_GUILTY];
    int guilty_count;
    /* of this schedule */
    kca__order order;
    int max_attempts, capacity, timeout_ms;
    bool dead_letters, skip, abandon, retry_channels;
    bool finishes;  /* all that is left */
    bool must_fail; /* the engine, by what it does now */
    kca__batch_plan batches[BATCHES];
    int batch_count;
    int groups;
    long given_out, delayed, commits, stored, refused, aborted, resets, stops, last_letters;
    long replied, passed_on, turned_back, came_again;
    long batches_out, along, kept, held_up, called_off, alone;
} model;

/* ---- what the broker has ---- */

static void write_log(const model *m, place *p, int longest_delay_ms) {
    int64_t offset = (int64_t)pick(5);
    memset(p, 0, sizeof *p);
    p->committed = -1;
    p->count = (int)pick(MOST_RECORDS + 1);
    for (int i = 0; i < p->count; i++) {
        p->entries[i].offset = offset;
        p->entries[i].key = (int)pick(KEYS + 1) - 1;
        p->entries[i].time_ms = simulated_ms + (int64_t)pick((uint64_t)longest_delay_ms + 1);
        p->entries[i].asks = pick(4) == 0;
        p->entries[i].batch = pick(4) ? (int)pick((uint64_t)m->batch_count + 1) : m->batch_count;
        offset += 1 + (int64_t)pick(4) / 3; /* with gaps, as compaction leaves them */
    }
    p->end = p->count ? offset + (int64_t)pick(3) : offset;
    p->reset_from = -1;
}

static int index_at(const place *p, int64_t offset) {
    int i = 0;
    while (i < p->count && p->entries[i].offset < offset)
        i++;
    return i;
}

static bool is_told(kca__offset_map *map, int64_t committed, int64_t offset) {
    return offset < committed || kca__offset_map_has(map, offset);
}

/* Another member finished something and committed it. */
static void finish_elsewhere(place *p) {
    kca__offset_map_writer w;
    bool any = false;
    for (int i = 0; i < p->count; i++)
        if (!p->entries[i].done && pick(10) == 0)
            p->entries[i].done = true;
    p->committed = p->count ? p->entries[p->count - 1].offset + 1 : p->committed;
    for (int i = p->count - 1; i >= 0; i--)
        if (!p->entries[i].done)
            p->committed = p->entries[i].offset;
    p->map[0] = '\0';
    if (p->committed < 0)
        return;
    kca__offset_map_begin(&w, p->committed);
    for (int i = 0; i < p->count; i++)
        if (!p->entries[i].done) {
            kca__offset_map_add_open(&w, p->entries[i].offset);
            any = true;
        }
    if (any)
        kca__offset_map_finish(&w, p->entries[p->count - 1].offset + 1, p->map);
}

static void check_commit(void *user, const char *topic, int partition, int64_t offset,
                         const char *text) {
    model *m = user;
    place *p = &m->places[partition];
    kca__offset_map map;
    (void)topic;
    check(p->assigned);
    check(offset >= p->committed || p->sought);
    assert_true(kca__offset_map_read(&map, text, strlen(text), offset));
    for (int i = 0; i < p->count; i++)
        if (is_told(&map, offset, p->entries[i].offset))
            check(p->entries[i].done);
        else
            check(!p->entries[i].told); /* once told, always told */
    kca__offset_map_clear(&map);
    p->committed = offset;
    p->sought = false;
    snprintf(p->map, sizeof p->map, "%s", text);
    m->commits++;
}

static void fail_commit(void *user, const char *topic, int partition, int64_t offset,
                        const char *text) {
    (void)topic, (void)offset, (void)text;
    ((bool *)user)[partition] = true;
}

static void commit_all(model *m) {
    bool failed[PARTITIONS] = {false};
    if (pick(5) > 0) {
        kca__engine_collect_commits(m->f.engine, check_commit, m);
        return;
    }
    kca__engine_collect_commits(m->f.engine, fail_commit, failed);
    for (int i = 0; i < PARTITIONS; i++)
        if (failed[i])
            kca__engine_commit_failed(m->f.engine, "things", i);
}

/* ---- assignments ---- */

static void forget_assignment(entry *e) {
    e->told = e->settled = e->owed = e->silent = e->kept = e->alone = e->waits = false;
    e->group = 0;
}

static void begin_assignment(place *p) {
    p->assigned = true;
    p->revoked = false;
    p->assignment++;
    for (int i = 0; i < p->count; i++)
        forget_assignment(&p->entries[i]);
}

static bool is_asked_of(const entry *e) {
    return e->asks && !e->silent;
}

/* Where the broker reads next. What is below `low` there is gone. */
static void read_from(place *p, int64_t position) {
    p->begin = position;
    p->next = index_at(p, position);
    if (position >= p->low)
        return;
    if (p->reset_from < 0)
        p->reset_from = position;
    for (; p->next < p->count && p->entries[p->next].offset < p->low; p->next++)
        p->entries[p->next].done = true;
}

/* One past what came, or was passed. */
static int64_t position_of(const place *p) {
    int64_t came = p->next ? p->entries[p->next - 1].offset + 1 : 0;
    return came > p->begin ? came : p->begin;
}

/* Retention takes some. */
static void trim(model *m) {
    place *p = &m->places[pick(PARTITIONS)];
    int64_t position = p->reset_from < 0 ? position_of(p) : p->low;
    p->low += (int64_t)pick((uint64_t)(p->end - p->low + 1)) / 4;
    if (p->assigned)
        read_from(p, position);
}

static void assign_place(model *m, int number) {
    place *p = &m->places[number];
    kca__offset_map map;
    begin_assignment(p);
    assert_true(kca__offset_map_read(&map, p->map, strlen(p->map), p->committed));
    for (int i = 0; i < p->count; i++)
        p->entries[i].told = p->committed >= 0 && is_told(&map, p->committed, p->entries[i].offset);
    kca__offset_map_clear(&map);
    p->reset_from = -1;
    read_from(p, p->committed < 0 ? p->low : p->committed);
    for (int i = 0; i < p->count && p->entries[i].offset < p->low; i++)
        p->entries[i].done = true;
    assert_true(
        kca__engine_assign(m->f.engine, "things", number, p->committed, p->map, strlen(p->map)));
}

static void forget_guilty(model *m, int partition);

static void rebalance(model *m) {
    int number = (int)pick(PARTITIONS);
    place *p = &m->places[number];
    if (!p->assigned) {
        if (pick(3) == 0)
            finish_elsewhere(p);
        assign_place(m, number);
    } else if (!p->revoked && pick(4) > 0) {
        kca__engine_begin_drain(m->f.engine, "things", number);
        p->revoked = true;
    } else {
        if (p->revoked) /* else it was lost */
            commit_all(m);
        forget(&m->f, number);
        forget_guilty(m, number);
        p->assigned = p->revoked = false;
        p->assignment++;
    }
}

static void seek(model *m) {
    int number = (int)pick(PARTITIONS);
    place *p = &m->places[number];
    if (!p->assigned || p->revoked || p->count == 0 || p->low > 0)
        return;
    forget(&m->f, number);
    begin_assignment(p);
    p->reset_from = -1;
    read_from(p, p->entries[pick((uint64_t)p->count)].offset);
    p->sought = true;
    for (int i = 0; i < p->next; i++)
        p->entries[i].done = true;
    assert_true(kca__engine_assign(m->f.engine, "things", number, -1, NULL, 0));
}

static void pause_or_resume(model *m, bool paused) {
    int number = (int)pick(PARTITIONS + 1) - 1;
    kca__engine_set_paused(m->f.engine, "things", number, paused, keep_back, &m->f);
}

/* ---- records ---- */

/* The next fault that tells of a reset. */
static kca_event *take_reset(model *m) {
    kca_event *e;
    while ((e = kca__notes_take(&m->f.engine->notes)) && e->reset_from < 0)
        e->release(e);
    return e;
}

static int64_t delay_left_ms(const place *p, int64_t offset) {
    int64_t time_ms = p->entries[index_at(p, offset)].time_ms;
    return time_ms > simulated_ms ? time_ms - simulated_ms : 0;
}

/* The first that comes after a reset tells of it, and no other does. */
static void bring(model *m, place *p, record *r, bool is_end) {
    kca__inbound_record inbound = came(r);
    int64_t offset = r->offset;
    inbound.is_end = is_end;
    inbound.was_reset = p->reset_from >= 0;
    inbound.reset_from = p->reset_from;
    if (!is_end)
        inbound.delay_ms = delay_left_ms(p, offset);
    if (!is_end)
        inbound.attempts = p->entries[index_at(p, offset)].attempts;
    pthread_mutex_lock(&m->f.engine->lock);
    kca__engine_accept_locked(m->f.engine, &inbound, 1);
    pthread_mutex_unlock(&m->f.engine->lock);
    kca_event *told = take_reset(m);
    check((told != NULL) == (p->reset_from >= 0));
    if (!told)
        return;
    check(told->reset_from == p->reset_from && told->reset_to == offset);
    told->release(told);
    p->reset_from = -1;
    m->resets++;
}

static void fetch(model *m) {
    place *p = &m->places[pick(PARTITIONS)];
    int number = (int)(p - m->places);
    int room = kca__engine_room_locked(m->f.engine);
    int count = (int)pick(8);
    /* Of one that is kept back a few may be on their way. */
    if (!p->assigned || (m->f.kept_back[number] && (m->finishes || pick(4) > 0)))
        return;
    for (; count > 0 && room > 0 && p->next < p->count; count--, room--, p->next++) {
        const entry *e = &p->entries[p->next];
        if (e->told)
            p->entries[p->next].settled = true;
        record *r = new_record(&m->f, number, e->offset, e->key);
        r->asks = e->asks;
        r->batch = e->batch;
        bring(m, p, r, false);
    }
}

/* What comes next is at `end` or beyond. */
static void fetch_end(model *m) {
    place *p = &m->places[pick(PARTITIONS)];
    if (!p->assigned)
        return;
    int64_t least = p->reset_from < 0 ? position_of(p) : p->low;
    int64_t most = p->next < p->count ? p->entries[p->next].offset : p->end;
    p->begin = least + (int64_t)pick((uint64_t)(most - least + 1));
    bring(m, p, new_record(&m->f, (int)(p - m->places), p->begin, -1), true);
}

/* ---- aborted transactions ---- */

static bool is_known_refused(const model *m, const kca__topic_partition *tp, int64_t offset) {
    const kca__refused *r = kca__list_first(&m->f.engine->refused);
    while (r && (r->topic_partition != tp || r->offset != offset))
        r = kca__list_next(&r->link);
    return r != NULL;
}

static bool is_committed(const place *p, const entry *e) {
    kca__offset_map map;
    assert_true(kca__offset_map_read(&map, p->map, strlen(p->map), p->committed));
    bool told = p->committed >= 0 && is_told(&map, p->committed, e->offset);
    kca__offset_map_clear(&map);
    return told;
}

static bool may_be_guilty(const model *m, const place *p, const kca__topic_partition *tp, int i) {
    const entry *e = &p->entries[i];
    return e->settled && !e->told && e->done && !is_committed(p, e) &&
           !is_known_refused(m, tp, e->offset);
}

/* Something that was settled since the last transaction was refused for good. */
static void find_guilty(model *m, int number) {
    place *p = &m->places[number];
    const kca__topic_partition *tp =
        kca__assigned_list_topic_partition(&m->f.engine->assigned, "things", number);
    int i = (int)pick((uint64_t)p->count);
    while (i < p->count && !may_be_guilty(m, p, tp, i))
        i++;
    if (i == p->count || m->guilty_count == MOST_GUILTY)
        return;
    entry *e = &p->entries[i];
    bool is_reply = e->asks && pick(2), for_good = pick(2);
    bool is_letter = !is_reply && m->dead_letters && pick(2);
    int attempt = 1 + (m->max_attempts > 1 ? (int)pick((uint64_t)m->max_attempts) : 0);
    if (m->retry_channels)
        attempt = e->attempts + 1;
    bool again = m->max_attempts == 0 || attempt < m->max_attempts;
    bool is_retry = m->retry_channels && again && !is_reply && !is_letter && pick(2);
    kca__held_record held_one = {.source = tp,
                                 .offset = e->offset,
                                 .attempt = attempt,
                                 .kind = is_reply    ? KCA__HELD_REPLY
                                         : is_letter ? KCA__HELD_LETTER
                                         : is_retry  ? KCA__HELD_RETRY
                                                     : KCA__HELD_RESULT};
    for_good |= is_retry;
    bool given_up = is_letter ? for_good : !is_reply && (is_retry || !again) && !m->dead_letters;
    m->guilty[m->guilty_count++] = (guilty){number, i, tp, given_up, is_reply, for_good};
    e->done = false;
    m->aborted++;
    kca__engine_refuse(m->f.engine, &held_one, for_good,
                       kca__error_new(KCA_ERROR_TOO_LARGE, "too large"));
}

/* All of it is read again from what is committed. */
static void abort_transaction(model *m) {
    for (int i = 0; i < PARTITIONS; i++)
        if (m->places[i].assigned && m->places[i].count > 0)
            find_guilty(m, i);
    kca__engine_revoke_all(m->f.engine);
    for (int i = 0; i < PARTITIONS; i++)
        if (m->places[i].assigned)
            assign_place(m, i);
}

/* Those whose turn had come have failed. Under the policy "stop" the engine has ended. */
static void note_met_refusals(model *m) {
    for (int i = 0; i < m->guilty_count; i++) {
        guilty *g = &m->guilty[i];
        entry *e = &m->places[g->partition].entries[g->index];
        if (is_known_refused(m, g->topic_partition, e->offset))
            continue;
        if (g->is_reply)
            e->silent = g->for_good;
        else if (g->given_up && m->skip && e->asks)
            e->owed = true;
        else if (g->given_up && m->skip)
            e->done = e->settled = true;
        else if (g->given_up)
            check(m->f.engine->failure != NULL);
        m->guilty[i--] = m->guilty[--m->guilty_count];
    }
}

static void forget_guilty(model *m, int partition) {
    kca__engine_disown(m->f.engine, "things", partition);
    for (int i = 0; i < m->guilty_count; i++)
        if (m->guilty[i].partition == partition)
            m->guilty[i--] = m->guilty[--m->guilty_count];
}

static held hold(model *m, kca_delivery *d) {
    const record *r = d->record;
    const place *p = &m->places[r->partition];
    return (held){.delivery = d,
                  .partition = r->partition,
                  .index = index_at(p, r->offset),
                  .assignment = p->assignment};
}

static entry *entry_of(model *m, const held *h) {
    return &m->places[h->partition].entries[h->index];
}

static bool in_one_lane(const model *m, const entry *a, const entry *b) {
    if (m->order == KCA__ORDER_PARTITION)
        return true;
    return m->order == KCA__ORDER_KEY && a->key >= 0 && a->key == b->key;
}

static void check_order(model *m, const held *h) {
    place *p = &m->places[h->partition];
    const entry *e = entry_of(m, h);
    for (int i = 0; i < h->index; i++)
        if (in_one_lane(m, &p->entries[i], e))
            check(p->entries[i].done || (h->group > 0 && p->entries[i].group == h->group));
    for (int i = 0; i < m->out_count; i++) {
        const held *other = &m->out[i];
        bool late = other->delivery->state == KCA__DELIVERY_EXPIRED;
        bool runs = late ? !m->abandon && !other->is_back : !other->settled;
        if (runs && other->partition == h->partition && other != h &&
            (h->group == 0 || other->group != h->group))
            check(!in_one_lane(m, entry_of(m, other), e));
    }
}

static void hand_out(model *m, kca_delivery *d, int group, int size) {
    held *h = &m->out[m->out_count++];
    *h = hold(m, d);
    h->group = group;
    h->size = size;
    const place *p = &m->places[h->partition];
    entry *e = entry_of(m, h);
    check(p->assigned && !p->revoked);
    check(e->offset == d->offset);
    check(!e->told);
    check(!e->settled && !e->kept && !e->waits);
    check(e->time_ms <= simulated_ms);
    check(e->batch == d->batch && (e->batch > 0) == (group > 0));
    check(!is_paused(&m->f, h->partition));
    check(m->max_attempts == 0 || d->attempt <= m->max_attempts);
    check(!m->retry_channels || d->attempt == e->attempts + 1);
    m->came_again += e->attempts > 0;
    check(!e->alone || size == 1);
    e->group = group;
    check_order(m, h);
    m->given_out++;
    m->delayed += d->time_ms > 0 && d->attempt == 1;
    m->alone += e->alone;
}

static void hand_out_batch(model *m, kca_delivery *first) {
    int count = kca__batch_count(&first->event);
    check(count <= m->batches[first->batch - 1].most);
    check(kca__batch_open(&first->event) == first);
    check(first->event.type == KCA_EVENT_DELIVERY);
    m->groups++;
    m->batches_out++;
    for (kca_delivery *d = first; d; d = d->batch_next) {
        check(d->batch == first->batch);
        m->along += d->lane.is_behind;
        hand_out(m, d, m->groups, count);
    }
}

static void take_one(model *m) {
    kca_delivery *d = m->out_count + MOST_IN_ONE <= MOST_OUT ? take(&m->f) : NULL;
    note_met_refusals(m);
    if (d && d->event.type == KCA_EVENT_BATCH)
        hand_out_batch(m, d);
    else if (d)
        hand_out(m, d, 0, 1);
}

/* ---- settling ---- */

static bool is_current(const model *m, const held *h) {
    const place *p = &m->places[h->partition];
    return p->assigned && p->assignment == h->assignment;
}

static void note_done(model *m, const held *h) {
    entry_of(m, h)->done = entry_of(m, h)->settled = true;
}

/* What a verdict that counted means for those behind it in its group and lane. */
typedef enum sequel {
    CALLED_OFF,
    HELD_UP, /* until its reply is stored */
    GOING_ON
} sequel;

/* A verdict that counted; `given`: a reply. Without retry and dead letters the policy decides of a
 * failure at once. */
static sequel note_counted(model *m, held *h, int verdict, int attempt, bool stopping, bool given) {
    entry *e = entry_of(m, h);
    bool good = verdict == KCA_DONE || verdict == KCA_DUPLICATE;
    bool again = verdict == KCA_FAILED && (m->max_attempts == 0 || attempt < m->max_attempts);
    bool answered = is_asked_of(e) && (good ? verdict == KCA_DONE || given : m->skip);
    bool finished = good ? !answered : !again && !m->dead_letters && m->skip && !answered;
    e->kept = good && answered;
    h->doomed = good ? answered : again ? m->retry_channels : m->dead_letters || answered;
    if (finished)
        note_done(m, h);
    m->must_fail |= !good && !again && !m->dead_letters && !m->skip && !stopping;
    if (answered && (good || (!again && !m->dead_letters)))
        return HELD_UP;
    return finished ? GOING_ON : CALLED_OFF;
}

/* Its verdict counts only when all before it in its group and lane are finished. */
static bool must_wait(const model *m, const held *h) {
    const place *p = &m->places[h->partition];
    const entry *e = &p->entries[h->index];
    for (int i = 0; i < h->index; i++)
        if (e->group > 0 && p->entries[i].group == e->group && !p->entries[i].settled &&
            in_one_lane(m, &p->entries[i], e))
            return true;
    return false;
}

/* The application may still have it, but nothing that it says of it counts. */
static void call_off(model *m, int partition, int index) {
    entry *e = &m->places[partition].entries[index];
    for (int i = 0; i < m->out_count; i++) {
        held *h = &m->out[i];
        if (h->partition == partition && h->index == index && h->group == e->group)
            h->settled = true;
    }
    e->group = 0;
    e->waits = false;
    m->called_off++;
}

/* Those behind it in its group and lane: when it is finished, with its reply stored, their kept
 * verdicts count, one after the other; when it has failed they are called off. */
static void follow(model *m, const held *h, int group, sequel then, bool stopping) {
    place *p = &m->places[h->partition];
    for (int i = h->index + 1; i < p->count && group > 0 && then != HELD_UP; i++) {
        entry *e = &p->entries[i];
        held behind = {.partition = h->partition, .index = i};
        if (e->group != group || !in_one_lane(m, e, entry_of(m, h)))
            continue;
        if (then == CALLED_OFF) {
            call_off(m, h->partition, i);
            continue;
        }
        if (!e->waits)
            return;
        e->waits = false;
        then = note_counted(m, &behind, e->verdict, e->attempt, stopping, e->given);
        e->owed = e->owed || behind.doomed;
    }
    m->held_up += then == HELD_UP && group > 0;
}

static void keep_verdict(model *m, const held *h, int verdict, int attempt, bool given) {
    entry *e = entry_of(m, h);
    e->waits = true;
    e->given = given;
    e->verdict = verdict;
    e->attempt = attempt;
    m->kept++;
}

/* The application is done with it. */
static void note_back(model *m, held *h) {
    h->settled = h->is_back = true;
    if (h->doomed && is_current(m, h))
        entry_of(m, h)->owed = true;
    h->doomed = false;
}

/* What failed for good has ended the engine. */
static void check_failure(model *m) {
    check(!m->must_fail || m->f.engine->failure);
    m->must_fail = false;
}

static bool is_failure(int verdict) {
    return verdict == KCA_FAILED || verdict == KCA_REJECTED;
}

/* One before it in its group and lane has failed, and waits itself. */
static bool is_behind_failed(const model *m, const held *h) {
    const place *p = &m->places[h->partition];
    const entry *e = &p->entries[h->index];
    for (int i = 0; i < h->index; i++) {
        const entry *before = &p->entries[i];
        if (e->group > 0 && before->group == e->group && before->waits &&
            is_failure(before->verdict) && in_one_lane(m, before, e))
            return true;
    }
    return false;
}

/* One that is settled, or freed, which counts as failed; `given`: a reply. */
static void note_verdict(model *m, held *h, int verdict, int attempt, bool stopping, bool given) {
    bool counted = !h->settled && is_current(m, h);
    if (counted && must_wait(m, h))
        keep_verdict(m, h, verdict, attempt, given);
    else if (counted)
        follow(m, h, entry_of(m, h)->group, note_counted(m, h, verdict, attempt, stopping, given),
               stopping);
    check_failure(m);
    note_back(m, h);
}

static int pick_verdict(void) {
    static const int verdicts[] = {KCA_DONE,   KCA_DONE,     KCA_DONE,     KCA_FAILED,
                                   KCA_FAILED, KCA_REJECTED, KCA_DUPLICATE};
    return verdicts[pick(7)];
}

/* True: it has a reply. */
static bool give_reply(model *m, const held *h) {
    static const kca__record seven = {.value = "7", .value_len = 1};
    kca_delivery *d = h->delivery;
    bool may = !h->settled && is_current(m, h) && is_asked_of(entry_of(m, h));
    if (may && !d->reply && pick(2))
        d->reply = kca__held_record_new("replies", &seven);
    return may && d->reply;
}

static void settle_one(model *m) {
    if (m->out_count == 0)
        return;
    held *h = &m->out[pick((uint64_t)m->out_count)];
    int verdict = pick_verdict();
    bool given = give_reply(m, h);
    int attempt = h->delivery->attempt;
    bool stopping = m->f.engine->stopping;
    check(kca__engine_has_out(h->delivery) ==
          (!h->settled && is_current(m, h) && !is_behind_failed(m, h)));
    bool counted = kca__engine_settle(h->delivery, verdict);
    check(counted == (!h->settled && is_current(m, h)));
    note_verdict(m, h, verdict, attempt, stopping, given);
}

static held let_go_of(model *m, int i) {
    held h = m->out[i];
    m->out[i] = m->out[--m->out_count];
    return h;
}

static void free_at(model *m, int i) {
    held h = let_go_of(m, i);
    int attempt = h.delivery->attempt;
    bool stopping = m->f.engine->stopping;
    bool comes_again = !h.settled && is_current(m, &h) && is_behind_failed(m, &h);
    kca__engine_give_back(h.delivery);
    if (comes_again) {
        follow(m, &h, entry_of(m, &h)->group, CALLED_OFF, stopping);
        entry_of(m, &h)->group = 0;
        m->called_off++;
        note_back(m, &h);
        return;
    }
    note_verdict(m, &h, KCA_FAILED, attempt, stopping, false);
}

/* As a thread does that comes for the next. */
static void settle_in_passing(model *m) {
    if (m->out_count == 0)
        return;
    held h = let_go_of(m, (int)pick((uint64_t)m->out_count));
    int verdict = pick_verdict();
    bool given = give_reply(m, &h);
    int attempt = h.delivery->attempt;
    bool stopping = m->f.engine->stopping;
    kca__engine_put_away(m->f.engine, &(kca__returned){.done = h.delivery, .verdict = verdict});
    note_verdict(m, &h, verdict, attempt, stopping, given);
}

/* A failure of several does not say which of them failed: each comes again, alone. */
static void note_split(model *m, held *h) {
    if (!h->settled && is_current(m, h)) {
        entry *e = entry_of(m, h);
        e->alone = true;
        follow(m, h, e->group, CALLED_OFF, false);
        e->group = 0;
    }
    h->settled = true;
}

/* The members of a group that the application has, by their places in the lane. */
static int members_of(model *m, held **out, int group) {
    int count = 0;
    for (int i = 0; i < m->out_count; i++) {
        if (m->out[i].group != group)
            continue;
        int at = count++;
        for (; at > 0 && out[at - 1]->index > m->out[i].index; at--)
            out[at] = out[at - 1];
        out[at] = &m->out[i];
    }
    return count;
}

static void note_batch(model *m, held **members, int count, int verdict, bool stopping) {
    int open = 0;
    for (int i = 0; i < count; i++)
        open += !members[i]->settled;
    bool split = open > 1 && (verdict == KCA_FAILED || verdict == KCA_REJECTED);
    for (int i = 0; i < count && split; i++)
        if (!members[i]->settled && is_current(m, members[i]))
            entry_of(m, members[i])->alone = true;
    for (int i = 0; i < count; i++) {
        if (split)
            note_split(m, members[i]);
        else if (!members[i]->settled)
            note_verdict(m, members[i], verdict, members[i]->delivery->attempt, stopping, false);
    }
}

/* As one who handles it as a whole does. */
static void settle_batch(model *m) {
    int group = m->out_count > 0 ? m->out[pick((uint64_t)m->out_count)].group : 0;
    if (group == 0)
        return;
    held *members[MOST_IN_ONE];
    kca_delivery *all[MOST_IN_ONE];
    int count = members_of(m, members, group), verdict = pick_verdict();
    bool keep = pick(2), stopping = m->f.engine->stopping;
    for (int i = 0; i < count; i++)
        all[i] = members[i]->delivery;
    kca__engine_settle_batch(all, count, verdict, keep);
    note_batch(m, members, count, verdict, stopping);
    for (int i = 0; i < count; i++)
        note_back(m, members[i]);
    for (int i = 0; i < m->out_count && !keep; i++)
        if (m->out[i].group == group)
            free_at(m, i--);
}

static void free_one(model *m) {
    if (m->out_count > 0)
        free_at(m, (int)pick((uint64_t)m->out_count));
}

static void pass_time(model *m, int64_t ms) {
    bool stopping = m->f.engine->stopping;
    pass_ms(&m->f, ms);
    for (int i = 0; i < m->out_count; i++) {
        held *h = &m->out[i];
        if (h->settled || h->delivery->state != KCA__DELIVERY_EXPIRED)
            continue;
        if (h->size > 1) {
            note_split(m, h);
            continue;
        }
        h->settled = true;
        if (!is_current(m, h))
            continue;
        note_counted(m, h, KCA_FAILED, h->delivery->attempt, stopping, false);
        if (m->abandon && !stopping) /* a stand-in meets its fate now */
            h->doomed = false;
    }
    check_failure(m);
}

/* ---- dead letters and replies ---- */

static void begin_letter(model *m) {
    kca_delivery *d =
        m->writing_count < MOST_WRITING ? kca__engine_take_condemned(m->f.engine) : NULL;
    if (!d)
        return;
    held h = hold(m, d);
    check(d->fate == KCA__FATE_REPLY           ? entry_of(m, &h)->asks
          : d->fate == KCA__FATE_RETRY_CHANNEL ? m->retry_channels
                                               : m->dead_letters);
    m->writing[m->writing_count++] = h;
}

/* It is stored, or given up. */
static void note_paid(model *m, const held *h) {
    if (is_current(m, h))
        entry_of(m, h)->owed = false;
}

/* What was to be written is stored, or left out: it is finished, or answered next, if that is so
 * (`ends`) and somebody asks. */
static void note_written(model *m, const held *h, bool ends) {
    if (!is_current(m, h) || (ends && is_asked_of(entry_of(m, h))))
        return;
    note_done(m, h);
    note_paid(m, h);
    if (h->delivery->fate == KCA__FATE_REPLY)
        follow(m, h, entry_of(m, h)->group, GOING_ON, m->f.engine->stopping);
}

/* It comes again after the next start, and those behind it after it. */
static void note_unwritten(model *m, const held *h) {
    if (is_current(m, h))
        follow(m, h, entry_of(m, h)->group, CALLED_OFF, true);
}

/* For good: the policy decides; a reply is left out; instead of a retry there is a dead letter. */
static void refuse_letter(model *m, const held *h) {
    kca__fate fate = h->delivery->fate;
    bool turned_back = fate == KCA__FATE_RETRY_CHANNEL && m->dead_letters;
    if (m->skip || fate == KCA__FATE_REPLY) {
        if (!turned_back)
            note_written(m, h, fate != KCA__FATE_REPLY);
    } else if (!turned_back) {
        note_paid(m, h);
    }
    m->turned_back += turned_back;
    m->refused++;
    kca__engine_letter_refused(h->delivery, kca__error_new(KCA_ERROR_TOO_LARGE, "too large"));
    check_failure(m);
}

/* The broker has it in the retry channel, whoever has its partition now. */
static void log_retry(model *m, const held *h) {
    place *p = &m->places[RETRY_PLACE];
    const entry *e = entry_of(m, h);
    p->entries[p->count++] = (entry){.offset = p->end,
                                     .key = e->key,
                                     .attempts = h->delivery->attempt,
                                     .time_ms = simulated_ms + (int64_t)pick(500),
                                     .asks = e->asks,
                                     .batch = e->batch};
    p->end++;
    m->passed_on++;
}

static void answer_letter(model *m, bool stored) {
    if (m->writing_count == 0)
        return;
    int i = (int)pick((uint64_t)m->writing_count);
    held h = m->writing[i];
    m->writing[i] = m->writing[--m->writing_count];
    kca__fate fate = h.delivery->fate;
    if (stored && fate == KCA__FATE_RETRY_CHANNEL) {
        if (m->places[RETRY_PLACE].count == MOST_LOGGED)
            stored = false;
        else
            log_retry(m, &h);
    }
    if (stored) {
        note_written(m, &h, fate == KCA__FATE_DEAD_LETTER);
        m->replied += fate == KCA__FATE_REPLY;
        m->stored++;
        m->last_letters += m->f.engine->stopping;
        kca__engine_letter_stored(h.delivery);
        check_failure(m);
    } else if (pick(4) == 0) {
        refuse_letter(m, &h);
    } else if (pick(2) == 0) {
        kca__engine_letter_postponed(h.delivery, (int)pick(2) * 20);
    } else {
        if (m->f.engine->stopping) { /* it comes again after the next start */
            note_paid(m, &h);
            note_unwritten(m, &h);
        }
        kca__engine_letter_failed(h.delivery, kca__error_new(KCA_ERROR_NOT_STORED, "away"));
    }
}

/* ---- lives of the engine ---- */

static void begin_life(model *m) {
    int64_t now = simulated_ms;
    kca__engine_setup setup = plain_setup(m->capacity, m->skip);
    setup.order = m->order;
    setup.dead_letters = m->dead_letters;
    setup.retry_channels = m->retry_channels;
    setup.abandon = m->abandon;
    setup.batches = m->batches;
    setup.batch_count = m->batch_count;
    setup.processing_timeout_ms = m->timeout_ms;
    setup.retry = (kca__retry_plan){.max_attempts = m->max_attempts,
                                    .backoff_ms = 50,
                                    .backoff_max_ms = 400,
                                    .multiplier = 2,
                                    .jitter_percent = 30};
    open_engine_with(&m->f, setup);
    simulated_ms = now;
    m->f.engine->random = pick(UINT64_C(1) << 53) | 1;
}

/* What the application and the publisher still have outlives the engine's end. */
static void end_life(model *m) {
    int unsettled = 0;
    for (int i = 0; i < m->out_count; i++)
        unsettled += m->out[i].delivery->state == KCA__DELIVERY_OUT;
    check(kca__engine_shut(m->f.engine) == unsettled);
    check(take(&m->f) == NULL);
    for (int i = 0; i < PARTITIONS; i++) {
        m->places[i].assigned = m->places[i].revoked = false;
        m->places[i].assignment++;
    }
    m->guilty_count = 0;
    for (int i = (int)pick(4); i > 0; i--)
        settle_one(m);
    kca__engine_release(m->f.engine);
    while (m->out_count > 0)
        free_at(m, m->out_count - 1);
    while (m->writing_count > 0)
        answer_letter(m, pick(2) == 0);
    check(m->f.let_go == 1);
    check(m->f.live == 0);
}

static void crash(model *m) {
    end_life(m);
    begin_life(m);
}

static void check_delayed(const kca__engine *e) {
    int delayed = 0;
    for (const kca_delivery *d = e->all; d; d = d->all_next)
        delayed += d->state == KCA__DELIVERY_COMING && d->delayed;
    for (const kca__topic_partition *tp = e->assigned.topic_partitions; tp; tp = tp->next)
        delayed -= tp->delayed;
    check(delayed == 0);
}

static void check_counts(model *m) {
    const kca__engine *e = m->f.engine;
    int out = 0;
    for (int i = 0; i < m->out_count; i++)
        out += !m->out[i].settled && is_current(m, &m->out[i]);
    check(e->out == out);
    check(e->writing == m->writing_count);
    check(e->held >= m->f.live || m->f.live == 0);
    check(e->holders == 1 + m->out_count + m->writing_count);
    int exempt = 0;
    for (const kca__assigned *a = e->assigned.first; a; a = a->next) {
        check(!a->revoked || a->held > 0);
        exempt += kca__topic_partition_is_kept_back(a->topic_partition) ? a->held : 0;
    }
    check(e->exempt == exempt);
    check_delayed(e);
}

/* ---- stops ---- */

typedef enum ending {
    WAIT_FOR_ALL, /* as a stop and a shutdown do */
    LEAVE_OUT,    /* as freeing the queue does: not for what is out */
    STOP_SHORT    /* its time is over */
} ending;

/* What may happen while it stops. */
static void step_to_the_end(model *m) {
    check(take(&m->f) == NULL);
    switch (pick(12)) {
    case 0:
        if (pick(4) == 0)
            rebalance(m);
        break;
    case 1:
        commit_all(m);
        break;
    case 2:
        pass_time(m, (int64_t)pick(60));
        break;
    case 3:
    case 4:
    case 5:
        settle_one(m);
        break;
    case 6:
        settle_in_passing(m);
        settle_batch(m);
        break;
    case 7:
        free_one(m);
        break;
    case 8:
    case 9:
        begin_letter(m);
        break;
    default:
        answer_letter(m, pick(3) > 0);
    }
    check_counts(m);
}

/* As the poller sees it. */
static bool is_over(model *m, bool leave_out) {
    kca__engine_rest rest = kca__engine_see_rest(m->f.engine);
    check(rest.stopping);
    check(rest.out == (leave_out ? 0 : m->f.engine->out));
    return rest.out == 0 && rest.letters == 0;
}

static void await_the_end(model *m, bool leave_out) {
    for (int round = 0; !is_over(m, leave_out); round++) {
        check(round < 10000);
        step_to_the_end(m);
    }
    kca__engine_collect_commits(m->f.engine, check_commit, m);
    for (int i = 0; i < PARTITIONS; i++) {
        const place *p = &m->places[i];
        for (int j = 0; p->assigned && j < p->count; j++) {
            check(!p->entries[j].owed);
            check(!p->entries[j].settled || is_committed(p, &p->entries[j]));
        }
    }
    m->stops++;
}

/* However it ends, it begins again with what is committed. */
static void stop_and_start(model *m) {
    ending how = (ending)pick(3);
    if (how != LEAVE_OUT || pick(2))
        kca__engine_stop(m->f.engine, KCA__CLOCK_NEVER);
    for (int i = how == WAIT_FOR_ALL ? 0 : (int)pick(8); i > 0 && m->f.engine->stopping; i--)
        step_to_the_end(m);
    if (how == LEAVE_OUT)
        kca__engine_leave_out(m->f.engine, KCA__CLOCK_NEVER);
    if (how == STOP_SHORT)
        commit_all(m);
    else
        await_the_end(m, how == LEAVE_OUT);
    kca__engine_end_drain(m->f.engine);
    crash(m);
}

/* ---- schedules ---- */

static void step(model *m) {
    switch (pick(24)) {
    case 0:
        if (pick(12) == 0)
            crash(m);
        break;
    case 1:
        if (pick(12) == 0)
            stop_and_start(m);
        break;
    case 2:
    case 3:
        rebalance(m);
        break;
    case 4:
        if (pick(16) == 0)
            seek(m);
        else if (pick(2) == 0)
            abort_transaction(m);
        break;
    case 5:
        pause_or_resume(m, pick(2) == 0);
        fetch_end(m);
        if (pick(8) == 0)
            trim(m);
        break;
    case 6:
    case 7:
        pass_time(m, (int64_t)pick(200));
        break;
    case 8:
    case 9:
        commit_all(m);
        break;
    case 10:
    case 11:
        begin_letter(m);
        break;
    case 12:
        answer_letter(m, pick(3) > 0);
        break;
    case 13:
    case 14:
    case 15:
        fetch(m);
        break;
    case 16:
        if (pick(3) == 0)
            settle_in_passing(m);
        else
            settle_batch(m);
        break;
    case 17:
    case 18:
        settle_one(m);
        break;
    case 19:
    case 20:
        free_one(m);
        break;
    default:
        take_one(m);
    }
    if (m->f.engine->failure) /* policy stop: somebody starts it again */
        stop_and_start(m);
    check_counts(m);
}

static bool all_is_finished(const model *m) {
    for (int i = 0; i < PARTITIONS; i++) {
        if (m->places[i].next < m->places[i].count)
            return false;
        for (int j = 0; j < m->places[i].count; j++)
            if (!m->places[i].entries[j].done)
                return false;
    }
    return m->f.engine->held == 0;
}

/* All that is left is handled well: nothing may be stuck. */
static void handle_the_rest(model *m) {
    crash(m);
    m->finishes = true;
    for (int i = 0; i < PARTITIONS; i++)
        assign_place(m, i);
    for (int round = 0; !all_is_finished(m) || m->out_count > 0; round++) {
        check(round < 2000);
        fetch(m);
        pass_time(m, 20);
        take_one(m);
        while (m->out_count > 0) {
            held *h = &m->out[pick((uint64_t)m->out_count)];
            int attempt = h->delivery->attempt;
            check(kca__engine_settle(h->delivery, KCA_DONE) == !h->settled);
            if (!h->settled)
                note_verdict(m, h, KCA_DONE, attempt, false, false);
            free_at(m, (int)(h - m->out));
        }
        begin_letter(m);
        answer_letter(m, true);
    }
    for (int i = 0; i < PARTITIONS; i++)
        bring(m, &m->places[i], new_record(&m->f, i, m->places[i].end, -1), true);
    kca__engine_collect_commits(m->f.engine, check_commit, m);
    for (int i = 0; i < PARTITIONS; i++) {
        const place *p = &m->places[i];
        check(p->committed == p->end);
        check(*p->map == '\0');
    }
    end_life(m);
}

/* Of all schedules. */
static long given_out, delayed, commits, stored, refused, aborted, resets, stops, last_letters;
static long replied, passed_on, turned_back, came_again;
static long batches_out, along, kept, held_up, called_off, alone;

static void choose(model *m) {
    m->order = (kca__order)pick(3);
    m->retry_channels = pick(3) == 0;
    m->max_attempts = m->retry_channels ? 2 + (int)pick(3) : (int)pick(4);
    m->capacity = 2 + (int)pick(20);
    m->timeout_ms = pick(2) ? 100 : 0;
    m->dead_letters = pick(2) == 0;
    m->skip = pick(2) == 0;
    m->abandon = pick(2) == 0;
    int longest_delay_ms = pick(5) ? 0 : 3000;
    m->batch_count = pick(2) ? 0 : 1 + (int)pick(BATCHES);
    for (int i = 0; i < m->batch_count; i++)
        m->batches[i] =
            (kca__batch_plan){.most = 1 + (int)pick(MOST_IN_ONE), .wait_ms = (int)pick(3) * 100};
    for (int i = 0; i < PARTITIONS; i++)
        write_log(m, &m->places[i], longest_delay_ms);
}

static void play(void) {
    static model played;
    model *m = &played;
    memset(m, 0, sizeof *m);
    simulated_ms = 1000000;
    choose(m);
    begin_life(m);
    for (int i = 0; i < STEPS; i++)
        step(m);
    handle_the_rest(m);
    given_out += m->given_out;
    delayed += m->delayed;
    commits += m->commits;
    stored += m->stored;
    refused += m->refused;
    aborted += m->aborted;
    resets += m->resets;
    stops += m->stops;
    last_letters += m->last_letters;
    replied += m->replied;
    passed_on += m->passed_on;
    turned_back += m->turned_back;
    came_again += m->came_again;
    batches_out += m->batches_out;
    along += m->along;
    kept += m->kept;
    held_up += m->held_up;
    called_off += m->called_off;
    alone += m->alone;
}

static void test_no_schedule_skips_disorders_repeats_or_sticks(void **state) {
    long schedules = play_each(play, SCHEDULES);
    print_message(
        "%ld schedules: %ld given out, %ld after a delay, %ld commits, %ld letters, "
        "%ld of them replies, %ld refused, %ld guilty, %ld resets, %ld stops with "
        "%ld letters; %ld batches, %ld along, %ld kept, %ld held up, %ld called off, %ld alone; "
        "%ld to retry channels, %ld turned back, %ld came of them\n",
        schedules, given_out, delayed, commits, stored, replied, refused, aborted, resets, stops,
        last_letters, batches_out, along, kept, held_up, called_off, alone, passed_on, turned_back,
        came_again);
    if (schedules == 1)
        return;
    /* The schedules did what they are for. */
    assert_true(given_out > schedules * 40);
    assert_true(delayed > schedules / 2);
    assert_true(commits > schedules * 3);
    assert_true(stored > schedules / 8);
    assert_true(refused > schedules / 50);
    assert_true(aborted > schedules / 100);
    assert_true(resets > schedules / 8);
    assert_true(stops > schedules / 4);
    assert_true(last_letters > schedules / 25);
    assert_true(replied > schedules / 8);
    assert_true(batches_out > schedules * 4);
    assert_true(along > schedules / 2);
    assert_true(kept > schedules / 8);
    assert_true(held_up > schedules / 40);
    assert_true(called_off > schedules / 50);
    assert_true(alone > schedules / 100);
    assert_true(passed_on > schedules / 16);
    assert_true(turned_back > schedules / 500);
    assert_true(came_again > schedules / 16);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_schedule_skips_disorders_repeats_or_sticks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
