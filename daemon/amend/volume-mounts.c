/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The mounts of the pod spec, app by app. Each is looked for at its very path, and is given its
 * volume if it has not got it; what else leads to the same place is taken away, for it would cover
 * the mount, or be covered.
 *
 * A mount with a subPath gets a volume of its own whose source is the volume's root; what is below
 * the root is the pod's, and the way there is for the room `subpath` to go. No mount point is left
 * that has root and subPath as one string.
 *
 * stage1-fly neither takes a volume that one app mounts twice nor heeds the readOnly of a mount
 * point, and the other stage1s do not heed it where the volume has one; hence volumes of their own
 * for mounts that differ, and readOnly in both places.
 */

#include <errno.h>
#include <string.h>

#include "daemon/amend/volumes.h"
#include "lib/path.h"

/* Mount points by their paths. */

/* The kubelet may have left a relative path as it was. */
static const char *text_of(const char *path)
{
    return path + (path[0] == '/');
}

static int compare_points(const void *a, const void *b)
{
    const struct mount_point *left = a, *right = b;
    int order = strcmp(text_of(left->path), text_of(right->path));

    return order ? order : (left->index > right->index) - (left->index < right->index);
}

int mount_points_read(struct mount_points *points, const struct manifest *manifest, size_t app)
{
    size_t n = manifest_n_mounts(manifest, app);

    points->list = calloc(n + 1, sizeof(*points->list));
    if (!points->list)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const char *path = manifest_mount(manifest, app, i).path;
        points->list[points->n++] = (struct mount_point){.path = path ? path : "", .index = i};
    }
    qsort(points->list, n, sizeof(*points->list), compare_points);
    return 0;
}

void mount_points_deinit(struct mount_points *points)
{
    free(points->list);
}

struct mount_point *mount_points_at(const struct mount_points *points, const char *path, size_t *np)
{
    size_t begin = 0, end = points->n;

    while (begin < end) {
        size_t middle = begin + (end - begin) / 2;
        if (strcmp(text_of(points->list[middle].path), text_of(path)) < 0)
            begin = middle + 1;
        else
            end = middle;
    }
    while (end < points->n && strcmp(text_of(points->list[end].path), text_of(path)) == 0)
        end++;
    *np = end - begin;
    return &points->list[begin];
}

/* Whether the kubelet can have written the mount point for a mount of the container. */
static bool is_of_container(const struct podspec_container *container, const char *path,
                            const char *volume)
{
    for (size_t i = 0; i < container->n_mounts; i++) {
        const struct podspec_mount *mount = &container->mounts[i];
        if (strcmp(mount->volume, volume) == 0 && strcmp(text_of(mount->path), text_of(path)) == 0)
            return true;
    }
    return false;
}

static int part_image(struct launch *launch, size_t app, const struct podspec_container *container,
                      size_t *numberp)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < manifest_n_mounts(launch->manifest, app); i++) {
        struct manifest_mount point = manifest_mount(launch->manifest, app, i);
        CLEANUP(freep) char *made = NULL;
        if (!point.volume || !podspec_volume(launch->spec, point.volume) ||
            is_of_container(container, point.path ? point.path : "", point.volume))
            continue;
        r = launch_note(launch, "container \"%s\": %s is the image's, and not of volume \"%s\"",
                        container->name, point.path ? point.path : "", point.volume);
        if (r == 0)
            r = volume_names_make(&made, launch->manifest, point.volume, numberp);
        if (r == 0)
            r = manifest_set_mount_volume(launch->manifest, app, i, made);
    }
    return r;
}

int volume_mounts_part_images(struct launch *launch)
{
    size_t number = 2;
    int r = 0;

    for (size_t app = 0; r == 0 && app < manifest_n_apps(launch->manifest); app++) {
        const char *name = manifest_app(launch->manifest, app).container;
        const struct podspec_container *container =
            name ? podspec_container(launch->spec, name) : NULL;
        if (container)
            r = part_image(launch, app, container, &number);
    }
    return r;
}

/* A mount as the pod spec wants it. */
struct want {
    const struct podspec_mount *mount;
    char *where; /* its path, with ".." resolved */
    struct volume_place place;
    bool read_only;
    bool is_part;   /* of the volume, by a subPath */
    bool is_walked; /* by us: the room `subpath` sees to it */
};

/* An app whose mounts are seen to. */
struct sight {
    struct launch *launch;
    const struct volume_roots *roots;
    json_t *doubtful;
    size_t *numberp; /* what the next name of a volume ends with */

    size_t app;
    const struct podspec_container *container;
    struct mount_points points; /* as they came */
    struct want *wants;
    size_t n_wants;
};

static void sight_deinit(struct sight *sight)
{
    mount_points_deinit(&sight->points);
    for (size_t i = 0; i < sight->n_wants; i++) {
        free(sight->wants[i].where);
        free(sight->wants[i].place.source);
    }
    free(sight->wants);
}

/* What there is of a mount in the manifest: indices, or MANIFEST_NONE. */
struct found {
    size_t mount;
    size_t volume;
    bool is_certain; /* the volume is the one that the kubelet meant */
};

static const char *volume_name(const struct launch *launch, size_t index)
{
    return manifest_volume(launch->manifest, index).name;
}

static size_t volume_of(const struct sight *sight, size_t mount)
{
    const char *name = manifest_mount(sight->launch->manifest, sight->app, mount).volume;

    return name ? manifest_find_volume(sight->launch->manifest, name) : MANIFEST_NONE;
}

/* Of several mount points at one path, the one with the very source is meant, or else one that has
 * a volume at all: an image has mount points, too, and they have none. */
static unsigned rank(const struct sight *sight, const struct want *want, size_t mount)
{
    size_t volume = volume_of(sight, mount);

    if (volume == MANIFEST_NONE)
        return 1;
    const char *source = manifest_volume(sight->launch->manifest, volume).source;
    return source && want->place.source && path_equals(source, want->place.source) ? 3 : 2;
}

static struct found find(struct sight *sight, const struct want *want)
{
    struct found found = {MANIFEST_NONE, MANIFEST_NONE, false};
    struct mount_point *best = NULL;
    unsigned best_rank = 0;
    size_t n;

    struct mount_point *list = mount_points_at(&sight->points, want->mount->path, &n);
    for (size_t i = 0; i < n; i++) {
        unsigned this_rank = list[i].is_taken ? 0 : rank(sight, want, list[i].index);
        if (this_rank > best_rank) {
            best = &list[i];
            best_rank = this_rank;
        }
    }
    if (!best)
        return found;
    best->is_taken = true;
    found.mount = best->index;
    found.volume = volume_of(sight, found.mount);
    found.is_certain = found.volume != MANIFEST_NONE &&
                       !json_object_get(sight->doubtful, volume_name(sight->launch, found.volume));
    return found;
}

static int note(const struct sight *sight, const struct want *want, const char *what)
{
    return launch_note(sight->launch, "container \"%s\": %s %s, volume \"%s\"",
                       sight->container->name, want->mount->path, what, want->mount->volume);
}

/* A volume that nobody mounts any more is left over. */
static int change_volume(const struct sight *sight, size_t mount, const char *before,
                         const char *volume)
{
    struct manifest *manifest = sight->launch->manifest;

    if (before && strcmp(before, volume) == 0)
        return 0;
    if (before && manifest_n_uses(manifest, before) == 1 &&
        json_object_set_new(sight->doubtful, before, json_true()) < 0)
        return -ENOMEM;
    return manifest_set_mount_volume(manifest, sight->app, mount, volume);
}

static int point_to(const struct sight *sight, const struct want *want, const struct found *found,
                    const char *volume)
{
    struct manifest *manifest = sight->launch->manifest;

    struct manifest_mount present = manifest_mount(manifest, sight->app, found->mount);
    bool read_only = present.read_only;
    int r = change_volume(sight, found->mount, present.volume, volume);
    if (r == 0 && want->read_only && !read_only)
        r = manifest_set_mount_read_only(manifest, sight->app, found->mount, true);
    return r;
}

/* Has the mount point name the volume; it is made if the kubelet has lost it. */
static int attach(const struct sight *sight, const struct want *want, const struct found *found,
                  const char *volume)
{
    int r = found->mount == MANIFEST_NONE
                ? manifest_add_mount(sight->launch->manifest, sight->app, volume, want->mount->path,
                                     want->read_only)
                : point_to(sight, want, found, volume);

    return r < 0 || found->volume != MANIFEST_NONE ? r : note(sight, want, "was missing");
}

/* Mounts a new volume. Return: 0, and its name in *namep, to free(); -ENOMEM. */
static int attach_new(const struct sight *sight, const struct want *want, const struct found *found,
                      const char *source, char **namep)
{
    struct manifest *manifest = sight->launch->manifest;

    int r = volume_names_make(namep, manifest, want->mount->volume, sight->numberp);
    if (r == 0)
        r = manifest_add_host_volume(manifest, *namep, source, want->read_only);
    return r == 0 ? attach(sight, want, found, *namep) : r;
}

static bool is_shared(const struct sight *sight, size_t volume)
{
    return manifest_n_uses(sight->launch->manifest, volume_name(sight->launch, volume)) > 1;
}

/* The same volume, but one of its own: others mount the one that there is. */
static int attach_own(const struct sight *sight, const struct want *want, const struct found *found)
{
    CLEANUP(freep)
    char *source = strdup(manifest_volume(sight->launch->manifest, found->volume).source);
    CLEANUP(freep) char *name = NULL;

    return source ? attach_new(sight, want, found, source, &name) : -ENOMEM;
}

/* The kubelet has mounted the volume, but perhaps it is too easily written to. */
static int protect_mount(const struct sight *sight, const struct want *want,
                         const struct found *found)
{
    struct manifest *manifest = sight->launch->manifest;
    struct manifest_volume volume = manifest_volume(manifest, found->volume);
    int r = 0;

    if (volume.read_only && manifest_mount(manifest, sight->app, found->mount).read_only)
        return 0;
    if (!volume.read_only && is_shared(sight, found->volume) && volume.source) {
        r = attach_own(sight, want, found);
    } else {
        if (!volume.read_only)
            r = manifest_set_volume_read_only(manifest, found->volume, true);
        if (r == 0)
            r = attach(sight, want, found, volume_name(sight->launch, found->volume));
    }
    return r < 0 ? r : note(sight, want, "is read-only now");
}

/* Or it cannot be written to, only because the kubelet has written another mount of it first. */
static int open_mount(const struct sight *sight, const struct want *want, const struct found *found)
{
    struct manifest *manifest = sight->launch->manifest;
    struct manifest_volume volume = manifest_volume(manifest, found->volume);

    if (!volume.read_only || !volume.source || !is_shared(sight, found->volume) ||
        manifest_mount(manifest, sight->app, found->mount).read_only)
        return 0;
    int r = attach_own(sight, want, found);
    return r < 0 ? r : note(sight, want, "can be written to now");
}

/* Whether the volume that there is can be had for this mount alone. */
static bool can_be_own(const struct sight *sight, const struct want *want,
                       const struct found *found)
{
    if (found->volume == MANIFEST_NONE || is_shared(sight, found->volume))
        return false;
    struct manifest_volume volume = manifest_volume(sight->launch->manifest, found->volume);
    if (!volume.kind || strcmp(volume.kind, "host") != 0)
        return false;
    return volume.read_only == want->read_only || (found->is_certain && !volume.read_only);
}

static int mount_part(const struct sight *sight, struct want *want, const struct found *found)
{
    struct manifest *manifest = sight->launch->manifest;
    CLEANUP(freep) char *name = NULL;
    int r;

    want->is_walked = true;
    if (can_be_own(sight, want, found)) {
        name = strdup(volume_name(sight->launch, found->volume));
        r = name ? manifest_set_volume_source(manifest, found->volume, want->place.root) : -ENOMEM;
        if (r == 0 && want->read_only)
            r = manifest_set_volume_read_only(manifest, found->volume, true);
        if (r == 0)
            r = attach(sight, want, found, name);
    } else {
        r = attach_new(sight, want, found, want->place.root, &name);
    }
    return r == 0 ? launch_add_subpath(sight->launch, name, want->mount->subpath) : r;
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

static bool is_whole(const struct sight *sight, const struct want *want, size_t index)
{
    struct manifest_volume volume = manifest_volume(sight->launch->manifest, index);

    return volume.kind && strcmp(volume.kind, "host") == 0 && volume.source &&
           path_equals(volume.source, want->place.root) && volume.read_only == want->read_only &&
           !is_for_part(sight->launch, volume.name);
}

static int mount_whole(const struct sight *sight, const struct want *want,
                       const struct found *found)
{
    CLEANUP(freep) char *name = NULL;

    if (found->volume != MANIFEST_NONE && is_whole(sight, want, found->volume))
        return attach(sight, want, found, volume_name(sight->launch, found->volume));
    return attach_new(sight, want, found, want->place.root, &name);
}

/* Where a subPath needs no walk of ours: the kubelet has mounted it itself, or nobody but the
 * kubelet writes to the volume. In the latter every key is a symlink of the kubelet's. (`..` could
 * lead there from another volume, or from there to another pod's.) */
static bool is_safe_as_it_is(const struct launch *launch, const char *source,
                             const struct podspec_mount *mount)
{
    return source_is_kubelets_subpath(launch, source, mount) ||
           (launch->config->volumes.read_only_secrets && source_is_api_data(launch, source) &&
            !path_has_dot_dot(source) && !path_has_dot_dot(mount->subpath));
}

static int see_to_mount(struct sight *sight, struct want *want)
{
    struct launch *launch = sight->launch;
    struct found found = find(sight, want);

    const char *source = found.volume == MANIFEST_NONE
                             ? NULL
                             : manifest_volume(launch->manifest, found.volume).source;
    if (found.is_certain &&
        (!want->is_part || (source && is_safe_as_it_is(launch, source, want->mount))))
        return want->read_only ? protect_mount(sight, want, &found)
                               : open_mount(sight, want, &found);
    if (!want->place.root)
        return error_set(&launch->error, LAUNCH_E_REFUSED,
                         "container \"%s\": mount %s: volume \"%s\" cannot be found on the host",
                         sight->container->name, want->mount->path, want->mount->volume);
    /* What the kubelet wrote of readOnly is never taken back. */
    if (want->place.read_only ||
        (found.mount != MANIFEST_NONE &&
         manifest_mount(launch->manifest, sight->app, found.mount).read_only))
        want->read_only = true;
    return want->is_part ? mount_part(sight, want, &found) : mount_whole(sight, want, &found);
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

static int list_wants(struct sight *sight)
{
    size_t n = sight->container->n_mounts;
    int r = 0;

    sight->wants = calloc(n + 1, sizeof(*sight->wants));
    if (!sight->wants)
        return -ENOMEM;
    for (size_t i = 0; r == 0 && i < n; i++) {
        const struct podspec_mount *mount = &sight->container->mounts[i];
        struct want *want = &sight->wants[sight->n_wants++];
        *want = (struct want){
            .mount = mount,
            .where = path_clean(mount->path),
            .read_only = mount->read_only || (sight->launch->config->volumes.read_only_secrets &&
                                              is_api_data(sight->launch, mount->volume)),
            .is_part = subpath_is_part(mount->subpath),
        };
        r = want->where ? volume_roots_get(sight->roots, mount, &want->place) : -ENOMEM;
    }
    return r;
}

/* What else the app mounts. */

static const struct want *want_at(const struct sight *sight, const char *where)
{
    for (size_t i = 0; i < sight->n_wants; i++) {
        if (strcmp(sight->wants[i].where, where) == 0)
            return &sight->wants[i];
    }
    return NULL;
}

/* Return: 0 or -ENOMEM; *wantp is the mount whose place the mount point has, or NULL. */
static int find_covered(const struct sight *sight, const struct mount_point *point,
                        const struct want **wantp)
{
    CLEANUP(freep) char *where = path_clean(point->path);

    *wantp = where ? want_at(sight, where) : NULL;
    return where ? 0 : -ENOMEM;
}

/* No kubelet writes such a mount point. If one did, it would show what the walk is to keep away.
 * Return: 0, LAUNCH_E_REFUSED, -ENOMEM. */
static int check_stranger(const struct sight *sight, const struct mount_point *point)
{
    size_t volume = volume_of(sight, point->index);
    const char *source =
        volume == MANIFEST_NONE ? NULL : manifest_volume(sight->launch->manifest, volume).source;
    CLEANUP(freep) char *normal = source ? path_normal(source) : NULL;

    if (source && !normal)
        return -ENOMEM;
    for (size_t i = 0; normal && i < sight->n_wants; i++) {
        const struct want *want = &sight->wants[i];
        if (want->is_walked && strcmp(want->place.source, normal) == 0)
            return error_set(&sight->launch->error, LAUNCH_E_REFUSED,
                             "container \"%s\": mount %s: the pod spec has no subPath %s of volume "
                             "\"%s\" there",
                             sight->container->name, point->path, want->mount->subpath,
                             want->mount->volume);
    }
    return 0;
}

static int see_to_others(struct sight *sight)
{
    struct manifest *manifest = sight->launch->manifest;
    CLEANUP(freep) bool *covers = calloc(sight->points.n + 1, sizeof(*covers));
    int r = covers ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < sight->points.n; i++) {
        const struct mount_point *point = &sight->points.list[i];
        const struct want *want = NULL;
        if (!point->is_taken)
            r = find_covered(sight, point, &want);
        if (r == 0 && want)
            r = launch_note(sight->launch,
                            "container \"%s\": %s was mounted on twice, volume \"%s\" stays",
                            sight->container->name, want->mount->path, want->mount->volume);
        else if (r == 0 && !point->is_taken)
            r = check_stranger(sight, point);
        covers[point->index] = want != NULL;
    }
    for (size_t i = sight->points.n; r == 0 && i-- > 0;) {
        if (covers[i])
            r = manifest_remove_mount(manifest, sight->app, i);
    }
    return r;
}

static int see_to_app(struct sight *sight)
{
    int r = mount_points_read(&sight->points, sight->launch->manifest, sight->app);

    if (r == 0)
        r = list_wants(sight);
    for (size_t i = 0; r == 0 && i < sight->n_wants; i++)
        r = see_to_mount(sight, &sight->wants[i]);
    return r == 0 ? see_to_others(sight) : r;
}

int volume_mounts_restore(struct launch *launch, const struct volume_roots *roots, json_t *doubtful)
{
    size_t number = 2;
    int r = 0;

    for (size_t app = 0; r == 0 && app < manifest_n_apps(launch->manifest); app++) {
        const char *name = manifest_app(launch->manifest, app).container;
        CLEANUP(sight_deinit)
        struct sight sight = {
            .launch = launch,
            .roots = roots,
            .doubtful = doubtful,
            .numberp = &number,
            .app = app,
            .container = name ? podspec_container(launch->spec, name) : NULL,
        };
        if (sight.container)
            r = see_to_app(&sight);
    }
    return r;
}
