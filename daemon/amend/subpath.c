/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Gap 12 of the rktnetes notes: volume mounts with a subPath. rkt knows none, so the kubelet joins
 * the two and hands it the path; what is missing there fails the pod, and what a container has made
 * a symlink there shows it the host's files (CVE-2017-1002101, CVE-2021-25741).
 *
 * Here the path is walked by lib/beneath.h, and what it leads to is mounted where no pod can get at
 * it: that mount becomes the source of the volume. The volume's root itself is opened as it is: it
 * is the kubelet's, or a host path, and who may write that into a pod has the host anyway.
 *
 * Whatever goes wrong refuses the launch. It must not go on unamended, with the path as a string.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "daemon/amend/rooms.h"
#include "daemon/binds.h"
#include "daemon/launch.h"
#include "lib/beneath.h"

/* So many are mounted on the loop at most; while they are, no other launch is answered. */
#define AT_ONCE_MAX 16

static int refuse(struct launch *launch, const struct subpath *subpath, const char *reason)
{
    return error_set(&launch->error, LAUNCH_E_REFUSED, "volume \"%s\": subPath %s: %s",
                     subpath->volume, subpath->path, reason);
}

/* The volumes' sources, which become others: of all, before the first one does. */
static int find_roots(struct launch *launch)
{
    for (size_t i = 0; i < launch->n_subpaths; i++) {
        struct subpath *subpath = &launch->subpaths[i];
        size_t index = manifest_find_volume(launch->manifest, subpath->volume);
        const char *source =
            index != MANIFEST_NONE ? manifest_volume(launch->manifest, index).source : NULL;
        if (subpath->root)
            continue;
        if (!source)
            return refuse(launch, subpath, "the volume is none of the host's");
        subpath->root = strdup(source);
        if (!subpath->root)
            return -ENOMEM;
    }
    return 0;
}

/* On the loop only if no file system is to be asked. */
static int open_root(const struct launch *launch, const char *root)
{
    struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_CACHED};

    return launch->may_wait ? open(root, O_PATH | O_DIRECTORY | O_CLOEXEC)
                            : (int)syscall(SYS_openat2, AT_FDCWD, root, &how, sizeof(how));
}

/* rkt lets an app use the device that its volume is (contract section 2), and a volume may have
 * been filled by anybody: only a device of the host's own /dev is one that the pod spec has asked
 * for. What the kernel does not know by heart does not matter: the type of a file never changes. */
static bool is_strange_device(int fd)
{
    struct statx found, dev;

    if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &found) < 0)
        return true;
    if (!S_ISBLK(found.stx_mode) && !S_ISCHR(found.stx_mode))
        return false;
    return statx(AT_FDCWD, "/dev", AT_STATX_DONT_SYNC, STATX_TYPE, &dev) < 0 ||
           found.stx_dev_major != dev.stx_dev_major || found.stx_dev_minor != dev.stx_dev_minor;
}

/* Opens what the app is to see. Return: 0, LAUNCH_E_REFUSED, LAUNCH_E_WAIT. */
static int open_subpath(struct launch *launch, struct subpath *subpath)
{
    CLEANUP(error_deinit) struct error error = ERROR_NULL;
    CLEANUP(fd_closep) int root_fd = open_root(launch, subpath->root);
    struct beneath found;

    if (root_fd < 0 && !launch->may_wait)
        return LAUNCH_E_WAIT;
    if (root_fd < 0)
        return error_set(&launch->error, LAUNCH_E_REFUSED, "volume \"%s\": %s: %s", subpath->volume,
                         subpath->root, strerror(errno));
    int r = beneath_open(root_fd, subpath->path,
                         launch->may_wait ? BENEATH_AT_ONCE : BENEATH_CACHED, &found, &error);
    if (r == BENEATH_E_WAIT)
        return LAUNCH_E_WAIT;
    if (r != 0)
        return refuse(launch, subpath, error_message(&error));
    subpath->fd = found.fd;
    subpath->made = found.made;
    if (is_strange_device(found.fd))
        return refuse(launch, subpath, "a device, and none of /dev");
    return 0;
}

/* Most launches find all that they name, and the kernel knows it: the thread pool would cost them
 * more than the mounts do. */
static int open_all(struct launch *launch)
{
    int r = launch->n_subpaths > AT_ONCE_MAX ? LAUNCH_E_WAIT : 0;

    for (size_t i = 0; r == 0 && i < launch->n_subpaths; i++)
        r = open_subpath(launch, &launch->subpaths[i]);
    return r;
}

/* Has the volume's source be the mount at `path`. */
static int show(struct launch *launch, struct subpath *subpath, const char *path)
{
    size_t index = manifest_find_volume(launch->manifest, subpath->volume);
    int r = launch_note(launch, "volume \"%s\" is %s%s below %s", subpath->volume, subpath->path,
                        subpath->made ? ", which was made," : "", subpath->root);

    subpath->fd = fd_close(subpath->fd);
    subpath->is_mounted = true;
    return r < 0 ? r : manifest_set_volume_source(launch->manifest, index, path);
}

static bool are_same(const struct subpath *a, const struct subpath *b)
{
    return strcmp(a->path, b->path) == 0 && strcmp(a->root, b->root) == 0;
}

/* Mounts one, for all that show the same: a container and its sidecar often do. */
static int mount_one(struct launch *launch, size_t number)
{
    struct subpath *subpath = &launch->subpaths[number];
    CLEANUP(freep) char *path = NULL;

    int r = subpath->fd < 0 ? open_subpath(launch, subpath) : 0;
    if (r != 0)
        return r;
    r = binds_add(launch->run_dir, launch->binds, number, subpath->fd, &path);
    if (r < 0)
        return refuse(launch, subpath, strerror(-r));
    for (size_t i = number; r == 0 && i < launch->n_subpaths; i++) {
        if (!launch->subpaths[i].is_mounted && are_same(&launch->subpaths[i], subpath))
            r = show(launch, &launch->subpaths[i], path);
    }
    return r;
}

static int mount_all(struct launch *launch)
{
    int r = binds_make(launch->run_dir, launch->pid, launch->data_dir, &launch->binds);

    for (size_t i = 0; r == 0 && i < launch->n_subpaths; i++)
        r = launch->subpaths[i].is_mounted ? 0 : mount_one(launch, i);
    return r == 0 ? manifest_set_annotation(launch->manifest, BINDS_ANNOTATION, launch->binds) : r;
}

int amend_subpath(struct launch *launch)
{
    if (launch->n_subpaths == 0)
        return 0;
    int r = find_roots(launch);
    if (r == 0 && !launch->may_wait)
        r = open_all(launch);
    if (r == LAUNCH_E_WAIT)
        return r;
    if (r == 0)
        r = mount_all(launch);
    if (r != 0)
        undo_subpath(launch);
    return r < 0 ? error_set(&launch->error, LAUNCH_E_REFUSED, "subPaths cannot be mounted: %s",
                             strerror(-r))
                 : r;
}

void undo_subpath(struct launch *launch)
{
    if (!launch->binds)
        return;
    binds_remove(launch->run_dir, launch->binds);
    free(launch->binds);
    launch->binds = NULL;
}
