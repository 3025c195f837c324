/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/beneath.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* How often a component is looked for that somebody else makes and removes meanwhile. */
#define ATTEMPTS_MAX 16

struct walk {
    struct error *error;
    char path[PATH_MAX]; /* what counts of it: "a/b"; "" for the root */
    size_t done;         /* that much of it has been walked, or is just now */
    int fd;              /* where the walk is */
    mode_t mode;         /* of what is made */
    bool made;
};

static int refuse(struct walk *walk, const char *reason)
{
    return error_set(walk->error, BENEATH_E_REFUSED, "%.*s: %s", (int)walk->done, walk->path,
                     reason);
}

/* Copies what counts of the path. */
static int clean(struct walk *walk, const char *path)
{
    size_t length = 0;

    if (path[0] == '/')
        return error_set(walk->error, BENEATH_E_REFUSED, "an absolute path");
    if (strlen(path) >= sizeof(walk->path))
        return error_set(walk->error, BENEATH_E_REFUSED, "longer than %zu bytes",
                         sizeof(walk->path) - 1);
    for (size_t n; *path; path += n + strspn(path + n, "/")) {
        n = strcspn(path, "/");
        if (n == 1 && path[0] == '.')
            continue;
        if (n == 2 && path[0] == '.' && path[1] == '.')
            return error_set(walk->error, BENEATH_E_REFUSED, "`..` in it");
        if (length > 0)
            walk->path[length++] = '/';
        memcpy(walk->path + length, path, n);
        length += n;
    }
    walk->path[length] = '\0';
    return 0;
}

/* Return: an fd, or -1 whatever the reason is: the other way tells it better. */
static int open_at_once(int root_fd, const char *path, enum beneath_way way)
{
    struct open_how how = {.flags = O_PATH | O_CLOEXEC,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
                                      (way == BENEATH_CACHED ? RESOLVE_CACHED : 0)};

    return (int)syscall(SYS_openat2, root_fd, path[0] ? path : ".", &how, sizeof(how));
}

static bool is_empty(int dir_fd)
{
    int fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 0);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    size_t n = 0;

    if (!dir) {
        fd_close(fd);
        return false;
    }
    while (readdir(dir))
        n++;
    closedir(dir);
    return n == 2; /* . and .. */
}

/* mkdirat(2) has left the mode to the umask. What stands there now may be another folder than the
 * one that was made: somebody else's is left alone, and one that holds something, so that nobody
 * has us open what was closed. */
static int set_mode(struct walk *walk, const char *name)
{
    struct stat st;

    CLEANUP(fd_closep)
    int fd = openat(walk->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0 || st.st_uid != geteuid() || !is_empty(fd))
        return 0;
    return fchmod(fd, walk->mode) < 0 ? refuse(walk, strerror(errno)) : 0;
}

/* Return: 0, also if somebody else was quicker; BENEATH_E_REFUSED. */
static int make(struct walk *walk, const char *name)
{
    if (mkdirat(walk->fd, name, 0700) < 0)
        return errno == EEXIST ? 0 : refuse(walk, strerror(errno));
    walk->made = true;
    return set_mode(walk, name);
}

/* Return: 0 and an fd of whatever stands there, made if need be; BENEATH_E_REFUSED. */
static int find_or_make(struct walk *walk, const char *name, int *fdp)
{
    for (unsigned i = 0; i < ATTEMPTS_MAX; i++) {
        *fdp = openat(walk->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (*fdp >= 0)
            return 0;
        if (errno != ENOENT)
            return refuse(walk, strerror(errno));
        int r = make(walk, name);
        if (r != 0)
            return r;
    }
    return refuse(walk, "it is being removed meanwhile");
}

/* One component, the last one of walk->done. */
static int step(struct walk *walk, const char *name)
{
    bool is_last = walk->path[walk->done] == '\0';
    struct stat st;
    int fd;

    int r = find_or_make(walk, name, &fd);
    if (r != 0)
        return r;
    fd_close(walk->fd);
    walk->fd = fd;
    if (fstat(fd, &st) < 0)
        return refuse(walk, strerror(errno));
    if (S_ISLNK(st.st_mode))
        return refuse(walk, "a symlink, and none is followed");
    if (!is_last && !S_ISDIR(st.st_mode))
        return refuse(walk, "not a directory");
    return 0;
}

static int walk_by_component(struct walk *walk, int root_fd)
{
    char name[NAME_MAX + 1];
    struct stat st;
    int r = 0;

    walk->fd = fcntl(root_fd, F_DUPFD_CLOEXEC, 0);
    if (walk->fd < 0 || fstat(root_fd, &st) < 0)
        return error_set(walk->error, BENEATH_E_REFUSED, "%s", strerror(errno));
    walk->mode = st.st_mode & 07777;
    for (const char *p = walk->path; r == 0 && *p; p += *p == '/') {
        size_t length = strcspn(p, "/");
        walk->done = (size_t)(p - walk->path) + length;
        if (length > NAME_MAX)
            return refuse(walk, strerror(ENAMETOOLONG));
        memcpy(name, p, length);
        name[length] = '\0';
        r = step(walk, name);
        p += length;
    }
    return r;
}

int beneath_open(int root_fd, const char *path, enum beneath_way way, struct beneath *found,
                 struct error *error)
{
    struct walk walk = {.error = error, .fd = -1};

    int r = clean(&walk, path);
    if (r != 0)
        return r;
    if (way != BENEATH_BY_COMPONENT)
        walk.fd = open_at_once(root_fd, walk.path, way);
    if (walk.fd < 0 && way == BENEATH_CACHED)
        return BENEATH_E_WAIT;
    if (walk.fd < 0) {
        way = BENEATH_BY_COMPONENT;
        r = walk_by_component(&walk, root_fd);
    }
    if (r != 0) {
        fd_close(walk.fd);
        return r;
    }
    *found = (struct beneath){.fd = walk.fd, .made = walk.made, .way = way};
    return 0;
}
