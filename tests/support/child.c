#include "child.h"

#include "behaviour.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

child child_start(const char *what, const char *topic, const char *group) {
    child c;
    int ends[2];
    posix_spawn_file_actions_t actions;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    char *const words[] = {"child", (char *)(uintptr_t)what, (char *)(uintptr_t)topic,
                           (char *)(uintptr_t)group, NULL};
    assert_int_equal(posix_spawn(&c.pid, "/proc/self/exe", &actions, NULL, words, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    c.fd = ends[0];
    return c;
}

bool child_tell(int number) {
    return write(STDOUT_FILENO, &number, sizeof number) == sizeof number;
}

bool child_says(const child *c, int *out, int timeout_ms) {
    struct pollfd fd = {.fd = c->fd, .events = POLLIN};
    return poll(&fd, 1, timeout_ms) == 1 && read(c->fd, out, sizeof *out) == sizeof *out;
}

void child_kill(const child *c) {
    kill(c->pid, SIGKILL);
    waitpid(c->pid, NULL, 0);
}

void child_close(child *c) {
    close(c->fd);
    c->fd = -1;
}
