/* Decides what becomes of a record of the dead-letter topic. */
#include "redrive/redrive_run.h"

#include "base/error.h"
#include "base/option.h"
#include "kafka/record_headers.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_REDRIVES = 1000000000 }; /* a count is cut to this, which an int holds */

void kca__redrive_letter_free(kca__redrive_letter *letter) {
    cJSON_Delete(letter->listing);
    kca__dead_letter_reading_clear(&letter->reading);
    rd_kafka_message_destroy(letter->record);
    free(letter);
}

/* How often the message was redriven, by its own header. */
static int count_redrives(const kca__dead_letter *d) {
    int64_t times = 0;
    for (int i = d->header_count - 1; i >= 0; i--) {
        const kca__header *h = &d->headers[i];
        if (strcmp(h->name, KCA__REDRIVES) != 0)
            continue;
        for (size_t c = 0; c < h->value_len; c++) {
            if (h->value[c] < '0' || h->value[c] > '9')
                return 0;
            if (times < MOST_REDRIVES)
                times = times * 10 + (h->value[c] - '0');
        }
        break;
    }
    return times < MOST_REDRIVES ? (int)times : MOST_REDRIVES;
}

static bool is_internal(const char *topic) {
    return strncmp(topic, KCA__INTERNAL_TOPIC, strlen(KCA__INTERNAL_TOPIC)) == 0;
}

/* The topic that the message goes to; NULL: the letter names none, or no valid one. */
static const char *target_of(const kca_redrive *options, const kca__dead_letter *d) {
    if (options->to_topic)
        return options->to_topic;
    kca_error *wrong = kca__option_check_topic(d->topic);
    kca__error_free(wrong);
    return wrong || is_internal(d->topic) || strcmp(d->topic, options->topic) == 0 ? NULL
                                                                                   : d->topic;
}

/* Anybody who writes into a topic can write a payload, or a header that another library leaves as
 * it is. What our own consumers write they take out of the failed record first. */
static bool is_allowed(const kca_redrive *options, const kca__dead_letter_reading *reading,
                       const char *target) {
    const kca__option_texts *allowed = kca__redrive_allowed(options);
    if (options->to_topic)
        return true;
    if (!allowed)
        return reading->is_ours;
    for (int i = 0; i < allowed->count; i++)
        if (strcmp(allowed->items[i], target) == 0)
            return true;
    return false;
}

/* One at its place was handled before; who wants it all the same asks for it by its error name. */
static bool is_repeated(const kca_redrive *options, const kca__dead_letter *d) {
    return d->kind == KCA__DEAD_LETTER_REPEATED && options->only_error.count == 0;
}

static kca__redrive_outcome judge(const kca_redrive *options, const kca__redrive_letter *letter,
                                  const char *target) {
    const kca__dead_letter *d = &letter->reading.letter;
    if (!kca__redrive_takes(options, d->topic, d->error_name,
                            rd_kafka_message_timestamp(letter->record, NULL)))
        return KCA__LEFT_OUT;
    if (letter->redrives >= options->max_redrives || is_repeated(options, d))
        return KCA__GUARDED;
    if (!target)
        return KCA__UNKNOWN_TARGET;
    return is_allowed(options, &letter->reading, target) ? KCA__REDRIVEN : KCA__NOT_ALLOWED;
}

/* About the size of the record that will be published, with 100 bytes for the record itself and 4
 * for each header. */
static size_t count_bytes(const kca__dead_letter *d) {
    size_t bytes = 100 + d->key_len + d->value_len;
    for (int i = 0; i < d->header_count; i++)
        bytes += 4 + strlen(d->headers[i].name) + d->headers[i].value_len;
    return bytes;
}

/* Reads the letter's record as a dead letter; gives its format, or KCA__DEAD_LETTER_NONE or
 * _NO_MEMORY. */
static int read_letter(kca__redrive_letter *letter) {
    const rd_kafka_message_t *m = letter->record;
    kca__record record = {
        .key = m->key, .key_len = m->key_len, .value = m->payload, .value_len = m->len};
    if (!kca__record_headers(&record.headers, &record.header_count, m, NULL, 0))
        return KCA__DEAD_LETTER_NO_MEMORY;
    int format = kca__dead_letter_read(&letter->reading, &record);
    free(record.headers);
    if (format < 0)
        letter->reading = (kca__dead_letter_reading){0};
    return format;
}

static kca_error *decide(kca__redrive_letter *letter) {
    kca__redrive_run *run = letter->partition->run;
    const kca__dead_letter *d = &letter->reading.letter;
    int format = read_letter(letter);
    if (format == KCA__DEAD_LETTER_NO_MEMORY)
        return kca__error_memory();
    letter->outcome = KCA__NOT_DEAD_LETTER;
    if (format == KCA__DEAD_LETTER_NONE)
        return NULL;
    const char *target = target_of(run->options, d);
    letter->redrives = count_redrives(d);
    letter->outcome = judge(run->options, letter, target);
    letter->bytes = count_bytes(d);
    if (letter->outcome != KCA__REDRIVEN)
        return NULL;
    kca_error *e = kca__redrive_target_find(&letter->target, run, target);
    if (!e) {
        letter->outcome = letter->target->outcome;
        letter->cause = letter->target->cause;
    }
    return e;
}

void kca__redrive_take(kca__redrive_partition *p, rd_kafka_message_t *record) {
    kca__redrive_run *run = p->run;
    if (kca__redrive_memory_knows(&p->memory, record->offset)) {
        p->follows_known = true;
        p->read = record->offset + 1;
        rd_kafka_message_destroy(record);
        return;
    }
    kca__redrive_letter *letter = calloc(1, sizeof *letter);
    if (!letter) {
        rd_kafka_message_destroy(record);
        kca__redrive_fail(run, kca__error_memory());
        return;
    }
    letter->partition = p;
    letter->record = record;
    kca_error *e = decide(letter);
    if (e) {
        kca__redrive_letter_free(letter);
        kca__redrive_fail(run, e);
        return;
    }
    letter->settled = letter->outcome != KCA__REDRIVEN || run->options->dry_run;
    kca__redrive_report_list(letter);
    kca__redrive_source_add(letter);
    kca__redrive_source_advance(p);
}
