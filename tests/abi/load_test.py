"""Nothing happens at load or exit."""

from __future__ import annotations

import unittest

import surroundings
from surroundings import ABI, CC, LIBRARY

COUNT_THREADS = """
#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int entries(const char *path) {
    int count = 0;
    DIR *d = opendir(path);
    while (readdir(d))
        count++;
    closedir(d);
    return count;
}

/* Threads and open files: loading makes none. */
static int state(void) {
    return entries("/proc/self/task") * 1000 + entries("/proc/self/fd");
}
"""

LINKED = """
int main(void) {
    return entries("/proc/self/task") == 3 ? 0 : 1; /* ".", ".." and this thread */
}
"""

OPENED = """
int main(int argc, char **argv) {
    int before = state();
    for (int i = 0; i < 3; i++) {
        void *library = dlopen(argv[argc - 1], RTLD_NOW);
        if (!library)
            return puts(dlerror()), 1;
        if (state() != before)
            return puts("loading made a thread or a file"), 1;
        if (dlclose(library))
            return puts(dlerror()), 1;
    }
    return state() == before ? 0 : (puts("a thread or a file is left"), 1);
}
"""

# A handler that fork was to call must not be called once the library has gone.
USED_AND_CLOSED = """
typedef void *(*make_fn)(void **);
typedef void (*free_fn)(void *);

int main(int argc, char **argv) {
    for (int i = 0; i < 3; i++) {
        void *library = dlopen(argv[argc - 1], RTLD_NOW);
        if (!library)
            return puts(dlerror()), 1;
        make_fn make = (make_fn)dlsym(library, "kca_system_new");
        free_fn let_go = (free_fn)dlsym(library, "kca_system_free");
        void *system = NULL;
        if (make(&system) || !system)
            return puts("no system"), 1;
        let_go(system);
        dlclose(library);
        pid_t child = fork();
        if (child == 0)
            exit(0);
        int status;
        if (waitpid(child, &status, 0) != child || status != 0)
            return puts("the child died"), 1;
    }
    return 0;
}
"""

# A program may end with a started system: no handler of exit waits, no thread crashes.
STARTED = """
#include "kca.h"
static int on_order(kca_delivery *d, void *user) {
    (void)d, (void)user;
    return KCA_DONE;
}
int main(void) {
    kca_system *s;
    kca_connection *c;
    kca_publisher_builder *p;
    if (kca_system_new(&s) || kca_connection_new(&c, "shop", "embedded://") ||
        kca_system_add_connection(s, c) || kca_publisher_builder_new(&p, "shop", "orders") ||
        kca_system_add_publisher(s, p) || kca_system_add_handler(s, "*", on_order, NULL, NULL) ||
        kca_system_start(s, 20000))
        return 1;
    return 0;
}
"""


class Load(surroundings.TestCase):
    """Small programs."""

    def build(self, body: str, *words: str) -> str:
        source = self.write("program.c", COUNT_THREADS + body)
        binary = self.scratch / "program"
        libraries = ("-Wl,--no-as-needed", *words, "-ldl")
        self.succeeds(CC, "-std=c11", "-D_GNU_SOURCE", "-O1", f"-I{ABI}", source, "-o", binary, *libraries)
        return str(binary)

    def test_a_program_that_calls_nothing(self) -> None:
        rpath = f"-Wl,-rpath,{LIBRARY.parent}"
        self.succeeds(self.build(LINKED, str(LIBRARY), rpath))

    def test_a_program_that_ends_with_a_started_system(self) -> None:
        binary = self.build(STARTED, str(LIBRARY), f"-Wl,-rpath,{LIBRARY.parent}")
        for _ in range(20):
            self.succeeds(binary)

    def test_opened_and_closed(self) -> None:
        self.succeeds(self.build(OPENED), LIBRARY)

    def test_fork_after_it_was_closed(self) -> None:
        self.succeeds(self.build(USED_AND_CLOSED), LIBRARY)


if __name__ == "__main__":
    unittest.main()
