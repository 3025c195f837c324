/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "daemon/process.h"

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

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_start_tells_a_process_from_the_next_of_that_pid),
        cmocka_unit_test(a_socket_tells_who_is_at_its_other_end),
    };

    return cmocka_run_group_tests_name("process", tests, NULL, NULL);
}
