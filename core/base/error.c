#include "base/error.h"

#include "base/visible.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static kca_error out_of_memory = {KCA_ERROR_MEMORY, 0, 1, 0, "out of memory"};

/* The error with its text made visible. Takes `e`. */
static kca_error *make_visible(kca_error *e) {
    size_t len = strlen(e->text);
    if (kca__visible_is(e->text, len))
        return e;
    kca__sink sink = {0};
    kca__visible_put(&sink, e->text, len);
    kca_error *shown = calloc(1, sizeof *shown + sink.len + 1);
    if (shown) {
        sink = (kca__sink){.data = (char *)(shown + 1)};
        kca__visible_put(&sink, e->text, len);
        shown->text = sink.data;
    }
    free(e);
    return shown ? shown : &out_of_memory;
}

kca_error *kca__error_new_from(int code, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (len < 0)
        return &out_of_memory;

    kca_error *e = calloc(1, sizeof *e + (size_t)len + 1);
    if (!e)
        return &out_of_memory;
    char *text = (char *)(e + 1);
    vsnprintf(text, (size_t)len + 1, format, args);
    e->text = text;
    e = make_visible(e);
    if (e != &out_of_memory)
        e->code = code;
    return e;
}

kca_error *kca__error_new(int code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    kca_error *e = kca__error_new_from(code, format, args);
    va_end(args);
    return e;
}

kca_error *kca__error_mark(kca_error *e, int rdkafka_code, int marks) {
    if (e->code == KCA_ERROR_MEMORY)
        return e;
    e->rdkafka_code = rdkafka_code;
    e->retriable = (marks & KCA__RETRIABLE) != 0;
    e->fatal = (marks & KCA__FATAL) != 0;
    return e;
}

kca_error *kca__error_memory(void) {
    return &out_of_memory;
}

kca_error *kca__error_copy(const kca_error *e) {
    if (!e || e == &out_of_memory)
        return (kca_error *)e;
    size_t size = sizeof *e + strlen(e->text) + 1;
    kca_error *copy = malloc(size);
    if (!copy)
        return &out_of_memory;
    *copy = *e;
    copy->text = memcpy(copy + 1, e->text, size - sizeof *e);
    return copy;
}

void kca__error_keep_first(kca_error **first, kca_error *e) {
    if (*first)
        kca__error_free(e);
    else
        *first = e;
}

void kca__error_free(kca_error *e) {
    if (e != &out_of_memory)
        free(e);
}

const char *kca__error_name(const kca_error *e) {
    static const char *const names[] = {
        "ok",          "argument", "state",          "memory",        "forked",      "timeout",
        "unreachable", "tls",      "authentication", "authorization", "buffer_full", "not_stored",
        "too_large",   "payload",  "not_found",      "duplicate",     "handler",     "stopped",
        "broker",      "offset",   "hook",           "reply",         "cancelled",   "translator"};
    return names[e ? e->code : KCA_OK];
}
