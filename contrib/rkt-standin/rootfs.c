/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "contrib/rkt-standin/run.h"

/* Paths are from the pod's folder: an overlay's options have no room for a comma in --dir. The
 * image's tree is only ever the lower half: no app can change it. */
static int mount_overlay(const struct app *app, const char *tree)
{
    char options[4 * 512], upper[512], work[512], lower[512];

    snprintf(lower, sizeof(lower), "../../../cas/tree/%s/rootfs", tree);
    snprintf(upper, sizeof(upper), "overlay/%s/upper/%s", tree, app->name);
    snprintf(work, sizeof(work), "overlay/%s/work/%s", tree, app->name);
    int r = dir_make(AT_FDCWD, upper, 0755);
    if (r == 0)
        r = dir_make(AT_FDCWD, work, 0755);
    if (r < 0)
        return r;
    snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s,workdir=%s", lower, upper, work);
    if (mount("overlay", app->rootfs, "overlay", 0, options) == 0)
        return 0;
    /* No overlay on this file system: a copy does. */
    strcat(lower, "/.");
    return tree_copy(lower, app->rootfs);
}

int rootfs_make(struct app *app)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "appsinfo/%s/treeStoreID", app->name);
    CLEANUP(freep) char *tree = file_read(AT_FDCWD, path, NULL);
    if (asprintf(&app->rootfs, "stage1/rootfs/opt/stage2/%s/rootfs", app->name) < 0) {
        app->rootfs = NULL;
        return -ENOMEM;
    }
    int r = dir_make(AT_FDCWD, app->rootfs, 0755);
    if (r == 0 && tree)
        r = mount_overlay(app, tree);
    if (r == 0)
        app->root_fd = open(app->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (r == 0 && app->root_fd < 0)
        r = -errno;
    return r;
}
