/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The Varlink interface: what each call is answered with, good ones and bad ones.
 */

#include "tests/unit/unit.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/message.h"
#include "tests/harness/client.h"
#include "tests/harness/harness.h"

static const char *id_of(enum message message)
{
    return message_info(message)->id;
}

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
        assert_string_equal(client_field(reply, "parameters", "description"), text);
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
    int fd = client_connect();

    (void)state;
    /* One connection bears them all: a bad call spoils nothing. */
    for (size_t i = 0; i < N_ELEMENTS(cases); i++)
        client_expect_error(fd, cases[i].call, cases[i].error, cases[i].name, cases[i].value);
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
    int fd = client_connect();
    static const char call[] = "{\"method\":\"org.varlink.service.GetInfo\"}";
    static const char oneway[] = "{\"method\":\"io.gantry.Node.List\",\"oneway\":true}";
    static const char last[] = "{\"method\":\"io.gantry.Node.List\"}";

    (void)state;
    for (size_t i = 0; i < 100; i++) {
        client_send(fd, call);
        client_send(fd, oneway);
    }
    client_send(fd, last);
    for (size_t i = 0; i < 100; i++) {
        CLEANUP(json_decrefp) json_t *reply = client_receive(fd);
        assert_string_equal(client_field(reply, "parameters", "product"), "gantryd");
    }
    CLEANUP(json_decrefp) json_t *reply = client_receive(fd);
    assert_true(json_is_array(json_object_get(json_object_get(reply, "parameters"), "pods")));
    close(fd);
}

static void lists_many_pods_in_parts(void **state)
{
    static const char call[] = "{\"method\":\"io.gantry.Node.List\",\"more\":true}";
    size_t n_pods = 0, n_replies = 0;
    int fd = client_connect();

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
        client_send(fd, text);
        json_decref(client_receive(fd));
    }
    client_send(fd, call);
    for (bool goes_on = true; goes_on; n_replies++) {
        CLEANUP(json_decrefp) json_t *reply = client_receive(fd);
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
    int fd = client_connect();
    client_send(fd, call);
    CLEANUP(json_decrefp) json_t *first = client_receive(fd);
    assert_true(json_is_true(json_object_get(first, "continues")));
    assert_null(json_object_get(json_object_get(first, "parameters"), "event"));

    launch_pod("0001", "web");
    CLEANUP(json_decrefp) json_t *reply = client_receive(fd);
    const json_t *event = json_object_get(json_object_get(reply, "parameters"), "event");
    const json_t *entry = journal_wait("MESSAGE_ID", id_of(MESSAGE_LAUNCH), NULL);
    assert_string_equal(field(event, "name"), "launch");
    assert_string_equal(field(event, "message"), field(entry, "MESSAGE"));
    assert_string_equal(client_field(event, "fields", "GANTRY_POD_NAME"), "web");

    /* and ends when gantryd does */
    assert_int_equal(gantryd_end(SIGTERM), 0);
    CLEANUP(json_decrefp) json_t *last = client_receive(fd);
    assert_non_null(last);
    assert_false(json_is_true(json_object_get(last, "continues")));
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
    };

    node_enter();
    return cmocka_run_group_tests_name("api", tests, NULL, NULL);
}
