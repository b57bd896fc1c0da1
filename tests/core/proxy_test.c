/* The proxy of the fault tests: what it does to bytes and connections. */
#include "behaviour.h"
#include "proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { PATIENCE_MS = 5000, A_WHILE_MS = 100 };

/* A server that listens, the proxy before it, and a connection through it. */
typedef struct way {
    int listening;
    proxy *proxy;
    int client, server;
} way;

static void wait_at_most(int fd, int ms) {
    struct timeval patience = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
}

static int try_connect(int port) {
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    int err = errno;
    close(fd);
    return -err;
}

static void connect_through(way *w) {
    w->client = try_connect(proxy_port(w->proxy, 0));
    assert_true(w->client >= 0);
    w->server = accept(w->listening, NULL, NULL);
    assert_true(w->server >= 0);
    wait_at_most(w->client, PATIENCE_MS);
    wait_at_most(w->server, PATIENCE_MS);
}

static way open_way(void) {
    way w = {0};
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    char upstream[40];
    w.listening = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(w.listening, (struct sockaddr *)&at, len), 0);
    assert_int_equal(listen(w.listening, 8), 0);
    getsockname(w.listening, (struct sockaddr *)&at, &len);
    snprintf(upstream, sizeof upstream, "127.0.0.1:%d", ntohs(at.sin_port));
    w.proxy = proxy_start(NULL, upstream);
    connect_through(&w);
    return w;
}

static void close_way(way *w) {
    close(w->client);
    close(w->server);
    close(w->listening);
    proxy_stop(w->proxy);
}

static void say(int fd, const char *text) {
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void must_hear(int fd, const char *text) {
    char heard[100] = {0};
    assert_int_equal(recv(fd, heard, strlen(text), MSG_WAITALL), strlen(text));
    assert_string_equal(heard, text);
}

static void must_hear_nothing(int fd) {
    char heard;
    wait_at_most(fd, A_WHILE_MS);
    assert_int_equal(recv(fd, &heard, 1, 0), -1);
    assert_int_equal(errno, EAGAIN);
    wait_at_most(fd, PATIENCE_MS);
}

static void must_be_reset(int fd) {
    char heard;
    assert_int_equal(recv(fd, &heard, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
}

static void test_passes_both_ways_until_one_end_closes(void **state) {
    way w = open_way();
    char heard;
    say(w.client, "question");
    must_hear(w.server, "question");
    say(w.server, "answer");
    must_hear(w.client, "answer");
    say(w.server, "bye");
    close(w.server);
    must_hear(w.client, "bye");
    assert_int_equal(recv(w.client, &heard, 1, 0), 0);
    close(w.client);
    connect_through(&w);
    say(w.client, "again");
    must_hear(w.server, "again");
    assert_int_equal(proxy_connections(w.proxy), 1);
    assert_int_equal(proxy_resets(w.proxy), 0);
    close_way(&w);
}

static void test_a_hole_gives_back_what_it_took_when_it_closes(void **state) {
    way w = open_way();
    proxy_hole(w.proxy);
    say(w.client, "up");
    say(w.server, "down");
    must_hear_nothing(w.server);
    must_hear_nothing(w.client);
    int other = try_connect(proxy_port(w.proxy, 0)); /* it still takes connections */
    assert_true(other >= 0);
    proxy_pass(w.proxy);
    must_hear(w.server, "up");
    must_hear(w.client, "down");
    close(other);
    close_way(&w);
}

static void test_a_reset_is_for_the_connections_there_are(void **state) {
    way w = open_way();
    proxy_reset(w.proxy);
    must_be_reset(w.client);
    must_be_reset(w.server);
    assert_int_equal(proxy_resets(w.proxy), 1);
    close(w.client);
    close(w.server);
    connect_through(&w);
    say(w.client, "again");
    must_hear(w.server, "again");
    close_way(&w);
}

static void test_refuses_until_it_passes_again(void **state) {
    way w = open_way();
    proxy_refuse(w.proxy);
    must_be_reset(w.client);
    assert_int_equal(try_connect(proxy_port(w.proxy, 0)), -ECONNREFUSED);
    assert_int_equal(proxy_connections(w.proxy), 0);
    close(w.client);
    close(w.server);
    proxy_pass(w.proxy);
    connect_through(&w);
    say(w.client, "again");
    must_hear(w.server, "again");
    close_way(&w);
}

static void test_delays_each_way(void **state) {
    way w = open_way();
    proxy_delay(w.proxy, 150);
    int64_t begin = now_ms();
    say(w.client, "question");
    must_hear(w.server, "question");
    assert_in_range(now_ms() - begin, 149, 3000);
    say(w.server, "answer");
    must_hear(w.client, "answer");
    assert_in_range(now_ms() - begin, 298, 6000);
    close_way(&w);
}

static void test_limits_the_rate_and_keeps_the_bytes(void **state) {
    enum { BYTES = 30000 };
    static char sent[BYTES], came[BYTES];
    for (int i = 0; i < BYTES; i++)
        sent[i] = (char)(i % 251);
    way w = open_way();
    proxy_limit(w.proxy, 100000);
    int64_t begin = now_ms();
    assert_int_equal(send(w.client, sent, BYTES, 0), BYTES);
    assert_int_equal(recv(w.server, came, BYTES, MSG_WAITALL), BYTES);
    assert_in_range(now_ms() - begin, 200, 4000);
    assert_memory_equal(came, sent, BYTES);
    close_way(&w);
}

static void test_cuts_a_connection_after_so_many_bytes(void **state) {
    way w = open_way();
    char came[100];
    ssize_t n, total = 0;
    proxy_cut(w.proxy, 10);
    say(w.client, "0123456");
    must_hear(w.server, "0123456");
    say(w.client, "789abcdef");
    while ((n = recv(w.server, came, sizeof came, 0)) > 0)
        total += n;
    assert_int_equal(n, -1);
    assert_in_range(total, 0, 3);
    must_be_reset(w.client);
    assert_int_equal(proxy_resets(w.proxy), 1);
    close_way(&w);
}

static void test_resets_clients_of_a_server_that_is_gone(void **state) {
    way w = open_way();
    close(w.listening);
    int client = try_connect(proxy_port(w.proxy, 0));
    assert_true(client >= 0);
    wait_at_most(client, PATIENCE_MS);
    must_be_reset(client);
    close(client);
    w.listening = -1;
    close_way(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_passes_both_ways_until_one_end_closes),
        cmocka_unit_test(test_a_hole_gives_back_what_it_took_when_it_closes),
        cmocka_unit_test(test_a_reset_is_for_the_connections_there_are),
        cmocka_unit_test(test_refuses_until_it_passes_again),
        cmocka_unit_test(test_delays_each_way),
        cmocka_unit_test(test_limits_the_rate_and_keeps_the_bytes),
        cmocka_unit_test(test_cuts_a_connection_after_so_many_bytes),
        cmocka_unit_test(test_resets_clients_of_a_server_that_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
