/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "daemon/rktdir.h"
#include "tests/unit/scratch.h"

#define U1 "a4afd7d6-acbc-4c2b-acf3-2777c9f6658e"
#define U2 "a4afd7d6-0000-4c2b-acf3-2777c9f6658e"

/* Makes a folder of the data directory with all above it. */
static void make_dir(const struct scratch *scratch, const char *name)
{
    CLEANUP(freep) char *path = scratch_path(scratch, "%s/", name);

    for (char *p = strchr(path + strlen(scratch->path) + 1, '/'); p; p = strchr(p + 1, '/')) {
        *p = '\0';
        mkdir(path, 0755);
        *p = '/';
    }
}

/* Writes a status file that was changed at `seconds`. */
static void write_status(const struct scratch *scratch, const char *dir, const char *app,
                         const char *text, time_t seconds)
{
    CLEANUP(freep) char *name = NULL;
    struct timespec times[2] = {{.tv_sec = seconds}, {.tv_sec = seconds}};

    make_dir(scratch, dir);
    assert_true(asprintf(&name, "%s/%s", dir, app) > 0);
    scratch_write(scratch, name, text);
    CLEANUP(freep) char *path = scratch_path(scratch, "%s", name);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void a_pod_is_found_wherever_it_stands(void **state)
{
    static const char *const stages[] = {"embryo", "prepare",        "prepared",
                                         "run",    "exited-garbage", "garbage"};
    struct scratch *scratch = *state;
    char uuid[RKT_UUID_SIZE];

    assert_false(rktdir_exists(scratch->path, U1));
    assert_int_equal(rktdir_resolve(scratch->path, U1, uuid), RKTDIR_E_NOT_FOUND);
    for (size_t i = 0; i < N_ELEMENTS(stages); i++) {
        char name[128];
        snprintf(name, sizeof(name), "pods/%s/" U1, stages[i]);
        make_dir(scratch, name);
        assert_true(rktdir_exists(scratch->path, U1));
        assert_int_equal(rktdir_resolve(scratch->path, "a4afd7D6-AC", uuid), 0);
        assert_string_equal(uuid, U1);
        CLEANUP(freep) char *path = scratch_path(scratch, "%s", name);
        assert_int_equal(rmdir(path), 0);
    }
    assert_false(rktdir_exists(scratch->path, U1));
}

static void the_beginning_of_a_uuid_will_do_if_it_is_one_pods(void **state)
{
    struct scratch *scratch = *state;
    char uuid[RKT_UUID_SIZE];

    make_dir(scratch, "pods/prepared/" U1);
    make_dir(scratch, "pods/run/" U2);
    make_dir(scratch, "pods/run/not-a-uuid");
    assert_int_equal(rktdir_resolve(scratch->path, "a4afd7d6-0", uuid), 0);
    assert_string_equal(uuid, U2);
    assert_int_equal(rktdir_resolve(scratch->path, "a4afd7d6-", uuid), RKTDIR_E_AMBIGUOUS);
    assert_int_equal(rktdir_resolve(scratch->path, "not", uuid), RKTDIR_E_NOT_FOUND);
    assert_int_equal(rktdir_resolve(scratch->path, "", uuid), RKTDIR_E_NOT_FOUND);
    assert_int_equal(rktdir_resolve(scratch->path, U1 "0", uuid), RKTDIR_E_NOT_FOUND);
}

static void the_manifest_is_read_as_it_was_stored(void **state)
{
    struct scratch *scratch = *state;
    CLEANUP(freep) char *text = NULL;
    char big[20000];
    size_t length;

    assert_int_equal(rktdir_read_manifest(scratch->path, U1, &text, &length), RKTDIR_E_NOT_FOUND);
    make_dir(scratch, "pods/prepared/" U1);
    assert_int_equal(rktdir_read_manifest(scratch->path, U1, &text, &length), RKTDIR_E_NOT_FOUND);
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    scratch_write(scratch, "pods/prepared/" U1 "/pod", big);
    assert_int_equal(rktdir_read_manifest(scratch->path, U1, &text, &length), 0);
    assert_int_equal(length, sizeof(big) - 1);
    assert_string_equal(text, big);
}

static void exits_are_read_without_overlay_and_with_it(void **state)
{
    struct scratch *scratch = *state;
    struct rktdir_exits exits = {0};

    assert_int_equal(rktdir_read_exits(scratch->path, U1, &exits), RKTDIR_E_NOT_FOUND);
    write_status(scratch, "pods/run/" U1 "/stage1/rootfs/rkt/status", "app", "7\n", 100);
    assert_int_equal(rktdir_read_exits(scratch->path, U1, &exits), 0);
    assert_int_equal(exits.n, 1);
    assert_string_equal(exits.list[0].app, "app");
    assert_int_equal(exits.list[0].status, 7);
    assert_int_equal(exits.list[0].at.usec, 100 * USEC_SEC);
    rktdir_exits_deinit(&exits);

    write_status(scratch, "pods/run/" U2 "/overlay/deps-sha512-1/upper/rkt/status", "app", "3\n",
                 50);
    scratch_write(scratch, "pods/run/" U2 "/stage1TreeStoreID", "deps-sha512-1");
    scratch_write(scratch, "pods/run/" U2 "/overlay-prepared", "");
    assert_int_equal(rktdir_read_exits(scratch->path, U2, &exits), 0);
    assert_int_equal(exits.n, 1);
    assert_int_equal(exits.list[0].status, 3);
    rktdir_exits_deinit(&exits);
}

static void what_is_no_status_is_passed_over(void **state)
{
    static const char dir[] = "pods/run/" U1 "/stage1/rootfs/rkt/status";
    struct scratch *scratch = *state;
    struct rktdir_exits exits = {0};

    write_status(scratch, dir, "empty", "", 1);
    write_status(scratch, dir, "words", "seven", 1);
    write_status(scratch, dir, "negative", "-1", 1);
    write_status(scratch, dir, "huge", "99999999999999999999", 1);
    CLEANUP(freep) char *link = scratch_path(scratch, "%s/link", dir);
    assert_int_equal(symlink("words", link), 0);
    CLEANUP(freep) char *fifo = scratch_path(scratch, "%s/fifo", dir);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    CLEANUP(freep) char *folder = scratch_path(scratch, "%s/folder", dir);
    assert_int_equal(mkdir(folder, 0755), 0);
    assert_int_equal(rktdir_read_exits(scratch->path, U1, &exits), 0);
    assert_int_equal(exits.n, 0);
    assert_null(rktdir_exits_decisive(&exits));
}

static void the_first_to_fail_ended_the_pod(void **state)
{
    static const char dir[] = "pods/run/" U1 "/stage1/rootfs/rkt/status";
    struct scratch *scratch = *state;
    struct rktdir_exits exits = {0};

    write_status(scratch, dir, "done", "0\n", 10);
    write_status(scratch, dir, "stopped", "143\n", 31);
    write_status(scratch, dir, "failed", "7\n", 30);
    assert_int_equal(rktdir_read_exits(scratch->path, U1, &exits), 0);
    assert_int_equal(exits.n, 3);
    assert_string_equal(rktdir_exits_decisive(&exits)->app, "failed");
    rktdir_exits_deinit(&exits);

    write_status(scratch, dir, "stopped", "0\n", 31);
    write_status(scratch, dir, "failed", "0\n", 30);
    assert_int_equal(rktdir_read_exits(scratch->path, U1, &exits), 0);
    assert_string_equal(rktdir_exits_decisive(&exits)->app, "stopped");
    rktdir_exits_deinit(&exits);
}

static void a_pod_is_found_by_its_process(void **state)
{
    struct scratch *scratch = *state;
    char uuid[RKT_UUID_SIZE];

    assert_int_equal(rktdir_resolve_pid(scratch->path, 4711, uuid), RKTDIR_E_NOT_FOUND);
    make_dir(scratch, "pods/run/" U1);
    make_dir(scratch, "pods/run/" U2);
    scratch_write(scratch, "pods/run/" U1 "/ppid", "4712\n");
    scratch_write(scratch, "pods/run/" U2 "/pid", "4711\n");
    assert_int_equal(rktdir_resolve_pid(scratch->path, 4711, uuid), 0);
    assert_string_equal(uuid, U2);
    assert_int_equal(rktdir_resolve_pid(scratch->path, 4712, uuid), 0);
    assert_string_equal(uuid, U1);
    assert_int_equal(rktdir_resolve_pid(scratch->path, 471, uuid), RKTDIR_E_NOT_FOUND);
}

static void the_pods_process_is_the_app_or_has_the_apps(void **state)
{
    struct scratch *scratch = *state;

    assert_int_equal(rktdir_process(scratch->path, U1), RKTDIR_PROCESS_UNKNOWN);
    make_dir(scratch, "pods/run/" U1);
    assert_int_equal(rktdir_process(scratch->path, U1), RKTDIR_PROCESS_UNKNOWN);
    scratch_write(scratch, "pods/run/" U1 "/pid", "4711\n");
    assert_int_equal(rktdir_process(scratch->path, U1), RKTDIR_PROCESS_IS_APP);
    make_dir(scratch, "pods/run/" U2);
    scratch_write(scratch, "pods/run/" U2 "/ppid", "4712\n");
    assert_int_equal(rktdir_process(scratch->path, U2), RKTDIR_PROCESS_HAS_APPS);
}

/* What was visited: "UUID text prepared|running|ended" a line. */
static int note(const struct rktdir_pod *pod, void *userdata)
{
    FILE *f = userdata;

    assert_int_equal(pod->length, strlen(pod->manifest));
    fprintf(f, "%s %s %s\n", pod->uuid, pod->manifest,
            pod->is_running    ? "running"
            : pod->has_started ? "ended"
                               : "prepared");
    return strcmp(pod->manifest, "stop") == 0 ? 42 : 0;
}

static int visit_all(const struct scratch *scratch, char **textp)
{
    size_t size;
    FILE *f = open_memstream(textp, &size);
    int r = rktdir_for_each(scratch->path, note, f);

    fclose(f);
    return r;
}

static void pods_are_visited_until_they_are_garbage(void **state)
{
    struct scratch *scratch = *state;
    CLEANUP(freep) char *none = NULL;
    CLEANUP(freep) char *running = NULL;
    CLEANUP(freep) char *ended = NULL;
    CLEANUP(freep) char *stopped = NULL;

    assert_int_equal(visit_all(scratch, &none), 0);
    assert_string_equal(none, "");
    make_dir(scratch, "pods/prepared/" U1);
    make_dir(scratch, "pods/run/" U2);
    make_dir(scratch, "pods/run/not-a-uuid");
    make_dir(scratch, "pods/garbage/" U2);
    make_dir(scratch, "pods/prepared/b4afd7d6-acbc-4c2b-acf3-2777c9f6658e");
    scratch_write(scratch, "pods/prepared/" U1 "/pod", "one");
    scratch_write(scratch, "pods/run/" U2 "/pod", "two");
    CLEANUP(freep) char *path = scratch_path(scratch, "pods/run/" U2);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(visit_all(scratch, &running), 0);
    assert_string_equal(running, U1 " one prepared\n" U2 " two running\n");
    close(fd);
    assert_int_equal(visit_all(scratch, &ended), 0);
    assert_string_equal(ended, U1 " one prepared\n" U2 " two ended\n");
    scratch_write(scratch, "pods/prepared/" U1 "/pod", "stop");
    assert_int_equal(visit_all(scratch, &stopped), 42);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
    static const struct CMUnitTest tests[] = {
        TEST(a_pod_is_found_wherever_it_stands),
        TEST(the_beginning_of_a_uuid_will_do_if_it_is_one_pods),
        TEST(the_manifest_is_read_as_it_was_stored),
        TEST(exits_are_read_without_overlay_and_with_it),
        TEST(what_is_no_status_is_passed_over),
        TEST(the_first_to_fail_ended_the_pod),
        TEST(a_pod_is_found_by_its_process),
        TEST(the_pods_process_is_the_app_or_has_the_apps),
        TEST(pods_are_visited_until_they_are_garbage),
    };

    return cmocka_run_group_tests_name("rktdir", tests, NULL, NULL);
}
