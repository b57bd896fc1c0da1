/* Reports as JSON what a redrive did, or would do. */
#include "redrive/redrive_run.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_MESSAGES = 100, MOST_NAMES = 100 };

static const char OTHERS[] = "(others)";

bool kca__redrive_report_open(kca__redrive_report *r) {
    r->by_topic = cJSON_CreateObject();
    r->by_error = cJSON_CreateObject();
    r->messages = cJSON_CreateArray();
    return r->by_topic && r->by_error && r->messages;
}

void kca__redrive_report_close(kca__redrive_report *r) {
    cJSON_Delete(r->by_topic);
    cJSON_Delete(r->by_error);
    cJSON_Delete(r->messages);
}

/* ---- one message ---- */

static void add_number(cJSON *o, const char *name, int64_t number, int64_t least) {
    if (number >= least)
        cJSON_AddNumberToObject(o, name, (double)number);
    else
        cJSON_AddNullToObject(o, name);
}

/* The texts come from elsewhere: they may be long, or not UTF-8. */
static void add_text(cJSON *o, const char *name, const char *text) {
    char plain[KCA__DEAD_LETTER_ERROR_MOST + 1];
    if (text && kca__dead_letter_plain(plain, text) > 0)
        cJSON_AddStringToObject(o, name, plain);
    else
        cJSON_AddNullToObject(o, name);
}

static void add_key(cJSON *o, const void *key, size_t len) {
    char text[KCA__DEAD_LETTER_ERROR_MOST + 1];
    char plain[sizeof text];
    if (!key) {
        cJSON_AddNullToObject(o, "key");
        return;
    }
    len = len < sizeof text ? len : sizeof text - 1;
    memcpy(text, key, len);
    text[len] = '\0';
    for (char *nul; (nul = memchr(text, '\0', len));)
        *nul = ' ';
    kca__dead_letter_plain(plain, text);
    cJSON_AddStringToObject(o, "key", plain);
}

void kca__redrive_report_list(kca__redrive_report *r, kca__redrive_letter *letter) {
    const kca__dead_letter *d = &letter->reading.letter;
    if (r->listed == MOST_MESSAGES || letter->outcome == KCA__LEFT_OUT ||
        letter->outcome == KCA__NOT_DEAD_LETTER)
        return;
    cJSON *o = letter->listing = cJSON_CreateObject();
    if (!o)
        return;
    r->listed++;
    add_number(o, "partition", letter->partition->number, 0);
    add_number(o, "offset", letter->record->offset, 0);
    add_text(o, "topic", d->topic);
    add_number(o, "original_partition", d->partition, 0);
    add_number(o, "original_offset", d->offset, 0);
    add_key(o, d->key, d->key_len);
    add_text(o, "error_name", d->error_name);
    add_text(o, "error_text", d->error_text);
    add_number(o, "attempts", d->attempts, 1);
    add_number(o, "redrives", letter->redrives, 0);
    cJSON_AddBoolToObject(o, "redriven", letter->outcome == KCA__REDRIVEN);
}

/* ---- counts ---- */

static void count_name(cJSON *counts, const char *text) {
    char name[KCA__DEAD_LETTER_ERROR_MOST + 1];
    kca__dead_letter_plain(name, text);
    cJSON *count = cJSON_GetObjectItemCaseSensitive(counts, name);
    if (!count && cJSON_GetArraySize(counts) >= MOST_NAMES) {
        strcpy(name, OTHERS);
        count = cJSON_GetObjectItemCaseSensitive(counts, name);
    }
    if (count)
        cJSON_SetNumberValue(count, count->valuedouble + 1);
    else
        cJSON_AddNumberToObject(counts, name, 1);
}

void kca__redrive_report_count(kca__redrive_report *r, kca__redrive_letter *letter) {
    r->counts[letter->outcome]++;
    if (letter->outcome == KCA__REDRIVEN) {
        count_name(r->by_topic, letter->reading.letter.topic);
        count_name(r->by_error, letter->reading.letter.error_name);
    }
    if (letter->listing)
        cJSON_AddItemToArray(r->messages, letter->listing);
    letter->listing = NULL;
}

/* ---- the text ---- */

static void add_counts(cJSON *o, const kca__redrive_report *r) {
    static const char *const names[KCA__REDRIVE_OUTCOMES] = {
        [KCA__REDRIVEN] = "redriven",
        [KCA__LEFT_OUT] = "left_out",
        [KCA__GUARDED] = "guarded",
        [KCA__NOT_DEAD_LETTER] = "not_dead_letters",
        [KCA__UNKNOWN_TARGET] = "unknown_target",
    };
    int64_t read = 0;
    for (int i = 0; i < KCA__REDRIVE_OUTCOMES; i++)
        read += r->counts[i];
    cJSON_AddNumberToObject(o, "read", (double)read);
    for (int i = 0; i < KCA__REDRIVE_OUTCOMES; i++)
        cJSON_AddNumberToObject(o, names[i], (double)r->counts[i]);
}

char *kca__redrive_report_write(const kca__redrive_run *run) {
    const kca_redrive *options = run->options;
    int64_t remaining = kca__redrive_source_remaining(run);
    cJSON *o = cJSON_CreateObject();
    cJSON_AddBoolToObject(o, "dry_run", options->dry_run);
    cJSON_AddStringToObject(o, "topic", options->topic);
    cJSON_AddStringToObject(o, "group", options->group_id);
    cJSON_AddBoolToObject(o, "complete", remaining == 0);
    add_counts(o, &run->report);
    cJSON_AddNumberToObject(o, "remaining", (double)remaining);
    cJSON_AddItemReferenceToObject(o, "by_topic", run->report.by_topic);
    cJSON_AddItemReferenceToObject(o, "by_error", run->report.by_error);
    cJSON_AddItemReferenceToObject(o, "messages", run->report.messages);
    char *text = o ? cJSON_PrintUnformatted(o) : NULL;
    cJSON_Delete(o);
    return text;
}
