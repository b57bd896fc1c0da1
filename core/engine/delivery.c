#include "engine/delivery.h"

#include "base/text.h"

void kca__delivery_explain(kca_delivery *d, const char *error_name, const char *text) {
    kca__text_set(&d->error_name, error_name);
    kca__text_set(&d->error_text, text);
}
