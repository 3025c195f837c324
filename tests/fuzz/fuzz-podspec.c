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
#include "lib/podstrip.h"

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

/* Without what podstrip() takes away the same is read. */
static void read_stripped(const json_t *list, const struct podspec *spec)
{
    CLEANUP(podspec_unrefp) struct podspec *again = NULL;
    json_t *pod;

    if (!spec || podspec_entry(&pod, list, "1") != 0)
        return;
    podstrip(pod);
    assert(podspec_find(&again, list, "1", NULL) == 0 && again);
    assert(again->n_containers == spec->n_containers);
    assert(again->n_init_containers == spec->n_init_containers);
    assert(again->n_volumes == spec->n_volumes && again->n_annotations == spec->n_annotations);
    assert(podspec_qos(again) == podspec_qos(spec));
    for (size_t i = 0; i < spec->n_volumes; i++)
        assert(again->volumes[i].type == spec->volumes[i].type);
    for (size_t i = 0; i < spec->n_containers; i++) {
        const struct podspec_container *a = &again->containers[i], *b = &spec->containers[i];
        assert(strcmp(a->name, b->name) == 0 && a->n_mounts == b->n_mounts);
        assert(a->privileged == b->privileged && a->sets_gpus == b->sets_gpus &&
               a->has_env_from == b->has_env_from);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(podspec_unrefp) struct podspec *spec = NULL;
    json_t *list = json_loadb((const char *)data, size, JSON_ALLOW_NUL, NULL);

    int r = podspec_find(&spec, list, "1", NULL);
    read_stripped(list, spec);
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
