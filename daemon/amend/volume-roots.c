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

/* A volume of the manifest that has a name. */
struct entry {
    const char *name;
    const char *source; /* NULL if it has none */
    size_t index;
};

/* A mount of the spec, with what the manifest has for it. */
struct wanted {
    const struct podspec_mount *mount;
    const struct entry **meant; /* what it can mean, by source */
    size_t n_meant;
    bool is_kubelets; /* one of them says nothing of the root, and asks for none */
    bool needs_root;
};

/* All of them, looked up once: the search goes over them again and again. */
struct search {
    const struct launch *launch;
    struct entry *entries; /* by source */
    size_t n_entries;
    struct wanted *list;
    size_t n;
};

static void search_deinit(struct search *search)
{
    for (size_t i = 0; i < search->n; i++)
        free(search->list[i].meant);
    free(search->list);
    free(search->entries);
}

/* The order of paths by their components. */
static int compare(const char *root, const char *part, const char *path)
{
    const char *a, *b;
    size_t a_length, b_length;

    do {
        a = path_component(&root, &a_length);
        if (!a)
            a = path_component(&part, &a_length);
        b = path_component(&path, &b_length);
        if (!a || !b)
            return (a != NULL) - (b != NULL);
        int order = memcmp(a, b, a_length < b_length ? a_length : b_length);
        if (order != 0)
            return order;
    } while (a_length == b_length);
    return a_length < b_length ? -1 : 1;
}

static int compare_entries(const void *a, const void *b)
{
    const struct entry *left = a, *right = b;

    int order = compare(left->source ? left->source : "", "", right->source ? right->source : "");
    if (order != 0)
        return order;
    return (left->index > right->index) - (left->index < right->index);
}

static int list_entries(struct search *search)
{
    size_t n = manifest_n_volumes(search->launch->manifest);

    search->entries = calloc(n + 1, sizeof(*search->entries));
    if (!search->entries)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        struct manifest_volume volume = manifest_volume(search->launch->manifest, i);
        if (volume.name)
            search->entries[search->n_entries++] = (struct entry){volume.name, volume.source, i};
    }
    qsort(search->entries, search->n_entries, sizeof(*search->entries), compare_entries);
    return 0;
}

/* The volumes that the mount points at a path name. */
struct points {
    const char **names;
    size_t n;
};

static void points_deinit(struct points *points)
{
    free(points->names);
}

static int find_points(struct points *points, const struct manifest *manifest, size_t app,
                       const char *path)
{
    size_t n = manifest_n_mounts(manifest, app);

    points->names = calloc(n + 1, sizeof(*points->names));
    if (!points->names)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        struct manifest_mount point = manifest_mount(manifest, app, i);
        if (point.volume && point.path && path_equals(point.path, path))
            points->names[points->n++] = point.volume;
    }
    return 0;
}

static bool points_have(const struct points *points, const char *name)
{
    for (size_t i = 0; i < points->n; i++) {
        if (strcmp(points->names[i], name) == 0)
            return true;
    }
    return false;
}

/* What a mount can mean, and whether the manifest tells it for certain. */
static int resolve(struct wanted *wanted, const struct search *search, size_t app)
{
    CLEANUP(points_deinit) struct points points = {0};
    const struct podspec_mount *mount = wanted->mount;
    size_t n_told = 0;

    int r = find_points(&points, search->launch->manifest, app, mount->path);
    if (r < 0)
        return r;
    wanted->meant = calloc(search->n_entries + 1, sizeof(*wanted->meant));
    if (!wanted->meant)
        return -ENOMEM;
    for (size_t i = 0; i < search->n_entries; i++) {
        const struct entry *entry = &search->entries[i];
        bool is_told = points_have(&points, entry->name);
        n_told += is_told;
        if (!entry->source || (!is_told && strcmp(entry->name, mount->volume) != 0))
            continue;
        wanted->meant[wanted->n_meant++] = entry;
        if (source_is_kubelets_subpath(search->launch, entry->source, mount))
            wanted->is_kubelets = true;
    }
    wanted->needs_root = points.n != 1 || n_told != 1 || subpath_is_part(mount->subpath);
    return 0;
}

static int list_wanted(struct search *search)
{
    struct spec_mounts mounts = {.launch = search->launch};
    const struct podspec_mount *mount;
    size_t n = 0;
    int r = 0;

    while (spec_mounts_next(&mounts))
        n++;
    search->list = calloc(n + 1, sizeof(*search->list));
    if (!search->list)
        return -ENOMEM;
    mounts = (struct spec_mounts){.launch = search->launch};
    while (r == 0 && (mount = spec_mounts_next(&mounts))) {
        struct wanted *wanted = &search->list[search->n++];
        wanted->mount = mount;
        r = resolve(wanted, search, mounts.app);
    }
    return r;
}

static bool explains(const char *root, const struct wanted *wanted)
{
    size_t begin = 0, end = wanted->n_meant;

    if (wanted->is_kubelets)
        return true;
    while (begin < end) {
        size_t middle = begin + (end - begin) / 2;
        int order = compare(root, wanted->mount->subpath, wanted->meant[middle]->source);
        if (order == 0)
            return true;
        if (order < 0)
            end = middle;
        else
            begin = middle + 1;
    }
    return false;
}

/* The volume's mounts that a root explains. */
static size_t n_explained(const char *root, const struct search *search, const char *volume)
{
    size_t n = 0;

    for (size_t i = 0; i < search->n; i++)
        n += strcmp(search->list[i].mount->volume, volume) == 0 && explains(root, &search->list[i]);
    return n;
}

struct best {
    char *root;
    size_t n_explained;
    size_t turn; /* of those that explain as many, the first is taken: 0 is the spec's */
};

/* Consumes `root`. */
static void consider(struct best *best, char *root, const struct search *search, const char *volume,
                     size_t turn)
{
    size_t n = n_explained(root, search, volume);

    if (n < best->n_explained || n == 0 || (n == best->n_explained && turn >= best->turn)) {
        free(root);
        return;
    }
    free(best->root);
    *best = (struct best){root, n, turn};
}

/* The roots that one mount allows; *anyp is set if there are any. Return: 0 or -ENOMEM. */
static int consider_mount(struct best *best, const struct search *search,
                          const struct wanted *wanted, bool *anyp)
{
    const struct podspec_mount *mount = wanted->mount;

    for (size_t i = 0; i < wanted->n_meant; i++) {
        const char *source = wanted->meant[i]->source;
        if ((i > 0 && compare(source, "", wanted->meant[i - 1]->source) == 0) ||
            source_is_kubelets_subpath(search->launch, source, mount))
            continue;
        size_t length = path_before(source, mount->subpath);
        if (length == PATH_NONE)
            continue;
        char *root = length > 0 ? strndup(source, length) : strdup("/");
        if (!root)
            return -ENOMEM;
        *anyp = true;
        consider(best, root, search, mount->volume, wanted->meant[i]->index + 1);
    }
    return 0;
}

static int find_in_manifest(struct best *best, const struct search *search, const char *volume)
{
    bool any = false;
    int r = 0;

    /* All of a volume's mounts have the same root: the first that allows any will do. */
    for (size_t i = 0; r == 0 && !any && i < search->n; i++) {
        if (strcmp(search->list[i].mount->volume, volume) == 0)
            r = consider_mount(best, search, &search->list[i], &any);
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

static int find_root(struct volume_root *root, const struct search *search)
{
    CLEANUP(freep) char *own = NULL;
    const struct launch *launch = search->launch;
    struct best best = {0};

    int r = find_in_spec(&best.root, launch, root->volume);
    if (r == 0)
        r = find_pods_own(&own, launch, root->volume);
    if (r == 0 && best.root)
        best.n_explained = n_explained(best.root, search, root->volume);
    if (r == 0)
        r = find_in_manifest(&best, search, root->volume);
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
    CLEANUP(search_deinit) struct search search = {.launch = launch};

    int r = keep_grants(roots, launch);
    if (r == 0)
        r = list_entries(&search);
    if (r == 0)
        r = list_wanted(&search);
    if (r == 0) {
        roots->list = calloc(search.n + 1, sizeof(*roots->list));
        r = roots->list ? 0 : -ENOMEM;
    }
    for (size_t i = 0; r == 0 && i < search.n; i++) {
        const char *volume = search.list[i].mount->volume;
        if (!search.list[i].needs_root || known(roots, volume))
            continue;
        struct volume_root *root = &roots->list[roots->n++];
        *root = (struct volume_root){.volume = volume};
        r = find_root(root, &search);
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
