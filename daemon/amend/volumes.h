/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the files of the room `volumes` share.
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

/* The mount points of an app, by their paths. The kubelet writes the path of a mount as the spec
 * has it, "/a/../b" and "//b" too, and knows it again by its text; kubelets before 1.8 leave a
 * relative one relative. */
struct mount_points {
    struct mount_point {
        const char *path; /* "" if it is missing; borrowed */
        size_t index;     /* in the manifest */
        bool is_taken;    /* by a mount of the spec */
    } * list;
    size_t n;
};

/* Return: 0 or -ENOMEM; mount_points_deinit() is due in each case. */
int mount_points_read(struct mount_points *points, const struct manifest *manifest, size_t app);
void mount_points_deinit(struct mount_points *points);
/* Return: the first of those at that very path, `*np` of them; borrowed. */
struct mount_point *mount_points_at(const struct mount_points *points, const char *path,
                                    size_t *np);

/* Where on the host the volumes of the pod spec are, and what of it the manifest grants. */
struct volume_roots {
    struct volume_root {
        const char *volume; /* the spec's name of it, borrowed */
        char *path;         /* NULL: it cannot be found, or nobody needs it */
        bool is_pods_own;   /* the kubelet's folder for this volume of this pod */

        /* What its mounts tell: of the sources that they can mean and of the subPaths, in the form
         * of path_normal(), those that come last in the order of the search. */
        const char *source; /* NULL: none */
        char *subpath;
        bool is_needed;
    } * list;
    size_t n;
    struct volume_grant {
        char *source; /* of a volume of the manifest, in the form of path_normal() */
        bool read_only;
    } * grants;
    size_t n_grants;
};

/* Finds the roots of the volumes that the apps mount, but for mounts that the manifest has for
 * certain and whole, which never use theirs. To be called before the manifest is edited. Return: 0;
 * LAUNCH_E_WAIT if it has to look for folders; -ENOMEM. */
int volume_roots_find(struct volume_roots *roots, const struct launch *launch);
void volume_roots_deinit(struct volume_roots *roots);

/* What a mount of the spec may have. It may only have what the manifest grants: it has a volume
 * with the very source that root and subPath make, or the root is a folder of the pod's own. */
struct volume_place {
    const char *root; /* borrowed; NULL: it may have nothing */
    char *source;     /* what root and subPath make, in the form of path_normal(); owned */
    bool read_only;   /* the manifest grants no more */
};

/* Return: 0 or -ENOMEM. */
int volume_roots_get(const struct volume_roots *roots, const struct podspec_mount *mount,
                     struct volume_place *place);

/* Gives each volume of the manifest a name of its own. The names that stood for several, and those
 * that were given in their place, become members of `doubtful`, a JSON object: which mount point
 * was meant to have which of them, the manifest alone does not tell for certain.
 * Return: 0 or -ENOMEM. */
int volume_names_repair(struct launch *launch, json_t *doubtful);

/* Makes a name that no volume has: "NAME-2", if *numberp is 2; it is set to what to try next.
 * Return: 0 and a string to free(), or -ENOMEM. */
int volume_names_make(char **namep, const struct manifest *manifest, const char *name,
                      size_t *numberp);

/* An image has mount points of its own, with names that its maker chose. One that goes by the name
 * of a volume of the spec would be given that volume by rkt, and by kubelet 1.3 as it is: root and
 * subPath as one string. It gets a name that no volume has, and is an empty volume, as the image
 * means it. Return: 0 or -ENOMEM. */
int volume_mounts_part_images(struct launch *launch);

/* Sees that each mount of the pod spec is there. Names of volumes that nobody mounts any more are
 * added to `doubtful`. Return: 0, LAUNCH_E_REFUSED, -ENOMEM. */
int volume_mounts_restore(struct launch *launch, const struct volume_roots *roots,
                          json_t *doubtful);

/* Whether the source is RootDirectory=/pods/UID/volumes/kubernetes.io~PLUGIN/NAME or below that, of
 * a plugin for what the API server has said. */
bool source_is_api_data(const struct launch *launch, const char *source);
