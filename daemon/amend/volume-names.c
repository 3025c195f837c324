/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Kubelet 1.3 goes through the containers in their order, and for each of its mounts it writes a
 * volume with the name that the pod spec has for it, whether there is one of that name or not. The
 * /etc/hosts and /etc/resolv.conf of hostNetwork, and the termination message, it writes twice.
 * Sources differ by subPath, and readOnly differs. rkt refuses such a manifest (contract, section
 * 2).
 *
 * The mount points of an app are keyed by that name, so an app has one of them at most: that of its
 * last mount. If as many volumes as mount points have the name, the first mount point means the
 * first volume, and so on. If not, a mount was lost or a volume was written twice; then it is the
 * last one that was written for the app. Where the app's volumes end is told by those that no other
 * app mounts: its termination message is the last of all. If that does not fit, it is the first
 * volume that is as read-only as the mount point.
 *
 * A wrong guess never makes writable what was read-only: stage1-fly does not heed the mount point's
 * word, so a volume that is guessed for a read-only mount point becomes read-only itself. The pod
 * spec, if it is known, sets it right.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/amend/volumes.h"

int volume_names_make(char **namep, const struct manifest *manifest, const char *name,
                      size_t *numberp)
{
    for (;;) {
        CLEANUP(freep) char *made = NULL;
        if (asprintf(&made, "%s-%zu", name, (*numberp)++) < 0) {
            made = NULL;
            return -ENOMEM;
        }
        /* Not the name of an empty volume that a mount point of the image stands for, either. */
        if (manifest_find_volume(manifest, made) == MANIFEST_NONE &&
            manifest_n_uses(manifest, made) == 0) {
            *namep = made;
            made = NULL;
            return 0;
        }
    }
}

/* A volume of the manifest. Its strings are borrowed. */
struct member {
    const char *name;
    const char *source; /* "" if it has none */
    size_t index;
    bool read_only;
    size_t alike; /* in its family, the first that is the same */
};

/* A mount point of an app. */
struct point {
    const char *name;
    size_t app, index;
    bool read_only;
};

/* All of them, sorted by name: those that go by one name stand together, in their order. */
struct repair {
    struct manifest *manifest;
    struct member *members;
    size_t n_members;
    struct point *points;
    size_t n_points;
    size_t *ends; /* for each app: behind the last volume that it mounts and no other app does */
    bool *copies; /* volumes to be removed, by index */
};

static void repair_deinit(struct repair *repair)
{
    free(repair->members);
    free(repair->points);
    free(repair->ends);
    free(repair->copies);
}

static int compare_members(const void *a, const void *b)
{
    const struct member *left = a, *right = b;
    int order = strcmp(left->name, right->name);

    return order ? order : (left->index > right->index) - (left->index < right->index);
}

static int list_members(struct repair *repair)
{
    size_t n = manifest_n_volumes(repair->manifest);

    repair->members = calloc(n + 1, sizeof(*repair->members));
    repair->copies = calloc(n + 1, sizeof(*repair->copies));
    if (!repair->members || !repair->copies)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        struct manifest_volume volume = manifest_volume(repair->manifest, i);
        if (!volume.name)
            continue;
        repair->members[repair->n_members++] =
            (struct member){.name = volume.name,
                            .source = volume.source ? volume.source : "",
                            .index = i,
                            .read_only = volume.read_only};
    }
    qsort(repair->members, repair->n_members, sizeof(*repair->members), compare_members);
    return 0;
}

static bool has_twins(const struct repair *repair)
{
    for (size_t i = 1; i < repair->n_members; i++) {
        if (strcmp(repair->members[i - 1].name, repair->members[i].name) == 0)
            return true;
    }
    return false;
}

static int compare_points(const void *a, const void *b)
{
    const struct point *left = a, *right = b;
    int order = strcmp(left->name, right->name);

    if (order == 0)
        order = (left->app > right->app) - (left->app < right->app);
    return order ? order : (left->index > right->index) - (left->index < right->index);
}

static int list_points(struct repair *repair)
{
    const struct manifest *manifest = repair->manifest;
    size_t n = 0;

    for (size_t app = 0; app < manifest_n_apps(manifest); app++)
        n += manifest_n_mounts(manifest, app);
    repair->points = calloc(n + 1, sizeof(*repair->points));
    if (!repair->points)
        return -ENOMEM;
    for (size_t app = 0; app < manifest_n_apps(manifest); app++) {
        for (size_t i = 0; i < manifest_n_mounts(manifest, app); i++) {
            struct manifest_mount mount = manifest_mount(manifest, app, i);
            if (mount.volume)
                repair->points[repair->n_points++] =
                    (struct point){mount.volume, app, i, mount.read_only};
        }
    }
    qsort(repair->points, repair->n_points, sizeof(*repair->points), compare_points);
    return 0;
}

/* Return: the first mount point of that name, `*np` of them. */
static struct point *points_of(const struct repair *repair, const char *name, size_t *np)
{
    size_t begin = 0, end = repair->n_points;

    while (begin < end) {
        size_t middle = begin + (end - begin) / 2;
        if (strcmp(repair->points[middle].name, name) < 0)
            begin = middle + 1;
        else
            end = middle;
    }
    while (end < repair->n_points && strcmp(repair->points[end].name, name) == 0)
        end++;
    *np = end - begin;
    return &repair->points[begin];
}

static int find_ends(struct repair *repair)
{
    repair->ends = calloc(manifest_n_apps(repair->manifest) + 1, sizeof(*repair->ends));
    if (!repair->ends)
        return -ENOMEM;
    for (size_t i = 0; i < repair->n_members; i++) {
        const struct member *member = &repair->members[i];
        size_t n;
        const struct point *points = points_of(repair, member->name, &n);
        if (n > 0 && points[0].app == points[n - 1].app &&
            repair->ends[points[0].app] < member->index + 1)
            repair->ends[points[0].app] = member->index + 1;
    }
    return 0;
}

/* The volumes that go by one name. */
struct family {
    struct member *members;
    size_t n;
};

static void find_alike(const struct family *family, const struct manifest *manifest)
{
    for (size_t i = 0; i < family->n; i++) {
        struct member *member = &family->members[i];
        size_t first = 0;
        while (first < i &&
               (strcmp(family->members[first].source, member->source) != 0 ||
                !manifest_volumes_are_alike(manifest, family->members[first].index, member->index)))
            first++;
        member->alike = first;
    }
}

static int add_name(json_t *names, const char *name)
{
    return json_object_set_new(names, name, json_true()) < 0 ? -ENOMEM : 0;
}

/* Those that are the same as one before them keep its name, for they are removed. */
static int rename_family(const struct family *family, struct repair *repair, const char *name,
                         json_t *doubtful)
{
    int r = add_name(doubtful, name);
    size_t number = 2;

    for (size_t i = 1; r == 0 && i < family->n; i++) {
        CLEANUP(freep) char *made = NULL;
        size_t index = family->members[i].index;
        repair->copies[index] = family->members[i].alike < i;
        if (repair->copies[index])
            continue;
        r = volume_names_make(&made, repair->manifest, name, &number);
        if (r == 0)
            r = manifest_set_volume_name(repair->manifest, index, made);
        if (r == 0)
            r = add_name(doubtful, made);
    }
    return r;
}

/* The last of the family that was written for an app. Return: family->n if that cannot be told. */
static size_t last_of_app(const struct family *family, const struct repair *repair, size_t app)
{
    size_t begin = app > 0 ? repair->ends[app - 1] : 0;
    size_t end = repair->ends[app];

    for (size_t i = family->n; i-- > 0;) {
        if (family->members[i].index >= begin && family->members[i].index < end)
            return i;
    }
    return family->n;
}

/* Which of the family a mount point means. */
static size_t guess(const struct family *family, const struct repair *repair,
                    const struct point *point)
{
    size_t last = last_of_app(family, repair, point->app);

    if (last < family->n && family->members[last].read_only == point->read_only)
        return last;
    for (size_t i = 0; i < family->n; i++) {
        if (family->members[i].read_only == point->read_only)
            return i;
    }
    return 0;
}

static int share_out(const struct family *family, struct repair *repair, struct point *points,
                     size_t n)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < n; i++) {
        struct point *point = &points[i];
        size_t meant = n == family->n ? i : guess(family, repair, point);
        struct member *member = &family->members[family->members[meant].alike];
        if (n != family->n && point->read_only && !member->read_only) {
            member->read_only = true;
            r = manifest_set_volume_read_only(repair->manifest, member->index, true);
        }
        if (r < 0 || member == family->members)
            continue;
        /* The first volume's is the same text, and stays. */
        point->name = family->members[0].name;
        r = manifest_set_mount_volume(repair->manifest, point->app, point->index,
                                      manifest_volume(repair->manifest, member->index).name);
    }
    return r;
}

static int repair_family(struct launch *launch, struct repair *repair, const struct family *family,
                         json_t *doubtful)
{
    CLEANUP(freep) char *name = strdup(family->members[0].name);
    size_t n;

    if (!name)
        return -ENOMEM;
    struct point *points = points_of(repair, name, &n);
    find_alike(family, repair->manifest);
    int r = rename_family(family, repair, name, doubtful);
    if (r == 0)
        r = share_out(family, repair, points, n);
    return r < 0 ? r
                 : launch_note(launch,
                               "the name \"%s\" stood for %zu volumes; each that differs has its "
                               "own now",
                               name, family->n);
}

static int repair_families(struct launch *launch, struct repair *repair, json_t *doubtful)
{
    int r = 0;

    for (size_t i = 0, n; r == 0 && i < repair->n_members; i += n) {
        struct family family = {.members = &repair->members[i]};
        for (n = 1; i + n < repair->n_members &&
                    strcmp(family.members[0].name, family.members[n].name) == 0;)
            n++;
        family.n = n;
        if (n > 1)
            r = repair_family(launch, repair, &family, doubtful);
    }
    return r == 0 ? manifest_remove_volumes(repair->manifest, repair->copies) : r;
}

int volume_names_repair(struct launch *launch, json_t *doubtful)
{
    CLEANUP(repair_deinit) struct repair repair = {.manifest = launch->manifest};

    int r = list_members(&repair);
    if (r < 0 || !has_twins(&repair))
        return r;
    r = list_points(&repair);
    if (r == 0)
        r = find_ends(&repair);
    return r == 0 ? repair_families(launch, &repair, doubtful) : r;
}
