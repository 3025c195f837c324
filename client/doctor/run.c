/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "client/doctor/doctor.h"

#define RUNS_FOR (5 * USEC_SEC)
#define LOOK_AGAIN_USEC (5 * USEC_MSEC)

/* A process group of its own, so that all of it can be killed. Return: as posix_spawn(). */
static int start(pid_t *pidp, char *const *argv, int out_fd)
{
    char *const environment[] = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;

    posix_spawnattr_init(&attributes);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDWR, 0);
    posix_spawn_file_actions_adddup2(&actions, out_fd, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDERR_FILENO);
    int r = posix_spawnp(pidp, argv[0], &actions, &attributes, argv, environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return r;
}

/* Return: 0 at the end of the output, -ETIMEDOUT, -errno. What does not fit is dropped. */
static int read_output(int fd, usec_t deadline, char *out, size_t size)
{
    char rest[512];
    size_t length = 0;

    for (;;) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        usec_t left = usec_sub(deadline, usec_now());
        int n_ready = left > 0 ? poll(&wait, 1, (int)(left / USEC_MSEC) + 1) : 0;
        if (n_ready == 0)
            return -ETIMEDOUT;
        bool fits = length + 1 < size;
        ssize_t n = read(fd, fits ? out + length : rest, fits ? size - length - 1 : sizeof(rest));
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n == 0)
            return 0;
        if (n > 0 && fits)
            length += (size_t)n;
        out[length] = '\0';
    }
}

/* Return: 0 and *statusp, -ETIMEDOUT. */
static int wait_for_end(pid_t pid, usec_t deadline, int *statusp)
{
    while (waitpid(pid, statusp, WNOHANG) == 0) {
        if (usec_now() >= deadline)
            return -ETIMEDOUT;
        usleep(LOOK_AGAIN_USEC);
    }
    return 0;
}

int doctor_run(char *const *argv, char *out, size_t size)
{
    usec_t deadline = usec_add(usec_now(), RUNS_FOR);
    int fds[2], status = 0;
    pid_t pid;

    out[0] = '\0';
    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    int r = -start(&pid, argv, fds[1]);
    close(fds[1]);
    if (r < 0) {
        close(fds[0]);
        return r;
    }
    r = read_output(fds[0], deadline, out, size);
    close(fds[0]);
    if (r == 0)
        r = wait_for_end(pid, deadline, &status);
    if (r < 0) {
        kill(-pid, SIGKILL);
        waitpid(pid, &status, 0);
        return r;
    }
    if (WIFSIGNALED(status))
        return 128 + WTERMSIG(status);
    /* posix_spawn(3) may tell that way that there is no such program. */
    return WEXITSTATUS(status) == 127 ? -ENOENT : WEXITSTATUS(status);
}

char *doctor_read(const char *folder, const char *name, size_t *lengthp)
{
    CLEANUP(freep) char *path = NULL;
    size_t length = 0, size = 4096;

    if (asprintf(&path, "%s/%s", folder, name) < 0) {
        path = NULL;
        return NULL;
    }
    CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    CLEANUP(freep) char *text = fd >= 0 ? malloc(size) : NULL;
    for (ssize_t n; text; length += (size_t)n) {
        n = read(fd, text + length, size - length - 1);
        if (n < 0)
            return NULL;
        if (n == 0)
            break;
        if (length + (size_t)n + 1 < size)
            continue;
        char *grown = realloc(text, size *= 2);
        if (!grown)
            return NULL;
        text = grown;
    }
    if (text)
        text[length] = '\0';
    if (lengthp)
        *lengthp = length;
    char *result = text;
    text = NULL;
    return result;
}

bool doctor_is_same_file(const char *a, const char *b)
{
    struct stat st_a, st_b;

    return stat(a, &st_a) == 0 && stat(b, &st_b) == 0 && st_a.st_dev == st_b.st_dev &&
           st_a.st_ino == st_b.st_ino;
}
