/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The rooms that follow compare lists with lists, whose lengths the pod's author chooses. What is
 * above lib/bounds.h is refused here, before anybody looks at it: a launch that takes too long goes
 * on without its rooms, and so would one whose lists were cut off.
 *
 * The pod spec is measured where it is read (lib/podspec.h). The manifest has what the kubelet made
 * of it, and what the images brought.
 */

#include <limits.h>
#include <string.h>

#include "daemon/amend/rooms.h"
#include "daemon/launch.h"
#include "lib/bounds.h"
#include "lib/path.h"

static int refuse(struct launch *launch, const char *what, size_t n, int bound)
{
    return error_set(&launch->error, LAUNCH_E_REFUSED,
                     "the pod manifest has %zu %s; gantry takes %d", n, what, bound);
}

static int check_mount_points(struct launch *launch)
{
    size_t n_all = 0;

    for (size_t i = 0; i < manifest_n_apps(launch->manifest); i++) {
        const char *container = manifest_app(launch->manifest, i).container;
        size_t n = manifest_n_mounts(launch->manifest, i);
        if (n > BOUND_MOUNT_POINTS)
            return error_set(&launch->error, LAUNCH_E_REFUSED,
                             "container \"%s\" has %zu mountPoints; gantry takes %d",
                             container ? container : "", n, BOUND_MOUNT_POINTS);
        n_all += n;
    }
    return n_all > BOUND_MOUNT_POINTS
               ? refuse(launch, "mountPoints in all", n_all, BOUND_MOUNT_POINTS)
               : 0;
}

/* Folders that are missing are made, one by one. They are counted no further than need be, for the
 * loop waits for it; a path that is longer than the kernel takes is refused where it is used. */
static int check_folders(struct launch *launch)
{
    size_t n = 0;

    for (size_t i = 0; i < manifest_n_volumes(launch->manifest) && n <= BOUND_FOLDERS; i++) {
        const char *source = manifest_volume(launch->manifest, i).source;
        if (source && strlen(source) < PATH_MAX)
            n += path_depth(source);
    }
    return n <= BOUND_FOLDERS
               ? 0
               : error_set(
                     &launch->error, LAUNCH_E_REFUSED,
                     "the pod manifest has more than %d folders in the sources of its volumes",
                     BOUND_FOLDERS);
}

int amend_size(struct launch *launch)
{
    if (launch->is_too_large)
        return LAUNCH_E_REFUSED;
    if (!launch->manifest || !launch->is_kubernetes)
        return 0;
    size_t n_apps = manifest_n_apps(launch->manifest);
    size_t n_volumes = manifest_n_volumes(launch->manifest);
    if (n_apps > BOUND_CONTAINERS)
        return refuse(launch, "apps", n_apps, BOUND_CONTAINERS);
    if (n_volumes > BOUND_MANIFEST_VOLUMES)
        return refuse(launch, "volumes", n_volumes, BOUND_MANIFEST_VOLUMES);
    int r = check_mount_points(launch);
    return r == 0 ? check_folders(launch) : r;
}
