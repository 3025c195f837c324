/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/adopt.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/podspec.h"

#define UUID_LENGTH 36

/* The list of annotations of a pod or app; it is made if there is none. Return: borrowed, NULL
 * without memory. */
static json_t *annotations_of(json_t *owner)
{
    json_t *list = json_object_get(owner, "annotations");

    if (json_is_array(list))
        return list;
    return json_object_set_new(owner, "annotations", json_array()) < 0
               ? NULL
               : json_object_get(owner, "annotations");
}

static void remove_annotation(json_t *list, const char *name)
{
    for (size_t i = json_array_size(list); i-- > 0;) {
        const char *found = json_string_value(json_object_get(json_array_get(list, i), "name"));
        if (found && strcmp(found, name) == 0)
            json_array_remove(list, i);
    }
}

static int annotate(json_t *owner, const char *name, const char *value)
{
    json_t *list = annotations_of(owner);

    if (!list)
        return -ENOMEM;
    remove_annotation(list, name);
    json_t *entry = json_pack("{s:s, s:s}", "name", name, "value", value);
    return json_array_append_new(list, entry) < 0 ? -ENOMEM : 0;
}

/* FNV-1a, 32 bits, of the app as it stands there: like the kubelet's hash, it only has to be
 * another one when the app is. */
static uint32_t hash_of(const char *text)
{
    uint32_t hash = 2166136261U;

    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619U;
    return hash;
}

static int adopt_app(json_t *app)
{
    const char *name = json_string_value(json_object_get(app, "name"));
    json_t *list = annotations_of(app);
    char hash[16];

    if (!list)
        return -ENOMEM;
    remove_annotation(list, "rkt.kubernetes.io/container-hash");
    CLEANUP(freep) char *text = json_dumps(app, JSON_COMPACT | JSON_SORT_KEYS);
    if (!text)
        return -ENOMEM;
    snprintf(hash, sizeof(hash), "%u", hash_of(text));
    int r = annotate(app, "rkt.kubernetes.io/container-hash", hash);
    return r == 0 && name ? annotate(app, "io.kubernetes.container.name", name) : r;
}

int adopt_manifest(json_t *manifest, const struct pod_identity *identity, unsigned restarts)
{
    char count[16];
    const struct {
        const char *name, *value;
    } annotations[] = {
        {ADOPT_ANNOTATION, "true"},
        {"io.kubernetes.pod.uid", identity->uid},
        {"io.kubernetes.pod.name", identity->name},
        {"io.kubernetes.pod.namespace", identity->namespace},
        {"io.kubernetes.container.name", "POD"},
        {"rkt.kubernetes.io/restart-count", count},
    };
    json_t *app;
    size_t i;
    int r = 0;

    snprintf(count, sizeof(count), "%u", restarts);
    for (i = 0; r == 0 && i < N_ELEMENTS(annotations); i++)
        r = annotate(manifest, annotations[i].name, annotations[i].value);
    remove_annotation(annotations_of(manifest), "rkt.kubernetes.io/managed-by-kubelet");
    json_array_foreach(json_object_get(manifest, "apps"), i, app)
    {
        if (r == 0 && json_is_object(app))
            r = adopt_app(app);
    }
    return r;
}

/* An app's limit of a resource. Return: 0 if it has none. */
static int64_t limit_of(const json_t *app, const char *isolator, int64_t scale)
{
    const json_t *entry;
    int64_t limit = 0;
    size_t i;

    json_array_foreach(json_object_get(json_object_get(app, "app"), "isolators"), i, entry)
    {
        const char *name = json_string_value(json_object_get(entry, "name"));
        const char *value =
            json_string_value(json_object_get(json_object_get(entry, "value"), "limit"));
        if (name && value && strcmp(name, isolator) == 0 && !podspec_quantity(value, scale, &limit))
            limit = 0;
    }
    return limit;
}

static int64_t sum_of(const json_t *apps, const char *isolator, int64_t scale)
{
    const json_t *app;
    int64_t sum = 0;
    size_t i;

    json_array_foreach(apps, i, app)
    {
        int64_t limit = limit_of(app, isolator, scale);
        if (limit == 0 || limit > INT64_MAX - sum)
            return 0;
        sum += limit;
    }
    return sum;
}

struct adopt_limits adopt_limits(const json_t *manifest)
{
    const json_t *apps = json_object_get(manifest, "apps");

    return (struct adopt_limits){.cpu = sum_of(apps, "resource/cpu", 1000),
                                 .memory = sum_of(apps, "resource/memory", 1)};
}

char *adopt_last_line(const char *output)
{
    size_t end = strlen(output);

    while (end > 0 && strchr(" \t\r\n", output[end - 1]))
        end--;
    size_t begin = end;
    while (begin > 0 && output[begin - 1] != '\n')
        begin--;
    return end > begin ? strndup(output + begin, end - begin) : NULL;
}

/* The line's end may be a UUID: what is before it is of one that was cut off. */
static bool find_uuid(const char *line, size_t length, char uuid[static UUID_LENGTH + 1])
{
    if (length < UUID_LENGTH)
        return false;
    snprintf(uuid, UUID_LENGTH + 1, "%s", line + length - UUID_LENGTH);
    return strspn(uuid, "0123456789abcdef-") == UUID_LENGTH;
}

size_t adopt_uuids(const char *output, json_t *uuids)
{
    char uuid[UUID_LENGTH + 1];
    size_t n = 0;

    for (const char *line = output; *line;) {
        size_t length = strcspn(line, "\r\n");
        if (find_uuid(line, length, uuid) && json_array_append_new(uuids, json_string(uuid)) == 0)
            n++;
        line += length;
        line += strspn(line, "\r\n");
    }
    return n;
}
