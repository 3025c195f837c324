/* SPDX-License-Identifier: Apache-2.0 */

/* A Kubernetes Pod: whatever it is, checking it ends, and one without a fault becomes a manifest
 * with an app for each container. */

#undef NDEBUG
#include <assert.h>
#include <stdint.h>

#include "lib/adopt.h"
#include "lib/kubepod.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static json_t *make_images(const json_t *pod)
{
    json_t *images = json_object();
    struct kubepod_image image;

    for (size_t i = 0; kubepod_image(pod, i, &image); i++)
        json_object_set_new(images, image.name,
                            json_pack("{s:s, s:{s:{s:[s]}}}", "id", "sha512-1", "manifest", "app",
                                      "exec", "/bin/sh"));
    return images;
}

static void convert(const json_t *pod)
{
    static const struct pod_identity who = {"uid", "name", "namespace"};
    CLEANUP(error_deinit) struct error error = ERROR_NULL;
    CLEANUP(manifest_freep) struct manifest *manifest = NULL;
    json_auto_t *images = make_images(pod);
    json_t *json = NULL;

    int r = kubepod_to_manifest(&json, pod, images, "/dir", &error);
    assert(r == 0 || (r == KUBEPOD_E_IMAGE && error.message));
    if (r != 0)
        return;
    assert(adopt_manifest(json, &who, 0) == 0);
    struct adopt_limits limits = adopt_limits(json);
    assert(limits.cpu >= 0 && limits.memory >= 0);
    assert(manifest_from_json(&manifest, json, NULL) == 0);
    struct pod_identity identity;
    assert(manifest_identity(manifest, &identity));
    assert(manifest_n_apps(manifest) ==
           json_array_size(json_object_get(json_object_get(pod, "spec"), "containers")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_auto_t *pod = json_loadb((const char *)data, size, JSON_ALLOW_NUL, NULL);
    json_t *faults = NULL;

    int r = kubepod_check(pod, &faults);
    assert(r == 0 || (r == KUBEPOD_E_FAULTS && json_array_size(faults) > 0));
    json_decref(faults);
    if (r == 0)
        convert(pod);
    return 0;
}
