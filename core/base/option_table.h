/*
 * Option table: one row for each option of an object. Its default, the check of its setter, copy
 * and free follow from the row here; its librdkafka property in kafka/option_properties.h; the
 * refusal of that property's own name in system/native_property.h; its place in `describe` in
 * system/describe.c; and its keyword argument and method in Python.
 *
 * A copy is made row by row and never as a whole, so that a field without a row cannot share a
 * pointer with the original.
 */
#ifndef KCA_BASE_OPTION_TABLE_H
#define KCA_BASE_OPTION_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/option.h"

/* What the field is. */
typedef enum kca__option_kind {
    KCA__OPTION_INT,
    KCA__OPTION_FLAG, /* int, 0 or 1 */
    KCA__OPTION_TIME, /* int64_t, milliseconds since 1970 */
    KCA__OPTION_DOUBLE,
    KCA__OPTION_TEXT,   /* char *, the object's own; NULL: not set */
    KCA__OPTION_CHOICE, /* const char *, one of `choices` itself; NULL: not set */
    KCA__OPTION_INTS,   /* kca__option_ints: a setter that may be called again adds one */
    KCA__OPTION_TEXTS   /* kca__option_texts */
} kca__option_kind;

/* A number whose default depends on more than its row holds this until it is set. */
enum { KCA__OPTION_UNSET = -1 };

typedef struct kca__option_ints {
    int *items;
    int count;
} kca__option_ints;

typedef struct kca__option_texts {
    char **items;
    int count;
} kca__option_texts;

/* Whose with_property refuses the names of a row's properties. */
typedef enum kca__option_refusal {
    KCA__REFUSED_EVERYWHERE,
    KCA__REFUSED_HERE, /* others may set it by name */
    KCA__REFUSED_NOWHERE
} kca__option_refusal;

typedef struct kca__option {
    const char *name; /* with_<name>; in errors, in `describe` and as Python's keyword argument */
    size_t field;     /* its offset in the object */
    kca__option_kind kind;
    double least, most, initial; /* of numbers, which a double holds exactly */
    int at_most;                 /* of INTS: how many */
    const char *const *choices;  /* ends with NULL; the default comes first */
    bool depends;                /* on more than this row does the default: it begins unset */
    const char *otherwise;       /* what a text means that is not set; NULL: there is none then */

    /* What is wrong with a text; NULL: it must not be empty. */
    kca_error *(*check)(kca__option_owner owner, const char *value);

    const char *sets;       /* the librdkafka property that gets the value as it is */
    const char *stands_for; /* more properties that it decides, or other names of that one, with
                               spaces between them */
    kca__option_refusal refusal;
    const char *instead; /* what such a property's refusal tells to use; NULL: the name */

    const char *document; /* its name in Gomes' document */
    bool hidden;          /* `describe` does not show it, or shows it otherwise */
} kca__option;

/* Which options were given: a bit for each row. */
typedef uint64_t kca__options_given;

/* The options of one object, for its setters. `object` NULL: they do nothing. */
typedef struct kca__options {
    const kca__option *rows; /* the last has no name */
    void *object;
    kca__option_owner owner;
    kca__options_given *given; /* NULL: nobody asks */
} kca__options;

/* Whether the setter of this option was called, also with the value that is its default. */
bool kca__options_has(const kca__option *rows, kca__options_given given, const char *name);

/* Sets the defaults in a zeroed object. */
void kca__options_init(const kca__option *rows, void *object);

/* Copies into `to`, which has just been initialized. False when memory is out; `to` is to be closed
 * then. */
bool kca__options_copy(const kca__option *rows, void *to, const void *from);

void kca__options_close(const kca__option *rows, void *object);

/* Set the option of this name, or keep what is wrong with the value as the object's error. */
void kca__options_set_int(kca__options o, const char *name, int value);
void kca__options_set_time(kca__options o, const char *name, int64_t ms);
void kca__options_set_double(kca__options o, const char *name, double value);
void kca__options_set_text(kca__options o, const char *name, const char *value);
void kca__options_add_int(kca__options o, const char *name, int value);
void kca__options_add_text(kca__options o, const char *name, const char *value);

/* The row of a name; NULL: there is none. */
const kca__option *kca__option_find(const kca__option *rows, const char *name);

/* The field. */
void *kca__option_field(const kca__option *row, const void *object);

/* The value of INT, FLAG, TIME and DOUBLE. */
double kca__option_number(const kca__option *row, const void *object);

/* The value of TEXT and CHOICE; NULL: there is none. */
const char *kca__option_word(const kca__option *row, const void *object);

/* Either as a text, a number written into `room`; NULL: there is none. */
const char *kca__option_value(const kca__option *row, const void *object, char room[32]);

#endif
