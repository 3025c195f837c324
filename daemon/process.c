/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/process.h"

#include <dirent.h>
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

int process_open_proc(pid_t pid)
{
    char path[32];

    snprintf(path, sizeof(path), "/proc/%d", (int)pid);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* A file of /proc, as far as it fits. Return: 0 or -errno. */
static int read_proc(int dir_fd, const char *name, char *text, size_t size)
{
    size_t length = 0;
    ssize_t n = 1;

    CLEANUP(fd_closep) int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    while (n > 0 && length < size - 1) {
        n = read(fd, text + length, size - 1 - length);
        if (n < 0)
            return -errno;
        length += (size_t)n;
    }
    text[length] = '\0';
    return 0;
}

struct tree {
    int *proc_fds;
    size_t n;
};

static int add_process(struct tree *tree, pid_t pid)
{
    int fd = tree->n < PROCESS_TREE_MAX ? process_open_proc(pid) : -ENOENT;

    /* It has ended by now, or there are too many. */
    if (fd == -ENOENT)
        return 0;
    if (fd < 0)
        return fd;
    int *proc_fds = reallocarray(tree->proc_fds, tree->n + 1, sizeof(*proc_fds));
    if (!proc_fds) {
        close(fd);
        return -ENOMEM;
    }
    tree->proc_fds = proc_fds;
    proc_fds[tree->n++] = fd;
    return 0;
}

static int add_children_of_thread(struct tree *tree, int task_fd, const char *tid)
{
    static const size_t size = 32768;
    CLEANUP(freep) char *text = malloc(size);
    char path[300], *end;

    if (!text)
        return -ENOMEM;
    snprintf(path, sizeof(path), "%s/children", tid);
    /* A thread that has ended has no children any more. */
    if (read_proc(task_fd, path, text, size) < 0)
        return 0;
    for (char *p = text;; p = end) {
        long pid = strtol(p, &end, 10);
        if (end == p)
            return 0;
        int r = add_process(tree, (pid_t)pid);
        if (r < 0)
            return r;
    }
}

static void closedirp(DIR **dirp)
{
    if (*dirp)
        closedir(*dirp);
}

static int add_children(struct tree *tree, int proc_fd)
{
    int fd = openat(proc_fd, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLEANUP(closedirp) DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    int r = 0;

    if (!dir) {
        fd_close(fd);
        return 0;
    }
    for (struct dirent *entry; r == 0 && (entry = readdir(dir));) {
        if (entry->d_name[0] != '.')
            r = add_children_of_thread(tree, dirfd(dir), entry->d_name);
    }
    return r;
}

int process_open_tree(pid_t pid, int **proc_fdsp, size_t *np)
{
    CLEANUP(fd_closep) int top = process_open_proc(pid);
    struct tree tree = {0};

    if (top < 0)
        return top;
    int r = add_children(&tree, top);
    for (size_t i = 0; r == 0 && i < tree.n; i++)
        r = add_children(&tree, tree.proc_fds[i]);
    if (r == 0) {
        *proc_fdsp = tree.proc_fds;
        *np = tree.n;
        return 0;
    }
    for (size_t i = 0; i < tree.n; i++)
        close(tree.proc_fds[i]);
    free(tree.proc_fds);
    return r;
}

bool process_is_in_unit(int proc_fd, const char *unit)
{
    size_t length = strlen(unit);
    char text[16384];

    if (read_proc(proc_fd, "cgroup", text, sizeof(text)) < 0)
        return false;
    for (const char *p = text; (p = strstr(p, unit)); p++) {
        char next = p[length];
        if (p > text && p[-1] == '/' && (next == '\n' || next == '/' || next == '\0'))
            return true;
    }
    return false;
}

/* In how many pid namespaces it is known: a number for each, the outermost first. Return: 0 if that
 * is not told. */
static int count_namespaces(int proc_fd)
{
    static const char name[] = "\nNSpid:";
    char text[8192];
    long outer, inner;

    if (read_proc(proc_fd, "status", text, sizeof(text)) < 0)
        return 0;
    const char *line = strstr(text, name);
    int n = line ? sscanf(line + strlen(name), "%ld %ld", &outer, &inner) : 0;
    return n > 0 ? n : 0;
}

bool process_is_nested(int proc_fd)
{
    return count_namespaces(proc_fd) > 1;
}

bool process_nesting_is_told(void)
{
    CLEANUP(fd_closep) int self = open("/proc/thread-self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return self >= 0 && faccessat(self, "children", R_OK, 0) == 0 && count_namespaces(self) > 0;
}

bool process_has_argument(int proc_fd, const char *argument)
{
    char text[32768] = "";

    if (read_proc(proc_fd, "cmdline", text, sizeof(text)) < 0)
        return false;
    for (const char *p = text; p < text + sizeof(text); p += strlen(p) + 1) {
        if (strcmp(p, argument) == 0)
            return true;
    }
    return false;
}

int process_set_oom_score(int proc_fd, int score)
{
    char text[16];

    int r = read_proc(proc_fd, "oom_score_adj", text, sizeof(text));
    if (r < 0)
        return r;
    if (strtol(text, NULL, 10) == score)
        return 0;
    CLEANUP(fd_closep) int fd = openat(proc_fd, "oom_score_adj", O_WRONLY | O_CLOEXEC);
    return fd < 0 || dprintf(fd, "%d", score) < 0 ? -errno : 1;
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
