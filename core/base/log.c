#include "base/log.h"

#include "base/error.h"
#include "base/text.h"
#include "base/utf8.h"
#include "base/visible.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SHORTEST_SECRET = 4, LONGEST_LINE = 2000, LONGEST_ESCAPE = 4 /* of one byte */ };

void kca__log_init(kca__log *log, kca__event_queue *queue) {
    memset(log, 0, sizeof *log);
    atomic_init(&log->queue, queue);
    pthread_mutex_init(&log->lock, NULL);
}

void kca__log_close(kca__log *log) {
    for (int i = 0; i < log->secret_count; i++)
        free(log->secrets[i]);
    free(log->secrets);
    pthread_mutex_destroy(&log->lock);
}

/* Secrets are kept longest first: one that is part of another must not be blotted out before it. */
bool kca__log_add_secret(kca__log *log, const char *secret) {
    if (!secret || strlen(secret) < SHORTEST_SECRET)
        return true;
    char *copy = kca__text_copy(secret);
    if (!copy)
        return false;
    pthread_mutex_lock(&log->lock);
    char **grown = realloc(log->secrets, (size_t)(log->secret_count + 1) * sizeof *grown);
    if (grown) {
        log->secrets = grown;
        int at = log->secret_count++;
        for (; at > 0 && strlen(grown[at - 1]) < strlen(copy); at--)
            grown[at] = grown[at - 1];
        grown[at] = copy;
    }
    pthread_mutex_unlock(&log->lock);
    if (!grown)
        free(copy);
    return grown != NULL;
}

void kca__log_mask(kca__log *log, char *text) {
    pthread_mutex_lock(&log->lock);
    for (int i = 0; i < log->secret_count; i++)
        for (char *at = text; (at = strstr(at, log->secrets[i])); at += strlen(log->secrets[i]))
            memset(at, '*', strlen(log->secrets[i]));
    pthread_mutex_unlock(&log->lock);
}

bool kca__log_is_off(kca__log *log) {
    return atomic_load(&log->stderr_level) == KCA_LOG_OFF &&
           atomic_load(&log->queue_level) == KCA_LOG_OFF;
}

static void write_stderr(int level, const char *component, const char *text) {
    static const char *const names[] = {"", "ERROR", "WARN ", "INFO ", "DEBUG"};
    char when[20];
    struct tm utc;
    const time_t now = (time_t)(kca__clock_unix_ms() / 1000);
    strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", gmtime_r(&now, &utc));
    fprintf(stderr, "%s %s %s: %s\n", when, names[level], component, text);
}

void kca__log_write(kca__log *log, int level, const char *component, const char *name,
                    const char *format, ...) {
    int to_stderr = atomic_load_explicit(&log->stderr_level, memory_order_relaxed);
    int to_queue = atomic_load_explicit(&log->queue_level, memory_order_relaxed);
    if (level > to_stderr && level > to_queue)
        return;

    char raw[LONGEST_LINE], text[LONGEST_ESCAPE * LONGEST_LINE];
    va_list args;
    va_start(args, format);
    vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    kca__log_mask(log, raw);
    kca__sink sink = {.data = text};
    kca__visible_put(&sink, raw, kca__utf8_clip(raw, sizeof raw - 2));
    text[sink.len] = '\0';

    char who[200];
    snprintf(who, sizeof who, "%s%s%s", component, name ? " " : "", name ? name : "");
    if (level <= to_stderr)
        write_stderr(level, who, text);
    if (level <= to_queue)
        kca__event_queue_push_note(atomic_load(&log->queue), kca__event_new_log(level, who, text));
}
