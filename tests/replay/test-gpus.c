/* SPDX-License-Identifier: Apache-2.0 */

/*
 * GPUs, as the app sees them that has one: its devices, its environment; and that nobody else has
 * the same, whatever happens to rkt pods and to gantryd. The devices are harmless ones, made for
 * the test.
 */

#include "tests/unit/unit.h"

#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "lib/message.h"
#include "lib/varlink.h"
#include "tests/harness/client.h"
#include "tests/harness/kubelet.h"
#include "tests/harness/rkt.h"

/* rkt knows devices only where they belong. */
#define DEVICES "/dev/gpus"
#define DRIVER "/srv/driver"

static void make_device(const char *name, unsigned minor)
{
    char path[256];

    snprintf(path, sizeof(path), DEVICES "/%s", name);
    assert_int_equal(mknod(path, S_IFCHR | 0666, makedev(1, minor)), 0);
}

/* What the kubelet tells of pods: all that asked so far. */
static json_t *told;

/* Two GPUs: /dev/null and /dev/zero by other names. */
static int setup(void **state)
{
    rkt_setup(state);
    assert_int_equal(mkdir(DEVICES, 0755), 0);
    make_device("nvidia0", 3);
    make_device("nvidia1", 5);
    make_device("nvidiactl", 7);
    make_device("nvidia-uvm", 8);
    assert_int_equal(mkdir(DRIVER, 0755), 0);
    write_text(DRIVER "/libcuda.so", "driver");
    node_configure("[GPU]\nDeviceDirectory=" DEVICES "\nDriverPath=" DRIVER
                   "\n[BackOff]\nInitial=0\n");
    gantryd_end(SIGTERM);
    gantryd_start();
    told = json_array();
    kubelet_start();
    kubelet_serves_pods(told);
    return 0;
}

static int teardown(void **state)
{
    kubelet_stop();
    json_decref(told);
    CLEANUP(result_deinit) struct result result = run("/bin/rm", "-r", DEVICES, NULL);
    assert_int_equal(result.status, 0);
    return rkt_teardown(state);
}

static void set_variable(json_t *manifest, const char *value)
{
    json_t *app = json_object_get(json_array_get(json_object_get(manifest, "apps"), 0), "app");

    json_object_set_new(
        app, "environment",
        json_pack("[{s:s, s:s}]", "name", "NVIDIA_VISIBLE_DEVICES", "value", value));
}

static void tell_of(const json_t *manifest, const char *variable)
{
    CLEANUP(json_decrefp)
    json_t *spec = json_pack("{s:[{s:s, s:[{s:s, s:s}]}]}", "containers", "name", "app", "env",
                             "name", "NVIDIA_VISIBLE_DEVICES", "value", variable);

    json_array_append_new(told, kubelet_pod(manifest, spec));
    kubelet_serves_pods(told);
}

/* Pod default/NAME with UID NAME, whose one container "app" asks by its variable (NULL: not). */
static json_t *manifest_of(const char *name, const char *variable, const char *script)
{
    CLEANUP(json_decrefp) json_t *trace = trace_load("rkt-network");
    json_t *manifest = json_deep_copy(
        json_object_get(json_array_get(json_object_get(trace, "calls"), 0), "manifest"));
    json_t *app = json_object_get(json_array_get(json_object_get(manifest, "apps"), 0), "app");
    json_t *annotations = json_object_get(manifest, "annotations");

    json_object_set_new(app, "exec", json_pack("[s, s, s]", "sh", "-c", script));
    for (size_t i = 0; i < json_array_size(annotations); i++) {
        json_t *entry = json_array_get(annotations, i);
        if (strcmp(field(entry, "name"), "io.kubernetes.pod.uid") == 0 ||
            strcmp(field(entry, "name"), "io.kubernetes.pod.name") == 0)
            json_object_set_new(entry, "value", json_string(name));
    }
    if (variable) {
        set_variable(manifest, variable);
        tell_of(manifest, variable);
    }
    return manifest;
}

/* Prepares a pod that asks so. Return: the UUID, to free(). */
static char *prepare(const char *name, const char *variable)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of(name, variable, "sleep 1000");
    CLEANUP(result_deinit) struct result result = rkt_prepare(manifest, NULL);

    return rkt_uuid(&result);
}

static void is_refused(const char *name, const char *variable, const char *reason)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of(name, variable, "sleep 1000");
    CLEANUP(result_deinit) struct result result = rkt_prepare(manifest, NULL);
    char message[512];

    snprintf(message, sizeof(message), "launch of pod default/%s: %s\n", name, reason);
    assert_int_equal(result.status, 254);
    assert_string_equal(result.out, "");
    assert_string_equal(result.err, message);
}

/* Runs it until it runs. Return: the process. */
static pid_t begin(const char *uuid)
{
    pid_t pid = rkt_run(uuid);

    journal_wait("MESSAGE_ID", message_info(MESSAGE_START)->id, "GANTRY_RKT_UUID", uuid, NULL);
    return pid;
}

static void end(pid_t pid)
{
    kill(pid, SIGTERM);
    finish(pid);
}

static void remove_rktpod(const char *uuid)
{
    CLEANUP(result_deinit)
    struct result result = run(node_built("rkt"), GLOBAL_OPTIONS, "rm", uuid, NULL);

    assert_int_equal(result.status, 0);
}

/* What `rkt enter` prints. It can enter as soon as the app is there. */
static char *enter(const char *uuid, const char *script)
{
    usec_t give_up = usec_now() + 10 * USEC_SEC;

    for (;;) {
        CLEANUP(result_deinit)
        struct result result = run(node_built("rkt"), GLOBAL_OPTIONS, "enter", "--app=app", uuid,
                                   "sh", "-c", script, NULL);
        if (result.status == 0)
            return strdup(result.out);
        if (usec_now() > give_up)
            fail_msg("enter: %d: %s", result.status, result.err);
        usleep(20000);
    }
}

/* The pod that has a GPU, as gantryctl tells it; "" if nobody has. Borrowed until the next call. */
static const char *holder_of(size_t gpu, const char *member)
{
    static json_t *gpus;
    CLEANUP(result_deinit)
    struct result result = run(node_built("gantryctl"), "--json", "gpus", NULL);

    assert_int_equal(result.status, 0);
    json_decref(gpus);
    gpus = json_loads(result.out, 0, NULL);
    return field(json_object_get(json_array_get(gpus, gpu), "holder"), member);
}

static void the_app_sees_its_gpu_and_no_other(void **state)
{
    (void)state;
    CLEANUP(freep) char *uuid = prepare("a", "1");
    pid_t pid = begin(uuid);
    CLEANUP(freep)
    char *devices =
        enter(uuid, "cd /dev; stat -c '%n %F %t:%T' nvidia*; echo $NVIDIA_VISIBLE_DEVICES");
    assert_string_equal(devices, "nvidia-uvm character special file 1:8\n"
                                 "nvidia1 character special file 1:5\n"
                                 "nvidiactl character special file 1:7\n1\n");
    /* it is a device that works, and not only its node */
    CLEANUP(freep) char *zeros = enter(uuid, "head -c 3 /dev/nvidia1 | od -An -tx1");
    assert_string_equal(zeros, " 00 00 00\n");
    CLEANUP(freep)
    char *driver =
        enter(uuid, "cat /usr/local/nvidia/libcuda.so; touch /usr/local/nvidia/x 2>&1 || true");
    assert_non_null(strstr(driver, "driver"));
    assert_non_null(strstr(driver, "Read-only file system"));
    assert_string_equal(holder_of(1, "name"), "a");
    assert_string_equal(holder_of(1, "stage"), "running");
    assert_string_equal(holder_of(1, "rktUUID"), uuid);
    assert_string_equal(holder_of(0, "name"), "");
    end(pid);
    assert_string_equal(holder_of(1, "name"), "");
}

static void a_pod_that_asks_for_none_goes_on_as_it_came(void **state)
{
    static const char *const values[] = {NULL, "", "none", "void"};

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(values); i++) {
        CLEANUP(json_decrefp) json_t *manifest = manifest_of("a", NULL, "true");
        if (values[i])
            set_variable(manifest, values[i]);
        CLEANUP(result_deinit) struct result result = rkt_prepare(manifest, NULL);
        CLEANUP(freep) char *uuid = rkt_uuid(&result);
        char path[256];
        snprintf(path, sizeof(path), "/var/lib/rkt/pods/prepared/%s/pod", uuid);
        CLEANUP(json_decrefp) json_t *stored = read_json(path);
        assert_true(json_equal(stored, manifest));
    }
}

static void an_annotation_asks_too(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("a", "0,1", "sleep 1000");
    static const struct {
        const char *name, *value, *reason;
    } bad[] = {
        {"gpu.gantry.io/app", "two",
         "annotation gpu.gantry.io/app: \"two\" is neither a number from 1 to 64 nor \"all\""},
        {"gpu.gantry.io/ap", "1",
         "annotation gpu.gantry.io/ap: the pod has no container of that name"},
        {"gpu.gantry.io/app", "3", "2/2 GPUs free for container app"},
    };

    (void)state;
    for (size_t i = 0; i <= N_ELEMENTS(bad); i++) {
        bool is_good = i == N_ELEMENTS(bad);
        CLEANUP(json_decrefp) json_t *spec = json_pack("{s:[{s:s}]}", "containers", "name", "app");
        CLEANUP(json_decrefp) json_t *pod = kubelet_pod(manifest, spec);
        json_object_set_new(json_object_get(pod, "metadata"), "annotations",
                            json_pack("{s:s}", is_good ? "gpu.gantry.io/app" : bad[i].name,
                                      is_good ? "1" : bad[i].value));
        CLEANUP(json_decrefp) json_t *pods = json_pack("[O]", pod);
        kubelet_serves_pods(pods);
        /* what was heard of it before is forgotten */
        gantryd_end(SIGTERM);
        gantryd_start();
        CLEANUP(result_deinit) struct result result = rkt_prepare(manifest, NULL);
        char message[512];
        snprintf(message, sizeof(message), "launch of pod default/a: %s\n",
                 is_good ? "" : bad[i].reason);
        assert_string_equal(result.err, is_good ? "" : message);
        assert_int_equal(result.status, is_good ? 0 : 254);
    }
    /* one, though the variable asks for both */
    assert_string_equal(holder_of(0, "name"), "a");
    assert_string_equal(holder_of(1, "name"), "");
}

static void what_cannot_be_had_is_refused_in_words(void **state)
{
    (void)state;
    CLEANUP(freep) char *uuid = prepare("a", "0");
    is_refused("b", "0", "GPU 0 for container app: container app of pod default/a has it");
    is_refused("b", "all", "1/2 GPUs free for container app");
    is_refused("b", "2", "GPU 2 for container app: the node has none");
    is_refused("b", "GPU-fef8089b",
               "container app: NVIDIA_VISIBLE_DEVICES=GPU-fef8089b: GPUs are given by number, not "
               "by UUID");
    const json_t *entry = journal_wait("MESSAGE_ID", message_info(MESSAGE_REFUSAL)->id, NULL);
    assert_string_equal(field(entry, "GANTRY_ROOM"), "gpus");
    /* and nothing of it stays */
    assert_string_equal(holder_of(1, "name"), "");
}

static void an_exit_frees(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("a", "all", "exit 3");
    int status;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        CLEANUP(freep) char *uuid = rkt_launch(manifest, &status);
        assert_int_equal(status, 3);
    }
    CLEANUP(freep) char *uuid = prepare("b", "all");
}

static void a_run_that_is_killed_frees(void **state)
{
    (void)state;
    CLEANUP(freep) char *uuid = prepare("a", "all");
    pid_t pid = begin(uuid);
    CLEANUP(freep) char *entered = enter(uuid, "true");
    is_refused("b", "0", "GPU 0 for container app: container app of pod default/a has it");
    kill(pid, SIGKILL);
    finish(pid);
    /* what held the rkt pod's lock besides it dies with it */
    wait_for(holder_of(0, "name")[0] == '\0');
    CLEANUP(freep) char *other = prepare("b", "all");
}

static void removing_a_prepared_rkt_pod_frees(void **state)
{
    (void)state;
    CLEANUP(freep) char *uuid = prepare("a", "all");
    assert_string_equal(holder_of(0, "stage"), "prepared");
    is_refused("b", "all", "0/2 GPUs free for container app");
    remove_rktpod(uuid);
    CLEANUP(freep) char *other = prepare("b", "all");
}

static void a_failed_prepare_frees(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("a", "all", "true");
    json_t *image = json_object_get(json_array_get(json_object_get(manifest, "apps"), 0), "image");

    (void)state;
    json_object_set_new(image, "id", json_string("sha512-0000"));
    CLEANUP(result_deinit) struct result result = rkt_prepare(manifest, NULL);
    assert_int_equal(result.status, 254);
    CLEANUP(freep) char *uuid = prepare("b", "all");
}

/* Asked by a process that lives on, so that only the refusal itself can give them back. What is too
 * long when it is written out is refused behind all other rooms. */
static void a_later_rooms_refusal_frees(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("a", "all", "true");
    CLEANUP(freep) char *text = json_dumps(manifest, JSON_COMPACT);
    CLEANUP(freep) char *call = malloc(strlen(text) + (2 << 20));
    int fd = client_connect();

    (void)state;
    text[strlen(text) - 1] = '\0';
    char *p = call + sprintf(call,
                             "{\"method\":\"io.gantry.Node.Launch\",\"parameters\":{\"id\":\"1\","
                             "\"argv\":[\"rkt\",\"prepare\",\"--pod-manifest\",\"/m\"],"
                             "\"directory\":\"/\",\"environment\":{},\"manifest\":%s,\"x\":[0.1",
                             text);
    for (size_t i = 0; i < 400000; i++)
        p = stpcpy(p, ",0.1");
    strcpy(p, "]}}}");
    client_expect_error(fd, call, "io.gantry.Node.Refused", "room", "forward");
    assert_string_equal(holder_of(0, "name"), "");
    close(fd);
}

static void a_new_prepare_replaces_one_that_never_ran(void **state)
{
    (void)state;
    CLEANUP(freep) char *first = prepare("a", "all");
    CLEANUP(freep) char *second = prepare("a", "all");
    /* and the first one must not run with what the second one has */
    pid_t late = rkt_run(first);
    assert_int_equal(finish(late), 254);
    const json_t *entry = journal_wait("MESSAGE_ID", message_info(MESSAGE_REFUSAL)->id,
                                       "GANTRY_RKT_UUID", first, NULL);
    assert_string_equal(field(entry, "GANTRY_ROOM"), "gpus");
    pid_t pid = begin(second);
    end(pid);
}

static void gantryd_killed_remembers(void **state)
{
    (void)state;
    CLEANUP(freep) char *prepared = prepare("a", "0");
    gantryd_end(SIGKILL);
    gantryd_start();
    is_refused("c", "0", "GPU 0 for container app: container app of pod default/a has it");
    CLEANUP(freep) char *running = prepare("b", "1");
    pid_t pid = begin(running);
    CLEANUP(freep) char *entered = enter(running, "true");
    gantryd_end(SIGKILL);
    gantryd_start();
    is_refused("c", "any",
               "container app: NVIDIA_VISIBLE_DEVICES=any: expected numbers below 64 "
               "with commas, \"all\", \"none\" or \"void\"");
    is_refused("c", "all", "0/2 GPUs free for container app");
    assert_string_equal(holder_of(0, "stage"), "prepared");
    assert_string_equal(holder_of(1, "stage"), "running");
    /* an end that it does not see */
    gantryd_end(SIGKILL);
    end(pid);
    gantryd_start();
    CLEANUP(freep) char *other = prepare("c", "1");
    /* and what was prepared before all that can still be run */
    pid = begin(prepared);
    end(pid);
}

/* The moment between the answer and what rkt makes of it: a rkt that takes its time. */
static void gantryd_killed_while_rkt_prepares_remembers(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("a", "all", "true");
    char *const argv[] = {
        "rkt", GLOBAL_OPTIONS, "prepare", "--quiet", "--pod-manifest", "/run/node/slow.json", NULL};

    (void)state;
    assert_int_equal(json_dump_file(manifest, "/run/node/slow.json", 0), 0);
    write_text("/run/node/slow-rkt", "#!/bin/sh\nexec sleep 1000\n");
    assert_int_equal(chmod("/run/node/slow-rkt", 0755), 0);
    recorder_becomes("/run/node/slow-rkt");
    pid_t pid = start_argv(node_built("rkt"), argv);
    journal_wait("MESSAGE_ID", message_info(MESSAGE_LAUNCH)->id, "GANTRY_POD_NAME", "a", NULL);
    gantryd_end(SIGKILL);
    gantryd_start();
    is_refused("b", "all", "0/2 GPUs free for container app");
    assert_string_equal(holder_of(1, "stage"), "promised");
    kill(pid, SIGKILL);
    finish(pid);
    assert_string_equal(holder_of(1, "stage"), "");
}

#define N_RACERS 12

static void racing_prepares_never_share(void **state)
{
    pid_t pids[N_RACERS];
    char path[64], name[16];
    unsigned n_passed = 0;

    (void)state;
    for (size_t i = 0; i < N_RACERS; i++) {
        snprintf(name, sizeof(name), "race%zu", i);
        snprintf(path, sizeof(path), "/run/node/%s.json", name);
        CLEANUP(json_decrefp) json_t *manifest = manifest_of(name, i % 2 ? "0" : "1", "true");
        char *const argv[] = {"rkt", GLOBAL_OPTIONS, "prepare", "--quiet", "--pod-manifest", path,
                              NULL};
        assert_int_equal(json_dump_file(manifest, path, 0), 0);
        rkt_make_kubelets_files(manifest);
        pids[i] = start_argv(node_built("rkt"), argv);
    }
    for (size_t i = 0; i < N_RACERS; i++)
        n_passed += finish(pids[i]) == 0;
    assert_int_equal(n_passed, 2);
    assert_string_not_equal(holder_of(0, "name"), "");
    assert_string_not_equal(holder_of(1, "name"), "");
}

/* What rkt's data directory has besides: a manifest that did not go through gantry, and what is
 * none. */
static void an_odd_neighbour_is_in_nobodys_way(void **state)
{
#define ODD "/var/lib/rkt/pods/prepared/a4afd7d6-0001-4c2b-acf3-2777c9f6658e"
#define ODDER "/var/lib/rkt/pods/run/a4afd7d6-0002-4c2b-acf3-2777c9f6658e"

    (void)state;
    make_folders(ODD);
    write_text(ODD "/pod", "{");
    assert_int_equal(truncate(ODD "/pod", (off_t)VARLINK_MANIFEST_MAX + 1), 0);
    make_folders(ODDER "/pod");
    CLEANUP(freep) char *uuid = prepare("a", "all");
    assert_string_equal(holder_of(0, "name"), "a");
    is_refused("b", "all", "0/2 GPUs free for container app");
    pid_t pid = begin(uuid);
    CLEANUP(freep) char *entered = enter(uuid, "true");
    end(pid);
    wait_for(holder_of(0, "name")[0] == '\0');
    CLEANUP(result_deinit)
    struct result result = run("/bin/rm", "-r", ODD, ODDER, NULL);
    assert_int_equal(result.status, 0);
}

/* What gantry lets through it knows again, as long as it may be. */
static void a_long_manifest_is_known_again(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("a", "all", "sleep 1000");
    json_t *app = json_object_get(json_array_get(json_object_get(manifest, "apps"), 0), "app");
    CLEANUP(freep) char *value = malloc(1900001);

    (void)state;
    memset(value, '"', 1900000);
    value[1900000] = '\0';
    json_array_append_new(json_object_get(app, "environment"),
                          json_pack("{s:s, s:s}", "name", "LONG", "value", value));
    CLEANUP(result_deinit) struct result result = rkt_prepare(manifest, NULL);
    CLEANUP(freep) char *uuid = rkt_uuid(&result);
    assert_string_equal(holder_of(0, "rktUUID"), uuid);
    is_refused("b", "all", "0/2 GPUs free for container app");
    remove_rktpod(uuid);
    CLEANUP(freep) char *other = prepare("b", "all");
}

static void gantryctl_shows_a_table(void **state)
{
    (void)state;
    CLEANUP(freep) char *uuid = prepare("a", "1");
    CLEANUP(result_deinit) struct result table = run(node_built("gantryctl"), "gpus", NULL);
    assert_int_equal(table.status, 0);
    assert_non_null(strstr(table.out, "DEVICE"));
    assert_non_null(strstr(table.out, DEVICES "/nvidia0 "));
    assert_non_null(strstr(table.out, " free "));
    assert_non_null(strstr(table.out, DEVICES "/nvidia1 default/a app "));
    assert_non_null(strstr(table.out, " prepared "));
    CLEANUP(result_deinit)
    struct result explained = run(node_built("gantryctl"), "explain", "a", NULL);
    assert_non_null(strstr(explained.out, "gpus: container app has GPU 1\n"));
    /* one that is gone is still somebody's */
    assert_int_equal(unlink(DEVICES "/nvidia1"), 0);
    assert_string_equal(holder_of(1, "name"), "a");
    remove_rktpod(uuid);
    assert_int_equal(unlink(DEVICES "/nvidia0"), 0);
    CLEANUP(result_deinit) struct result none = run(node_built("gantryctl"), "gpus", NULL);
    assert_string_equal(none.out, "The node has no GPUs.\n");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(the_app_sees_its_gpu_and_no_other),
        TEST(a_pod_that_asks_for_none_goes_on_as_it_came),
        TEST(an_annotation_asks_too),
        TEST(what_cannot_be_had_is_refused_in_words),
        TEST(an_exit_frees),
        TEST(a_run_that_is_killed_frees),
        TEST(removing_a_prepared_rkt_pod_frees),
        TEST(a_failed_prepare_frees),
        TEST(a_later_rooms_refusal_frees),
        TEST(a_new_prepare_replaces_one_that_never_ran),
        TEST(gantryd_killed_remembers),
        TEST(gantryd_killed_while_rkt_prepares_remembers),
        TEST(racing_prepares_never_share),
        TEST(an_odd_neighbour_is_in_nobodys_way),
        TEST(a_long_manifest_is_known_again),
        TEST(gantryctl_shows_a_table),
    };

    node_enter();
    return cmocka_run_group_tests_name("gpus", tests, NULL, NULL);
}
