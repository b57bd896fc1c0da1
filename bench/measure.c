#include "measure.h"
#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

double measure_now(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double seconds(struct timeval t) {
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static double cpu_now(void) {
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void measure_start(measure *m) {
    m->cpu = cpu_now();
    m->wall = measure_now();
}

void measure_stop(measure *m) {
    m->wall = measure_now() - m->wall;
    m->cpu = cpu_now() - m->cpu;
}

void measure_latencies(measure *m, long count) {
    m->latencies = calloc((size_t)count, sizeof *m->latencies);
    if (!m->latencies)
        die("no memory for %ld latencies", count);
}

void measure_latency(measure *m, double latency) {
    m->latencies[m->latency_count++] = latency;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double percentile_us(const measure *m, long per_mille) {
    return m->latencies[(m->latency_count - 1) * per_mille / 1000] * 1e6;
}

/* VmHWM, the largest resident size so far; getrusage's would include the parent's before exec. */
static double peak_mb(void) {
    char line[256];
    long kb = 0;
    FILE *status = fopen("/proc/self/status", "r");
    if (!status)
        return 0;
    while (!kb && fgets(line, sizeof line, status))
        (void)sscanf(line, "VmHWM: %ld", &kb);
    (void)fclose(status);
    return (double)kb / 1024;
}

void measure_print(measure *m, const char *program, const char *version, long messages) {
    (void)printf("{\"program\":\"%s\",\"version\":\"%s\",\"messages\":%ld,\"seconds\":%.4f,\"cpu_"
                 "us_per_message\":%.4f,"
                 "\"messages_per_second\":%.0f,\"peak_mb\":%.1f",
                 program, version, messages, m->wall, m->cpu * 1e6 / (double)messages,
                 (double)messages / m->wall, peak_mb());
    if (m->latency_count) {
        qsort(m->latencies, (size_t)m->latency_count, sizeof *m->latencies, by_value);
        (void)printf(",\"p50_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f", percentile_us(m, 500),
                     percentile_us(m, 990), percentile_us(m, 999));
    }
    (void)puts("}");
    free(m->latencies);
    m->latencies = NULL;
}
