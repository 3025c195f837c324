/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/fly.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/path.h"

bool fly_is_chosen(const struct launch *launch)
{
    const char *name = launch->stage1_name ? launch->stage1_name : launch->cmd.stage1_name;

    return name &&
           (strstr(name, "stage1-fly") || strcmp(name, launch->config->namespaces.stage1_fly) == 0);
}

/* Where something is mounted: paths in one form that ends with a slash, "/data/". Sorted, one that
 * lies below others stands behind one of them. */
struct places {
    char **list;
    size_t n;
};

static void places_deinit(struct places *places)
{
    for (size_t i = 0; i < places->n; i++)
        free(places->list[i]);
    free(places->list);
}

/* Return: to free(), NULL without memory. */
static char *make_place(const char *path)
{
    CLEANUP(freep) char *clean = path_clean(path);
    char *place;

    if (!clean)
        return NULL;
    const char *in_run = path_below(clean, "/var/run");
    return asprintf(&place, "%s%s/", in_run ? "/run" : "", in_run ? in_run : clean) < 0 ? NULL
                                                                                        : place;
}

static int places_add(struct places *places, const char *path)
{
    char **list = reallocarray(places->list, places->n + 1, sizeof(*list));
    char *place = list ? make_place(path) : NULL;

    if (list)
        places->list = list;
    if (!place)
        return -ENOMEM;
    list[places->n++] = place;
    return 0;
}

/* Adds what an app mounts, but for the mount `but`. */
static int places_add_mounts(struct places *places, const struct manifest *manifest, size_t app,
                             size_t but)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < manifest_n_mounts(manifest, app); i++) {
        const char *path = manifest_mount(manifest, app, i).path;
        if (i != but)
            r = places_add(places, path ? path : "");
    }
    return r;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool lies_in(const char *place, const char *other)
{
    return strncmp(place, other, strlen(other)) == 0;
}

/* Return: 0; FLY_E_CANNOT and two of them of which one lies below the other, borrowed; -ENOMEM. */
static int find_conflict(struct places *places, const struct manifest *manifest, size_t but,
                         const char **placep, const char **belowp)
{
    static const char *const of_host[] = {"/dev", "/proc", "/sys"};

    int r = places_add_mounts(places, manifest, 0, but);
    for (size_t i = 0; r == 0 && i < N_ELEMENTS(of_host); i++)
        r = places_add(places, of_host[i]);
    if (r < 0)
        return r;
    qsort(places->list, places->n, sizeof(*places->list), compare);
    for (size_t i = 1; i < places->n; i++) {
        *placep = places->list[i - 1];
        *belowp = places->list[i];
        if (lies_in(*belowp, *placep))
            return FLY_E_CANNOT;
    }
    return 0;
}

/* The file that the kubelet takes the container's termination message from.
 * Return: the index of the mount; MANIFEST_NONE. */
static size_t find_message(const struct manifest *manifest)
{
    const char *message = manifest_app(manifest, 0).message;

    for (size_t i = 0; message && i < manifest_n_mounts(manifest, 0); i++) {
        const char *name = manifest_mount(manifest, 0, i).volume;
        size_t volume = name ? manifest_find_volume(manifest, name) : MANIFEST_NONE;
        const char *source =
            volume != MANIFEST_NONE ? manifest_volume(manifest, volume).source : NULL;
        if (source && path_equals(source, message))
            return i;
    }
    return MANIFEST_NONE;
}

static bool are_of_host(const struct manifest *manifest)
{
    for (size_t i = 0; i < manifest_n_mounts(manifest, 0); i++) {
        const char *name = manifest_mount(manifest, 0, i).volume;
        size_t index = name ? manifest_find_volume(manifest, name) : MANIFEST_NONE;
        const char *kind = index != MANIFEST_NONE ? manifest_volume(manifest, index).kind : NULL;
        if (!kind || strcmp(kind, "host") != 0 || manifest_n_uses(manifest, name) > 1)
            return false;
    }
    return true;
}

/* How a place is printed: without its slash at the end. */
#define LENGTH(place) ((place)[1] ? (int)strlen(place) - 1 : 1)

int fly_check_mounts(const struct launch *launch, struct error *error)
{
    const struct manifest *manifest = launch->manifest;
    CLEANUP(places_deinit) struct places places = {0};
    const char *place, *below;

    if (!are_of_host(manifest))
        return error_set(error, FLY_E_CANNOT, "stage1-fly mounts host volumes only, and each once");
    int r = find_conflict(&places, manifest, find_message(manifest), &place, &below);
    if (r != FLY_E_CANNOT)
        return r;
    return error_set(error, FLY_E_CANNOT,
                     "under stage1-fly no mount can lie below another, or below /dev, /proc or "
                     "/sys: %.*s and %.*s",
                     LENGTH(place), place, LENGTH(below), below);
}

int fly_drop_message(struct launch *launch)
{
    CLEANUP(places_deinit) struct places places = {0};
    size_t message = find_message(launch->manifest);
    const char *place, *below;

    if (message == MANIFEST_NONE)
        return 0;
    int r = find_conflict(&places, launch->manifest, MANIFEST_NONE, &place, &below);
    if (r != FLY_E_CANNOT)
        return r;
    r = launch_note(launch, "no termination message: stage1-fly cannot mount %s",
                    manifest_mount(launch->manifest, 0, message).path);
    return r < 0 ? r : manifest_remove_mount(launch->manifest, 0, message);
}

bool fly_can_mount_at(const struct launch *launch, size_t app, const char *path)
{
    CLEANUP(places_deinit) struct places places = {0};
    CLEANUP(freep) char *place = make_place(path);
    bool can = place && places_add_mounts(&places, launch->manifest, app, MANIFEST_NONE) == 0;

    for (size_t i = 0; can && i < places.n; i++)
        can = !lies_in(place, places.list[i]) && !lies_in(places.list[i], place);
    return can;
}
