/* SPDX-License-Identifier: Apache-2.0 */

/* What the kubelet says of a pod: whatever it is, reading it ends, and what is read can be looked
 * at. */

#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "lib/def.h"
#include "lib/podspec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at(const struct podspec *spec, const struct podspec_container *container)
{
    int score = podspec_oom_score_adj(spec, container, 1 << 30);

    assert(container->name);
    assert(score == -998 || (score >= 2 && score <= 1000));
    assert(container->cpu.request >= 0 && container->cpu.limit >= 0);
    assert(container->memory.request >= 0 && container->memory.limit >= 0);
    for (size_t i = 0; i < container->n_mounts; i++) {
        const struct podspec_mount *mount = &container->mounts[i];
        assert(mount->volume && mount->path && mount->subpath);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(podspec_unrefp) struct podspec *spec = NULL;
    json_t *list = json_loadb((const char *)data, size, JSON_ALLOW_NUL, NULL);

    int r = podspec_find(&spec, list, "1", NULL);
    json_decref(list);
    assert(r == 0 || ((r == -EINVAL || r == PODSPEC_E_TOO_LARGE) && !spec));
    if (!spec)
        return 0;
    assert(strcmp(spec->uid, "1") == 0);
    for (size_t i = 0; i < spec->n_containers; i++)
        look_at(spec, &spec->containers[i]);
    for (size_t i = 0; i < spec->n_init_containers; i++)
        look_at(spec, &spec->init_containers[i]);
    for (size_t i = 0; i < spec->n_volumes; i++) {
        const struct podspec_volume *volume = &spec->volumes[i];
        assert(podspec_volume(spec, volume->name) && volume->host_path_type);
    }
    for (size_t i = 0; i < spec->n_annotations; i++)
        assert(podspec_annotation(spec, spec->annotations[i].name));
    return 0;
}
