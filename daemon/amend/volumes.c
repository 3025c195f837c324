/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Gap 12 of the rktnetes notes, the first half, and the faults that kubelet 1.3 puts into manifests
 * (contract, section 2). When a launch has left here, no two volumes have one name, and each mount
 * of the pod spec is there: at its path, of its volume, as read-only as it should be.
 *
 * A mount with a subPath gets a volume of its own whose source is the volume's root; what is below
 * the root is the pod's, and the way there is for the room `subpath` to go.
 *
 * Without the pod spec the manifest's word is all there is: names are repaired, volumes that must
 * not be written to are known by their sources, and what the kubelet has lost stays lost.
 *
 * Apps see nothing of a volume that nobody mounts, and stage1-fly neither takes a volume that one
 * app mounts twice nor heeds the readOnly of a mount point; hence volumes of their own for mounts
 * that differ, and readOnly in both places.
 */

#include <errno.h>
#include <string.h>

#include "daemon/amend/rooms.h"
#include "daemon/amend/volumes.h"
#include "lib/path.h"

/* A mount as the pod spec wants it. */
struct want {
    size_t app;
    const char *container;
    const struct podspec_mount *mount;
    const char *root; /* NULL: nobody knows it, or the manifest does not grant it */
    bool read_only;
    bool granted_read_only; /* the manifest has it no other way */
    bool is_part;           /* of the volume, by a subPath */
};

/* What there is of it in the manifest: indices, or MANIFEST_NONE. */
struct found {
    size_t mount;
    size_t volume;
    bool is_certain; /* the volume is the one that the kubelet meant */
};

static const char *volume_name(const struct launch *launch, size_t index)
{
    return manifest_volume(launch->manifest, index).name;
}

static size_t volume_of(const struct launch *launch, size_t app, size_t mount)
{
    const char *name = manifest_mount(launch->manifest, app, mount).volume;

    return name ? manifest_find_volume(launch->manifest, name) : MANIFEST_NONE;
}

/* Of several mount points at one path, the one with the volume's own root is meant, or else one
 * that has a volume at all: an image has mount points, too, and they have none. */
static unsigned rank(const struct launch *launch, const struct want *want, size_t mount)
{
    size_t volume = volume_of(launch, want->app, mount);

    if (volume == MANIFEST_NONE)
        return 1;
    const char *source = manifest_volume(launch->manifest, volume).source;
    const char *part = source && want->root ? path_below(source, want->root) : NULL;
    return part && path_equals(part, want->mount->subpath) ? 3 : 2;
}

static bool is_at(const struct launch *launch, const struct want *want, size_t mount)
{
    const char *path = manifest_mount(launch->manifest, want->app, mount).path;

    return path && path_equals(path, want->mount->path);
}

/* Whether the spec has another mount there: "/data" and "/data/" pass Kubernetes' validation. */
static bool is_claimed_twice(const struct launch *launch, const struct want *want)
{
    const struct podspec_container *container = podspec_container(launch->spec, want->container);
    size_t n = 0;

    for (size_t i = 0; i < container->n_mounts; i++)
        n += path_equals(container->mounts[i].path, want->mount->path);
    return n > 1;
}

/* One path, one mount, unless the spec has more: the others would cover it, or be covered. */
static int find_mount(struct launch *launch, const struct want *want, size_t *mountp)
{
    size_t best = MANIFEST_NONE;
    unsigned best_rank = 0;
    int r = 0;

    for (size_t i = 0; i < manifest_n_mounts(launch->manifest, want->app); i++) {
        if (is_at(launch, want, i) && rank(launch, want, i) > best_rank) {
            best = i;
            best_rank = rank(launch, want, i);
        }
    }
    *mountp = best;
    if (is_claimed_twice(launch, want))
        return 0;
    for (size_t i = manifest_n_mounts(launch->manifest, want->app); r == 0 && i-- > 0;) {
        if (i == best || !is_at(launch, want, i))
            continue;
        r = manifest_remove_mount(launch->manifest, want->app, i);
        if (r == 0)
            r = launch_note(launch,
                            "container \"%s\": %s was mounted on twice, volume \"%s\" stays",
                            want->container, want->mount->path, want->mount->volume);
        best -= best != MANIFEST_NONE && i < best;
    }
    *mountp = best;
    return r;
}

static int find(struct launch *launch, const struct want *want, const struct volume_names *doubtful,
                struct found *found)
{
    *found = (struct found){MANIFEST_NONE, MANIFEST_NONE, false};

    int r = find_mount(launch, want, &found->mount);
    if (r < 0 || found->mount == MANIFEST_NONE)
        return r;
    found->volume = volume_of(launch, want->app, found->mount);
    found->is_certain = found->volume != MANIFEST_NONE &&
                        !volume_names_have(doubtful, volume_name(launch, found->volume));
    return 0;
}

static int point_to(struct launch *launch, const struct want *want, const struct found *found,
                    const char *volume)
{
    struct manifest *manifest = launch->manifest;
    int r = 0;

    struct manifest_mount present = manifest_mount(manifest, want->app, found->mount);
    bool read_only = present.read_only;
    if (!present.volume || strcmp(present.volume, volume) != 0)
        r = manifest_set_mount_volume(manifest, want->app, found->mount, volume);
    if (r == 0 && want->read_only && !read_only)
        r = manifest_set_mount_read_only(manifest, want->app, found->mount, true);
    return r;
}

/* Has the mount point name the volume; it is made if the kubelet has lost it. */
static int attach(struct launch *launch, const struct want *want, const struct found *found,
                  const char *volume)
{
    int r = found->mount == MANIFEST_NONE ? manifest_add_mount(launch->manifest, want->app, volume,
                                                               want->mount->path, want->read_only)
                                          : point_to(launch, want, found, volume);

    if (r < 0 || found->volume != MANIFEST_NONE)
        return r;
    return launch_note(launch, "container \"%s\": %s was missing, volume \"%s\"", want->container,
                       want->mount->path, want->mount->volume);
}

/* Mounts a new volume. Return: 0, and its name in *namep, to free(); -ENOMEM. */
static int attach_new(struct launch *launch, const struct want *want, const struct found *found,
                      const char *source, char **namep)
{
    size_t number = 2;
    int r = volume_names_make(namep, launch->manifest, want->mount->volume, &number);

    if (r == 0)
        r = manifest_add_host_volume(launch->manifest, *namep, source, want->read_only);
    return r == 0 ? attach(launch, want, found, *namep) : r;
}

static bool is_shared(const struct launch *launch, size_t volume)
{
    return manifest_n_uses(launch->manifest, volume_name(launch, volume)) > 1;
}

/* The kubelet has mounted the volume, but perhaps it is too easily written to. */
static int protect_mount(struct launch *launch, const struct want *want, const struct found *found)
{
    struct manifest_volume volume = manifest_volume(launch->manifest, found->volume);
    CLEANUP(freep) char *name = NULL;
    int r = 0;

    if (!want->read_only ||
        (volume.read_only && manifest_mount(launch->manifest, want->app, found->mount).read_only))
        return 0;
    if (volume.read_only) {
        r = attach(launch, want, found, volume.name);
    } else if (is_shared(launch, found->volume) && volume.source) {
        r = attach_new(launch, want, found, volume.source, &name);
    } else {
        r = manifest_set_volume_read_only(launch->manifest, found->volume, true);
        if (r == 0)
            r = attach(launch, want, found, volume_name(launch, found->volume));
    }
    return r < 0 ? r
                 : launch_note(launch, "container \"%s\": %s is read-only now, volume \"%s\"",
                               want->container, want->mount->path, want->mount->volume);
}

/* Whether the volume that there is can be had for this mount alone. */
static bool can_be_own(const struct launch *launch, const struct want *want,
                       const struct found *found)
{
    if (found->volume == MANIFEST_NONE || is_shared(launch, found->volume))
        return false;
    struct manifest_volume volume = manifest_volume(launch->manifest, found->volume);
    if (!volume.kind || strcmp(volume.kind, "host") != 0)
        return false;
    return found->is_certain || volume.read_only == want->read_only;
}

static int mount_part(struct launch *launch, const struct want *want, const struct found *found)
{
    CLEANUP(freep) char *name = NULL;
    int r;

    if (can_be_own(launch, want, found)) {
        name = strdup(volume_name(launch, found->volume));
        r = name ? manifest_set_volume_source(launch->manifest, found->volume, want->root)
                 : -ENOMEM;
        if (r == 0 && want->read_only)
            r = manifest_set_volume_read_only(launch->manifest, found->volume, true);
        if (r == 0)
            r = attach(launch, want, found, name);
    } else {
        r = attach_new(launch, want, found, want->root, &name);
    }
    return r == 0 ? launch_add_subpath(launch, name, want->mount->subpath) : r;
}

/* A volume whose source is a root only until the room `subpath` has gone on from there. */
static bool is_for_part(const struct launch *launch, const char *volume)
{
    for (size_t i = 0; i < launch->n_subpaths; i++) {
        if (strcmp(launch->subpaths[i].volume, volume) == 0)
            return true;
    }
    return false;
}

static bool app_mounts(const struct launch *launch, size_t app, const char *volume)
{
    for (size_t i = 0; i < manifest_n_mounts(launch->manifest, app); i++) {
        const char *name = manifest_mount(launch->manifest, app, i).volume;
        if (name && strcmp(name, volume) == 0)
            return true;
    }
    return false;
}

static bool is_whole(const struct launch *launch, const struct want *want, size_t index)
{
    struct manifest_volume volume = manifest_volume(launch->manifest, index);

    return volume.name && volume.kind && strcmp(volume.kind, "host") == 0 && volume.source &&
           path_equals(volume.source, want->root) && volume.read_only == want->read_only &&
           !is_for_part(launch, volume.name);
}

static int mount_whole(struct launch *launch, const struct want *want, const struct found *found)
{
    CLEANUP(freep) char *name = NULL;

    if (found->volume != MANIFEST_NONE && is_whole(launch, want, found->volume))
        return attach(launch, want, found, volume_name(launch, found->volume));
    for (size_t i = 0; i < manifest_n_volumes(launch->manifest); i++) {
        if (is_whole(launch, want, i) && !app_mounts(launch, want->app, volume_name(launch, i)))
            return attach(launch, want, found, volume_name(launch, i));
    }
    return attach_new(launch, want, found, want->root, &name);
}

/* Whether the source is RootDirectory=/pods/UID/volumes/kubernetes.io~PLUGIN/NAME or below that, of
 * a plugin for such volumes. */
static bool source_is_api_data(const struct launch *launch, const char *source)
{
    static const char *const folders[] = {
        "volumes/kubernetes.io~secret",
        "volumes/kubernetes.io~configmap",
        "volumes/kubernetes.io~downward-api",
        "volumes/kubernetes.io~projected",
    };
    const char *rest = path_below(source, launch->config->kubelet.root_dir);
    size_t length;

    rest = rest ? path_below(rest, "pods") : NULL;
    if (!rest || !path_component(&rest, &length))
        return false;
    for (size_t i = 0; i < N_ELEMENTS(folders); i++) {
        const char *name = path_below(rest, folders[i]);
        if (name && path_component(&name, &length))
            return true;
    }
    return false;
}

/* Where a subPath needs no walk of ours: the kubelet has mounted it itself, or nobody but the
 * kubelet writes to the volume. In the latter every key is a symlink of the kubelet's. */
static bool is_safe_as_it_is(const struct launch *launch, const char *source,
                             const struct podspec_mount *mount)
{
    return source_is_kubelets_subpath(launch, source, mount) ||
           (launch->config->volumes.read_only_secrets && source_is_api_data(launch, source));
}

static int see_to_mount(struct launch *launch, struct want *want,
                        const struct volume_names *doubtful)
{
    struct found found;

    int r = find(launch, want, doubtful, &found);
    if (r < 0)
        return r;
    const char *source = found.volume == MANIFEST_NONE
                             ? NULL
                             : manifest_volume(launch->manifest, found.volume).source;
    if (found.is_certain &&
        (!want->is_part || (source && is_safe_as_it_is(launch, source, want->mount))))
        return protect_mount(launch, want, &found);
    if (!want->root)
        return error_set(&launch->error, LAUNCH_E_REFUSED,
                         "container \"%s\": mount %s: volume \"%s\" cannot be found on the host",
                         want->container, want->mount->path, want->mount->volume);
    /* What the kubelet wrote of readOnly is never taken back. */
    if (want->granted_read_only ||
        (found.mount != MANIFEST_NONE &&
         manifest_mount(launch->manifest, want->app, found.mount).read_only))
        want->read_only = true;
    return want->is_part ? mount_part(launch, want, &found) : mount_whole(launch, want, &found);
}

/* Volumes with what the API server has said, which an app could use to have the kubelet delete
 * files of the host's: CVE-2017-1002102. */
static bool is_api_data(const struct launch *launch, const char *volume)
{
    const struct podspec_volume *found = podspec_volume(launch->spec, volume);

    return found &&
           (found->type == PODSPEC_VOLUME_SECRET || found->type == PODSPEC_VOLUME_CONFIG_MAP ||
            found->type == PODSPEC_VOLUME_DOWNWARD_API || found->type == PODSPEC_VOLUME_PROJECTED);
}

static int see_to_mounts(struct launch *launch, const struct volume_roots *roots,
                         const struct volume_names *doubtful)
{
    struct spec_mounts mounts = {.launch = launch};
    const struct podspec_mount *mount;
    int r = 0;

    while (r == 0 && (mount = spec_mounts_next(&mounts))) {
        bool is_protected =
            launch->config->volumes.read_only_secrets && is_api_data(launch, mount->volume);
        struct want want = {
            .app = mounts.app,
            .container = mounts.container->name,
            .mount = mount,
            .read_only = mount->read_only || is_protected,
            .is_part = subpath_is_part(mount->subpath),
        };
        want.root = volume_roots_get(roots, mount, &want.granted_read_only);
        r = see_to_mount(launch, &want, doubtful);
    }
    return r;
}

/* What the repair has left over. It would do no harm, but its source may not exist. */
static int drop_unused(struct launch *launch, const struct volume_names *doubtful)
{
    size_t n = manifest_n_volumes(launch->manifest);
    CLEANUP(freep) bool *unused = calloc(n + 1, sizeof(*unused));

    if (!unused)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const char *name = volume_name(launch, i);
        unused[i] = name && volume_names_have(doubtful, name) &&
                    manifest_n_uses(launch->manifest, name) == 0;
    }
    return manifest_remove_volumes(launch->manifest, unused);
}

/* Return: 0, -ENOMEM; *changedp is set if it was not so. */
static int protect_points(struct launch *launch, const char *volume, bool *changedp)
{
    int r = 0;

    for (size_t app = 0; app < manifest_n_apps(launch->manifest); app++) {
        for (size_t i = 0; r == 0 && i < manifest_n_mounts(launch->manifest, app); i++) {
            struct manifest_mount mount = manifest_mount(launch->manifest, app, i);
            if (mount.read_only || !mount.volume || strcmp(mount.volume, volume) != 0)
                continue;
            *changedp = true;
            r = manifest_set_mount_read_only(launch->manifest, app, i, true);
        }
    }
    return r;
}

static int protect_sources(struct launch *launch)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < manifest_n_volumes(launch->manifest); i++) {
        struct manifest_volume volume = manifest_volume(launch->manifest, i);
        bool changed = !volume.read_only;
        if (!volume.name || !volume.source || !source_is_api_data(launch, volume.source))
            continue;
        if (!volume.read_only)
            r = manifest_set_volume_read_only(launch->manifest, i, true);
        if (r == 0)
            r = protect_points(launch, volume_name(launch, i), &changed);
        if (r == 0 && changed)
            r = launch_note(launch, "volume \"%s\" is read-only now: %s", volume_name(launch, i),
                            manifest_volume(launch->manifest, i).source);
    }
    return r;
}

/* All is compared with all here, and a manifest is as long as its pod's author likes. */
#define AT_ONCE_MAX 64

int amend_volumes(struct launch *launch)
{
    CLEANUP(volume_roots_deinit) struct volume_roots roots = {0};
    CLEANUP(volume_names_deinit) struct volume_names doubtful = {0};
    int r = 0;

    if (!launch->manifest || !launch->is_kubernetes)
        return 0;
    if (!launch->may_wait && manifest_n_volumes(launch->manifest) > AT_ONCE_MAX)
        return LAUNCH_E_WAIT;
    if (launch->spec)
        r = volume_roots_find(&roots, launch);
    if (r == 0)
        r = volume_names_repair(launch, &doubtful);
    if (r == 0 && launch->spec)
        r = see_to_mounts(launch, &roots, &doubtful);
    if (r == 0)
        r = drop_unused(launch, &doubtful);
    if (r == 0 && launch->config->volumes.read_only_secrets)
        r = protect_sources(launch);
    return r;
}
