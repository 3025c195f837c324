/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/own/pod.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-id128.h>

#include "lib/kubepod.h"

/* Of the file. */
#define VERSION 2

struct pod_identity ownpod_identity(const struct ownpod *ownpod)
{
    return (struct pod_identity){ownpod->uid, ownpod->name, ownpod->namespace};
}

bool ownpod_is_kubernetes(const struct ownpod *ownpod)
{
    return kubepod_is_pod(ownpod->source);
}

const char *ownpod_uuid(const struct ownpod *ownpod)
{
    size_t n = json_array_size(ownpod->rktpods);
    const char *uuid = n > 0 ? json_string_value(json_array_get(ownpod->rktpods, n - 1)) : NULL;

    return uuid ? uuid : "";
}

int ownpod_make_uid(char uid[static 37])
{
    sd_id128_t id;

    int r = sd_id128_randomize(&id);
    if (r < 0)
        return r;
    snprintf(uid, 37, SD_ID128_UUID_FORMAT_STR, SD_ID128_FORMAT_VAL(id));
    return 0;
}

/* The pod as the kubelet would tell of it: with the UID and namespace that it has. */
static int make_spec(struct ownpod *ownpod)
{
    json_auto_t *pod = json_deep_copy(ownpod->source);
    json_t *metadata = json_object_get(pod, "metadata");

    if (json_object_set_new(metadata, "uid", json_string(ownpod->uid)) < 0 ||
        json_object_set_new(metadata, "namespace", json_string(ownpod->namespace)) < 0)
        return -ENOMEM;
    json_auto_t *list = json_pack("{s:[O]}", "items", pod);
    return list ? podspec_find(&ownpod->spec, list, ownpod->uid, NULL) : -ENOMEM;
}

struct ownpod *ownpod_new(struct node *node, const char *uid, const char *name,
                          const char *namespace, json_t *source)
{
    struct ownpod *ownpod = calloc(1, sizeof(*ownpod));

    if (!ownpod)
        return NULL;
    ownpod->node = node;
    ownpod->uid = strdup(uid);
    ownpod->name = strdup(name);
    ownpod->namespace = strdup(namespace);
    ownpod->source = json_incref(source);
    ownpod->life = OWNLIFE_NEW;
    ownpod->images = json_object();
    ownpod->rktpods = json_array();
    if (!ownpod->uid || !ownpod->name || !ownpod->namespace || !ownpod->images ||
        !ownpod->rktpods || (ownpod_is_kubernetes(ownpod) && make_spec(ownpod) != 0))
        return ownpod_free(ownpod);
    return ownpod;
}

struct ownpod *ownpod_free(struct ownpod *ownpod)
{
    free(ownpod->uid);
    free(ownpod->name);
    free(ownpod->namespace);
    json_decref(ownpod->source);
    json_decref(ownpod->images);
    json_decref(ownpod->rktpods);
    podspec_unref(ownpod->spec);
    free(ownpod->doing);
    free(ownpod->failure);
    free(ownpod->remains);
    free(ownpod);
    return NULL;
}

json_t *ownpod_to_json(const struct ownpod *ownpod, const char *boot_id)
{
    const struct ownlife *life = &ownpod->life;

    return json_pack("{s:i, s:s, s:s, s:s, s:s, s:O, s:s, s:s, s:s, s:i, s:i, s:I, s:O, s:O}",
                     "version", VERSION, "boot", boot_id, "uid", ownpod->uid, "name", ownpod->name,
                     "namespace", ownpod->namespace, "source", ownpod->source, "policy",
                     ownlife_policy_name(ownpod->policy), "state", ownlife_state_name(life->state),
                     "wish", ownlife_wish_name(life->wish), "starts", (int)life->n_starts,
                     "failures", (int)life->n_failures, "retryAt", (json_int_t)life->retry_at,
                     "images", ownpod->images, "rktPods", ownpod->rktpods);
}

static bool read_life(struct ownlife *life, const json_t *json)
{
    const char *state, *wish;
    int n_starts, n_failures;
    json_int_t retry_at;

    if (json_unpack((json_t *)json, "{s:s, s:s, s:i, s:i, s:I}", "state", &state, "wish", &wish,
                    "starts", &n_starts, "failures", &n_failures, "retryAt", &retry_at) < 0 ||
        !ownlife_state_from_name(state, &life->state) ||
        !ownlife_wish_from_name(wish, &life->wish) || n_starts < 0 || n_failures < 0 ||
        retry_at < 0)
        return false;
    life->n_starts = (unsigned)n_starts;
    life->n_failures = (unsigned)n_failures;
    life->retry_at = (usec_t)retry_at;
    return true;
}

int ownpod_from_json(struct ownpod **ownpodp, struct node *node, const json_t *json,
                     const char **whyp)
{
    const char *uid, *name, *namespace, *policy_name;
    json_t *source, *images, *rktpods;
    enum ownlife_policy policy;
    struct ownlife life;

    *whyp = "it is of another version";
    if (json_integer_value(json_object_get(json, "version")) != VERSION)
        return -EINVAL;
    *whyp = "not as it should be";
    if (json_unpack((json_t *)json, "{s:s, s:s, s:s, s:o, s:s, s:o, s:o}", "uid", &uid, "name",
                    &name, "namespace", &namespace, "source", &source, "policy", &policy_name,
                    "images", &images, "rktPods", &rktpods) < 0 ||
        !ownlife_policy_from_name(policy_name, &policy) || !read_life(&life, json) ||
        !json_is_object(source) || !json_is_object(images) || !json_is_array(rktpods) ||
        !pod_uid_is_valid(uid) || !kubepod_is_label(name))
        return -EINVAL;
    struct ownpod *ownpod = ownpod_new(node, uid, name, namespace, source);
    if (!ownpod)
        return -ENOMEM;
    json_decref(ownpod->images);
    json_decref(ownpod->rktpods);
    ownpod->images = json_incref(images);
    ownpod->rktpods = json_incref(rktpods);
    ownpod->policy = policy;
    ownpod->life = life;
    *ownpodp = ownpod;
    return 0;
}
