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

void volume_names_deinit(struct volume_names *names)
{
    for (size_t i = 0; i < names->n; i++)
        free(names->list[i]);
    free(names->list);
}

bool volume_names_have(const struct volume_names *names, const char *name)
{
    for (size_t i = 0; i < names->n; i++) {
        if (strcmp(names->list[i], name) == 0)
            return true;
    }
    return false;
}

static int add_name(struct volume_names *names, const char *name)
{
    char **list = reallocarray(names->list, names->n + 1, sizeof(*list));

    if (!list)
        return -ENOMEM;
    names->list = list;
    list[names->n] = strdup(name);
    if (!list[names->n])
        return -ENOMEM;
    names->n++;
    return 0;
}

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

static bool is_named(const struct manifest *manifest, size_t volume, const char *name)
{
    const char *found = manifest_volume(manifest, volume).name;

    return found && strcmp(found, name) == 0;
}

/* The volumes that go by one name, as indices into the manifest. */
struct family {
    size_t *volumes;
    size_t n;
    size_t *ends; /* for each app: behind the last volume that it mounts and no other app does */
};

static void family_deinit(struct family *family)
{
    free(family->volumes);
    free(family->ends);
}

static int find_family(struct family *family, const struct manifest *manifest, const char *name)
{
    size_t n = manifest_n_volumes(manifest);

    family->volumes = calloc(n, sizeof(*family->volumes));
    if (!family->volumes)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        if (is_named(manifest, i, name))
            family->volumes[family->n++] = i;
    }
    return 0;
}

/* The first of the family that is the same as its `member`. */
static size_t first_alike(const struct family *family, const struct manifest *manifest,
                          size_t member)
{
    size_t i = 0;

    while (!manifest_volumes_are_alike(manifest, family->volumes[i], family->volumes[member]))
        i++;
    return i;
}

static int rename_family(const struct family *family, struct manifest *manifest, const char *name,
                         struct volume_names *doubtful)
{
    int r = add_name(doubtful, name);
    size_t number = 2;

    for (size_t i = 1; r == 0 && i < family->n; i++) {
        CLEANUP(freep) char *made = NULL;
        if (first_alike(family, manifest, i) < i)
            continue;
        r = volume_names_make(&made, manifest, name, &number);
        if (r == 0)
            r = manifest_set_volume_name(manifest, family->volumes[i], made);
        if (r == 0)
            r = add_name(doubtful, made);
    }
    return r;
}

static size_t n_points_of_app(const struct manifest *manifest, size_t app, const char *name)
{
    size_t n = 0;

    for (size_t i = 0; i < manifest_n_mounts(manifest, app); i++) {
        const char *volume = manifest_mount(manifest, app, i).volume;
        n += volume && strcmp(volume, name) == 0;
    }
    return n;
}

static size_t n_points(const struct manifest *manifest, const char *name)
{
    size_t n = 0;

    for (size_t app = 0; app < manifest_n_apps(manifest); app++)
        n += n_points_of_app(manifest, app, name);
    return n;
}

/* Return: 0 if there is none. */
static size_t end_of_app(const struct manifest *manifest, size_t app)
{
    for (size_t i = manifest_n_volumes(manifest); i-- > 0;) {
        const char *name = manifest_volume(manifest, i).name;
        size_t n = name ? n_points_of_app(manifest, app, name) : 0;
        if (n > 0 && n == n_points(manifest, name))
            return i + 1;
    }
    return 0;
}

static int find_ends(struct family *family, const struct manifest *manifest)
{
    size_t n = manifest_n_apps(manifest);

    family->ends = calloc(n, sizeof(*family->ends));
    for (size_t app = 0; family->ends && app < n; app++)
        family->ends[app] = end_of_app(manifest, app);
    return family->ends || n == 0 ? 0 : -ENOMEM;
}

/* The last of the family that was written for an app. Return: family->n if that cannot be told. */
static size_t last_of_app(const struct family *family, size_t app)
{
    size_t begin = app > 0 ? family->ends[app - 1] : 0;
    size_t end = family->ends[app];

    for (size_t i = family->n; i-- > 0;) {
        if (family->volumes[i] >= begin && family->volumes[i] < end)
            return i;
    }
    return family->n;
}

static bool fits(const struct family *family, const struct manifest *manifest, size_t member,
                 bool read_only)
{
    return member < family->n &&
           manifest_volume(manifest, family->volumes[member]).read_only == read_only;
}

/* Which of the family a mount point means. */
static size_t guess(const struct family *family, const struct manifest *manifest, size_t app,
                    bool read_only)
{
    size_t last = last_of_app(family, app);

    if (fits(family, manifest, last, read_only))
        return last;
    for (size_t i = 0; i < family->n; i++) {
        if (fits(family, manifest, i, read_only))
            return i;
    }
    return 0;
}

static int share_out(struct family *family, struct manifest *manifest, const char *name)
{
    bool is_told = n_points(manifest, name) == family->n;
    size_t number = 0;

    if (!is_told && find_ends(family, manifest) < 0)
        return -ENOMEM;
    for (size_t app = 0; app < manifest_n_apps(manifest); app++) {
        for (size_t i = 0; i < manifest_n_mounts(manifest, app); i++) {
            struct manifest_mount mount = manifest_mount(manifest, app, i);
            if (!mount.volume || strcmp(mount.volume, name) != 0)
                continue;
            size_t member = is_told ? number++ : guess(family, manifest, app, mount.read_only);
            size_t picked = first_alike(family, manifest, member);
            size_t index = family->volumes[picked];
            if (!is_told && mount.read_only && !manifest_volume(manifest, index).read_only &&
                manifest_set_volume_read_only(manifest, index, true) < 0)
                return -ENOMEM;
            if (picked == 0)
                continue;
            const char *volume = manifest_volume(manifest, index).name;
            int r = manifest_set_mount_volume(manifest, app, i, volume);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

/* Those that still go by the first one's name are the same as one before them. */
static int drop_copies(const struct family *family, struct manifest *manifest, const char *name)
{
    CLEANUP(freep) bool *copies = calloc(manifest_n_volumes(manifest), sizeof(*copies));

    if (!copies)
        return -ENOMEM;
    for (size_t i = 1; i < family->n; i++)
        copies[family->volumes[i]] = is_named(manifest, family->volumes[i], name);
    return manifest_remove_volumes(manifest, copies);
}

static int repair(struct launch *launch, const char *borrowed, struct volume_names *doubtful)
{
    CLEANUP(family_deinit) struct family family = {0};
    CLEANUP(freep) char *name = strdup(borrowed);

    if (!name)
        return -ENOMEM;
    int r = find_family(&family, launch->manifest, name);
    if (r == 0)
        r = rename_family(&family, launch->manifest, name, doubtful);
    if (r == 0)
        r = share_out(&family, launch->manifest, name);
    if (r == 0)
        r = drop_copies(&family, launch->manifest, name);
    if (r == 0)
        r = launch_note(launch,
                        "the name \"%s\" stood for %zu volumes; each that differs has its own now",
                        name, family.n);
    return r;
}

int volume_names_repair(struct launch *launch, struct volume_names *doubtful)
{
    int r = 0;

    /* The list becomes shorter on the way, but only behind `i`. */
    for (size_t i = 0; r == 0 && i < manifest_n_volumes(launch->manifest); i++) {
        const char *name = manifest_volume(launch->manifest, i).name;
        size_t twin = i + 1;
        while (name && twin < manifest_n_volumes(launch->manifest) &&
               !is_named(launch->manifest, twin, name))
            twin++;
        if (name && twin < manifest_n_volumes(launch->manifest))
            r = repair(launch, name, doubtful);
    }
    return r;
}
