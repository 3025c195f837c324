/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Pods under stage1-fly, whose mounts are the node's: what they see, what the node sees of them,
 * and that nothing of theirs stays behind.
 */

#include "tests/unit/unit.h"

#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "lib/message.h"
#include "tests/harness/kubelet.h"
#include "tests/harness/rkt.h"
#include "tests/unit/mountns.h"

/* What the host has mounted, in a volume and as one. */
#define DEEP "/srv/a/part/deep"
#define SECRET \
    "/var/lib/kubelet/pods/2922461308f5f8e701e6c659fdbe2a31/volumes/kubernetes.io~secret/v1"

#define GPU "/dev/nvidia0"

#define FLY "coreos.com/rkt/stage1-fly:1.30.0"

/* What the kubelet mounts, and of which volume of the pod's. */
struct volume {
    const char *path, *source, *subpath; /* subpath: NULL, or below the source */
    const char *type;                    /* the member of the pod spec's volume; NULL: hostPath */
};

static int setup(void **state)
{
    rkt_setup(state);
    kubelet_start();
    make_folders("/srv/a");
    make_folders("/srv/b");
    write_text("/srv/b/of-b", "");
    return 0;
}

static int teardown(void **state)
{
    kubelet_stop();
    unlink("/dev/termination-log");
    umount(DEEP);
    umount(SECRET);
    umount(GPU);
    unlink(GPU);
    return rkt_teardown(state);
}

static void add_volume(json_t *manifest, json_t *spec, const struct volume *volume, size_t number)
{
    json_t *app = json_array_get(json_object_get(manifest, "apps"), 0);
    json_t *container = json_array_get(json_object_get(spec, "containers"), 0);
    CLEANUP(json_decrefp) json_t *name = json_sprintf("v%zu", number);
    json_t *source = volume->subpath ? json_sprintf("%s/%s", volume->source, volume->subpath)
                                     : json_string(volume->source);

    json_array_append_new(json_object_get(manifest, "volumes"),
                          json_pack("{s:O, s:s, s:o, s:b}", "name", name, "kind", "host", "source",
                                    source, "readOnly", 0));
    json_array_append_new(json_object_get(json_object_get(app, "app"), "mountPoints"),
                          json_pack("{s:O, s:s}", "name", name, "path", volume->path));
    json_array_append_new(json_object_get(container, "volumeMounts"),
                          json_pack("{s:O, s:s, s:s}", "name", name, "mountPath", volume->path,
                                    "subPath", volume->subpath ? volume->subpath : ""));
    json_array_append_new(json_object_get(spec, "volumes"),
                          json_pack("{s:O, s:{s:s}}", "name", name,
                                    volume->type ? volume->type : "hostPath", "path",
                                    volume->source));
}

/* A privileged pod with hostPID, of one app, that mounts these, ended by one without a path, and
 * wants so many GPUs, or NULL. */
static json_t *make_pod(const char *script, const struct volume *volumes, const char *n_gpus)
{
    CLEANUP(json_decrefp) json_t *trace = trace_load("fly-privileged");
    json_t *manifest = json_deep_copy(
        json_object_get(json_array_get(json_object_get(trace, "calls"), 0), "manifest"));
    json_t *app = json_object_get(json_array_get(json_object_get(manifest, "apps"), 0), "app");
    CLEANUP(json_decrefp)
    json_t *spec = json_pack("{s:b, s:b, s:[], s:[{s:s, s:{s:b}, s:[]}]}", "hostNetwork", 1,
                             "hostPID", 1, "volumes", "containers", "name", "app",
                             "securityContext", "privileged", 1, "volumeMounts");

    json_object_set_new(app, "exec", json_pack("[s, s, s]", "sh", "-c", script));
    for (size_t i = 0; volumes[i].path; i++)
        add_volume(manifest, spec, &volumes[i], i);
    json_t *pod = kubelet_pod(manifest, spec);
    CLEANUP(json_decrefp) json_t *pods = json_pack("[o]", pod);
    json_object_set_new(json_object_get(pod, "metadata"), "annotations",
                        json_pack("{s:s*}", "gpu.gantry.io/app", n_gpus));
    kubelet_serves_pods(pods);
    return manifest;
}

static char *prepare(const json_t *manifest, char *stage1)
{
    CLEANUP(result_deinit) struct result result = rkt_prepare(manifest, stage1, NULL);

    return rkt_uuid(&result);
}

static void end(pid_t pid, const char *uuid)
{
    kill(pid, SIGTERM);
    finish(pid);
    CLEANUP(result_deinit)
    struct result result = run(node_built("rkt"), GLOBAL_OPTIONS, "rm", uuid, NULL);
    assert_int_equal(result.status, 0);
}

/* What the script prints in the running app. */
static void app_sees(const char *uuid, const char *script, const char *out)
{
    CLEANUP(result_deinit) struct result result = rkt_enter(uuid, script);

    if (result.status != 0 || strcmp(result.out, out) != 0)
        fail_msg("%s: %d: %s%s", script, result.status, result.out, result.err);
}

static void was_noted(const char *words)
{
    const json_t *entry = journal_wait("MESSAGE_ID", message_info(MESSAGE_LAUNCH)->id, NULL);

    if (!strstr(field(entry, "MESSAGE"), words))
        fail_msg("not in \"%s\": %s", field(entry, "MESSAGE"), words);
}

static void mounts_below_one_another_are_had_without_it(void **state)
{
    static const struct volume volumes[] = {
        {.path = "/data/sub", .source = "/srv/b"}, {.path = "/data", .source = "/srv/a"}, {0}};
    CLEANUP(json_decrefp) json_t *manifest = make_pod("sleep 1000", volumes, NULL);

    (void)state;
    CLEANUP(freep) char *uuid = prepare(manifest, NULL);
    pid_t pid = rkt_start(uuid);
    app_sees(uuid, "ls /data /data/sub", "/data:\nsub\n\n/data/sub:\nof-b\n");
    assert_false(is_there("/srv/a/sub/of-b"));
    was_noted("namespaces: warning: hostPID cannot be had, the pod runs without it: under "
              "stage1-fly no mount can lie below another, or below /dev, /proc or /sys: /data and "
              "/data/sub");
    end(pid, uuid);
}

static void a_termination_message_is_not_mounted_in_the_nodes_dev(void **state)
{
    static const struct volume none[] = {{0}};
    CLEANUP(json_decrefp)
    json_t *manifest = make_pod("echo mine >/dev/termination-log", none, NULL);
    const json_t *app = json_array_get(json_object_get(manifest, "apps"), 0);
    const json_t *annotations = json_object_get(app, "annotations");
    const char *message = field(json_array_get(annotations, 2), "value");
    int status;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        CLEANUP(freep) char *uuid = rkt_launch(manifest, &status);
        /* the second time, too: what is there of the first one's does not stand in its way */
        assert_int_equal(status, 0);
        assert_int_equal(mountns_count("/dev/termination-log"), 0);
        CLEANUP(freep) char *text = read_text(message);
        assert_string_equal(text, "");
        assert_int_equal(unlink(message), 0);
    }
    was_noted("namespaces: hostPID: runs under " FLY ", which is no isolation; namespaces: no "
              "termination message: stage1-fly cannot mount /dev/termination-log");
}

static const json_t *points_of(const json_t *manifest)
{
    const json_t *app = json_array_get(json_object_get(manifest, "apps"), 0);

    return json_object_get(json_object_get(app, "app"), "mountPoints");
}

static void what_the_kubelet_sends_there_goes_as_it_came(void **state)
{
    static const struct volume volumes[] = {
        {.path = "/data/sub", .source = "/srv/b"}, {.path = "/data", .source = "/srv/a"}, {0}};
    CLEANUP(json_decrefp) json_t *manifest = make_pod("sleep 1000", volumes, NULL);
    char path[128];

    (void)state;
    CLEANUP(freep) char *uuid = prepare(manifest, "--stage1-name=" FLY);
    snprintf(path, sizeof(path), "/var/lib/rkt/pods/prepared/%s/pod", uuid);
    CLEANUP(json_decrefp) json_t *stored = read_json(path);
    assert_true(
        json_equal(json_object_get(stored, "volumes"), json_object_get(manifest, "volumes")));
    assert_true(json_equal(points_of(stored), points_of(manifest)));
}

static unsigned count_mounts(void)
{
    return mountns_count("/dev") + mountns_count("/srv") + mountns_count("/var/lib");
}

/* fly makes gantry's mount of the subPath a shared one, and mounts it again. */
static void what_is_mounted_for_it_goes_and_nothing_else(void **state)
{
    static const struct volume volumes[] = {
        {.path = "/part", .source = "/srv/a", .subpath = "part"},
        {.path = "/secret", .source = SECRET, .type = "secret"},
        {0}};
    CLEANUP(json_decrefp) json_t *manifest = make_pod("sleep 1000", volumes, NULL);

    (void)state;
    make_folders(DEEP);
    make_folders(SECRET);
    assert_int_equal(mount("tmpfs", DEEP, "tmpfs", 0, NULL), 0);
    assert_int_equal(mount("tmpfs", SECRET, "tmpfs", 0, NULL), 0);
    write_text(DEEP "/of-host", "");
    unsigned n = count_mounts();

    CLEANUP(freep) char *uuid = prepare(manifest, NULL);
    pid_t pid = rkt_start(uuid);
    was_noted("runs under " FLY);
    app_sees(uuid, "touch /part/of-app; touch /secret/of-app 2>&1 || true",
             "touch: /secret/of-app: Read-only file system\n");
    assert_true(is_there("/srv/a/part/of-app"));
    /* and what the app itself mounts there is not in the volume either */
    app_sees(uuid, "mkdir /part/own; mount -t tmpfs tmpfs /part/own && touch /part/own/x", "");
    assert_false(is_there("/srv/a/part/own/x"));
    end(pid, uuid);
    wait_for(mountns_count("/run/gantry") == 0);
    assert_true(is_there(DEEP "/of-host"));
    assert_int_equal(count_mounts(), n);
}

static void of_a_gpu_only_the_driver_is_mounted(void **state)
{
    static const struct volume none[] = {{0}};
    CLEANUP(json_decrefp) json_t *manifest = make_pod("sleep 1000", none, "1");

    (void)state;
    make_folders("/srv/driver");
    write_text("/srv/driver/libcuda.so", "driver");
    node_configure("[GPU]\nDriverPath=/srv/driver\n");
    gantryd_end(SIGTERM);
    gantryd_start();
    assert_int_equal(mknod(GPU, S_IFCHR | 0666, makedev(1, 3)), 0);
    CLEANUP(freep) char *uuid = prepare(manifest, NULL);
    pid_t pid = rkt_start(uuid);
    was_noted("gpus: container app has GPU 0; stage1-fly mounts none, it has the host's /dev");
    app_sees(uuid, "echo $NVIDIA_VISIBLE_DEVICES; cat /usr/local/nvidia/*; test -c " GPU,
             "0\ndriver");
    assert_int_equal(mountns_count(GPU), 0);
    end(pid, uuid);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(mounts_below_one_another_are_had_without_it),
        TEST(a_termination_message_is_not_mounted_in_the_nodes_dev),
        TEST(what_the_kubelet_sends_there_goes_as_it_came),
        TEST(what_is_mounted_for_it_goes_and_nothing_else),
        TEST(of_a_gpu_only_the_driver_is_mounted),
    };

    node_enter();
    return cmocka_run_group_tests_name("fly", tests, NULL, NULL);
}
