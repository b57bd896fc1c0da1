#include "base/text.h"

#include "base/number.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *kca__text_copy(const char *text) {
    return text ? strdup(text) : NULL;
}

bool kca__text_set(char **text, const char *value) {
    char *copy = kca__text_copy(value);
    if (value && !copy)
        return false;
    free(*text);
    *text = copy;
    return true;
}

char *kca__text_format(const char *format, ...) {
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);
    return len < 0 ? NULL : text;
}

enum { NAME_LIMIT = 128 };

int kca__text_distance(const char *a, const char *b) {
    int a_len = (int)strnlen(a, NAME_LIMIT), b_len = (int)strnlen(b, NAME_LIMIT);
    int row[NAME_LIMIT + 1];

    for (int j = 0; j <= b_len; j++)
        row[j] = j;
    for (int i = 1; i <= a_len; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= b_len; j++) {
            int above = row[j];
            row[j] = kca__min_int(kca__min_int(row[j], row[j - 1]) + 1,
                                  diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[b_len];
}
