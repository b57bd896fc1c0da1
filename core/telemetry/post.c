#include "telemetry/post.h"

#include "base/error.h"

#ifdef KCA_HAS_LIBCURL

#include "base/clock.h"
#include "telemetry/gzip.h"
#include "telemetry/otlp.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_MOST = 65536, LOOK_MS = 200 };

struct kca__post {
    const kca__exporter_settings *settings;
    CURL *easy;
    CURLM *multi;
    struct curl_slist *headers;
    char answer[ANSWER_MOST + 1]; /* the beginning of what the collector says */
    size_t answer_len;
    char trouble[CURL_ERROR_SIZE];
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool is_ready;

static void make_ready(void) {
    is_ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

static size_t keep_answer(char *bytes, size_t size, size_t count, void *user) {
    kca__post *p = user;
    size_t len = size * count, room = ANSWER_MOST - p->answer_len;
    size_t kept = len < room ? len : room;
    memcpy(p->answer + p->answer_len, bytes, kept);
    p->answer_len += kept;
    return len;
}

static bool add_header_line(kca__post *p, const char *line) {
    struct curl_slist *more = curl_slist_append(p->headers, line);
    if (more)
        p->headers = more;
    return more != NULL;
}

static bool add_header(void *user, const char *name, const char *value) {
    size_t size = strlen(name) + strlen(value) + 4;
    char *line = malloc(size);
    if (!line)
        return false;
    /* libcurl's form of a header without a value. */
    snprintf(line, size, *value ? "%s: %s" : "%s;", name, value);
    bool added = add_header_line(user, line);
    free(line);
    return added;
}

static bool add_headers(kca__post *p) {
    const kca__exporter_settings *s = p->settings;
    return add_header_line(p, "Content-Type: application/json") && add_header_line(p, "Expect:") &&
           (!s->gzip || add_header_line(p, "Content-Encoding: gzip")) &&
           kca__exporter_settings_each(s->headers, add_header, p);
}

static void set_options(kca__post *p) {
    const kca__exporter_settings *s = p->settings;
    curl_easy_setopt(p->easy, CURLOPT_URL, s->url);
    curl_easy_setopt(p->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(p->easy, CURLOPT_POST, 1L);
    curl_easy_setopt(p->easy, CURLOPT_HTTPHEADER, p->headers);
    curl_easy_setopt(p->easy, CURLOPT_USERAGENT, "OTel-OTLP-Exporter-kca/" KCA_VERSION);
    curl_easy_setopt(p->easy, CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700 /* 7.87: a stop does not wait for a name to be resolved */
    curl_easy_setopt(p->easy, CURLOPT_QUICK_EXIT, 1L);
#endif
    curl_easy_setopt(p->easy, CURLOPT_TIMEOUT_MS, (long)s->timeout_ms);
    curl_easy_setopt(p->easy, CURLOPT_WRITEFUNCTION, keep_answer);
    curl_easy_setopt(p->easy, CURLOPT_WRITEDATA, p);
    curl_easy_setopt(p->easy, CURLOPT_ERRORBUFFER, p->trouble);
    if (s->ca_file)
        curl_easy_setopt(p->easy, CURLOPT_CAINFO, s->ca_file);
    if (s->cert_file)
        curl_easy_setopt(p->easy, CURLOPT_SSLCERT, s->cert_file);
    if (s->key_file)
        curl_easy_setopt(p->easy, CURLOPT_SSLKEY, s->key_file);
}

kca_error *kca__post_new(kca__post **out, const kca__exporter_settings *settings) {
    *out = NULL;
    pthread_once(&once, make_ready);
    kca__post *p = is_ready ? calloc(1, sizeof *p) : NULL;
    if (!p)
        return kca__error_memory();
    p->settings = settings;
    p->easy = curl_easy_init();
    p->multi = curl_multi_init();
    if (!p->easy || !p->multi || !add_headers(p)) {
        kca__post_free(p);
        return kca__error_memory();
    }
    set_options(p);
    *out = p;
    return NULL;
}

void kca__post_free(kca__post *p) {
    if (!p)
        return;
    if (p->easy)
        curl_easy_cleanup(p->easy);
    if (p->multi)
        curl_multi_cleanup(p->multi);
    curl_slist_free_all(p->headers);
    free(p);
}

/* ---- answers ---- */

static void judge_status(kca__post_answer *out, kca__post *p, long status) {
    if (status >= 200 && status < 300) {
        out->outcome = KCA__POST_TAKEN;
        out->refused = kca__otlp_read_refused(p->answer);
        return;
    }
    bool later = status == 429 || (status >= 502 && status <= 504);
    curl_off_t seconds = 0;
    curl_easy_getinfo(p->easy, CURLINFO_RETRY_AFTER, &seconds);
    out->outcome = later ? KCA__POST_LATER : KCA__POST_REFUSED;
    out->after_ms = later ? (int64_t)seconds * 1000 : 0;
    snprintf(out->text, sizeof out->text, "the collector answered with status %ld", status);
}

static void judge(kca__post_answer *out, kca__post *p, CURLcode code) {
    if (code == CURLE_OK) {
        long status = 0;
        curl_easy_getinfo(p->easy, CURLINFO_RESPONSE_CODE, &status);
        p->answer[p->answer_len] = '\0';
        judge_status(out, p, status);
        return;
    }
    out->outcome = KCA__POST_LATER;
    snprintf(out->text, sizeof out->text, "%s",
             *p->trouble ? p->trouble : curl_easy_strerror(code));
}

/* Until the one request is over, or is to end. */
static void perform(kca__post_answer *out, kca__post *p, bool (*ends)(void *user), void *user) {
    int running = 1, left;
    CURLMsg *m;
    while (running > 0 && curl_multi_perform(p->multi, &running) == CURLM_OK) {
        if (ends(user)) {
            out->outcome = KCA__POST_ENDED;
            snprintf(out->text, sizeof out->text, "it did not answer in time");
            return;
        }
        if (running > 0)
            curl_multi_poll(p->multi, NULL, 0, LOOK_MS, NULL);
    }
    m = curl_multi_info_read(p->multi, &left);
    judge(out, p, m && m->msg == CURLMSG_DONE ? m->data.result : CURLE_FAILED_INIT);
}

void kca__post_send(kca__post_answer *out, kca__post *p, const char *body, bool (*ends)(void *user),
                    void *user) {
    *out = (kca__post_answer){.outcome = KCA__POST_LATER, .text = "memory is out"};
    size_t len = strlen(body);
    void *packed = p->settings->gzip ? kca__gzip(&len, body, len) : NULL;
    if (p->settings->gzip && !packed)
        return;
    p->answer_len = 0;
    *p->trouble = '\0';
    curl_easy_setopt(p->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
    curl_easy_setopt(p->easy, CURLOPT_POSTFIELDS, packed ? packed : (const void *)body);
    if (curl_multi_add_handle(p->multi, p->easy) == CURLM_OK) {
        perform(out, p, ends, user);
        curl_multi_remove_handle(p->multi, p->easy);
    }
    free(packed);
}

void kca__post_wake(kca__post *p) {
    curl_multi_wakeup(p->multi);
}

#else

kca_error *kca__post_new(kca__post **out, const kca__exporter_settings *settings) {
    *out = NULL;
    (void)settings;
    return kca__error_new(
        KCA_ERROR_STATE, "exporter: this library was built without libcurl and zlib: build it with "
                         "them (Debian packages libcurl4-openssl-dev and zlib1g-dev)");
}

void kca__post_free(kca__post *p) {
    (void)p;
}

void kca__post_send(kca__post_answer *out, kca__post *p, const char *body, bool (*ends)(void *user),
                    void *user) {
    (void)p, (void)body, (void)ends, (void)user;
    *out = (kca__post_answer){.outcome = KCA__POST_REFUSED};
}

void kca__post_wake(kca__post *p) {
    (void)p;
}

#endif
