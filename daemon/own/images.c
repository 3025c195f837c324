/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The images of a Kubernetes Pod: rkt's ID of each, and what its manifest says. What is known of an
 * image is kept with the pod, so that a restart takes the same one.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/own/steps.h"
#include "daemon/own/units.h"

static void fail_image(struct ownpod *ownpod, const struct oneshot_result *result)
{
    struct kubepod_image image;
    CLEANUP(freep) char *what = NULL;

    kubepod_image(ownpod->source, ownpod->image, &image);
    if (asprintf(&what, "image %s", image.name) < 0)
        what = NULL;
    ownrun_fail(ownpod, what ? what : "image", oneshot_words(result));
}

/* Of the image's manifest only what is needed is kept. */
static int keep_manifest(struct ownpod *ownpod, const char *text)
{
    json_auto_t *manifest = json_loads(text, 0, NULL);
    json_t *app = json_object_get(manifest, "app");
    json_t *annotations = json_object_get(manifest, "annotations");
    struct kubepod_image image;

    if (!json_is_object(manifest))
        return -EINVAL;
    kubepod_image(ownpod->source, ownpod->image, &image);
    json_t *kept = json_object();
    if (json_is_object(app))
        json_object_set(kept, "app", app);
    if (json_is_array(annotations))
        json_object_set(kept, "annotations", annotations);
    return json_object_set_new(json_object_get(ownpod->images, image.name), "manifest", kept);
}

static void inspected(void *userdata, const struct oneshot_result *result)
{
    struct ownpod *ownpod = userdata;

    ownpod->fetch = NULL;
    if (ownrun_is_closed(ownpod))
        return;
    if (result->result != 0 || keep_manifest(ownpod, result->out) < 0)
        fail_image(ownpod, result);
    else
        ownrun_see_to_images(ownpod);
}

static int keep_id(struct ownpod *ownpod, const char *image, const char *id)
{
    return json_object_set_new(ownpod->images, image, json_pack("{s:s}", "id", id));
}

static void fetched(void *userdata, const struct oneshot_result *result)
{
    struct ownpod *ownpod = userdata;
    CLEANUP(freep) char *id = adopt_last_line(result->out);
    struct kubepod_image image;

    ownpod->fetch = NULL;
    if (ownrun_is_closed(ownpod))
        return;
    kubepod_image(ownpod->source, ownpod->image, &image);
    if (result->result != 0 || !id || strncmp(id, "sha512-", strlen("sha512-")) != 0 ||
        keep_id(ownpod, image.name, id) < 0) {
        fail_image(ownpod, result);
        return;
    }
    ownrun_tell_step(ownpod, "image %s: %s", image.name, id);
    ownrun_see_to_images(ownpod);
}

void ownrun_see_to_images(struct ownpod *ownpod)
{
    struct kubepod_image image;

    if (ownpod->wish != OWNPOD_RUN) {
        ownrun_fail(ownpod, "image", "not wanted any more");
        return;
    }
    ownpod->step = OWNPOD_FETCHING;
    while (kubepod_image(ownpod->source, ownpod->image, &image)) {
        const json_t *known = json_object_get(ownpod->images, image.name);
        if (!known && strncmp(image.name, "sha512-", strlen("sha512-")) == 0 &&
            keep_id(ownpod, image.name, image.name) == 0)
            continue;
        if (!known) {
            ownrun_tell_step(ownpod, "image %s: fetching", image.name);
            ownpod->fetch = ownunits_fetch(ownpod, &image, fetched);
            return;
        }
        if (!json_object_get(known, "manifest")) {
            ownpod->fetch = ownunits_inspect(
                ownpod, json_string_value(json_object_get(known, "id")), inspected);
            return;
        }
        ownpod->image++;
    }
    ownrun_prepare(ownpod);
}
