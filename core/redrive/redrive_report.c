/* Reports as JSON what a redrive did, or would do. */
#include "redrive/redrive_run.h"

#include "base/base64.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_NAMES = 100 };

static const char OTHERS[] = "(others)";

static const char *const outcomes[KCA__REDRIVE_OUTCOMES] = {
    [KCA__REDRIVEN] = "redriven",
    [KCA__LEFT_OUT] = "left_out",
    [KCA__GUARDED] = "guarded",
    [KCA__NOT_DEAD_LETTER] = "not_dead_letters",
    [KCA__UNKNOWN_TARGET] = "unknown_target",
    [KCA__NOT_ALLOWED] = "not_allowed",
    [KCA__MISSING_TARGET] = "missing_target",
    [KCA__REFUSED] = "refused",
};

bool kca__redrive_report_open(kca__redrive_report *r) {
    r->by_topic = cJSON_CreateObject();
    r->by_error = cJSON_CreateObject();
    r->by_target = cJSON_CreateObject();
    r->troubles = cJSON_CreateObject();
    r->not_allowed_by_topic = cJSON_CreateObject();
    r->not_allowed_by_error = cJSON_CreateObject();
    return r->by_topic && r->by_error && r->by_target && r->troubles && r->not_allowed_by_topic &&
           r->not_allowed_by_error;
}

void kca__redrive_report_close(kca__redrive_report *r) {
    cJSON_Delete(r->by_topic);
    cJSON_Delete(r->by_error);
    cJSON_Delete(r->by_target);
    cJSON_Delete(r->troubles);
    cJSON_Delete(r->not_allowed_by_topic);
    cJSON_Delete(r->not_allowed_by_error);
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
    char plain[KCA__DEAD_LETTER_ERROR_MOST + 1];
    if (!key) {
        cJSON_AddNullToObject(o, "key");
        return;
    }
    kca__dead_letter_plain_bytes(plain, key, len);
    cJSON_AddStringToObject(o, "key", plain);
}

/* Bytes in base64; null for none. */
static cJSON *bytes_of(const void *bytes, size_t len) {
    char *text = bytes ? malloc(len / 3 * 4 + 5) : NULL;
    kca__sink sink = {text, 0};
    if (!text)
        return cJSON_CreateNull();
    kca__base64_write(&sink, &kca__base64_standard, bytes, len);
    text[sink.len] = '\0';
    cJSON *made = cJSON_CreateString(text);
    free(text);
    return made;
}

/* The failed record as it would be published, but for the count of redrives. */
static void add_record(cJSON *o, const kca__dead_letter *d) {
    cJSON *record = cJSON_AddObjectToObject(o, "record");
    cJSON_AddItemToObject(record, "key", bytes_of(d->key, d->key_len));
    cJSON_AddItemToObject(record, "value", bytes_of(d->value, d->value_len));
    cJSON *headers = cJSON_AddArrayToObject(record, "headers");
    for (int i = 0; i < d->header_count; i++) {
        const kca__header *h = &d->headers[i];
        cJSON *pair = cJSON_CreateArray();
        cJSON_AddItemToArray(pair, bytes_of(h->name, strlen(h->name)));
        cJSON_AddItemToArray(pair, bytes_of(h->value, h->value_len));
        cJSON_AddItemToArray(headers, pair);
    }
}

void kca__redrive_report_list(kca__redrive_letter *letter) {
    kca__redrive_partition *p = letter->partition;
    const kca__dead_letter *d = &letter->reading.letter;
    if (letter->outcome == KCA__LEFT_OUT || letter->outcome == KCA__NOT_DEAD_LETTER)
        return;
    if (p->listed_count == p->run->options->max_listed) {
        if (p->not_listed < 0)
            p->not_listed = letter->record->offset;
        return;
    }
    cJSON *o = letter->listing = cJSON_CreateObject();
    if (!o)
        return;
    p->listed_count++;
    add_number(o, "partition", p->number, 0);
    add_number(o, "offset", letter->record->offset, 0);
    cJSON_AddStringToObject(o, "format", letter->reading.house);
    add_text(o, "topic", d->topic);
    add_number(o, "original_partition", d->partition, 0);
    add_number(o, "original_offset", d->offset, 0);
    add_key(o, d->key, d->key_len);
    add_text(o, "error_name", d->error_name);
    add_text(o, "error_text", d->error_text);
    add_number(o, "attempts", d->attempts, 1);
    add_number(o, "redrives", letter->redrives, 0);
    if (p->run->options->list_records)
        add_record(o, d);
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

/* Why it was passed by; an empty text: that needs no words. */
static void write_trouble(char out[1500], const kca__redrive_letter *letter) {
    char topic[KCA__DEAD_LETTER_ERROR_MOST + 1];
    const kca_redrive *options = letter->partition->run->options;
    kca__dead_letter_plain(topic,
                           letter->target ? letter->target->name : letter->reading.letter.topic);
    out[0] = '\0';
    if (letter->outcome == KCA__UNKNOWN_TARGET && !*topic)
        snprintf(out, 1500, "names no topic");
    else if (letter->outcome == KCA__UNKNOWN_TARGET)
        snprintf(out, 1500, "topic %s: %s", topic,
                 strcmp(topic, options->topic) == 0 ? "it is the one that is read"
                                                    : "the name is internal or not valid");
    else if (letter->outcome == KCA__NOT_ALLOWED)
        snprintf(out, 1500, "topic %s: it is not allowed", topic);
    else if (letter->outcome == KCA__MISSING_TARGET)
        snprintf(out, 1500, "topic %s: it does not exist", topic);
    else if (letter->outcome == KCA__REFUSED)
        snprintf(out, 1500, "topic %s: %s", topic, rd_kafka_err2str(letter->cause));
}

static void finish_listing(kca__redrive_letter *letter, const char *trouble) {
    cJSON *o = letter->listing;
    letter->listing = NULL;
    if (!o)
        return;
    cJSON_AddStringToObject(o, "outcome", outcomes[letter->outcome]);
    cJSON_AddBoolToObject(o, "redriven", letter->outcome == KCA__REDRIVEN);
    if (*trouble)
        cJSON_AddStringToObject(o, "trouble", trouble);
    else
        cJSON_AddNullToObject(o, "trouble");
    cJSON_AddItemToArray(letter->partition->listed, o);
}

void kca__redrive_report_count(kca__redrive_letter *letter) {
    kca__redrive_report *r = &letter->partition->run->report;
    const kca__dead_letter *d = &letter->reading.letter;
    char trouble[1500];
    r->counts[letter->outcome]++;
    write_trouble(trouble, letter);
    if (*trouble)
        count_name(r->troubles, trouble);
    if (letter->outcome == KCA__NOT_ALLOWED) {
        count_name(r->not_allowed_by_topic, d->topic);
        count_name(r->not_allowed_by_error, d->error_name);
    }
    if (letter->outcome == KCA__REDRIVEN) {
        count_name(r->by_topic, d->topic);
        count_name(r->by_error, d->error_name);
        count_name(r->by_target, letter->target->name);
    }
    finish_listing(letter, trouble);
}

/* ---- the text ---- */

static void add_counts(cJSON *o, const kca__redrive_report *r) {
    int64_t read = 0;
    for (int i = 0; i < KCA__REDRIVE_OUTCOMES; i++)
        read += r->counts[i];
    cJSON_AddNumberToObject(o, "read", (double)read);
    for (int i = 0; i < KCA__REDRIVE_OUTCOMES; i++)
        cJSON_AddNumberToObject(o, outcomes[i], (double)r->counts[i]);
}

static void add_next(cJSON *o, int partition, int64_t offset) {
    cJSON *next = cJSON_AddObjectToObject(o, "next");
    cJSON_AddNumberToObject(next, "partition", partition);
    cJSON_AddNumberToObject(next, "offset", (double)offset);
}

/* The partitions' listings, one after another; as many as are wanted, and where the next is. */
static void add_messages(cJSON *o, const kca__redrive_run *run) {
    cJSON *messages = cJSON_AddArrayToObject(o, "messages");
    int room = run->options->max_listed;
    for (int i = 0; i < run->partition_count; i++) {
        const kca__redrive_partition *p = &run->partitions[i];
        cJSON *message;
        for (; room > 0 && (message = cJSON_DetachItemFromArray(p->listed, 0)); room--)
            cJSON_AddItemToArray(messages, message);
        message = cJSON_GetArrayItem(p->listed, 0);
        int64_t next = message
                           ? (int64_t)cJSON_GetNumberValue(cJSON_GetObjectItem(message, "offset"))
                           : p->not_listed;
        if (next >= 0) {
            add_next(o, p->number, next);
            return;
        }
    }
    cJSON_AddNullToObject(o, "next");
}

char *kca__redrive_report_write(const kca__redrive_run *run) {
    const kca_redrive *options = run->options;
    const kca__redrive_report *r = &run->report;
    cJSON *o = cJSON_CreateObject();
    cJSON_AddBoolToObject(o, "dry_run", options->dry_run);
    cJSON_AddStringToObject(o, "topic", options->topic);
    cJSON_AddStringToObject(o, "group", options->group_id);
    cJSON_AddBoolToObject(o, "complete", kca__redrive_source_is_complete(run));
    cJSON_AddBoolToObject(o, "group_is_full", kca__redrive_source_is_full(run));
    add_counts(o, r);
    cJSON_AddNumberToObject(o, "remaining", (double)kca__redrive_source_remaining(run));
    cJSON_AddItemReferenceToObject(o, "by_topic", r->by_topic);
    cJSON_AddItemReferenceToObject(o, "by_error", r->by_error);
    cJSON_AddItemReferenceToObject(o, "by_target", r->by_target);
    cJSON_AddItemReferenceToObject(o, "not_allowed_by_topic", r->not_allowed_by_topic);
    cJSON_AddItemReferenceToObject(o, "not_allowed_by_error", r->not_allowed_by_error);
    cJSON_AddItemReferenceToObject(o, "troubles", r->troubles);
    add_messages(o, run);
    char *text = o ? cJSON_PrintUnformatted(o) : NULL;
    cJSON_Delete(o);
    return text;
}
