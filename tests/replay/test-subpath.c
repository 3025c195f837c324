/* SPDX-License-Identifier: Apache-2.0 */

/*
 * subPaths from the pod's side: what an app sees at the mount, what it must not, and what becomes
 * of gantry's own mounts.
 */

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "lib/bounds.h"
#include "lib/message.h"
#include "tests/harness/kubelet.h"
#include "tests/harness/rkt.h"
#include "tests/unit/mountns.h"

#define FOLDERS "/run/gantry/subpaths"

/* One of a volume mounts of the container. */
struct part {
    const char *path;
    const char *subpath;
    bool read_only;
};

static int setup(void **state)
{
    int r = rkt_setup(state);

    kubelet_start();
    return r;
}

static int teardown(void **state)
{
    kubelet_stop();
    return rkt_teardown(state);
}

/* A pod default/NAME with a volume, the host path `root`, and these mounts of it, ended by one
 * without a path. The manifest is of kubelet 1.9: a volume for each mount, root and subPath one
 * string. The kubelet tells what it is of. */
static json_t *make_pod(const char *name, const char *root, const struct part *parts,
                        const char *script)
{
    CLEANUP(json_decrefp) json_t *trace = trace_load("rkt-network");
    json_t *manifest = json_deep_copy(
        json_object_get(json_array_get(json_object_get(trace, "calls"), 0), "manifest"));
    json_t *app = json_array_get(json_object_get(manifest, "apps"), 0);
    json_t *annotations = json_object_get(manifest, "annotations"), *mounts = json_array();

    json_object_set_new(json_object_get(app, "app"), "exec",
                        json_pack("[s, s, s]", "sh", "-c", script));
    for (size_t i = 0; i < json_array_size(annotations); i++) {
        json_t *entry = json_array_get(annotations, i);
        if (strcmp(field(entry, "name"), "io.kubernetes.pod.uid") == 0 ||
            strcmp(field(entry, "name"), "io.kubernetes.pod.name") == 0)
            json_object_set_new(entry, "value", json_string(name));
    }
    for (size_t i = 0; parts[i].path; i++) {
        json_array_append_new(json_object_get(manifest, "volumes"),
                              json_pack("{s:o, s:s, s:o, s:b}", "name", json_sprintf("v-%zu", i),
                                        "kind", "host", "source",
                                        json_sprintf("%s/%s", root, parts[i].subpath), "readOnly",
                                        parts[i].read_only));
        json_array_append_new(json_object_get(json_object_get(app, "app"), "mountPoints"),
                              json_pack("{s:o, s:s, s:b}", "name", json_sprintf("v-%zu", i), "path",
                                        parts[i].path, "readOnly", parts[i].read_only));
        json_array_append_new(mounts, json_pack("{s:s, s:s, s:s, s:b}", "name", "v", "mountPath",
                                                parts[i].path, "subPath", parts[i].subpath,
                                                "readOnly", parts[i].read_only));
    }
    CLEANUP(json_decrefp)
    json_t *spec =
        json_pack("{s:[{s:s, s:o}], s:[{s:s, s:{s:s}}]}", "containers", "name", "app",
                  "volumeMounts", mounts, "volumes", "name", "v", "hostPath", "path", root);
    CLEANUP(json_decrefp) json_t *pods = json_pack("[o]", kubelet_pod(manifest, spec));
    kubelet_serves_pods(pods);
    return manifest;
}

static char *prepare(const json_t *manifest)
{
    CLEANUP(result_deinit) struct result result = rkt_prepare(manifest, NULL);

    return rkt_uuid(&result);
}

static void stop(pid_t pid)
{
    assert_int_equal(kill(pid, SIGTERM), 0);
    finish(pid);
}

/* In the running app, that comes of it. */
static void app_sees(const char *uuid, const char *script, const char *out)
{
    CLEANUP(result_deinit) struct result result = rkt_enter(uuid, script);

    if (strcmp(result.out, out) != 0)
        fail_msg("%s: \"%s\", %s", script, result.out, result.err);
}

static void rkt_rm(const char *uuid)
{
    CLEANUP(result_deinit)
    struct result result = run(node_built("rkt"), GLOBAL_OPTIONS, "rm", uuid, NULL);

    assert_int_equal(result.status, 0);
}

static bool is_clean(void)
{
    glob_t found;

    int r = glob(FOLDERS "/*", 0, NULL, &found);
    globfree(&found);
    return r == GLOB_NOMATCH && mountns_count("/run/gantry") == 0;
}

/* A folder as a launch of long ago would have left it: its going shows that all was looked
 * through. */
static void leave_old_folder(void)
{
    make_folders(FOLDERS "/1.1.0");
}

static bool old_folder_is_gone(void)
{
    return !is_there(FOLDERS "/1.1.0");
}

static void an_app_sees_the_subpath_and_nothing_else(void **state)
{
    static const struct part parts[] = {{"/data", "one/two", false}, {NULL}};
    CLEANUP(json_decrefp) json_t *manifest = make_pod("web", "/srv/v", parts, "sleep 1000");
    struct stat st;

    (void)state;
    make_folders("/srv/v/one");
    write_text("/srv/v/secret", "");
    assert_int_equal(chmod("/srv/v", 0751), 0);
    leave_old_folder();
    CLEANUP(freep) char *uuid = prepare(manifest);
    const json_t *entry = journal_wait("MESSAGE_ID", message_info(MESSAGE_LAUNCH)->id, NULL);
    assert_non_null(strstr(field(entry, "MESSAGE"),
                           "subpath: volume \"v-0\" is one/two, which was made, below /srv/v"));
    assert_int_equal(stat("/srv/v/one/two", &st), 0);
    assert_int_equal(st.st_mode & 07777, 0751);
    write_text("/srv/v/one/two/file", "");

    wait_for(old_folder_is_gone());
    leave_old_folder();
    pid_t pid = rkt_start(uuid);
    app_sees(uuid, "ls -A /data", "file\n");
    app_sees(uuid, "ls -d /data/../secret 2>/dev/null || echo none", "none\n");
    /* what the kernel says that it is */
    app_sees(uuid, "awk '$5 == \"/data\" { print $4 }' /proc/self/mountinfo", "/v/one/two\n");
    app_sees(uuid, "echo text >/data/written", "");
    CLEANUP(freep) char *text = read_text("/srv/v/one/two/written");
    assert_string_equal(text, "text\n");
    assert_int_equal(mountns_count("/run/gantry"), 1);

    /* all was looked through after the launch, and again when the pod moved on; now its run is
     * over, and nobody needs the mount any more */
    wait_for(old_folder_is_gone());
    assert_int_equal(mountns_count("/run/gantry"), 1);
    stop(pid);
    wait_for(is_clean());
    assert_true(is_there("/srv/v/one/two/file"));
}

static void files_sockets_setgid_roots_and_read_only_volumes_work(void **state)
{
    static const struct part parts[] = {{"/file", "file", false},
                                        {"/socket", "run/socket", false},
                                        {"/locked", "locked", true},
                                        {"/group", "group/own", false},
                                        {NULL}};
    CLEANUP(json_decrefp) json_t *manifest = make_pod("all", "/srv/v", parts, "sleep 1000");
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/srv/v/run/socket"};
    struct stat st;

    (void)state;
    make_folders("/srv/v/run");
    make_folders("/srv/v/locked");
    assert_int_equal(chown("/srv/v", 0, 1234), 0);
    assert_int_equal(chmod("/srv/v", 02775), 0);
    write_text("/srv/v/file", "text\n");
    CLEANUP(fd_closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);

    CLEANUP(freep) char *uuid = prepare(manifest);
    pid_t pid = rkt_start(uuid);
    app_sees(uuid, "cat /file; echo more >>/file", "text\n");
    CLEANUP(freep) char *text = read_text("/srv/v/file");
    assert_string_equal(text, "text\nmore\n");
    app_sees(uuid, "test -S /socket && echo yes", "yes\n");
    app_sees(uuid, "touch /locked/x 2>/dev/null || echo no", "no\n");
    app_sees(uuid, "awk '$5 == \"/locked\" { print substr($6, 1, 3) }' /proc/self/mountinfo",
             "ro,\n");
    assert_false(is_there("/srv/v/locked/x"));
    app_sees(uuid, "touch /group/x; stat -c '%a %g' /group /group/x", "2775 1234\n644 1234\n");
    assert_int_equal(stat("/srv/v/group", &st), 0);
    assert_int_equal(st.st_mode & 07777, 02775);
    assert_int_equal(st.st_gid, 1234);
    assert_int_equal(mountns_count("/run/gantry"), 4);
    stop(pid);
    wait_for(is_clean());
}

static void under_fly_too(void **state)
{
    static const struct part parts[] = {{"/data", "one", false}, {NULL}};
    CLEANUP(json_decrefp)
    json_t *manifest = make_pod("fly", "/srv/v", parts, "echo text >/data/file");

    (void)state;
    make_folders("/srv/v");
    CLEANUP(result_deinit)
    struct result result =
        rkt_prepare(manifest, "--stage1-name=coreos.com/rkt/stage1-fly:1.30.0", NULL);
    CLEANUP(freep) char *uuid = rkt_uuid(&result);
    assert_int_equal(finish(rkt_run(uuid)), 0);
    CLEANUP(freep) char *text = read_text("/srv/v/one/file");
    assert_string_equal(text, "text\n");
    wait_for(is_clean());
}

static void what_leads_out_is_refused_and_leaves_nothing(void **state)
{
    static const struct part parts[] = {
        {"/good", "good", false}, {"/bad", "pods/own/x", false}, {NULL}};
    CLEANUP(json_decrefp) json_t *manifest = make_pod("evil", "/srv/v", parts, "true");

    (void)state;
    make_folders("/srv/v/pods");
    make_folders("/srv/outside");
    assert_int_equal(symlink("/srv/outside", "/srv/v/pods/own"), 0);
    CLEANUP(result_deinit) struct result result = rkt_prepare(manifest, NULL);
    assert_int_equal(result.status, 254);
    assert_string_equal(result.out, "");
    assert_string_equal(result.err,
                        "launch of pod default/evil: volume \"v-1\": subPath pods/own/x: pods/own: "
                        "a symlink, and none is followed\n");
    const json_t *entry = journal_wait("MESSAGE_ID", message_info(MESSAGE_REFUSAL)->id, NULL);
    assert_string_equal(field(entry, "GANTRY_ROOM"), "subpath");
    CLEANUP(json_decrefp) json_t *calls = recorded_calls();
    assert_int_equal(json_array_size(calls), 0);
    assert_false(is_there("/srv/outside/x"));
    assert_true(is_clean());
}

/* Asks as a drop-in that lives on: so nothing but the refusal itself can take the mounts away.
 * Return: the room that refused, "" if none did. */
static const char *room_for(const json_t *manifest)
{
    static char room[32];
    CLEANUP(json_decrefp)
    json_t *reply = api_call("io.gantry.Node.Launch",
                             json_pack("{s:s, s:[s, s, s, s], s:s, s:{}, s:O}", "id", "1", "argv",
                                       "rkt", "prepare", "--pod-manifest", "/manifest", "directory",
                                       "/", "environment", "manifest", manifest));

    snprintf(room, sizeof(room), "%s", field(json_object_get(reply, "parameters"), "room"));
    return room;
}

static void a_later_rooms_refusal_takes_the_mounts_back(void **state)
{
    static const struct part parts[] = {{"/data", "one", false}, {NULL}};
    CLEANUP(json_decrefp) json_t *manifest = make_pod("web", "/srv/v", parts, "true");
    json_t *app = json_object_get(json_array_get(json_object_get(manifest, "apps"), 0), "app");

    (void)state;
    make_folders("/srv/v");
    json_object_set_new(app, "isolators",
                        json_pack("[{s:s, s:{s:[s]}}]", "name", "os/linux/capabilities-retain-set",
                                  "value", "set", "NONSENSE"));
    assert_string_equal(room_for(manifest), "capabilities");
    /* they were made, and so was what the subPath names */
    assert_true(is_there("/srv/v/one"));
    assert_true(is_there(FOLDERS));
    assert_true(is_clean());
    json_object_del(app, "isolators");
    assert_string_equal(room_for(manifest), "");
    assert_int_equal(mountns_count("/run/gantry"), 1);
    assert_false(is_clean());
}

static void a_path_that_only_looks_good_is_refused(void **state)
{
    static const struct part up[] = {{"/data", "a/../../etc", false}, {NULL}};
    CLEANUP(json_decrefp) json_t *manifest = make_pod("up", "/srv/v", up, "true");

    (void)state;
    make_folders("/srv/v/a");
    CLEANUP(result_deinit) struct result result = rkt_prepare(manifest, NULL);
    assert_int_equal(result.status, 254);
    assert_string_equal(
        result.err, "launch of pod default/up: volume \"v-0\": subPath a/../../etc: `..` in it\n");
    assert_false(is_there("/srv/etc"));
    assert_true(is_clean());
}

/* The kubelet mounts it as it is written, and so does rkt. */
static void the_path_in_the_app_is_no_way_round(void **state)
{
    static const struct part parts[] = {{"/x/../data", "good", false}, {NULL}};
    CLEANUP(json_decrefp)
    json_t *manifest = make_pod("dots", "/srv/v", parts, "grep -q inside /data/file");

    (void)state;
    make_folders("/srv/v/good");
    make_folders("/srv/outside");
    write_text("/srv/v/good/file", "inside\n");
    write_text("/srv/outside/file", "outside\n");
    CLEANUP(freep) char *uuid = prepare(manifest);
    /* as another container could */
    assert_int_equal(rename("/srv/v/good", "/srv/v/was"), 0);
    assert_int_equal(symlink("/srv/outside", "/srv/v/good"), 0);
    assert_int_equal(finish(rkt_run(uuid)), 0);
}

/* A list that is too long to be looked at must not pass for one without subPaths. */
static void more_mounts_than_gantry_takes_are_refused(void **state)
{
    static struct part parts[BOUND_MOUNTS + 2];
    static char paths[BOUND_MOUNTS + 1][16];

    (void)state;
    make_folders("/srv/v");
    make_folders("/srv/outside");
    assert_int_equal(symlink("/srv/outside", "/srv/v/link"), 0);
    for (size_t i = 0; i <= BOUND_MOUNTS; i++) {
        snprintf(paths[i], sizeof(paths[i]), "/m%zu", i);
        parts[i] = (struct part){paths[i], i == 0 ? "link" : "", false};
    }
    CLEANUP(json_decrefp) json_t *manifest = make_pod("many", "/srv/v", parts, "true");
    CLEANUP(result_deinit) struct result result = rkt_prepare(manifest, NULL);
    assert_int_equal(result.status, 254);
    assert_string_equal(
        result.err,
        "launch of pod default/many: container \"app\" has 513 volumeMounts; gantry takes 512\n");
    const json_t *entry = journal_wait("MESSAGE_ID", message_info(MESSAGE_REFUSAL)->id, NULL);
    assert_string_equal(field(entry, "GANTRY_ROOM"), "size");
    CLEANUP(json_decrefp) json_t *calls = recorded_calls();
    assert_int_equal(json_array_size(calls), 0);
}

static void a_failed_prepare_leaves_nothing(void **state)
{
    static const struct part parts[] = {{"/data", "one", false}, {NULL}};
    CLEANUP(json_decrefp) json_t *manifest = make_pod("broken", "/srv/v", parts, "true");

    (void)state;
    make_folders("/srv/v");
    json_object_set_new(
        json_object_get(json_array_get(json_object_get(manifest, "apps"), 0), "image"), "id",
        json_string("sha512-0000"));
    CLEANUP(result_deinit) struct result result = rkt_prepare(manifest, NULL);
    assert_int_equal(result.status, 254);
    CLEANUP(json_decrefp) json_t *calls = recorded_calls();
    assert_int_equal(json_array_size(calls), 1);
    /* what it leaves in rkt's prepare folder holds nothing */
    wait_for(is_clean());
}

static void a_pod_that_never_ran_takes_its_mounts_along(void **state)
{
    static const struct part parts[] = {{"/data", "one", false}, {NULL}};
    CLEANUP(json_decrefp) json_t *manifest = make_pod("never", "/srv/v", parts, "true");

    (void)state;
    make_folders("/srv/v");
    CLEANUP(freep) char *uuid = prepare(manifest);
    assert_int_equal(mountns_count("/run/gantry"), 1);
    rkt_rm(uuid);
    wait_for(is_clean());
}

static void only_the_removed_pods_mounts_go(void **state)
{
    static const struct part parts[] = {{"/data", "one", false}, {NULL}};
    CLEANUP(json_decrefp) json_t *a = make_pod("a", "/srv/a", parts, "true");

    (void)state;
    make_folders("/srv/a");
    make_folders("/srv/b");
    CLEANUP(freep) char *first = prepare(a);
    CLEANUP(json_decrefp) json_t *b = make_pod("b", "/srv/b", parts, "echo text >/data/file");
    CLEANUP(freep) char *second = prepare(b);
    assert_int_equal(mountns_count("/run/gantry"), 2);
    rkt_rm(first);
    wait_for(mountns_count("/run/gantry") == 1);
    assert_int_equal(finish(rkt_run(second)), 0);
    assert_true(is_there("/srv/b/one/file"));
}

static void a_restart_between_prepare_and_run_changes_nothing(void **state)
{
    static const struct part parts[] = {{"/data", "one", false}, {NULL}};
    static const int signals[] = {SIGTERM, SIGKILL};

    (void)state;
    make_folders("/srv/v");
    for (size_t i = 0; i < N_ELEMENTS(signals); i++) {
        CLEANUP(json_decrefp)
        json_t *manifest =
            make_pod(i == 0 ? "term" : "kill", "/srv/v", parts, "echo text >/data/file");
        CLEANUP(freep) char *uuid = prepare(manifest);
        gantryd_end(signals[i]);
        leave_old_folder();
        gantryd_start();
        wait_for(old_folder_is_gone());
        assert_int_equal(mountns_count("/run/gantry"), 1);
        assert_int_equal(finish(rkt_run(uuid)), 0);
        assert_true(is_there("/srv/v/one/file"));
        assert_int_equal(unlink("/srv/v/one/file"), 0);
        wait_for(is_clean());
    }
}

static void what_was_left_is_swept_at_the_start(void **state)
{
    static const struct part parts[] = {{"/data", "one", false}, {NULL}};
    CLEANUP(json_decrefp) json_t *manifest = make_pod("left", "/srv/v", parts, "true");

    (void)state;
    make_folders("/srv/v");
    CLEANUP(freep) char *uuid = prepare(manifest);
    gantryd_end(SIGKILL);
    assert_int_equal(mountns_count("/run/gantry"), 1);
    recorder_forget();
    rkt_rm(uuid);
    gantryd_start();
    wait_for(is_clean());
}

static void what_cannot_be_looked_through_is_told(void **state)
{
    (void)state;
    gantryd_end(SIGTERM);
    write_text("/run/gantry/subpaths", "no folder");
    gantryd_start();
    const json_t *entry = journal_wait("MESSAGE_ID", message_info(MESSAGE_MOUNTS)->id, NULL);
    assert_string_equal(field(entry, "GANTRY_REASON"), "Not a directory");
    unlink("/run/gantry/subpaths");
}

static unsigned n_prepared(void)
{
    glob_t found;

    int r = glob("/var/lib/rkt/pods/prepared/*", 0, NULL, &found);
    unsigned n = r == 0 ? (unsigned)found.gl_pathc : 0;
    globfree(&found);
    return n;
}

static void a_restart_during_prepare_changes_nothing(void **state)
{
    static const struct part parts[] = {{"/data", "one", false}, {NULL}};
    CLEANUP(json_decrefp) json_t *manifest = make_pod("slow", "/srv/v", parts, "true");
    char next[4096] = {0};
    char *const argv[] = {
        "rkt", GLOBAL_OPTIONS, "prepare", "--quiet", "--pod-manifest", "/run/node/manifest", NULL};

    (void)state;
    make_folders("/srv/v");
    rkt_make_kubelets_files(manifest);
    assert_int_equal(json_dump_file(manifest, "/run/node/manifest", 0), 0);
    /* a rkt that waits to be told */
    assert_true(readlink("/run/recorder/next", next, sizeof(next) - 1) > 0);
    CLEANUP(freep) char *script = NULL;
    assert_true(asprintf(&script,
                         "#!/bin/sh\nwhile [ ! -e /run/node/go ]; do sleep 0.02; done\n"
                         "exec %s \"$@\"\n",
                         next) > 0);
    write_text("/run/node/slow-rkt", script);
    assert_int_equal(chmod("/run/node/slow-rkt", 0755), 0);
    recorder_becomes("/run/node/slow-rkt");

    pid_t pid = start_argv(node_built("rkt"), argv);
    journal_wait("MESSAGE_ID", message_info(MESSAGE_LAUNCH)->id, NULL);
    assert_int_equal(mountns_count("/run/gantry"), 1);
    gantryd_end(SIGKILL);
    leave_old_folder();
    gantryd_start();
    wait_for(old_folder_is_gone());
    assert_int_equal(mountns_count("/run/gantry"), 1);

    write_text("/run/node/go", "");
    assert_int_equal(finish(pid), 0);
    assert_int_equal(n_prepared(), 1);
    /* the same once more with the prepare's end, and then the rkt pod's */
    leave_old_folder();
    wait_for(old_folder_is_gone());
    assert_int_equal(mountns_count("/run/gantry"), 1);
    recorder_becomes(next);
    CLEANUP(result_deinit)
    struct result result =
        run(next, GLOBAL_OPTIONS, "gc", "--grace-period=0s", "--expire-prepared=0s", NULL);
    assert_int_equal(result.status, 0);
    wait_for(is_clean());
    unlink("/run/node/go");
}

static void what_the_kubelet_mounts_itself_is_left_to_it(void **state)
{
    static const struct part parts[] = {{"/data", "one", false}, {NULL}};
    static const char source[] = "/var/lib/kubelet/pods/own/volume-subpaths/v/app/0";
    CLEANUP(json_decrefp)
    json_t *manifest = make_pod("own", "/srv/v", parts, "echo text >/data/file");

    (void)state;
    make_folders(source);
    json_object_set_new(json_array_get(json_object_get(manifest, "volumes"), 1), "source",
                        json_string(source));
    int status;
    CLEANUP(freep) char *uuid = rkt_launch(manifest, &status);
    assert_int_equal(status, 0);
    assert_true(is_there("/var/lib/kubelet/pods/own/volume-subpaths/v/app/0/file"));
    assert_false(is_there("/srv/v/one"));
    assert_false(is_there(FOLDERS));
}

/* A container that swaps a component of another pod's subPath, while that is launched. */

#define LAUNCHES 50

static atomic_bool is_over;

static void *swap(void *data)
{
    (void)data;
    while (!is_over)
        syscall(SYS_renameat2, AT_FDCWD, "/srv/v/a", AT_FDCWD, "/srv/v/link", RENAME_EXCHANGE);
    return NULL;
}

static void a_race_never_mounts_the_outside(void **state)
{
    static const struct part parts[] = {{"/data", "a/b", false}, {NULL}};
    CLEANUP(json_decrefp)
    json_t *manifest = make_pod("race", "/srv/v", parts, "cat /data/* >/dev/null");
    unsigned n_through = 0, n_refused = 0;
    pthread_t thread;

    (void)state;
    make_folders("/srv/v/a/b");
    make_folders("/srv/outside/b");
    write_text("/srv/v/a/b/inside", "");
    write_text("/srv/outside/b/outside", "");
    assert_int_equal(symlink("../outside", "/srv/v/link"), 0);
    is_over = false;
    assert_int_equal(pthread_create(&thread, NULL, swap, NULL), 0);
    /* until both have been met, for which chance has a hundred times as many */
    for (unsigned i = 0; i < LAUNCHES || ((n_through == 0 || n_refused == 0) && i < 100 * LAUNCHES);
         i++) {
        CLEANUP(result_deinit) struct result result = rkt_prepare(manifest, NULL);
        n_through += result.status == 0;
        n_refused += result.status != 0;
    }
    is_over = true;
    pthread_join(thread, NULL);
    assert_true(n_through > 0 && n_refused > 0);

    glob_t found;
    int r = glob(FOLDERS "/*/0/*", 0, NULL, &found);
    assert_int_equal(r == 0 ? found.gl_pathc : 0, n_through);
    for (size_t i = 0; r == 0 && i < found.gl_pathc; i++)
        assert_string_equal(strrchr(found.gl_pathv[i], '/'), "/inside");
    globfree(&found);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(an_app_sees_the_subpath_and_nothing_else),
        TEST(files_sockets_setgid_roots_and_read_only_volumes_work),
        TEST(under_fly_too),
        TEST(what_leads_out_is_refused_and_leaves_nothing),
        TEST(a_later_rooms_refusal_takes_the_mounts_back),
        TEST(a_path_that_only_looks_good_is_refused),
        TEST(the_path_in_the_app_is_no_way_round),
        TEST(more_mounts_than_gantry_takes_are_refused),
        TEST(a_failed_prepare_leaves_nothing),
        TEST(a_pod_that_never_ran_takes_its_mounts_along),
        TEST(only_the_removed_pods_mounts_go),
        TEST(a_restart_between_prepare_and_run_changes_nothing),
        TEST(what_was_left_is_swept_at_the_start),
        TEST(what_cannot_be_looked_through_is_told),
        TEST(a_restart_during_prepare_changes_nothing),
        TEST(what_the_kubelet_mounts_itself_is_left_to_it),
        TEST(a_race_never_mounts_the_outside),
    };

    node_enter();
    return cmocka_run_group_tests_name("subpath", tests, NULL, NULL);
}
