/*
 * Memory that runs out when told to: replaces malloc in the one test program that includes this. It
 * also counts what is held, so that such a test sees leaks. Not together with a sanitizer, which
 * replaces malloc itself.
 */
#ifndef KCA_TESTS_FAILING_MEMORY_H
#define KCA_TESTS_FAILING_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define KCA_TESTS_MALLOC_IS_TAKEN
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
#define KCA_TESTS_MALLOC_IS_TAKEN
#endif

static long memory_held;       /* blocks */
static long memory_until = -1; /* allocations until one fails; -1: none does */
static bool memory_failed;

#ifdef KCA_TESTS_MALLOC_IS_TAKEN
static const bool memory_can_fail = false;
#else
static const bool memory_can_fail = true;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void __libc_free(void *block);

static bool memory_fails(void) {
    if (memory_until < 0 || memory_until-- > 0)
        return false;
    memory_failed = true;
    return true;
}

void *malloc(size_t size) {
    void *block = memory_fails() ? NULL : __libc_malloc(size);
    memory_held += block != NULL;
    return block;
}

void *calloc(size_t count, size_t size) {
    void *block = memory_fails() ? NULL : __libc_calloc(count, size);
    memory_held += block != NULL;
    return block;
}

void *realloc(void *block, size_t size) {
    void *moved = memory_fails() ? NULL : __libc_realloc(block, size);
    memory_held += moved && !block;
    return moved;
}

void free(void *block) {
    memory_held -= block != NULL;
    __libc_free(block);
}
#endif

/* Runs `scenario` with the 1st allocation failing, then the 2nd ..., until none fails. */
static inline void memory_fail_each(void (*scenario)(void)) {
    if (!memory_can_fail)
        skip();
    scenario(); /* what is made once for ever */
    for (long n = 0;; n++) {
        long before = memory_held;
        memory_failed = false;
        memory_until = n;
        scenario();
        memory_until = -1;
        assert_int_equal(memory_held, before);
        if (!memory_failed) {
            assert_true(n > 0);
            return;
        }
    }
}

#endif
