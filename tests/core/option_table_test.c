/* Every row of every option table, whatever it is: a new option is tested by being there. */
#include "testing.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "connection/connection.h"
#include "inbound/consumer_builder.h"
#include "kafka/option_properties.h"
#include "outbound/publisher_builder.h"
#include "redrive/redrive.h"
#include "system/native_property.h"

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
    } others[9]; /* what of its struct is no option; each must be copied and freed by hand */
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
      SPAN(kca_connection, embedded), SPAN(kca_connection, certificate_fd)}},
    {"publisher",
     "orders",
     kca__publisher_options,
     sizeof(kca_publisher_builder),
     make_publisher,
     copy_publisher,
     free_publisher,
     error_publisher,
     {SPAN(kca_publisher_builder, connection), SPAN(kca_publisher_builder, topic),
      SPAN(kca_publisher_builder, properties), SPAN(kca_publisher_builder, error)}},
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
      SPAN(kca_consumer_builder, properties), SPAN(kca_consumer_builder, error)}},
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

static kca__options options_of(const kind *k, void *object) {
    return (kca__options){k->rows, object, {k->name, k->object, k->error(object)}};
}

/* Calls `test` for each row of each table with a new object. */
static void for_each_row(void (*test)(const kind *k, const kca__option *row, void *object)) {
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

static bool is_number(const kca__option *row) {
    return row->kind == KCA__OPTION_INT || row->kind == KCA__OPTION_FLAG ||
           row->kind == KCA__OPTION_TIME || row->kind == KCA__OPTION_DOUBLE;
}

static double least_of(const kca__option *row) {
    return row->kind == KCA__OPTION_FLAG ? 0 : row->least;
}

static double most_of(const kca__option *row) {
    return row->kind == KCA__OPTION_FLAG ? 1 : row->most;
}

static void set_number(kca__options o, const kca__option *row, double value) {
    if (row->kind == KCA__OPTION_DOUBLE)
        kca__options_set_double(o, row->name, value);
    else if (row->kind == KCA__OPTION_TIME)
        kca__options_set_time(o, row->name, (int64_t)value);
    else
        kca__options_set_int(o, row->name, (int)value);
}

/* Gives the option another value than it begins with; two where it is repeatable. */
static void change(kca__options o, const kca__option *row) {
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

static void assert_refused(kca__options o, const char *text) {
    assert_non_null(*o.owner.error);
    assert_int_equal((*o.owner.error)->code, KCA_ERROR_ARGUMENT);
    assert_string_equal((*o.owner.error)->text, text);
    kca__error_free(*o.owner.error);
    *o.owner.error = NULL;
}

static void has_its_default(const kind *k, const kca__option *row, void *object) {
    if (is_number(row)) {
        double initial = row->depends ? KCA__OPTION_UNSET : row->initial;
        assert_true(kca__option_number(row, object) == initial);
        assert_true(row->kind == KCA__OPTION_TIME ||
                    (row->initial >= least_of(row) && row->initial <= most_of(row)));
    } else if (row->kind == KCA__OPTION_CHOICE) {
        const char *word = kca__option_word(row, object);
        assert_ptr_equal(word, row->depends ? NULL : row->choices[0]);
    } else if (row->kind == KCA__OPTION_TEXT && strcmp(k->name, "redrive") != 0) {
        assert_null(*(char **)kca__option_field(row, object));
        assert_ptr_equal(kca__option_word(row, object), row->otherwise);
    }
}

static void test_every_option_begins_with_its_default(void **state) {
    for_each_row(has_its_default);
}

static void print_refusal(char *out, size_t size, const kind *k, const kca__option *row,
                          double value) {
    if (row->kind == KCA__OPTION_DOUBLE)
        snprintf(out, size, "%s %s: %s must be %.1f to %.1f, got %g", k->name, k->object, row->name,
                 row->least, row->most, value);
    else
        snprintf(out, size, "%s %s: %s must be %.0f to %.0f, got %.0f", k->name, k->object,
                 row->name, least_of(row), most_of(row), value);
}

static void keeps_its_range(const kind *k, const kca__option *row, void *object) {
    if (!is_number(row))
        return;
    kca__options o = options_of(k, object);
    const double ends[] = {least_of(row), most_of(row)};
    const double beyond[] = {least_of(row) - 1, most_of(row) + 1};
    for (int i = 0; i < 2; i++) {
        set_number(o, row, ends[i]);
        assert_null(*o.owner.error);
        assert_true(kca__option_number(row, object) == ends[i]);
        if (row->kind == KCA__OPTION_INT && (beyond[i] < INT_MIN || beyond[i] > INT_MAX))
            continue;
        char text[200];
        print_refusal(text, sizeof text, k, row, beyond[i]);
        set_number(o, row, beyond[i]);
        assert_refused(o, text);
        assert_true(kca__option_number(row, object) == ends[i]);
    }
}

static void test_every_number_has_its_range(void **state) {
    for_each_row(keeps_its_range);
}

static void takes_its_choices(const kind *k, const kca__option *row, void *object) {
    if (row->kind != KCA__OPTION_CHOICE)
        return;
    kca__options o = options_of(k, object);
    char text[400];
    int len =
        snprintf(text, sizeof text, "%s %s: %s must be one of ", k->name, k->object, row->name);
    for (int i = 0; row->choices[i]; i++) {
        char given[40];
        snprintf(given, sizeof given, "%s", row->choices[i]);
        kca__options_set_text(o, row->name, given);
        assert_null(*o.owner.error);
        assert_ptr_equal(kca__option_word(row, object), row->choices[i]);
        len += snprintf(text + len, sizeof text - (size_t)len, "%s%s", i ? ", " : "", given);
    }
    snprintf(text + len, sizeof text - (size_t)len, ", got other");
    kca__options_set_text(o, row->name, "other");
    assert_refused(o, text);
}

static void test_every_choice_is_one_of_its_list(void **state) {
    for_each_row(takes_its_choices);
}

static void takes_no_empty_text(const kind *k, const kca__option *row, void *object) {
    kca__options o = options_of(k, object);
    const char *const wrong[] = {"", NULL};
    for (int i = 0; i < 2; i++) {
        char text[200];
        if (row->kind == KCA__OPTION_TEXT)
            kca__options_set_text(o, row->name, wrong[i]);
        else if (row->kind == KCA__OPTION_TEXTS)
            kca__options_add_text(o, row->name, wrong[i]);
        else
            return;
        snprintf(text, sizeof text, "%s %s: %s is empty", k->name, k->object, row->name);
        if (row->check)
            snprintf(text, sizeof text, "%s", kca_error_text(*o.owner.error));
        assert_refused(o, text);
    }
}

static void test_no_text_is_empty(void **state) {
    for_each_row(takes_no_empty_text);
}

static void counts_its_values(const kind *k, const kca__option *row, void *object) {
    if (row->kind != KCA__OPTION_INTS)
        return;
    char text[200];
    kca__options o = options_of(k, object);
    for (int i = 0; i < row->at_most; i++)
        kca__options_add_int(o, row->name, (int)row->least);
    assert_null(*o.owner.error);
    kca__options_add_int(o, row->name, (int)row->least);
    snprintf(text, sizeof text, "%s %s: at most %d %s", k->name, k->object, row->at_most,
             row->name);
    assert_refused(o, text);
}

static void test_a_list_of_numbers_has_an_end(void **state) {
    for_each_row(counts_its_values);
}

/* ---- copies ---- */

static void assert_texts_equal(const kca__option_texts *a, const kca__option_texts *b) {
    assert_int_equal(a->count, 2);
    assert_int_equal(b->count, 2);
    assert_ptr_not_equal(a->items, b->items);
    for (int i = 0; i < a->count; i++) {
        assert_ptr_not_equal(a->items[i], b->items[i]);
        assert_string_equal(a->items[i], b->items[i]);
    }
}

static void assert_ints_equal(const kca__option_ints *a, const kca__option_ints *b) {
    assert_int_equal(a->count, 2);
    assert_int_equal(b->count, 2);
    assert_ptr_not_equal(a->items, b->items);
    assert_memory_equal(a->items, b->items, 2 * sizeof *a->items);
}

static void is_copied(const kind *k, const kca__option *row, void *object) {
    if (!k->copy)
        return;
    change(options_of(k, object), row);
    void *copy = k->copy(object);
    void *a = kca__option_field(row, object), *b = kca__option_field(row, copy);
    if (row->kind == KCA__OPTION_INTS)
        assert_ints_equal(a, b);
    else if (row->kind == KCA__OPTION_TEXTS)
        assert_texts_equal(a, b);
    else if (is_number(row))
        assert_true(kca__option_number(row, object) == kca__option_number(row, copy));
    else {
        assert_string_equal(kca__option_word(row, object), kca__option_word(row, copy));
        if (row->kind == KCA__OPTION_TEXT)
            assert_ptr_not_equal(*(char **)a, *(char **)b);
    }
    k->free(copy);
}

static void test_every_option_is_copied(void **state) {
    for_each_row(is_copied);
}

static void test_a_copy_and_its_original_may_go_in_any_order(void **state) {
    for (int i = 0; i < KINDS * 2; i++) {
        const kind *k = &kinds[i / 2];
        if (!k->copy)
            continue;
        void *object = k->make();
        for (const kca__option *row = k->rows; row->name; row++)
            change(options_of(k, object), row);
        void *copy = k->copy(object);
        k->free(i % 2 ? object : copy);
        for (const kca__option *row = k->rows; row->name; row++) { /* what is left is whole */
            char room[32];
            const char *value = kca__option_value(row, i % 2 ? copy : object, room);
            assert_true(!value || strlen(value) > 0);
        }
        k->free(i % 2 ? copy : object);
    }
}

static size_t size_of(const kca__option *row) {
    static const size_t sizes[] = {[KCA__OPTION_INT] = sizeof(int),
                                   [KCA__OPTION_FLAG] = sizeof(int),
                                   [KCA__OPTION_TIME] = sizeof(int64_t),
                                   [KCA__OPTION_DOUBLE] = sizeof(double),
                                   [KCA__OPTION_TEXT] = sizeof(char *),
                                   [KCA__OPTION_CHOICE] = sizeof(char *),
                                   [KCA__OPTION_INTS] = sizeof(kca__option_ints),
                                   [KCA__OPTION_TEXTS] = sizeof(kca__option_texts)};
    return sizes[row->kind];
}

static void claim(bool *claimed, size_t begin, size_t end) {
    for (size_t at = begin; at < end; at++) {
        assert_false(claimed[at]); /* one row a field */
        claimed[at] = true;
    }
}

/* A pointer without a row would be lost in the copy, and leak. What is left over must be padding,
 * in which there is no room for one. */
static void test_every_field_has_a_row(void **state) {
    for (int i = 0; i < KINDS; i++) {
        const kind *k = &kinds[i];
        bool *claimed = calloc(k->size, sizeof *claimed);
        assert_non_null(claimed);
        for (const kca__option *row = k->rows; row->name; row++)
            claim(claimed, row->field, row->field + size_of(row));
        for (int o = 0; o < 9; o++)
            claim(claimed, k->others[o].begin, k->others[o].end);
        size_t left = 0;
        for (size_t at = 0; at < k->size; at++) {
            left = claimed[at] ? 0 : left + 1;
            if (left >= sizeof(int) && (at + 1) % sizeof(void *) != 0)
                fail_msg("%s: a field at byte %zu has no row", k->name, at + 1 - left);
            assert_true(left < sizeof(void *));
        }
        free(claimed);
    }
}

/* ---- properties ---- */

/* Calls `test` for each property that a row names. */
static void for_each_property(const kca__option *row,
                              void (*test)(const kca__option *row, const char *property)) {
    char *names = kca__text_format("%s %s", row->sets ? row->sets : "",
                                   row->stands_for ? row->stands_for : ""),
         *rest;
    for (char *name = strtok_r(names, " ", &rest); name; name = strtok_r(NULL, " ", &rest))
        test(row, name);
    free(names);
}

static int on; /* whose row it is: one of KCA__ON_... */

static void refuses(const kca__option *row, const char *property) {
    char text[300];
    kca__properties none = {0};
    snprintf(text, sizeof text, "publisher x: property %s is not set by name: use %s", property,
             row->instead ? row->instead : row->name);
    for (int each = KCA__ON_CONNECTION; each <= KCA__ON_CONSUMER; each++) {
        kca_error *e = kca__native_property_set(&none, each, "publisher x", property, "1");
        bool refused = row->refusal == KCA__REFUSED_EVERYWHERE ||
                       (row->refusal == KCA__REFUSED_HERE && each == on);
        assert_int_equal(refused, strcmp(kca_error_text(e), text) == 0);
        kca__error_free(e);
        kca__properties_close(&none);
    }
    assert_true(kca__property_is_known(property));
}

static void test_what_an_option_stands_for_is_not_set_by_name(void **state) {
    static const int of_kind[] = {KCA__ON_CONNECTION, KCA__ON_PUBLISHER, KCA__ON_CONSUMER};
    for (int i = 0; i < 3; i++) {
        on = of_kind[i];
        for (const kca__option *row = kinds[i].rows; row->name; row++)
            for_each_property(row, refuses);
    }
}

static void assert_applied(const kind *k, const kca__option *row, void *object) {
    char room[32], value[100];
    size_t size = sizeof value;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    assert_null(kca__options_apply(k->rows, object, conf, k->name));
    assert_int_equal(rd_kafka_conf_get(conf, row->sets, value, &size), RD_KAFKA_CONF_OK);
    assert_string_equal(value, kca__option_value(row, object, room));
    rd_kafka_conf_destroy(conf);
}

/* Both ends of a range, too: librdkafka must take them. */
static void reaches_its_property(const kind *k, const kca__option *row, void *object) {
    if (!row->sets)
        return;
    kca__options o = options_of(k, object);
    change(o, row);
    assert_applied(k, row, object);
    for (int i = 0; i < 2 && is_number(row); i++) {
        set_number(o, row, i ? least_of(row) : most_of(row));
        assert_applied(k, row, object);
    }
}

static void test_every_option_reaches_its_property(void **state) {
    for_each_row(reaches_its_property);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_option_begins_with_its_default),
        cmocka_unit_test(test_every_number_has_its_range),
        cmocka_unit_test(test_every_choice_is_one_of_its_list),
        cmocka_unit_test(test_no_text_is_empty),
        cmocka_unit_test(test_a_list_of_numbers_has_an_end),
        cmocka_unit_test(test_every_option_is_copied),
        cmocka_unit_test(test_a_copy_and_its_original_may_go_in_any_order),
        cmocka_unit_test(test_every_field_has_a_row),
        cmocka_unit_test(test_what_an_option_stands_for_is_not_set_by_name),
        cmocka_unit_test(test_every_option_reaches_its_property),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
