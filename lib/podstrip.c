/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/podstrip.h"

#include <stdbool.h>
#include <string.h>

static bool is_among(const char *name, const char *const *names)
{
    while (*names && strcmp(*names, name) != 0)
        names++;
    return *names;
}

/* Of an object, only members of these names, ended by NULL. */
static void keep_only(json_t *object, const char *const *names)
{
    const char *name;
    json_t *value;
    void *next;

    json_object_foreach_safe(object, next, name, value)
    {
        if (!is_among(name, names))
            json_object_del(object, name);
    }
}

static void strip_each(json_t *list, void (*strip)(json_t *entry))
{
    for (size_t i = 0; i < json_array_size(list); i++)
        strip(json_array_get(list, i));
}

/* Of a container's variables one counts, and whether there may be others. */
static void strip_variables(json_t *container)
{
    const json_t *env = json_object_get(container, "env");
    json_t *kept = json_array();

    for (size_t i = 0; i < json_array_size(env) && json_array_size(kept) == 0; i++) {
        json_t *variable = json_array_get(env, i);
        const char *name = json_string_value(json_object_get(variable, "name"));
        if (name && strcmp(name, "NVIDIA_VISIBLE_DEVICES") == 0)
            json_array_append(kept, variable);
    }
    json_object_set_new(container, "env", kept);
    if (json_array_size(json_object_get(container, "envFrom")) > 0)
        json_object_set_new(container, "envFrom", json_pack("[{}]"));
}

static void strip_container(json_t *container)
{
    static const char *const names[] = {
        "name", "securityContext", "resources", "volumeMounts", "envFrom", "env", NULL};
    static const char *const of_security[] = {"privileged", NULL};
    static const char *const of_resources[] = {"cpu", "memory", NULL};
    json_t *resources = json_object_get(container, "resources");

    keep_only(container, names);
    keep_only(json_object_get(container, "securityContext"), of_security);
    keep_only(json_object_get(resources, "requests"), of_resources);
    keep_only(json_object_get(resources, "limits"), of_resources);
    strip_variables(container);
}

/* What kind it is, and of a hostPath all. */
static void strip_volume(json_t *volume)
{
    static const char *const names[] = {"name",     "hostPath",  "emptyDir",
                                        "secret",   "configMap", "downwardAPI",
                                        "metadata", "projected", NULL};
    const char *name;
    json_t *value;

    keep_only(volume, names);
    json_object_foreach(volume, name, value)
    {
        if (strcmp(name, "name") != 0 && strcmp(name, "hostPath") != 0)
            json_object_clear(value);
    }
}

static void strip_spec(json_t *spec)
{
    static const char *const names[] = {"hostPID",    "hostIPC",        "hostNetwork", "volumes",
                                        "containers", "initContainers", NULL};

    keep_only(spec, names);
    strip_each(json_object_get(spec, "volumes"), strip_volume);
    strip_each(json_object_get(spec, "containers"), strip_container);
    strip_each(json_object_get(spec, "initContainers"), strip_container);
}

/* gantry's own, and the init containers of old. */
static void strip_annotations(json_t *annotations)
{
    static const char old[] = "/init-containers";
    const char *name;
    json_t *value;
    void *next;

    json_object_foreach_safe(annotations, next, name, value)
    {
        size_t length = strlen(name);
        bool is_old = length > strlen(old) && strcmp(name + length - strlen(old), old) == 0;
        if (!is_old && !strstr(name, ".gantry.io/"))
            json_object_del(annotations, name);
    }
}

void podstrip(json_t *pod)
{
    static const char *const names[] = {"metadata", "spec", NULL};
    static const char *const of_metadata[] = {"uid", "name", "namespace", "annotations", NULL};
    json_t *metadata = json_object_get(pod, "metadata");

    keep_only(pod, names);
    keep_only(metadata, of_metadata);
    strip_annotations(json_object_get(metadata, "annotations"));
    strip_spec(json_object_get(pod, "spec"));
}
