/* SPDX-License-Identifier: Apache-2.0 */

/* Needs root: it makes pid namespaces. */

#include "tests/unit/unit.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/own/sight.h"
#include "tests/unit/scratch.h"

#define UUID "a4afd7d6-acbc-4c2b-acf3-2777c9f6658e"
#define POD "pods/run/" UUID

static void make_dir(const struct scratch *scratch, const char *name)
{
    CLEANUP(freep) char *path = scratch_path(scratch, "%s", name);

    mkdir(path, 0755);
}

/* A pod in run, which rkt's process has locked. Return: the lock. */
static int make_pod(const struct scratch *scratch)
{
    CLEANUP(freep) char *path = scratch_path(scratch, POD);

    make_dir(scratch, "pods");
    make_dir(scratch, "pods/run");
    make_dir(scratch, POD);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    return fd;
}

/* The children have the lock, too, until it is given up. */
static void give_up(int lock)
{
    assert_int_equal(flock(lock, LOCK_UN), 0);
    close(lock);
}

static void write_pid(const struct scratch *scratch, const char *name, pid_t pid)
{
    char path[128], text[16];

    snprintf(path, sizeof(path), POD "/%s", name);
    snprintf(text, sizeof(text), "%d\n", (int)pid);
    scratch_write(scratch, path, text);
}

/* A process that is like one of rkt's, and has a child; in a namespace of its own, if that is
 * said. */
static pid_t begin_parent(bool is_nested)
{
    int ready[2];
    char byte;

    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (is_nested && unshare(CLONE_NEWPID) < 0)
            _exit(1);
        pid_t child = fork();
        if (child == 0)
            prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (child < 0 || (child == 0 && write(ready[1], "x", 1) != 1))
            _exit(1);
        for (;;)
            pause();
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return pid;
}

/* A process that is executed with that argument. */
static pid_t begin_program(const char *argument)
{
    int ready[2];
    char byte;

    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execl("/bin/sh", "sh", "-c", "kill -STOP $$", argument, NULL);
        _exit(1);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 0); /* the other end went with the exec */
    close(ready[0]);
    return pid;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void nspawn_runs_it_in_a_namespace(void **state)
{
    struct scratch *scratch = *state;
    int lock = make_pod(scratch);

    assert_false(sight_runs(scratch->path, UUID));
    pid_t pid = begin_parent(false);
    write_pid(scratch, "ppid", pid);
    assert_false(sight_runs(scratch->path, UUID));
    end(pid);
    pid = begin_parent(true);
    write_pid(scratch, "ppid", pid);
    assert_true(sight_runs(scratch->path, UUID));
    /* another process that has the pid by now */
    give_up(lock);
    assert_false(sight_runs(scratch->path, UUID));
    end(pid);
}

static void fly_becomes_the_app(void **state)
{
    struct scratch *scratch = *state;
    int lock = make_pod(scratch);

    pid_t pid = begin_program(UUID);
    write_pid(scratch, "pid", pid);
    assert_false(sight_runs(scratch->path, UUID));
    end(pid);
    assert_false(sight_runs(scratch->path, UUID));
    pid = begin_program("of-the-app");
    write_pid(scratch, "pid", pid);
    assert_true(sight_runs(scratch->path, UUID));
    give_up(lock);
    assert_false(sight_runs(scratch->path, UUID));
    end(pid);
}

static void what_has_run_left_a_trace(void **state)
{
    struct scratch *scratch = *state;

    close(make_pod(scratch));
    assert_false(sight_has_run(scratch->path, UUID, 0));
    /* nspawn's own failure, and rkt's */
    write_pid(scratch, "ppid", 1);
    assert_false(sight_has_run(scratch->path, UUID, 1));
    assert_false(sight_has_run(scratch->path, UUID, 254));
    make_dir(scratch, POD "/stage1");
    make_dir(scratch, POD "/stage1/rootfs");
    make_dir(scratch, POD "/stage1/rootfs/rkt");
    make_dir(scratch, POD "/stage1/rootfs/rkt/status");
    assert_false(sight_has_run(scratch->path, UUID, 1));
    scratch_write(scratch, POD "/stage1/rootfs/rkt/status/app", "1\n");
    assert_true(sight_has_run(scratch->path, UUID, 1));
}

static void of_fly_its_status_tells(void **state)
{
    struct scratch *scratch = *state;

    close(make_pod(scratch));
    write_pid(scratch, "pid", 1);
    assert_true(sight_has_run(scratch->path, UUID, 0));
    assert_true(sight_has_run(scratch->path, UUID, 3));
    assert_true(sight_has_run(scratch->path, UUID, -1)); /* not known */
    assert_false(sight_has_run(scratch->path, UUID, 254));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
    static const struct CMUnitTest tests[] = {
        TEST(nspawn_runs_it_in_a_namespace),
        TEST(fly_becomes_the_app),
        TEST(what_has_run_left_a_trace),
        TEST(of_fly_its_status_tells),
    };

    return cmocka_run_group_tests_name("own-sight", tests, NULL, NULL);
}
