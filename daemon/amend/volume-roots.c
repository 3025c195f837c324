/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The root of a volume is known from the manifest: the source of a mount is the root with the
 * mount's subPath behind it. Which volumes of the manifest can be meant by a mount of the spec:
 *
 *   kubelet 1.9   the one that the mount point at the mount's path names, by a UUID
 *   kubelet 1.3   those with the name that the spec has for it, of which the mount means one
 *
 * In the second case one source alone tells little: of /r/a/x and /r/x the subPaths a/x and x give
 * /r, but so does x of /r/a/x give /r/a. Yet the kubelet has written one for each mount, and all of
 * them begin with the root; so the longest source is that of the longest subPath, and what it has
 * before that is the root. Of several that are as long it is the last in the order of their text,
 * which is that of the subPaths, too.
 *
 * Where the spec says itself where the volume is, and the manifest has it, that is taken. What the
 * manifest knows nothing of is in the kubelet's folder for the pod's volumes of its type, or it is
 * refused.
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
    return path_depth(subpath) > 0;
}

bool source_is_kubelets_subpath(const struct launch *launch, const char *source,
                                const struct podspec_mount *mount)
{
    const char *rest = path_below(source, launch->config->kubelet.root_dir);

    rest = rest ? path_below(rest, "pods") : NULL;
    rest = rest ? path_below(rest, launch->identity.uid) : NULL;
    rest = rest ? path_below(rest, "volume-subpaths") : NULL;
    /* An older kubelet lets ".." lead there; those that have the folder refuse such subPaths. */
    return rest && subpath_is_part(rest) && !path_has_dot_dot(rest) &&
           !path_has_dot_dot(mount->subpath);
}

/* The volumes of the manifest, by index. */
struct volumes {
    char **sources;    /* in the form of path_normal(); NULL: it has none */
    bool *has_twin;    /* another one has its name */
    bool *is_writable; /* some mount point of it says so */
    size_t n;
};

static void volumes_deinit(struct volumes *volumes)
{
    for (size_t i = 0; volumes->sources && i < volumes->n; i++)
        free(volumes->sources[i]);
    free(volumes->sources);
    free(volumes->has_twin);
    free(volumes->is_writable);
}

static int read_volume(struct volumes *volumes, const struct manifest *manifest, size_t index)
{
    struct manifest_volume volume = manifest_volume(manifest, index);
    size_t first = volume.name ? manifest_find_volume(manifest, volume.name) : index;

    if (first != index)
        volumes->has_twin[index] = volumes->has_twin[first] = true;
    volumes->sources[index] = volume.source ? path_normal(volume.source) : NULL;
    return volume.source && !volumes->sources[index] ? -ENOMEM : 0;
}

static void read_points(struct volumes *volumes, const struct manifest *manifest, size_t app)
{
    for (size_t i = 0; i < manifest_n_mounts(manifest, app); i++) {
        struct manifest_mount mount = manifest_mount(manifest, app, i);
        size_t index = mount.volume ? manifest_find_volume(manifest, mount.volume) : MANIFEST_NONE;
        if (index != MANIFEST_NONE && !mount.read_only)
            volumes->is_writable[index] = true;
    }
}

static int read_volumes(struct volumes *volumes, const struct manifest *manifest)
{
    size_t n = volumes->n = manifest_n_volumes(manifest);
    int r = 0;

    volumes->sources = calloc(n + 1, sizeof(*volumes->sources));
    volumes->has_twin = calloc(n + 1, sizeof(*volumes->has_twin));
    volumes->is_writable = calloc(n + 1, sizeof(*volumes->is_writable));
    if (!volumes->sources || !volumes->has_twin || !volumes->is_writable)
        return -ENOMEM;
    for (size_t i = 0; r == 0 && i < n; i++)
        r = read_volume(volumes, manifest, i);
    for (size_t app = 0; r == 0 && app < manifest_n_apps(manifest); app++)
        read_points(volumes, manifest, app);
    return r;
}

/* Grants. */

static int compare_grants(const void *a, const void *b)
{
    const struct volume_grant *left = a, *right = b;
    int order = strcmp(left->source, right->source);

    return order ? order : left->read_only - right->read_only;
}

/* Kubelets that give volumes names of their own write one for each source that a container mounts,
 * as read-only as the first mount of it; of several mount points each has a word of its own. */
static bool is_read_only(const struct launch *launch, const struct volumes *volumes, size_t index)
{
    struct manifest_volume volume = manifest_volume(launch->manifest, index);
    bool is_shared = volume.name && manifest_n_uses(launch->manifest, volume.name) > 1;

    return volume.read_only &&
           !(is_shared && volumes->is_writable[index] && !volumes->has_twin[index] &&
             !podspec_volume(launch->spec, volume.name));
}

/* The room itself changes sources; what counts is what came. */
static int keep_grants(struct volume_roots *roots, const struct launch *launch,
                       const struct volumes *volumes)
{
    roots->grants = calloc(volumes->n + 1, sizeof(*roots->grants));
    if (!roots->grants)
        return -ENOMEM;
    for (size_t i = 0; i < volumes->n; i++) {
        struct manifest_volume volume = manifest_volume(launch->manifest, i);
        if (!volumes->sources[i] || !volume.kind || strcmp(volume.kind, "host") != 0)
            continue;
        char *source = strdup(volumes->sources[i]);
        if (!source)
            return -ENOMEM;
        roots->grants[roots->n_grants++] =
            (struct volume_grant){source, is_read_only(launch, volumes, i)};
    }
    qsort(roots->grants, roots->n_grants, sizeof(*roots->grants), compare_grants);
    return 0;
}

/* Return: what grants that source, as writable as any does; NULL. */
static const struct volume_grant *find_grant(const struct volume_roots *roots, const char *source)
{
    size_t begin = 0, end = roots->n_grants;

    while (begin < end) {
        size_t middle = begin + (end - begin) / 2;
        if (strcmp(roots->grants[middle].source, source) < 0)
            begin = middle + 1;
        else
            end = middle;
    }
    return end < roots->n_grants && strcmp(roots->grants[end].source, source) == 0
               ? &roots->grants[end]
               : NULL;
}

/* Return: root and part as one, in the form of path_normal(), to free(); NULL without memory. */
static char *join(const char *root, const char *part)
{
    CLEANUP(freep) char *text = NULL;

    if (asprintf(&text, "%s/%s", root, part) < 0) {
        text = NULL;
        return NULL;
    }
    return path_normal(text);
}

/* The search. */

static struct volume_root *known(const struct volume_roots *roots, const char *volume)
{
    for (size_t i = 0; i < roots->n; i++) {
        if (strcmp(roots->list[i].volume, volume) == 0)
            return &roots->list[i];
    }
    return NULL;
}

/* The order in which the last one is taken. */
static bool comes_later(const char *path, const char *than)
{
    if (!than || strlen(path) != strlen(than))
        return !than || strlen(path) > strlen(than);
    return strcmp(path, than) > 0;
}

/* An app whose mount points tell of the mounts of its container. */
struct hearing {
    const struct launch *launch;
    const struct volumes *volumes;
    size_t app;
    struct mount_points points;
};

static void hearing_deinit(struct hearing *hearing)
{
    mount_points_deinit(&hearing->points);
}

static const char *name_of(const struct hearing *hearing, const struct mount_point *point)
{
    const char *name = manifest_mount(hearing->launch->manifest, hearing->app, point->index).volume;

    return name ? name : "";
}

/* Of the mount points at a mount's path, one that has the name of its volume is that of kubelet
 * 1.3, and one with the name of another volume of the spec is an image's. */
static bool is_heard(const struct hearing *hearing, const struct podspec_mount *mount,
                     const struct mount_point *list, size_t n, size_t index)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(name_of(hearing, &list[i]), mount->volume) == 0)
            return strcmp(name_of(hearing, &list[index]), mount->volume) == 0;
    }
    return !podspec_volume(hearing->launch->spec, name_of(hearing, &list[index]));
}

/* What they tell of it. */
struct told {
    size_t n;         /* volumes */
    bool is_kubelets; /* one of them says nothing of the root, and asks for none */
};

static struct told hear_points(const struct hearing *hearing, struct volume_root *root,
                               const struct podspec_mount *mount)
{
    const struct volumes *volumes = hearing->volumes;
    struct told told = {0};
    size_t n;

    const struct mount_point *list = mount_points_at(&hearing->points, mount->path, &n);
    for (size_t i = 0; i < n; i++) {
        size_t index = manifest_find_volume(hearing->launch->manifest, name_of(hearing, &list[i]));
        if (index == MANIFEST_NONE || !is_heard(hearing, mount, list, n, i))
            continue;
        const char *source = volumes->sources[index];
        told.n += volumes->has_twin[index] || n > 1 ? 2 : 1;
        if (source && source_is_kubelets_subpath(hearing->launch, source, mount))
            told.is_kubelets = true;
        else if (source && comes_later(source, root->source))
            root->source = source;
    }
    return told;
}

static int hear_mount(const struct hearing *hearing, struct volume_root *root,
                      const struct podspec_mount *mount)
{
    CLEANUP(freep) char *subpath = path_normal(mount->subpath);

    if (!subpath)
        return -ENOMEM;
    struct told told = hear_points(hearing, root, mount);
    if (told.n != 1 || (subpath[0] != '\0' && !told.is_kubelets))
        root->is_needed = true;
    if (told.is_kubelets || !comes_later(subpath, root->subpath))
        return 0;
    free(root->subpath);
    root->subpath = subpath;
    subpath = NULL;
    return 0;
}

static int hear_app(struct volume_roots *roots, const struct launch *launch,
                    const struct volumes *volumes, size_t app)
{
    CLEANUP(hearing_deinit)
    struct hearing hearing = {.launch = launch, .volumes = volumes, .app = app};
    const char *name = manifest_app(launch->manifest, app).container;
    const struct podspec_container *container = name ? podspec_container(launch->spec, name) : NULL;

    int r = mount_points_read(&hearing.points, launch->manifest, app);
    for (size_t i = 0; r == 0 && container && i < container->n_mounts; i++) {
        const struct podspec_mount *mount = &container->mounts[i];
        struct volume_root *root = known(roots, mount->volume);
        if (!root) {
            root = &roots->list[roots->n++];
            root->volume = mount->volume;
        }
        r = hear_mount(&hearing, root, mount);
    }
    return r;
}

/* What the manifest tells of each volume of the spec, by its mount points and by its name. */
static int hear_all(struct volume_roots *roots, const struct launch *launch,
                    const struct volumes *volumes)
{
    struct spec_mounts mounts = {.launch = launch};
    size_t n = 0;
    int r = 0;

    while (spec_mounts_next(&mounts))
        n++;
    roots->list = calloc(n + 1, sizeof(*roots->list));
    if (!roots->list)
        return -ENOMEM;
    for (size_t app = 0; r == 0 && app < manifest_n_apps(launch->manifest); app++)
        r = hear_app(roots, launch, volumes, app);
    for (size_t i = 0; r == 0 && i < volumes->n; i++) {
        const char *name = manifest_volume(launch->manifest, i).name;
        struct volume_root *root = name ? known(roots, name) : NULL;
        if (root && volumes->sources[i] && comes_later(volumes->sources[i], root->source))
            root->source = volumes->sources[i];
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

/* Where the spec says that the volume is: its host path, or the kubelet's folder for a volume of
 * the pod. Return: 0, and a string to free() or NULL; -ENOMEM. */
static int find_in_spec(char **pathp, const struct launch *launch, const char *name)
{
    const struct podspec_volume *volume = podspec_volume(launch->spec, name);
    const char *plugin =
        volume && volume->type < N_ELEMENTS(plugins) ? plugins[volume->type] : NULL;

    *pathp = NULL;
    if (volume && volume->host_path) {
        *pathp = strdup(volume->host_path);
        return *pathp ? 0 : -ENOMEM;
    }
    if (!plugin || !is_component(name))
        return 0;
    if (asprintf(pathp, "%s/pods/%s/volumes/kubernetes.io~%s/%s", launch->config->kubelet.root_dir,
                 launch->identity.uid, plugin, name) >= 0)
        return 0;
    *pathp = NULL;
    return -ENOMEM;
}

/* What stands before the subPath in the source, if that is its end. Return: as find_in_spec(). */
static int find_in_manifest(char **pathp, const struct volume_root *root)
{
    size_t length = root->source ? strlen(root->source) : 0;
    size_t n = root->subpath ? strlen(root->subpath) : 0;

    *pathp = NULL;
    if (!root->source || length < n || strcmp(root->source + length - n, root->subpath) != 0)
        return 0;
    *pathp = length > n ? strndup(root->source, length - n) : strdup("/");
    return *pathp ? 0 : -ENOMEM;
}

/* Return: 0 and whether the manifest has what the root makes of that subPath; -ENOMEM. */
static int is_granted(const struct volume_roots *roots, const char *path,
                      const struct volume_root *root, bool *grantedp)
{
    CLEANUP(freep) char *source = join(path, root->subpath ? root->subpath : "");

    *grantedp = source && find_grant(roots, source);
    return source ? 0 : -ENOMEM;
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

static bool is_pods_own(const struct launch *launch, const struct volume_root *root)
{
    const struct podspec_volume *volume = podspec_volume(launch->spec, root->volume);

    return root->path && volume && !volume->host_path;
}

static int find_root(struct volume_root *root, const struct volume_roots *roots,
                     const struct launch *launch)
{
    bool is_told = false;

    int r = find_in_spec(&root->path, launch, root->volume);
    if (r == 0 && root->path)
        r = is_granted(roots, root->path, root, &is_told);
    if (r < 0)
        return r;
    root->is_pods_own = is_pods_own(launch, root);
    if (is_told)
        return 0;
    CLEANUP(freep) char *path = NULL;
    r = find_in_manifest(&path, root);
    if (r == 0 && path) {
        free(root->path);
        root->path = path;
        path = NULL;
        root->is_pods_own = false;
        return 0;
    }
    if (r == 0 && root->is_pods_own)
        r = check_pods_own(root->path, launch);
    if (r != -ENOENT)
        return r;
    free(root->path);
    root->path = NULL;
    return 0;
}

int volume_roots_find(struct volume_roots *roots, const struct launch *launch)
{
    CLEANUP(volumes_deinit) struct volumes volumes = {0};

    int r = read_volumes(&volumes, launch->manifest);
    if (r == 0)
        r = keep_grants(roots, launch, &volumes);
    if (r == 0)
        r = hear_all(roots, launch, &volumes);
    for (size_t i = 0; r == 0 && i < roots->n; i++) {
        if (roots->list[i].is_needed)
            r = find_root(&roots->list[i], roots, launch);
        roots->list[i].source = NULL;
    }
    return r;
}

void volume_roots_deinit(struct volume_roots *roots)
{
    for (size_t i = 0; i < roots->n; i++) {
        free(roots->list[i].path);
        free(roots->list[i].subpath);
    }
    free(roots->list);
    for (size_t i = 0; i < roots->n_grants; i++)
        free(roots->grants[i].source);
    free(roots->grants);
}

int volume_roots_get(const struct volume_roots *roots, const struct podspec_mount *mount,
                     struct volume_place *place)
{
    const struct volume_root *root = known(roots, mount->volume);

    *place = (struct volume_place){0};
    if (!root || !root->path)
        return 0;
    place->source = join(root->path, mount->subpath);
    if (!place->source)
        return -ENOMEM;
    const struct volume_grant *grant = find_grant(roots, place->source);
    place->read_only = grant && grant->read_only;
    place->root = grant || root->is_pods_own ? root->path : NULL;
    return 0;
}
