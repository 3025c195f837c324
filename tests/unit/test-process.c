/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "daemon/process.h"
#include "tests/unit/scratch.h"

/* A child with a name that is hard to read, which waits to be killed. */
static pid_t begin_child(void)
{
    int ready[2];
    char byte;

    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_NAME, ") S 1 2 3 (");
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails ends without its children */
        close(ready[0]);
        if (write(ready[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return pid;
}

static void end_child(pid_t pid)
{
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void its_start_tells_a_process_from_the_next_of_that_pid(void **state)
{
    pid_t pid = begin_child();
    uint64_t ticks = 0, again = 0;

    (void)state;
    assert_int_equal(process_start_ticks(pid, &ticks), 0);
    assert_int_equal(process_start_ticks(pid, &again), 0);
    assert_true(ticks > 0);
    assert_int_equal(ticks, again);
    CLEANUP(fd_closep) int fd = process_open(pid, ticks);
    assert_true(fd >= 0);
    assert_int_equal(process_open(pid, ticks + 1), -ESRCH);

    struct pollfd pollfd = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&pollfd, 1, 0), 0);
    end_child(pid);
    assert_int_equal(poll(&pollfd, 1, 10000), 1);
    assert_int_equal(process_open(pid, ticks), -ESRCH);
    assert_int_equal(process_start_ticks(pid, &ticks), -ESRCH);
}

static void a_socket_tells_who_is_at_its_other_end(void **state)
{
    struct peer peer;
    int fds[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(process_peer(fds[0], &peer), 0);
    assert_int_equal(peer.pid, getpid());
    assert_int_equal(peer.uid, geteuid());
    CLEANUP(fd_closep) int fd = process_peer_pidfd(fds[0], peer.pid);
    assert_true(fd >= 0);
    struct pollfd pollfd = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&pollfd, 1, 0), 0);
    close(fds[0]);
    close(fds[1]);
}

static pid_t pid_of(int proc_fd)
{
    char text[32] = "";

    CLEANUP(fd_closep) int fd = openat(proc_fd, "stat", O_RDONLY);
    assert_true(read(fd, text, sizeof(text) - 1) > 0);
    return (pid_t)strtol(text, NULL, 10);
}

static bool is_below(pid_t top, pid_t pid)
{
    int *proc_fds = NULL;
    bool found = false;
    size_t n = 0;

    assert_int_equal(process_open_tree(top, &proc_fds, &n), 0);
    for (size_t i = 0; i < n; i++) {
        found = found || pid_of(proc_fds[i]) == pid;
        close(proc_fds[i]);
    }
    free(proc_fds);
    return found;
}

/* What a thread has begun, and what that has. */
struct family {
    pid_t child, grandchild;
    int end[2];
};

static void *have_family(void *data)
{
    struct family *family = data;
    int ready[2];
    char byte;

    assert_int_equal(pipe(ready), 0);
    family->child = fork();
    if (family->child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pid_t pid = begin_child();
        if (write(ready[1], &pid, sizeof(pid)) != sizeof(pid))
            _exit(1);
        for (;;)
            pause();
    }
    assert_int_equal(read(ready[0], &family->grandchild, sizeof(pid_t)), sizeof(pid_t));
    close(ready[0]);
    close(ready[1]);
    assert_int_equal(write(family->end[1], "x", 1), 1);
    /* The children of a thread that has ended are another's. */
    assert_int_equal(read(family->end[0], &byte, 1), 1);
    return NULL;
}

static void all_below_a_process_are_found(void **state)
{
    struct family family;
    pthread_t thread;
    int ends[2];
    char byte;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    family.end[0] = family.end[1] = ends[1];
    assert_int_equal(pthread_create(&thread, NULL, have_family, &family), 0);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_true(is_below(getpid(), family.child));
    assert_true(is_below(getpid(), family.grandchild));
    assert_true(is_below(family.child, family.grandchild));
    assert_false(is_below(getpid(), getpid()));
    assert_false(is_below(family.grandchild, family.child));

    kill(family.grandchild, SIGKILL);
    end_child(family.child);
    assert_int_equal(write(ends[0], "x", 1), 1);
    pthread_join(thread, NULL);
    close(ends[0]);
    close(ends[1]);
    int *proc_fds;
    size_t n;
    assert_int_equal(process_open_tree(family.child, &proc_fds, &n), -ENOENT);
}

static void a_process_is_known_by_its_unit(void **state)
{
    static const struct {
        const char *cgroup;
        bool is_in;
    } cases[] = {
        {"0::/system.slice/k8s_1.service/system.slice/web.service\n", true},
        {"9:name=systemd:/machine.slice/machine-rkt.scope/system.slice/web.service\n0::/\n", true},
        {"0::/payload/system.slice/web.service/deeper\n", true},
        {"0::/web.service", true},
        {"0::/system.slice/reaper-web.service\n", false},
        {"0::/system.slice/web.service.d\n", false},
        {"0::/system.slice/web\n", false},
        {"0::/system.slice/xweb.service/web.servic\n", false},
        {"", false},
    };
    struct scratch *scratch;

    (void)state;
    scratch_setup((void **)&scratch);
    CLEANUP(fd_closep) int fd = open(scratch->path, O_RDONLY | O_DIRECTORY);
    assert_false(process_is_in_unit(fd, "web.service"));
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        scratch_write(scratch, "cgroup", cases[i].cgroup);
        if (process_is_in_unit(fd, "web.service") != cases[i].is_in)
            fail_msg("%s", cases[i].cgroup);
    }
    scratch_teardown((void **)&scratch);
}

static void a_nested_process_has_a_pid_for_each_namespace(void **state)
{
    static const struct {
        const char *status;
        bool is_nested;
    } cases[] = {
        {"Name:\tsystemd\nPid:\t815\nNSpid:\t815\t1\nNSpgid:\t815\t1\n", true},
        {"Name:\tx\nNSpid:\t815\t16\t1\n", true},
        {"Name:\tx\nNSpid:\t815\nNSpgid:\t815\n", false},
        {"Name:\tNSpid: 1 2\n", false}, /* before Linux 4.1, and a name to confuse */
        {"", false},
    };
    struct scratch *scratch;

    (void)state;
    scratch_setup((void **)&scratch);
    CLEANUP(fd_closep) int fd = open(scratch->path, O_RDONLY | O_DIRECTORY);
    assert_false(process_is_nested(fd));
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        scratch_write(scratch, "status", cases[i].status);
        if (process_is_nested(fd) != cases[i].is_nested)
            fail_msg("%s", cases[i].status);
    }
    scratch_teardown((void **)&scratch);
    CLEANUP(fd_closep) int self = process_open_proc(getpid());
    assert_false(process_is_nested(self));
    assert_true(process_nesting_is_told());
}

static void an_argument_is_found_as_a_whole(void **state)
{
    static const char *const arguments[] = {"first", "a", "second", "last", NULL};
    pid_t pid = fork();

    (void)state;
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execl("/bin/sh", "sh", "-c", "kill -STOP $$", "first", "second", "last", NULL);
        _exit(1);
    }
    CLEANUP(fd_closep) int fd = process_open_proc(pid);
    while (!process_has_argument(fd, "last"))
        usleep(1000);
    for (const char *const *argument = arguments; *argument; argument++) {
        bool is_one = strlen(*argument) > 1;
        if (process_has_argument(fd, *argument) != is_one)
            fail_msg("\"%s\"", *argument);
    }
    assert_false(process_has_argument(fd, "firs"));
    assert_false(process_has_argument(fd, "econd"));
    end_child(pid);
    assert_false(process_has_argument(fd, "last"));
}

static void a_score_is_set_once(void **state)
{
    pid_t pid = begin_child();
    CLEANUP(fd_closep) int fd = process_open_proc(pid);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(process_set_oom_score(fd, 1000), 1);
    assert_int_equal(process_set_oom_score(fd, 1000), 0);
    assert_int_equal(process_set_oom_score(fd, 1001), -EINVAL);
    assert_int_equal(process_set_oom_score(fd, 1000), 0);
    end_child(pid);
    assert_int_equal(process_set_oom_score(fd, 999), -ESRCH);
    assert_int_equal(process_open_proc(pid), -ENOENT);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_start_tells_a_process_from_the_next_of_that_pid),
        cmocka_unit_test(a_socket_tells_who_is_at_its_other_end),
        cmocka_unit_test(all_below_a_process_are_found),
        cmocka_unit_test(a_process_is_known_by_its_unit),
        cmocka_unit_test(a_nested_process_has_a_pid_for_each_namespace),
        cmocka_unit_test(an_argument_is_found_as_a_whole),
        cmocka_unit_test(a_score_is_set_once),
    };

    return cmocka_run_group_tests_name("process", tests, NULL, NULL);
}
