#include "connection/kafka_greeting.h"

#include <string.h>

/* ApiVersions, version 0: length, request 18, version 0, correlation id "kca!", client id "kca". */
static const unsigned char request[] = {0,   0,   0,   13, 0, 18,  0,   0,  'k',
                                        'c', 'a', '!', 0,  3, 'k', 'c', 'a'};
enum { CORRELATION_AT = 8, CORRELATION_LEN = 4, ANSWER_LIMIT = 1 << 20 };

static bool is_kafka(const unsigned char answer[8]) {
    unsigned long len = (unsigned long)answer[0] << 24 | (unsigned long)answer[1] << 16 |
                        (unsigned long)answer[2] << 8 | answer[3];
    return len > CORRELATION_LEN && len < ANSWER_LIMIT &&
           memcmp(answer + 4, request + CORRELATION_AT, CORRELATION_LEN) == 0;
}

kca__greeting kca__kafka_greet(kca__link *l) {
    unsigned char answer[8] = {0};
    bool answered =
        kca__link_write(l, request, sizeof request) && kca__link_read(l, answer, sizeof answer);
    if (answered && is_kafka(answer))
        return KCA__GREETING_KAFKA;
    if (!l->ssl && kca__link_saw_tls(l))
        return KCA__GREETING_TLS;
    if (answered || (!l->ssl && l->received > 0))
        return KCA__GREETING_OTHER;
    return KCA__GREETING_NONE;
}
