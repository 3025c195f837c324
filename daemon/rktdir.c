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

#include "lib/varlink.h"

/* What holds a number, a name or nothing. */
#define WORD_MAX 256

/* So many entries of a folder that apps may have filled are looked at. */
#define ENTRIES_MAX 1024

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

/* Reads a whole file. Return: 0 and text to free(), ended by a NUL that does not count; -EFBIG if
 * it has more than `max` bytes; -errno. */
static int read_whole(int fd, size_t max, char **textp, size_t *lengthp)
{
    size_t length = 0, size = 4096;

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
        if (length > max)
            return -EFBIG;
        if (length + 1 < size)
            continue;
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

/* Opens a file, and nothing else: to open a device or a FIFO may already do something.
 * Return: an fd, -EINVAL for what is no file, -errno. */
static int open_file(int dir_fd, const char *name)
{
    CLEANUP(fd_closep) int found = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    char path[64];
    struct stat st;

    if (found < 0 || fstat(found, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", found);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* Return: as open_file() and read_whole(). */
static int read_file(int dir_fd, const char *name, size_t max, char **textp, size_t *lengthp)
{
    CLEANUP(fd_closep) int fd = open_file(dir_fd, name);

    return fd < 0 ? fd : read_whole(fd, max, textp, lengthp);
}

static int read_number(int dir_fd, const char *name, long *numberp)
{
    CLEANUP(freep) char *text = NULL;

    int r = read_file(dir_fd, name, WORD_MAX, &text, NULL);
    if (r < 0)
        return r;
    char *end;
    errno = 0;
    *numberp = strtol(text, &end, 10);
    return end == text || errno ? -EINVAL : 0;
}

/* Return: as rktdir_read_manifest(). */
static int read_manifest(int pod_fd, char **textp, size_t *lengthp)
{
    int r = read_file(pod_fd, "pod", VARLINK_MANIFEST_MAX, textp, lengthp);

    if (r == -ENOENT)
        return RKTDIR_E_NOT_FOUND;
    return r == -EINVAL || r == -EFBIG ? RKTDIR_E_NO_MANIFEST : r;
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

enum rktdir_process rktdir_process(const char *data_dir, const char *uuid, pid_t *pidp)
{
    CLEANUP(fd_closep) int fd = open_pod(data_dir, uuid);
    enum rktdir_process process = RKTDIR_PROCESS_UNKNOWN;
    long number;

    if (fd >= 0 && read_number(fd, "ppid", &number) == 0)
        process = RKTDIR_PROCESS_HAS_APPS;
    else if (fd >= 0 && read_number(fd, "pid", &number) == 0)
        process = RKTDIR_PROCESS_IS_APP;
    if (pidp)
        *pidp = process == RKTDIR_PROCESS_UNKNOWN ? 0 : (pid_t)number;
    return process;
}

int rktdir_read_manifest(const char *data_dir, const char *uuid, char **textp, size_t *lengthp)
{
    CLEANUP(fd_closep) int fd = open_pod(data_dir, uuid);
    if (fd < 0)
        return fd == -ENOENT ? RKTDIR_E_NOT_FOUND : fd;
    return read_manifest(fd, textp, lengthp);
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

bool rktdir_is_running(const char *data_dir, const char *uuid)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/pods/run/%s", data_dir, uuid);
    CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && is_locked(fd);
}

/* Return: 0, also if it is gone, or no pod at all; what visit returned; -errno. */
static int visit_one(int stage_fd, const char *uuid, bool has_started, rktdir_visit_fn *visit,
                     void *userdata)
{
    CLEANUP(fd_closep)
    int fd = openat(stage_fd, uuid, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    CLEANUP(freep) char *text = NULL;
    size_t length = 0;

    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : -errno;
    int r = read_manifest(fd, &text, &length);
    if (r < 0 || r == RKTDIR_E_NOT_FOUND)
        return r < 0 ? r : 0;
    struct rktdir_pod pod = {
        .uuid = uuid,
        .has_started = has_started,
        .is_running = has_started && is_locked(fd),
        .manifest = text ? text : "",
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

/* Opens a folder below another one, through no symlink. Return: an fd or -errno. */
static int open_below(int dir_fd, char *path)
{
    int fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 0);

    for (char *name; fd >= 0 && (name = strsep(&path, "/"));) {
        int next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        close(fd);
        fd = next;
    }
    return fd;
}

/* Opens the folder of status files: in the stage1's root, or in its overlay's upper half. */
static DIR *open_status(int pod_fd)
{
    CLEANUP(freep) char *tree = NULL;
    char path[PATH_MAX] = "stage1/rootfs/rkt/status";

    if (faccessat(pod_fd, "overlay-prepared", F_OK, 0) == 0) {
        if (read_file(pod_fd, "stage1TreeStoreID", WORD_MAX, &tree, NULL) < 0)
            return NULL;
        tree[strcspn(tree, "\n")] = '\0';
        snprintf(path, sizeof(path), "overlay/%s/upper/rkt/status", tree);
    }
    int fd = open_below(pod_fd, path);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir)
        fd_close(fd);
    return dir;
}

/* Return: true for what appc lets an app be named. */
static bool is_app(const char *name)
{
    return name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-")] == '\0';
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
    struct dirent *entry;
    int r = 0;
    for (unsigned n = 0; r == 0 && n < ENTRIES_MAX && dir && (entry = readdir(dir)); n++) {
        if (is_app(entry->d_name))
            r = add_exit(exits, dirfd(dir), entry->d_name);
    }
    return r;
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
