/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Pods without a kubelet: gantryctl run and what follows, with systemd's manager in small on a bus
 * of the test's own. What only systemd itself can show is looked at in tests/node.
 */

#include "tests/unit/unit.h"

#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/message.h"
#include "tests/harness/manager.h"
#include "tests/harness/rkt.h"

#define BUS "/run/node/bus"

static pid_t daemon_pid, manager_pid;

static void start_bus(void)
{
    make_folders(MANAGER_FOLDER);
    unlink(MANAGER_FOLDER "/keep");
    write_text(BUS ".conf",
               "<busconfig><listen>unix:path=" BUS "</listen><auth>EXTERNAL</auth>"
               "<policy context='default'><allow send_destination='*'/><allow own='*'/>"
               "<allow receive_sender='*'/></policy></busconfig>");
    unlink(BUS);
    daemon_pid =
        start_argv("/usr/bin/dbus-daemon", (char *[]){"dbus-daemon", "--nofork", "--nopidfile",
                                                      "--config-file=" BUS ".conf", NULL});
    wait_for(is_there(BUS));
    manager_pid = start_argv(node_built("tests/harness/manager"), (char *[]){"manager", NULL});
}

static void stop_bus(void)
{
    kill(manager_pid, SIGKILL);
    finish(manager_pid);
    kill(daemon_pid, SIGKILL);
    finish(daemon_pid);
}

static int setup(void **state)
{
    setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=" BUS, 1);
    setenv("GANTRY_DROPIN", node_built("rkt"), 1);
    start_bus();
    rkt_setup(state);
    node_configure("[BackOff]\nInitial=300ms\nMax=600ms\n");
    gantryd_end(SIGTERM);
    gantryd_start();
    return 0;
}

/* A sanitizer has its say in gantryd's exit status. */
static int teardown(void **state)
{
    assert_int_equal(gantryd_end(SIGTERM), 0);
    rkt_teardown(state);
    stop_bus();
    return 0;
}

/* A pod manifest of appc's that runs this. Return: its file. */
static const char *write_manifest(const char *name, const char *script)
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

/* gantryctl OPTION VERB ARGUMENT. */
static void expect_ctl(const char *option, const char *verb, const char *argument, int status,
                       const char *words)
{
    CLEANUP(result_deinit)
    struct result result = run(node_built("gantryctl"), option, verb, argument, NULL);

    if (result.status != status || !strstr(result.status == 0 ? result.out : result.err, words))
        fail_msg("%s: %d: %s%s", verb, result.status, result.out, result.err);
}

static void ctl(const char *verb, const char *argument, int status, const char *words)
{
    expect_ctl("--json", verb, argument, status, words);
}

/* The pod as gantryd knows it; borrowed until the next call. NULL if it does not. */
static json_t *explain(const char *name)
{
    static json_t *reply;

    json_decref(reply);
    reply = api_call("io.gantry.Node.Explain", json_pack("{s:s}", "pod", name));
    if (json_object_get(reply, "error"))
        return NULL;
    return json_object_get(json_object_get(reply, "parameters"), "pod");
}

static bool is_in_state(const char *name, const char *state, bool is_stopped)
{
    const json_t *pod = explain(name);

    return pod && strcmp(field(pod, "state"), state) == 0 &&
           json_is_true(json_object_get(pod, "stopped")) == is_stopped;
}

static int64_t restarts_of(const char *name)
{
    return json_integer_value(json_object_get(explain(name), "restarts"));
}

static pid_t pid_of(const char *name)
{
    const json_t *run = json_array_get(json_object_get(explain(name), "rktPods"), 0);

    return (pid_t)json_integer_value(json_object_get(run, "pid"));
}

static bool has_rktpods(void)
{
    CLEANUP(result_deinit)
    struct result result = run(node_built("contrib/rkt-standin/rkt-standin"), GLOBAL_OPTIONS,
                               "list", "--no-legend", NULL);

    return result.out[0] != '\0';
}

static const char *id_of(enum message message)
{
    return message_info(message)->id;
}

static void a_pod_runs_stops_and_runs_again(void **state)
{
    const char *file = write_manifest("web", "exec sleep 1000");

    (void)state;
    ctl("run", file, 0, "started as gantry-web.service");
    wait_for(is_in_state("web", "running", false));
    CLEANUP(freep) char *uid = strdup(field(explain("web"), "uid"));
    journal_wait("MESSAGE_ID", id_of(MESSAGE_RUN), "GANTRY_POD_NAME", "web", NULL);
    ctl("run", file, 1, "gantryctl rm web");
    ctl("stop", "default/web", 0, "stopping gantry-web.service");
    assert_true(is_in_state("web", "ended", true));
    journal_wait("MESSAGE_ID", id_of(MESSAGE_STOP), "GANTRY_POD_NAME", "web", NULL);
    ctl("stop", "web", 0, "stopped");

    ctl("run", write_manifest("web", "exec sleep 2000"), 1, "of another manifest");
    ctl("run", write_manifest("web", "exec sleep 1000"), 0, "started as");
    wait_for(is_in_state("web", "running", false));
    assert_string_equal(field(explain("web"), "uid"), uid);
    ctl("rm", "web", 0, "removing");
    assert_null(explain("web"));
    assert_false(has_rktpods());
    assert_false(is_there(NODE_STATE "/own/web.json"));
    journal_wait("MESSAGE_ID", id_of(MESSAGE_REMOVE), "GANTRY_POD_NAME", "web", NULL);
    ctl("stop", "web", 4, "no pod has the name");
}

/* As rkt has stored it, less the annotations that say who the pod is; to free(). */
static char *stored_manifest(const char *name)
{
    const json_t *newest = json_array_get(json_object_get(explain(name), "rktPods"), 0);
    CLEANUP(result_deinit)
    struct result result = run(node_built("contrib/rkt-standin/rkt-standin"), GLOBAL_OPTIONS,
                               "cat-manifest", field(newest, "uuid"), NULL);
    CLEANUP(json_decrefp) json_t *manifest = json_loads(result.out, 0, NULL);

    assert_non_null(manifest);
    json_object_del(manifest, "annotations");
    json_object_del(json_array_get(json_object_get(manifest, "apps"), 0), "annotations");
    return json_dumps(manifest, JSON_SORT_KEYS);
}

static void an_appc_manifest_goes_to_rkt_as_it_is(void **state)
{
    static const char secret[] = "/var/lib/kubelet/pods/x/volumes/kubernetes.io~secret/s";
    CLEANUP(json_decrefp) json_t *manifest = read_json(write_manifest("as-is", "exec sleep 1000"));
    json_t *app = json_object_get(json_array_get(json_object_get(manifest, "apps"), 0), "app");

    (void)state;
    make_folders(secret);
    json_object_set_new(app, "isolators",
                        json_pack("[{s:s, s:{s:[s]}}]", "name", "os/linux/capabilities-retain-set",
                                  "value", "set", "CAP_NET_ADMIN"));
    json_object_set_new(app, "mountPoints", json_pack("[{s:s, s:s}]", "name", "s", "path", "/s"));
    json_object_set_new(manifest, "volumes",
                        json_pack("[{s:s, s:s, s:s, s:b}]", "name", "s", "kind", "host", "source",
                                  secret, "readOnly", 0));
    assert_int_equal(json_dump_file(manifest, "/run/node/as-is.json", 0), 0);
    CLEANUP(freep) char *given = json_dumps(manifest, JSON_SORT_KEYS);
    ctl("run", "/run/node/as-is.json", 0, "started");
    wait_for(is_in_state("as-is", "running", false));
    CLEANUP(freep) char *stored = stored_manifest("as-is");
    assert_string_equal(stored, given);
    ctl("rm", "as-is", 0, "removing");
}

static void a_pod_that_fails_is_restarted(void **state)
{
    (void)state;
    ctl("run", write_manifest("loop", "exit 3"), 0, "started");
    wait_for(restarts_of("loop") >= 4);
    CLEANUP(json_decrefp) json_t *own = read_json(NODE_STATE "/own/loop.json");
    assert_in_range(json_array_size(json_object_get(own, "rktPods")), 2, 3);
    ctl("rm", "loop", 0, "removing");
    assert_false(has_rktpods());
}

static void the_policy_says_what_is_restarted(void **state)
{
    (void)state;
    expect_ctl("--restart=Never", "run", write_manifest("never", "exit 3"), 0, "started");
    wait_for(is_in_state("never", "ended", true));
    expect_ctl("--restart=OnFailure", "run", write_manifest("well", "exit 0"), 0, "started");
    wait_for(is_in_state("well", "ended", true));
    expect_ctl("--restart=OnFailure", "run", write_manifest("ill", "exit 3"), 0, "started");
    wait_for(restarts_of("ill") >= 2);
    assert_int_equal(restarts_of("never"), 0);
    assert_int_equal(restarts_of("well"), 0);
    expect_ctl("--restart=Seldom", "run", write_manifest("x", "exit 3"), 2, "not Seldom");
    ctl("rm", "never", 0, "removing");
    ctl("rm", "well", 0, "removing");
    ctl("rm", "ill", 0, "removing");
}

static void what_cannot_be_started_is_told_and_forgotten(void **state)
{
    json_t *manifest = read_json(write_manifest("bad", "exit 0"));

    (void)state;
    json_object_set_new(manifest, "volumes",
                        json_pack("[{s:s, s:s, s:s, s:b}]", "name", "a", "kind", "host", "source",
                                  "/proc/own/x", "readOnly", 0));
    assert_int_equal(json_dump_file(manifest, "/run/node/bad.json", 0), 0);
    json_decref(manifest);
    ctl("run", "/run/node/bad.json", 1, "prepare: launch of pod default/bad: ");
    journal_wait("MESSAGE_ID", id_of(MESSAGE_NO_START), "GANTRY_POD_NAME", "bad", NULL);
    wait_for(!explain("bad"));

    write_text(
        "/run/node/pod.json",
        "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"pod\"},\"spec\":{\"containers\":[{\"name\":"
        "\"a\",\"image\":\"/none.aci\",\"command\":[\"x\"]}]}}");
    ctl("run", "/run/node/pod.json", 1, "image /none.aci: ");
    wait_for(!explain("pod"));
    write_text("/run/node/pod.json",
               "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"pod\"},\"spec\":{\"hostPID\":true,"
               "\"containers\":[{\"name\":\"a\",\"image\":\"/run/node/busybox.aci\","
               "\"command\":[\"/bin/sleep\",\"1000\"]}]}}");
    ctl("run", "/run/node/pod.json", 1,
        "prepare: launch of pod default/pod: hostPID cannot be had: stage1-fly has no network");
    wait_for(!explain("pod"));
    write_text(
        "/run/node/pod.json",
        "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"pod\"},\"spec\":{\"containers\":[{\"name\":"
        "\"a\",\"image\":\"b\",\"lifecycle\":{}}]}}");
    ctl("run", "/run/node/pod.json", 1, "spec.containers[0].lifecycle: rkt cannot honour it");
    write_text("/run/node/Bad_Name.json", "{\"acKind\":\"PodManifest\"}");
    ctl("run", "/run/node/Bad_Name.json", 1, "DNS label");
    write_text("/run/node/none.json", "{}");
    ctl("run", "/run/node/none.json", 1, "neither a Pod nor a PodManifest");
    write_text("/run/node/none.json", "kind: Pod");
    ctl("run", "/run/node/none.json", 1, "not JSON");
    ctl("run", "/run/node/missing.json", 1, "No such file");
}

static void a_kubernetes_pod_is_fetched_and_run(void **state)
{
    (void)state;
    write_text(
        "/run/node/kube.json",
        "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"kube\",\"namespace\":\"shop\"},\"spec\":{"
        "\"restartPolicy\":\"Never\",\"volumes\":[{\"name\":\"v\",\"hostPath\":{\"path\":"
        "\"/srv/kube\",\"type\":\"DirectoryOrCreate\"}}],\"containers\":[{\"name\":\"a\","
        "\"image\":\"/run/node/busybox.aci\",\"args\":[],\"command\":[\"/bin/sh\",\"-c\","
        "\"touch /v/done; exec sleep 1000\"],\"volumeMounts\":[{\"name\":\"v\",\"mountPath\":"
        "\"/v\",\"subPath\":\"x/y\"}]}]}}");
    ctl("run", "/run/node/kube.json", 0, "image /run/node/busybox.aci: fetching");
    wait_for(is_there("/srv/kube/x/y/done"));
    wait_for(is_in_state("shop/kube", "running", false));
    assert_string_equal(field(explain("kube"), "qosClass"), "BestEffort");
    ctl("rm", "kube", 0, "removing");
}

static void it_outlives_gantryd(void **state)
{
    (void)state;
    ctl("run", write_manifest("on", "exec sleep 1000"), 0, "started");
    ctl("run", write_manifest("off", "exec sleep 1000"), 0, "started");
    ctl("run", write_manifest("gone", "exec sleep 1000"), 0, "started");
    wait_for(is_in_state("on", "running", false) && is_in_state("gone", "running", false) &&
             is_in_state("off", "running", false));
    ctl("stop", "off", 0, "stopping");
    pid_t on = pid_of("on"), gone = pid_of("gone");
    gantryd_end(SIGKILL);
    kill(gone, SIGTERM);
    wait_for(kill(gone, 0) < 0);
    gantryd_start();
    wait_for(restarts_of("gone") == 1 && is_in_state("gone", "running", false));
    assert_true(is_in_state("on", "running", false));
    assert_int_equal(pid_of("on"), on);
    assert_true(is_in_state("off", "ended", true));
    ctl("rm", "on", 0, "removing");
    ctl("rm", "off", 0, "removing");
    ctl("rm", "gone", 0, "removing");
    assert_false(has_rktpods());
}

static void without_systemd_nothing_is_started(void **state)
{
    (void)state;
    ctl("run", write_manifest("up", "exec sleep 1000"), 0, "started");
    wait_for(is_in_state("up", "running", false));
    stop_bus();
    ctl("run", write_manifest("late", "exec sleep 1000"), 1, "systemd cannot be asked over D-Bus");
    /* Its units went with it: what became of them is asked when it is there again. */
    start_bus();
    wait_for(restarts_of("up") >= 1 && is_in_state("up", "running", false));
    ctl("rm", "up", 0, "removing");
    wait_for(!explain("late"));
}

static void a_file_that_cannot_be_read_is_put_aside(void **state)
{
    CLEANUP(freep) char *boot_id = read_text("/proc/sys/kernel/random/boot_id");
    char text[128];

    (void)state;
    gantryd_end(SIGTERM);
    boot_id[strcspn(boot_id, "\n")] = '\0';
    snprintf(text, sizeof(text), "{\"boot\":\"%s\"}", boot_id);
    write_text(NODE_STATE "/own/bad.json", text);
    write_text(NODE_STATE "/own/old.json", "{\"boot\":\"another\"}");
    gantryd_start();
    assert_true(is_there(NODE_STATE "/own/bad.json.bad"));
    assert_false(is_there(NODE_STATE "/own/bad.json"));
    assert_false(is_there(NODE_STATE "/own/old.json"));
    journal_wait("MESSAGE_ID", id_of(MESSAGE_STATE), "GANTRY_POD_NAME", "bad.json", NULL);
}

/* Restarts gantryd with a rkt that does this first for calls like `pattern`. */
static void make_rkt_slow(const char *pattern, const char *commands)
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

static bool has_text(const char *path)
{
    CLEANUP(freep) char *text = read_text(path);

    return text && text[0];
}

static const char *write_kubernetes_pod(const char *name)
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

static pid_t start_ctl(const char *verb, const char *argument)
{
    return start_argv(node_built("gantryctl"),
                      (char *[]){"gantryctl", (char *)verb, (char *)argument, NULL});
}

static void a_fetch_can_be_cancelled(void **state)
{
    (void)state;
    make_rkt_slow("*' fetch '*", "echo $$ >>/run/node/fetching; exec sleep 1000");
    pid_t run = start_ctl("run", write_kubernetes_pod("far"));
    wait_for(has_text("/run/node/fetching"));
    ctl("rm", "far", 0, "removing");
    assert_int_equal(finish(run), 1);
    assert_null(explain("far"));
}

/* The fetch goes on without gantryd, and the next one waits for it, to begin its own. */
static void a_fetch_of_the_last_gantryd_can_be_cancelled(void **state)
{
    CLEANUP(freep) char *before = NULL;
    CLEANUP(freep) char *after = NULL;

    (void)state;
    unlink("/run/node/fetching");
    make_rkt_slow("*' fetch '*", "echo $$ >>/run/node/fetching; exec sleep 1000");
    pid_t run = start_ctl("run", write_kubernetes_pod("far"));
    wait_for(has_text("/run/node/fetching"));
    before = read_text("/run/node/fetching");
    gantryd_end(SIGKILL);
    assert_int_equal(finish(run), 3);
    gantryd_start();
    ctl("rm", "far", 0, "removing");
    assert_null(explain("far"));
    wait_for(kill(atoi(before), 0) < 0);
    after = read_text("/run/node/fetching");
    assert_string_equal(after, before);
}

static void who_stops_one_that_is_being_removed_is_answered(void **state)
{
    (void)state;
    make_rkt_slow("*' rm '*", "sleep 1");
    ctl("run", write_manifest("web", "exec sleep 1000"), 0, "started");
    ctl("stop", "web", 0, "stopping");
    pid_t rm = start_ctl("rm", "web");
    usleep(300000);
    pid_t stop = start_ctl("stop", "web");
    assert_int_equal(finish(rm), 0);
    assert_int_equal(finish(stop), 0);
    assert_null(explain("web"));
}

/* systemd keeps one loaded for as long as another unit names it, and takes no other one of its name
 * meanwhile. */
static void a_unit_that_has_ended_may_stay_loaded(void **state)
{
    (void)state;
    ctl("run", write_manifest("kept", "exec sleep 1000"), 0, "started");
    wait_for(is_in_state("kept", "running", false));
    write_text(MANAGER_FOLDER "/keep", "");
    kill(pid_of("kept"), SIGTERM);
    wait_for(is_in_state("kept", "starting", false));
    unlink(MANAGER_FOLDER "/keep");
    wait_for(is_in_state("kept", "running", false));
    write_text(MANAGER_FOLDER "/keep", "");
    ctl("rm", "kept", 0, "removing");
    assert_false(has_rktpods());
}

/* As systemctl daemon-reexec has it: another one answers under the same name. */
static void another_systemd_is_noticed(void **state)
{
    (void)state;
    ctl("run", write_manifest("one", "exec sleep 1000"), 0, "started");
    kill(manager_pid, SIGKILL);
    finish(manager_pid);
    manager_pid = start_argv(node_built("tests/harness/manager"), (char *[]){"manager", NULL});
    /* it knows no unit of ours, so the pod has ended, and is restarted */
    wait_for(restarts_of("one") >= 1);
    ctl("run", write_manifest("two", "exec sleep 1000"), 0, "started");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(a_pod_runs_stops_and_runs_again),
        TEST(an_appc_manifest_goes_to_rkt_as_it_is),
        TEST(a_pod_that_fails_is_restarted),
        TEST(the_policy_says_what_is_restarted),
        TEST(what_cannot_be_started_is_told_and_forgotten),
        TEST(a_kubernetes_pod_is_fetched_and_run),
        TEST(it_outlives_gantryd),
        TEST(without_systemd_nothing_is_started),
        TEST(a_file_that_cannot_be_read_is_put_aside),
        TEST(a_fetch_can_be_cancelled),
        TEST(a_fetch_of_the_last_gantryd_can_be_cancelled),
        TEST(who_stops_one_that_is_being_removed_is_answered),
        TEST(a_unit_that_has_ended_may_stay_loaded),
        TEST(another_systemd_is_noticed),
    };

    node_enter();
    return cmocka_run_group_tests_name("own", tests, NULL, NULL);
}
