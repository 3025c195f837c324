/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/rktdir.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

/* rkt's own limit is memory; a manifest is some kilobytes. */
#define FILE_MAX_BYTES ((size_t)4 << 20)

const char *const rktdir_stages[RKTDIR_N_STAGES + 1] = {
    "embryo", "prepare", "prepared", "run", "exited-garbage", "garbage", NULL,
};

static void closedirp(DIR **dirp)
{
    if (*dirp)
        closedir(*dirp);
}

/* Opens a pod's folder, wherever it stands now. Return: an fd or -errno; -ENOENT if it is in none.
 * It is looked for twice, for it may move from a stage not yet looked at to one already passed. */
static int open_pod(const char *data_dir, const char *uuid)
{
    char path[PATH_MAX];

    for (unsigned i = 0; i < 2; i++) {
        for (const char *const *stage = rktdir_stages; *stage; stage++) {
            snprintf(path, sizeof(path), "%s/pods/%s/%s", data_dir, *stage, uuid);
            int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            if (fd >= 0)
                return fd;
            if (errno != ENOENT && errno != ENOTDIR)
                return -errno;
        }
    }
    return -ENOENT;
}

static DIR *open_stage(const char *data_dir, const char *stage)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/pods/%s", data_dir, stage);
    return opendir(path);
}

/* Reads a whole file. Return: 0 and text to free(), ended by a NUL that does not count; -errno. */
static int read_file(int dir_fd, const char *name, char **textp, size_t *lengthp)
{
    CLEANUP(fd_closep)
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    size_t length = 0, size = 4096;

    if (fd < 0)
        return -errno;
    CLEANUP(freep) char *text = malloc(size);
    if (!text)
        return -ENOMEM;
    for (;;) {
        ssize_t n = read(fd, text + length, size - length - 1);
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        length += (size_t)n;
        if (length + 1 < size)
            continue;
        if (size >= FILE_MAX_BYTES)
            return -EFBIG;
        size *= 2;
        char *grown = realloc(text, size);
        if (!grown)
            return -ENOMEM;
        text = grown;
    }
    text[length] = '\0';
    *textp = text;
    text = NULL;
    if (lengthp)
        *lengthp = length;
    return 0;
}

static int read_number(int dir_fd, const char *name, long *numberp)
{
    CLEANUP(freep) char *text = NULL;

    int r = read_file(dir_fd, name, &text, NULL);
    if (r < 0)
        return r;
    char *end;
    errno = 0;
    *numberp = strtol(text, &end, 10);
    return end == text || errno ? -EINVAL : 0;
}

static bool is_uuid(const char *name)
{
    return strlen(name) == RKT_UUID_SIZE - 1 &&
           strspn(name, "0123456789abcdef-") == RKT_UUID_SIZE - 1;
}

int rktdir_resolve(const char *data_dir, const char *prefix, char uuid[static RKT_UUID_SIZE])
{
    size_t length = strlen(prefix);
    bool found = false;

    if (length == 0 || length >= RKT_UUID_SIZE)
        return RKTDIR_E_NOT_FOUND;
    for (const char *const *stage = rktdir_stages; *stage; stage++) {
        CLEANUP(closedirp) DIR *dir = open_stage(data_dir, *stage);
        if (!dir && errno != ENOENT)
            return -errno;
        for (struct dirent *entry; dir && (entry = readdir(dir));) {
            if (!is_uuid(entry->d_name) || strncasecmp(entry->d_name, prefix, length) != 0)
                continue;
            /* The same one again has moved on meanwhile. */
            if (found && strcmp(uuid, entry->d_name) != 0)
                return RKTDIR_E_AMBIGUOUS;
            memcpy(uuid, entry->d_name, RKT_UUID_SIZE);
            found = true;
        }
    }
    return found ? 0 : RKTDIR_E_NOT_FOUND;
}

/* Whether the pod's process is `pid`: fly writes it to pid, the nspawn stage1s write it to ppid. */
static bool has_pid(int dir_fd, const char *uuid, pid_t pid)
{
    CLEANUP(fd_closep) int fd = openat(dir_fd, uuid, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    long number;

    return fd >= 0 && ((read_number(fd, "pid", &number) == 0 && number == pid) ||
                       (read_number(fd, "ppid", &number) == 0 && number == pid));
}

int rktdir_resolve_pid(const char *data_dir, pid_t pid, char uuid[static RKT_UUID_SIZE])
{
    CLEANUP(closedirp) DIR *dir = open_stage(data_dir, "run");

    if (!dir)
        return errno == ENOENT ? RKTDIR_E_NOT_FOUND : -errno;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (is_uuid(entry->d_name) && has_pid(dirfd(dir), entry->d_name, pid)) {
            memcpy(uuid, entry->d_name, RKT_UUID_SIZE);
            return 0;
        }
    }
    return RKTDIR_E_NOT_FOUND;
}

enum rktdir_process rktdir_process(const char *data_dir, const char *uuid)
{
    CLEANUP(fd_closep) int fd = open_pod(data_dir, uuid);
    long number;

    if (fd >= 0 && read_number(fd, "ppid", &number) == 0)
        return RKTDIR_PROCESS_HAS_APPS;
    if (fd >= 0 && read_number(fd, "pid", &number) == 0)
        return RKTDIR_PROCESS_IS_APP;
    return RKTDIR_PROCESS_UNKNOWN;
}

int rktdir_read_manifest(const char *data_dir, const char *uuid, char **textp, size_t *lengthp)
{
    CLEANUP(fd_closep) int fd = open_pod(data_dir, uuid);
    if (fd < 0)
        return fd == -ENOENT ? RKTDIR_E_NOT_FOUND : fd;

    int r = read_file(fd, "pod", textp, lengthp);
    return r == -ENOENT ? RKTDIR_E_NOT_FOUND : r;
}

bool rktdir_exists(const char *data_dir, const char *uuid)
{
    CLEANUP(fd_closep) int fd = open_pod(data_dir, uuid);

    return fd != -ENOENT;
}

/* rkt holds a lock on the folder of a pod that runs, and asks for it as we do here. Never to be
 * asked of a prepared one: not even for a moment may we stand in the way of who starts it. */
static bool is_locked(int pod_fd)
{
    return flock(pod_fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

/* Return: 0, also if it is gone; what visit returned; -errno. */
static int visit_one(int stage_fd, const char *uuid, bool has_started, rktdir_visit_fn *visit,
                     void *userdata)
{
    CLEANUP(fd_closep) int fd = openat(stage_fd, uuid, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLEANUP(freep) char *text = NULL;
    size_t length;

    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    int r = read_file(fd, "pod", &text, &length);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    struct rktdir_pod pod = {
        .uuid = uuid,
        .has_started = has_started,
        .is_running = has_started && is_locked(fd),
        .manifest = text,
        .length = length,
    };
    return visit(&pod, userdata);
}

static int visit_stage(const char *data_dir, const char *stage, bool has_started,
                       rktdir_visit_fn *visit, void *userdata)
{
    CLEANUP(closedirp) DIR *dir = open_stage(data_dir, stage);
    int r = 0;

    if (!dir)
        return errno == ENOENT ? 0 : -errno;
    for (struct dirent *entry; r == 0 && (errno = 0, entry = readdir(dir));) {
        if (is_uuid(entry->d_name))
            r = visit_one(dirfd(dir), entry->d_name, has_started, visit, userdata);
    }
    return r != 0 ? r : -errno;
}

int rktdir_for_each(const char *data_dir, rktdir_visit_fn *visit, void *userdata)
{
    /* In the order of a pod's life: one that moves on is met where it goes. */
    int r = visit_stage(data_dir, "prepared", false, visit, userdata);

    return r != 0 ? r : visit_stage(data_dir, "run", true, visit, userdata);
}

/* Opens the folder of status files: in the stage1's root, or in its overlay's upper half. */
static DIR *open_status(int pod_fd)
{
    CLEANUP(freep) char *tree = NULL;
    char path[PATH_MAX] = "stage1/rootfs/rkt/status";

    if (faccessat(pod_fd, "overlay-prepared", F_OK, 0) == 0) {
        if (read_file(pod_fd, "stage1TreeStoreID", &tree, NULL) < 0)
            return NULL;
        tree[strcspn(tree, "\n")] = '\0';
        snprintf(path, sizeof(path), "overlay/%s/upper/rkt/status", tree);
    }
    int fd = openat(pod_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir)
        fd_close(fd);
    return dir;
}

static int add_exit(struct rktdir_exits *exits, int dir_fd, const char *app)
{
    struct stat st;
    long status;

    /* What is no number is no status, whatever it is. */
    if (read_number(dir_fd, app, &status) < 0 || status < 0 || status > INT_MAX ||
        fstatat(dir_fd, app, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;

    struct rktdir_exit *list = reallocarray(exits->list, exits->n + 1, sizeof(*list));
    if (!list)
        return -ENOMEM;
    exits->list = list;
    list[exits->n] = (struct rktdir_exit){
        .app = strdup(app), .status = (int)status, .at = wall_from_timespec(&st.st_mtim)};
    return list[exits->n].app ? (exits->n++, 0) : -ENOMEM;
}

int rktdir_read_exits(const char *data_dir, const char *uuid, struct rktdir_exits *exits)
{
    CLEANUP(fd_closep) int fd = open_pod(data_dir, uuid);
    if (fd < 0)
        return fd == -ENOENT ? RKTDIR_E_NOT_FOUND : fd;

    CLEANUP(closedirp) DIR *dir = open_status(fd);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        if (entry->d_name[0] == '.')
            continue;
        int r = add_exit(exits, dirfd(dir), entry->d_name);
        if (r < 0)
            return r;
    }
    return 0;
}

void rktdir_exits_deinit(struct rktdir_exits *exits)
{
    for (size_t i = 0; i < exits->n; i++)
        free(exits->list[i].app);
    free(exits->list);
    *exits = (struct rktdir_exits){0};
}

const struct rktdir_exit *rktdir_exits_decisive(const struct rktdir_exits *exits)
{
    const struct rktdir_exit *first_failed = NULL, *last = NULL;

    for (size_t i = 0; i < exits->n; i++) {
        const struct rktdir_exit *exit = &exits->list[i];
        if (exit->status != 0 && (!first_failed || exit->at.usec < first_failed->at.usec))
            first_failed = exit;
        if (!last || exit->at.usec > last->at.usec)
            last = exit;
    }
    return first_failed ? first_failed : last;
}
