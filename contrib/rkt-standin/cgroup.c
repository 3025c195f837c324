/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The apps' cgroups: system.slice/APP.service below the pod's, as the systemd in rkt's pods makes
 * them. They limit nothing; they tell which process is whose. It is the hierarchy of cgroup v2,
 * which the kernel has even where nobody has mounted it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "contrib/rkt-standin/run.h"

#define MOUNT_POINT "crun/cgroup"

/* Where both versions are mounted, and version 2 has a controller, crun refuses to run: even with
 * cgroups disabled it looks. Mounts are the pod's own here. */
#define HYBRID_MOUNT_POINT "/sys/fs/cgroup/unified"

void cgroup_init(struct run *run)
{
    CLEANUP(freep) char *text = file_read(AT_FDCWD, "/proc/self/cgroup", NULL);
    const char *own = text ? strstr(text, "0::/") : NULL;

    umount2(HYBRID_MOUNT_POINT, MNT_DETACH);
    if (!own)
        return;
    own += strlen("0::/");
    if (dir_make(AT_FDCWD, MOUNT_POINT, 0755) < 0 ||
        mount("cgroup2", MOUNT_POINT, "cgroup2", MS_NOSUID | MS_NODEV, NULL) < 0)
        return;
    if (asprintf(&run->cgroup, MOUNT_POINT "/%.*s/rkt-%s", (int)strcspn(own, "\n"), own,
                 run->pod.uuid) < 0)
        run->cgroup = NULL;
}

/* Return: to free(), NULL without memory or cgroups. */
static char *path_of(const struct run *run, const struct app *app, const char *file)
{
    char *path;

    if (!run->cgroup)
        return NULL;
    return asprintf(&path, "%s/system.slice/%s.service%s", run->cgroup, app->name, file) < 0 ? NULL
                                                                                             : path;
}

int cgroup_enter(const struct run *run, const struct app *app)
{
    CLEANUP(freep) char *folder = path_of(run, app, "");
    CLEANUP(freep) char *procs = path_of(run, app, "/cgroup.procs");

    if (!run->cgroup)
        return 0;
    if (!folder || !procs)
        return -ENOMEM;
    int r = dir_make(AT_FDCWD, folder, 0755);
    return r == 0 ? file_print(AT_FDCWD, procs, 0, "0") : r;
}

void cgroup_remove(const struct run *run)
{
    CLEANUP(freep) char *slice = NULL;

    if (!run->cgroup || asprintf(&slice, "%s/system.slice", run->cgroup) < 0)
        return;
    for (size_t i = 0; i < run->n_apps; i++) {
        CLEANUP(freep) char *folder = path_of(run, &run->apps[i], "");
        if (folder)
            rmdir(folder);
    }
    rmdir(slice);
    rmdir(run->cgroup);
}
