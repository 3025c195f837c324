/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/unreachable.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/def.h"

static void path_beside(char path[static PATH_MAX], const char *socket)
{
    const char *slash = strrchr(socket, '/');
    int folder = slash ? (int)(slash - socket) + 1 : 0;

    snprintf(path, PATH_MAX, "%.*sunreachable", folder, socket);
}

void unreachable_add(const char *socket)
{
    char path[PATH_MAX];

    path_beside(path, socket);
    /* O_NONBLOCK: were it a FIFO, the open would wait for a reader. */
    CLEANUP(fd_closep)
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    ssize_t n = fd >= 0 ? write(fd, "", 1) : 0;
    (void)n;
}

uint64_t unreachable_read(const char *socket)
{
    char path[PATH_MAX];
    struct stat st;

    path_beside(path, socket);
    return lstat(path, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
}
