#include "inbound/translation.h"

#include "base/error.h"
#include "kafka/record_headers.h"

#include <stdlib.h>

/* Of a retry channel that has none: that of the consumer's first topic. */
static const kca__own_translator *find(const kca__inbound *in, const char *topic) {
    const kca_consumer_builder *options = in->options;
    const kca__own_translator *t = kca__own_translators_find(in->setup.translators, topic);
    if (!t && kca__consumer_builder_retry_channel(options, topic) >= 0)
        t = kca__own_translators_find(in->setup.translators, options->topics[0]);
    return t && t->to_message ? t : NULL;
}

/* A view of the record as a raw message; its array of headers is to be freed. False: memory is out.
 */
static bool view_record(kca_message *out, const rd_kafka_message_t *m) {
    kca__record record = {.key = m->key,
                          .key_len = m->key_len,
                          .value = m->payload,
                          .value_len = m->len,
                          .timestamp_ms = rd_kafka_message_timestamp(m, NULL)};
    if (!kca__record_headers(&record.headers, &record.header_count, m, NULL, 0))
        return false;
    kca__raw_record_view(out, &record, rd_kafka_topic_name(m->rkt), m->partition);
    return true;
}

kca_error *kca__translation_record(kca_message **out, const rd_kafka_message_t *m) {
    kca_message view;
    *out = NULL;
    if (!view_record(&view, m))
        return kca__error_memory();
    kca_error *e = kca__message_clone(out, &view);
    free(view.headers);
    return e;
}

/* A message made of `read`, which is the record in the consumer's dialect. False: memory is out. */
static bool make(kca_message **out, kca__translated *said, const kca__inbound *in,
                 const kca__own_translator *t, const rd_kafka_message_t *m,
                 const kca_message *read) {
    kca_message view;
    *out = NULL;
    if (!view_record(&view, m))
        return false;
    kca__error_free(kca__message_clone(out, read));
    if (*out) {
        *said = kca__own_translator_call(in->setup.translators, t, t->to_message, *out, &view);
        kca__message_clear_inbound(&view);
    }
    free(view.headers);
    return *out;
}

/* Where its reply goes, for those who have the record only. False: memory is out. */
static bool keep_question(const kca__inbound *in, kca_delivery *d, const kca_message *made) {
    kca_message address = *made;
    kca_message *question = NULL;
    address.payload = address.key = NULL;
    address.payload_len = address.key_len = 0;
    if (in->options->reply && made->texts[KCA__TEXT_REPLY_TO][0])
        kca__error_free(kca__message_clone(&question, &address));
    kca__engine_keep_question(d, question);
    return question || !in->options->reply || !made->texts[KCA__TEXT_REPLY_TO][0];
}

/* Takes `made`. */
static bool take(const kca__inbound *in, kca_delivery *d, kca_message *made) {
    kca__message_clear_inbound(&d->message);
    kca__message_view(&d->message, made);
    d->message.translated = made;
    return keep_question(in, d, made);
}

bool kca__translation_read(int *out_verdict, kca__inbound *in, kca_delivery *d) {
    const kca__own_translator *t = find(in, d->event.topic);
    *out_verdict = KCA_DONE;
    if (!t)
        return true;
    kca_message *made;
    kca__translated said;
    if (!make(&made, &said, in, t, d->record, &d->message))
        return false;
    *out_verdict = said.verdict;
    if (said.verdict == KCA_DONE)
        return take(in, d, made);
    kca__delivery_explain(d, said.name, said.text);
    kca__message_free(made);
    return true;
}

bool kca__translation_look(const kca__inbound *in, const rd_kafka_message_t *m, kca_message *read) {
    const kca__own_translator *t = find(in, rd_kafka_topic_name(m->rkt));
    if (!t)
        return true;
    kca_message *made;
    kca__translated said;
    if (!make(&made, &said, in, t, m, read))
        return false;
    if (said.verdict != KCA_DONE) {
        kca__message_free(made);
        return false;
    }
    kca__message_clear_inbound(read);
    kca__message_view(read, made);
    read->translated = made;
    return true;
}

kca_error *kca__translation_give(kca_delivery *d, const kca_message *m) {
    kca__inbound *in = kca__engine_owner(d->engine);
    kca_message *made;
    if (m->error)
        return kca__error_copy(m->error);
    if (!kca__engine_has_out(d))
        return kca__error_new(
            KCA_ERROR_STATE, "consumer %s: the delivery at %s[%d] offset %lld no longer counts",
            in->options->name, d->event.topic, d->event.partition, (long long)d->offset);
    kca_error *e = kca__message_clone(&made, m);
    if (e)
        return e;
    if (!take(in, d, made))
        return kca__error_memory();
    if (in->options->reply)
        kca__replies_look_again(in, d);
    if (!kca__inbound_is_duplicate(in, d))
        return NULL;
    return kca__error_new(
        KCA_ERROR_DUPLICATE, "consumer %s: the message at %s[%d] offset %lld was handled before",
        in->options->name, d->event.topic, d->event.partition, (long long)d->offset);
}
