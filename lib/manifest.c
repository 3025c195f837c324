/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/manifest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct manifest {
    json_t *root;
};

struct manifest *manifest_free(struct manifest *manifest)
{
    if (manifest)
        json_decref(manifest->root);
    free(manifest);
    return NULL;
}

int manifest_from_json(struct manifest **manifestp, json_t *root, struct error *error)
{
    if (!json_is_object(root)) {
        json_decref(root);
        return error_set(error, MANIFEST_E_INVALID, "not a JSON object");
    }
    struct manifest *manifest = malloc(sizeof(*manifest));
    if (!manifest) {
        json_decref(root);
        return -ENOMEM;
    }
    manifest->root = root;
    *manifestp = manifest;
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

/* The value of the first entry of that name in a list of {"name":, "value":}, as appc looks it up.
 */
static const char *annotation(const json_t *owner, const char *name)
{
    const json_t *list = json_object_get(owner, "annotations");

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        const char *key = string_member(entry, "name");
        if (key && strcmp(key, name) == 0)
            return string_member(entry, "value");
    }
    return NULL;
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

bool manifest_identity(const struct manifest *manifest, struct pod_identity *identity)
{
    const char *managed = manifest_annotation(manifest, "rkt.kubernetes.io/managed-by-kubelet");

    identity->uid = manifest_annotation(manifest, "io.kubernetes.pod.uid");
    identity->name = manifest_annotation(manifest, "io.kubernetes.pod.name");
    identity->namespace = manifest_annotation(manifest, "io.kubernetes.pod.namespace");

    return managed && strcmp(managed, "true") == 0 && identity->name && identity->namespace &&
           identity->uid && pod_uid_is_valid(identity->uid);
}

size_t manifest_n_apps(const struct manifest *manifest)
{
    return json_array_size(json_object_get(manifest->root, "apps"));
}

struct manifest_app manifest_app(const struct manifest *manifest, size_t index)
{
    const json_t *entry = json_array_get(json_object_get(manifest->root, "apps"), index);
    struct manifest_app app = {
        .name = string_member(entry, "name"),
        .container = annotation(entry, "io.kubernetes.container.name"),
        .hash = annotation(entry, "rkt.kubernetes.io/container-hash"),
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
    return json_array_size(json_object_get(manifest->root, "volumes"));
}

struct manifest_volume manifest_volume(const struct manifest *manifest, size_t index)
{
    const json_t *entry = json_array_get(json_object_get(manifest->root, "volumes"), index);

    return (struct manifest_volume){
        .name = string_member(entry, "name"),
        .kind = string_member(entry, "kind"),
        .source = string_member(entry, "source"),
    };
}
