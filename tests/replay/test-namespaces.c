/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The namespaces that an app runs in, compared with the host's: the pid and the IPC namespace of
 * the test itself.
 */

#include "tests/unit/unit.h"

#include <signal.h>
#include <stdio.h>

#include "lib/message.h"
#include "tests/harness/kubelet.h"
#include "tests/harness/rkt.h"

static int setup(void **state)
{
    rkt_setup(state);
    make_folders("/srv/out");
    return 0;
}

static int teardown(void **state)
{
    kubelet_stop();
    unsetenv("SYSTEMD_NSPAWN_SHARE_NS_IPC");
    unsetenv("SYSTEMD_NSPAWN_SHARE_SYSTEM");
    return rkt_teardown(state);
}

/* The recorded pod that asks for the host's namespaces; its app writes down which it has. */
static json_t *load_manifest(void)
{
    CLEANUP(json_decrefp) json_t *trace = trace_load("hostns");
    json_t *manifest = json_deep_copy(
        json_object_get(json_array_get(json_object_get(trace, "calls"), 0), "manifest"));
    json_t *app = json_object_get(json_array_get(json_object_get(manifest, "apps"), 0), "app");

    json_object_set_new(
        app, "exec",
        json_pack("[s, s, s]", "sh", "-c",
                  "(cd /proc/self/ns; readlink pid; readlink ipc; readlink net) >/out/new; "
                  "mv /out/new /out/namespaces; exec sleep 1000"));
    json_array_append_new(json_object_get(app, "mountPoints"),
                          json_pack("{s:s, s:s}", "name", "out", "path", "/out"));
    json_array_append_new(
        json_object_get(manifest, "volumes"),
        json_pack("{s:s, s:s, s:s}", "name", "out", "kind", "host", "source", "/srv/out"));
    return manifest;
}

static void serve(const json_t *manifest, const char *text)
{
    CLEANUP(json_decrefp) json_t *spec = json_loads(text, 0, NULL);
    CLEANUP(json_decrefp) json_t *pod = kubelet_pod(manifest, spec);
    CLEANUP(json_decrefp) json_t *pods = json_pack("[O]", pod);

    assert_non_null(spec);
    kubelet_start();
    kubelet_serves_pods(pods);
}

static void is_ours(const char *namespaces, const char *type, bool expected)
{
    char path[64], own[64];

    snprintf(path, sizeof(path), "/proc/self/ns/%s", type);
    ssize_t n = readlink(path, own, sizeof(own) - 1);
    assert_true(n > 0);
    own[n] = '\0';
    snprintf(path, sizeof(path), "%s:[", type);
    assert_non_null(strstr(namespaces, path));
    if (!strstr(namespaces, own) == expected)
        fail_msg("the app's %s namespace: %s; the host's: %s", type, namespaces, own);
}

/* As the recorded privileged pod. */
static void let_retain_all(json_t *manifest)
{
    CLEANUP(json_decrefp) json_t *trace = trace_load("fly-privileged");
    const json_t *call = json_array_get(json_object_get(trace, "calls"), 0);
    const json_t *other =
        json_array_get(json_object_get(json_object_get(call, "manifest"), "apps"), 0);
    json_t *app = json_object_get(json_array_get(json_object_get(manifest, "apps"), 0), "app");

    json_object_set(app, "isolators", json_object_get(json_object_get(other, "app"), "isolators"));
}

/* Launches the pod, looks at its namespaces, and ends it. */
static void runs_with(const char *spec, bool host_pid, bool host_ipc)
{
    CLEANUP(json_decrefp) json_t *manifest = load_manifest();

    if (spec && strstr(spec, "privileged"))
        let_retain_all(manifest);
    if (spec)
        serve(manifest, spec);
    CLEANUP(result_deinit) struct result result = rkt_prepare(manifest, NULL);
    CLEANUP(freep) char *uuid = rkt_uuid(&result);
    pid_t pid = rkt_run(uuid);
    wait_for(is_there("/srv/out/namespaces"));
    CLEANUP(freep) char *namespaces = read_text("/srv/out/namespaces");
    is_ours(namespaces, "pid", host_pid);
    is_ours(namespaces, "ipc", host_ipc);
    kill(pid, SIGTERM);
    finish(pid);
}

#define PRIVILEGED "\"containers\":[{\"name\":\"app\",\"securityContext\":{\"privileged\":true}}]"
#define PLAIN "\"containers\":[{\"name\":\"app\"}]"

static void without_a_word_they_are_its_own(void **state)
{
    (void)state;
    runs_with("{\"hostNetwork\":true," PRIVILEGED "}", false, false);
}

static void host_ipc_is_had(void **state)
{
    (void)state;
    runs_with("{\"hostNetwork\":true,\"hostIPC\":true," PLAIN "}", false, true);
    CLEANUP(result_deinit)
    struct result explained = run(node_built("gantryctl"), "explain", "hostns-node1", NULL);
    assert_non_null(
        strstr(explained.out, "namespaces: hostIPC: shares the host's IPC namespace\n"));
}

static void host_ipc_outlives_gantryd(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = load_manifest();

    (void)state;
    serve(manifest, "{\"hostIPC\":true," PLAIN "}");
    CLEANUP(result_deinit) struct result result = rkt_prepare(manifest, NULL);
    CLEANUP(freep) char *uuid = rkt_uuid(&result);
    /* what it knew of the pod is lost, and nobody can be asked for it */
    kubelet_stop();
    gantryd_end(SIGKILL);
    gantryd_start();
    pid_t pid = rkt_run(uuid);
    wait_for(is_there("/srv/out/namespaces"));
    CLEANUP(freep) char *namespaces = read_text("/srv/out/namespaces");
    is_ours(namespaces, "ipc", true);
    kill(pid, SIGTERM);
    finish(pid);
}

static void the_kubelets_own_is_not_inherited(void **state)
{
    (void)state;
    setenv("SYSTEMD_NSPAWN_SHARE_NS_IPC", "1", 1);
    setenv("SYSTEMD_NSPAWN_SHARE_SYSTEM", "1", 1);
    runs_with("{\"hostNetwork\":true," PLAIN "}", false, false);
    CLEANUP(json_decrefp) json_t *calls = recorded_calls();
    const json_t *environment = json_object_get(json_array_get(calls, 1), "environment");
    assert_true(json_array_size(environment) > 0);
    for (size_t i = 0; i < json_array_size(environment); i++)
        assert_null(
            strstr(json_string_value(json_array_get(environment, i)), "SYSTEMD_NSPAWN_SHARE"));
}

static void without_the_kubelet_nothing_is_inherited_either(void **state)
{
    (void)state;
    setenv("SYSTEMD_NSPAWN_SHARE_NS_IPC", "1", 1);
    runs_with(NULL, false, false);
}

static void host_pid_is_had_under_fly(void **state)
{
    (void)state;
    runs_with("{\"hostNetwork\":true,\"hostPID\":true," PRIVILEGED "}", true, true);
    const json_t *entry = journal_wait("MESSAGE_ID", message_info(MESSAGE_LAUNCH)->id, NULL);
    assert_non_null(strstr(field(entry, "MESSAGE"),
                           "namespaces: hostPID: runs under coreos.com/rkt/stage1-fly:1.30.0, "
                           "which is no isolation"));
}

/* The kubelet has an address of the pod from its network plugin, and mounts a file with it. */
static void give_address(json_t *manifest)
{
    json_t *volumes = json_object_get(manifest, "volumes");
    static const char hosts[] = "/var/lib/kubelet/pods/adece9ae026b8e214c27a0920668b39a/etc-hosts";

    for (size_t i = 0; i < json_array_size(volumes); i++) {
        json_t *volume = json_array_get(volumes, i);
        if (strstr(field(volume, "source"), "etc-hosts"))
            json_object_set_new(volume, "source", json_string(hosts));
    }
    make_folders("/var/lib/kubelet/pods/adece9ae026b8e214c27a0920668b39a");
    write_text(hosts, "127.0.0.1 localhost\n");
}

/* run-prepared, as the kubelet's unit has it with a network plugin: in another network. */
static pid_t run_in_network(const char *uuid)
{
    char *const argv[] = {"unshare",
                          "--net",
                          (char *)node_built("rkt"),
                          GLOBAL_OPTIONS,
                          "run-prepared",
                          "--net=host",
                          (char *)uuid,
                          NULL};

    return start_argv("/usr/bin/unshare", argv);
}

static void host_pid_is_had_in_the_kubelets_network(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = load_manifest();

    (void)state;
    let_retain_all(manifest);
    give_address(manifest);
    serve(manifest, "{\"hostPID\":true," PRIVILEGED "}");
    CLEANUP(result_deinit) struct result result = rkt_prepare(manifest, NULL);
    CLEANUP(freep) char *uuid = rkt_uuid(&result);
    pid_t pid = run_in_network(uuid);
    wait_for(is_there("/srv/out/namespaces"));
    CLEANUP(freep) char *namespaces = read_text("/srv/out/namespaces");
    is_ours(namespaces, "pid", true);
    is_ours(namespaces, "net", false);
    kill(pid, SIGTERM);
    finish(pid);
}

static void host_pid_that_cannot_be_had_is_warned_of(void **state)
{
    (void)state;
    runs_with("{\"hostNetwork\":true,\"hostPID\":true," PLAIN "}", false, false);
    const json_t *entry = journal_wait("MESSAGE_ID", message_info(MESSAGE_LAUNCH)->id, NULL);
    assert_non_null(strstr(field(entry, "MESSAGE"),
                           "namespaces: warning: hostPID cannot be had, the pod runs without it: "
                           "stage1-fly is no isolation, and the container is not privileged "
                           "(HostPIDUnprivileged=no)"));
}

static void a_stage1_that_is_not_there_is_not_run(void **state)
{
    (void)state;
    node_configure("[Namespaces]\nStage1Fly=example.com/stage1-fly:0.1\n");
    gantryd_end(SIGTERM);
    gantryd_start();
    runs_with("{\"hostNetwork\":true,\"hostPID\":true," PRIVILEGED "}", false, false);
    const json_t *entry = journal_wait("MESSAGE_ID", message_info(MESSAGE_LAUNCH)->id, NULL);
    assert_non_null(strstr(field(entry, "MESSAGE"),
                           "namespaces: warning: hostPID cannot be had, the pod runs without it: "
                           "rkt has no image example.com/stage1-fly:0.1; see: rkt fetch"));
}

static void or_it_is_refused(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = load_manifest();

    (void)state;
    node_configure("[Namespaces]\nUnsupported=refuse\nHostPIDUnprivileged=yes\n");
    gantryd_end(SIGTERM);
    gantryd_start();
    serve(manifest, "{\"hostPID\":true," PRIVILEGED "}");
    CLEANUP(result_deinit) struct result result = rkt_prepare(manifest, NULL);
    assert_int_equal(result.status, 254);
    assert_string_equal(result.err,
                        "launch of pod default/hostns-node1: hostPID cannot be had: stage1-fly has "
                        "no network of its own: hostNetwork is not set, and no /etc/hosts of the "
                        "kubelet's tells that it made one (--network-plugin=) "
                        "(Unsupported=refuse)\n");
    const json_t *entry = journal_wait("MESSAGE_ID", message_info(MESSAGE_REFUSAL)->id, NULL);
    assert_string_equal(field(entry, "GANTRY_ROOM"), "namespaces");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(without_a_word_they_are_its_own),
        TEST(host_ipc_is_had),
        TEST(host_ipc_outlives_gantryd),
        TEST(the_kubelets_own_is_not_inherited),
        TEST(without_the_kubelet_nothing_is_inherited_either),
        TEST(host_pid_is_had_under_fly),
        TEST(host_pid_is_had_in_the_kubelets_network),
        TEST(host_pid_that_cannot_be_had_is_warned_of),
        TEST(a_stage1_that_is_not_there_is_not_run),
        TEST(or_it_is_refused),
    };

    node_enter();
    return cmocka_run_group_tests_name("namespaces", tests, NULL, NULL);
}
