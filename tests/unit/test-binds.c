/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "daemon/binds.h"
#include "daemon/process.h"
#include "lib/varlink.h"
#include "tests/unit/mountns.h"
#include "tests/unit/scratch.h"

#define UUID "01234567-89ab-cdef-0123-456789abcdef"

/* A process that lives until it is killed: a prepare that takes its time. */
static pid_t start_prepare(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        pause();
        _exit(0);
    }
    assert_true(pid > 0);
    return pid;
}

static void end_prepare(pid_t pid)
{
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void make_folder(const struct scratch *scratch, const char *name)
{
    CLEANUP(freep) char *path = scratch_path(scratch, "%s", name);

    assert_int_equal(mkdir(path, 0755), 0);
}

/* A rkt pod in that stage, whose manifest has the key. */
static void store_pod(const struct scratch *scratch, const char *stage, const char *key)
{
    CLEANUP(freep) char *name = NULL;
    CLEANUP(freep) char *text = NULL;
    CLEANUP(freep) char *folder = scratch_path(scratch, "rkt/pods/%s/" UUID, stage);

    assert_int_equal(mkdir(folder, 0755), 0);
    assert_true(asprintf(&name, "rkt/pods/%s/" UUID "/pod", stage) > 0);
    assert_true(asprintf(&text, "{\"annotations\":[{\"name\":\"%s\",\"value\":\"%s\"}]}",
                         BINDS_ANNOTATION, key) > 0);
    scratch_write(scratch, name, text);
}

static void move_pod(const struct scratch *scratch, const char *from, const char *to)
{
    CLEANUP(freep) char *old = scratch_path(scratch, "rkt/pods/%s/" UUID, from);
    CLEANUP(freep) char *new = scratch_path(scratch, "rkt/pods/%s/" UUID, to);

    assert_int_equal(rename(old, new), 0);
}

static void make_data_dir(const struct scratch *scratch)
{
    static const char *const folders[] = {"rkt",
                                          "rkt/pods",
                                          "rkt/pods/prepare",
                                          "rkt/pods/prepared",
                                          "rkt/pods/run",
                                          "rkt/pods/exited-garbage",
                                          "rkt/pods/garbage"};

    for (size_t i = 0; i < N_ELEMENTS(folders); i++)
        make_folder(scratch, folders[i]);
}

/* A folder with one mount, of a folder "source". Return: its key. */
static char *make_binds(const struct scratch *scratch, pid_t pid)
{
    CLEANUP(freep) char *data_dir = scratch_path(scratch, "rkt");
    CLEANUP(freep) char *path = NULL;
    char *key = NULL;

    mkdirat(scratch->fd, "source", 0755);
    CLEANUP(fd_closep) int fd = openat(scratch->fd, "source", O_PATH | O_CLOEXEC);
    assert_int_equal(binds_make(scratch->path, pid, data_dir, &key), 0);
    assert_int_equal(binds_add(scratch->path, key, 0, fd, &path), 0);
    return key;
}

static size_t sweep(const struct scratch *scratch, const char *ended)
{
    const char *const list[] = {ended, NULL};
    struct binds binds = {0};

    assert_int_equal(binds_sweep(&binds, scratch->path, list), 0);
    size_t n = binds.n;
    binds_deinit(&binds);
    assert_int_equal(mountns_count(scratch->path), n);
    return n;
}

static bool is_same(const char *path, int fd)
{
    struct stat a, b;

    return stat(path, &a) == 0 && fstat(fd, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

static void a_mount_is_what_the_descriptor_holds(void **state)
{
    const struct scratch *scratch = *state;
    CLEANUP(freep) char *key = NULL;
    CLEANUP(freep) char *folder = NULL;
    CLEANUP(freep) char *file = NULL;
    struct stat st;

    make_folder(scratch, "source");
    scratch_write(scratch, "source/file", "text");
    CLEANUP(fd_closep) int folder_fd = openat(scratch->fd, "source", O_PATH | O_CLOEXEC);
    CLEANUP(fd_closep) int file_fd = openat(scratch->fd, "source/file", O_PATH | O_CLOEXEC);
    assert_int_equal(binds_make(scratch->path, getpid(), "/data", &key), 0);

    /* whatever its name leads to by now */
    assert_int_equal(renameat(scratch->fd, "source", scratch->fd, "moved"), 0);
    assert_int_equal(symlinkat("/", scratch->fd, "source"), 0);
    assert_int_equal(binds_add(scratch->path, key, 0, folder_fd, &folder), 0);
    assert_int_equal(binds_add(scratch->path, key, 1, file_fd, &file), 0);
    assert_true(is_same(folder, folder_fd));
    assert_true(is_same(file, file_fd));
    assert_int_equal(mountns_count(scratch->path), 2);

    CLEANUP(freep) char *top = scratch_path(scratch, "subpaths");
    assert_int_equal(stat(top, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);

    binds_remove(scratch->path, key);
    assert_int_equal(mountns_count(scratch->path), 0);
    assert_int_equal(rmdir(top), 0);
    assert_int_equal(faccessat(scratch->fd, "moved/file", F_OK, 0), 0);
}

static void what_is_mounted_in_the_volume_stays_its_own(void **state)
{
    const struct scratch *scratch = *state;
    CLEANUP(freep) char *key = make_binds(scratch, getpid());
    CLEANUP(freep) char *below = scratch_path(scratch, "source/below");

    /* the volume is of a shared mount: its peers must see nothing of our comings and goings */
    make_folder(scratch, "source/below");
    assert_int_equal(mount("tmpfs", below, "tmpfs", 0, NULL), 0);
    assert_int_equal(mountns_count(scratch->path), 2);
    binds_remove(scratch->path, key);
    assert_int_equal(mountns_count(scratch->path), 1);
    assert_int_equal(umount(below), 0);
}

static void one_process_may_ask_again(void **state)
{
    const struct scratch *scratch = *state;
    CLEANUP(freep) char *first = make_binds(scratch, getpid());
    CLEANUP(freep) char *second = make_binds(scratch, getpid());

    assert_string_not_equal(first, second);
    assert_int_equal(mountns_count(scratch->path), 2);
    binds_remove(scratch->path, first);
    assert_int_equal(mountns_count(scratch->path), 1);
    binds_remove(scratch->path, second);
}

static void mounts_live_with_their_rkt_pod(void **state)
{
    const struct scratch *scratch = *state;
    pid_t pid = start_prepare();

    make_data_dir(scratch);
    CLEANUP(freep) char *key = make_binds(scratch, pid);
    assert_int_equal(sweep(scratch, NULL), 1);
    store_pod(scratch, "prepare", key);
    assert_int_equal(sweep(scratch, NULL), 1);
    move_pod(scratch, "prepare", "prepared");
    end_prepare(pid);
    assert_int_equal(sweep(scratch, NULL), 1);
    /* one that has not been started cannot have ended, whatever is said of it */
    assert_int_equal(sweep(scratch, UUID), 1);
    move_pod(scratch, "prepared", "run");
    assert_int_equal(sweep(scratch, NULL), 1);
    assert_int_equal(sweep(scratch, "another"), 1);
    assert_int_equal(sweep(scratch, UUID), 0);
}

static void mounts_go_with_their_rkt_pod(void **state)
{
    const struct scratch *scratch = *state;
    pid_t pid = start_prepare();

    make_data_dir(scratch);
    CLEANUP(freep) char *key = make_binds(scratch, pid);
    store_pod(scratch, "run", key);
    end_prepare(pid);
    assert_int_equal(sweep(scratch, NULL), 1);
    move_pod(scratch, "run", "exited-garbage");
    assert_int_equal(sweep(scratch, NULL), 0);
}

static void a_failed_prepare_holds_nothing(void **state)
{
    const struct scratch *scratch = *state;
    pid_t pid = start_prepare();

    make_data_dir(scratch);
    CLEANUP(freep) char *key = make_binds(scratch, pid);
    store_pod(scratch, "prepare", key);
    end_prepare(pid);
    assert_int_equal(sweep(scratch, NULL), 0);
}

static void a_zombie_has_ended(void **state)
{
    const struct scratch *scratch = *state;
    siginfo_t info;
    pid_t pid = start_prepare();
    CLEANUP(freep) char *key = make_binds(scratch, pid);

    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(sweep(scratch, NULL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void fails(const struct scratch *scratch, int code)
{
    struct binds binds = {0};

    assert_int_equal(binds_sweep(&binds, scratch->path, (const char *const[]){NULL}), code);
    binds_deinit(&binds);
}

static void what_cannot_be_read_is_not_taken_for_gone(void **state)
{
    const struct scratch *scratch = *state;
    pid_t pid = start_prepare();
    CLEANUP(freep) char *key = make_binds(scratch, pid);

    end_prepare(pid);
    make_folder(scratch, "rkt");
    make_folder(scratch, "rkt/pods");
    scratch_write(scratch, "rkt/pods/run", "no folder");
    fails(scratch, -ENOTDIR);
    assert_int_equal(mountns_count(scratch->path), 1);
    assert_int_equal(unlinkat(scratch->fd, "rkt/pods/run", 0), 0);
    assert_int_equal(sweep(scratch, NULL), 0);
}

/* Whoever prepares them, and whatever they are. */
static void an_odd_neighbour_holds_nothing(void **state)
{
    const struct scratch *scratch = *state;
    pid_t pid = start_prepare();

    make_data_dir(scratch);
    CLEANUP(freep) char *key = make_binds(scratch, pid);
    store_pod(scratch, "run", key);
    end_prepare(pid);
    make_folder(scratch, "rkt/pods/prepared/a4afd7d6-0001-4c2b-acf3-2777c9f6658e");
    scratch_write(scratch, "rkt/pods/prepared/a4afd7d6-0001-4c2b-acf3-2777c9f6658e/pod", "{");
    CLEANUP(freep)
    char *path =
        scratch_path(scratch, "rkt/pods/prepared/a4afd7d6-0001-4c2b-acf3-2777c9f6658e/pod");
    assert_int_equal(truncate(path, (off_t)VARLINK_MANIFEST_MAX + 1), 0);
    make_folder(scratch, "rkt/pods/run/a4afd7d6-0002-4c2b-acf3-2777c9f6658e");
    scratch_write(scratch, "rkt/pods/run/a4afd7d6-0002-4c2b-acf3-2777c9f6658e/pod", "[]");
    assert_int_equal(sweep(scratch, NULL), 1);
    move_pod(scratch, "run", "exited-garbage");
    assert_int_equal(sweep(scratch, NULL), 0);
}

static void without_descriptors_nobody_is_taken_for_dead(void **state)
{
    const struct scratch *scratch = *state;
    struct rlimit limit, tight;
    CLEANUP(freep) char *key = make_binds(scratch, getpid());

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    tight = limit;
    int next = open("/", O_PATH | O_CLOEXEC);
    assert_true(next >= 0);
    close(next);
    /* enough for the folder, then for the pidfd as well */
    for (rlim_t n = 1; n <= 2; n++) {
        struct binds binds = {0};
        tight.rlim_cur = (rlim_t)next + n;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
        int r = binds_sweep(&binds, scratch->path, (const char *const[]){NULL});
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        binds_deinit(&binds);
        assert_int_equal(r, -EMFILE);
        assert_int_equal(mountns_count(scratch->path), 1);
    }
    assert_int_equal(sweep(scratch, NULL), 1);
    binds_remove(scratch->path, key);
}

static void a_data_directory_that_cannot_be_read_is_not_none(void **state)
{
    const struct scratch *scratch = *state;
    pid_t pid = start_prepare();
    CLEANUP(freep) char *key = make_binds(scratch, pid);
    CLEANUP(freep) char *name = NULL;

    end_prepare(pid);
    assert_true(asprintf(&name, "subpaths/%s/rkt", key) > 0);
    assert_int_equal(unlinkat(scratch->fd, name, 0), 0);
    scratch_write(scratch, name, "no symlink");
    fails(scratch, -EINVAL);
    assert_int_equal(mountns_count(scratch->path), 1);
    assert_int_equal(unlinkat(scratch->fd, name, 0), 0);
    assert_int_equal(sweep(scratch, NULL), 0);
}

static void *tell_tid(void *data)
{
    *(atomic_int *)data = gettid();
    for (;;)
        pause();
    return NULL;
}

static void a_pid_that_is_a_threads_by_now_has_ended(void **state)
{
    const struct scratch *scratch = *state;
    CLEANUP(freep) char *key = NULL;
    atomic_int tid = 0;
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, tell_tid, &tid), 0);
    while (tid == 0)
        sched_yield();
    assert_int_equal(binds_make(scratch->path, tid, "/data", &key), 0);
    assert_int_equal(sweep(scratch, NULL), 0);
    pthread_cancel(thread);
    pthread_join(thread, NULL);
}

static void another_data_directory_holds_nothing(void **state)
{
    const struct scratch *scratch = *state;
    CLEANUP(freep) char *key = NULL;
    pid_t pid = start_prepare();

    make_data_dir(scratch);
    assert_int_equal(binds_make(scratch->path, pid, "/another", &key), 0);
    store_pod(scratch, "prepared", key);
    end_prepare(pid);
    assert_int_equal(sweep(scratch, NULL), 0);
}

static void a_folder_half_made_is_removed(void **state)
{
    const struct scratch *scratch = *state;
    uint64_t ticks;
    char name[64];
    pid_t pid = start_prepare();

    assert_int_equal(process_start_ticks(pid, &ticks), 0);
    snprintf(name, sizeof(name), "subpaths/%d.%llu.0", (int)pid, (unsigned long long)ticks);
    make_folder(scratch, "subpaths");
    make_folder(scratch, name);
    CLEANUP(freep) char *path = scratch_path(scratch, "%s", name);
    struct binds binds = {0};
    assert_int_equal(binds_sweep(&binds, scratch->path, (const char *const[]){NULL}), 0);
    assert_int_equal(binds.n, 1);
    assert_null(binds.list[0].data_dir);
    assert_true(binds.list[0].pidfd >= 0);
    binds_deinit(&binds);
    assert_int_equal(access(path, F_OK), 0);
    end_prepare(pid);
    assert_int_equal(sweep(scratch, NULL), 0);
    assert_int_equal(access(path, F_OK), -1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
    static const struct CMUnitTest tests[] = {
        TEST(a_mount_is_what_the_descriptor_holds),
        TEST(what_is_mounted_in_the_volume_stays_its_own),
        TEST(one_process_may_ask_again),
        TEST(mounts_live_with_their_rkt_pod),
        TEST(mounts_go_with_their_rkt_pod),
        TEST(a_failed_prepare_holds_nothing),
        TEST(a_zombie_has_ended),
        TEST(what_cannot_be_read_is_not_taken_for_gone),
        TEST(an_odd_neighbour_holds_nothing),
        TEST(without_descriptors_nobody_is_taken_for_dead),
        TEST(a_data_directory_that_cannot_be_read_is_not_none),
        TEST(a_pid_that_is_a_threads_by_now_has_ended),
        TEST(another_data_directory_holds_nothing),
        TEST(a_folder_half_made_is_removed),
    };

    mountns_enter();
    return cmocka_run_group_tests_name("binds", tests, NULL, NULL);
}
