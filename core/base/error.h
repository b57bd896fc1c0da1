/* Errors as values: made where something fails, owned by the caller that gets them. */
#ifndef KCA_BASE_ERROR_H
#define KCA_BASE_ERROR_H

#include <stdarg.h>

#include "kca.h"

struct kca_error {
    int code; /* KCA_ERROR_... */
    int rdkafka_code;
    int retriable;
    int fatal;
    const char *text; /* one line */
};

/* A new error; the format's text should name the thing, what is wrong and what is allowed; what
 * comes from others is made visible (base/visible), so it stays one line. Never
 * NULL: when memory is out it is the static out-of-memory error, which kca_error_free leaves alone.
 */
kca_error *kca__error_new(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ... with the arguments already taken. */
kca_error *kca__error_new_from(int code, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

kca_error *kca__error_memory(void);

/* What else an error tells, for kca__error_mark. */
enum { KCA__RETRIABLE = 1, KCA__FATAL = 2 };

/* Gives a new error the code of librdkafka that it comes of, 0 for none, and its marks. One of
 * KCA_ERROR_MEMORY, which may be the static one, stays as it is. Gives `e`. */
kca_error *kca__error_mark(kca_error *e, int rdkafka_code, int marks);

void kca__error_free(kca_error *e);

/* See kca_error_name. */
const char *kca__error_name(const kca_error *e);

/* NULL for NULL. */
kca_error *kca__error_copy(const kca_error *e);

/* Keeps `e` in `*first` if that is empty, else frees it: how setters remember their first failure.
 */
void kca__error_keep_first(kca_error **first, kca_error *e);

#endif
