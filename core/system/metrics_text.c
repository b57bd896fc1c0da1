/* The metrics as text for Prometheus. Values of one name stand together there: each row collects
 * its lines while the walk goes on. */
#include "system/metrics.h"

#include "base/error.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct page {
    FILE *lines[KCA__METRIC_ROWS];
    char *text[KCA__METRIC_ROWS];
    size_t size[KCA__METRIC_ROWS];
    bool failed;
} page;

/* Dots are not allowed in names. */
static void write_name(FILE *out, const char *name) {
    for (; *name; name++)
        fputc(isalnum((unsigned char)*name) ? *name : '_', out);
}

static void write_value(FILE *out, const char *value) {
    for (; *value; value++)
        if (*value == '\n')
            fputs("\\n", out);
        else if (*value == '"' || *value == '\\')
            fprintf(out, "\\%c", *value);
        else
            fputc(*value, out);
}

static void write_labels(FILE *out, const kca__metric_label *labels) {
    for (int i = 0; labels[i].name; i++) {
        fputc(i == 0 ? '{' : ',', out);
        write_name(out, labels[i].name);
        fputs("=\"", out);
        write_value(out, labels[i].value);
        fputc('"', out);
    }
    if (labels[0].name)
        fputc('}', out);
}

static void write_line(void *user, const kca__metric *row, const kca__metric_label *labels,
                       int64_t value) {
    page *p = user;
    FILE **lines = &p->lines[row - kca__metrics];
    if (!*lines)
        *lines = open_memstream(&p->text[row - kca__metrics], &p->size[row - kca__metrics]);
    if (!*lines) {
        p->failed = true;
        return;
    }
    write_name(*lines, row->name);
    fputs(row->counts ? "_total" : "", *lines);
    write_labels(*lines, labels);
    fprintf(*lines, " %lld\n", (long long)value);
}

/* Prometheus' own format has the suffix in a counter's name, OpenMetrics only in its samples'. */
static void write_row(FILE *out, const kca__metric *row, const char *lines, int format) {
    const char *suffix = row->counts && format == KCA_METRICS_PROMETHEUS ? "_total" : "";
    fputs("# HELP ", out);
    write_name(out, row->name);
    fprintf(out, "%s %s\n# TYPE ", suffix, row->text);
    write_name(out, row->name);
    fprintf(out, "%s %s\n%s", suffix, row->counts ? "counter" : "gauge", lines);
}

static bool close_lines(page *p) {
    for (int i = 0; i < KCA__METRIC_ROWS; i++)
        if (p->lines[i] && fclose(p->lines[i]) != 0)
            p->failed = true;
    return !p->failed;
}

static char *assemble(page *p, int format) {
    char *text = NULL;
    size_t size;
    FILE *out = close_lines(p) ? open_memstream(&text, &size) : NULL;
    for (int i = 0; out && kca__metrics[i].name; i++)
        if (p->text[i])
            write_row(out, &kca__metrics[i], p->text[i], format);
    if (out && format == KCA_METRICS_OPENMETRICS)
        fputs("# EOF\n", out);
    for (int i = 0; i < KCA__METRIC_ROWS; i++)
        free(p->text[i]);
    if (out && fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

kca_error *kca__metrics_write(char **out, kca__system *s, int format) {
    page p = {.failed = false};
    kca__metrics_walk(s, write_line, &p);
    *out = assemble(&p, format);
    return *out ? NULL : kca__error_memory();
}
