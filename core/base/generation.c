#include "base/generation.h"

#include <pthread.h>

/* Written only in a fork's child, where one thread exists. */
static unsigned generation;
static pthread_once_t watched = PTHREAD_ONCE_INIT;

static void in_child(void) {
    generation++;
}

static void watch(void) {
    pthread_atfork(NULL, NULL, in_child);
}

void kca__generation_watch(void) {
    pthread_once(&watched, watch);
}

unsigned kca__generation(void) {
    return generation;
}
