/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The images of a Kubernetes Pod: rkt's ID of each, and what its manifest says. What is known of an
 * image is kept with the pod, so that a restart takes the same one. But somebody may remove it from
 * rkt's store (rkt image rm, rkt image gc, a kubelet): where that is possible, its manifest is read
 * again, and if rkt says that it has no such image, it is fetched again. What is known is kept
 * until that is done, for without a network the image may come back by hand.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/node.h"
#include "daemon/own/steps.h"
#include "daemon/own/units.h"

static void see_to_images(struct ownpod *ownpod);

/* What was begun for the image is over, and something may be amiss with what it has printed. */
static void image_over(struct ownpod *ownpod, const struct oneshot_result *result,
                       const char *nonsense)
{
    CLEANUP(freep) char *what = NULL;
    struct kubepod_image image;

    ownpod->fetch = NULL;
    if (result->result == 0 && !nonsense && ownpod->life.state == OWNLIFE_FETCHING) {
        see_to_images(ownpod);
        return;
    }
    kubepod_image(ownpod->source, ownpod->image, &image);
    if (asprintf(&what, "image %s", image.name) < 0)
        what = NULL;
    ownrun_step_over(ownpod, result, what ? what : "image", nonsense);
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

static bool is_id(const char *image)
{
    return strncmp(image, "sha512-", strlen("sha512-")) == 0;
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

    kubepod_image(ownpod->source, ownpod->image, &image);
    bool is_known = result->result == 0 && id && is_id(id) && keep_id(ownpod, image.name, id) == 0;
    ownpod->is_fetched = is_known;
    if (is_known)
        ownrun_tell_step(ownpod, "image %s: %s", image.name, id);
    image_over(ownpod, result, is_known ? NULL : "rkt has printed no ID of it");
}

static void fetch(struct ownpod *ownpod, const struct kubepod_image *image)
{
    ownrun_tell_step(ownpod, "image %s: fetching", image->name);
    ownpod->fetch = ownunits_fetch(ownpod, image, fetched);
}

/* Only rkt's own words say so. Whatever else fails, the image may be there, and to fetch it would
 * bring what is at its name now. */
static bool is_gone(const struct oneshot_result *result)
{
    return result->result == BUS_E_FAILED && strstr(result->err, "no image IDs found");
}

/* Return: false if that would bring nothing else. */
static bool fetch_again(struct ownpod *ownpod)
{
    struct kubepod_image image;

    kubepod_image(ownpod->source, ownpod->image, &image);
    if (ownpod->is_fetched || is_id(image.name) || ownpod->life.state != OWNLIFE_FETCHING)
        return false;
    ownpod->fetch = NULL;
    fetch(ownpod, &image);
    return true;
}

static void inspected(void *userdata, const struct oneshot_result *result)
{
    struct ownpod *ownpod = userdata;

    if (is_gone(result) && fetch_again(ownpod))
        return;
    bool is_known = result->result == 0 && keep_manifest(ownpod, result->out) == 0;

    image_over(ownpod, result, is_known ? NULL : "rkt has printed no manifest of it");
}

/* One after the other. */
static void see_to_images(struct ownpod *ownpod)
{
    struct kubepod_image image;

    while (kubepod_image(ownpod->source, ownpod->image, &image)) {
        const json_t *known = json_object_get(ownpod->images, image.name);
        if (!known && is_id(image.name) && keep_id(ownpod, image.name, image.name) == 0)
            continue;
        if (!known) {
            fetch(ownpod, &image);
            return;
        }
        if (!json_object_get(known, "manifest")) {
            ownrun_tell_step(ownpod, "image %s: reading its manifest", image.name);
            ownpod->fetch = ownunits_inspect(
                ownpod, json_string_value(json_object_get(known, "id")), inspected);
            return;
        }
        ownpod->image++;
        ownpod->is_fetched = false;
    }
    ownrun_feed(ownpod, OWNLIFE_ON_DONE);
}

void ownrun_fetch(struct ownpod *ownpod)
{
    ownpod->image = 0;
    ownpod->is_fetched = false;
    if (ownpod_is_kubernetes(ownpod))
        see_to_images(ownpod);
    else
        ownrun_feed(ownpod, OWNLIFE_ON_DONE);
}

void ownrun_doubt_images(struct ownpod *ownpod)
{
    json_t *known;
    const char *name;

    json_object_foreach(ownpod->images, name, known) json_object_del(known, "manifest");
}

static void fetch_stopped(void *userdata, int result, const char *reason)
{
    (void)reason;
    if (result == BUS_E_LOST)
        ownrun_feed(userdata, OWNLIFE_ON_LOST);
    else
        ownrun_take_over_prepare(userdata);
}

/* What the gantryd before this one was at goes on without it: one of the two. */
void ownrun_cancel(struct ownpod *ownpod)
{
    ownrun_tell_step(ownpod, "ending what is under way");
    if (ownpod->fetch)
        oneshot_cancel(ownpod->fetch);
    else
        ownunits_stop_fetch(ownpod, fetch_stopped);
}
