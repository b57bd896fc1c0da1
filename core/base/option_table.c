#include "base/option_table.h"

#include "base/error.h"
#include "base/text.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const kca__option *kca__option_find(const kca__option *rows, const char *name) {
    for (const kca__option *row = rows; row->name; row++)
        if (strcmp(row->name, name) == 0)
            return row;
    return NULL;
}

void *kca__option_field(const kca__option *row, const void *object) {
    return (char *)(uintptr_t)object + row->field;
}

void kca__options_init(const kca__option *rows, void *object) {
    for (const kca__option *row = rows; row->name; row++) {
        void *field = kca__option_field(row, object);
        double initial = row->depends ? KCA__OPTION_UNSET : row->initial;
        switch (row->kind) {
        case KCA__OPTION_INT:
        case KCA__OPTION_FLAG:
            *(int *)field = (int)initial;
            break;
        case KCA__OPTION_TIME:
            *(int64_t *)field = (int64_t)initial;
            break;
        case KCA__OPTION_DOUBLE:
            *(double *)field = initial;
            break;
        case KCA__OPTION_CHOICE:
            *(const char **)field = row->depends ? NULL : row->choices[0];
            break;
        case KCA__OPTION_TEXT:
        case KCA__OPTION_INTS:
        case KCA__OPTION_TEXTS:
            break;
        }
    }
}

/* ---- copies ---- */

static bool grow_ints(kca__option_ints *list, int value) {
    int *grown = realloc(list->items, (size_t)(list->count + 1) * sizeof *grown);
    if (!grown)
        return false;
    list->items = grown;
    grown[list->count++] = value;
    return true;
}

static bool grow_texts(kca__option_texts *list, const char *value) {
    char *copy = kca__text_copy(value);
    char **grown = copy ? realloc(list->items, (size_t)(list->count + 1) * sizeof *grown) : NULL;
    if (!grown) {
        free(copy);
        return false;
    }
    list->items = grown;
    grown[list->count++] = copy;
    return true;
}

static bool copy_ints(kca__option_ints *to, const kca__option_ints *from) {
    bool copied = true;
    for (int i = 0; i < from->count && copied; i++)
        copied = grow_ints(to, from->items[i]);
    return copied;
}

static bool copy_texts(kca__option_texts *to, const kca__option_texts *from) {
    bool copied = true;
    for (int i = 0; i < from->count && copied; i++)
        copied = grow_texts(to, from->items[i]);
    return copied;
}

static bool copy_field(kca__option_kind kind, void *to, const void *from) {
    switch (kind) {
    case KCA__OPTION_INT:
    case KCA__OPTION_FLAG:
        *(int *)to = *(const int *)from;
        return true;
    case KCA__OPTION_TIME:
        *(int64_t *)to = *(const int64_t *)from;
        return true;
    case KCA__OPTION_DOUBLE:
        *(double *)to = *(const double *)from;
        return true;
    case KCA__OPTION_CHOICE:
        *(const char **)to = *(const char *const *)from;
        return true;
    case KCA__OPTION_TEXT:
        return kca__text_set(to, *(char *const *)from);
    case KCA__OPTION_INTS:
        return copy_ints(to, from);
    case KCA__OPTION_TEXTS:
        return copy_texts(to, from);
    }
    return false;
}

bool kca__options_copy(const kca__option *rows, void *to, const void *from) {
    bool copied = true;
    for (const kca__option *row = rows; row->name && copied; row++)
        copied = copy_field(row->kind, kca__option_field(row, to), kca__option_field(row, from));
    return copied;
}

void kca__options_close(const kca__option *rows, void *object) {
    for (const kca__option *row = rows; row->name; row++) {
        void *field = kca__option_field(row, object);
        if (row->kind == KCA__OPTION_TEXT)
            free(*(char **)field);
        else if (row->kind == KCA__OPTION_INTS)
            free(((kca__option_ints *)field)->items);
        else if (row->kind == KCA__OPTION_TEXTS) {
            kca__option_texts *texts = field;
            for (int i = 0; i < texts->count; i++)
                free(texts->items[i]);
            free(texts->items);
        }
    }
}

/* ---- setters ---- */

static kca__options_given bit_of(const kca__option *rows, const kca__option *row) {
    assert(row - rows < 64);
    return UINT64_C(1) << (row - rows);
}

bool kca__options_has(const kca__option *rows, kca__options_given given, const char *name) {
    return (given & bit_of(rows, kca__option_find(rows, name))) != 0;
}

static const kca__option *row_of(kca__options o, const char *name, kca__option_kind kind,
                                 kca__option_kind or_kind) {
    const kca__option *row = kca__option_find(o.rows, name);
    assert(row && (row->kind == kind || row->kind == or_kind));
    (void)kind, (void)or_kind;
    if (o.given)
        *o.given |= bit_of(o.rows, row);
    return row;
}

/* Takes `e`. */
static void keep(kca__options o, kca_error *e) {
    kca__error_keep_first(o.owner.error, e);
}

void kca__options_set_int(kca__options o, const char *name, int value) {
    if (!o.object)
        return;
    const kca__option *row = row_of(o, name, KCA__OPTION_INT, KCA__OPTION_FLAG);
    bool flag = row->kind == KCA__OPTION_FLAG;
    kca__option_int(kca__option_field(row, o.object), o.owner, name, value,
                    flag ? 0 : (int)row->least, flag ? 1 : (int)row->most);
}

void kca__options_set_time(kca__options o, const char *name, int64_t ms) {
    if (!o.object)
        return;
    const kca__option *row = row_of(o, name, KCA__OPTION_TIME, KCA__OPTION_TIME);
    int64_t least = (int64_t)row->least, most = (int64_t)row->most;
    if (ms >= least && ms <= most)
        *(int64_t *)kca__option_field(row, o.object) = ms;
    else
        keep(o, kca__error_new(KCA_ERROR_ARGUMENT,
                               "%s %s: %s must be %" PRId64 " to %" PRId64 ", got %" PRId64,
                               o.owner.kind, o.owner.name, name, least, most, ms));
}

void kca__options_set_double(kca__options o, const char *name, double value) {
    if (!o.object)
        return;
    const kca__option *row = row_of(o, name, KCA__OPTION_DOUBLE, KCA__OPTION_DOUBLE);
    kca__option_double(kca__option_field(row, o.object), o.owner, name, value, row->least,
                       row->most);
}

void kca__options_set_text(kca__options o, const char *name, const char *value) {
    if (!o.object)
        return;
    const kca__option *row = row_of(o, name, KCA__OPTION_TEXT, KCA__OPTION_CHOICE);
    void *field = kca__option_field(row, o.object);
    kca_error *e = row->check ? row->check(o.owner, value) : NULL;
    if (e)
        keep(o, e);
    else if (row->kind == KCA__OPTION_CHOICE)
        kca__option_choice(field, o.owner, name, value, row->choices);
    else
        kca__option_text(field, o.owner, name, value);
}

void kca__options_add_int(kca__options o, const char *name, int value) {
    if (!o.object)
        return;
    const kca__option *row = row_of(o, name, KCA__OPTION_INTS, KCA__OPTION_INTS);
    kca__option_ints *list = kca__option_field(row, o.object);
    int least = (int)row->least, most = (int)row->most, checked = least;
    if (list->count == row->at_most) {
        keep(o, kca__error_new(KCA_ERROR_ARGUMENT, "%s %s: at most %d %s", o.owner.kind,
                               o.owner.name, row->at_most, name));
        return;
    }
    kca__option_int(&checked, o.owner, name, value, least, most);
    if (!grow_ints(list, checked))
        keep(o, kca__error_memory());
}

void kca__options_add_text(kca__options o, const char *name, const char *value) {
    if (!o.object)
        return;
    const kca__option *row = row_of(o, name, KCA__OPTION_TEXTS, KCA__OPTION_TEXTS);
    kca_error *e = row->check(o.owner, value);
    if (!e && !grow_texts(kca__option_field(row, o.object), value))
        e = kca__error_memory();
    if (e)
        keep(o, e);
}

/* ---- values ---- */

double kca__option_number(const kca__option *row, const void *object) {
    const void *field = kca__option_field(row, object);
    if (row->kind == KCA__OPTION_DOUBLE)
        return *(const double *)field;
    return row->kind == KCA__OPTION_TIME ? (double)*(const int64_t *)field : *(const int *)field;
}

const char *kca__option_word(const kca__option *row, const void *object) {
    const char *word = *(char *const *)kca__option_field(row, object);
    return word ? word : row->otherwise;
}

const char *kca__option_value(const kca__option *row, const void *object, char room[32]) {
    switch (row->kind) {
    case KCA__OPTION_TEXT:
    case KCA__OPTION_CHOICE:
        return kca__option_word(row, object);
    case KCA__OPTION_FLAG:
        return kca__option_number(row, object) != 0 ? "true" : "false";
    case KCA__OPTION_INT:
    case KCA__OPTION_TIME:
    case KCA__OPTION_DOUBLE:
        snprintf(room, 32, "%.15g", kca__option_number(row, object));
        return room;
    case KCA__OPTION_INTS:
    case KCA__OPTION_TEXTS:
        break;
    }
    return NULL;
}
