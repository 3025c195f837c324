/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "tests/harness/own.h"

#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/harness/manager.h"

#define BUS "/run/node/bus"

static pid_t daemon_pid, manager_pid;

static void start_manager(void)
{
    unlink(MANAGER_FOLDER "/ready");
    unlink(MANAGER_FOLDER "/held");
    manager_pid = start_argv(node_built("tests/harness/manager"), (char *[]){"manager", NULL});
    wait_for(is_there(MANAGER_FOLDER "/ready"));
}

void start_bus(void)
{
    make_folders(MANAGER_FOLDER);
    write_text(BUS ".conf",
               "<busconfig><listen>unix:path=" BUS "</listen><auth>EXTERNAL</auth>"
               "<policy context='default'><allow send_destination='*'/><allow own='*'/>"
               "<allow receive_sender='*'/></policy></busconfig>");
    unlink(BUS);
    daemon_pid =
        start_argv("/usr/bin/dbus-daemon", (char *[]){"dbus-daemon", "--nofork", "--nopidfile",
                                                      "--config-file=" BUS ".conf", NULL});
    wait_for(is_there(BUS));
    start_manager();
}

void restart_manager(void)
{
    kill(manager_pid, SIGKILL);
    finish(manager_pid);
    start_manager();
}

void stop_bus(void)
{
    kill(manager_pid, SIGKILL);
    finish(manager_pid);
    kill(daemon_pid, SIGKILL);
    finish(daemon_pid);
}

int own_setup(void **state)
{
    static const char *const orders[] = {"hold", "fail", "keep"};

    setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=" BUS, 1);
    setenv("GANTRY_DROPIN", node_built("rkt"), 1);
    setenv("GANTRY_JOURNAL", "/run/node/journal", 1); /* there is none */
    for (size_t i = 0; i < N_ELEMENTS(orders); i++)
        tell_manager(orders[i], NULL);
    start_bus();
    rkt_setup(state);
    node_configure("[BackOff]\nInitial=300ms\nMax=600ms\n");
    gantryd_end(SIGTERM);
    gantryd_start();
    return 0;
}

/* A sanitizer has its say in gantryd's exit status. */
int own_teardown(void **state)
{
    assert_int_equal(gantryd_end(SIGTERM), 0);
    rkt_teardown(state);
    stop_bus();
    return 0;
}

const char *write_manifest(const char *name, const char *script)
{
    static char path[128];
    CLEANUP(json_decrefp) json_t *trace = trace_load("rkt-network");
    const json_t *call = json_array_get(json_object_get(trace, "calls"), 0);
    const json_t *apps = json_object_get(json_object_get(call, "manifest"), "apps");
    const json_t *image = json_object_get(json_array_get(apps, 0), "image");

    json_t *manifest =
        json_pack("{s:s, s:s, s:[{s:s, s:O, s:{s:[s, s, s], s:s, s:s}}]}", "acVersion", "0.8.11",
                  "acKind", "PodManifest", "apps", "name", "main", "image", image, "app", "exec",
                  "/bin/sh", "-c", script, "user", "0", "group", "0");
    snprintf(path, sizeof(path), "/run/node/%s.json", name);
    assert_int_equal(json_dump_file(manifest, path, 0), 0);
    json_decref(manifest);
    return path;
}

void expect_ctl(const char *option, const char *verb, const char *argument, int status,
                const char *words)
{
    CLEANUP(result_deinit)
    struct result result = run(node_built("gantryctl"), option, verb, argument, NULL);

    if (result.status != status || !strstr(result.status == 0 ? result.out : result.err, words))
        fail_msg("%s: %d: %s%s", verb, result.status, result.out, result.err);
}

void ctl(const char *verb, const char *argument, int status, const char *words)
{
    expect_ctl("--json", verb, argument, status, words);
}

bool is_in_state(const char *name, const char *state, bool is_stopped)
{
    const json_t *pod = explain(name);

    return pod && strcmp(field(pod, "state"), state) == 0 &&
           json_is_true(json_object_get(pod, "stopped")) == is_stopped;
}

int64_t restarts_of(const char *name)
{
    return json_integer_value(json_object_get(explain(name), "restarts"));
}

pid_t pid_of(const char *name)
{
    const json_t *run = json_array_get(json_object_get(explain(name), "rktPods"), 0);

    return (pid_t)json_integer_value(json_object_get(run, "pid"));
}

bool has_rktpods(void)
{
    CLEANUP(result_deinit)
    struct result result = run(rkt_program(), GLOBAL_OPTIONS, "list", "--no-legend", NULL);

    /* Of none, rkt prints an empty line. */
    return result.out[strspn(result.out, "\n")] != '\0';
}

const char *id_of(enum message message)
{
    return message_info(message)->id;
}

void make_rkt_slow(const char *pattern, const char *commands)
{
    char script[1024];

    snprintf(script, sizeof(script), "#!/bin/sh\ncase \"$*\" in %s) %s ;; esac\nexec %s \"$@\"\n",
             pattern, commands, node_built("rkt"));
    write_text("/run/node/slow-rkt", script);
    assert_int_equal(chmod("/run/node/slow-rkt", 0755), 0);
    setenv("GANTRY_DROPIN", "/run/node/slow-rkt", 1);
    gantryd_end(SIGTERM);
    gantryd_start();
}

bool has_text(const char *path)
{
    CLEANUP(freep) char *text = read_text(path);

    return text && text[0];
}

const char *write_kubernetes_pod(const char *name)
{
    static char path[128];
    char text[512];

    snprintf(text, sizeof(text),
             "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"%s\"},\"spec\":{\"containers\":[{"
             "\"name\":\"a\",\"image\":\"/run/node/busybox.aci\",\"command\":[\"/bin/sleep\","
             "\"1000\"]}]}}",
             name);
    snprintf(path, sizeof(path), "/run/node/%s.json", name);
    write_text(path, text);
    return path;
}

pid_t start_ctl(const char *verb, const char *argument)
{
    char command[512];

    snprintf(command, sizeof(command), "/run/node/%s", verb);
    unlink(command);
    snprintf(command, sizeof(command), "exec %s %s %s >/run/node/%s 2>&1", node_built("gantryctl"),
             verb, argument, verb);
    return start_argv("/bin/sh", (char *[]){"sh", "-c", command, NULL});
}

bool has_printed(const char *verb, const char *words)
{
    char path[128];

    snprintf(path, sizeof(path), "/run/node/%s", verb);
    CLEANUP(freep) char *text = read_text(path);
    return text && strstr(text, words);
}

void tell_manager(const char *order, const char *text)
{
    char path[128];

    snprintf(path, sizeof(path), MANAGER_FOLDER "/%s", order);
    if (text)
        write_text(path, text);
    else
        unlink(path);
}

const char *file_of(const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), NODE_STATE "/own/%s.json", name);
    return path;
}

bool has_state(const char *name, const char *state)
{
    CLEANUP(json_decrefp) json_t *own = json_load_file(file_of(name), 0, NULL);

    return strcmp(own ? field(own, "state") : "gone", state) == 0;
}
