/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the three files of the room `volumes` share.
 */

#include "daemon/launch.h"

/* One after the other, the mounts of the pod spec whose containers are apps of the manifest.
 * Begins as {.launch = launch}. */
struct spec_mounts {
    const struct launch *launch;
    const struct podspec_container *container; /* the one whose mounts are visited */
    size_t app;                                /* its index in the manifest */
    size_t n_visited;                          /* of its mounts */
};

/* Return: the next one, NULL after the last. */
const struct podspec_mount *spec_mounts_next(struct spec_mounts *mounts);

/* Whether the subPath names anything but the volume itself. */
bool subpath_is_part(const char *subpath);

/* Whether the kubelet itself sees to the subPath of a mount with that source (1.7.14, 1.8.9, 1.9.4
 * and later do): then the source lies in the folder that the kubelet has for the subPaths of this
 * pod. The name of the folder alone says nothing, for a subPath is the pod author's to write. */
bool source_is_kubelets_subpath(const struct launch *launch, const char *source,
                                const struct podspec_mount *mount);

/* Where on the host the volumes of the pod spec are, and what of it the manifest grants. */
struct volume_roots {
    struct volume_root {
        const char *volume; /* the spec's name of it, borrowed */
        char *path;         /* NULL: it cannot be found */
        bool is_pods_own;   /* the kubelet's folder for this volume of this pod */
    } * list;
    size_t n;
    struct volume_grant {
        char *source; /* of a volume of the manifest, as the kubelet wrote it */
        bool read_only;
    } * grants;
    size_t n_grants;
};

/* Finds the roots of the volumes that the apps mount, but for mounts that the manifest has for
 * certain and whole, which never use theirs. To be called before the manifest is edited. Return: 0;
 * LAUNCH_E_WAIT if it has to look for folders; -ENOMEM. */
int volume_roots_find(struct volume_roots *roots, const struct launch *launch);
void volume_roots_deinit(struct volume_roots *roots);
/* Looks up the root of a mount's volume, which the mount may only have if the manifest grants what
 * is mounted: it has a volume with the very source that root and subPath make, or the root is a
 * folder of the pod's own. *read_onlyp is set if no such volume is writable, else left. Return:
 * borrowed, or NULL. */
const char *volume_roots_get(const struct volume_roots *roots, const struct podspec_mount *mount,
                             bool *read_onlyp);

/* Names of volumes, owned. */
struct volume_names {
    char **list;
    size_t n;
};

/* Gives each volume of the manifest a name of its own. The names that stood for several, and those
 * that were given in their place, are added to `doubtful`: which mount point was meant to have
 * which of them, the manifest alone does not tell for certain. Return: 0 or -ENOMEM. */
int volume_names_repair(struct launch *launch, struct volume_names *doubtful);
void volume_names_deinit(struct volume_names *names);
bool volume_names_have(const struct volume_names *names, const char *name);

/* Makes a name that no volume has: "NAME-2", if *numberp is 2; it is set to what to try next.
 * Return: 0 and a string to free(), or -ENOMEM. */
int volume_names_make(char **namep, const struct manifest *manifest, const char *name,
                      size_t *numberp);
