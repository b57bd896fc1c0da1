/* One request after another to a collector, over HTTP. Used by one thread, but for the waking. */
#ifndef KCA_TELEMETRY_POST_H
#define KCA_TELEMETRY_POST_H

#include "telemetry/exporter_settings.h"

typedef enum kca__post_outcome {
    KCA__POST_TAKEN,
    KCA__POST_LATER,   /* nobody answered in time, or the answer says to try once more */
    KCA__POST_REFUSED, /* for good */
    KCA__POST_ENDED    /* `ends` said so */
} kca__post_outcome;

enum { KCA__POST_TEXT = 256 };

typedef struct kca__post_answer {
    kca__post_outcome outcome;
    int64_t refused;           /* spans, of a request that was taken */
    int64_t after_ms;          /* LATER: not before this time; 0: it did not say */
    char text[KCA__POST_TEXT]; /* why it was not taken */
} kca__post_answer;

typedef struct kca__post kca__post;

/* `settings` outlive it. An error: this library was built without libcurl, or memory is out. */
kca_error *kca__post_new(kca__post **out, const kca__exporter_settings *settings);
void kca__post_free(kca__post *p);

/* Sends the body, compressed if the settings say so. `ends(user)` is asked several times a
 * second, and when the post is woken. */
void kca__post_send(kca__post_answer *out, kca__post *p, const char *body, bool (*ends)(void *user),
                    void *user);

/* From any thread: the request under way asks `ends`. */
void kca__post_wake(kca__post *p);

#endif
