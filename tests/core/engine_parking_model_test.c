/*
 * Parked keys against a model: random schedules of publishing, handling alone and in batches,
 * failing, delays, dead letters, replies, commits, crashes, rebalances, redrives in any order and
 * killed in their midst, keys let go by hand, time and bounds.
 * The topic, its dead letters and what is committed outlive the engine. Each schedule ends with
 * redrives and handlers that do well. KCA_SEED repeats the schedule that failed.
 *
 * What must hold, always:
 *   order         a message is given out first when all of its key that were published before it
 *                 have been handled, or are before it in its batch; but for those whose key was let
 *                 go meanwhile, which is told
 *   nothing lost  in the end each message was handled
 *   not stuck     in the end no key is parked, and all letters are redriven, but for those that
 *                 are told to repeat another
 *   no noise      where nothing died, nothing is handled twice, and no letter repeats another
 */
#include "engine_fixture.h"

#include "chance.h"

enum {
    KEYS = 4,
    MOST_MESSAGES = 40,
    MOST_RECORDS = 4000,
    MOST_LETTERS = 4000,
    MOST_HELD = 32,
    MOST_IN_ONE = 4,
    SCHEDULES = 30000,
    STEPS = 200
};

/* A message, whichever records carry it. */
typedef struct message {
    int key;   /* -1: none */
    int group; /* of those that were given out together, with its place there */
    int place;
    bool done;
    bool kept;    /* it is done when those before it in its group are */
    bool excused; /* later ones of its key need not wait for it any more */
} message;

/* A record of the topic; its offset is its place in the log. */
typedef struct logged {
    int message;
    kca__parked_place place;
} logged;

typedef struct letter {
    int message;
    kca__parked_place place;
    bool repeats, redriven;
} letter;

typedef struct model {
    fixture f;
    message messages[MOST_MESSAGES];
    int message_count;
    logged log[MOST_RECORDS];
    int log_count;
    letter letters[MOST_LETTERS];
    int letter_count;
    int64_t committed;
    char metadata[KCA__OFFSET_MAP_SIZE + KCA__ORIGIN_SIZE];
    int next; /* to be fetched */
    bool assigned;
    kca_delivery *out[MOST_HELD], *writing[MOST_HELD];
    int places[MOST_HELD]; /* of those that are out, in their groups */
    int out_count, writing_count;
    /* of this schedule */
    kca__engine_setup setup;
    bool gentle; /* nothing dies */
    bool asks, delays;
    kca__batch_plan batches; /* of every other message; most 0: none */
    int groups;
    bool well;      /* all goes well from now on */
    bool read_back; /* the parked keys were, from what is committed, which has only their hashes */
    long given_out, followed, repeated, let_go, crashes, again, along, delayed;
} model;

/* ---- the engine ---- */

static void read_committed(model *m) {
    m->next = m->committed < 0 ? 0 : (int)m->committed;
    m->assigned = true;
    m->read_back |= *m->metadata != '\0';
    assert_true(kca__engine_assign(m->f.engine, "things", 0, m->committed, m->metadata,
                                   strlen(m->metadata)));
}

static void open(model *m) {
    int64_t now = simulated_ms;
    open_engine_with(&m->f, m->setup);
    simulated_ms = now;
    read_committed(m);
}

static void note_commit_of(void *user, const char *topic, int partition, int64_t offset,
                           const char *metadata) {
    model *m = user;
    (void)topic, (void)partition;
    check(offset >= m->committed);
    m->committed = offset;
    snprintf(m->metadata, sizeof m->metadata, "%s", metadata);
}

static void commit_all(model *m) {
    kca__engine_collect_commits(m->f.engine, note_commit_of, m);
}

/* A key that was let go: its messages so far need not be handled before those that come. */
static void see_faults(model *m) {
    kca_event *e;
    while ((e = kca__notes_take(&m->f.engine->notes))) {
        check(e->type == KCA_EVENT_FAULT && strstr(e->error->text, "is let go"));
        check(strstr(e->error->text, ": key key ") || m->read_back);
        int key = m->messages[m->log[e->offset].message].key;
        for (int i = 0; i < m->message_count; i++)
            m->messages[i].excused |= m->messages[i].key == key;
        m->let_go++;
        e->release(e);
    }
}

/* ---- the application ---- */

static message *message_of(model *m, const kca_delivery *d) {
    return &m->messages[m->log[d->offset].message];
}

static void check_order(model *m, const message *one) {
    for (const message *before = m->messages; before < one && one->key >= 0; before++)
        check(before->key != one->key || before->done || before->excused ||
              before->group == one->group);
}

static void hand_out(model *m, kca_delivery *d, int group, int place) {
    message *one = message_of(m, d);
    if (one->group != group) { /* else a copy of it is before it there */
        one->group = group;
        one->place = place;
        one->kept = false;
    }
    m->given_out++;
    m->again += one->done;
    m->along += d->lane.is_behind;
    m->delayed += d->time_ms > 0;
    if (!one->done)
        check_order(m, one);
    else
        check(!m->gentle);
    m->places[m->out_count] = place;
    m->out[m->out_count++] = d;
}

static void take_one(model *m) {
    kca_delivery *d = m->out_count + MOST_IN_ONE <= MOST_HELD ? take(&m->f) : NULL;
    see_faults(m);
    if (!d)
        return;
    bool several = d->event.type == KCA_EVENT_BATCH;
    if (several)
        d = kca__batch_open(&d->event);
    m->groups++;
    for (int place = 0; d; d = several ? d->batch_next : NULL)
        hand_out(m, d, m->groups, place++);
}

static bool is_in_lane(const model *m, const message *one, const message *other) {
    bool same = m->setup.order == KCA__ORDER_PARTITION || (one->key >= 0 && one->key == other->key);
    return same && one->group == other->group;
}

/* One before this place, in its lane and group, is not done. */
static bool is_behind(const model *m, const message *one, int place) {
    bool behind = false;
    for (int i = 0; i < m->message_count; i++) {
        const message *before = &m->messages[i];
        behind |= is_in_lane(m, one, before) && before->place < place && !before->done;
    }
    return behind;
}

/* Those that were kept are done when all before them are, and are handled again behind one that is
 * not. */
static void note_kept(model *m, const message *one, int place, bool done) {
    bool more = true;
    for (int i = 0; i < m->message_count && !done; i++) {
        message *next = &m->messages[i];
        if (is_in_lane(m, one, next) && next->place > place)
            next->kept = false;
    }
    while (more) {
        more = false;
        for (int i = 0; i < m->message_count; i++) {
            message *next = &m->messages[i];
            if (next->kept && is_in_lane(m, one, next) && !is_behind(m, next, next->place)) {
                next->done = more = true;
                next->kept = false;
            }
        }
    }
}

/* The verdict on one of its records counts: a group may have a copy of it, too. */
static void note_verdict(model *m, message *one, int place, bool done) {
    bool behind = is_behind(m, one, place);
    one->done |= done && !behind;
    if (place == one->place)
        one->kept = done && behind;
    note_kept(m, one, place, done);
}

static void settle_one(model *m) {
    static const int verdicts[] = {KCA_DONE, KCA_DONE, KCA_DONE, KCA_FAILED, KCA_REJECTED};
    if (m->out_count == 0)
        return;
    int i = (int)pick((uint64_t)m->out_count);
    kca_delivery *d = m->out[i];
    int place = m->places[i];
    m->out[i] = m->out[--m->out_count];
    m->places[i] = m->places[m->out_count];
    int verdict = m->well ? KCA_DONE : verdicts[pick(5)];
    message *one = message_of(m, d);
    if (kca__engine_settle(d, verdict))
        note_verdict(m, one, place, verdict == KCA_DONE);
    see_faults(m);
    kca__engine_give_back(d);
}

/* ---- dead letters ---- */

static void begin_letter(model *m) {
    kca_delivery *d = m->writing_count < MOST_HELD ? kca__engine_take_condemned(m->f.engine) : NULL;
    if (d)
        m->writing[m->writing_count++] = d;
}

static void put_letter(model *m, const kca_delivery *d) {
    check(m->letter_count < MOST_LETTERS);
    bool repeats = d->parked == KCA__PARKED_AGAIN;
    check(!repeats || !m->gentle);
    const char *name = d->failure_name ? d->failure_name : "";
    check(repeats == (strcmp(name, "repeated") == 0));
    check((d->parked == KCA__PARKED_FOLLOWS) == (strcmp(name, "parked") == 0));
    m->repeated += repeats;
    m->followed += d->parked == KCA__PARKED_FOLLOWS;
    m->letters[m->letter_count++] =
        (letter){.message = m->log[d->offset].message, .place = d->place, .repeats = repeats};
}

/* One that failed may be there all the same. */
static void end_letter(model *m) {
    if (m->writing_count == 0)
        return;
    int i = (int)pick((uint64_t)m->writing_count);
    kca_delivery *d = m->writing[i];
    m->writing[i] = m->writing[--m->writing_count];
    bool may_fail = !m->well && !(m->gentle && d->fate == KCA__FATE_REPLY);
    bool fails = may_fail && pick(6) == 0, is_there = !fails || (!m->gentle && pick(2));
    if (d->fate == KCA__FATE_DEAD_LETTER && is_there)
        put_letter(m, d);
    if (fails)
        kca__engine_letter_postponed(d, 10);
    else
        kca__engine_letter_stored(d);
    see_faults(m);
}

/* ---- redrives ---- */

static void publish(model *m, int number, kca__parked_place place) {
    check(m->log_count < MOST_RECORDS);
    m->log[m->log_count++] = (logged){.message = number, .place = place};
}

static void publish_new(model *m) {
    if (m->message_count == MOST_MESSAGES || m->well)
        return;
    m->messages[m->message_count] = (message){.key = (int)pick(KEYS + 1) - 1};
    publish(m, m->message_count++, (kca__parked_place){0});
}

static bool goes_before(const letter *a, const letter *b) {
    return a->place.in_line && b->place.in_line && a->place.waits_for == b->place.waits_for &&
           a->place.at < b->place.at;
}

/* The letter that is redriven next: any, or the first whose line has none before it. */
static letter *choose_letter(model *m, int end, bool sorted) {
    letter *found = NULL;
    for (int i = 0; i < end; i++) {
        letter *l = &m->letters[i];
        bool left = !l->redriven && !l->repeats;
        if (left && (!found || (sorted ? goes_before(l, found) : pick(3) == 0)))
            found = l;
    }
    return found;
}

/* One that is killed has published some that it does not know of afterwards. */
static void redrive(model *m) {
    int most = m->well ? m->letter_count : (int)pick(6), end = m->letter_count;
    bool sorted = m->well || pick(4) > 0, killed = !m->gentle && !m->well && pick(8) == 0;
    int published[MOST_LETTERS], count = 0;
    letter *l;
    while (count < most && (l = choose_letter(m, end, sorted))) {
        l->redriven = true;
        published[count++] = (int)(l - m->letters);
        publish(m, l->message, l->place);
    }
    for (int i = 0; i < count && killed; i++)
        m->letters[published[i]].redriven = false;
}

/* ---- partitions ---- */

static void accept_later(model *m, record *r) {
    kca__inbound_record inbound = came(r);
    inbound.delay_ms = m->delays && !m->well && pick(3) == 0 ? (int)pick(300) : 0;
    pthread_mutex_lock(&m->f.engine->lock);
    kca__engine_accept_locked(m->f.engine, &inbound, 1);
    pthread_mutex_unlock(&m->f.engine->lock);
}

static void fetch(model *m) {
    int count = (int)pick(6);
    int room = kca__engine_room_locked(m->f.engine);
    for (; m->assigned && !m->f.kept_back[0] && count > 0 && room > 0 && m->next < m->log_count;
         count--, room--) {
        const logged *l = &m->log[m->next];
        record *r = new_record(&m->f, 0, m->next, m->messages[l->message].key);
        r->place = l->place;
        r->asks = m->asks && pick(3) == 0;
        r->batch = m->batches.most > 0 && l->message % 2 == 0;
        m->next++;
        accept_later(m, r);
    }
}

static void let_go_of_all(model *m) {
    while (m->out_count > 0)
        kca__engine_give_back(m->out[--m->out_count]);
    while (m->writing_count > 0) {
        kca_delivery *d = m->writing[--m->writing_count];
        if (d->fate == KCA__FATE_DEAD_LETTER && pick(2))
            put_letter(m, d);
        kca__engine_letter_stored(d);
    }
}

static void crash(model *m) {
    see_faults(m);
    kca__engine_shut(m->f.engine);
    let_go_of_all(m);
    see_faults(m);
    close_engine(&m->f);
    m->crashes++;
    open(m);
}

/* A member that leaves in peace: all that is out ends, and is committed. */
static void end_in_peace(model *m) {
    kca__engine_begin_drain(m->f.engine, "things", 0);
    while (m->out_count > 0 || m->writing_count > 0 || m->f.engine->condemned.count > 0) {
        settle_one(m);
        begin_letter(m);
        end_letter(m);
    }
    commit_all(m);
}

/* The partition goes to another member and comes back. */
static void rebalance(model *m) {
    if (m->gentle)
        end_in_peace(m);
    else if (pick(2))
        commit_all(m);
    forget(&m->f, 0);
    see_faults(m);
    read_committed(m);
}

/* ---- by hand ---- */

static void unpark(model *m) {
    char key[16];
    int len = snprintf(key, sizeof key, "key %d", (int)pick(KEYS));
    kca__engine_unpark(m->f.engine, NULL, -1, key, pick(4) ? (size_t)len : 0);
    see_faults(m);
}

/* ---- schedules ---- */

static void pass(model *m, int64_t ms) {
    pass_ms(&m->f, ms);
    see_faults(m);
}

static void step(model *m) {
    switch (pick(20)) {
    case 0:
        if (!m->gentle && pick(6) == 0)
            crash(m);
        break;
    case 1:
        if (pick(6) == 0)
            rebalance(m);
        break;
    case 2:
        if (pick(2) == 0)
            redrive(m);
        else if (pick(60) == 0)
            unpark(m);
        break;
    case 3:
        pass(m, (int64_t)pick(2000));
        break;
    case 4:
        commit_all(m);
        break;
    case 5:
    case 6:
        publish_new(m);
        break;
    case 7:
    case 8:
        fetch(m);
        break;
    case 9:
    case 10:
    case 11:
        settle_one(m);
        break;
    case 12:
    case 13:
        begin_letter(m);
        break;
    case 14:
    case 15:
        end_letter(m);
        break;
    default:
        take_one(m);
    }
}

static bool is_quiet(const model *m) {
    return m->next == m->log_count && m->f.engine->held == 0;
}

static bool is_over(const model *m) {
    for (int i = 0; i < m->letter_count; i++)
        if (!m->letters[i].redriven && !m->letters[i].repeats)
            return false;
    return is_quiet(m);
}

static int parked_keys;

static void note_parked_keys(void *user, const kca__partition_look *look) {
    (void)user;
    parked_keys = look->parking->count;
}

static void do_well(model *m) {
    m->well = true;
    for (int round = 0; !is_over(m); round++) {
        check(round < 200);
        redrive(m);
        for (int turn = 0; !is_quiet(m); turn++) {
            check(turn < 20000);
            fetch(m);
            pass(m, 10);
            take_one(m);
            settle_one(m);
            begin_letter(m);
            end_letter(m);
        }
    }
    for (int i = 0; i < m->message_count; i++)
        check(m->messages[i].done);
    kca__engine_look(m->f.engine, note_parked_keys, NULL);
    check(parked_keys == 0);
    commit_all(m);
    close_engine(&m->f);
}

/* Of all schedules. */
static long given_out, followed, repeated, let_go_count, crashes, again, along, delayed;

static void play(void) {
    static model played;
    model *m = &played;
    memset(m, 0, sizeof *m);
    simulated_ms = 1000000;
    m->committed = -1;
    m->gentle = pick(3) == 0;
    m->asks = pick(3) == 0;
    m->delays = pick(3) == 0;
    if (pick(2))
        m->batches = (kca__batch_plan){1 + (int)pick(MOST_IN_ONE), (int)pick(3) * 100};
    m->setup = plain_setup(2 + (int)pick(12), pick(2));
    m->setup.order = pick(4) ? KCA__ORDER_KEY : KCA__ORDER_PARTITION;
    m->setup.retry.max_attempts = 1 + (int)pick(2);
    m->setup.dead_letters = true;
    m->setup.park_max_keys = pick(4) ? 100 : 1 + (int)pick(2);
    m->setup.park_max_ms = pick(4) ? 1000000000 : 5000;
    m->setup.abandon = pick(2);
    m->setup.batches = &m->batches;
    m->setup.batch_count = m->batches.most > 0;
    m->setup.processing_timeout_ms = !m->gentle && pick(4) == 0 ? 3000 : 0;
    open(m);
    for (int i = 0; i < STEPS; i++)
        step(m);
    do_well(m);
    given_out += m->given_out;
    followed += m->followed;
    repeated += m->repeated;
    let_go_count += m->let_go;
    crashes += m->crashes;
    again += m->again;
    along += m->along;
    delayed += m->delayed;
}

static void test_no_schedule_disorders_a_key_or_loses_a_message(void **state) {
    long schedules = play_each(play, SCHEDULES);
    print_message(
        "%ld schedules: %ld given out, %ld again, %ld followed a dead letter, %ld letters "
        "repeated one, %ld keys let go, %ld crashes, %ld along in a batch, %ld after a delay\n",
        schedules, given_out, again, followed, repeated, let_go_count, crashes, along, delayed);
    if (schedules == 1)
        return;
    /* The schedules did what they are for. */
    assert_true(given_out > schedules * 10);
    assert_true(followed > schedules);
    assert_true(repeated > schedules / 100);
    assert_true(let_go_count > schedules / 20);
    assert_true(crashes > schedules / 4);
    assert_true(again > schedules / 10);
    assert_true(along > schedules / 10);
    assert_true(delayed > schedules);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_schedule_disorders_a_key_or_loses_a_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
