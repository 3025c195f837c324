/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "lib/def.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

static int pidfd_open_(pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);

    return fd < 0 ? -errno : fd;
}

int process_peer(int socket_fd, struct peer *peer)
{
    struct ucred cred;
    socklen_t length = sizeof(cred);

    if (getsockopt(socket_fd, SOL_SOCKET, SO_PEERCRED, &cred, &length) < 0)
        return -errno;
    *peer = (struct peer){.pid = cred.pid, .uid = cred.uid};
    return 0;
}

int process_peer_pidfd(int socket_fd, pid_t pid)
{
    int fd = -1;
    socklen_t length = sizeof(fd);

    if (getsockopt(socket_fd, SOL_SOCKET, SO_PEERPIDFD, &fd, &length) == 0)
        return fd;
    return errno == ENOPROTOOPT ? pidfd_open_(pid) : -errno;
}

int process_start_ticks(pid_t pid, uint64_t *ticksp)
{
    char path[64], text[1024];

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? -ESRCH : -errno;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    if (n < 0)
        return -errno;
    text[n] = '\0';

    /* The second field is a name in parentheses, which may hold anything; the start is the 22nd. */
    char *rest = strrchr(text, ')');
    for (unsigned i = 2; rest && i < 22; i++)
        rest = strchr(rest + 1, ' ');
    return rest && sscanf(rest, " %" SCNu64, ticksp) == 1 ? 0 : -EIO;
}

int process_open(pid_t pid, uint64_t start_ticks)
{
    uint64_t ticks;

    CLEANUP(fd_closep) int fd = pidfd_open_(pid);
    if (fd < 0)
        return fd;
    /* Only now: what the pidfd holds cannot be replaced any more. */
    int r = process_start_ticks(pid, &ticks);
    if (r < 0)
        return r;
    if (ticks != start_ticks)
        return -ESRCH;
    int opened = fd;
    fd = -1;
    return opened;
}
