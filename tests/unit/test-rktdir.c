/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include "daemon/rktdir.h"
#include "lib/varlink.h"
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
    /* nor is that of an app whose name is none, and could not be written down */
    write_status(scratch, dir, "n\xff", "1\n", 1);
    write_status(scratch, dir, "Name", "1\n", 1);
    write_status(scratch, dir, "a\nb", "1\n", 1);
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

/* An app that got out of its root can write there what it likes. */
static void the_folder_of_status_files_is_not_trusted(void **state)
{
    static const char dir[] = "pods/run/" U1 "/stage1/rootfs/rkt";
    struct scratch *scratch = *state;
    struct rktdir_exits exits = {0};
    char name[200];

    /* a file without an end, a device, and more of them than anybody has apps */
    make_dir(scratch, dir);
    write_status(scratch, "elsewhere/status", "app", "7\n", 1);
    for (unsigned i = 0; i < 3000; i++) {
        snprintf(name, sizeof(name), "app%u", i);
        write_status(scratch, "pods/run/" U1 "/stage1/rootfs/rkt/status", name, "1\n", 1);
    }
    CLEANUP(freep) char *endless = scratch_path(scratch, "%s/status/app7", dir);
    assert_int_equal(truncate(endless, (off_t)1 << 40), 0);
    CLEANUP(freep) char *device = scratch_path(scratch, "%s/status/app8", dir);
    assert_int_equal(unlink(device), 0);
    assert_int_equal(mknod(device, S_IFCHR | 0600, makedev(1, 5)), 0);
    assert_int_equal(rktdir_read_exits(scratch->path, U1, &exits), 0);
    assert_in_range(exits.n, 1000, 1024);
    for (size_t i = 0; i < exits.n; i++) {
        assert_string_not_equal(exits.list[i].app, "app7");
        assert_string_not_equal(exits.list[i].app, "app8");
    }
    rktdir_exits_deinit(&exits);

    /* and links that lead elsewhere, at each step */
    CLEANUP(freep) char *status = scratch_path(scratch, "%s/status", dir);
    CLEANUP(freep) char *aside = scratch_path(scratch, "aside");
    CLEANUP(freep) char *rkt = scratch_path(scratch, "%s", dir);
    assert_int_equal(rename(status, aside), 0);
    assert_int_equal(symlink("../../../../../../elsewhere/status", status), 0);
    assert_int_equal(access(status, R_OK), 0);
    assert_int_equal(rktdir_read_exits(scratch->path, U1, &exits), 0);
    assert_int_equal(exits.n, 0);
    assert_int_equal(unlink(status), 0);
    assert_int_equal(rmdir(rkt), 0);
    assert_int_equal(symlink("../../../../../elsewhere", rkt), 0);
    assert_int_equal(access(status, R_OK), 0);
    assert_int_equal(rktdir_read_exits(scratch->path, U1, &exits), 0);
    assert_int_equal(exits.n, 0);
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
    pid_t pid;

    assert_int_equal(rktdir_process(scratch->path, U1, &pid), RKTDIR_PROCESS_UNKNOWN);
    assert_int_equal(pid, 0);
    make_dir(scratch, "pods/run/" U1);
    assert_int_equal(rktdir_process(scratch->path, U1, NULL), RKTDIR_PROCESS_UNKNOWN);
    scratch_write(scratch, "pods/run/" U1 "/pid", "4711\n");
    assert_int_equal(rktdir_process(scratch->path, U1, NULL), RKTDIR_PROCESS_IS_APP);
    make_dir(scratch, "pods/run/" U2);
    scratch_write(scratch, "pods/run/" U2 "/ppid", "4712\n");
    assert_int_equal(rktdir_process(scratch->path, U2, &pid), RKTDIR_PROCESS_HAS_APPS);
    assert_int_equal(pid, 4712);
}

static void a_pod_runs_while_it_is_locked(void **state)
{
    struct scratch *scratch = *state;

    assert_false(rktdir_is_running(scratch->path, U1));
    make_dir(scratch, "pods/run/" U1);
    assert_false(rktdir_is_running(scratch->path, U1));
    CLEANUP(freep) char *path = scratch_path(scratch, "pods/run/" U1);
    CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_true(rktdir_is_running(scratch->path, U1));
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

/* A uuid for each oddity, in the order of their names. */
#define ODD(n) "a4afd7d6-000" #n "-4c2b-acf3-2777c9f6658e"

static void make_odd(const struct scratch *scratch, const char *stage)
{
    char name[128];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    CLEANUP(fd_closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
#define POD(n) \
    (snprintf(name, sizeof(name), "pods/%s/" ODD(n), stage), make_dir(scratch, name), name)
#define PATH(n) scratch_path(scratch, "%s/pod", POD(n))

    CLEANUP(freep) char *fifo = PATH(1);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    CLEANUP(freep) char *folder = PATH(2);
    assert_int_equal(mkdir(folder, 0755), 0);
    CLEANUP(freep) char *link = PATH(3);
    assert_int_equal(symlink("/dev/zero", link), 0);
    CLEANUP(freep) char *device = PATH(4);
    assert_int_equal(mknod(device, S_IFCHR | 0600, makedev(1, 5)), 0);
    CLEANUP(freep) char *sock = PATH(5);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", sock);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    CLEANUP(freep) char *endless = PATH(6);
    snprintf(name, sizeof(name), "pods/%s/" ODD(6) "/pod", stage);
    scratch_write(scratch, name, "");
    assert_int_equal(truncate(endless, (off_t)VARLINK_MANIFEST_MAX + 1), 0);
    /* and what is no pod's folder at all */
    snprintf(name, sizeof(name), "pods/%s/" ODD(7), stage);
    scratch_write(scratch, name, "");
    CLEANUP(freep) char *elsewhere = scratch_path(scratch, "pods/%s/" ODD(8), stage);
    assert_int_equal(symlink("/", elsewhere), 0);
    POD(9);
}

static void one_odd_pod_keeps_no_other_from_being_seen(void **state)
{
    static const char *const uuids[] = {ODD(1), ODD(2), ODD(3), ODD(4), ODD(5), ODD(6)};
    struct scratch *scratch = *state;
    CLEANUP(freep) char *all = NULL;
    CLEANUP(freep) char *text = NULL;
    char line[64];
    size_t length, n = 0;

    make_odd(scratch, "prepared");
    make_odd(scratch, "run");
    make_dir(scratch, "pods/run/" U1);
    scratch_write(scratch, "pods/run/" U1 "/pod", "one");
    assert_int_equal(visit_all(scratch, &all), 0);
    assert_non_null(strstr(all, U1 " one ended\n"));
    for (size_t i = 0; i < N_ELEMENTS(uuids); i++) {
        snprintf(line, sizeof(line), "%s  prepared\n", uuids[i]);
        assert_non_null(strstr(all, line));
        snprintf(line, sizeof(line), "%s  ended\n", uuids[i]);
        assert_non_null(strstr(all, line));
        assert_int_equal(rktdir_read_manifest(scratch->path, uuids[i], &text, &length),
                         RKTDIR_E_NO_MANIFEST);
    }
    for (const char *p = all; (p = strchr(p, '\n')); p++)
        n++;
    assert_int_equal(n, 2 * N_ELEMENTS(uuids) + 1);
}

/* What gantry lets through it can read again. */
static void the_longest_manifest_is_read(void **state)
{
    struct scratch *scratch = *state;
    CLEANUP(freep) char *text = NULL;
    size_t length;

    make_dir(scratch, "pods/run/" U1);
    scratch_write(scratch, "pods/run/" U1 "/pod", "");
    CLEANUP(freep) char *path = scratch_path(scratch, "pods/run/" U1 "/pod");
    assert_int_equal(truncate(path, (off_t)VARLINK_MANIFEST_MAX), 0);
    assert_int_equal(rktdir_read_manifest(scratch->path, U1, &text, &length), 0);
    assert_int_equal(length, VARLINK_MANIFEST_MAX);
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
        TEST(the_folder_of_status_files_is_not_trusted),
        TEST(the_first_to_fail_ended_the_pod),
        TEST(a_pod_is_found_by_its_process),
        TEST(the_pods_process_is_the_app_or_has_the_apps),
        TEST(a_pod_runs_while_it_is_locked),
        TEST(pods_are_visited_until_they_are_garbage),
        TEST(one_odd_pod_keeps_no_other_from_being_seen),
        TEST(the_longest_manifest_is_read),
    };

    return cmocka_run_group_tests_name("rktdir", tests, NULL, NULL);
}
