/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Gap 1 of the rktnetes notes: a host volume whose source does not exist fails the pod, and only
 * after the kubelet has said that it started (contract section 2); Docker makes a folder instead.
 *
 * What exists is left alone, whatever it is and however the path leads there: rkt takes it as it is
 * today. What is missing is made by lib/pathwalk.h, before rkt runs. If one volume of a launch
 * cannot be had, the launch is refused and what it had made for the others is taken back.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "daemon/amend/rooms.h"
#include "daemon/launch.h"
#include "lib/pathwalk.h"

/* Between a launch that makes folders and may yet take them back, and the others that find them
 * there: it is held for writing while making. Nobody waits longer for it than this, for a file
 * system that hangs must not take every launch with it; all that can go wrong then is that a folder
 * goes away once more. */
static pthread_rwlock_t making = PTHREAD_RWLOCK_INITIALIZER;
#define WAIT_SECONDS 1

struct source {
    const char *volume;
    const char *path;
};

/* The host volumes of a launch. The strings are borrowed from it. */
struct sources {
    struct source *list;
    size_t n;
};

static void sources_deinit(struct sources *sources)
{
    free(sources->list);
}

static void add_source(struct sources *sources, const char *volume, const char *kind,
                       const char *path)
{
    if (kind && strcmp(kind, "host") == 0 && path)
        sources->list[sources->n++] = (struct source){.volume = volume ? volume : "", .path = path};
}

/* Return: 0 or -ENOMEM. */
static int find_sources(const struct launch *launch, struct sources *sources)
{
    size_t n_manifest = launch->manifest ? manifest_n_volumes(launch->manifest) : 0;
    const struct rktcmd *cmd = &launch->cmd;

    if (n_manifest + cmd->n_volumes == 0)
        return 0;
    sources->list = calloc(n_manifest + cmd->n_volumes, sizeof(*sources->list));
    if (!sources->list)
        return -ENOMEM;
    for (size_t i = 0; i < n_manifest; i++) {
        struct manifest_volume volume = manifest_volume(launch->manifest, i);
        add_source(sources, volume.name, volume.kind, volume.source);
    }
    for (size_t i = 0; i < cmd->n_volumes; i++)
        add_source(sources, cmd->volumes[i].name, cmd->volumes[i].kind, cmd->volumes[i].source);
    return 0;
}

static bool are_in_cache(const struct sources *sources)
{
    struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_CACHED};

    for (size_t i = 0; i < sources->n; i++) {
        const char *path = sources->list[i].path;
        int fd = path[0] == '/' ? (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how)) : -1;
        if (fd < 0)
            return false;
        close(fd);
    }
    return true;
}

/* Whether the kernel knows that they all exist without asking any file system, which could take its
 * time: openat2(2), Linux 5.12. Most launches need no more than that. While folders are made, what
 * is there may be taken back. */
static bool are_cached(const struct sources *sources)
{
    if (pthread_rwlock_tryrdlock(&making) != 0)
        return false;
    bool cached = are_in_cache(sources);
    pthread_rwlock_unlock(&making);
    return cached;
}

static bool is_missing(const struct source *source)
{
    struct stat st;

    return source->path[0] != '/' || stat(source->path, &st) < 0;
}

static bool are_there(const struct sources *sources)
{
    for (size_t i = 0; i < sources->n; i++) {
        if (is_missing(&sources->list[i]))
            return false;
    }
    return true;
}

/* Create=no. */
static int report(struct launch *launch, const struct sources *sources)
{
    for (size_t i = 0; i < sources->n; i++) {
        const struct source *source = &sources->list[i];
        if (!is_missing(source))
            continue;
        int r = launch_note(launch, "volume \"%s\": %s is missing, and not made (Create=no)",
                            source->volume, source->path);
        if (r < 0)
            return r;
    }
    return 0;
}

static int make_one(struct launch *launch, const struct source *source,
                    const struct pathwalk_rules *rules, struct pathwalk_made *made)
{
    size_t n_before = made->n_folders;

    if (!is_missing(source))
        return 0;
    int r = pathwalk_make(rules, source->path, made, &launch->error);
    if (r == PATHWALK_E_REFUSED)
        return error_wrap(&launch->error, LAUNCH_E_REFUSED, "volume \"%s\": %s", source->volume,
                          source->path);
    if (r < 0 || made->n_folders == n_before)
        return r;
    return launch_note(launch, "made %s (%04o %s) for volume \"%s\"", source->path,
                       (unsigned)rules->mode, launch->config->hostpath.owner, source->volume);
}

/* All or none. */
static int make(struct launch *launch, const struct sources *sources)
{
    const struct config *config = launch->config;
    struct pathwalk_made made = PATHWALK_MADE_NULL;
    int r = 0;

    CLEANUP(fd_closep) int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root_fd < 0)
        return -errno;
    struct pathwalk_rules rules = {
        .root_fd = root_fd,
        .mode = config->hostpath.mode,
        .uid = config->hostpath.uid,
        .gid = config->hostpath.gid,
        .deny = (const char *const *)config->hostpath.deny,
    };
    for (size_t i = 0; r == 0 && i < sources->n; i++)
        r = make_one(launch, &sources->list[i], &rules, &made);
    if (r == 0)
        pathwalk_made_deinit(&made);
    else
        pathwalk_undo(&made);
    return r;
}

static struct timespec wait_until(void)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_SECONDS;
    return until;
}

static int make_missing(struct launch *launch, const struct sources *sources)
{
    struct timespec until = wait_until();
    bool locked = pthread_rwlock_timedrdlock(&making, &until) == 0;
    bool there = are_there(sources);

    if (locked)
        pthread_rwlock_unlock(&making);
    if (there)
        return 0;

    until = wait_until();
    locked = pthread_rwlock_timedwrlock(&making, &until) == 0;
    int r = make(launch, sources);
    if (locked)
        pthread_rwlock_unlock(&making);
    return r;
}

int amend_hostpath(struct launch *launch)
{
    CLEANUP(sources_deinit) struct sources sources = {0};

    int r = find_sources(launch, &sources);
    if (r < 0 || sources.n == 0)
        return r;
    if (!launch->may_wait)
        return are_cached(&sources) ? 0 : LAUNCH_E_WAIT;
    return launch->config->hostpath.create ? make_missing(launch, &sources)
                                           : report(launch, &sources);
}
