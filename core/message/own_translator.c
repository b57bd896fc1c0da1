#include "message/own_translator.h"

#include "base/callback.h"
#include "base/error.h"
#include "base/text.h"
#include "message/custom_headers.h"

#include <stdlib.h>
#include <string.h>

kca_error *kca__own_translators_add(kca__own_translators *list, const kca__own_translator *t) {
    if (kca__own_translators_find(list, t->channel))
        return kca__error_new(KCA_ERROR_DUPLICATE, "channel %s has a translator already",
                              t->channel);
    kca__own_translator *all = realloc(list->all, ((size_t)list->count + 1) * sizeof *list->all);
    if (!all)
        return kca__error_memory();
    list->all = all;
    all[list->count] = *t;
    all[list->count].channel = kca__text_copy(t->channel);
    if (!all[list->count].channel)
        return kca__error_memory();
    list->count++;
    return NULL;
}

void kca__own_translators_close(kca__own_translators *list) {
    for (int i = 0; i < list->count; i++) {
        kca__own_translator *t = &list->all[i];
        if (t->free_user)
            t->free_user(t->user);
        t->free_user = NULL;
    }
}

void kca__own_translators_free(kca__own_translators *list) {
    for (int i = 0; i < list->count; i++)
        free(list->all[i].channel);
    free(list->all);
}

const kca__own_translator *kca__own_translators_find(const kca__own_translators *list,
                                                     const char *channel) {
    for (int i = 0; i < list->count; i++)
        if (strcmp(list->all[i].channel, channel) == 0)
            return &list->all[i];
    return NULL;
}

kca__translated kca__own_translator_call(const kca__own_translators *list,
                                         const kca__own_translator *t, kca_translator_fn fn,
                                         kca_message *out, const kca_message *in) {
    kca__callback this;
    kca__callback_begin(&this, KCA__CALLBACK_TRANSLATOR, list->owner);
    int said = fn(out, in, t->user);
    kca__callback_end(&this);
    if (said == KCA_DONE && !out->error)
        return (kca__translated){KCA_DONE, NULL, NULL};
    const kca__message_store *store = out->store;
    const char *text = store->why_text ? store->why_text
                       : out->error    ? out->error->text
                       : said == KCA_FAILED || said == KCA_REJECTED
                           ? "it did not say why"
                           : "it returned a number that it may not return";
    return (kca__translated){said == KCA_FAILED ? KCA_FAILED : KCA_REJECTED,
                             store->why_name ? store->why_name : "translator", text};
}

kca_error *kca__raw_record_new(kca_message **out, const kca_message *m, const kca__wire *wire) {
    kca_error *e = kca__message_new(out, NULL);
    if (e)
        return e;
    kca_message *r = *out;
    r->raw = true;
    kca__message_set_payload(r, wire->value, wire->value_len);
    kca__message_set_key(r, wire->key, wire->key_len);
    for (int i = 0; i < wire->custom_count; i++)
        kca__custom_headers_add(r, wire->custom[i].name, wire->custom[i].value,
                                wire->custom[i].value_len);
    for (int i = 0; i < wire->header_count; i++)
        kca__custom_headers_add(r, wire->headers[i].name, wire->headers[i].value,
                                wire->headers[i].value_len);
    r->partition = m->partition;
    r->deliver_at_ms = m->deliver_at_ms;
    if (!r->error)
        return NULL;
    e = kca__error_copy(r->error);
    kca__message_free(r);
    *out = NULL;
    return e;
}

void kca__raw_record_view(kca_message *out, const kca__record *record, const char *topic,
                          int partition) {
    kca__message_init_inbound(out);
    out->raw = true;
    out->payload = record->value;
    out->payload_len = record->value ? record->value_len : 0;
    out->key = record->key;
    out->key_len = record->key ? record->key_len : 0;
    out->timestamp_ms = record->timestamp_ms;
    out->headers = record->headers;
    out->header_count = record->header_count;
    out->texts[KCA__TEXT_CHANNEL] = topic;
    out->partition = partition;
}
