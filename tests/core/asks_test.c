#include "chance.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "asking/asks.h"
#include "base/error.h"

enum { PLENTY = 1000, ROUNDS = 3000, STEPS = 120, IDS = 4, MOST = 200 };

static kca__event_queue queue;
static int wakes;

static void count_wake(void *user) {
    wakes++;
}

static kca__asks *open_asks(void) {
    kca__event_queue_init(&queue);
    wakes = 0;
    kca__asks *a = kca__asks_new("replies", &queue, count_wake, NULL);
    assert_non_null(a);
    kca__asks_open(a);
    return a;
}

static void close_asks(kca__asks *a) {
    kca__asks_shut(a);
    kca__event_queue_close(&queue);
    kca__asks_release(a);
}

static kca__awaited_wish wish_of(const char *id, uint64_t token, int64_t deadline_ms) {
    return (kca__awaited_wish){.correlation_id = id,
                               .name = "priceOf",
                               .token = token,
                               .deadline_ms = deadline_ms,
                               .most = PLENTY};
}

static int add(kca__awaited **out, kca__asks *a, const char *id, uint64_t token,
               int64_t deadline_ms) {
    kca__awaited_wish wish = wish_of(id, token, deadline_ms);
    kca_error *e = kca__asks_add(out, a, &wish);
    int code = kca_error_code(e);
    kca_error_free(e);
    return code;
}

/* One that is published and stored, too. */
static kca__awaited *ask_for(kca__asks *a, const char *id, uint64_t token, int64_t deadline_ms) {
    kca__awaited *ask;
    assert_int_equal(add(&ask, a, id, token, deadline_ms), KCA_OK);
    kca__asks_accept(ask);
    kca__asks_hear_report(ask, NULL);
    return ask;
}

static void answer(kca__asks *a, const char *id, const char *payload) {
    kca__header headers[] = {
        {"messageType", "Document", 8}, {"mine", "7", 1}, {"correlationId", id, strlen(id)}};
    const kca__record r = {.value = payload,
                           .value_len = payload ? strlen(payload) : 0,
                           .timestamp_ms = 5,
                           .headers = headers,
                           .header_count = 3};
    kca__asks_hear_answer(a, &r, 9);
}

static kca_event *next(void) {
    kca_event *e;
    return kca__event_queue_take(&queue, &e, 1, 0) == 1 ? e : NULL;
}

/* The next event has this token and error, and is freed. */
static void must_end(uint64_t token, int code) {
    kca_event *e = next();
    assert_non_null(e);
    assert_int_equal(kca_event_type(e), KCA_EVENT_REPLY);
    assert_int_equal(kca_event_token(e), token);
    assert_int_equal(kca_error_code(kca_event_error(e)), code);
    kca_event_free(e);
}

static void test_an_answer_comes_with_its_token_and_all_it_has(void **state) {
    kca__asks *a = open_asks();
    ask_for(a, "one", 7, 100);
    ask_for(a, "two", 8, 100);
    answer(a, "two", "{\"price\":3}");
    kca_event *e = next();
    const kca_message *m = kca_event_reply(e);
    int64_t price;
    assert_int_equal(kca_event_token(e), 8);
    assert_null(kca_event_error(e));
    assert_null(kca_message_json_int64(m, "/price", &price));
    assert_int_equal(price, 3);
    assert_string_equal(kca_message_correlation_id(m), "two");
    assert_string_equal(kca_message_header(m, "mine"), "7");
    assert_int_equal(kca_message_type(m), KCA_TYPE_DOCUMENT);
    assert_int_equal(kca__asks_count(a).waiting, 1);
    close_asks(a);
    assert_string_equal(kca_message_header(m, "mine"), "7"); /* the event is still out */
    kca_event_free(e);
}

/* What an answer of this payload ends with. */
static void must_answer(kca__asks *a, const char *payload, int code, const char *text) {
    ask_for(a, "one", 7, 100);
    answer(a, "one", payload);
    kca_event *e = next();
    assert_int_equal(kca_error_code(kca_event_error(e)), code);
    assert_string_equal(kca_error_text(kca_event_error(e)), text);
    assert_non_null(kca_event_reply(e));
    kca_event_free(e);
}

static void test_only_an_object_of_one_error_text_is_an_error(void **state) {
    kca__asks *a = open_asks();
    must_answer(a, "{\"error\":\"negative amount\"}", KCA_ERROR_REPLY, "negative amount");
    must_answer(a, " {\n \"error\" : \"two\\nlines\" } ", KCA_ERROR_REPLY, "two\\nlines");
    must_answer(a, "{\"error\":\"\"}", KCA_ERROR_REPLY, "");
    must_answer(a, "{\"error\":\"nul\\u0000\"}", KCA_ERROR_REPLY,
                "an error whose text has \\u0000 in it");
    const char *const results[] = {"{\"error\":\"no\",\"more\":1}",
                                   "{\"error\":7}",
                                   "{\"error\":null}",
                                   "[\"error\"]",
                                   "\"error\"",
                                   "{\"error\"",
                                   "null",
                                   "",
                                   "{{\"error\":\"x\"}",
                                   NULL};
    for (size_t i = 0; i < sizeof results / sizeof *results; i++)
        must_answer(a, results[i], KCA_OK, "");
    assert_int_equal(kca__asks_count(a).refused, 4);
    assert_int_equal(kca__asks_count(a).answered, sizeof results / sizeof *results);
    close_asks(a);
}

/* ---- answers that are CloudEvents ---- */

static void hear(kca__asks *a, kca__header *headers, int count, const char *value) {
    const kca__record r = {.value = value,
                           .value_len = strlen(value),
                           .timestamp_ms = 5,
                           .headers = headers,
                           .header_count = count};
    kca__asks_hear_answer(a, &r, 9);
}

static void hear_binary(kca__asks *a, const char *id, const char *payload) {
    kca__header headers[] = {{"ce_specversion", "1.0", 3},
                             {"ce_type", "com.example.priced", 18},
                             {"ce_correlationid", id, strlen(id)},
                             {"ce_mine", "7", 1}};
    hear(a, headers, 4, payload);
}

static void hear_structured(kca__asks *a, const char *envelope) {
    kca__header headers[] = {{"content-type", "application/cloudevents+json", 28}};
    hear(a, headers, 1, envelope);
}

/* The next event is the answer with this token; it is freed by the caller. */
static kca_event *must_be_event(uint64_t token, const char *payload) {
    kca_event *e = next();
    assert_non_null(e);
    assert_int_equal(kca_event_token(e), token);
    assert_null(kca_event_error(e));
    assert_int_equal(kca_message_payload_len(kca_event_reply(e)), strlen(payload));
    assert_memory_equal(kca_message_payload(kca_event_reply(e)), payload, strlen(payload));
    assert_string_equal(kca_message_name(kca_event_reply(e)), "com.example.priced");
    assert_string_equal(kca_message_header(kca_event_reply(e), "ce_mine"), "7");
    return e;
}

static void test_an_answer_may_be_a_cloud_event(void **state) {
    kca__asks *a = open_asks();
    ask_for(a, "one", 7, 100);
    ask_for(a, "two \"2\"", 8, 100);
    hear_binary(a, "one", "{\"price\":3}");
    kca_event_free(must_be_event(7, "{\"price\":3}"));
    hear_structured(a, "{\"specversion\":\"1.0\",\"correlationid\":\"lost\",\"mine\":\"7\","
                       "\"type\":\"com.example.priced\",\"data\": [4],"
                       "\"correlationid\":\"two \\\"2\\u0022\"}");
    kca_event *e = must_be_event(8, "[4]");
    assert_string_equal(kca_message_correlation_id(kca_event_reply(e)), "two \"2\"");
    assert_int_equal(kca__asks_count(a).answered, 2);
    close_asks(a);
    kca_event_free(e);
}

static void test_a_cloud_event_may_answer_with_an_error(void **state) {
    kca__asks *a = open_asks();
    ask_for(a, "one", 7, 100);
    hear_binary(a, "one", "{\"error\":\"no\"}");
    must_end(7, KCA_ERROR_REPLY);
    ask_for(a, "two", 8, 100);
    hear_structured(a, "{\"specversion\":\"1.0\",\"correlationid\":\"two\","
                       "\"data\":{\"error\":\"no\"}}");
    must_end(8, KCA_ERROR_REPLY);
    assert_int_equal(kca__asks_count(a).refused, 2);
    close_asks(a);
}

static void test_events_that_answer_nothing_here_are_counted(void **state) {
    static const char *const envelopes[] = {
        "{\"specversion\":\"1.0\",\"correlationid\":\"others\"}",
        "{\"specversion\":\"1.0\",\"correlationid\":7}",
        "{\"specversion\":\"1.0\",\"correlationid\":\"one\\u0000\"}",
        "{\"specversion\":\"1.0\",\"data\":{\"correlationid\":\"one\"}}",
        "{\"correlationid\":\"one\"}",
        "{\"specversion\":\"1.0\",\"correlationid\":\"one\"",
        "{}",
        "[]",
        ""};
    int count = sizeof envelopes / sizeof *envelopes;
    kca__asks *a = open_asks();
    ask_for(a, "one", 7, 100);
    for (int i = 0; i < count; i++)
        hear_structured(a, envelopes[i]);
    assert_null(next());
    assert_int_equal(kca__asks_count(a).unknown, count);
    kca__asks_expire(a, 100, 1000);
    must_end(7, KCA_ERROR_TIMEOUT);
    hear_structured(a, "{\"specversion\":\"1.0\",\"correlationid\":\"one\"}");
    hear_binary(a, "one", "1");
    assert_int_equal(kca__asks_count(a).late, 2);
    close_asks(a);
}

/* It says what is in it by the header by which it is known. */
static void test_an_answer_of_gomes_stays_one_whatever_it_holds(void **state) {
    kca__asks *a = open_asks();
    const char *envelope = "{\"specversion\":\"1.0\",\"data\":1}";
    kca__header headers[] = {{"content-type", "application/cloudevents+json", 28},
                             {"correlationId", "one", 3}};
    ask_for(a, "one", 7, 100);
    hear(a, headers, 2, envelope);
    kca_event *e = next();
    assert_int_equal(kca_message_payload_len(kca_event_reply(e)), strlen(envelope));
    kca_event_free(e);
    close_asks(a);
}

/* ---- a shutdown ---- */

static void test_a_shutdown_limits_how_long_asks_wait(void **state) {
    kca__asks *a = open_asks();
    ask_for(a, "for ever", 7, KCA__CLOCK_NEVER);
    ask_for(a, "longer", 8, 300);
    ask_for(a, "shorter", 9, 150);
    assert_int_equal(kca__asks_expire(a, 100, 1000), 50);
    kca__asks_hurry(a, 200);
    assert_int_equal(wakes, 1);
    assert_int_equal(kca__asks_expire(a, 100, 1000), 50);
    kca__asks_expire(a, 150, 1000);
    must_end(9, KCA_ERROR_TIMEOUT);
    assert_null(next());
    assert_int_equal(kca__asks_expire(a, 199, 1000), 1);
    kca__asks_expire(a, 200, 1000);
    must_end(8, KCA_ERROR_STOPPED);
    must_end(7, KCA_ERROR_STOPPED);
    ask_for(a, "new", 10, KCA__CLOCK_NEVER);
    kca__asks_expire(a, 200, 1000);
    must_end(10, KCA_ERROR_STOPPED);
    close_asks(a);
}

static void test_a_shutdown_without_a_limit_ends_asks_that_have_none(void **state) {
    kca__asks *a = open_asks();
    ask_for(a, "for ever", 7, KCA__CLOCK_NEVER);
    ask_for(a, "an hour", 8, 3600000);
    kca__asks_hurry(a, KCA__CLOCK_NEVER);
    assert_int_equal(kca__asks_expire(a, 100, 1000), 1000);
    must_end(7, KCA_ERROR_STOPPED);
    wakes = 0;
    ask_for(a, "new", 9, KCA__CLOCK_NEVER); /* by a handler that is still at work */
    assert_int_equal(wakes, 1);
    kca__asks_expire(a, 100, 1000);
    must_end(9, KCA_ERROR_STOPPED);
    answer(a, "an hour", "1");
    must_end(8, KCA_OK);
    kca__asks_shut(a);
    kca__asks_begin(a);
    kca__asks_open(a);
    ask_for(a, "for ever", 10, KCA__CLOCK_NEVER);
    kca__asks_expire(a, 100, 1000);
    assert_null(next());
    kca__asks_shut(a);
    must_end(10, KCA_ERROR_STOPPED);
    close_asks(a);
}

static void test_what_comes_too_late_or_for_others_is_counted(void **state) {
    kca__asks *a = open_asks();
    ask_for(a, "one", 7, 100);
    answer(a, "others", "1");
    kca__asks_expire(a, 99, 1000);
    assert_null(next());
    kca__asks_expire(a, 100, 1000);
    must_end(7, KCA_ERROR_TIMEOUT);
    answer(a, "one", "1");
    ask_for(a, "two", 8, 200);
    answer(a, "two", "1");
    answer(a, "two", "2");
    must_end(8, KCA_OK);
    const kca__record bare = {.timestamp_ms = -1};
    kca__asks_hear_answer(a, &bare, 9);
    assert_null(next());
    kca__asks_counts counts = kca__asks_count(a);
    assert_int_equal(counts.late, 2);
    assert_int_equal(counts.unknown, 2);
    assert_int_equal(counts.timed_out, 1);
    close_asks(a);
}

static void test_an_id_that_waits_is_not_asked_for_twice(void **state) {
    kca__asks *a = open_asks();
    kca__awaited *ask;
    ask_for(a, "one", 7, 100);
    assert_int_equal(add(&ask, a, "one", 8, 100), KCA_ERROR_DUPLICATE);
    answer(a, "one", "1");
    must_end(7, KCA_OK);
    ask_for(a, "one", 9, 100);
    answer(a, "one", "2");
    must_end(9, KCA_OK);
    close_asks(a);
}

static void test_there_is_room_again_once_an_event_is_freed(void **state) {
    kca__asks *a = open_asks();
    kca__awaited *ask;
    kca__awaited_wish wish = wish_of("two", 8, 100);
    wish.most = 1;
    ask_for(a, "one", 7, 100);
    for (int answered = 0; answered < 2; answered++) {
        kca_error *e = kca__asks_add(&ask, a, &wish);
        assert_int_equal(kca_error_code(e), KCA_ERROR_BUFFER_FULL);
        assert_true(kca_error_retriable(e));
        kca_error_free(e);
        answer(a, "one", "1");
    }
    must_end(7, KCA_OK);
    assert_null(kca__asks_add(&ask, a, &wish));
    kca__asks_withdraw(ask, false);
    close_asks(a);
}

static void test_none_is_taken_before_the_start_or_while_refused(void **state) {
    kca__event_queue_init(&queue);
    kca__asks *a = kca__asks_new("replies", &queue, count_wake, NULL);
    kca__awaited *ask;
    assert_int_equal(add(&ask, a, "one", 7, 100), KCA_ERROR_STATE);
    kca__asks_refuse(a, kca__error_new(KCA_ERROR_AUTHORIZATION, "forbidden"));
    assert_int_equal(add(&ask, a, "one", 7, 100), KCA_ERROR_AUTHORIZATION);
    kca__asks_open(a);
    ask_for(a, "one", 7, 100);
    kca__asks_shut(a);
    must_end(7, KCA_ERROR_STOPPED);
    assert_int_equal(add(&ask, a, "one", 7, 100), KCA_ERROR_STATE);
    kca__asks_open(a); /* a look that went on meanwhile */
    assert_int_equal(add(&ask, a, "one", 7, 100), KCA_ERROR_STATE);
    kca__asks_refuse(a, kca__error_new(KCA_ERROR_AUTHORIZATION, "forbidden"));
    assert_int_equal(add(&ask, a, "one", 7, 100), KCA_ERROR_STATE);
    kca__asks_begin(a);
    kca__asks_open(a);
    ask_for(a, "two", 8, 100);
    close_asks(a);
}

static void test_the_reader_is_woken_for_an_earlier_end_only(void **state) {
    kca__asks *a = open_asks();
    assert_int_equal(kca__asks_expire(a, 1000, 500), 500);
    ask_for(a, "one", 7, 1500);
    assert_int_equal(wakes, 0);
    ask_for(a, "two", 8, 1499);
    assert_int_equal(wakes, 1);
    assert_int_equal(kca__asks_expire(a, 1100, 500), 399);
    answer(a, "two", "1");
    must_end(8, KCA_OK);
    assert_int_equal(kca__asks_expire(a, 1499, 500), 1);
    close_asks(a);
}

/* ---- any schedule: each ask that was accepted ends once, as the model says ---- */

typedef struct one {
    kca__awaited *ask; /* NULL: withdrawn */
    int id;
    int64_t deadline_ms;
    bool accepted, reported, waits, told;
    int code; /* of its end */
} one;

static struct {
    kca__asks *asks;
    one all[MOST];
    int count;
    int64_t now_ms;
    bool open, hurries;
    int64_t until_ms;
    kca_event *kept[MOST];
    int kept_count;
} model;

static const char *name_of(int id) {
    static const char *const names[IDS] = {"a", "b", "c", "d"};
    return names[id];
}

static void end_where(bool (*is_meant)(const one *o, int64_t which), int64_t which, int code) {
    for (int i = 0; i < model.count; i++) {
        one *o = &model.all[i];
        if (o->waits && is_meant(o, which)) {
            o->waits = false;
            o->code = code;
        }
    }
}

static bool has_id(const one *o, int64_t id) {
    return o->id == id;
}

static bool is_over(const one *o, int64_t now_ms) {
    return o->deadline_ms <= now_ms;
}

static bool is_any(const one *o, int64_t which) {
    return true;
}

static bool is_endless(const one *o, int64_t which) {
    return o->deadline_ms == KCA__CLOCK_NEVER;
}

static bool is_this(const one *o, int64_t index) {
    return o - model.all == index;
}

static bool waits(int id) {
    for (int i = 0; i < model.count; i++)
        if (model.all[i].waits && model.all[i].id == id)
            return true;
    return false;
}

static void play_add(void) {
    one o = {.id = (int)pick(IDS), .deadline_ms = model.now_ms + (int64_t)pick(50), .waits = true};
    if (pick(8) == 0)
        o.deadline_ms = KCA__CLOCK_NEVER;
    int wanted = !model.open ? KCA_ERROR_STATE : waits(o.id) ? KCA_ERROR_DUPLICATE : KCA_OK;
    if (model.count == MOST)
        return;
    check(add(&o.ask, model.asks, name_of(o.id), (uint64_t)model.count + 1, o.deadline_ms) ==
          wanted);
    if (wanted == KCA_OK)
        model.all[model.count++] = o;
}

/* Goes on with one of the asks: its publish, and the broker's report. */
static void play_publish(void) {
    if (model.count == 0)
        return;
    one *o = &model.all[pick((uint64_t)model.count)];
    uint64_t what = pick(5);
    if (!o->ask)
        return;
    if (!o->accepted && !o->reported && what == 0) {
        bool sent = pick(2);
        kca__awaited *ask = o->ask;
        kca__asks_withdraw(ask, sent);
        if (sent)
            kca__asks_hear_report(ask, pick(2) ? kca__error_new(KCA_ERROR_NOT_STORED, "no") : NULL);
        *o = (one){.told = true};
    } else if (!o->accepted && what > 2) {
        o->accepted = true;
        kca__asks_accept(o->ask);
    } else if (!o->reported) {
        o->reported = true;
        kca_error *e = what == 1 ? kca__error_new(KCA_ERROR_NOT_STORED, "gone") : NULL;
        if (e)
            end_where(is_this, o - model.all, KCA_ERROR_NOT_STORED);
        kca__asks_hear_report(o->ask, e);
    }
}

static void play_end(void) {
    int id = (int)pick(IDS);
    switch (pick(4)) {
    case 0:
        answer(model.asks, name_of(id), "[1]");
        end_where(has_id, id, KCA_OK);
        break;
    case 1:
        answer(model.asks, name_of(id), "{\"error\":\"no\"}");
        end_where(has_id, id, KCA_ERROR_REPLY);
        break;
    case 2:
        if (model.count == 0)
            break;
        id = (int)pick((uint64_t)model.count);
        check(kca__asks_cancel(model.asks, (uint64_t)id + 1) == model.all[id].waits);
        end_where(is_this, id, KCA_ERROR_CANCELLED);
        break;
    default:
        model.now_ms += (int64_t)pick(20);
        kca__asks_expire(model.asks, model.now_ms, 1000);
        end_where(is_over, model.now_ms, KCA_ERROR_TIMEOUT);
        if (model.hurries && model.until_ms == KCA__CLOCK_NEVER)
            end_where(is_endless, 0, KCA_ERROR_STOPPED);
        if (model.hurries && model.until_ms <= model.now_ms)
            end_where(is_any, 0, KCA_ERROR_STOPPED);
    }
}

static void play_life(void) {
    if (model.open && !model.hurries && pick(2)) {
        model.hurries = true;
        model.until_ms = pick(2) ? model.now_ms + (int64_t)pick(40) : KCA__CLOCK_NEVER;
        kca__asks_hurry(model.asks, model.until_ms);
        return;
    }
    model.open = !model.open;
    model.hurries = false;
    if (model.open) {
        kca__asks_begin(model.asks);
        kca__asks_open(model.asks);
        return;
    }
    kca__asks_shut(model.asks);
    kca__asks_open(model.asks); /* a look that went on meanwhile */
    end_where(is_any, 0, KCA_ERROR_STOPPED);
}

/* Takes all events: those of the asks that are accepted and have ended. */
static void play_take(void) {
    kca_event *e;
    while ((e = next())) {
        one *o = &model.all[kca_event_token(e) - 1];
        check(o->accepted && !o->waits && !o->told);
        check(kca_error_code(kca_event_error(e)) == o->code);
        o->told = true;
        model.kept[model.kept_count++] = e;
    }
    for (int i = 0; i < model.count; i++)
        check(model.all[i].told || model.all[i].waits || !model.all[i].accepted);
    while (model.kept_count > 0 && pick(3) > 0)
        kca_event_free(model.kept[--model.kept_count]);
}

static void finish_model(void) {
    for (int i = 0; i < model.count; i++) {
        one *o = &model.all[i];
        if (o->ask && !o->accepted)
            kca__asks_accept(o->ask);
        o->accepted = true;
        if (o->ask && !o->reported)
            kca__asks_hear_report(o->ask, NULL);
    }
    kca__asks_shut(model.asks);
    end_where(is_any, 0, KCA_ERROR_STOPPED);
    play_take();
    kca__asks_counts c = kca__asks_count(model.asks);
    check(c.waiting == 0);
    check(c.asked == c.answered + c.refused + c.unsent + c.timed_out + c.cancelled + c.stopped);
    close_asks(model.asks);
    while (model.kept_count > 0)
        kca_event_free(model.kept[--model.kept_count]);
}

static void play(void) {
    memset(&model, 0, sizeof model);
    model.asks = open_asks();
    model.open = true;
    for (int step = 0; step < STEPS; step++) {
        uint64_t what = pick(20);
        if (what < 6)
            play_add();
        else if (what < 13)
            play_publish();
        else if (what < 18)
            play_end();
        else if (what < 19)
            play_take();
        else if (pick(5) == 0)
            play_life();
    }
    finish_model();
}

static void test_each_ask_ends_once_in_any_schedule(void **state) {
    play_each(play, ROUNDS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_answer_comes_with_its_token_and_all_it_has),
        cmocka_unit_test(test_only_an_object_of_one_error_text_is_an_error),
        cmocka_unit_test(test_an_answer_may_be_a_cloud_event),
        cmocka_unit_test(test_a_cloud_event_may_answer_with_an_error),
        cmocka_unit_test(test_events_that_answer_nothing_here_are_counted),
        cmocka_unit_test(test_an_answer_of_gomes_stays_one_whatever_it_holds),
        cmocka_unit_test(test_a_shutdown_limits_how_long_asks_wait),
        cmocka_unit_test(test_a_shutdown_without_a_limit_ends_asks_that_have_none),
        cmocka_unit_test(test_what_comes_too_late_or_for_others_is_counted),
        cmocka_unit_test(test_an_id_that_waits_is_not_asked_for_twice),
        cmocka_unit_test(test_there_is_room_again_once_an_event_is_freed),
        cmocka_unit_test(test_none_is_taken_before_the_start_or_while_refused),
        cmocka_unit_test(test_the_reader_is_woken_for_an_earlier_end_only),
        cmocka_unit_test(test_each_ask_ends_once_in_any_schedule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
