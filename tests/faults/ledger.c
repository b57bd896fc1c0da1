#include "ledger.h"

#include "behaviour.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

int ledger_open(const char *path) {
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

void ledger_note(int fd, const char *format, ...) {
    char line[200];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(line, sizeof line - 1, format, arguments);
    va_end(arguments);
    line[len++] = '\n';
    if (write(fd, line, (size_t)len) != len) {
        perror("ledger");
        _exit(1);
    }
}

/* ---- following ---- */

void ledger_follow(ledger *l, const char *path, int process) {
    *l = (ledger){.fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0644), .process = process};
    assert_true(l->fd >= 0);
    memset(l->counted, -1, sizeof l->counted);
}

static bool take_counts(ledger *l, const char *line) {
    int n[COUNTED];
    if (sscanf(line, "counted %d %d %d %d %d", &n[0], &n[1], &n[2], &n[3], &n[4]) != COUNTED)
        return false;
    memcpy(l->counted, n, sizeof n);
    return true;
}

static void pass_on(ledger *l, const char *line, checker *c) {
    handled h = {.process = l->process};
    int id, partition;
    int64_t offset;
    char verb[8];
    if (sscanf(line, "%7[a-z] %" SCNd64 " %" SCNd64 " %d %d %" SCNd64 " %d %15s", verb, &h.begin_ns,
               &h.time_ns, &h.id, &h.partition, &h.offset, &h.attempt, h.key) >= 7) {
        h.undone = strcmp(verb, "tried") == 0;
        checker_handled(c, &h);
    } else if (sscanf(line, "stored %d %d %" SCNd64, &id, &partition, &offset) == 3) {
        l->stored++;
        checker_stored(c, id, partition, offset);
    } else if (sscanf(line, "sent %d", &id) == 1)
        checker_sent(c, l->process, id);
    else if (sscanf(line, "refused %d", &id) == 1)
        checker_refused(c, id);
    else if (sscanf(line, "failed %d", &id) != 1 && !take_counts(l, line))
        fail_msg("process %d noted: %s", l->process, line);
}

/* Passes on the whole lines of `text`, and keeps what is left. */
static void take_lines(ledger *l, char *text, size_t len, checker *c) {
    char *line = text, *end;
    while ((end = memchr(line, '\n', len - (size_t)(line - text)))) {
        *end = '\0';
        pass_on(l, line, c);
        line = end + 1;
    }
    l->rest_len = len - (size_t)(line - text);
    assert_true(l->rest_len < sizeof l->rest);
    memcpy(l->rest, line, l->rest_len);
}

void ledger_read(ledger *l, checker *c) {
    char text[sizeof l->rest + 8192];
    ssize_t n;
    do {
        memcpy(text, l->rest, l->rest_len);
        n = read(l->fd, text + l->rest_len, 8192);
        if (n > 0)
            take_lines(l, text, l->rest_len + (size_t)n, c);
    } while (n > 0);
}

void ledger_close(ledger *l) {
    close(l->fd);
}
