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
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "daemon/amend/rooms.h"
#include "daemon/launch.h"
#include "lib/pathwalk.h"

/* Between a launch that makes folders and may yet take them back, and the others that find them
 * there. Held for writing while making. Nobody waits longer than this: a file system that hangs
 * must not take every launch with it, and all that can go wrong then is a folder that goes away
 * once more. */
static pthread_rwlock_t making = PTHREAD_RWLOCK_INITIALIZER;
#define WAIT_SECONDS 1

static struct timespec wait_until(void)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_SECONDS;
    return until;
}

static bool is_missing(const char *source)
{
    struct stat st;

    return stat(source, &st) < 0;
}

/* Calls `visit` for each host volume of the launch until one returns something else than 0. */
static int for_each_source(struct launch *launch, void *userdata,
                           int (*visit)(struct launch *launch, const char *name, const char *source,
                                        void *userdata))
{
    size_t n_volumes = launch->manifest ? manifest_n_volumes(launch->manifest) : 0;

    for (size_t i = 0; i < n_volumes; i++) {
        struct manifest_volume volume = manifest_volume(launch->manifest, i);
        if (!volume.kind || strcmp(volume.kind, "host") != 0 || !volume.source)
            continue;
        int r = visit(launch, volume.name ? volume.name : "", volume.source, userdata);
        if (r != 0)
            return r;
    }
    for (size_t i = 0; i < launch->cmd.n_volumes; i++) {
        const struct rktcmd_volume *volume = &launch->cmd.volumes[i];
        if (!volume->kind || strcmp(volume->kind, "host") != 0 || !volume->source)
            continue;
        int r = visit(launch, volume->name, volume->source, userdata);
        if (r != 0)
            return r;
    }
    return 0;
}

enum {
    SOURCE_MISSING = 1,
};

static int find_missing(struct launch *launch, const char *name, const char *source, void *userdata)
{
    (void)launch;
    (void)name;
    (void)userdata;
    return is_missing(source) ? SOURCE_MISSING : 0;
}

static int report_missing(struct launch *launch, const char *name, const char *source,
                          void *userdata)
{
    (void)userdata;
    if (!is_missing(source))
        return 0;
    return launch_note(launch, "volume \"%s\": %s is missing, and not made (Create=no)", name,
                       source);
}

struct making {
    struct pathwalk_rules rules;
    struct pathwalk_made made;
};

static int make_source(struct launch *launch, const char *name, const char *source, void *userdata)
{
    struct making *job = userdata;
    size_t n_before = job->made.n_folders;

    if (!is_missing(source))
        return 0;
    int r = pathwalk_make(&job->rules, source, &job->made, &launch->error);
    if (r == PATHWALK_E_REFUSED)
        return error_wrap(&launch->error, LAUNCH_E_REFUSED, "volume \"%s\": %s", name, source);
    if (r < 0 || job->made.n_folders == n_before)
        return r;
    return launch_note(launch, "made %s (%04o %s) for volume \"%s\"", source,
                       (unsigned)job->rules.mode, launch->config->hostpath.owner, name);
}

static int make_missing(struct launch *launch)
{
    const struct config *config = launch->config;
    struct making job = {
        .rules =
            {
                .mode = config->hostpath.mode,
                .uid = config->hostpath.uid,
                .gid = config->hostpath.gid,
                .deny = (const char *const *)config->hostpath.deny,
            },
        .made = PATHWALK_MADE_NULL,
    };

    CLEANUP(fd_closep) int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root_fd < 0)
        return -errno;
    job.rules.root_fd = root_fd;

    struct timespec until = wait_until();
    bool locked = pthread_rwlock_timedwrlock(&making, &until) == 0;
    int r = for_each_source(launch, &job, make_source);
    if (r == 0)
        pathwalk_made_deinit(&job.made);
    else
        pathwalk_undo(&job.made);
    if (locked)
        pthread_rwlock_unlock(&making);
    return r;
}

int amend_hostpath(struct launch *launch)
{
    if (!launch->config->hostpath.create)
        return for_each_source(launch, NULL, report_missing);

    struct timespec until = wait_until();
    bool locked = pthread_rwlock_timedrdlock(&making, &until) == 0;
    int missing = for_each_source(launch, NULL, find_missing);
    if (locked)
        pthread_rwlock_unlock(&making);
    return missing == SOURCE_MISSING ? make_missing(launch) : 0;
}
