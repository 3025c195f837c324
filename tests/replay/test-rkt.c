/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What gantry goes by of rkt 1.30, looked at without gantry: the stand-in has to fail where rkt
 * does. With $RKT it is rkt itself that is looked at.
 */

#include "tests/unit/unit.h"

#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>

#include "tests/harness/rkt.h"
#include "tests/unit/mountns.h"

#define FLY "--stage1-name=coreos.com/rkt/stage1-fly:1.30.0"
/* rkt's default stage1. */
#define HOST NULL

static int setup(void **state)
{
    rkt_setup(state);
    make_folders("/srv/a");
    make_folders("/srv/b");
    make_folders("/srv/c");
    return 0;
}

/* A pod of one app that runs `script`, with the host volumes a, b and c in folders of that name;
 * `points` is the JSON of its mount points, `rest` of what the pod has besides or instead. */
static json_t *make_manifest(const char *script, const char *points, const char *rest)
{
    static const char volumes[] =
        "[{\"name\":\"a\",\"kind\":\"host\",\"source\":\"/srv/a\",\"readOnly\":false},"
        "{\"name\":\"b\",\"kind\":\"host\",\"source\":\"/srv/b\",\"readOnly\":true},"
        "{\"name\":\"c\",\"kind\":\"host\",\"source\":\"/srv/c\"}]";
    CLEANUP(json_decrefp) json_t *more = json_loads(rest, 0, NULL);
    json_t *app = json_pack("{s:[s, s, s], s:s, s:s, s:o}", "exec", "/bin/sh", "-c", script, "user",
                            "0", "group", "0", "mountPoints", json_loads(points, 0, NULL));
    json_t *manifest = json_pack("{s:s, s:s, s:[{s:s, s:{s:s}, s:o}], s:o}", "acVersion", "0.8.11",
                                 "acKind", "PodManifest", "apps", "name", "app", "image", "id",
                                 rkt_image(), "app", app, "volumes", json_loads(volumes, 0, NULL));

    assert_int_equal(json_object_update(manifest, more), 0);
    return manifest;
}

static struct result prepare(const json_t *manifest, const char *stage1)
{
    assert_int_equal(json_dump_file(manifest, "/run/node/pod.json", 0), 0);
    return run(rkt_program(), GLOBAL_OPTIONS, "prepare", "--quiet", "--pod-manifest",
               "/run/node/pod.json", stage1, NULL);
}

/* Begins the pod, in the mount namespace of the node or in one of its own. Return: the process. */
static pid_t begin(const char *script, const char *points, const char *stage1, bool has_own,
                   char **uuidp)
{
    CLEANUP(json_decrefp) json_t *manifest = make_manifest(script, points, "{}");
    CLEANUP(result_deinit) struct result result = prepare(manifest, stage1);

    *uuidp = rkt_uuid(&result);
    char *argv[] = {
        "unshare", "--mount", (char *)rkt_program(), GLOBAL_OPTIONS, "run-prepared", "--net=host",
        *uuidp,    NULL};
    return has_own ? start_argv("/usr/bin/unshare", argv) : start_argv(rkt_program(), argv + 2);
}

static void end(pid_t pid)
{
    kill(pid, SIGTERM);
    finish(pid);
}

static void remove_rktpod(const char *uuid)
{
    CLEANUP(result_deinit)
    struct result result = run(rkt_program(), GLOBAL_OPTIONS, "rm", uuid, NULL);

    assert_int_equal(result.status, 0);
}

static int enter(const char *uuid, const char *script)
{
    CLEANUP(result_deinit)
    struct result result =
        run(rkt_program(), GLOBAL_OPTIONS, "enter", uuid, "/bin/sh", "-c", script, NULL);

    return result.status;
}

static void prepare_refuses_what_it_does_not_take(void **state)
{
    static const struct {
        const char *rest, *words;
    } rows[] = {
        {"{}", NULL},
        {"{\"annotations\":[{\"name\":\"gantry.io/x\",\"value\":\"X\"}]}", NULL},
        {"{\"annotations\":[{\"name\":\"gantry.io/X\",\"value\":\"X\"}]}",
         "ACIdentifier must contain only lower case alphanumeric characters plus \"-._~/\""},
        {"{\"annotations\":[{\"name\":\"gantry.io/\",\"value\":\"X\"}]}",
         "ACIdentifier must start and end with only lower case alphanumeric characters"},
        {"{\"ports\":[{\"name\":\"front-http\",\"hostPort\":8080}]}",
         "port name \"front-http\" could not be found in any apps"},
        {"{\"volumes\":[{\"name\":\"a\",\"kind\":\"empty\"},{\"name\":\"a\",\"kind\":\"empty\"}]}",
         "duplicate volume name \"a\""},
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        CLEANUP(json_decrefp) json_t *manifest = make_manifest("true", "[]", rows[i].rest);
        CLEANUP(result_deinit) struct result result = prepare(manifest, HOST);
        assert_int_equal(result.status, rows[i].words ? 254 : 0);
        if (rows[i].words && !strstr(result.err, rows[i].words))
            fail_msg("not in \"%s\": %s", result.err, rows[i].words);
    }
}

/* By these words gantryd knows that an image is gone. */
static void an_image_that_is_not_there_is_told(void **state)
{
    static const struct {
        const char *image, *words;
    } rows[] = {
        {"sha512-00000000000000000000000000000000", "cat-manifest: no image IDs found\n"},
        {"example.com/none",
         "cat-manifest: cannot find aci satisfying name: \"example.com/none\" and labels: [] in "
         "the local store\n"},
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        CLEANUP(result_deinit)
        struct result result =
            run(rkt_program(), GLOBAL_OPTIONS, "image", "cat-manifest", rows[i].image, NULL);
        assert_int_equal(result.status, 254);
        assert_string_equal(result.err, rows[i].words);
    }
}

/* Each mount point says the contrary of its volume; the third one's says nothing. */
static void a_volumes_read_only_counts_more(void **state)
{
    static const char points[] = "[{\"name\":\"a\",\"path\":\"/a\",\"readOnly\":true},"
                                 "{\"name\":\"b\",\"path\":\"/b\",\"readOnly\":false},"
                                 "{\"name\":\"c\",\"path\":\"/c\",\"readOnly\":true}]";
    static const char *const stage1s[] = {HOST, FLY};

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(stage1s); i++) {
        CLEANUP(freep) char *uuid = NULL;
        bool is_fly = i == 1;
        pid_t pid = begin("for i in a b c; do touch /$i/x; done", points, stage1s[i], false, &uuid);
        finish(pid);
        assert_true(is_there("/srv/a/x"));
        assert_false(is_there("/srv/b/x"));
        assert_int_equal(is_there("/srv/c/x"), is_fly);
        assert_int_equal(unlink("/srv/a/x"), 0);
    }
}

#define SLEEP "touch /a/up; exec sleep 1000"

static void flys_mounts_are_the_hosts_until_rm(void **state)
{
    CLEANUP(freep) char *uuid = NULL;
    char path[128];

    (void)state;
    pid_t pid = begin(SLEEP, "[{\"name\":\"a\",\"path\":\"/a\"}]", FLY, false, &uuid);
    snprintf(path, sizeof(path), "/var/lib/rkt/pods/run/%s", uuid);
    wait_for(is_there("/srv/a/up"));
    unsigned n_devices = mountns_count("/dev/pts");
    assert_true(mountns_count(path) > 0);
    end(pid);
    assert_true(mountns_count(path) > 0);
    remove_rktpod(uuid);
    assert_int_equal(mountns_count("/var/lib/rkt/pods"), 0);
    assert_true(is_there("/srv/a/up"));
    assert_int_equal(mountns_count("/dev/pts"), n_devices);
}

static void what_fly_mounts_in_dev_stays_there(void **state)
{
    static const char points[] = "[{\"name\":\"c\",\"path\":\"/dev/termination-log\"}]";
    CLEANUP(freep) char *first = NULL;
    CLEANUP(freep) char *second = NULL;

    (void)state;
    assert_int_equal(rmdir("/srv/c"), 0);
    write_text("/srv/c", "");
    pid_t pid = begin("echo first >/dev/termination-log", points, FLY, false, &first);
    assert_int_equal(finish(pid), 0);
    remove_rktpod(first);
    CLEANUP(freep) char *text = read_text("/dev/termination-log");
    assert_string_equal(text, "first\n");
    /* and once its file is gone, fly has no other one mounted there */
    assert_int_equal(unlink("/srv/c"), 0);
    write_text("/srv/c", "");
    pid = begin("true", points, FLY, false, &second);
    assert_int_equal(finish(pid), 254);
}

/* Whichever comes first. */
static void of_flys_mounts_none_can_lie_below_another(void **state)
{
    static const char points[] = "[{\"name\":\"a\",\"path\":\"/data\"},"
                                 "{\"name\":\"b\",\"path\":\"/data/sub\"}]";
    CLEANUP(freep) char *uuid = NULL;

    (void)state;
    write_text("/srv/b/of-b", "");
    pid_t pid = begin("touch /data/up; exec sleep 1000", points, FLY, false, &uuid);
    wait_for(is_there("/srv/a/up"));
    bool is_covered = enter(uuid, "test -e /data/sub/of-b") != 0;
    bool is_on_host = is_there("/srv/a/sub/of-b");
    end(pid);
    umount2("/srv/a/sub", MNT_DETACH);
    assert_true(is_covered || is_on_host);
}

/* So it is no way out of all this. */
static void under_fly_nobody_enters_another_mount_namespace(void **state)
{
    static const char point[] = "[{\"name\":\"a\",\"path\":\"/a\"}]";

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        CLEANUP(freep) char *uuid = NULL;
        bool has_own = i == 1;
        pid_t pid = begin(SLEEP, point, FLY, has_own, &uuid);
        wait_for(is_there("/srv/a/up"));
        assert_int_equal(enter(uuid, "true"), has_own ? 254 : 0);
        end(pid);
        assert_int_equal(unlink("/srv/a/up"), 0);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, rkt_teardown)
    static const struct CMUnitTest tests[] = {
        TEST(prepare_refuses_what_it_does_not_take),
        TEST(an_image_that_is_not_there_is_told),
        TEST(a_volumes_read_only_counts_more),
        TEST(flys_mounts_are_the_hosts_until_rm),
        TEST(what_fly_mounts_in_dev_stays_there),
        TEST(of_flys_mounts_none_can_lie_below_another),
        TEST(under_fly_nobody_enters_another_mount_namespace),
    };

    node_enter();
    return cmocka_run_group_tests_name("rkt", tests, NULL, NULL);
}
