/* What becomes of one record of the dead-letter topic. */
#include "redrive_run.h"

#include "error.h"
#include "option.h"
#include "record_headers.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_REDRIVES = 1000000000 };

/* Times that it was redriven, by its own header. */
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

/* Where it goes; NULL: it does not say, or says nothing that a topic is called. */
static const char *target_of(const kca_redrive *options, const kca__dead_letter *d) {
    if (options->to_topic)
        return options->to_topic;
    kca_error *wrong = kca__option_check_topic(d->topic);
    kca__error_free(wrong);
    return wrong || strcmp(d->topic, options->topic) == 0 ? NULL : d->topic;
}

static kca__redrive_outcome judge(const kca_redrive *options, const kca__dead_letter *d,
                                  int64_t written_ms, int redrives, const char *target) {
    if (!kca__redrive_takes(options, d->topic, d->error_name, written_ms))
        return KCA__LEFT_OUT;
    if (redrives >= options->max_redrives)
        return KCA__GUARDED;
    return target ? KCA__REDRIVEN : KCA__UNKNOWN_TARGET;
}

/* The partition that it came from, if the topic is that, and still has it. */
static int partition_of(const kca__redrive_topic *topic, const kca__dead_letter *d) {
    bool same = strcmp(topic->name, d->topic) == 0;
    return same && d->partition >= 0 && d->partition < topic->partitions ? d->partition
                                                                         : RD_KAFKA_PARTITION_UA;
}

static void pass(kca__redrive_partition *p, kca__redrive_letter *letter) {
    letter->settled = true;
    kca__redrive_source_advance(p);
}

static void take_letter(kca__redrive_partition *p, const rd_kafka_message_t *m,
                        const kca__dead_letter *d) {
    kca__redrive_run *run = p->run;
    const kca_redrive *options = run->options;
    const char *target = target_of(options, d);
    int redrives = count_redrives(d);
    kca__redrive_outcome outcome =
        judge(options, d, rd_kafka_message_timestamp(m, NULL), redrives, target);
    kca__redrive_topic *topic = NULL;
    kca_error *e = NULL;
    if (outcome == KCA__REDRIVEN)
        e = kca__redrive_target_find(&topic, run, target);
    kca__redrive_letter *letter = e ? NULL : kca__redrive_source_add(p, m->offset, outcome, d);
    if (!letter) {
        kca__redrive_fail(run, e ? e : kca__error_memory());
        return;
    }
    kca__redrive_report_list(&run->report, letter, d, redrives);
    if (topic && !options->dry_run)
        kca__redrive_target_send(run, topic, partition_of(topic, d), d, redrives + 1, letter);
    else
        pass(p, letter);
}

void kca__redrive_take(kca__redrive_partition *p, const rd_kafka_message_t *m) {
    kca__header *headers;
    kca__redrive_letter *letter;
    kca__dead_letter_reading reading;
    kca__record record = {
        .key = m->key, .key_len = m->key_len, .value = m->payload, .value_len = m->len};
    if (!kca__record_headers(&headers, &record.header_count, m)) {
        kca__redrive_fail(p->run, kca__error_memory());
        return;
    }
    record.headers = headers;
    switch (kca__dead_letter_read(&reading, &record)) {
    case KCA__DEAD_LETTER_NO_MEMORY:
        kca__redrive_fail(p->run, kca__error_memory());
        break;
    case KCA__DEAD_LETTER_NONE:
        letter =
            kca__redrive_source_add(p, m->offset, KCA__NOT_DEAD_LETTER, &(kca__dead_letter){0});
        if (letter)
            pass(p, letter);
        else
            kca__redrive_fail(p->run, kca__error_memory());
        break;
    default:
        take_letter(p, m, &reading.letter);
        kca__dead_letter_reading_clear(&reading);
    }
    free(headers);
}
