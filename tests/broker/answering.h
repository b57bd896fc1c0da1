/* Consumers that answer, and questions for them. */
#ifndef KCA_TESTS_ANSWERING_H
#define KCA_TESTS_ANSWERING_H

#include "dead_lettering.h"

#include <stdio.h>

typedef struct answering {
    consuming c;
    const char *topic, *group, *replies, *dead;
    raw_writer *writer;
} answering;

/* A question of this name and id, to be answered in `reply_to` (NULL: not at all); its correlation
 * id is "ask-ID". */
static inline void ask_in(answering *a, const char *name, int id, const char *reply_to) {
    char value[20], asked[20];
    snprintf(value, sizeof value, "{\"id\":%d}", id);
    snprintf(asked, sizeof asked, "ask-%d", id);
    const char *const headers[][2] = {
        {"route", name}, {"correlationId", asked}, {"replyTo", reply_to ? reply_to : ""}};
    raw_write_headers(a->writer, a->topic, asked, value, headers, reply_to ? 3 : 2);
}

static inline void ask(answering *a, int id) {
    ask_in(a, "thing", id, a->replies);
}

/* The topics are there, the system is not yet. */
static inline answering prepare_answering(const char *reply_setting, const char *value) {
    answering a = {.topic = unique("questions"),
                   .group = unique("group"),
                   .replies = unique("replies"),
                   .dead = morgue()};
    topic_create(a.topic, 1);
    if (reply_setting)
        topic_create_with(a.replies, 1, reply_setting, value);
    else
        topic_create(a.replies, 1);
    a.writer = raw_writer_open(NULL);
    return a;
}

static inline kca_consumer_builder *answers_of(const answering *a) {
    kca_consumer_builder *b = burying(a->topic, a->group, a->dead, NULL);
    kca_consumer_builder_with_reply(b, 1);
    return b;
}

/* Started; with the builder of the replies' publisher and the consumer's, both freed. */
static inline void begin_answering(answering *a, kca_publisher_builder *replies,
                                   kca_consumer_builder *b) {
    a->c = (consuming){system_on(listener("PLAINTEXT")), NULL, recorder_new(), a->topic, a->group};
    give_publisher(a->c.system, replies);
    give_publisher(a->c.system, publisher_of(a->dead));
    give_consumer(a->c.system, b);
    record(a->c.system, "thing", a->c.recorder);
    start(a->c.system);
    a->c.consumer = reader_of(a->c.system, a->group);
}

/* All but the topics. */
static inline void end_answering(answering *a) {
    raw_writer_close(a->writer);
    end(&a->c);
}

/* The only reply to the question of this id; NULL: none. */
static inline const raw_record *reply_to(const raw_record *all, int count, int id) {
    const raw_record *found = NULL;
    char asked[20];
    snprintf(asked, sizeof asked, "ask-%d", id);
    for (int i = 0; i < count; i++) {
        if (strcmp(record_header(&all[i], "correlationId"), asked) != 0)
            continue;
        assert_null(found);
        found = &all[i];
    }
    return found;
}

static inline void must_be_answered(const raw_record *all, int count, int id, const char *value) {
    const raw_record *r = reply_to(all, count, id);
    assert_non_null(r);
    assert_string_equal(r->value, value);
}

/* Answers {"id":ID}, as asked. */
static inline int answer_alike(recorder *r, kca_delivery *d, int id) {
    const kca_message *m = kca_delivery_message(d);
    (void)r, (void)id;
    must(kca_delivery_reply(d, kca_message_payload(m), kca_message_payload_len(m)));
    return KCA_DONE;
}

#endif
