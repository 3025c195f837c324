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
#include <string.h>

#include "daemon/amend/rooms.h"
#include "daemon/binds.h"
#include "daemon/launch.h"
#include "lib/beneath.h"

static int refuse(struct launch *launch, const struct subpath *subpath, const char *reason)
{
    return error_set(&launch->error, LAUNCH_E_REFUSED, "volume \"%s\": subPath %s: %s",
                     subpath->volume, subpath->path, reason);
}

/* Opens what the app is to see. Return: 0 and *found, LAUNCH_E_REFUSED. */
static int open_subpath(struct launch *launch, const struct subpath *subpath, const char *root,
                        struct beneath *found)
{
    CLEANUP(error_deinit) struct error error = ERROR_NULL;
    CLEANUP(fd_closep) int root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (root_fd < 0)
        return error_set(&launch->error, LAUNCH_E_REFUSED, "volume \"%s\": %s: %s", subpath->volume,
                         root, strerror(errno));
    if (beneath_open(root_fd, subpath->path, BENEATH_AT_ONCE, found, &error) != 0)
        return refuse(launch, subpath, error_message(&error));
    return 0;
}

static int mount_one(struct launch *launch, size_t number)
{
    const struct subpath *subpath = &launch->subpaths[number];
    size_t index = manifest_find_volume(launch->manifest, subpath->volume);
    CLEANUP(fd_closep) int fd = -1;
    CLEANUP(freep) char *path = NULL;
    struct beneath found;

    const char *root =
        index != MANIFEST_NONE ? manifest_volume(launch->manifest, index).source : NULL;
    if (!root)
        return refuse(launch, subpath, "the volume is none of the host's");
    int r = open_subpath(launch, subpath, root, &found);
    if (r != 0)
        return r;
    fd = found.fd;
    r = binds_add(launch->run_dir, launch->binds, number, fd, &path);
    if (r < 0)
        return refuse(launch, subpath, strerror(-r));
    r = launch_note(launch, "volume \"%s\" is %s%s below %s", subpath->volume, subpath->path,
                    found.made ? ", which was made," : "", root);
    return r < 0 ? r : manifest_set_volume_source(launch->manifest, index, path);
}

static int mount_all(struct launch *launch)
{
    int r = binds_make(launch->run_dir, launch->pid, launch->data_dir, &launch->binds);

    for (size_t i = 0; r == 0 && i < launch->n_subpaths; i++)
        r = mount_one(launch, i);
    return r == 0 ? manifest_set_annotation(launch->manifest, BINDS_ANNOTATION, launch->binds) : r;
}

int amend_subpath(struct launch *launch)
{
    if (launch->n_subpaths == 0)
        return 0;
    if (!launch->may_wait)
        return LAUNCH_E_WAIT;
    int r = mount_all(launch);
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
