/* SPDX-License-Identifier: Apache-2.0 */

/*
 * gantryd and its clients: strangers, silent and slow ones, too many, and those that send what is
 * no call.
 */

#include "tests/unit/unit.h"

#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "lib/message.h"
#include "lib/varlink.h"
#include "tests/harness/client.h"
#include "tests/harness/harness.h"

static const char *id_of(enum message message)
{
    return message_info(message)->id;
}

/* Return: the exit status of one that is not root and calls that method: 0 if the reply holds the
 * words. */
static int ask_as_nobody(const char *method, const char *words)
{
    char call[256], reply[16384] = "";
    int status;

    int n = snprintf(call, sizeof(call), "{\"method\":\"%s\",\"parameters\":{}}", method);
    pid_t pid = fork();
    if (pid == 0) {
        if (setgid(65534) < 0 || setuid(65534) < 0)
            _exit(98);
        int fd = client_connect_to(NODE_SOCKET);
        if (send(fd, call, (size_t)n + 1, 0) < 0)
            _exit(97);
        _exit(recv(fd, reply, sizeof(reply) - 1, 0) > 0 && strstr(reply, words) ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WEXITSTATUS(status);
}

static void strangers_are_turned_away_unread(void **state)
{
    static const char *const roots[] = {"io.gantry.Node.Launch", "io.gantry.Node.Reset",
                                        "io.gantry.Node.Run", "io.gantry.Node.Stop",
                                        "io.gantry.Node.Remove"};
    int status;

    (void)state;
    assert_int_equal(chmod(NODE_SOCKET, 0666), 0);
    pid_t pid = fork();
    if (pid == 0) {
        char reply[256] = "";
        if (setgid(65534) < 0 || setuid(65534) < 0)
            _exit(98);
        int fd = client_connect_to(NODE_SOCKET);
        /* It has not even to say something. */
        ssize_t n = recv(fd, reply, sizeof(reply) - 1, 0);
        _exit(n > 0 &&
                      strcmp(reply, "{\"error\":\"io.gantry.Node.NotPermitted\","
                                    "\"parameters\":{\"uid\":65534}}") == 0 &&
                      recv(fd, reply, 1, 0) == 0
                  ? 0
                  : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 0);

    node_configure("[Daemon]\nAllowUsers=65534\n");
    kill(gantryd_pid(), SIGHUP);
    journal_wait("MESSAGE_ID", id_of(MESSAGE_CONFIG), NULL);
    /* Then it may ask what changes nothing. */
    assert_int_equal(ask_as_nobody("org.varlink.service.GetInfo", "gantryd"), 0);
    assert_int_equal(ask_as_nobody("io.gantry.Node.List", "\"pods\":[]"), 0);
    assert_int_equal(ask_as_nobody("io.gantry.Node.Check", "\"checks\":["), 0);
    for (size_t i = 0; i < N_ELEMENTS(roots); i++)
        assert_int_equal(ask_as_nobody(roots[i], "{\"error\":\"io.gantry.Node.NotPermitted\","
                                                 "\"parameters\":{\"uid\":65534}}"),
                         0);
}

static void garbage_is_answered_and_the_connection_closed(void **state)
{
    static const struct {
        const char *text, *reason;
    } cases[] = {
        {"GET / HTTP/1.1\r\n\r\n", "byte 3: '[' or '{' expected near 'GET'"},
        {"[]", "not a JSON object"},
        {"{}", "no \"method\""},
        {"{\"method\":7}", "no \"method\""},
        {"{\"method\":\"a.b\",\"parameters\":7}", "\"parameters\" is not an object"},
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        int fd = client_connect();
        client_expect_error(fd, cases[i].text, "io.gantry.Node.BadMessage", "reason",
                            cases[i].reason);
        assert_null(client_receive(fd));
        close(fd);
    }
    journal_wait("MESSAGE_ID", id_of(MESSAGE_CLIENT), NULL);
    /* told the first time, the second, the fourth */
    journal_wait("MESSAGE_ID", id_of(MESSAGE_CLIENT), "GANTRY_REPEATED", "4", NULL);
    assert_int_equal(journal_count("MESSAGE_ID", id_of(MESSAGE_CLIENT)), 3);
}

static void a_call_may_have_four_mebibytes(void **state)
{
    static char text[VARLINK_CALL_MAX + 1];
    static const char call[] = "{\"method\":\"org.varlink.service.GetInfo\"}";
    int fd = client_connect();

    (void)state;
    memset(text, ' ', sizeof(text));
    memcpy(text, call, strlen(call));
    text[VARLINK_CALL_MAX - 1] = '\0';
    client_send(fd, text);
    CLEANUP(json_decrefp) json_t *reply = client_receive(fd);
    assert_string_equal(client_field(reply, "parameters", "product"), "gantryd");
    close(fd);

    fd = client_connect();
    text[VARLINK_CALL_MAX - 1] = ' ';
    text[VARLINK_CALL_MAX] = '\0';
    /* It may be closed before all of it is sent. */
    assert_true(send(fd, text, sizeof(text), MSG_NOSIGNAL) > 0);
    CLEANUP(json_decrefp) json_t *error = client_receive(fd);
    assert_string_equal(field(error, "error"), "io.gantry.Node.BadMessage");
    assert_string_equal(client_field(error, "parameters", "reason"), "it is longer than 4 MiB");
    close(fd);
}

/* A long call is read elsewhere: what it is, and what comes behind it, is answered as ever. */
static void long_calls_are_answered_in_order(void **state)
{
    static char text[VARLINK_LONG + 64];
    static const char call[] = "{\"method\":\"io.gantry.Node.List\"",
                      info[] = "{\"method\":\"org.varlink.service.GetInfo\"}";
    int fd = client_connect();

    (void)state;
    memset(text, ' ', sizeof(text));
    memcpy(text, call, strlen(call));
    text[sizeof(text) - 2] = '}';
    text[sizeof(text) - 1] = '\0';
    for (size_t i = 0; i < 8; i++) {
        client_send(fd, text);
        client_send(fd, info);
    }
    for (size_t i = 0; i < 8; i++) {
        CLEANUP(json_decrefp) json_t *list = client_receive(fd);
        CLEANUP(json_decrefp) json_t *reply = client_receive(fd);
        assert_true(json_is_array(json_object_get(json_object_get(list, "parameters"), "pods")));
        assert_string_equal(client_field(reply, "parameters", "product"), "gantryd");
    }
    close(fd);

    /* one that is none, and those whose clients do not wait */
    text[0] = 'x';
    fd = client_connect();
    client_expect_error(fd, text, "io.gantry.Node.BadMessage", "reason",
                        "byte 1: '[' or '{' expected near 'x'");
    assert_null(client_receive(fd));
    close(fd);
    for (size_t i = 0; i < 16; i++) {
        text[0] = i % 2 ? '{' : 'x';
        fd = client_connect();
        client_send(fd, text);
        close(fd);
    }
    fd = client_connect();
    client_send(fd, info);
    json_decref(client_receive(fd));
    close(fd);
}

static void silent_and_slow_clients_delay_nobody_and_are_cut_off(void **state)
{
    int silent[64];

    (void)state;
    node_configure("[Launch]\nRequestTimeout=500ms\n");
    kill(gantryd_pid(), SIGHUP);
    journal_wait("MESSAGE_ID", id_of(MESSAGE_CONFIG), NULL);
    for (size_t i = 0; i < N_ELEMENTS(silent); i++) {
        silent[i] = client_connect();
        if (i % 2)
            assert_int_equal(send(silent[i], "{\"method\":", 10, 0), 10);
    }
    launch_pod("0001", "web");
    journal_wait("MESSAGE_ID", id_of(MESSAGE_LAUNCH), NULL);
    assert_int_equal(journal_count("MESSAGE_ID", id_of(MESSAGE_UNREACHABLE)), 0);

    for (size_t i = 0; i < N_ELEMENTS(silent); i++) {
        char byte;
        assert_int_equal(recv(silent[i], &byte, 1, 0), 0);
        close(silent[i]);
    }
    const json_t *entry = journal_wait("MESSAGE_ID", id_of(MESSAGE_CLIENT), NULL);
    assert_non_null(strstr(field(entry, "MESSAGE"), "it took longer than RequestTimeout="));
}

static void a_client_that_has_its_answer_may_go_without_a_word(void **state)
{
    static const char call[] = "{\"method\":\"org.varlink.service.GetInfo\"}";
    char byte;

    (void)state;
    node_configure("[Launch]\nRequestTimeout=100ms\n");
    kill(gantryd_pid(), SIGHUP);
    journal_wait("MESSAGE_ID", id_of(MESSAGE_CONFIG), NULL);
    int fd = client_connect();
    client_send(fd, call);
    json_decref(client_receive(fd));
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    close(fd);
    assert_int_equal(journal_count("MESSAGE_ID", id_of(MESSAGE_CLIENT)), 0);
}

static void too_many_connections_cost_the_most_silent_one(void **state)
{
    static const char call[] = "{\"method\":\"org.varlink.service.GetInfo\"}";
    int fds[9];
    char byte;

    (void)state;
    node_configure("[Daemon]\nConnectionsMax=8\n");
    kill(gantryd_pid(), SIGHUP);
    journal_wait("MESSAGE_ID", id_of(MESSAGE_CONFIG), NULL);
    for (size_t i = 0; i < 8; i++) {
        fds[i] = client_connect();
        client_send(fds[i], call);
        json_decref(client_receive(fds[i]));
    }
    /* the first is heard of again, so the second is the most silent */
    client_send(fds[0], call);
    json_decref(client_receive(fds[0]));
    fds[8] = client_connect();
    client_send(fds[8], call);
    json_decref(client_receive(fds[8]));
    assert_int_equal(recv(fds[1], &byte, 1, 0), 0);
    client_send(fds[0], call);
    json_decref(client_receive(fds[0]));
    for (size_t i = 0; i < 9; i++)
        close(fds[i]);
}

static void when_all_have_calls_under_way_the_new_one_goes(void **state)
{
    static const char call[] = "{\"method\":\"io.gantry.Node.Monitor\",\"more\":true}";
    int fds[2];

    (void)state;
    node_configure("[Daemon]\nConnectionsMax=2\n");
    kill(gantryd_pid(), SIGHUP);
    journal_wait("MESSAGE_ID", id_of(MESSAGE_CONFIG), NULL);
    for (size_t i = 0; i < 2; i++) {
        fds[i] = client_connect();
        client_send(fds[i], call);
        json_decref(client_receive(fds[i]));
    }
    int fd = client_connect();
    CLEANUP(json_decrefp) json_t *error = client_receive(fd);
    assert_string_equal(field(error, "error"), "io.gantry.Node.TooManyConnections");
    close(fd);
    close(fds[0]);
    close(fds[1]);
}

static void a_watcher_that_does_not_read_is_cut_off(void **state)
{
    static const char call[] = "{\"method\":\"io.gantry.Node.Monitor\",\"more\":true}";
    char bytes[65536];
    int fd = client_connect(), other = client_connect();

    (void)state;
    node_configure("[Launch]\nRequestTimeout=300ms\n");
    kill(gantryd_pid(), SIGHUP);
    client_send(fd, call);
    /* Enough events to fill the socket's buffer; then its time runs. */
    for (size_t i = 0; i < 2000; i++) {
        char text[512];
        snprintf(
            text, sizeof(text),
            "{\"method\":\"io.gantry.Node.Launch\",\"parameters\":{\"id\":\"%zu\",\"argv\":[\"rkt\","
            "\"prepare\"],\"directory\":\"/\",\"environment\":{}}}",
            i);
        client_send(other, text);
        json_decref(client_receive(other));
    }
    wait_for(journal_count("MESSAGE_ID", id_of(MESSAGE_CLIENT)) > 0);
    while (recv(fd, bytes, sizeof(bytes), 0) > 0)
        ;
    close(fd);
    close(other);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, node_setup, node_teardown)
    static const struct CMUnitTest tests[] = {
        TEST(strangers_are_turned_away_unread),
        TEST(garbage_is_answered_and_the_connection_closed),
        TEST(a_call_may_have_four_mebibytes),
        TEST(long_calls_are_answered_in_order),
        TEST(silent_and_slow_clients_delay_nobody_and_are_cut_off),
        TEST(a_client_that_has_its_answer_may_go_without_a_word),
        TEST(too_many_connections_cost_the_most_silent_one),
        TEST(when_all_have_calls_under_way_the_new_one_goes),
        TEST(a_watcher_that_does_not_read_is_cut_off),
    };

    node_enter();
    return cmocka_run_group_tests_name("clients", tests, NULL, NULL);
}
