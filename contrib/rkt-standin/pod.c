/* SPDX-License-Identifier: Apache-2.0 */
#include "contrib/rkt-standin/pod.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>

static const char *const stage_names[N_STAGES] = {
    [STAGE_EMBRYO] = "embryo",
    [STAGE_PREPARE] = "prepare",
    [STAGE_PREPARED] = "prepared",
    [STAGE_RUN] = "run",
    [STAGE_EXITED_GARBAGE] = "exited-garbage",
    [STAGE_GARBAGE] = "garbage",
};

static const char *const state_names[N_STAGES][2] = {
    [STAGE_EMBRYO] = {"embryo", "embryo"},
    [STAGE_PREPARE] = {"aborted prepare", "preparing"},
    [STAGE_PREPARED] = {"prepared", "prepared"},
    [STAGE_RUN] = {"exited", "running"},
    [STAGE_EXITED_GARBAGE] = {"exited garbage", "exited deleting"},
    [STAGE_GARBAGE] = {"garbage", "deleting"},
};

const char *pod_state(const struct pod *pod)
{
    return state_names[pod->stage][pod->is_locked];
}

static void stage_path(char path[static PATH_MAX], const char *data_dir, enum stage stage,
                       const char *uuid)
{
    snprintf(path, PATH_MAX, "%s/pods/%s/%s", data_dir, stage_names[stage], uuid);
}

static int make_stages(const char *data_dir)
{
    char path[PATH_MAX];
    int r = dir_make(AT_FDCWD, data_dir, 0755);

    for (enum stage stage = 0; r == 0 && stage < N_STAGES; stage++) {
        stage_path(path, data_dir, stage, "");
        path[strlen(path) - 1] = '\0';
        r = dir_make(AT_FDCWD, path, 0750);
    }
    return r;
}

int pod_open(struct pod *pod)
{
    char path[PATH_MAX];

    stage_path(path, pod->data_dir, pod->stage, pod->uuid);
    pod->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (pod->fd < 0)
        return -errno;
    /* A prepared pod waits for whoever locks it: not even for a moment may that be us. */
    pod->is_locked = pod->stage != STAGE_PREPARED && flock(pod->fd, LOCK_SH | LOCK_NB) < 0;
    if (pod->stage != STAGE_PREPARED)
        flock(pod->fd, LOCK_UN);
    return 0;
}

void pod_deinit(struct pod *pod)
{
    pod->fd = fd_close(pod->fd);
}

static int make_uuid(char uuid[static UUID_SIZE])
{
    CLEANUP(freep) char *text = file_read(AT_FDCWD, "/proc/sys/kernel/random/uuid", NULL);

    if (!text)
        return -errno;
    snprintf(uuid, UUID_SIZE, "%s", text);
    return 0;
}

int pod_new(struct pod *pod, const char *data_dir)
{
    char path[PATH_MAX];

    *pod = (struct pod){.data_dir = data_dir, .stage = STAGE_EMBRYO, .fd = -1};
    int r = make_stages(data_dir);
    if (r == 0)
        r = make_uuid(pod->uuid);
    stage_path(path, data_dir, STAGE_EMBRYO, pod->uuid);
    if (r == 0 && mkdir(path, 0750) < 0)
        r = -errno;
    if (r == 0)
        r = pod_open(pod);
    if (r == 0 && flock(pod->fd, LOCK_EX) < 0)
        r = -errno;
    return r < 0 ? r : pod_move(pod, STAGE_PREPARE);
}

int pod_move(struct pod *pod, enum stage stage)
{
    char from[PATH_MAX], to[PATH_MAX];

    stage_path(from, pod->data_dir, pod->stage, pod->uuid);
    stage_path(to, pod->data_dir, stage, pod->uuid);
    if (rename(from, to) < 0)
        return -errno;
    pod->stage = stage;

    stage_path(to, pod->data_dir, stage, "");
    CLEANUP(fd_closep) int fd = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static bool is_uuid(const char *name)
{
    return strlen(name) == UUID_SIZE - 1 && strspn(name, "0123456789abcdef-") == UUID_SIZE - 1;
}

static int load_stage(struct pods *pods, const char *data_dir, enum stage stage)
{
    char path[PATH_MAX];

    stage_path(path, data_dir, stage, "");
    DIR *dir = opendir(path);
    if (!dir)
        return -errno;
    int r = 0;
    for (struct dirent *entry; r == 0 && (entry = readdir(dir));) {
        if (!is_uuid(entry->d_name))
            continue;
        struct pod *list = reallocarray(pods->list, pods->n + 1, sizeof(*list));
        if (!list) {
            r = -ENOMEM;
            continue;
        }
        pods->list = list;
        list[pods->n] = (struct pod){.data_dir = data_dir, .stage = stage, .fd = -1};
        memcpy(list[pods->n++].uuid, entry->d_name, UUID_SIZE);
    }
    closedir(dir);
    return r;
}

static int by_uuid(const void *a, const void *b)
{
    return strcmp(((const struct pod *)a)->uuid, ((const struct pod *)b)->uuid);
}

int pods_load(struct pods *pods, const char *data_dir, unsigned stages)
{
    *pods = (struct pods){0};
    int r = make_stages(data_dir);
    for (enum stage stage = 0; r == 0 && stage < N_STAGES; stage++) {
        if (stages & 1U << stage)
            r = load_stage(pods, data_dir, stage);
    }
    if (pods->n > 0)
        qsort(pods->list, pods->n, sizeof(*pods->list), by_uuid);
    return r;
}

void pods_deinit(struct pods *pods)
{
    free(pods->list);
    *pods = (struct pods){0};
}

static int find_once(struct pod *pod, const char *data_dir, const char *prefix, struct error *error)
{
    CLEANUP(pods_deinit) struct pods pods = {0};
    size_t n_matches = 0;

    int r = pods_load(&pods, data_dir, STAGES_LISTED);
    if (r < 0)
        return r;
    for (size_t i = 0; i < pods.n; i++) {
        if (strncasecmp(pods.list[i].uuid, prefix, strlen(prefix)) != 0)
            continue;
        /* One that moves meanwhile is seen twice. */
        if (n_matches == 0 || strcmp(pod->uuid, pods.list[i].uuid) != 0)
            n_matches++;
        *pod = pods.list[i];
    }
    if (n_matches == 0)
        return error_set(error, FAILED, "no matches found for \"%s\"", prefix);
    if (n_matches > 1)
        return error_set(error, FAILED, "ambiguous uuid, %zu matches", n_matches);
    return pod_open(pod);
}

int pod_find(struct pod *pod, const char *data_dir, const char *prefix, struct error *error)
{
    *pod = POD_NULL;
    if (prefix[0] == '\0')
        return error_set(error, FAILED, "UUID cannot be empty");

    int r = -ENOENT;
    for (unsigned i = 0; i < 3 && r == -ENOENT; i++)
        r = find_once(pod, data_dir, prefix, error);
    return r;
}

/* Calls `act` for the mounts below a folder, in their order, until it fails. Return: what it said.
 */
static int for_mounts_below(const char *folder, int (*act)(const char *path))
{
    size_t length = strlen(folder);
    FILE *mounts = setmntent("/proc/self/mounts", "re");
    int r = mounts ? 0 : -errno;

    for (struct mntent *entry; r == 0 && (entry = getmntent(mounts));) {
        if (strncmp(entry->mnt_dir, folder, length) == 0 && entry->mnt_dir[length] == '/')
            r = act(entry->mnt_dir);
    }
    if (mounts)
        endmntent(mounts);
    return r;
}

/* EINVAL: another mount covers it; then it was reached from the one that it is mounted in. */
static int make_private(const char *path)
{
    return mount(NULL, path, NULL, MS_REC | MS_PRIVATE, NULL) < 0 && errno != EINVAL ? -errno : 0;
}

/* With all that is mounted below. */
static int detach(const char *path)
{
    return umount2(path, MNT_DETACH) < 0 ? -errno : 1;
}

/* Of the fly-like pods' mounts some are the host's, too: first they must be ours alone. */
static int unmount_below(const char *folder)
{
    int r = for_mounts_below(folder, make_private);

    if (r == 0) {
        do
            r = for_mounts_below(folder, detach);
        while (r > 0);
    }
    return r;
}

int pod_remove(struct pod *pod)
{
    char path[PATH_MAX], real[PATH_MAX];

    stage_path(path, pod->data_dir, pod->stage, pod->uuid);
    if (realpath(path, real)) {
        int r = unmount_below(real);
        if (r < 0)
            return r;
    }
    const char *const argv[] = {"rm", "-rf", "--one-file-system", "--", path, NULL};
    return program_run(argv, NULL) == 0 ? 0 : -EIO;
}

json_t *pod_manifest(const struct pod *pod)
{
    size_t length;
    CLEANUP(freep) char *text = file_read(pod->fd, "pod", &length);

    return text ? json_loadb(text, length, 0, NULL) : NULL;
}

bool pod_is_fly(const struct pod *pod)
{
    CLEANUP(freep) char *tree = file_read(pod->fd, "stage1TreeStoreID", NULL);

    return tree && strcmp(tree, STAGE1_FLY) == 0;
}

const char *pod_stage1(const struct pod *pod, char buffer[static POD_STAGE1_SIZE])
{
    if (faccessat(pod->fd, "overlay-prepared", F_OK, 0) != 0)
        return "stage1/rootfs";
    snprintf(buffer, POD_STAGE1_SIZE, "overlay/%s/upper",
             pod_is_fly(pod) ? STAGE1_FLY : STAGE1_HOST);
    return buffer;
}

pid_t pod_pid(const struct pod *pod, struct timespec *startedp)
{
    static const char *const names[] = {"pid", "ppid"};

    for (size_t i = 0; i < N_ELEMENTS(names); i++) {
        CLEANUP(freep) char *text = file_read(pod->fd, names[i], NULL);
        struct stat st;
        if (!text || fstatat(pod->fd, names[i], &st, 0) < 0)
            continue;
        if (startedp)
            *startedp = st.st_mtim;
        return (pid_t)strtol(text, NULL, 10);
    }
    return 0;
}
