/* Checks of option values: what is out of range becomes the builder's error, with what was allowed.
 */
#ifndef KCA_BASE_OPTION_H
#define KCA_BASE_OPTION_H

#include <stdbool.h>

#include "kca.h"

/* Whose option: "publisher" and the topic, "consumer" and its name ... */
typedef struct kca__option_owner {
    const char *kind;
    const char *name;
    kca_error **error; /* first failure is kept here */
} kca__option_owner;

/* Sets `*field` to a value from `least` to `most`. */
void kca__option_int(int *field, kca__option_owner owner, const char *option, int value, int least,
                     int most);

/* Sets `*field` to a number, which may have a fraction, from `least` to `most`. */
void kca__option_double(double *field, kca__option_owner owner, const char *option, double value,
                        double least, double most);

/* Sets `*field` to a copy of `value`, which must not be empty. */
void kca__option_text(char **field, kca__option_owner owner, const char *option, const char *value);

/* Sets `*field` to the one of `choices`, which NULL ends, that equals `value`. */
void kca__option_choice(const char **field, kca__option_owner owner, const char *option,
                        const char *value, const char *const *choices);

/* A text that others read: UTF-8 without control characters. */
kca_error *kca__option_check_text(const char *what, const char *text);

/* A topic's, group's or connection's name: not empty, at most `most` characters, a
 * text as above. */
kca_error *kca__option_check_name(const char *what, const char *name, int most);

/* Kafka's rule for topic names: letters, digits, '.', '_', '-', at most 249. */
kca_error *kca__option_check_topic(const char *topic);

#endif
