/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Host paths from the kubelet's side: what is made, what is refused, and in which words.
 */

#include "tests/unit/unit.h"

#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "lib/message.h"
#include "tests/harness/harness.h"

#define MANIFEST "/run/node/manifest.json"

/* No kubelet is asked: nothing but host paths is to be noted. */
static void configure(const char *text)
{
    char whole[256];

    snprintf(whole, sizeof(whole), "[Kubelet]\nURL=\n%s", text);
    node_configure(whole);
    kill(gantryd_pid(), SIGHUP);
    journal_wait("MESSAGE_ID", message_info(MESSAGE_CONFIG)->id, NULL);
    journal_forget();
}

static int setup(void **state)
{
    node_setup(state);
    configure("");
    return 0;
}

/* Writes a manifest of the kubelet's with these volumes, ended by NULL. */
static void write_manifest(const char *const *sources)
{
    json_t *volumes = json_array();

    for (size_t i = 0; sources[i]; i++)
        json_array_append_new(volumes, json_pack("{s:o, s:s, s:s}", "name", json_sprintf("v%zu", i),
                                                 "kind", "host", "source", sources[i]));
    json_t *manifest = json_pack(
        "{s:[], s:o, s:[{s:s, s:s}, {s:s, s:s}, {s:s, s:s}, {s:s, s:s}]}", "apps", "volumes",
        volumes, "annotations", "name", "rkt.kubernetes.io/managed-by-kubelet", "value", "true",
        "name", "io.kubernetes.pod.uid", "value", "1234", "name", "io.kubernetes.pod.name", "value",
        "web", "name", "io.kubernetes.pod.namespace", "value", "default");
    assert_int_equal(json_dump_file(manifest, MANIFEST, 0), 0);
    json_decref(manifest);
}

static struct result prepare(const char *const *sources)
{
    write_manifest(sources);
    return run(node_built("rkt"), "prepare", "--quiet", "--pod-manifest", MANIFEST, NULL);
}

static size_t n_calls(void)
{
    CLEANUP(json_decrefp) json_t *calls = recorded_calls();

    return json_array_size(calls);
}

static void is_made(const char *source)
{
    CLEANUP(result_deinit) struct result result = prepare((const char *const[]){source, NULL});

    if (result.status != 0)
        fail_msg("%s: %s", source, result.err);
    assert_string_equal(result.err, "");
    assert_true(is_there(source));
    assert_int_equal(n_calls(), 1);
    recorder_forget();
}

/* The launch with this source is refused for that reason: the kubelet sees it, the journal tells
 * it, rkt is not called. */
static void is_refused(const char *source, const char *reason)
{
    CLEANUP(result_deinit) struct result result = prepare((const char *const[]){source, NULL});
    CLEANUP(freep) char *message = NULL;
    CLEANUP(freep) char *line = NULL;
    CLEANUP(freep) char *told = NULL;

    assert_true(
        asprintf(&message, "launch of pod default/web: volume \"v0\": %s: %s", source, reason) > 0);
    assert_true(asprintf(&line, "%s\n", message) > 0);
    assert_true(asprintf(&told, "prepare refused: %s", message) > 0);
    assert_string_equal(result.err, line);
    assert_string_equal(result.out, "");
    assert_int_equal(result.status, 254);
    assert_int_equal(n_calls(), 0);
    const json_t *entry =
        journal_wait("MESSAGE_ID", message_info(MESSAGE_REFUSAL)->id, "MESSAGE", told, NULL);
    assert_string_equal(field(entry, "GANTRY_ROOM"), "hostpath");
    assert_string_equal(field(entry, "GANTRY_POD_NAME"), "web");
    assert_string_equal(field(entry, "PRIORITY"), "4");
}

static void what_is_missing_is_made_and_told(void **state)
{
    struct stat st;

    (void)state;
    is_made("/srv/cache/not/there");
    assert_int_equal(stat("/srv/cache", &st), 0);
    assert_int_equal(st.st_mode & 07777, 0755);
    assert_int_equal(st.st_uid, 0);
    assert_int_equal(st.st_gid, 0);
    const json_t *entry = journal_wait("MESSAGE_ID", message_info(MESSAGE_LAUNCH)->id, NULL);
    assert_string_equal(field(entry, "GANTRY_NOTE"),
                        "hostpath: made /srv/cache/not/there (0755 root:root) for volume \"v0\"");
    assert_string_equal(
        field(entry, "MESSAGE"),
        "pod default/web: prepare goes to rkt; hostpath: made /srv/cache/not/there (0755 root:root) "
        "for volume \"v0\"");
    journal_forget();

    /* and the second time there is nothing to do, and nothing to tell of it */
    is_made("/srv/cache/not/there");
    entry = journal_wait("MESSAGE_ID", message_info(MESSAGE_LAUNCH)->id, NULL);
    assert_string_equal(field(entry, "MESSAGE"), "pod default/web: prepare goes to rkt");
    is_made("/srv//cache/./also/");
}

static void what_is_there_is_left_alone(void **state)
{
    (void)state;
    write_text("/srv/file", "");
    assert_int_equal(symlink("/srv/file", "/srv/link"), 0);
    assert_int_equal(mkdir("/srv/open", 0755), 0);
    assert_int_equal(chmod("/srv/open", 0777), 0);
    assert_int_equal(symlink("/srv", "/srv/open/link"), 0);
    is_made("/srv/file");
    is_made("/srv/link");
    is_made("/dev/null");
    is_made("/proc/self");
    is_made("/srv/open/link/file");
    is_made("/srv/../srv/file");
}

static void every_bad_path_is_refused_in_words(void **state)
{
    char longest[4200], name[300];

    (void)state;
    is_refused("srv/x", "not an absolute path");
    is_refused("", "not an absolute path");
    is_refused("/../../etc/x", "`..` leads above the root folder");
    is_refused("/srv/none/../../x", "`..` out of a folder that does not exist");
    write_text("/srv/file", "");
    is_refused("/srv/file/x", "/srv/file: not a directory");
    assert_int_equal(symlink("/srv/gone", "/srv/dangling"), 0);
    is_refused("/srv/dangling", "a symlink on the way points to nothing");
    is_refused("/srv/dangling/x", "a symlink on the way points to nothing");
    assert_int_equal(symlink("loop", "/srv/loop"), 0);
    is_refused("/srv/loop/x", "too many symlinks, or a loop of them");

    memset(longest, 'a', sizeof(longest));
    longest[0] = '/';
    longest[4096] = '\0';
    is_refused(longest, "longer than 4095 bytes");
    memset(name, 'a', sizeof(name));
    memcpy(name, "/srv/", 5);
    name[5 + 256] = '\0';
    is_refused(name, "File name too long");
    assert_false(is_there("/srv/gone"));
    assert_false(is_there("/srv/none"));
}

static void what_a_pod_controls_leads_nowhere(void **state)
{
    static const char reason[] = "a symlink on the way that not only root controls";

    (void)state;
    /* a volume that everybody may write to, and what a pod's root put into it */
    make_folders("/var/lib/kubelet/pods/1/volumes/kubernetes.io~empty-dir/v/own");
    assert_int_equal(chmod("/var/lib/kubelet/pods/1/volumes/kubernetes.io~empty-dir/v", 0777), 0);
    assert_int_equal(symlink("/srv", "/var/lib/kubelet/pods/1/volumes/kubernetes.io~empty-dir/v/a"),
                     0);
    assert_int_equal(
        symlink("/srv", "/var/lib/kubelet/pods/1/volumes/kubernetes.io~empty-dir/v/own/b"), 0);
    is_refused("/var/lib/kubelet/pods/1/volumes/kubernetes.io~empty-dir/v/a/x", reason);
    is_refused("/var/lib/kubelet/pods/1/volumes/kubernetes.io~empty-dir/v/own/b/x", reason);
    /* a link of another user's, in a folder of his */
    make_folders("/srv/his");
    assert_int_equal(symlink("/srv", "/srv/his/link"), 0);
    assert_int_equal(chown("/srv/his", 1000, 1000), 0);
    is_refused("/srv/his/link/x", reason);
    assert_false(is_there("/srv/x"));
    /* while root's own are followed */
    assert_int_equal(symlink("/srv/his", "/srv/hers"), 0);
    is_made("/srv/hers/y");
    assert_true(is_there("/srv/his/y"));
}

static void some_places_are_never_made(void **state)
{
    static const char reason[] = "no folder is ever made there (Deny=)";

    (void)state;
    is_refused("/proc/gantry", reason);
    is_refused("/sys/gantry", reason);
    is_refused("/dev/gantry/x", reason);
    is_refused("/dev/shm/../gantry", reason);
    is_refused(RUNSTATEDIR "/gantry/x", reason);
    configure("[HostPath]\nDeny=/srv/theirs /srv/ours\n");
    is_refused("/srv/theirs/x", reason);
    is_refused("/srv/ours", reason);
    is_made("/srv/theirs2");
}

static void a_full_or_read_only_file_system_is_named(void **state)
{
    (void)state;
    assert_int_equal(mkdir("/srv/small", 0755), 0);
    assert_int_equal(mount("tmpfs", "/srv/small", "tmpfs", 0, "nr_inodes=4,mode=0755"), 0);
    is_refused("/srv/small/a/b/c/d", "No space left on device");
    assert_false(is_there("/srv/small/a"));
    assert_int_equal(mount(NULL, "/srv/small", NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
    is_refused("/srv/small/a", "Read-only file system");
    assert_int_equal(umount("/srv/small"), 0);
}

static void a_refused_launch_leaves_nothing_that_it_made(void **state)
{
    static const char *const sources[] = {"/srv/here/a", "/srv/first/b/c", "/srv/file/x", NULL};

    (void)state;
    write_text("/srv/file", "");
    make_folders("/srv/here");
    CLEANUP(result_deinit) struct result result = prepare(sources);
    assert_int_equal(result.status, 254);
    assert_string_equal(result.err, "launch of pod default/web: volume \"v2\": /srv/file/x: "
                                    "/srv/file: not a directory\n");
    assert_true(is_there("/srv/here"));
    assert_false(is_there("/srv/here/a"));
    assert_false(is_there("/srv/first"));
}

static void volumes_of_the_command_line_are_made_too(void **state)
{
    CLEANUP(result_deinit) struct result result = {0};
    CLEANUP(result_deinit) struct result refused = {0};

    (void)state;
    result =
        run(node_built("rkt"), "run", "--volume", "data,kind=host,source=/srv/data/x",
            "--volume=tmp,kind=empty", "image", "--", "--volume", "no,kind=host,source=/srv/no",
            "---", "--volume=late,source=/srv/late,kind=host", NULL);
    assert_int_equal(result.status, 0);
    assert_true(is_there("/srv/data/x"));
    assert_true(is_there("/srv/late"));
    assert_false(is_there("/srv/no"));
    journal_wait(
        "MESSAGE",
        "a pod that is not the kubelet's: run goes to rkt; hostpath: made /srv/data/x (0755 "
        "root:root) for volume \"data\"; hostpath: made /srv/late (0755 root:root) for volume "
        "\"late\"",
        "GANTRY_COMMAND", "run", NULL);

    write_text("/srv/file", "");
    refused = run(node_built("rkt"), "prepare", "--volume", "v,kind=host,source=/srv/file/x",
                  "image", NULL);
    assert_int_equal(refused.status, 254);
    assert_string_equal(refused.err, "launch of a pod that is not the kubelet's: volume \"v\": "
                                     "/srv/file/x: /srv/file: not a directory\n");
}

static void it_can_be_told_only_to_report(void **state)
{
    static const char *const sources[] = {"/srv/none", "relative", NULL};

    (void)state;
    configure("[HostPath]\nCreate=no\n");
    CLEANUP(result_deinit) struct result result = prepare(sources);
    assert_int_equal(result.status, 0);
    assert_false(is_there("/srv/none"));
    journal_wait(
        "MESSAGE",
        "pod default/web: prepare goes to rkt; hostpath: volume \"v0\": /srv/none is missing, "
        "and not made (Create=no); hostpath: volume \"v1\": relative is missing, and not made "
        "(Create=no)",
        NULL);
}

static void mode_and_owner_are_as_configured(void **state)
{
    struct stat st;

    (void)state;
    configure("[HostPath]\nMode=01770\nOwner=1:12\n");
    is_made("/srv/a/b");
    assert_int_equal(stat("/srv/a", &st), 0);
    assert_int_equal(st.st_mode & 07777, 01770);
    assert_int_equal(st.st_uid, 1);
    assert_int_equal(st.st_gid, 12);
    journal_wait("GANTRY_NOTE", "hostpath: made /srv/a/b (1770 1:12) for volume \"v0\"", NULL);
}

#define LAUNCHES 16

static void launches_of_the_same_path_all_succeed(void **state)
{
    char *const argv[] = {"rkt", "prepare", "--pod-manifest", MANIFEST, NULL};
    pid_t pids[LAUNCHES];
    char source[64];

    (void)state;
    for (unsigned round = 0; round < 5; round++) {
        snprintf(source, sizeof(source), "/srv/%u/a/b/c/d", round);
        write_manifest((const char *const[]){source, NULL});
        for (size_t i = 0; i < LAUNCHES; i++)
            pids[i] = start_argv(node_built("rkt"), argv);
        for (size_t i = 0; i < LAUNCHES; i++)
            assert_int_equal(finish(pids[i]), 0);
        assert_true(is_there(source));
    }
    assert_int_equal(n_calls(), 5 * LAUNCHES);
}

/* A launch that made a folder is refused for another one of its volumes, and takes the folder back:
 * nobody who was told to go on may miss it. */
static void what_is_taken_back_is_nobody_elses(void **state)
{
    enum { OTHERS = 300 };
    static char paths[OTHERS][64];
    char *const argv[] = {"rkt", "prepare", "--pod-manifest", MANIFEST, NULL};
    const char *sources[OTHERS + 3];

    (void)state;
    for (unsigned round = 0; round < 20; round++) {
        char shared[64];
        size_t n = 0;
        snprintf(shared, sizeof(shared), "/srv/shared%u", round);
        sources[n++] = shared;
        for (; n <= OTHERS; n++) {
            snprintf(paths[n - 1], sizeof(paths[n - 1]), "/srv/%u/%zu", round, n);
            sources[n] = paths[n - 1];
        }
        sources[n++] = "relative";
        sources[n] = NULL;
        write_manifest(sources);
        pid_t pid = start_argv(node_built("rkt"), argv);
        siginfo_t end = {0};
        while (!is_there(shared) && end.si_pid == 0)
            assert_int_equal(waitid(P_PID, (id_t)pid, &end, WEXITED | WNOHANG | WNOWAIT), 0);
        CLEANUP(json_decrefp)
        json_t *reply = api_call("io.gantry.Node.Launch",
                                 json_pack("{s:s, s:[s, s], s:s, s:{}, s:{s:[{s:s, s:s, s:s}]}}",
                                           "id", "other", "argv", "rkt", "prepare", "directory",
                                           "/", "environment", "manifest", "volumes", "name", "v",
                                           "kind", "host", "source", shared));
        assert_null(json_object_get(reply, "error"));
        assert_int_equal(finish(pid), 254);
        assert_true(is_there(shared));
    }
}

static void a_manifest_that_is_not_understood_goes_on_untouched(void **state)
{
    CLEANUP(result_deinit) struct result result = {0};

    (void)state;
    write_text(MANIFEST, "{\"volumes\":[{\"kind\":\"host\",\"source\":\"/srv/x\"");
    result = run(node_built("rkt"), "prepare", "--pod-manifest", MANIFEST, NULL);
    assert_int_equal(result.status, 0);
    assert_int_equal(n_calls(), 1);
    assert_false(is_there("/srv/x"));
    const json_t *entry = journal_wait("MESSAGE_ID", message_info(MESSAGE_UNREACHABLE)->id, NULL);
    assert_non_null(strstr(field(entry, "MESSAGE"), "io.gantry.Node.BadMessage"));
}

static void a_refusal_that_repeats_is_counted(void **state)
{
    static const char *const sources[] = {"/srv/file/x", NULL};

    (void)state;
    write_text("/srv/file", "");
    for (unsigned i = 0; i < 9; i++) {
        CLEANUP(result_deinit) struct result result = prepare(sources);
        assert_int_equal(result.status, 254);
    }
    journal_wait("GANTRY_REPEATED", "8", NULL);
    assert_int_equal(journal_count("MESSAGE_ID", message_info(MESSAGE_REFUSAL)->id), 4);

    CLEANUP(json_decrefp)
    json_t *reply = api_call("io.gantry.Node.Explain", json_pack("{s:s}", "pod", "web"));
    const json_t *refused =
        json_object_get(json_object_get(json_object_get(reply, "parameters"), "pod"), "refused");
    assert_int_equal(json_integer_value(json_object_get(refused, "times")), 9);
    assert_string_equal(field(refused, "refusal"), "launch of pod default/web: volume \"v0\": "
                                                   "/srv/file/x: /srv/file: not a directory");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, node_teardown)
    static const struct CMUnitTest tests[] = {
        TEST(what_is_missing_is_made_and_told),
        TEST(what_is_there_is_left_alone),
        TEST(every_bad_path_is_refused_in_words),
        TEST(what_a_pod_controls_leads_nowhere),
        TEST(some_places_are_never_made),
        TEST(a_full_or_read_only_file_system_is_named),
        TEST(a_refused_launch_leaves_nothing_that_it_made),
        TEST(volumes_of_the_command_line_are_made_too),
        TEST(it_can_be_told_only_to_report),
        TEST(mode_and_owner_are_as_configured),
        TEST(launches_of_the_same_path_all_succeed),
        TEST(what_is_taken_back_is_nobody_elses),
        TEST(a_manifest_that_is_not_understood_goes_on_untouched),
        TEST(a_refusal_that_repeats_is_counted),
    };

    node_enter();
    return cmocka_run_group_tests_name("hostpath", tests, NULL, NULL);
}
