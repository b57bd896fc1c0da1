/* The wake socket: a byte for each time that a queue becomes readable, for nobody but this process.
 */
#include "behaviour.h"
#include "systems.h"

#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000, ROUNDS = 40, MORE_THAN_A_SOCKET_HOLDS = 100000 };

static int connect_to(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    return connect(fd, (struct sockaddr *)&address, sizeof address) == 0 ? fd : -1;
}

static kca_wake_socket *connected(int *out) {
    kca_wake_socket *b;
    must(kca_wake_socket_new(&b));
    *out = connect_to(kca_wake_socket_path(b));
    assert_true(*out >= 0);
    must(kca_wake_socket_accept(b));
    return b;
}

static int next_mark(int fd, int timeout_ms) {
    struct pollfd watched = {.fd = fd, .events = POLLIN};
    unsigned char mark;
    return poll(&watched, 1, timeout_ms) == 1 && read(fd, &mark, 1) == 1 ? mark : -1;
}

static void test_the_path_is_private_and_goes_with_the_connection(void **state) {
    kca_wake_socket *b;
    struct stat found;
    char folder[200];
    must(kca_wake_socket_new(&b));
    snprintf(folder, sizeof folder, "%s", kca_wake_socket_path(b));
    *strrchr(folder, '/') = '\0';
    assert_int_equal(stat(folder, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0700);
    must_fail(kca_wake_socket_accept(b), KCA_ERROR_STATE, "nobody has connected");
    int fd = connect_to(kca_wake_socket_path(b));
    must(kca_wake_socket_accept(b));
    assert_string_equal(kca_wake_socket_path(b), "");
    assert_int_equal(stat(folder, &found), -1);
    must_fail(kca_wake_socket_accept(b), KCA_ERROR_STATE, "it is connected");
    kca_wake_socket_free(b);
    assert_int_equal(next_mark(fd, PATIENCE_MS), -1);
    close(fd);

    must(kca_wake_socket_new(&b));
    snprintf(folder, sizeof folder, "%s", kca_wake_socket_path(b));
    kca_wake_socket_free(b);
    assert_int_equal(stat(folder, &found), -1);
}

static void test_another_process_is_refused_and_a_child_is_told(void **state) {
    kca_wake_socket *b;
    must(kca_wake_socket_new(&b));
    pid_t child = fork();
    if (child == 0) {
        kca_error *e = kca_wake_socket_accept(b);
        int forked = kca_error_code(e) == KCA_ERROR_FORKED;
        kca_error_free(e);
        int fd = connect_to(kca_wake_socket_path(b));
        kca_wake_socket_free(b);
        _exit(forked && fd >= 0 ? 0 : 1);
    }
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    must_fail(kca_wake_socket_accept(b), KCA_ERROR_STATE, "another process");
    int fd = connect_to(kca_wake_socket_path(b));
    must(kca_wake_socket_accept(b));
    close(fd);
    kca_wake_socket_free(b);
}

static void test_each_queue_has_its_mark_and_nothing_is_missed(void **state) {
    int fd;
    kca_wake_socket *b = connected(&fd);
    kca_system *s = system_on("embedded://");
    give_publisher(s, publisher_of("things"));
    kca_consumer_builder *builder = consumer_of("things", "reader");
    kca_consumer_builder_with_partition(builder, KCA_PARTITION_EVERY);
    give_consumer(s, builder);
    must(kca_system_add_handler(s, "*", NULL, NULL, NULL));
    start(s);
    kca_queue *receipts = queue_of(s), *deliveries;
    kca_consumer *c = reader_of(s, "reader");
    must(kca_consumer_queue(c, &deliveries));
    must(kca_wake_socket_watch(b, receipts, 1));
    must(kca_wake_socket_watch(b, deliveries, 255));
    must_fail(kca_wake_socket_watch(b, receipts, 0), KCA_ERROR_ARGUMENT,
              "mark must be 1 to 255, got 0");
    must_fail(kca_wake_socket_watch(b, NULL, 1), KCA_ERROR_STATE, "no descriptor");

    kca_bus *bus = bus_of(s, "things");
    int got[256] = {0};
    for (int i = 0; i < ROUNDS; i++) {
        publish_things(bus, i, 1, 1, 1);
        while (got[1] <= i || got[255] <= i) {
            kca_event *events[8];
            int mark = next_mark(fd, PATIENCE_MS);
            assert_true(mark == 1 || mark == 255);
            int count; /* until none comes, as the contract says */
            while ((count = kca_queue_next(mark == 1 ? receipts : deliveries, events, 8, 0)) > 0)
                for (int n = 0; n < count; n++) {
                    got[mark] += kca_event_type(events[n]) <= KCA_EVENT_RECEIPT;
                    if (kca_event_delivery(events[n]))
                        must(kca_delivery_settle(kca_event_delivery(events[n]), KCA_DONE));
                    kca_event_free(events[n]);
                }
        }
    }
    kca_wake_socket_wake(b, 7);
    int mark;
    while ((mark = next_mark(fd, PATIENCE_MS)) != 7)
        assert_true(mark > 0);
    kca_bus_free(bus);
    kca_consumer_free(c);
    kca_queue_free(deliveries);
    kca_queue_free(receipts);
    finish(s);
    kca_wake_socket_free(b);
    close(fd);
}

/* A peer that has gone stops neither free nor wake, and raises no SIGPIPE. */
static void test_a_peer_that_has_gone_harms_nobody(void **state) {
    int fd;
    kca_wake_socket *b = connected(&fd);
    close(fd);
    kca_wake_socket_wake(b, 1);
    kca_wake_socket_wake(b, 1);
    kca_wake_socket_free(b);
}

/* An event loop that wakes itself must not wait for what only itself can read. */
static void test_a_wake_never_waits_for_the_reader(void **state) {
    int fd;
    kca_wake_socket *b = connected(&fd);
    alarm(PATIENCE_MS / 1000);
    for (int i = 0; i < MORE_THAN_A_SOCKET_HOLDS; i++)
        kca_wake_socket_wake(b, 9);
    alarm(0);
    assert_int_equal(next_mark(fd, PATIENCE_MS), 9);
    kca_wake_socket_free(b);
    close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_path_is_private_and_goes_with_the_connection),
        cmocka_unit_test(test_another_process_is_refused_and_a_child_is_told),
        cmocka_unit_test(test_each_queue_has_its_mark_and_nothing_is_missed),
        cmocka_unit_test(test_a_peer_that_has_gone_harms_nobody),
        cmocka_unit_test(test_a_wake_never_waits_for_the_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
