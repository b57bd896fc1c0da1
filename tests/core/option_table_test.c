/* What each row of each option table says of its values and properties holds. */
#include "testing.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "option_kinds.h"

#include "base/error.h"
#include "base/text.h"
#include "kafka/option_properties.h"
#include "system/native_property.h"

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
    /* Only newer ones have the group protocol "consumer". */
    assert_true(kca__property_is_known(property) ||
                (rd_kafka_version() < 0x020c00ff && strncmp(property, "group.", 6) == 0));
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
        cmocka_unit_test(test_what_an_option_stands_for_is_not_set_by_name),
        cmocka_unit_test(test_every_option_reaches_its_property),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
