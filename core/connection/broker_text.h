/* Reads what librdkafka says of a broker: "127.0.0.1:9092/1: Connect to ... failed". */
#ifndef KCA_CONNECTION_BROKER_TEXT_H
#define KCA_CONNECTION_BROKER_TEXT_H

#include <stdbool.h>

#include "base/state.h"

typedef struct kca__broker_text {
    char address[KCA__TROUBLE_ADDRESS]; /* "host:port"; "": it names none */
    bool coordinator;                   /* it speaks of the group's coordinator */
    const char *rest;                   /* behind the broker's names, inside the text */
} kca__broker_text;

void kca__broker_text_read(kca__broker_text *out, const char *text);

#endif
