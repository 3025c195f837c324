/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The root of a volume is known from the manifest: the source of a mount is the root with the
 * mount's subPath behind it. Which volumes of the manifest can be meant by a mount of the spec:
 *
 *   kubelet 1.9   the one that the mount point at the mount's path names, by a UUID
 *   kubelet 1.3   those with the name that the spec has for it, of which the mount means one
 *
 * In the second case a root can be guessed wrong (of /r/a/x and /r/x the subPaths a/x and x give
 * /r, but so does x of /r/a/x give /r/a). So the one is taken that explains most of the volume's
 * mounts, the one that the spec itself tells first.
 *
 * What the manifest knows nothing of is in the kubelet's folder for the pod's volumes of its type,
 * or it is refused.
 *
 * The manifest comes from the kubelet by root's own hands, the pod spec from a port that anyone may
 * hold while the kubelet does not. So the spec explains and only the manifest grants: what is
 * mounted is the source of a volume that the manifest has, and it is writable only if that is.
 * Kubelet 1.3 loses mounts, but it writes the volumes of all of them.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/amend/volumes.h"
#include "lib/path.h"

const struct podspec_mount *spec_mounts_next(struct spec_mounts *mounts)
{
    const struct launch *launch = mounts->launch;

    while (mounts->app < manifest_n_apps(launch->manifest)) {
        const char *container = manifest_app(launch->manifest, mounts->app).container;
        mounts->container = container ? podspec_container(launch->spec, container) : NULL;
        if (mounts->container && mounts->n_visited < mounts->container->n_mounts)
            return &mounts->container->mounts[mounts->n_visited++];
        mounts->app++;
        mounts->n_visited = 0;
    }
    return NULL;
}

bool subpath_is_part(const char *subpath)
{
    size_t length;

    return path_component(&subpath, &length) != NULL;
}

static bool has_dot_dot(const char *path)
{
    const char *name;
    size_t length;

    while ((name = path_component(&path, &length))) {
        if (length == 2 && memcmp(name, "..", 2) == 0)
            return true;
    }
    return false;
}

bool source_is_kubelets_subpath(const struct launch *launch, const char *source,
                                const struct podspec_mount *mount)
{
    const char *rest = path_below(source, launch->config->kubelet.root_dir);

    rest = rest ? path_below(rest, "pods") : NULL;
    rest = rest ? path_below(rest, launch->identity.uid) : NULL;
    rest = rest ? path_below(rest, "volume-subpaths") : NULL;
    /* An older kubelet lets ".." lead there; those that have the folder refuse such subPaths. */
    return rest && subpath_is_part(rest) && !has_dot_dot(rest) && !has_dot_dot(mount->subpath);
}

static bool is_mounted_at(const struct manifest *manifest, size_t app, const char *volume,
                          const char *path)
{
    for (size_t i = 0; i < manifest_n_mounts(manifest, app); i++) {
        struct manifest_mount mount = manifest_mount(manifest, app, i);
        if (mount.volume && mount.path && strcmp(mount.volume, volume) == 0 &&
            path_equals(mount.path, path))
            return true;
    }
    return false;
}

/* Whether the volume of the manifest can be what a mount of the spec means. Return: its source, or
 * NULL. */
static const char *meant_source(const struct manifest *manifest, size_t index, size_t app,
                                const struct podspec_mount *mount)
{
    struct manifest_volume volume = manifest_volume(manifest, index);

    if (!volume.name || !volume.source)
        return NULL;
    if (strcmp(volume.name, mount->volume) != 0 &&
        !is_mounted_at(manifest, app, volume.name, mount->path))
        return NULL;
    return volume.source;
}

static bool explains(const char *root, const struct launch *launch, size_t app,
                     const struct podspec_mount *mount)
{
    const struct manifest *manifest = launch->manifest;

    for (size_t i = 0; i < manifest_n_volumes(manifest); i++) {
        const char *source = meant_source(manifest, i, app, mount);
        const char *part = source ? path_below(source, root) : NULL;
        if (part && path_equals(part, mount->subpath))
            return true;
        /* It says nothing of the root, and asks for none. */
        if (source && source_is_kubelets_subpath(launch, source, mount))
            return true;
    }
    return false;
}

/* The volume's mounts that a root explains. */
static size_t n_explained(const char *root, const struct launch *launch, const char *volume)
{
    struct spec_mounts mounts = {.launch = launch};
    const struct podspec_mount *mount;
    size_t n = 0;

    while ((mount = spec_mounts_next(&mounts)))
        n += strcmp(mount->volume, volume) == 0 && explains(root, launch, mounts.app, mount);
    return n;
}

struct best {
    char *root;
    size_t n_explained;
};

/* Consumes `root`. */
static void consider(struct best *best, char *root, const struct launch *launch, const char *volume)
{
    size_t n = n_explained(root, launch, volume);

    if (n <= best->n_explained) {
        free(root);
        return;
    }
    free(best->root);
    *best = (struct best){root, n};
}

/* The roots that one mount allows; *anyp is set if there are any. Return: 0 or -ENOMEM. */
static int consider_mount(struct best *best, const struct launch *launch, size_t app,
                          const struct podspec_mount *mount, bool *anyp)
{
    for (size_t i = 0; i < manifest_n_volumes(launch->manifest); i++) {
        const char *source = meant_source(launch->manifest, i, app, mount);
        if (!source || source_is_kubelets_subpath(launch, source, mount))
            continue;
        size_t length = path_before(source, mount->subpath);
        if (length == PATH_NONE)
            continue;
        char *root = length > 0 ? strndup(source, length) : strdup("/");
        if (!root)
            return -ENOMEM;
        *anyp = true;
        consider(best, root, launch, mount->volume);
    }
    return 0;
}

static int find_in_manifest(struct best *best, const struct launch *launch, const char *volume)
{
    struct spec_mounts mounts = {.launch = launch};
    const struct podspec_mount *mount;
    bool any = false;
    int r = 0;

    /* All of a volume's mounts have the same root: the first that allows any will do. */
    while (r == 0 && !any && (mount = spec_mounts_next(&mounts))) {
        if (strcmp(mount->volume, volume) == 0)
            r = consider_mount(best, launch, mounts.app, mount, &any);
    }
    return r;
}

static const char *const plugins[] = {
    [PODSPEC_VOLUME_EMPTY_DIR] = "empty-dir",  [PODSPEC_VOLUME_SECRET] = "secret",
    [PODSPEC_VOLUME_CONFIG_MAP] = "configmap", [PODSPEC_VOLUME_DOWNWARD_API] = "downward-api",
    [PODSPEC_VOLUME_PROJECTED] = "projected",
};

/* A name that is no component would lead out of the pod's folder. */
static bool is_component(const char *name)
{
    return name[0] != '\0' && !strchr(name, '/') && strcmp(name, ".") != 0 &&
           strcmp(name, "..") != 0;
}

/* The kubelet's folder for a volume of the pod. Return: 0, and a string to free() or NULL; -ENOMEM.
 */
static int find_pods_own(char **pathp, const struct launch *launch, const char *name)
{
    const struct podspec_volume *volume = podspec_volume(launch->spec, name);
    const char *plugin =
        volume && volume->type < N_ELEMENTS(plugins) ? plugins[volume->type] : NULL;

    *pathp = NULL;
    if (!plugin || !is_component(name))
        return 0;
    if (asprintf(pathp, "%s/pods/%s/volumes/kubernetes.io~%s/%s", launch->config->kubelet.root_dir,
                 launch->identity.uid, plugin, name) < 0) {
        *pathp = NULL;
        return -ENOMEM;
    }
    return 0;
}

/* What the spec says first, before anything explains more. Return: as find_pods_own(). */
static int find_in_spec(char **pathp, const struct launch *launch, const char *name)
{
    const struct podspec_volume *volume = podspec_volume(launch->spec, name);

    if (!volume || !volume->host_path)
        return find_pods_own(pathp, launch, name);
    *pathp = strdup(volume->host_path);
    return *pathp ? 0 : -ENOMEM;
}

/* Whether a folder of the pod's own is there, of which the manifest knows nothing. Return: 0,
 * -ENOENT, LAUNCH_E_WAIT. */
static int check_pods_own(const char *path, const struct launch *launch)
{
    struct stat st;

    if (!launch->may_wait)
        return LAUNCH_E_WAIT;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? 0 : -ENOENT;
}

static int find_root(struct volume_root *root, const struct launch *launch)
{
    CLEANUP(freep) char *own = NULL;
    struct best best = {0};

    int r = find_in_spec(&best.root, launch, root->volume);
    if (r == 0)
        r = find_pods_own(&own, launch, root->volume);
    if (r == 0 && best.root)
        best.n_explained = n_explained(best.root, launch, root->volume);
    if (r == 0)
        r = find_in_manifest(&best, launch, root->volume);
    root->path = best.root;
    root->is_pods_own = root->path && own && path_equals(root->path, own);
    if (r == 0 && root->is_pods_own && best.n_explained == 0)
        r = check_pods_own(root->path, launch);
    if (r != -ENOENT)
        return r;
    free(root->path);
    root->path = NULL;
    return 0;
}

/* The room itself changes sources; what counts is what came. */
static int keep_grants(struct volume_roots *roots, const struct launch *launch)
{
    size_t n = manifest_n_volumes(launch->manifest);

    roots->grants = calloc(n + 1, sizeof(*roots->grants));
    if (!roots->grants)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        struct manifest_volume volume = manifest_volume(launch->manifest, i);
        if (!volume.source || !volume.kind || strcmp(volume.kind, "host") != 0)
            continue;
        char *source = strdup(volume.source);
        if (!source)
            return -ENOMEM;
        roots->grants[roots->n_grants++] = (struct volume_grant){source, volume.read_only};
    }
    return 0;
}

static const struct volume_root *known(const struct volume_roots *roots, const char *volume)
{
    for (size_t i = 0; i < roots->n; i++) {
        if (strcmp(roots->list[i].volume, volume) == 0)
            return &roots->list[i];
    }
    return NULL;
}

int volume_roots_find(struct volume_roots *roots, const struct launch *launch)
{
    struct spec_mounts mounts = {.launch = launch};
    const struct podspec_mount *mount;
    int r = keep_grants(roots, launch);

    while (r == 0 && (mount = spec_mounts_next(&mounts))) {
        if (known(roots, mount->volume))
            continue;
        struct volume_root *list = reallocarray(roots->list, roots->n + 1, sizeof(*list));
        if (!list)
            return -ENOMEM;
        roots->list = list;
        struct volume_root *root = &list[roots->n++];
        *root = (struct volume_root){.volume = mount->volume};
        r = find_root(root, launch);
    }
    return r;
}

void volume_roots_deinit(struct volume_roots *roots)
{
    for (size_t i = 0; i < roots->n; i++)
        free(roots->list[i].path);
    free(roots->list);
    for (size_t i = 0; i < roots->n_grants; i++)
        free(roots->grants[i].source);
    free(roots->grants);
}

const char *volume_roots_get(const struct volume_roots *roots, const struct podspec_mount *mount,
                             bool *read_onlyp)
{
    const struct volume_root *root = known(roots, mount->volume);
    bool is_granted = false, is_writable = false;

    if (!root || !root->path)
        return NULL;
    for (size_t i = 0; i < roots->n_grants && !is_writable; i++) {
        const char *part = path_below(roots->grants[i].source, root->path);
        if (!part || !path_equals(part, mount->subpath))
            continue;
        is_granted = true;
        is_writable = !roots->grants[i].read_only;
    }
    if (is_granted && !is_writable)
        *read_onlyp = true;
    return is_granted || root->is_pods_own ? root->path : NULL;
}
