/*
 * One measurement of this process: wall clock, CPU of all its threads, peak memory, latencies.
 *
 * The measured part lies between measure_start and measure_stop; what comes before (connecting,
 * joining, warming up) costs the figures nothing, except the peak memory, which is the process's.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

typedef struct measure {
    double wall; /* seconds */
    double cpu;  /* seconds, user + system */
    double *latencies;
    long latency_count;
} measure;

/* Seconds of a clock that never goes back. */
double measure_now(void);

void measure_start(measure *m);
void measure_stop(measure *m);

/* Room for this many latencies; call it before measure_start. */
void measure_latencies(measure *m, long count);
void measure_latency(measure *m, double seconds);

/* Prints the result as one line of JSON and frees the latencies. `version`: of the library
 * measured. */
void measure_print(measure *m, const char *program, const char *version, long messages);

#endif
