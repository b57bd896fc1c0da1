#include "kafka/ask.h"

#include "base/clock.h"
#include "base/interrupt.h"

#include <time.h>

enum { PAUSE_MS = 20 }; /* librdkafka gives many an error at once, without asking anybody */

kca__ask_end kca__ask(rd_kafka_resp_err_t *out, const kca__asking *asking, kca__question question,
                      void *about) {
    const struct timespec pause = {0, PAUSE_MS * 1000000};
    while (true) {
        int left = kca__clock_left_ms(asking->deadline);
        int slice = left < 0 || left > asking->slice_ms ? asking->slice_ms : left;
        *out = question(asking->rk, about, slice);
        if (!*out)
            return KCA__ASK_ANSWERED;
        if (!asking->may_pass(*out))
            return KCA__ASK_REFUSED;
        if (kca__interrupt_left_ms(asking->deadline) == 0)
            return KCA__ASK_LATE;
        if (asking->closing && atomic_load(asking->closing))
            return KCA__ASK_CLOSING;
        nanosleep(&pause, NULL);
    }
}

rd_kafka_resp_err_t kca__ask_committed(rd_kafka_t *rk, void *about, int timeout_ms) {
    return kca__ask_error(rd_kafka_committed(rk, about, timeout_ms), about);
}

rd_kafka_resp_err_t kca__ask_commit(rd_kafka_t *rk, void *about, int timeout_ms) {
    const rd_kafka_topic_partition_list_t *list = about;
    rd_kafka_queue_t *answers = rd_kafka_queue_new(rk);
    rd_kafka_resp_err_t err = rd_kafka_commit_queue(rk, list, answers, NULL, NULL);
    rd_kafka_event_t *answer = err ? NULL : rd_kafka_queue_poll(answers, timeout_ms);
    if (!err)
        err = answer ? rd_kafka_event_error(answer) : RD_KAFKA_RESP_ERR__TIMED_OUT;
    const rd_kafka_topic_partition_list_t *told =
        answer ? rd_kafka_event_topic_partition_list(answer) : NULL;
    if (told)
        err = kca__ask_error(err, told);
    if (answer)
        rd_kafka_event_destroy(answer);
    rd_kafka_queue_destroy(answers);
    return err;
}

rd_kafka_resp_err_t kca__ask_partitions(rd_kafka_t *rk, void *about, int timeout_ms) {
    kca__topic_look *look = about;
    const struct rd_kafka_metadata *answer;
    rd_kafka_resp_err_t err = rd_kafka_metadata(rk, 0, look->topic, &answer, timeout_ms);
    if (err)
        return err;
    err = answer->topic_cnt == 1 ? answer->topics[0].err : RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
    if (!err)
        look->partitions = answer->topics[0].partition_cnt;
    rd_kafka_metadata_destroy(answer);
    return err || look->partitions > 0 ? err : RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
}

rd_kafka_resp_err_t kca__ask_error(rd_kafka_resp_err_t err,
                                   const rd_kafka_topic_partition_list_t *list) {
    for (int i = 0; i < list->cnt && !err; i++)
        err = list->elems[i].err;
    return err;
}
