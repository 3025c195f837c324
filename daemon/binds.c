/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/binds.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "daemon/process.h"
#include "daemon/rktdir.h"
#include "lib/manifest.h"

#define FOLDER "subpaths"
#define DATA_DIR "rkt"

/* One process asks twice if gantryd ends meanwhile, not often. */
#define ATTEMPTS_MAX 64

static void closedirp(DIR **dirp)
{
    if (*dirp)
        closedir(*dirp);
}

int binds_make(const char *run_dir, pid_t pid, const char *data_dir, char **keyp)
{
    char folder[PATH_MAX], path[PATH_MAX], key[64];
    uint64_t ticks;

    int r = process_start_ticks(pid, &ticks);
    if (r < 0)
        return r;
    snprintf(folder, sizeof(folder), "%s/" FOLDER, run_dir);
    if (mkdir(folder, 0700) < 0 && errno != EEXIST)
        return -errno;
    for (unsigned i = 0;; i++) {
        snprintf(key, sizeof(key), "%d.%" PRIu64 ".%u", (int)pid, ticks, i);
        if ((size_t)snprintf(path, sizeof(path), "%s/%s/" DATA_DIR, folder, key) >= sizeof(path))
            return -ENAMETOOLONG;
        *strrchr(path, '/') = '\0';
        if (mkdir(path, 0700) == 0)
            break;
        if (errno != EEXIST || i == ATTEMPTS_MAX)
            return -errno;
    }
    strcat(path, "/" DATA_DIR);
    if (symlink(data_dir, path) < 0) {
        r = -errno;
        binds_remove(run_dir, key);
        return r;
    }
    *keyp = strdup(key);
    if (!*keyp)
        binds_remove(run_dir, key);
    return *keyp ? 0 : -ENOMEM;
}

/* What something is mounted on has to be a folder if that is one, and only then. A file system is
 * not asked for it again: what something is never changes. */
static int make_target(const char *path, int fd)
{
    struct statx stx;

    if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &stx) < 0)
        return -errno;
    if (S_ISDIR(stx.stx_mode))
        return mkdir(path, 0700) < 0 ? -errno : 0;
    int target_fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (target_fd < 0)
        return -errno;
    close(target_fd);
    return 0;
}

/* By the descriptor: proc(5) leads to what it holds, whatever its path leads to by now. Private,
 * for what is mounted or unmounted here is nobody else's business: in the peer group of the
 * volume's own mount, a lazy umount could take mounts away there. */
static int mount_at(const char *path, int fd)
{
    char source[64];

    snprintf(source, sizeof(source), "/proc/self/fd/%d", fd);
    if (mount(source, path, NULL, MS_BIND, NULL) < 0)
        return -errno;
    if (mount(NULL, path, NULL, MS_PRIVATE, NULL) < 0) {
        int r = -errno;
        umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
        return r;
    }
    return 0;
}

int binds_add(const char *run_dir, const char *key, size_t number, int fd, char **pathp)
{
    CLEANUP(freep) char *path = NULL;

    if (asprintf(&path, "%s/" FOLDER "/%s/%zu", run_dir, key, number) < 0) {
        path = NULL;
        return -ENOMEM;
    }
    int r = make_target(path, fd);
    if (r == 0)
        r = mount_at(path, fd);
    if (r < 0)
        return r;
    *pathp = path;
    path = NULL;
    return 0;
}

/* The target goes only if nothing is mounted on it any more: unlink(2) and rmdir(2) say EBUSY. */
static void remove_mount(int dir_fd, const char *folder, const char *name)
{
    char path[2 * PATH_MAX];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    while (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
        ;
    if (unlinkat(dir_fd, name, 0) < 0)
        unlinkat(dir_fd, name, AT_REMOVEDIR);
}

void binds_remove(const char *run_dir, const char *key)
{
    char folder[PATH_MAX];

    snprintf(folder, sizeof(folder), "%s/" FOLDER "/%s", run_dir, key);
    CLEANUP(closedirp) DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        if (entry->d_name[0] != '.')
            remove_mount(dirfd(dir), folder, entry->d_name);
    }
    rmdir(folder);
}

/* The sweep. */

void binds_deinit(struct binds *binds)
{
    for (size_t i = 0; i < binds->n; i++) {
        free(binds->list[i].key);
        free(binds->list[i].data_dir);
        fd_close(binds->list[i].pidfd);
    }
    free(binds->list);
    *binds = (struct binds){0};
}

/* Return: 0 and a pidfd, or -1 if the process has ended: a zombie has, although it still has a pid,
 * and one has whose pid is a mere thread's by now, which the kernel says EINVAL or ENOENT to.
 * -errno: nobody knows. */
static int open_living(pid_t pid, uint64_t ticks, int *pidfdp)
{
    struct pollfd pollfd = {.fd = process_open(pid, ticks), .events = POLLIN};

    *pidfdp = -1;
    if (pollfd.fd == -ESRCH || pollfd.fd == -ENOENT || pollfd.fd == -EINVAL)
        return 0;
    if (pollfd.fd < 0)
        return pollfd.fd;
    int r = poll(&pollfd, 1, 0);
    if (r == 0) {
        *pidfdp = pollfd.fd;
        return 0;
    }
    r = r < 0 ? -errno : 0;
    fd_close(pollfd.fd);
    return r;
}

/* Return: 0 and the data directory, NULL if there is none yet; -errno. */
static int read_data_dir(int dir_fd, const char *key, char **data_dirp)
{
    char name[NAME_MAX + 8], target[PATH_MAX];

    snprintf(name, sizeof(name), "%s/" DATA_DIR, key);
    ssize_t length = readlinkat(dir_fd, name, target, sizeof(target));
    if (length < 0)
        return errno == ENOENT ? 0 : -errno;
    if ((size_t)length >= sizeof(target))
        return -ENAMETOOLONG;
    *data_dirp = strndup(target, (size_t)length);
    return *data_dirp ? 0 : -ENOMEM;
}

/* What cannot be found out of one folder fails the sweep: a mount may be in use, and nothing is
 * unmounted on a guess. */
static int find_folder(struct binds *binds, int dir_fd, const char *key)
{
    uint64_t ticks;
    int pid;

    if (sscanf(key, "%d.%" SCNu64 ".", &pid, &ticks) != 2)
        return 0;
    struct bind *list = reallocarray(binds->list, binds->n + 1, sizeof(*list));
    if (!list)
        return -ENOMEM;
    binds->list = list;
    struct bind *bind = &list[binds->n++];
    *bind = (struct bind){.key = strdup(key), .pidfd = -1};
    if (!bind->key)
        return -ENOMEM;
    int r = open_living(pid, ticks, &bind->pidfd);
    return r == 0 ? read_data_dir(dir_fd, key, &bind->data_dir) : r;
}

static int find_folders(struct binds *binds, const char *run_dir)
{
    char path[PATH_MAX];
    int r = 0;

    snprintf(path, sizeof(path), "%s/" FOLDER, run_dir);
    CLEANUP(closedirp) DIR *dir = opendir(path);
    if (!dir)
        return errno == ENOENT ? 0 : -errno;
    for (struct dirent *entry; r == 0 && (entry = readdir(dir));)
        r = find_folder(binds, dirfd(dir), entry->d_name);
    return r;
}

/* Which of the folders have a rkt pod that needs them. */
struct search {
    const struct binds *binds;
    const char *data_dir; /* where we look */
    const char *const *ended;
    bool *needed;
    int result; /* -errno: one directory could not be read */
};

static bool has_ended(const struct search *search, const char *uuid)
{
    for (const char *const *ended = search->ended; *ended; ended++) {
        if (strcmp(*ended, uuid) == 0)
            return true;
    }
    return false;
}

static int see_pod(const struct rktdir_pod *pod, void *userdata)
{
    struct search *search = userdata;
    CLEANUP(manifest_freep) struct manifest *manifest = NULL;

    if (pod->has_started && has_ended(search, pod->uuid))
        return 0;
    int r = manifest_parse(&manifest, pod->manifest, pod->length, NULL);
    if (r != 0)
        return r < 0 ? r : 0;
    const char *key = manifest_annotation(manifest, BINDS_ANNOTATION);
    for (size_t i = 0; key && i < search->binds->n; i++) {
        const struct bind *bind = &search->binds->list[i];
        if (strcmp(bind->key, key) == 0 && bind->data_dir &&
            strcmp(bind->data_dir, search->data_dir) == 0)
            search->needed[i] = true;
    }
    return 0;
}

static bool has_data_dir(const struct bind *bind, const char *data_dir)
{
    return bind->data_dir && strcmp(bind->data_dir, data_dir) == 0;
}

/* Looks into one data directory. If it cannot be read, all that it could need is needed. */
static void search_data_dir(struct search *search)
{
    int r = rktdir_for_each(search->data_dir, see_pod, search);

    if (r == 0)
        return;
    search->result = r;
    for (size_t i = 0; i < search->binds->n; i++) {
        if (has_data_dir(&search->binds->list[i], search->data_dir))
            search->needed[i] = true;
    }
}

/* Each data directory once. A folder whose process lives is needed, and is no reason to look. One
 * that names no directory was never handed out. */
static void search_all(struct search *search)
{
    const struct binds *binds = search->binds;

    for (size_t i = 0; i < binds->n; i++) {
        const struct bind *bind = &binds->list[i];
        bool is_new = bind->data_dir && bind->pidfd < 0;
        for (size_t j = 0; is_new && j < i; j++)
            is_new = binds->list[j].pidfd >= 0 || !has_data_dir(&binds->list[j], bind->data_dir);
        search->data_dir = bind->data_dir;
        if (is_new)
            search_data_dir(search);
    }
    for (size_t i = 0; i < binds->n; i++)
        search->needed[i] = search->needed[i] || binds->list[i].pidfd >= 0;
}

static void remove_unneeded(struct binds *binds, const char *run_dir, const bool *needed)
{
    size_t n = 0;

    for (size_t i = 0; i < binds->n; i++) {
        struct bind *bind = &binds->list[i];
        if (needed[i]) {
            binds->list[n++] = *bind;
            continue;
        }
        binds_remove(run_dir, bind->key);
        free(bind->key);
        free(bind->data_dir);
    }
    binds->n = n;
}

int binds_sweep(struct binds *binds, const char *run_dir, const char *const *ended)
{
    /* In this order: when a process is seen to have ended, what it has prepared is there. */
    int r = find_folders(binds, run_dir);
    if (r < 0 || binds->n == 0)
        return r;
    CLEANUP(freep) bool *needed = calloc(binds->n, sizeof(*needed));
    if (!needed)
        return -ENOMEM;
    struct search search = {.binds = binds, .ended = ended, .needed = needed};
    search_all(&search);
    remove_unneeded(binds, run_dir, needed);
    return search.result;
}
