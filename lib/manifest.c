/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/manifest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/adopt.h"

struct manifest {
    json_t *root;
    bool is_edited;

    /* Objects, which jansson looks up by hash: rooms ask for each of many volumes. They are made
     * with the manifest, and each edit keeps them. */
    json_t *indices; /* a volume's name: the index of the first one */
    json_t *uses;    /* its name: the number of mount points and mounts */

    /* The volumes as they stand in the root, kept in the same way: a launch asks for each a dozen
     * times. */
    struct manifest_volume *volumes;
    size_t n_volumes;
};

struct manifest *manifest_free(struct manifest *manifest)
{
    if (!manifest)
        return NULL;
    json_decref(manifest->root);
    json_decref(manifest->indices);
    json_decref(manifest->uses);
    free(manifest->volumes);
    free(manifest);
    return NULL;
}

json_t *manifest_json(const struct manifest *manifest)
{
    return json_incref(manifest->root);
}

static int read_volumes(struct manifest *manifest);
static int count_uses(struct manifest *manifest);

int manifest_from_json(struct manifest **manifestp, json_t *root, struct error *error)
{
    if (!json_is_object(root)) {
        json_decref(root);
        return error_set(error, MANIFEST_E_INVALID, "not a JSON object");
    }
    CLEANUP(manifest_freep) struct manifest *manifest = calloc(1, sizeof(*manifest));
    if (!manifest) {
        json_decref(root);
        return -ENOMEM;
    }
    manifest->root = root;
    manifest->indices = json_object();
    manifest->uses = json_object();
    if (read_volumes(manifest) < 0 || count_uses(manifest) < 0)
        return -ENOMEM;
    *manifestp = manifest;
    manifest = NULL;
    return 0;
}

int manifest_parse(struct manifest **manifestp, const char *text, size_t length,
                   struct error *error)
{
    json_error_t at;
    /* Go's decoder, which rkt reads with, takes \u0000. */
    json_t *root = json_loadb(text, length, JSON_ALLOW_NUL, &at);

    if (!root && json_error_code(&at) == json_error_out_of_memory)
        return -ENOMEM;
    if (!root)
        return error_set(error, MANIFEST_E_INVALID, "line %d, column %d: %s", at.line, at.column,
                         at.text);
    return manifest_from_json(manifestp, root, error);
}

/* A member that is a string. One with a NUL in it is none: its C string would name something else.
 */
static const char *string_member(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    const char *text = json_string_value(value);

    return text && strlen(text) == json_string_length(value) ? text : NULL;
}

static bool is_named(const json_t *entry, const char *name)
{
    const char *key = string_member(entry, "name");

    return key && strcmp(key, name) == 0;
}

/* The first entry of that name, as appc looks it up in lists of {"name":, "value":}. */
static json_t *named(const json_t *list, const char *name)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *entry = json_array_get(list, i);
        if (is_named(entry, name))
            return entry;
    }
    return NULL;
}

static const char *annotation(const json_t *owner, const char *name)
{
    return string_member(named(json_object_get(owner, "annotations"), name), "value");
}

const char *manifest_annotation(const struct manifest *manifest, const char *name)
{
    return annotation(manifest->root, name);
}

bool pod_uid_is_valid(const char *uid)
{
    size_t length = strspn(uid, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789-_.");

    return length > 0 && length <= POD_UID_MAX && uid[length] == '\0' && uid[0] != '.';
}

static bool is_marked(const struct manifest *manifest, const char *name)
{
    const char *value = manifest_annotation(manifest, name);

    return value && strcmp(value, "true") == 0;
}

bool manifest_is_own(const struct manifest *manifest)
{
    return is_marked(manifest, ADOPT_ANNOTATION);
}

bool manifest_identity(const struct manifest *manifest, struct pod_identity *identity)
{
    identity->uid = manifest_annotation(manifest, "io.kubernetes.pod.uid");
    identity->name = manifest_annotation(manifest, "io.kubernetes.pod.name");
    identity->namespace = manifest_annotation(manifest, "io.kubernetes.pod.namespace");

    return (is_marked(manifest, "rkt.kubernetes.io/managed-by-kubelet") ||
            manifest_is_own(manifest)) &&
           identity->name && identity->namespace && identity->uid &&
           pod_uid_is_valid(identity->uid);
}

size_t manifest_n_apps(const struct manifest *manifest)
{
    return json_array_size(json_object_get(manifest->root, "apps"));
}

static json_t *app_entry(const struct manifest *manifest, size_t index)
{
    return json_array_get(json_object_get(manifest->root, "apps"), index);
}

struct manifest_app manifest_app(const struct manifest *manifest, size_t index)
{
    const json_t *entry = app_entry(manifest, index);
    struct manifest_app app = {
        .name = string_member(entry, "name"),
        .container = annotation(entry, "io.kubernetes.container.name"),
        .hash = annotation(entry, "rkt.kubernetes.io/container-hash"),
        .message = annotation(entry, "rkt.kubernetes.io/termination-message-path"),
    };

    if (!app.container)
        app.container = app.name;
    return app;
}

const char *manifest_container_of(const struct manifest *manifest, const char *name)
{
    for (size_t i = 0; i < manifest_n_apps(manifest); i++) {
        struct manifest_app app = manifest_app(manifest, i);
        if (app.name && strcmp(app.name, name) == 0)
            return app.container;
    }
    return name;
}

int manifest_hashes(const struct manifest *manifest, char **hashesp)
{
    char *hashes = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&hashes, &size);

    if (!f)
        return -errno;
    for (size_t i = 0; i < manifest_n_apps(manifest); i++) {
        struct manifest_app app = manifest_app(manifest, i);
        fprintf(f, "%s%s=%s", i > 0 ? "," : "", app.container ? app.container : "",
                app.hash ? app.hash : "");
    }
    if (fclose(f) != 0) {
        free(hashes);
        return -ENOMEM;
    }
    *hashesp = hashes;
    return 0;
}

size_t manifest_n_volumes(const struct manifest *manifest)
{
    return manifest->n_volumes;
}

struct manifest_volume manifest_volume(const struct manifest *manifest, size_t index)
{
    return index < manifest->n_volumes ? manifest->volumes[index] : (struct manifest_volume){0};
}

static json_t *volume_entry(const struct manifest *manifest, size_t index)
{
    return json_array_get(json_object_get(manifest->root, "volumes"), index);
}

/* One that was edited, or is new. Return: 0 or -ENOMEM. */
static int read_volume(struct manifest *manifest, size_t index)
{
    const json_t *entry = volume_entry(manifest, index);
    const char *name = string_member(entry, "name");

    manifest->volumes[index] = (struct manifest_volume){
        .name = name,
        .kind = string_member(entry, "kind"),
        .source = string_member(entry, "source"),
        .read_only = json_is_true(json_object_get(entry, "readOnly")),
    };
    if (!name || json_object_get(manifest->indices, name))
        return 0;
    return json_object_set_new(manifest->indices, name, json_integer((json_int_t)index)) < 0
               ? -ENOMEM
               : 0;
}

/* Those that are behind the ones that have been read. Return: 0 or -ENOMEM. */
static int read_more_volumes(struct manifest *manifest)
{
    size_t n = json_array_size(json_object_get(manifest->root, "volumes"));
    struct manifest_volume *volumes = reallocarray(manifest->volumes, n + 1, sizeof(*volumes));
    int r = 0;

    if (!volumes)
        return -ENOMEM;
    manifest->volumes = volumes;
    while (r == 0 && manifest->n_volumes < n)
        r = read_volume(manifest, manifest->n_volumes++);
    return r;
}

static int read_volumes(struct manifest *manifest)
{
    int r = manifest->indices ? json_object_clear(manifest->indices) : -ENOMEM;

    manifest->n_volumes = 0;
    return r == 0 ? read_more_volumes(manifest) : r;
}

size_t manifest_find_volume(const struct manifest *manifest, const char *name)
{
    const json_t *index = json_object_get(manifest->indices, name);

    return index ? (size_t)json_integer_value(index) : MANIFEST_NONE;
}

/* What a volume is: without its name, and with the readOnly that a missing one means. */
static json_t *volume_body(const struct manifest *manifest, size_t index)
{
    json_t *body = json_copy(volume_entry(manifest, index));

    json_object_del(body, "name");
    json_object_set_new(body, "readOnly", json_boolean(manifest_volume(manifest, index).read_only));
    return body;
}

bool manifest_volumes_are_alike(const struct manifest *manifest, size_t a, size_t b)
{
    const char *source_a = manifest_volume(manifest, a).source;
    const char *source_b = manifest_volume(manifest, b).source;

    /* soon told, mostly */
    if (source_a && source_b && strcmp(source_a, source_b) != 0)
        return false;
    json_t *body_a = volume_body(manifest, a), *body_b = volume_body(manifest, b);
    bool alike = json_equal(body_a, body_b);

    json_decref(body_a);
    json_decref(body_b);
    return alike;
}

size_t manifest_n_uses(const struct manifest *manifest, const char *volume)
{
    return (size_t)json_integer_value(json_object_get(manifest->uses, volume));
}

/* `name` may be NULL. Return: 0 or -ENOMEM. */
static int count_use(struct manifest *manifest, const char *name, int difference)
{
    json_t *number = name ? json_object_get(manifest->uses, name) : NULL;

    if (number)
        return json_integer_set(number, json_integer_value(number) + difference);
    return name && json_object_set_new(manifest->uses, name, json_integer(difference)) < 0 ? -ENOMEM
                                                                                           : 0;
}

static int count_list(struct manifest *manifest, const json_t *list, const char *key)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < json_array_size(list); i++)
        r = count_use(manifest, string_member(json_array_get(list, i), key), 1);
    return r;
}

static int count_uses(struct manifest *manifest)
{
    int r = manifest->uses ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < manifest_n_apps(manifest); i++) {
        const json_t *entry = app_entry(manifest, i);
        r = count_list(manifest, json_object_get(json_object_get(entry, "app"), "mountPoints"),
                       "name");
        if (r == 0)
            r = count_list(manifest, json_object_get(entry, "mounts"), "volume");
    }
    return r;
}

/* A list of the app that is inside the app. */
static json_t *app_list(const struct manifest *manifest, size_t app, const char *key)
{
    return json_object_get(json_object_get(app_entry(manifest, app), "app"), key);
}

size_t manifest_n_mounts(const struct manifest *manifest, size_t app)
{
    return json_array_size(app_list(manifest, app, "mountPoints"));
}

struct manifest_mount manifest_mount(const struct manifest *manifest, size_t app, size_t index)
{
    const json_t *entry = json_array_get(app_list(manifest, app, "mountPoints"), index);

    return (struct manifest_mount){
        .volume = string_member(entry, "name"),
        .path = string_member(entry, "path"),
        .read_only = json_is_true(json_object_get(entry, "readOnly")),
    };
}

const char *manifest_environment(const struct manifest *manifest, size_t app, const char *name)
{
    return string_member(named(app_list(manifest, app, "environment"), name), "value");
}

/* Of isolators appc looks up the last one. */
static json_t *isolator_entry(const struct manifest *manifest, size_t app, const char *isolator)
{
    const json_t *list = app_list(manifest, app, "isolators");

    for (size_t i = json_array_size(list); i > 0; i--) {
        json_t *entry = json_array_get(list, i - 1);
        if (is_named(entry, isolator))
            return entry;
    }
    return NULL;
}

bool manifest_has_isolator(const struct manifest *manifest, size_t app, const char *isolator)
{
    return isolator_entry(manifest, app, isolator) != NULL;
}

bool manifest_oom_score_adj(const struct manifest *manifest, size_t app, int *valuep)
{
    const json_t *value =
        json_object_get(isolator_entry(manifest, app, MANIFEST_OOM_SCORE_ADJ), "value");

    if (!json_is_integer(value) || json_integer_value(value) < -1000 ||
        json_integer_value(value) > 1000)
        return false;
    *valuep = (int)json_integer_value(value);
    return true;
}

/* The names in an isolator; NULL if it is another one. */
static const json_t *set_in(const json_t *entry, const char *isolator)
{
    return is_named(entry, isolator) ? json_object_get(json_object_get(entry, "value"), "set")
                                     : NULL;
}

/* But of capabilities rkt takes all sets of one kind together. */
size_t manifest_n_capabilities(const struct manifest *manifest, size_t app, const char *isolator)
{
    const json_t *list = app_list(manifest, app, "isolators");
    size_t n = 0;

    for (size_t i = 0; i < json_array_size(list); i++)
        n += json_array_size(set_in(json_array_get(list, i), isolator));
    return n;
}

const char *manifest_capability(const struct manifest *manifest, size_t app, const char *isolator,
                                size_t index)
{
    const json_t *list = app_list(manifest, app, "isolators");

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *set = set_in(json_array_get(list, i), isolator);
        if (index < json_array_size(set))
            return json_string_value(json_array_get(set, index));
        index -= json_array_size(set);
    }
    return NULL;
}

/* Editing. */

bool manifest_is_edited(const struct manifest *manifest)
{
    return manifest->is_edited;
}

char *manifest_to_text(const struct manifest *manifest)
{
    return json_dumps(manifest->root, JSON_COMPACT);
}

/* jansson's results: 0 or -1. */
static int edited(struct manifest *manifest, int result)
{
    manifest->is_edited = true;
    return result == 0 ? 0 : -ENOMEM;
}

/* The list of that name, made if it is missing. Return: NULL without memory. */
static json_t *list_of(json_t *owner, const char *key)
{
    json_t *list = json_object_get(owner, key);

    if (json_is_array(list))
        return list;
    return json_object_set_new(owner, key, json_array()) == 0 ? json_object_get(owner, key) : NULL;
}

/* Sets the value of the entry of that name; an entry is added if there is none. `value` is
 * consumed.
 */
static int set_named(struct manifest *manifest, json_t *owner, const char *key, const char *name,
                     json_t *value)
{
    json_t *list = list_of(owner, key);
    json_t *entry = named(list, name);

    if (entry)
        return edited(manifest, json_object_set_new(entry, "value", value));
    return edited(manifest, json_array_append_new(
                                list, json_pack("{s:s, s:o}", "name", name, "value", value)));
}

int manifest_set_annotation(struct manifest *manifest, const char *name, const char *value)
{
    return set_named(manifest, manifest->root, "annotations", name, json_string(value));
}

/* `value` is consumed. */
static int set_in_volume(struct manifest *manifest, size_t index, const char *key, json_t *value)
{
    int r = edited(manifest, json_object_set_new(volume_entry(manifest, index), key, value));

    return r == 0 ? read_volume(manifest, index) : r;
}

int manifest_set_volume_name(struct manifest *manifest, size_t index, const char *name)
{
    const char *before = manifest_volume(manifest, index).name;
    bool was_first = before && manifest_find_volume(manifest, before) == index;

    int r = set_in_volume(manifest, index, "name", json_string(name));
    return r == 0 && was_first ? read_volumes(manifest) : r;
}

int manifest_set_volume_source(struct manifest *manifest, size_t index, const char *source)
{
    return set_in_volume(manifest, index, "source", json_string(source));
}

int manifest_set_volume_read_only(struct manifest *manifest, size_t index, bool read_only)
{
    return set_in_volume(manifest, index, "readOnly", json_boolean(read_only));
}

int manifest_add_host_volume(struct manifest *manifest, const char *name, const char *source,
                             bool read_only)
{
    json_t *entry = json_pack("{s:s, s:s, s:s, s:b}", "name", name, "kind", "host", "source",
                              source, "readOnly", (int)read_only);

    int r = edited(manifest, json_array_append_new(list_of(manifest->root, "volumes"), entry));
    return r == 0 ? read_more_volumes(manifest) : r;
}

int manifest_remove_volumes(struct manifest *manifest, const bool *which)
{
    int r = 0;

    for (size_t i = manifest_n_volumes(manifest); r == 0 && i-- > 0;) {
        if (which[i])
            r = edited(manifest, json_array_remove(json_object_get(manifest->root, "volumes"), i));
    }
    /* In each case: what was read of those that have gone is void. */
    int of_reading = read_volumes(manifest);
    return r == 0 ? of_reading : r;
}

static json_t *mount_entry(const struct manifest *manifest, size_t app, size_t index)
{
    return json_array_get(app_list(manifest, app, "mountPoints"), index);
}

int manifest_set_mount_volume(struct manifest *manifest, size_t app, size_t index,
                              const char *volume)
{
    int r = count_use(manifest, manifest_mount(manifest, app, index).volume, -1);
    if (r == 0)
        r = edited(manifest, json_object_set_new(mount_entry(manifest, app, index), "name",
                                                 json_string(volume)));
    return r == 0 ? count_use(manifest, volume, 1) : r;
}

int manifest_set_mount_read_only(struct manifest *manifest, size_t app, size_t index,
                                 bool read_only)
{
    return edited(manifest, json_object_set_new(mount_entry(manifest, app, index), "readOnly",
                                                json_boolean(read_only)));
}

int manifest_add_mount(struct manifest *manifest, size_t app, const char *volume, const char *path,
                       bool read_only)
{
    json_t *entry =
        json_pack("{s:s, s:s, s:b}", "name", volume, "path", path, "readOnly", (int)read_only);
    json_t *inner = json_object_get(app_entry(manifest, app), "app");

    int r = edited(manifest, json_array_append_new(list_of(inner, "mountPoints"), entry));
    return r == 0 ? count_use(manifest, volume, 1) : r;
}

int manifest_remove_mount(struct manifest *manifest, size_t app, size_t index)
{
    int r = count_use(manifest, manifest_mount(manifest, app, index).volume, -1);

    return r < 0
               ? r
               : edited(manifest, json_array_remove(app_list(manifest, app, "mountPoints"), index));
}

int manifest_set_environment(struct manifest *manifest, size_t app, const char *name,
                             const char *value)
{
    json_t *inner = json_object_get(app_entry(manifest, app), "app");

    return set_named(manifest, inner, "environment", name, json_string(value));
}

/* In the place of the last one of that name; the others go. */
static int set_isolator(struct manifest *manifest, size_t app, const char *isolator, json_t *value)
{
    json_t *inner = json_object_get(app_entry(manifest, app), "app");
    json_t *list = app_list(manifest, app, "isolators");
    const json_t *last = isolator_entry(manifest, app, isolator);

    for (size_t i = json_array_size(list); last && i > 0; i--) {
        const json_t *entry = json_array_get(list, i - 1);
        if (entry != last && is_named(entry, isolator))
            json_array_remove(list, i - 1);
    }
    return set_named(manifest, inner, "isolators", isolator, value);
}

int manifest_set_capabilities(struct manifest *manifest, size_t app, const char *isolator,
                              const char *const *names, size_t n)
{
    json_t *set = json_array();

    for (size_t i = 0; i < n; i++) {
        if (json_array_append_new(set, json_string(names[i])) < 0) {
            json_decref(set);
            return -ENOMEM;
        }
    }
    return set_isolator(manifest, app, isolator, json_pack("{s:o}", "set", set));
}

int manifest_set_oom_score_adj(struct manifest *manifest, size_t app, int value)
{
    return set_isolator(manifest, app, MANIFEST_OOM_SCORE_ADJ, json_integer(value));
}

int manifest_remove_isolator(struct manifest *manifest, size_t app, const char *isolator)
{
    json_t *list = app_list(manifest, app, "isolators");

    for (size_t i = json_array_size(list); i > 0; i--) {
        if (is_named(json_array_get(list, i - 1), isolator))
            edited(manifest, json_array_remove(list, i - 1));
    }
    return 0;
}
