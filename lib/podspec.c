/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/podspec.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/bounds.h"
#include "lib/def.h"

/* A member that is a string without a NUL in it; else NULL. */
static const char *text(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    const char *string = json_string_value(value);

    return string && strlen(string) == json_string_length(value) ? string : NULL;
}

static bool truth(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

/* Copies a member that is a string, or else the default, if that is not NULL.
 * Return: 0 or -ENOMEM. */
static int copy_text(char **slot, const json_t *object, const char *key, const char *otherwise)
{
    const char *string = text(object, key);

    string = string ? string : otherwise;
    *slot = string ? strdup(string) : NULL;
    return string && !*slot ? -ENOMEM : 0;
}

/* Room for as many structures as a list has entries. Return: 0 or -ENOMEM. */
static int make_room(const json_t *list, size_t size, void *slot)
{
    size_t n = json_array_size(list);

    *(void **)slot = n > 0 ? calloc(n, size) : NULL;
    return n > 0 && !*(void **)slot ? -ENOMEM : 0;
}

/* Init containers, wherever they stand. Return: a new reference, or NULL if there are none. */
static json_t *find_init_containers(const json_t *pod)
{
    const json_t *annotations = json_object_get(json_object_get(pod, "metadata"), "annotations");
    json_t *list = json_object_get(json_object_get(pod, "spec"), "initContainers");
    const char *written = text(annotations, "pod.beta.kubernetes.io/init-containers");

    if (!written)
        written = text(annotations, "pod.alpha.kubernetes.io/init-containers");
    return json_array_size(list) > 0 || !written ? json_incref(list)
                                                 : json_loads(written, JSON_ALLOW_NUL, NULL);
}

/* Sizes. */

static int check_containers(const json_t *list, const char *kind, struct error *error)
{
    size_t n = json_array_size(list), n_mounts = 0;

    if (n > BOUND_CONTAINERS)
        return error_set(error, PODSPEC_E_TOO_LARGE, "the pod has %zu %ss; gantry takes %d", n,
                         kind, BOUND_CONTAINERS);
    for (size_t i = 0; i < n; i++) {
        const json_t *container = json_array_get(list, i);
        const char *name = text(container, "name");
        size_t n_here = json_array_size(json_object_get(container, "volumeMounts"));
        if (n_here > BOUND_MOUNTS)
            return error_set(error, PODSPEC_E_TOO_LARGE,
                             "%s \"%s\" has %zu volumeMounts; gantry takes %d", kind,
                             name ? name : "", n_here, BOUND_MOUNTS);
        n_mounts += n_here;
    }
    if (n_mounts > BOUND_MOUNTS)
        return error_set(error, PODSPEC_E_TOO_LARGE,
                         "the %ss have %zu volumeMounts in all; gantry takes %d", kind, n_mounts,
                         BOUND_MOUNTS);
    return 0;
}

int podspec_check_size(const json_t *pod, struct error *error)
{
    const json_t *spec = json_object_get(pod, "spec");
    size_t n_volumes = json_array_size(json_object_get(spec, "volumes"));
    json_auto_t *init_containers = find_init_containers(pod);

    if (n_volumes > BOUND_VOLUMES)
        return error_set(error, PODSPEC_E_TOO_LARGE, "the pod has %zu volumes; gantry takes %d",
                         n_volumes, BOUND_VOLUMES);
    int r = check_containers(json_object_get(spec, "containers"), "container", error);
    return r == 0 ? check_containers(init_containers, "init container", error) : r;
}

/*
 * Quantities: a decimal number and what it counts in, "100m", "0.5", "1e3", "128Mi".
 */

static const struct {
    const char *suffix;
    double factor;
} units[] = {
    {"", 1},        {"n", 1e-9},    {"u", 1e-6},    {"m", 1e-3},    {"k", 1e3},     {"M", 1e6},
    {"G", 1e9},     {"T", 1e12},    {"P", 1e15},    {"E", 1e18},    {"Ki", 0x1p10}, {"Mi", 0x1p20},
    {"Gi", 0x1p30}, {"Ti", 0x1p40}, {"Pi", 0x1p50}, {"Ei", 0x1p60},
};

/* Not by ceil(3): for that alone the mathematical library would be linked. */
static int64_t round_up(double number)
{
    if (number >= 0x1p63)
        return INT64_MAX;
    int64_t whole = number > 0 ? (int64_t)number : 0;
    /* What is whole in decimal is not to become one more by the way it is written in binary. */
    return number - (double)whole > number * 0x1p-50 ? whole + 1 : whole;
}

bool podspec_quantity(const char *string, int64_t scale, int64_t *quantityp)
{
    char *end;

    if (!isdigit((unsigned char)string[strspn(string, "+-.")]) || strpbrk(string, "xX"))
        return false;
    double number = strtod(string, &end);
    for (size_t i = 0; i < N_ELEMENTS(units); i++) {
        if (strcmp(end, units[i].suffix) != 0)
            continue;
        *quantityp = round_up(number * units[i].factor * (double)scale);
        return true;
    }
    return false;
}

static void read_resource(struct podspec_resource *resource, const json_t *resources,
                          const char *name, int64_t scale)
{
    const char *request = text(json_object_get(resources, "requests"), name);
    const char *limit = text(json_object_get(resources, "limits"), name);

    resource->has_request = request && podspec_quantity(request, scale, &resource->request);
    resource->has_limit = limit && podspec_quantity(limit, scale, &resource->limit);
}

/* The parts of a pod. Each takes an all-zero structure; what it holds when there is no memory left
 * is freed with the rest. */

/* The kubelet makes a mount's path absolute (from 1.8 on), and nothing else of it. */
static int copy_path(char **pathp, const json_t *object, const char *key)
{
    const char *path = text(object, key);

    if (asprintf(pathp, "%s%s", path && path[0] == '/' ? "" : "/", path ? path : "") >= 0)
        return 0;
    *pathp = NULL;
    return -ENOMEM;
}

static int read_mount(struct podspec_mount *mount, const json_t *json)
{
    mount->read_only = truth(json, "readOnly");
    int r = copy_text(&mount->volume, json, "name", "");
    if (r == 0)
        r = copy_path(&mount->path, json, "mountPath");
    if (r == 0)
        r = copy_text(&mount->subpath, json, "subPath", "");
    return r;
}

static bool has_variable(const json_t *list, const char *name)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *found = text(json_array_get(list, i), "name");
        if (found && strcmp(found, name) == 0)
            return true;
    }
    return false;
}

static int read_container(struct podspec_container *container, const json_t *json)
{
    const json_t *security = json_object_get(json, "securityContext");
    const json_t *resources = json_object_get(json, "resources");
    const json_t *mounts = json_object_get(json, "volumeMounts");

    container->privileged = truth(security, "privileged");
    container->sets_gpus = has_variable(json_object_get(json, "env"), "NVIDIA_VISIBLE_DEVICES");
    container->has_env_from = json_array_size(json_object_get(json, "envFrom")) > 0;
    read_resource(&container->cpu, resources, "cpu", 1000);
    read_resource(&container->memory, resources, "memory", 1);
    int r = copy_text(&container->name, json, "name", "");
    if (r == 0)
        r = make_room(mounts, sizeof(*container->mounts), &container->mounts);
    for (size_t i = 0; r == 0 && i < json_array_size(mounts); i++)
        r = read_mount(&container->mounts[container->n_mounts++], json_array_get(mounts, i));
    return r;
}

static int read_containers(struct podspec_container **listp, size_t *np, const json_t *list)
{
    int r = make_room(list, sizeof(**listp), listp);

    for (size_t i = 0; r == 0 && i < json_array_size(list); i++)
        r = read_container(&(*listp)[(*np)++], json_array_get(list, i));
    return r;
}

static const struct {
    const char *key;
    enum podspec_volume_type type;
} volume_types[] = {
    {"hostPath", PODSPEC_VOLUME_HOST_PATH},
    {"emptyDir", PODSPEC_VOLUME_EMPTY_DIR},
    {"secret", PODSPEC_VOLUME_SECRET},
    {"configMap", PODSPEC_VOLUME_CONFIG_MAP},
    {"downwardAPI", PODSPEC_VOLUME_DOWNWARD_API},
    {"metadata", PODSPEC_VOLUME_DOWNWARD_API}, /* its first name */
    {"projected", PODSPEC_VOLUME_PROJECTED},
};

static int read_volume(struct podspec_volume *volume, const json_t *json)
{
    const json_t *host_path = json_object_get(json, "hostPath");

    for (size_t i = 0; i < N_ELEMENTS(volume_types); i++) {
        if (json_is_object(json_object_get(json, volume_types[i].key)))
            volume->type = volume_types[i].type;
    }
    int r = copy_text(&volume->name, json, "name", "");
    if (r == 0)
        r = copy_text(&volume->host_path, host_path, "path", NULL);
    if (r == 0)
        r = copy_text(&volume->host_path_type, host_path, "type", "");
    return r;
}

static int read_volumes(struct podspec *spec, const json_t *list)
{
    int r = make_room(list, sizeof(*spec->volumes), &spec->volumes);

    for (size_t i = 0; r == 0 && i < json_array_size(list); i++)
        r = read_volume(&spec->volumes[spec->n_volumes++], json_array_get(list, i));
    return r;
}

static bool is_ours(const char *name)
{
    const char *slash = strchr(name, '/');
    static const char domain[] = ".gantry.io";
    size_t length = slash ? (size_t)(slash - name) : 0;

    return length >= strlen(domain) && strncmp(slash - strlen(domain), domain, strlen(domain)) == 0;
}

static int read_annotations(struct podspec *spec, json_t *annotations)
{
    const char *name;
    json_t *value;

    spec->annotations = calloc(json_object_size(annotations) + 1, sizeof(*spec->annotations));
    if (!spec->annotations)
        return -ENOMEM;
    json_object_foreach(annotations, name, value)
    {
        const char *string = is_ours(name) ? text(annotations, name) : NULL;
        if (!string)
            continue;
        struct podspec_annotation *annotation = &spec->annotations[spec->n_annotations++];
        *annotation = (struct podspec_annotation){strdup(name), strdup(string)};
        if (!annotation->name || !annotation->value)
            return -ENOMEM;
    }
    return 0;
}

static int read_pod(struct podspec *spec, const json_t *pod)
{
    const json_t *metadata = json_object_get(pod, "metadata");
    const json_t *pod_spec = json_object_get(pod, "spec");
    json_auto_t *init_containers = find_init_containers(pod);

    spec->host_pid = truth(pod_spec, "hostPID");
    spec->host_ipc = truth(pod_spec, "hostIPC");
    spec->host_network = truth(pod_spec, "hostNetwork");
    int r = copy_text(&spec->uid, metadata, "uid", "");
    if (r == 0)
        r = copy_text(&spec->name, metadata, "name", "");
    if (r == 0)
        r = copy_text(&spec->namespace, metadata, "namespace", "");
    if (r == 0)
        r = read_containers(&spec->containers, &spec->n_containers,
                            json_object_get(pod_spec, "containers"));
    if (r == 0)
        r = read_containers(&spec->init_containers, &spec->n_init_containers, init_containers);
    if (r == 0)
        r = read_volumes(spec, json_object_get(pod_spec, "volumes"));
    if (r == 0)
        r = read_annotations(spec, json_object_get(metadata, "annotations"));
    return r;
}

int podspec_entry(json_t **podp, const json_t *list, const char *uid)
{
    const json_t *items = json_object_get(list, "items");

    *podp = NULL;
    /* Go writes an empty list as null. */
    if (!json_is_array(items) && !json_is_null(items))
        return -EINVAL;
    for (size_t i = 0; i < json_array_size(items) && !*podp; i++) {
        json_t *pod = json_array_get(items, i);
        const char *found = text(json_object_get(pod, "metadata"), "uid");
        if (found && strcmp(found, uid) == 0)
            *podp = pod;
    }
    return 0;
}

int podspec_find(struct podspec **specp, const json_t *list, const char *uid, struct error *error)
{
    json_t *pod;

    *specp = NULL;
    int r = podspec_entry(&pod, list, uid);
    if (r == 0 && pod)
        r = podspec_check_size(pod, error);
    if (r != 0 || !pod)
        return r;
    CLEANUP(podspec_unrefp) struct podspec *spec = calloc(1, sizeof(*spec));
    if (!spec)
        return -ENOMEM;
    spec->n_refs = 1;
    r = read_pod(spec, pod);
    if (r < 0)
        return r;
    *specp = spec;
    spec = NULL;
    return 0;
}

/* The end of a spec. */

static void free_containers(struct podspec_container *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(list[i].name);
        for (size_t k = 0; k < list[i].n_mounts; k++) {
            free(list[i].mounts[k].volume);
            free(list[i].mounts[k].path);
            free(list[i].mounts[k].subpath);
        }
        free(list[i].mounts);
    }
    free(list);
}

struct podspec *podspec_ref(struct podspec *spec)
{
    spec->n_refs++;
    return spec;
}

struct podspec *podspec_unref(struct podspec *spec)
{
    if (!spec || --spec->n_refs > 0)
        return NULL;
    free(spec->uid);
    free(spec->name);
    free(spec->namespace);
    free_containers(spec->containers, spec->n_containers);
    free_containers(spec->init_containers, spec->n_init_containers);
    for (size_t i = 0; i < spec->n_volumes; i++) {
        free(spec->volumes[i].name);
        free(spec->volumes[i].host_path);
        free(spec->volumes[i].host_path_type);
    }
    free(spec->volumes);
    for (size_t i = 0; i < spec->n_annotations; i++) {
        free(spec->annotations[i].name);
        free(spec->annotations[i].value);
    }
    free(spec->annotations);
    free(spec);
    return NULL;
}

/* Questions. */

const struct podspec_container *podspec_container(const struct podspec *spec, const char *name)
{
    for (size_t i = 0; i < spec->n_containers; i++) {
        if (strcmp(spec->containers[i].name, name) == 0)
            return &spec->containers[i];
    }
    return NULL;
}

const struct podspec_volume *podspec_volume(const struct podspec *spec, const char *name)
{
    for (size_t i = 0; i < spec->n_volumes; i++) {
        if (strcmp(spec->volumes[i].name, name) == 0)
            return &spec->volumes[i];
    }
    return NULL;
}

const char *podspec_annotation(const struct podspec *spec, const char *name)
{
    for (size_t i = 0; i < spec->n_annotations; i++) {
        if (strcmp(spec->annotations[i].name, name) == 0)
            return spec->annotations[i].value;
    }
    return NULL;
}

/* A quantity of zero asks for nothing. */
static bool asks_for(bool is_there, int64_t quantity)
{
    return is_there && quantity > 0;
}

static bool asks_for_nothing(const struct podspec_resource *resource)
{
    return !asks_for(resource->has_request, resource->request) &&
           !asks_for(resource->has_limit, resource->limit);
}

static bool is_guaranteed(const struct podspec_resource *resource)
{
    return asks_for(resource->has_limit, resource->limit) &&
           (!resource->has_request || resource->request == resource->limit);
}

enum podspec_qos podspec_qos(const struct podspec *spec)
{
    bool best_effort = true, guaranteed = spec->n_containers > 0;

    for (size_t i = 0; i < spec->n_containers; i++) {
        const struct podspec_container *container = &spec->containers[i];
        best_effort = best_effort && asks_for_nothing(&container->cpu) &&
                      asks_for_nothing(&container->memory);
        guaranteed =
            guaranteed && is_guaranteed(&container->cpu) && is_guaranteed(&container->memory);
    }
    if (best_effort)
        return PODSPEC_BEST_EFFORT;
    return guaranteed ? PODSPEC_GUARANTEED : PODSPEC_BURSTABLE;
}

const char *podspec_qos_name(enum podspec_qos qos)
{
    static const char *const names[] = {
        [PODSPEC_BEST_EFFORT] = "BestEffort",
        [PODSPEC_BURSTABLE] = "Burstable",
        [PODSPEC_GUARANTEED] = "Guaranteed",
    };

    return names[qos];
}

int podspec_oom_score_adj(const struct podspec *spec, const struct podspec_container *container,
                          int64_t memory_total)
{
    switch (podspec_qos(spec)) {
    case PODSPEC_GUARANTEED:
        return -998;
    case PODSPEC_BEST_EFFORT:
        return 1000;
    default:
        break;
    }
    /* The API server sets a missing request to the limit; for a static pod nobody does. */
    const struct podspec_resource *memory = &container->memory;
    int64_t request = memory->has_request ? memory->request : memory->has_limit ? memory->limit : 0;
    if (memory_total <= 0 || request >= memory_total)
        return 2;
    int64_t score = 1000 - (int64_t)((__int128)1000 * request / memory_total);
    return score < 2 ? 2 : score > 999 ? 999 : (int)score;
}
