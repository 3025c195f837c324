/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Gap 12 of the rktnetes notes, the first half, and the faults that kubelet 1.3 puts into manifests
 * (contract, section 2). When a launch has left here, no two volumes have one name, and each mount
 * of the pod spec is there: at its path, of its volume, as read-only as it should be.
 *
 * Without the pod spec the manifest's word is all there is: names are repaired, volumes that must
 * not be written to are known by their sources, and what the kubelet has lost stays lost.
 *
 * Apps see nothing of a volume that nobody mounts.
 */

#include "daemon/amend/volumes.h"

#include <errno.h>
#include <string.h>

#include "daemon/amend/rooms.h"
#include "lib/path.h"

/* What the repair has left over. It would do no harm, but its source may not exist. */
static int drop_unused(struct launch *launch, const json_t *doubtful)
{
    size_t n = manifest_n_volumes(launch->manifest);
    CLEANUP(freep) bool *unused = calloc(n + 1, sizeof(*unused));

    if (!unused)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const char *name = manifest_volume(launch->manifest, i).name;
        unused[i] =
            name && json_object_get(doubtful, name) && manifest_n_uses(launch->manifest, name) == 0;
    }
    return manifest_remove_volumes(launch->manifest, unused);
}

bool source_is_api_data(const struct launch *launch, const char *source)
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

/* What of the manifest's volumes is protected, by index. */
struct protection {
    bool *is_api_data;
    bool *has_changed;
};

static void protection_deinit(struct protection *protection)
{
    free(protection->is_api_data);
    free(protection->has_changed);
}

static int protect_volumes(struct launch *launch, struct protection *protection)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < manifest_n_volumes(launch->manifest); i++) {
        struct manifest_volume volume = manifest_volume(launch->manifest, i);
        if (!volume.name || !volume.source || !source_is_api_data(launch, volume.source))
            continue;
        protection->is_api_data[i] = true;
        protection->has_changed[i] = !volume.read_only;
        if (!volume.read_only)
            r = manifest_set_volume_read_only(launch->manifest, i, true);
    }
    return r;
}

static int protect_points(struct launch *launch, struct protection *protection)
{
    int r = 0;

    for (size_t app = 0; app < manifest_n_apps(launch->manifest); app++) {
        for (size_t i = 0; r == 0 && i < manifest_n_mounts(launch->manifest, app); i++) {
            struct manifest_mount mount = manifest_mount(launch->manifest, app, i);
            size_t volume =
                mount.volume ? manifest_find_volume(launch->manifest, mount.volume) : MANIFEST_NONE;
            if (mount.read_only || volume == MANIFEST_NONE || !protection->is_api_data[volume])
                continue;
            protection->has_changed[volume] = true;
            r = manifest_set_mount_read_only(launch->manifest, app, i, true);
        }
    }
    return r;
}

static int protect_sources(struct launch *launch)
{
    size_t n = manifest_n_volumes(launch->manifest);
    CLEANUP(protection_deinit)
    struct protection protection = {calloc(n + 1, sizeof(bool)), calloc(n + 1, sizeof(bool))};

    if (!protection.is_api_data || !protection.has_changed)
        return -ENOMEM;
    int r = protect_volumes(launch, &protection);
    if (r == 0)
        r = protect_points(launch, &protection);
    for (size_t i = 0; r == 0 && i < n; i++) {
        struct manifest_volume volume = manifest_volume(launch->manifest, i);
        if (protection.has_changed[i])
            r = launch_note(launch, "volume \"%s\" is read-only now: %s", volume.name,
                            volume.source);
    }
    return r;
}

/* So many volumes, mount points and mounts are compared and sorted at once; for more the loop has
 * no time. */
#define AT_ONCE_MAX 192

static bool is_large(const struct launch *launch)
{
    size_t n = manifest_n_volumes(launch->manifest);

    for (size_t i = 0; i < manifest_n_apps(launch->manifest); i++)
        n += manifest_n_mounts(launch->manifest, i);
    for (size_t i = 0; launch->spec && i < launch->spec->n_containers; i++)
        n += launch->spec->containers[i].n_mounts;
    return n > AT_ONCE_MAX;
}

static int amend(struct launch *launch, const struct volume_roots *roots, json_t *doubtful)
{
    int r = launch->spec ? volume_mounts_part_images(launch) : 0;

    if (r == 0)
        r = volume_names_repair(launch, doubtful);
    if (r == 0 && launch->spec)
        r = volume_mounts_restore(launch, roots, doubtful);
    if (r == 0)
        r = drop_unused(launch, doubtful);
    if (r == 0 && launch->config->volumes.read_only_secrets)
        r = protect_sources(launch);
    return r;
}

int amend_volumes(struct launch *launch)
{
    CLEANUP(volume_roots_deinit) struct volume_roots roots = {0};

    if (!launch->manifest || !launch_means_kubernetes(launch))
        return 0;
    if (!launch->may_wait && is_large(launch))
        return LAUNCH_E_WAIT;
    int r = launch->spec ? volume_roots_find(&roots, launch) : 0;
    if (r != 0)
        return r;
    json_auto_t *doubtful = json_object();
    return doubtful ? amend(launch, &roots, doubtful) : -ENOMEM;
}
