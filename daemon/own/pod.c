/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/own/pod.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-id128.h>

#include "lib/kubepod.h"

#define VERSION 1

static const char *const policies[] = {
    [OWNPOD_ALWAYS] = "Always",
    [OWNPOD_ON_FAILURE] = "OnFailure",
    [OWNPOD_NEVER] = "Never",
};

static const char *const wishes[] = {
    [OWNPOD_RUN] = "run",
    [OWNPOD_STOP] = "stop",
    [OWNPOD_REMOVE] = "remove",
};

static bool find_word(const char *const *words, size_t n, const char *word, size_t *indexp)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(words[i], word) == 0) {
            *indexp = i;
            return true;
        }
    }
    return false;
}

const char *ownpod_policy_name(enum ownpod_policy policy)
{
    return policies[policy];
}

bool ownpod_policy_from_name(const char *name, enum ownpod_policy *policyp)
{
    size_t i;

    if (!find_word(policies, N_ELEMENTS(policies), name, &i))
        return false;
    *policyp = (enum ownpod_policy)i;
    return true;
}

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
    free(ownpod);
    return NULL;
}

json_t *ownpod_to_json(const struct ownpod *ownpod, const char *boot_id)
{
    return json_pack("{s:i, s:s, s:s, s:s, s:s, s:O, s:s, s:s, s:O, s:O, s:b, s:b, s:i}", "version",
                     VERSION, "boot", boot_id, "uid", ownpod->uid, "name", ownpod->name,
                     "namespace", ownpod->namespace, "source", ownpod->source, "policy",
                     policies[ownpod->policy], "wish", wishes[ownpod->wish], "images",
                     ownpod->images, "rktPods", ownpod->rktpods, "isUp", ownpod->is_up, "hasRun",
                     ownpod->has_run, "restarts", (int)ownpod->restarts);
}

int ownpod_from_json(struct ownpod **ownpodp, struct node *node, const json_t *json)
{
    const char *uid, *name, *namespace, *policy, *wish;
    json_t *source, *images, *rktpods;
    int is_up, has_run, restarts;
    size_t wish_index;
    enum ownpod_policy policy_found;

    if (json_unpack((json_t *)json, "{s:s, s:s, s:s, s:o, s:s, s:s, s:o, s:o, s:b, s:b, s:i}",
                    "uid", &uid, "name", &name, "namespace", &namespace, "source", &source,
                    "policy", &policy, "wish", &wish, "images", &images, "rktPods", &rktpods,
                    "isUp", &is_up, "hasRun", &has_run, "restarts", &restarts) < 0 ||
        !ownpod_policy_from_name(policy, &policy_found) ||
        !find_word(wishes, N_ELEMENTS(wishes), wish, &wish_index) || !json_is_object(source) ||
        !json_is_object(images) || !json_is_array(rktpods) || !pod_uid_is_valid(uid) ||
        !kubepod_is_label(name))
        return -EINVAL;
    struct ownpod *ownpod = ownpod_new(node, uid, name, namespace, source);
    if (!ownpod)
        return -ENOMEM;
    json_decref(ownpod->images);
    json_decref(ownpod->rktpods);
    ownpod->images = json_incref(images);
    ownpod->rktpods = json_incref(rktpods);
    ownpod->policy = policy_found;
    ownpod->wish = (enum ownpod_wish)wish_index;
    ownpod->is_up = is_up;
    ownpod->has_run = has_run;
    ownpod->restarts = (unsigned)restarts;
    *ownpodp = ownpod;
    return 0;
}
