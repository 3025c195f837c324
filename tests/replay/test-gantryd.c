/* SPDX-License-Identifier: Apache-2.0 */

/*
 * gantryd as its clients and systemd see it: the Varlink interface, good and bad clients,
 * configuration, start and stop.
 */

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "lib/message.h"
#include "lib/varlink.h"
#include "tests/harness/harness.h"

#define MANIFEST "/run/node/manifest.json"

static const char *id_of(enum message message)
{
    return message_info(message)->id;
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval tv = {.tv_sec = 10};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strcpy(address.sun_path, path);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return fd_close(fd);
    return fd;
}

static int connect_to_node(void)
{
    int fd = connect_to(NODE_SOCKET);

    assert_true(fd >= 0);
    return fd;
}

static void send_text(int fd, const char *text)
{
    assert_true(send(fd, text, strlen(text) + 1, MSG_NOSIGNAL) > 0);
}

/* Reads one message. Return: a new reference, NULL at the end. */
static json_t *receive(int fd)
{
    char bytes[65536];
    size_t length = 0;

    do {
        ssize_t n = recv(fd, bytes + length, 1, 0);
        if (n <= 0)
            return NULL;
        length += (size_t)n;
    } while (bytes[length - 1] != '\0');
    json_t *message = json_loads(bytes, 0, NULL);
    assert_non_null(message);
    return message;
}

/* Return: the string at a path like "parameters.reason" of the message, or "". */
static const char *at(const json_t *message, const char *outer, const char *inner)
{
    return field(json_object_get(message, outer), inner);
}

static void expect_error(int fd, const char *call, const char *error, const char *name,
                         const char *value)
{
    send_text(fd, call);
    CLEANUP(json_decrefp) json_t *reply = receive(fd);
    assert_string_equal(field(reply, "error"), error);
    if (name)
        assert_string_equal(at(reply, "parameters", name), value);
}

/* The interface. */

static void tells_who_it_is(void **state)
{
    CLEANUP(json_decrefp) json_t *reply = api_call("org.varlink.service.GetInfo", NULL);
    const json_t *info = json_object_get(reply, "parameters");
    CLEANUP(json_decrefp)
    json_t *interfaces = json_pack("[s, s]", "org.varlink.service", "io.gantry.Node");

    (void)state;
    assert_string_equal(field(info, "vendor"), "gantry");
    assert_string_equal(field(info, "product"), "gantryd");
    assert_string_equal(field(info, "version"), PACKAGE_VERSION);
    assert_true(json_equal(json_object_get(info, "interfaces"), interfaces));
}

static void describes_its_interfaces_by_their_files(void **state)
{
    static const char *const names[] = {"io.gantry.Node", "org.varlink.service"};

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(names); i++) {
        char path[256];
        snprintf(path, sizeof(path), "lib/%s.varlink", names[i]);
        CLEANUP(json_decrefp)
        json_t *reply = api_call("org.varlink.service.GetInterfaceDescription",
                                 json_pack("{s:s}", "interface", names[i]));
        CLEANUP(freep) char *text = read_text(node_source(path));
        assert_string_equal(at(reply, "parameters", "description"), text);
    }
}

static void answers_bad_calls_with_errors(void **state)
{
    static const struct {
        const char *call, *error, *name, *value;
    } cases[] = {
        {"{\"method\":\"io.gantry.Node.Dance\"}", "org.varlink.service.MethodNotFound", "method",
         "io.gantry.Node.Dance"},
        {"{\"method\":\"io.gantry.Tree.List\"}", "org.varlink.service.InterfaceNotFound",
         "interface", "io.gantry.Tree"},
        {"{\"method\":\"List\"}", "org.varlink.service.InterfaceNotFound", "interface", "List"},
        {"{\"method\":\"org.varlink.service.GetInterfaceDescription\"}",
         "org.varlink.service.InvalidParameter", "parameter", "interface"},
        {"{\"method\":\"org.varlink.service.GetInterfaceDescription\","
         "\"parameters\":{\"interface\":\"a.b\"}}",
         "org.varlink.service.InterfaceNotFound", "interface", "a.b"},
        {"{\"method\":\"io.gantry.Node.Explain\",\"parameters\":{}}",
         "org.varlink.service.InvalidParameter", "parameter", "pod"},
        {"{\"method\":\"io.gantry.Node.Explain\",\"parameters\":{\"pod\":\"nobody\"}}",
         "io.gantry.Node.NoSuchPod", "pod", "nobody"},
        {"{\"method\":\"io.gantry.Node.Reset\",\"parameters\":{\"pod\":\"nobody\"}}",
         "io.gantry.Node.NoSuchPod", "pod", "nobody"},
        {"{\"method\":\"io.gantry.Node.Monitor\"}", "io.gantry.Node.ExpectedMore", NULL, NULL},
        {"{\"method\":\"io.gantry.Node.Launch\"}", "org.varlink.service.InvalidParameter",
         "parameter", "id"},
        {"{\"method\":\"io.gantry.Node.Launch\",\"parameters\":{\"id\":\"1\",\"argv\":[]}}",
         "org.varlink.service.InvalidParameter", "parameter", "argv"},
        {"{\"method\":\"io.gantry.Node.Launch\",\"parameters\":{\"id\":\"1\",\"argv\":[\"rkt\"],"
         "\"directory\":\"here\"}}",
         "org.varlink.service.InvalidParameter", "parameter", "directory"},
        {"{\"method\":\"io.gantry.Node.Launch\",\"parameters\":{\"id\":\"1\",\"argv\":[\"rkt\"],"
         "\"directory\":\"/\"}}",
         "org.varlink.service.InvalidParameter", "parameter", "environment"},
        {"{\"method\":\"io.gantry.Node.Launch\",\"parameters\":{\"id\":\"1\",\"argv\":[\"rkt\",7],"
         "\"directory\":\"/\",\"environment\":{}}}",
         "org.varlink.service.InvalidParameter", "parameter", "argv"},
        {"{\"method\":\"io.gantry.Node.Launch\",\"parameters\":{\"id\":\"1\",\"argv\":[\"rkt\"],"
         "\"directory\":\"/\",\"environment\":{},\"manifest\":\"{}\"}}",
         "org.varlink.service.InvalidParameter", "parameter", "manifest"},
        {"{\"method\":\"io.gantry.Node.Launch\",\"parameters\":{\"id\":\"1\",\"argv\":[\"rkt\","
         "\"list\"],\"directory\":\"/\",\"environment\":{}}}",
         "io.gantry.Node.Failed", "reason", "the command line is not one of rkt 1.30's"},
    };
    int fd = connect_to_node();

    (void)state;
    /* One connection bears them all: a bad call spoils nothing. */
    for (size_t i = 0; i < N_ELEMENTS(cases); i++)
        expect_error(fd, cases[i].call, cases[i].error, cases[i].name, cases[i].value);
    close(fd);
}

/* Return: true if the interface has a method or an error of that name. */
static bool has_member(const char *interface, const char *name)
{
    char error[160], method[160];

    snprintf(error, sizeof(error), "\nerror %s (", name);
    snprintf(method, sizeof(method), "\nmethod %s(", name);
    return strstr(interface, error) || strstr(interface, method);
}

static void every_name_stands_in_an_interface(void **state)
{
    CLEANUP(freep) char *node = read_text(node_source("lib/io.gantry.Node.varlink"));
    CLEANUP(freep) char *service = read_text(node_source("lib/org.varlink.service.varlink"));
    static const char *const sources[] = {"daemon/api.c", "daemon/server.c"};

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(sources); i++) {
        CLEANUP(freep) char *source = read_text(node_source(sources[i]));
        size_t n_found = 0;
        for (char *p = source; (p = strchr(p, '"'));) {
            char name[128];
            bool is_nodes = sscanf(++p, "io.gantry.Node.%100[A-Za-z]\"", name) == 1;
            if (!is_nodes && sscanf(p, "org.varlink.service.%100[A-Za-z]\"", name) != 1)
                continue;
            if (!has_member(is_nodes ? node : service, name))
                fail_msg("%s: %s", sources[i], name);
            n_found++;
        }
        assert_true(n_found >= 3);
    }
}

static void answers_many_calls_at_once_in_order(void **state)
{
    int fd = connect_to_node();
    static const char call[] = "{\"method\":\"org.varlink.service.GetInfo\"}";
    static const char oneway[] = "{\"method\":\"io.gantry.Node.List\",\"oneway\":true}";
    static const char last[] = "{\"method\":\"io.gantry.Node.List\"}";

    (void)state;
    for (size_t i = 0; i < 100; i++) {
        send_text(fd, call);
        send_text(fd, oneway);
    }
    send_text(fd, last);
    for (size_t i = 0; i < 100; i++) {
        CLEANUP(json_decrefp) json_t *reply = receive(fd);
        assert_string_equal(at(reply, "parameters", "product"), "gantryd");
    }
    CLEANUP(json_decrefp) json_t *reply = receive(fd);
    assert_true(json_is_array(json_object_get(json_object_get(reply, "parameters"), "pods")));
    close(fd);
}

static void launch_pod(const char *uid, const char *name)
{
    char text[1024];

    snprintf(text, sizeof(text),
             "{\"apps\":[{\"name\":\"c\"}],\"annotations\":["
             "{\"name\":\"rkt.kubernetes.io/managed-by-kubelet\",\"value\":\"true\"},"
             "{\"name\":\"io.kubernetes.pod.uid\",\"value\":\"%s\"},"
             "{\"name\":\"io.kubernetes.pod.name\",\"value\":\"%s\"},"
             "{\"name\":\"io.kubernetes.pod.namespace\",\"value\":\"default\"}]}",
             uid, name);
    write_text(MANIFEST, text);
    CLEANUP(result_deinit)
    struct result result = run(node_built("rkt"), "prepare", "--pod-manifest", MANIFEST, NULL);
    assert_int_equal(result.status, 0);
}

static void lists_many_pods_in_parts(void **state)
{
    static const char call[] = "{\"method\":\"io.gantry.Node.List\",\"more\":true}";
    size_t n_pods = 0, n_replies = 0;
    int fd = connect_to_node();

    (void)state;
    for (unsigned i = 0; i < 250; i++) {
        char text[1024];
        snprintf(
            text, sizeof(text),
            "{\"method\":\"io.gantry.Node.Launch\",\"parameters\":{\"id\":\"%u\",\"argv\":[\"rkt\","
            "\"prepare\"],\"directory\":\"/\",\"environment\":{},\"manifest\":{\"annotations\":["
            "{\"name\":\"rkt.kubernetes.io/managed-by-kubelet\",\"value\":\"true\"},"
            "{\"name\":\"io.kubernetes.pod.uid\",\"value\":\"uid-%u\"},"
            "{\"name\":\"io.kubernetes.pod.name\",\"value\":\"n\"},"
            "{\"name\":\"io.kubernetes.pod.namespace\",\"value\":\"s\"}]}}}",
            i, i);
        send_text(fd, text);
        json_decref(receive(fd));
    }
    send_text(fd, call);
    for (bool goes_on = true; goes_on; n_replies++) {
        CLEANUP(json_decrefp) json_t *reply = receive(fd);
        n_pods += json_array_size(json_object_get(json_object_get(reply, "parameters"), "pods"));
        goes_on = json_is_true(json_object_get(reply, "continues"));
    }
    assert_int_equal(n_pods, 250);
    assert_int_equal(n_replies, 3);
    close(fd);
}

/* What does not fit into any queue comes when the client has read what came before. */
static void lists_a_crowd(void **state)
{
    CLEANUP(result_deinit) struct result result = {0};

    (void)state;
    gantryd_end(SIGTERM);
    node_crowd(1200);
    gantryd_start();
    result = run(node_built("gantryctl"), "--json", "list", NULL);
    assert_int_equal(result.status, 0);
    CLEANUP(json_decrefp) json_t *reply = json_loads(result.out, 0, NULL);
    assert_int_equal(json_array_size(reply), 1200);
}

static void finds_a_pod_by_any_of_its_names(void **state)
{
    static const char *const names[] = {"web", "default/web", "0001-web", "0001"};

    (void)state;
    launch_pod("0001-web", "web");
    launch_pod("0002-db", "db");
    launch_pod("0003-db", "db");
    for (size_t i = 0; i < N_ELEMENTS(names); i++) {
        CLEANUP(json_decrefp)
        json_t *reply = api_call("io.gantry.Node.Explain", json_pack("{s:s}", "pod", names[i]));
        const json_t *pod = json_object_get(json_object_get(reply, "parameters"), "pod");
        assert_string_equal(field(pod, "uid"), "0001-web");
    }
    CLEANUP(json_decrefp)
    json_t *reply = api_call("io.gantry.Node.Explain", json_pack("{s:s}", "pod", "db"));
    const json_t *matches = json_object_get(json_object_get(reply, "parameters"), "matches");
    assert_string_equal(field(reply, "error"), "io.gantry.Node.AmbiguousPod");
    assert_int_equal(json_array_size(matches), 2);
    assert_string_equal(json_string_value(json_array_get(matches, 0)), "default/db (0002-db)");
    CLEANUP(json_decrefp)
    json_t *prefix = api_call("io.gantry.Node.Explain", json_pack("{s:s}", "pod", "000"));
    assert_string_equal(field(prefix, "error"), "io.gantry.Node.AmbiguousPod");
}

static void monitor_tells_events_as_they_come(void **state)
{
    static const char call[] = "{\"method\":\"io.gantry.Node.Monitor\",\"more\":true}";

    (void)state;
    /* nothing is to be told but what is asked for here */
    node_configure("[Kubelet]\nURL=\n");
    gantryd_end(SIGTERM);
    gantryd_start();
    int fd = connect_to_node();
    send_text(fd, call);
    CLEANUP(json_decrefp) json_t *first = receive(fd);
    assert_true(json_is_true(json_object_get(first, "continues")));
    assert_null(json_object_get(json_object_get(first, "parameters"), "event"));

    launch_pod("0001", "web");
    CLEANUP(json_decrefp) json_t *reply = receive(fd);
    const json_t *event = json_object_get(json_object_get(reply, "parameters"), "event");
    const json_t *entry = journal_wait("MESSAGE_ID", id_of(MESSAGE_LAUNCH), NULL);
    assert_string_equal(field(event, "name"), "launch");
    assert_string_equal(field(event, "message"), field(entry, "MESSAGE"));
    assert_string_equal(at(event, "fields", "GANTRY_POD_NAME"), "web");

    /* and ends when gantryd does */
    assert_int_equal(gantryd_end(SIGTERM), 0);
    CLEANUP(json_decrefp) json_t *last = receive(fd);
    assert_non_null(last);
    assert_false(json_is_true(json_object_get(last, "continues")));
    close(fd);
}

/* Bad clients. */

static void strangers_are_turned_away_unread(void **state)
{
    int status;

    (void)state;
    assert_int_equal(chmod(NODE_SOCKET, 0666), 0);
    pid_t pid = fork();
    if (pid == 0) {
        char reply[256] = "";
        if (setgid(65534) < 0 || setuid(65534) < 0)
            _exit(98);
        int fd = connect_to(NODE_SOCKET);
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
    pid = fork();
    if (pid == 0) {
        char reply[4096] = "";
        static const char call[] = "{\"method\":\"org.varlink.service.GetInfo\"}";
        if (setgid(65534) < 0 || setuid(65534) < 0)
            _exit(98);
        int fd = connect_to(NODE_SOCKET);
        if (send(fd, call, sizeof(call), 0) < 0)
            _exit(2);
        _exit(recv(fd, reply, sizeof(reply) - 1, 0) > 0 && strstr(reply, "gantryd") ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 0);
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
        int fd = connect_to_node();
        expect_error(fd, cases[i].text, "io.gantry.Node.BadMessage", "reason", cases[i].reason);
        assert_null(receive(fd));
        close(fd);
    }
    journal_wait("MESSAGE_ID", id_of(MESSAGE_CLIENT), NULL);
    /* told the first time, the second, the fourth */
    journal_wait("MESSAGE_ID", id_of(MESSAGE_CLIENT), "GANTRY_REPEATED", "4", NULL);
    assert_int_equal(journal_count("MESSAGE_ID", id_of(MESSAGE_CLIENT)), 3);
}

static void a_message_may_have_four_mebibytes(void **state)
{
    static char text[VARLINK_MESSAGE_MAX + 1];
    static const char call[] = "{\"method\":\"org.varlink.service.GetInfo\"}";
    int fd = connect_to_node();

    (void)state;
    memset(text, ' ', sizeof(text));
    memcpy(text, call, strlen(call));
    text[VARLINK_MESSAGE_MAX - 1] = '\0';
    send_text(fd, text);
    CLEANUP(json_decrefp) json_t *reply = receive(fd);
    assert_string_equal(at(reply, "parameters", "product"), "gantryd");
    close(fd);

    fd = connect_to_node();
    text[VARLINK_MESSAGE_MAX - 1] = ' ';
    text[VARLINK_MESSAGE_MAX] = '\0';
    /* It may be closed before all of it is sent. */
    assert_true(send(fd, text, sizeof(text), MSG_NOSIGNAL) > 0);
    CLEANUP(json_decrefp) json_t *error = receive(fd);
    assert_string_equal(field(error, "error"), "io.gantry.Node.BadMessage");
    assert_string_equal(at(error, "parameters", "reason"), "it is longer than 4 MiB");
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
        silent[i] = connect_to_node();
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
    int fd = connect_to_node();
    send_text(fd, call);
    json_decref(receive(fd));
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
        fds[i] = connect_to_node();
        send_text(fds[i], call);
        json_decref(receive(fds[i]));
    }
    /* the first is heard of again, so the second is the most silent */
    send_text(fds[0], call);
    json_decref(receive(fds[0]));
    fds[8] = connect_to_node();
    send_text(fds[8], call);
    json_decref(receive(fds[8]));
    assert_int_equal(recv(fds[1], &byte, 1, 0), 0);
    send_text(fds[0], call);
    json_decref(receive(fds[0]));
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
        fds[i] = connect_to_node();
        send_text(fds[i], call);
        json_decref(receive(fds[i]));
    }
    int fd = connect_to_node();
    CLEANUP(json_decrefp) json_t *error = receive(fd);
    assert_string_equal(field(error, "error"), "io.gantry.Node.TooManyConnections");
    close(fd);
    close(fds[0]);
    close(fds[1]);
}

static void a_watcher_that_does_not_read_is_cut_off(void **state)
{
    static const char call[] = "{\"method\":\"io.gantry.Node.Monitor\",\"more\":true}";
    char bytes[65536];
    int fd = connect_to_node(), other = connect_to_node();

    (void)state;
    node_configure("[Launch]\nRequestTimeout=300ms\n");
    kill(gantryd_pid(), SIGHUP);
    send_text(fd, call);
    /* Enough events to fill the socket's buffer; then its time runs. */
    for (size_t i = 0; i < 2000; i++) {
        char text[512];
        snprintf(
            text, sizeof(text),
            "{\"method\":\"io.gantry.Node.Launch\",\"parameters\":{\"id\":\"%zu\",\"argv\":[\"rkt\","
            "\"prepare\"],\"directory\":\"/\",\"environment\":{}}}",
            i);
        send_text(other, text);
        json_decref(receive(other));
    }
    wait_for(journal_count("MESSAGE_ID", id_of(MESSAGE_CLIENT)) > 0);
    while (recv(fd, bytes, sizeof(bytes), 0) > 0)
        ;
    close(fd);
    close(other);
}

/* Configuration, start and stop. */

static void a_bad_configuration_leaves_the_old_one_in_force(void **state)
{
    (void)state;
    node_configure("[BackOff]\nInitial=soon\n[Launch]\nOnUnreachible=refuse\n");
    kill(gantryd_pid(), SIGHUP);
    const json_t *entry =
        journal_wait("MESSAGE_ID", id_of(MESSAGE_FAULT), "MESSAGE",
                     NODE_CONFIG ":6: [BackOff] Initial=soon: expected a time, such as 10s", NULL);
    assert_string_equal(field(entry, "PRIORITY"), "4");
    journal_wait("MESSAGE", NODE_CONFIG ":8: [Launch] OnUnreachible=: no such setting, ignored",
                 NULL);
    journal_wait("MESSAGE", "the configuration is bad; the one before stays in force", NULL);
    launch_pod("0001", "web");
}

static void check_config_tells_what_is_wrong(void **state)
{
    CLEANUP(result_deinit) struct result good = {0};
    CLEANUP(result_deinit) struct result bad = {0};

    (void)state;
    good = run(node_built("gantryd"), "--check-config", NULL);
    assert_int_equal(good.status, 0);
    assert_string_equal(good.err, "");
    write_text("/run/node/other.conf", "[HostPath]\nMode=rwx\nCreat=no\n");
    bad = run(node_built("gantryd"), "--config=/run/node/other.conf", "--check-config", NULL);
    assert_int_equal(bad.status, 78);
    assert_string_equal(
        bad.err,
        "/run/node/other.conf:2: [HostPath] Mode=rwx: expected an octal mode, such as 0755\n"
        "warning: /run/node/other.conf:3: [HostPath] Creat=: no such setting, ignored\n");
}

static void sigterm_answers_what_is_under_way(void **state)
{
    static char text[1 << 20];
    int fd = connect_to_node();
    size_t length = 0;

    (void)state;
    /* A launch that takes a while: two thousand folders to make, one below the other. */
    length +=
        (size_t)sprintf(text, "{\"method\":\"io.gantry.Node.Launch\",\"parameters\":{\"id\":\"1\","
                              "\"argv\":[\"rkt\",\"prepare\"],\"directory\":\"/\","
                              "\"environment\":{},\"manifest\":{\"volumes\":[");
    for (unsigned i = 0; i < 2000; i++)
        length += (size_t)sprintf(
            text + length, "%s{\"name\":\"v%u\",\"kind\":\"host\",\"source\":\"/srv/%u/a/b\"}",
            i ? "," : "", i, i);
    strcpy(text + length, "]}}}");
    send_text(fd, text);
    wait_for(is_there("/srv/0"));
    assert_int_equal(gantryd_end(SIGTERM), 0);
    CLEANUP(json_decrefp) json_t *reply = receive(fd);
    assert_non_null(json_object_get(reply, "parameters"));
    assert_true(is_there("/srv/1999/a/b"));
    close(fd);
}

static void by_hand_it_runs_the_same(void **state)
{
    char *const argv[] = {"gantryd", "--state-directory=/run/hand", NULL};
    struct stat st;
    char line[256];
    int err[2];

    (void)state;
    write_text(NODE_CONFIG, "[Daemon]\nSocket=/run/hand/api.sock\n[Rkt]\nPath=/bin/true\n"
                            "[Kubelet]\nURL=\n");
    assert_int_equal(pipe2(err, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        unsetenv("JOURNAL_STREAM");
        dup2(err[1], STDERR_FILENO);
        execv(node_built("gantryd"), argv);
        _exit(99);
    }
    close(err[1]);
    wait_for(connect_to("/run/hand/api.sock") >= 0);
    assert_int_equal(stat("/run/hand/api.sock", &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);

    /* a second one leaves the first alone */
    CLEANUP(result_deinit)
    struct result second = run_argv(node_built("gantryd"), argv);
    assert_int_equal(second.status, 1);
    assert_string_equal(second.err, "gantryd: /run/hand/api.sock: Address already in use\n");

    launch_pod("0001", "web");
    ssize_t n = read(err[0], line, sizeof(line) - 1);
    assert_true(n > 0);
    line[n] = '\0';
    assert_string_equal(line, "pod default/web: prepare goes to rkt\n");

    /* one that was killed leaves its socket, and that is no hindrance */
    kill(pid, SIGKILL);
    finish(pid);
    assert_true(is_there("/run/hand/api.sock"));
    write_text(NODE_CONFIG, "[Daemon]\nSocket=/run/hand/api.sock\nAllowUsers=65534\n");
    pid = start_argv(node_built("gantryd"), argv);
    wait_for(connect_to("/run/hand/api.sock") >= 0);
    /* and others than root are let in if they may call */
    assert_int_equal(stat("/run/hand/api.sock", &st), 0);
    assert_int_equal(st.st_mode & 07777, 0666);
    kill(pid, SIGTERM);
    assert_int_equal(finish(pid), 0);
    assert_false(is_there("/run/hand/api.sock"));
    close(err[0]);
}

static void will_not_start_where_it_cannot_run(void **state)
{
    CLEANUP(result_deinit) struct result bad_config = {0};
    CLEANUP(result_deinit) struct result no_state = {0};

    (void)state;
    write_text(NODE_CONFIG, "[Daemon]\nSocket=/run/node/hand.sock\nConnectionsMax=no\n");
    bad_config = run(node_built("gantryd"), NULL);
    assert_int_equal(bad_config.status, 78);
    write_text(NODE_CONFIG, "[Daemon]\nSocket=/run/node/hand.sock\n");
    no_state = run(node_built("gantryd"), "--state-directory=/proc/none", NULL);
    assert_int_equal(no_state.status, 1);
    assert_string_equal(no_state.err,
                        "gantryd: state directory /proc/none/pods: No such file or directory\n");
}

/* Reads what systemd would be told, until a line of it begins so. */
static void expect_notify(int fd, const char *expected)
{
    char text[1024];

    for (;;) {
        ssize_t n = recv(fd, text, sizeof(text) - 1, 0);
        assert_true(n > 0);
        text[n] = '\0';
        if (strncmp(text, expected, strlen(expected)) == 0)
            return;
    }
}

static void tells_systemd_how_it_is(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/run/node/notify"};
    struct timeval tv = {.tv_sec = 10};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    (void)state;
    unlink(address.sun_path);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    gantryd_end(SIGTERM);
    setenv("NOTIFY_SOCKET", address.sun_path, 1);
    setenv("WATCHDOG_USEC", "200000", 1);
    gantryd_start();
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");

    expect_notify(fd, "READY=1");
    expect_notify(fd, "WATCHDOG=1");
    launch_pod("0001", "web");
    expect_notify(fd, "STATUS=1 pods, 0 of them held back; 0 launches under way");
    kill(gantryd_pid(), SIGHUP);
    expect_notify(fd, "RELOADING=1\nMONOTONIC_USEC=");
    expect_notify(fd, "READY=1");
    assert_int_equal(gantryd_end(SIGTERM), 0);
    expect_notify(fd, "STOPPING=1");
    close(fd);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, node_setup, node_teardown)
    static const struct CMUnitTest tests[] = {
        TEST(tells_who_it_is),
        TEST(describes_its_interfaces_by_their_files),
        TEST(answers_bad_calls_with_errors),
        TEST(every_name_stands_in_an_interface),
        TEST(answers_many_calls_at_once_in_order),
        TEST(lists_many_pods_in_parts),
        TEST(lists_a_crowd),
        TEST(finds_a_pod_by_any_of_its_names),
        TEST(monitor_tells_events_as_they_come),
        TEST(strangers_are_turned_away_unread),
        TEST(garbage_is_answered_and_the_connection_closed),
        TEST(a_message_may_have_four_mebibytes),
        TEST(silent_and_slow_clients_delay_nobody_and_are_cut_off),
        TEST(a_client_that_has_its_answer_may_go_without_a_word),
        TEST(too_many_connections_cost_the_most_silent_one),
        TEST(when_all_have_calls_under_way_the_new_one_goes),
        TEST(a_watcher_that_does_not_read_is_cut_off),
        TEST(a_bad_configuration_leaves_the_old_one_in_force),
        TEST(check_config_tells_what_is_wrong),
        TEST(sigterm_answers_what_is_under_way),
        TEST(by_hand_it_runs_the_same),
        TEST(will_not_start_where_it_cannot_run),
        TEST(tells_systemd_how_it_is),
    };

    node_enter();
    return cmocka_run_group_tests_name("gantryd", tests, NULL, NULL);
}
