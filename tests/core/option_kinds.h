/*
 * Every kind of object with options, for tests that take each row of its table whatever it is: a
 * new option is tested by being there.
 */
#ifndef KCA_TESTS_OPTION_KINDS_H
#define KCA_TESTS_OPTION_KINDS_H

#include <stddef.h>
#include <string.h>

#include "connection/connection.h"
#include "inbound/consumer_builder.h"
#include "outbound/publisher_builder.h"
#include "redrive/redrive.h"

/* A kind of object with options. */
typedef struct kind {
    const char *name;
    const char *object; /* its name in these tests */
    const kca__option *rows;
    size_t size;
    void *(*make)(void);
    void *(*copy)(const void *object); /* NULL: never copied */
    void (*free)(void *object);
    kca_error **(*error)(void *object);
    struct {
        size_t begin, end;
    } others[11]; /* what of its struct is no option; each must be copied and freed by hand */
} kind;

#define SPAN(type, field)                                                                          \
    { offsetof(type, field), offsetof(type, field) + sizeof((type *)0)->field }

/* make_, free_ and error_ of a type, of any pointer. */
#define OBJECT(noun, type, new, release)                                                           \
    static void *make_##noun(void) {                                                               \
        type *made;                                                                                \
        assert_null(new);                                                                          \
        return made;                                                                               \
    }                                                                                              \
    static void free_##noun(void *object) {                                                        \
        release(object);                                                                           \
    }                                                                                              \
    static kca_error **error_##noun(void *object) {                                                \
        return &((type *)object)->error;                                                           \
    }
#define COPIED(noun, type, copy_to)                                                                \
    static void *copy_##noun(const void *object) {                                                 \
        type *made;                                                                                \
        assert_null(copy_to(&made, object));                                                       \
        return made;                                                                               \
    }

OBJECT(connection, kca_connection, kca__connection_new(&made, "kafka", "localhost:9092"),
       kca__connection_free)
COPIED(connection, kca_connection, kca__connection_copy)
OBJECT(publisher, kca_publisher_builder, kca__publisher_builder_new(&made, "kafka", "orders"),
       kca__publisher_builder_free)
COPIED(publisher, kca_publisher_builder, kca__publisher_builder_copy)
OBJECT(consumer, kca_consumer_builder, kca__consumer_builder_new(&made, "kafka", "orders", "bill"),
       kca__consumer_builder_free)
COPIED(consumer, kca_consumer_builder, kca__consumer_builder_copy)
OBJECT(redrive, kca_redrive, kca__redrive_new(&made, "kafka", "orders.dead"), kca__redrive_free)

static const kind kinds[] = {
    {"connection",
     "kafka",
     kca__connection_options,
     sizeof(kca_connection),
     make_connection,
     copy_connection,
     free_connection,
     error_connection,
     {SPAN(kca_connection, name), SPAN(kca_connection, hosts), SPAN(kca_connection, properties),
      SPAN(kca_connection, error), SPAN(kca_connection, log), SPAN(kca_connection, queue),
      SPAN(kca_connection, watch), SPAN(kca_connection, watched), SPAN(kca_connection, embedded),
      SPAN(kca_connection, known_brokers), SPAN(kca_connection, certificate_fd)}},
    {"publisher",
     "orders",
     kca__publisher_options,
     sizeof(kca_publisher_builder),
     make_publisher,
     copy_publisher,
     free_publisher,
     error_publisher,
     {SPAN(kca_publisher_builder, connection), SPAN(kca_publisher_builder, topic),
      SPAN(kca_publisher_builder, given), SPAN(kca_publisher_builder, properties),
      SPAN(kca_publisher_builder, error)}},
    {"consumer",
     "bill",
     kca__consumer_options,
     sizeof(kca_consumer_builder),
     make_consumer,
     copy_consumer,
     free_consumer,
     error_consumer,
     {SPAN(kca_consumer_builder, connection), SPAN(kca_consumer_builder, name),
      SPAN(kca_consumer_builder, topics), SPAN(kca_consumer_builder, topic_count),
      SPAN(kca_consumer_builder, properties), SPAN(kca_consumer_builder, given),
      SPAN(kca_consumer_builder, error)}},
    {"redrive",
     "orders.dead",
     kca__redrive_options,
     sizeof(kca_redrive),
     make_redrive,
     NULL,
     free_redrive,
     error_redrive,
     {SPAN(kca_redrive, connection), SPAN(kca_redrive, topic), SPAN(kca_redrive, error)}},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static inline kca__options options_of(const kind *k, void *object) {
    return (kca__options){k->rows, object, {k->name, k->object, k->error(object)}, NULL};
}

/* Calls `test` for each row of each table with a new object. */
static inline void for_each_row(void (*test)(const kind *k, const kca__option *row, void *object)) {
    int count = 0;
    for (int i = 0; i < KINDS; i++) {
        for (const kca__option *row = kinds[i].rows; row->name; row++, count++) {
            void *object = kinds[i].make();
            test(&kinds[i], row, object);
            kinds[i].free(object);
        }
    }
    assert_true(count > 60);
}

static inline bool is_number(const kca__option *row) {
    return row->kind == KCA__OPTION_INT || row->kind == KCA__OPTION_FLAG ||
           row->kind == KCA__OPTION_TIME || row->kind == KCA__OPTION_DOUBLE;
}

static inline double least_of(const kca__option *row) {
    return row->kind == KCA__OPTION_FLAG ? 0 : row->least;
}

static inline double most_of(const kca__option *row) {
    return row->kind == KCA__OPTION_FLAG ? 1 : row->most;
}

static inline void set_number(kca__options o, const kca__option *row, double value) {
    if (row->kind == KCA__OPTION_DOUBLE)
        kca__options_set_double(o, row->name, value);
    else if (row->kind == KCA__OPTION_TIME)
        kca__options_set_time(o, row->name, (int64_t)value);
    else
        kca__options_set_int(o, row->name, (int)value);
}

/* Gives the option another value than it begins with; two where it is repeatable. */
static inline void change(kca__options o, const kca__option *row) {
    switch (row->kind) {
    case KCA__OPTION_CHOICE:
        kca__options_set_text(o, row->name, row->choices[1]);
        break;
    case KCA__OPTION_TEXT: /* what a topic may be, and a time */
        kca__options_set_text(o, row->name, "1767225600000");
        break;
    case KCA__OPTION_INTS:
        kca__options_add_int(o, row->name, (int)row->least);
        kca__options_add_int(o, row->name, (int)row->most);
        break;
    case KCA__OPTION_TEXTS:
        kca__options_add_text(o, row->name, "first");
        kca__options_add_text(o, row->name, "second");
        break;
    default:
        set_number(o, row, row->initial == most_of(row) ? least_of(row) : most_of(row));
    }
    assert_null(*o.owner.error);
}

#endif
