/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Volumes as the apps see them: manifests as kubelet 1.3 writes them
 * (tests/replay/traces/kubelet-1.3), with and without its answer to what it meant, and hostPaths of
 * each type. What rkt is given is of no interest here.
 */

#include "tests/unit/unit.h"

#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "lib/message.h"
#include "tests/harness/kubelet.h"
#include "tests/harness/rkt.h"

static json_t *manifest_of(const char *trace_name)
{
    CLEANUP(json_decrefp) json_t *trace = trace_load(trace_name);
    json_t *calls = json_object_get(trace, "calls");

    return json_incref(json_object_get(json_array_get(calls, 0), "manifest"));
}

static const char *annotation(const json_t *manifest, const char *name)
{
    const json_t *list = json_object_get(manifest, "annotations");

    for (size_t i = 0; i < json_array_size(list); i++) {
        if (strcmp(field(json_array_get(list, i), "name"), name) == 0)
            return field(json_array_get(list, i), "value");
    }
    fail_msg("no annotation %s", name);
    return NULL;
}

/* Below the pod's folder, on the host. */
static const char *pod_path(const json_t *manifest, const char *name)
{
    static char path[512];

    snprintf(path, sizeof(path), "/var/lib/kubelet/pods/%s/%s",
             annotation(manifest, "io.kubernetes.pod.uid"), name);
    return path;
}

/* What the kubelet makes before it calls rkt. */
static void make_pod_folder(const json_t *manifest, const char *scratch)
{
    make_folders(pod_path(manifest, "containers"));
    write_text(pod_path(manifest, "etc-hosts"), "127.0.0.1 localhost\n");
    make_folders(pod_path(manifest, scratch));
}

#define SCRATCH "volumes/kubernetes.io~empty-dir/scratch"

/* The kubelet answers for the pod with this spec, a reference to which is consumed. */
static void kubelet_tells(const json_t *manifest, json_t *spec)
{
    CLEANUP(json_decrefp) json_t *pods = json_pack("[o]", kubelet_pod(manifest, spec));

    json_decref(spec);
    kubelet_serves_pods(pods);
    kubelet_start();
}

/* A pod that runs. */
struct running {
    char *uuid;
    pid_t pid;
};

static struct running start(const json_t *manifest)
{
    CLEANUP(result_deinit) struct result result = rkt_prepare(manifest, NULL);
    struct running running = {.uuid = rkt_uuid(&result)};

    running.pid = rkt_run(running.uuid);
    journal_wait("MESSAGE_ID", message_info(MESSAGE_START)->id, "GANTRY_RKT_UUID", running.uuid,
                 NULL);
    return running;
}

static void stop(struct running *running)
{
    kill(running->pid, SIGTERM);
    finish(running->pid);
    free(running->uuid);
}

static struct result enter(const struct running *running, const char *app, const char *script)
{
    char option[64];

    snprintf(option, sizeof(option), "--app=%s", app);
    return run(node_built("rkt"), GLOBAL_OPTIONS, "enter", option, running->uuid, "sh", "-c",
               script, NULL);
}

/* rkt enters an app's root before all is mounted there. */
static bool runs(const struct running *running, const char *app)
{
    CLEANUP(result_deinit)
    struct result result = enter(running, app, "test -e /proc/self/mounts");

    return result.status == 0;
}

/* What a script prints inside the app. */
static void app_sees(const struct running *running, const char *app, const char *script,
                     const char *expected)
{
    wait_for(runs(running, app));
    CLEANUP(result_deinit) struct result result = enter(running, app, script);
    assert_string_equal(result.out, expected);
}

/* Whether the app may write there is asked of its mount: root writes where it likes. */
#define OPTIONS_OF(path) "grep ' " path " ' /proc/self/mounts | cut -d' ' -f4 | cut -d, -f1"

/* The entry of the launch has that among its notes. */
static void is_noted(const char *note)
{
    const json_t *entry = journal_wait("MESSAGE_ID", message_info(MESSAGE_LAUNCH)->id,
                                       "GANTRY_COMMAND", "prepare", NULL);

    assert_non_null(strstr(field(entry, "MESSAGE"), note));
}

static void host_network_pods_start(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("kubelet-1.3/host-network");

    (void)state;
    make_folders(pod_path(manifest, "containers"));
    CLEANUP(freep) char *hosts = read_text("/etc/hosts");
    struct running running = start(manifest);
    app_sees(&running, "front", "cat /etc/hosts", hosts);
    app_sees(&running, "side", "cat /etc/hosts", hosts);
    app_sees(&running, "front", OPTIONS_OF("/etc/hosts"), "ro\n");
    app_sees(&running, "side", OPTIONS_OF("/etc/resolv.conf"), "ro\n");
    /* each has its own */
    CLEANUP(result_deinit)
    struct result wrote = enter(&running, "front", "echo done > /dev/termination-log");
    assert_int_equal(wrote.status, 0);
    app_sees(&running, "front", "cat /dev/termination-log", "done\n");
    app_sees(&running, "side", "cat /dev/termination-log", "");
    stop(&running);
    is_noted("volumes: the name \"kubernetes-hostnetwork-hosts-conf\" stood for 4 volumes; "
             "each that differs has its own now");
}

static void two_containers_share_a_volume(const json_t *manifest)
{
    make_pod_folder(manifest, SCRATCH);
    struct running running = start(manifest);
    app_sees(&running, "front", OPTIONS_OF("/data"), "rw\n");
    app_sees(&running, "side", OPTIONS_OF("/data"), "ro\n");
    app_sees(&running, "front", "echo hello > /data/file && echo written", "written\n");
    app_sees(&running, "side", "cat /data/file", "hello\n");
    app_sees(&running, "side", "echo no > /data/file || echo kept", "kept\n");
    stop(&running);
}

static void one_of_two_containers_must_not_write(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("kubelet-1.3/shared-volume");

    (void)state;
    two_containers_share_a_volume(manifest);
}

static void one_of_two_must_not_write_says_the_kubelet(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("kubelet-1.3/shared-volume");

    (void)state;
    kubelet_tells(manifest,
                  json_pack("{s:[{s:s, s:[{s:s, s:s}]}, {s:s, s:[{s:s, s:s, s:b}]}], s:[{s:s, "
                            "s:{}}]}",
                            "containers", "name", "front", "volumeMounts", "name", "scratch",
                            "mountPath", "/data", "name", "side", "volumeMounts", "name", "scratch",
                            "mountPath", "/data/", "readOnly", 1, "volumes", "name", "scratch",
                            "emptyDir"));
    two_containers_share_a_volume(manifest);
    assert_int_equal(kubelet_n_requests(), 1);
}

static json_t *spec_of_lost_mount(void)
{
    return json_pack("{s:[{s:s, s:[{s:s, s:s}, {s:s, s:s, s:b}]}], s:[{s:s, s:{}}]}", "containers",
                     "name", "front", "volumeMounts", "name", "scratch", "mountPath", "/out",
                     "name", "scratch", "mountPath", "/in", "readOnly", 1, "volumes", "name",
                     "scratch", "emptyDir");
}

static void a_lost_mount_is_restored(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("kubelet-1.3/lost-mount");

    (void)state;
    make_pod_folder(manifest, SCRATCH);
    kubelet_tells(manifest, spec_of_lost_mount());
    struct running running = start(manifest);
    app_sees(&running, "front", OPTIONS_OF("/out"), "rw\n");
    app_sees(&running, "front", OPTIONS_OF("/in"), "ro\n");
    app_sees(&running, "front", "echo hello > /out/file; cat /in/file", "hello\n");
    stop(&running);
    is_noted("volumes: container \"front\": /out was missing, volume \"scratch\"");
}

/* Nor does the pod fail. */
static void without_the_kubelet_what_is_lost_stays_lost(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("kubelet-1.3/lost-mount");

    (void)state;
    make_pod_folder(manifest, SCRATCH);
    struct running running = start(manifest);
    app_sees(&running, "front", OPTIONS_OF("/in"), "ro\n");
    app_sees(&running, "front", "ls -d /out", "");
    stop(&running);
}

/* The second mount is the one whose mount point there is. */
static void a_subpath_is_its_own_without_the_kubelet_too(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("kubelet-1.3/two-subpaths");

    (void)state;
    make_pod_folder(manifest, SCRATCH "/data/front");
    make_folders(pod_path(manifest, SCRATCH "/logs"));
    write_text(pod_path(manifest, SCRATCH "/data/front/mark"), "data\n");
    write_text(pod_path(manifest, SCRATCH "/logs/mark"), "logs\n");
    struct running running = start(manifest);
    app_sees(&running, "front", "cat /data/mark", "data\n");
    app_sees(&running, "side", "ls /all", "data\nlogs\n");
    app_sees(&running, "side", OPTIONS_OF("/all"), "ro\n");
    stop(&running);
}

static json_t *named(const json_t *list, const char *name, size_t *indexp)
{
    for (*indexp = 0; *indexp < json_array_size(list); ++*indexp) {
        if (strcmp(field(json_array_get(list, *indexp), "name"), name) == 0)
            return json_array_get(list, *indexp);
    }
    fail_msg("there is no %s", name);
    return NULL;
}

/* The volume of two containers becomes a subPath of one, of whose name the other one's image has a
 * mount point. */
static void make_image_point(const json_t *manifest)
{
    json_t *volumes = json_object_get(manifest, "volumes");
    json_t *side = json_object_get(json_array_get(json_object_get(manifest, "apps"), 1), "app");
    size_t index;

    named(volumes, "scratch", &index);
    json_array_remove(volumes, index);
    json_object_set_new(named(volumes, "scratch", &index), "source",
                        json_string(pod_path(manifest, SCRATCH "/good")));
    json_t *point = named(json_object_get(side, "mountPoints"), "scratch", &index);
    json_object_set_new(point, "path", json_string("/image"));
    json_object_del(point, "readOnly");
}

static void an_images_mount_point_shows_no_subpath(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("kubelet-1.3/shared-volume");

    (void)state;
    make_image_point(manifest);
    make_pod_folder(manifest, SCRATCH "/good");
    make_folders("/srv/outside");
    write_text(pod_path(manifest, SCRATCH "/good/inside"), "");
    write_text("/srv/outside/outside", "");
    kubelet_tells(manifest, json_pack("{s:[{s:s, s:[{s:s, s:s, s:s}]}, {s:s}], s:[{s:s, s:{}}]}",
                                      "containers", "name", "front", "volumeMounts", "name",
                                      "scratch", "mountPath", "/data", "subPath", "good", "name",
                                      "side", "volumes", "name", "scratch", "emptyDir"));
    CLEANUP(result_deinit) struct result result = rkt_prepare(manifest, NULL);
    struct running running = {.uuid = rkt_uuid(&result)};
    /* as a container could that mounts all of it */
    CLEANUP(freep) char *good = strdup(pod_path(manifest, SCRATCH "/good"));
    assert_int_equal(rename(good, pod_path(manifest, SCRATCH "/was")), 0);
    assert_int_equal(symlink("/srv/outside", good), 0);
    running.pid = rkt_run(running.uuid);
    app_sees(&running, "side", "ls /image", "");
    app_sees(&running, "front", "ls /data", "inside\n");
    stop(&running);
    is_noted("volumes: container \"side\": /image is the image's, and not of volume \"scratch\"");
}

/* As kubelet 1.9 writes it: one volume, as read-only as its first mount. */
static void a_container_can_write_beside_what_it_only_reads(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("two-apps");
    json_t *front = json_object_get(json_array_get(json_object_get(manifest, "apps"), 0), "app");
    json_t *points = json_object_get(front, "mountPoints");

    (void)state;
    make_pod_folder(manifest, SCRATCH);
    json_array_append_new(json_object_get(manifest, "volumes"),
                          json_pack("{s:s, s:s, s:s, s:b}", "name", "one", "kind", "host", "source",
                                    pod_path(manifest, SCRATCH), "readOnly", 1));
    json_array_append_new(
        points, json_pack("{s:s, s:s, s:b}", "name", "one", "path", "/in", "readOnly", 1));
    json_array_append_new(points, json_pack("{s:s, s:s}", "name", "one", "path", "/out"));
    kubelet_tells(manifest,
                  json_pack("{s:[{s:s, s:[{s:s, s:s, s:b}, {s:s, s:s}]}], s:[{s:s, s:{}}]}",
                            "containers", "name", "front", "volumeMounts", "name", "scratch",
                            "mountPath", "/in", "readOnly", 1, "name", "scratch", "mountPath",
                            "/out", "volumes", "name", "scratch", "emptyDir"));
    struct running running = start(manifest);
    app_sees(&running, "front", OPTIONS_OF("/in"), "ro\n");
    app_sees(&running, "front", OPTIONS_OF("/out"), "rw\n");
    app_sees(&running, "front", "echo hello > /out/file; cat /in/file", "hello\n");
    stop(&running);
    is_noted("volumes: container \"front\": /out can be written to now, volume \"scratch\"");
}

/* Secrets: a manifest of kubelet 1.9, whose volumes have names of their own. */
static void nobody_writes_to_a_secret(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("two-apps");
    static const char secret[] = "volumes/kubernetes.io~secret/token";
    json_t *volumes = json_object_get(manifest, "volumes");

    (void)state;
    make_pod_folder(manifest, secret);
    write_text(pod_path(manifest, "volumes/kubernetes.io~secret/token/key"), "key\n");
    for (size_t i = 0; i < json_array_size(volumes); i++) {
        json_t *volume = json_array_get(volumes, i);
        if (strcmp(field(volume, "source"), "/srv/cache/not/there") == 0)
            json_object_set_new(volume, "source", json_string(pod_path(manifest, secret)));
    }
    struct running running = start(manifest);
    app_sees(&running, "front", "cat /cache/key", "key\n");
    app_sees(&running, "front", OPTIONS_OF("/cache"), "ro\n");
    app_sees(&running, "front", OPTIONS_OF("/data/a"), "rw\n");
    stop(&running);
}

/* The kubelet's word on the pod two-apps, with a type for its hostPath. */
static json_t *spec_of_type(const char *type)
{
    return json_pack("{s:[{s:s, s:[{s:s, s:s}]}], s:[{s:s, s:{s:s, s:s}}]}", "containers", "name",
                     "front", "volumeMounts", "name", "dne", "mountPath", "/cache", "volumes",
                     "name", "dne", "hostPath", "path", "/srv/cache/not/there", "type", type);
}

/* A launch of the pod with a hostPath of that type. Return: what the kubelet is told of it. */
static struct result prepare_type(const json_t *manifest, const char *type)
{
    CLEANUP(json_decrefp) json_t *spec = spec_of_type(type);
    CLEANUP(json_decrefp) json_t *pods = json_pack("[o]", kubelet_pod(manifest, spec));

    kubelet_serves_pods(pods);
    /* It is asked once for a pod. */
    gantryd_end(SIGTERM);
    gantryd_start();
    return rkt_prepare(manifest, NULL);
}

static void type_is_refused(const json_t *manifest, const char *type, const char *noun)
{
    CLEANUP(result_deinit) struct result result = prepare_type(manifest, type);
    char message[256];

    snprintf(message, sizeof(message),
             "launch of pod web/burst-node1: volume \"dne\": hostPath type check failed: "
             "/srv/cache/not/there is not a %s\n",
             noun);
    assert_int_equal(result.status, 254);
    assert_string_equal(result.err, message);
}

static void type_passes(const json_t *manifest, const char *type)
{
    CLEANUP(result_deinit) struct result result = prepare_type(manifest, type);

    if (result.status != 0)
        fail_msg("%s: %s", type, result.err);
}

static void host_paths_are_what_their_types_say(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("two-apps");
    static const char path[] = "/srv/cache/not/there";
    struct stat st;

    (void)state;
    make_pod_folder(manifest, SCRATCH);
    kubelet_start();
    type_is_refused(manifest, "Directory", "directory");
    type_is_refused(manifest, "File", "file");
    type_is_refused(manifest, "Socket", "socket file");
    type_is_refused(manifest, "CharDevice", "character device");
    type_is_refused(manifest, "BlockDevice", "block device");
    assert_false(is_there("/srv/cache"));

    type_passes(manifest, "DirectoryOrCreate");
    assert_int_equal(stat(path, &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    assert_int_equal(st.st_mode & 07777, 0755);
    type_is_refused(manifest, "FileOrCreate", "file");

    /* Nothing opens it, so there need be no device behind the node. */
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(mknod(path, S_IFBLK | 0600, makedev(7, 200)), 0);
    type_passes(manifest, "BlockDevice");
    type_is_refused(manifest, "CharDevice", "character device");
}

static void an_app_sees_the_file_that_was_made_for_it(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("two-apps");
    struct stat st;

    (void)state;
    make_pod_folder(manifest, SCRATCH);
    make_folders("/srv/cache/not");
    kubelet_tells(manifest, spec_of_type("FileOrCreate"));
    struct running running = start(manifest);
    assert_int_equal(stat("/srv/cache/not/there", &st), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_int_equal(st.st_mode & 07777, 0644);
    assert_int_equal(st.st_uid, 0);
    app_sees(&running, "front", "test -f /cache && echo file", "file\n");
    stop(&running);
    is_noted("hosttype: made the file /srv/cache/not/there (0644 root:root) for volume \"dne\"");
}

static int teardown(void **state)
{
    kubelet_stop();
    return rkt_teardown(state);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, rkt_setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(host_network_pods_start),
        TEST(one_of_two_containers_must_not_write),
        TEST(one_of_two_must_not_write_says_the_kubelet),
        TEST(a_lost_mount_is_restored),
        TEST(without_the_kubelet_what_is_lost_stays_lost),
        TEST(a_subpath_is_its_own_without_the_kubelet_too),
        TEST(an_images_mount_point_shows_no_subpath),
        TEST(a_container_can_write_beside_what_it_only_reads),
        TEST(nobody_writes_to_a_secret),
        TEST(host_paths_are_what_their_types_say),
        TEST(an_app_sees_the_file_that_was_made_for_it),
    };

    node_enter();
    return cmocka_run_group_tests_name("volumes", tests, NULL, NULL);
}
