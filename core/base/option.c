#include "base/option.h"

#include "base/error.h"
#include "base/text.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

void kca__option_int(int *field, kca__option_owner owner, const char *option, int value, int least,
                     int most) {
    if (value >= least && value <= most)
        *field = value;
    else
        kca__error_keep_first(
            owner.error, kca__error_new(KCA_ERROR_ARGUMENT, "%s %s: %s must be %d to %d, got %d",
                                        owner.kind, owner.name, option, least, most, value));
}

void kca__option_double(double *field, kca__option_owner owner, const char *option, double value,
                        double least, double most) {
    if (value >= least && value <= most)
        *field = value;
    else
        kca__error_keep_first(owner.error,
                              kca__error_new(KCA_ERROR_ARGUMENT,
                                             "%s %s: %s must be %.1f to %.1f, got %g", owner.kind,
                                             owner.name, option, least, most, value));
}

void kca__option_text(char **field, kca__option_owner owner, const char *option,
                      const char *value) {
    if (!value || !*value)
        kca__error_keep_first(owner.error, kca__error_new(KCA_ERROR_ARGUMENT, "%s %s: %s is empty",
                                                          owner.kind, owner.name, option));
    else if (!kca__text_set(field, value))
        kca__error_keep_first(owner.error, kca__error_memory());
}

void kca__option_choice(const char **field, kca__option_owner owner, const char *option,
                        const char *value, const char *const *choices) {
    char allowed[200] = "";
    for (const char *const *choice = choices; *choice; choice++) {
        if (value && strcmp(value, *choice) == 0) {
            *field = *choice;
            return;
        }
        size_t used = strlen(allowed);
        snprintf(allowed + used, sizeof allowed - used, "%s%s", used ? ", " : "", *choice);
    }
    kca__error_keep_first(owner.error,
                          kca__error_new(KCA_ERROR_ARGUMENT, "%s %s: %s must be one of %s, got %s",
                                         owner.kind, owner.name, option, allowed,
                                         value ? value : "NULL"));
}

kca_error *kca__option_check_text(const char *what, const char *text) {
    const char *end = text + strlen(text);
    for (const char *p = text; p < end;) {
        size_t step = kca__utf8_len(p, end);
        int at = (int)(p - text);
        if (step == 0)
            return kca__error_new(KCA_ERROR_ARGUMENT,
                                  "%s must be UTF-8, got the byte 0x%02x at offset %d in \"%s\"",
                                  what, (unsigned char)*p, at, text);
        if ((step == 1 && ((unsigned char)*p < ' ' || *p == 0x7f)) ||
            (step == 2 && (unsigned char)p[0] == 0xc2 && (unsigned char)p[1] < 0xa0))
            return kca__error_new(
                KCA_ERROR_ARGUMENT,
                "%s must be without control characters, got one (code %d) at offset %d in \"%s\"",
                what, step == 1 ? *p : (unsigned char)p[1], at, text);
        p += step;
    }
    return NULL;
}

kca_error *kca__option_check_name(const char *what, const char *name, int most) {
    size_t len = name ? strlen(name) : 0;
    if (len == 0 || len > (size_t)most)
        return kca__error_new(KCA_ERROR_ARGUMENT, "%s must have 1 to %d characters, got %zu", what,
                              most, len);
    return kca__option_check_text(what, name);
}

kca_error *kca__option_check_topic(const char *topic) {
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    kca_error *e = kca__option_check_name("topic", topic, 249);
    if (e)
        return e;
    if (topic[strspn(topic, allowed)] != '\0' || strcmp(topic, ".") == 0 ||
        strcmp(topic, "..") == 0)
        return kca__error_new(KCA_ERROR_ARGUMENT,
                              "topic %s: letters, digits, '.', '_' and '-' are allowed", topic);
    return NULL;
}
